//! What the Docker engine's API answers, as far as it matters here. Whatever has nothing in it may be null.

use std::collections::BTreeMap;

use serde::Deserialize;

type Map<T> = Option<BTreeMap<String, T>>;

/// An item of `/containers/json`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Container {
    pub(super) id: String,
    pub(super) names: Option<Vec<String>>,
    pub(super) image: String,
    #[serde(rename = "ImageID")]
    pub(super) image_id: String,
    pub(super) labels: Map<String>,
    pub(super) ports: Option<Vec<Port>>,
    pub(super) host_config: HostConfig,
    network_settings: Option<NetworkSettings>,
}

/// A port that a container declares.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Port {
    /// Of the host, where it is published.
    #[serde(rename = "IP")]
    pub(super) ip: String,
    #[serde(rename = "PrivatePort")]
    pub(super) private: u16,
    /// Of the host; 0: it is not published.
    #[serde(rename = "PublicPort")]
    pub(super) public: u16,
    #[serde(rename = "Type")]
    pub(super) kind: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct HostConfig {
    pub(super) network_mode: String,
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
pub(super) struct Endpoint {
    #[serde(rename = "NetworkID")]
    pub(super) network_id: String,
    #[serde(rename = "IPAddress")]
    ipv4: String,
    #[serde(rename = "GlobalIPv6Address")]
    ipv6: String,
}

/// An item of `/networks`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Network {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) scope: String,
    pub(super) internal: bool,
    pub(super) ingress: bool,
    pub(super) labels: Map<String>,
}

/// Why there is no answer.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) message: String,
}

impl Container {
    /// Its places in networks, sorted by the networks' names.
    pub(super) fn endpoints(&self) -> impl Iterator<Item = &Endpoint> {
        let networks = self.network_settings.iter().flat_map(|it| &it.networks);
        networks.flat_map(BTreeMap::values).flatten()
    }
}

impl Endpoint {
    /// The address in the network; empty in the host's.
    pub(super) fn address(&self) -> &str {
        if self.ipv4.is_empty() { &self.ipv6 } else { &self.ipv4 }
    }
}
