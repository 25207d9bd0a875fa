//! What a swarm's manager answers, as far as it matters here. Whatever has nothing in it may be null.

use serde::Deserialize;

use crate::docker::api::Map;

/// An item of `/services`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Service {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(rename = "Spec")]
    pub(super) spec: ServiceSpec,
    #[serde(rename = "Endpoint")]
    pub(super) endpoint: Endpoint,
    #[serde(rename = "UpdateStatus")]
    pub(super) update: Option<State>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ServiceSpec {
    pub(super) name: String,
    pub(super) labels: Map<String>,
    pub(super) mode: Mode,
    pub(super) task_template: TaskSpec,
}

/// How many tasks a service has; the one that is there says it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Mode {
    pub(super) global: Option<Empty>,
    pub(super) replicated: Option<Empty>,
}

/// Something that is there, whatever is in it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Empty {}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct TaskSpec {
    pub(super) container_spec: Option<ContainerSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ContainerSpec {
    pub(super) hostname: String,
    pub(super) image: String,
    pub(super) labels: Map<String>,
}

/// Where a service is reached.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint {
    #[serde(rename = "Ports")]
    pub(super) ports: Option<Vec<Port>>,
    #[serde(rename = "VirtualIPs")]
    pub(super) virtual_ips: Option<Vec<VirtualIp>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Port {
    pub(super) name: String,
    pub(super) protocol: String,
    pub(super) published_port: u32,
    pub(super) publish_mode: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct VirtualIp {
    #[serde(rename = "NetworkID")]
    pub(super) network_id: String,
    /// With the length of the network's prefix: `10.0.0.2/24`.
    #[serde(rename = "Addr")]
    pub(super) address: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct State {
    pub(super) state: String,
}

/// An item of `/tasks`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Task {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(rename = "ServiceID")]
    pub(super) service_id: String,
    #[serde(rename = "NodeID")]
    pub(super) node_id: String,
    #[serde(rename = "Slot")]
    pub(super) slot: i64,
    #[serde(rename = "DesiredState")]
    pub(super) desired_state: String,
    #[serde(rename = "Spec")]
    pub(super) spec: TaskSpec,
    #[serde(rename = "Status")]
    pub(super) status: TaskStatus,
    #[serde(rename = "NetworksAttachments")]
    pub(super) networks: Option<Vec<Attachment>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct TaskStatus {
    pub(super) state: String,
    pub(super) container_status: Option<ContainerStatus>,
    pub(super) port_status: Option<PortStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ContainerStatus {
    #[serde(rename = "ContainerID")]
    pub(super) id: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct PortStatus {
    pub(super) ports: Option<Vec<Port>>,
}

/// A task's place in a network.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Attachment {
    pub(super) network: AttachedNetwork,
    /// With the length of the network's prefix.
    pub(super) addresses: Option<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct AttachedNetwork {
    #[serde(rename = "ID")]
    pub(super) id: String,
}

/// An item of `/nodes`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Node {
    #[serde(rename = "ID")]
    pub(super) id: String,
    #[serde(rename = "Spec")]
    pub(super) spec: NodeSpec,
    #[serde(rename = "Description")]
    pub(super) description: Description,
    #[serde(rename = "Status")]
    pub(super) status: NodeStatus,
    #[serde(rename = "ManagerStatus")]
    pub(super) manager: Option<ManagerStatus>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct NodeSpec {
    pub(super) labels: Map<String>,
    pub(super) role: String,
    pub(super) availability: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Description {
    pub(super) hostname: String,
    pub(super) platform: Platform,
    pub(super) engine: EngineVersion,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Platform {
    #[serde(rename = "Architecture")]
    pub(super) architecture: String,
    #[serde(rename = "OS")]
    pub(super) os: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct EngineVersion {
    pub(super) engine_version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct NodeStatus {
    pub(super) state: String,
    pub(super) addr: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct ManagerStatus {
    pub(super) leader: bool,
    pub(super) reachability: String,
    pub(super) addr: String,
}
