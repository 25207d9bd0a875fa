//! The table of `kubernetes_sd_configs`.

use model::quote;

use super::http_client::HttpClient;
use super::mechanisms::require;
use super::selector;
use crate::section::{Http, Kind, Preset, Schema, Section, field, kept, no_check, preset};

/// Roles, and the roles of selectors that each takes.
const ROLES: [(&str, &[&str]); 6] = [
    ("pod", &["pod", "node"]),
    ("service", &["service"]),
    ("endpointslice", &["pod", "service", "endpointslice"]),
    ("endpoints", &["pod", "service", "endpoints"]),
    ("node", &["node"]),
    ("ingress", &["ingress"]),
];

pub(super) static KUBERNETES: Schema = Schema {
    go_type: "kubernetes.plain",
    fields: &[
        field("api_server", Kind::Url),
        kept("role", Kind::Lower, Preset::Zero),
        kept("kubeconfig_file", Kind::File, Preset::Zero),
        field("", Kind::HttpHere),
        field("namespaces", Kind::Section(&NAMESPACES)),
        field("selectors", Kind::Sections(&SELECTOR)),
        field("attach_metadata", Kind::Section(&ATTACH)),
    ],
    http: Http::Client { http2: true },
    check,
};

static NAMESPACES: Schema = Schema {
    go_type: "kubernetes.plain",
    fields: &[kept("own_namespace", Kind::Bool, Preset::Zero), field("names", Kind::Texts)],
    http: Http::None,
    check: no_check,
};

static SELECTOR: Schema = Schema {
    go_type: "kubernetes.SelectorConfig",
    fields: &[
        preset("role", Kind::Lower, Preset::Zero),
        field("label", Kind::Text),
        field("field", Kind::Text),
    ],
    http: Http::None,
    check: no_check,
};

static ATTACH: Schema = Schema {
    go_type: "kubernetes.plain",
    fields: &[
        kept("node", Kind::Bool, Preset::Zero),
        field("namespace", Kind::Bool),
        field("deployment", Kind::Bool),
        field("job", Kind::Bool),
        field("cronjob", Kind::Bool),
    ],
    http: Http::None,
    check: no_check,
};

fn check(it: &mut Section) -> Result<(), String> {
    let role = it.text("role");
    require(
        !role.is_empty(),
        "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)",
    )?;
    let Some((_, allowed)) = ROLES.iter().find(|known| known.0 == role) else {
        return Err(format!("unknown Kubernetes SD role {}", quote(role)));
    };
    let (server, kubeconfig) =
        (!it.text("api_server").is_empty(), !it.text("kubeconfig_file").is_empty());
    let own_namespace = it.section("namespaces").is_some_and(|it| it.flag("own_namespace"));
    let custom_http = it.http.as_ref().is_some_and(|http| *http != HttpClient::default());
    require(
        !(kubeconfig && server),
        "cannot use 'kubeconfig_file' and 'api_server' simultaneously",
    )?;
    require(
        !(kubeconfig && custom_http),
        "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
    )?;
    require(
        server || !custom_http,
        "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
    )?;
    require(
        !(server && own_namespace),
        "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously",
    )?;
    require(
        !(kubeconfig && own_namespace),
        "cannot use 'kubeconfig_file' and 'namespaces.own_namespace' simultaneously",
    )?;
    check_selectors(role, allowed, it.sections("selectors"))
}

fn check_selectors(role: &str, allowed: &[&str], selectors: &[Section]) -> Result<(), String> {
    for (i, selector) in selectors.iter().enumerate() {
        let wanted = selector.text("role");
        if selectors[..i].iter().any(|it| it.text("role") == wanted) {
            return Err(format!("duplicated selector role: {wanted}"));
        }
        if !allowed.contains(&wanted) {
            return Err(format!("{role} role supports only {} selectors", allowed.join(", ")));
        }
        selector::check_fields(selector.text("field"))?;
        selector::check_labels(selector.text("label"))?;
    }
    Ok(())
}
