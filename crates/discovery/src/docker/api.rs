//! What the Docker engine's API answers, as far as it matters here. Whatever has nothing in it may be null.

use std::collections::BTreeMap;

use serde::Deserialize;

pub(crate) type Map<T> = Option<BTreeMap<String, T>>;

/// An item of `/containers/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Container {
    pub(crate) id: String,
    pub(crate) names: Option<Vec<String>>,
    pub(crate) image: String,
    #[serde(rename = "ImageID")]
    pub(crate) image_id: String,
    pub(crate) labels: Map<String>,
    pub(crate) ports: Option<Vec<Port>>,
    pub(crate) host_config: HostConfig,
    network_settings: Option<NetworkSettings>,
}

/// A port that a container declares.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Port {
    /// Of the host, where it is published.
    #[serde(rename = "IP")]
    pub(crate) ip: String,
    #[serde(rename = "PrivatePort")]
    pub(crate) private: u16,
    /// Of the host; 0: it is not published.
    #[serde(rename = "PublicPort")]
    pub(crate) public: u16,
    #[serde(rename = "Type")]
    pub(crate) kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct HostConfig {
    pub(crate) network_mode: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct NetworkSettings {
    /// By the networks' names.
    networks: Map<Option<Endpoint>>,
}

/// A container's place in a network.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    #[serde(rename = "NetworkID")]
    pub(crate) network_id: String,
    #[serde(rename = "IPAddress")]
    ipv4: String,
    #[serde(rename = "GlobalIPv6Address")]
    ipv6: String,
}

/// An item of `/networks`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(crate) struct Network {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) scope: String,
    pub(crate) internal: bool,
    pub(crate) ingress: bool,
    pub(crate) labels: Map<String>,
}

impl Container {
    /// Its places in networks, sorted by the networks' names.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let networks = self.network_settings.iter().flat_map(|it| &it.networks);
        networks.flat_map(BTreeMap::values).flatten()
    }
}

impl Endpoint {
    /// The address in the network; empty in the host's.
    pub(crate) fn address(&self) -> &str {
        if self.ipv4.is_empty() { &self.ipv6 } else { &self.ipv4 }
    }
}
