//! The tables of the discovery mechanisms that ask a registry or a platform.

use super::mechanisms::{FILTER, HTTP_CLIENT, REFRESH, refresh, require};
use crate::scalar::scheme_and_host;
use crate::section::Http;
use crate::section::Kind::{Bool, File, Int, Sections, Text, TextMap, Texts, Url};
use crate::section::{Field, Item, Kind, Preset, Schema, Section, field, kept, preset};

pub(super) static CONSUL: Schema = Schema {
    go_type: "consul.plain",
    fields: &[
        preset("server", Text, Preset::Text("localhost:8500")),
        field("path_prefix", Text),
        field("token", Kind::Secret),
        field("datacenter", Text),
        field("namespace", Text),
        field("partition", Text),
        preset("tag_separator", Text, Preset::Text(",")),
        preset("scheme", Text, Preset::Text("http")),
        field("username", Text),
        field("password", Kind::Secret),
        kept("allow_stale", Bool, Preset::Bool(true)),
        refresh(30),
        field("services", Texts),
        field("tags", Texts),
        field("node_meta", TextMap),
        field("filter", Text),
        field("health_filter", Text),
    ],
    http: HTTP_CLIENT,
    check: check_consul,
};

pub(super) static DNS: Schema = Schema {
    go_type: "dns.plain",
    fields: &[
        kept("names", Texts, Preset::Zero),
        refresh(30),
        preset("type", Text, Preset::Text("SRV")),
        kept("port", Int, Preset::Zero),
    ],
    http: Http::None,
    check: |it| {
        require(
            !it.texts("names").is_empty(),
            "DNS-SD config must contain at least one SRV record name",
        )?;
        match it.text("type").to_uppercase().as_str() {
            "SRV" => Ok(()),
            "A" | "AAAA" | "MX" | "NS" => require(
                it.int("port") != 0,
                "a port is required in DNS-SD configs for all record types except SRV",
            ),
            other => Err(format!("invalid DNS-SD records type {other}")),
        }
    },
};

pub(super) static DOCKER: Schema = Schema {
    go_type: "moby.plain",
    fields: &[
        kept("host", Text, Preset::Zero),
        kept("port", Int, Preset::Int(80)),
        field("filters", Sections(&FILTER)),
        kept("host_networking_host", Text, Preset::Text("localhost")),
        kept("refresh_interval", Kind::Duration, Preset::Int(60_000)),
        kept("match_first_network", Bool, Preset::Bool(true)),
    ],
    http: HTTP_CLIENT,
    check: check_docker_host,
};

pub(super) static DOCKERSWARM: Schema = Schema {
    go_type: "moby.plain",
    fields: &[
        kept("host", Text, Preset::Zero),
        kept("role", Text, Preset::Zero),
        kept("port", Int, Preset::Int(80)),
        field("filters", Sections(&FILTER)),
        kept("refresh_interval", Kind::Duration, Preset::Int(60_000)),
    ],
    http: HTTP_CLIENT,
    check: |it| {
        check_docker_host(it)?;
        match it.text("role") {
            "services" | "nodes" | "tasks" => Ok(()),
            "" => Err("role missing (one of: tasks, services, nodes)".into()),
            other => Err(format!("invalid role {other}, expected tasks, services, or nodes")),
        }
    },
};

pub(super) static EUREKA: Schema = Schema {
    go_type: "eureka.plain",
    fields: &[field("server", Text), refresh(30)],
    http: HTTP_CLIENT,
    check: |it| {
        require(!it.text("server").is_empty(), "eureka_sd: empty or null eureka server")?;
        let (scheme, host) = scheme_and_host(it.text("server"));
        require(!scheme.is_empty() && !host.is_empty(), "eureka_sd: invalid eureka server URL")
    },
};

pub(super) static HTTP: Schema = Schema {
    go_type: "http.plain",
    fields: &[Field { keep: true, ..REFRESH }, kept("url", Url, Preset::Zero)],
    http: HTTP_CLIENT,
    check: check_http_url,
};

pub(super) static KUMA: Schema = Schema {
    go_type: "xds.plainKumaConf",
    fields: &[
        refresh(15),
        preset("fetch_timeout", Kind::Duration, Preset::Int(120_000)),
        field("server", Text),
        field("client_id", Text),
    ],
    http: HTTP_CLIENT,
    check: |it| require(!it.text("server").is_empty(), "kuma SD server must not be empty: "),
};

pub(super) static MARATHON: Schema = Schema {
    go_type: "marathon.plain",
    fields: &[
        field("servers", Texts),
        refresh(30),
        field("auth_token", Kind::Secret),
        field("auth_token_file", File),
    ],
    http: HTTP_CLIENT,
    check: check_marathon,
};

pub(super) static NOMAD: Schema = Schema {
    go_type: "nomad.plain",
    fields: &[
        kept("allow_stale", Bool, Preset::Bool(true)),
        kept("namespace", Text, Preset::Text("default")),
        kept("refresh_interval", Kind::Duration, Preset::Int(60_000)),
        kept("region", Text, Preset::Text("global")),
        kept("server", Text, Preset::Text("http://localhost:4646")),
        preset("tag_separator", Text, Preset::Text(",")),
    ],
    http: HTTP_CLIENT,
    check: |it| {
        require(
            !it.text("server").trim().is_empty(),
            "nomad SD configuration requires a server address",
        )
    },
};

pub(super) static PUPPETDB: Schema = Schema {
    go_type: "puppetdb.plain",
    fields: &[
        REFRESH,
        kept("url", Url, Preset::Zero),
        kept("query", Text, Preset::Zero),
        kept("include_parameters", Bool, Preset::Zero),
        kept("port", Int, Preset::Int(80)),
    ],
    http: HTTP_CLIENT,
    check: |it| {
        check_http_url(it)?;
        require(!it.text("query").is_empty(), "query missing")
    },
};

pub(super) static UYUNI: Schema = Schema {
    go_type: "uyuni.plain",
    fields: &[
        kept("server", Url, Preset::Zero),
        kept("username", Text, Preset::Zero),
        kept("password", Kind::Secret, Preset::Zero),
        preset("entitlement", Text, Preset::Text("monitoring_entitled")),
        preset("separator", Text, Preset::Text(",")),
        REFRESH,
    ],
    http: HTTP_CLIENT,
    check: |it| {
        let missing = |key: &str| format!("Uyuni SD configuration requires {key}");
        require(!it.text("server").is_empty(), &missing("server host"))?;
        require(!it.text("username").is_empty(), &missing("a username"))?;
        require(!it.text("password").is_empty(), &missing("a password"))
    },
};

/// Serverset and Nerve.
pub(super) static ZOOKEEPER: Schema = Schema {
    go_type: "zookeeper.plain",
    fields: &[
        kept("servers", Texts, Preset::Zero),
        kept("paths", Texts, Preset::Zero),
        preset("timeout", Kind::Duration, Preset::Int(10_000)),
    ],
    http: Http::None,
    check: |it| {
        require(
            !it.texts("servers").is_empty(),
            "serverset SD config must contain at least one Zookeeper server",
        )?;
        require(
            !it.texts("paths").is_empty(),
            "serverset SD config must contain at least one path",
        )?;
        match it.texts("paths").iter().find(|it| !it.starts_with('/')) {
            Some(path) => Err(format!("serverset SD config paths must begin with '/': {path}")),
            None => Ok(()),
        }
    },
};

fn check_consul(it: &mut Section) -> Result<(), String> {
    require(
        !it.text("server").trim().is_empty(),
        "consul SD configuration requires a server address",
    )?;
    let password = it.text("password").to_owned();
    let named = !it.text("username").is_empty() || !password.is_empty();
    let username = it.text("username").to_owned();
    let token = !it.text("token").is_empty();
    let Some(http) = &mut it.http else { return Ok(()) };
    if named {
        require(
            http.basic_auth.is_none(),
            "at most one of consul SD configuration username and password and basic auth can be configured",
        )?;
        let basic = super::auth::BasicAuth {
            username,
            password: crate::Secret::new(password),
            ..Default::default()
        };
        http.basic_auth = Some(basic);
    }
    require(
        !token || http.authorization.is_none() && http.oauth2.is_none(),
        "at most one of consul SD token, authorization, or oauth2 can be configured",
    )?;
    if named {
        it.put("username", Item::Text(String::new()));
        it.put("password", Item::Secret(crate::Secret::default()));
    }
    Ok(())
}

fn check_marathon(it: &mut Section) -> Result<(), String> {
    let (token, file) = (!it.text("auth_token").is_empty(), !it.text("auth_token_file").is_empty());
    let Some(http) = &it.http else { return Ok(()) };
    require(
        !it.texts("servers").is_empty(),
        "marathon_sd: must contain at least one Marathon server",
    )?;
    require(
        !(token && file),
        "marathon_sd: at most one of auth_token & auth_token_file must be configured",
    )?;
    if !token && !file {
        return Ok(());
    }
    require(
        http.basic_auth.is_none(),
        "marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured",
    )?;
    let old_keys = it.http.as_ref().is_some_and(|http| http.had_bearer_token());
    require(
        !old_keys,
        "marathon_sd: at most one of bearer_token, bearer_token_file, auth_token & auth_token_file must be \
         configured",
    )?;
    require(
        http.authorization.is_none(),
        "marathon_sd: at most one of auth_token, auth_token_file & authorization must be configured",
    )
}

fn check_docker_host(it: &mut Section) -> Result<(), String> {
    require(!it.text("host").is_empty(), "host missing")
}

fn check_http_url(it: &mut Section) -> Result<(), String> {
    require(!it.text("url").is_empty(), "URL is missing")?;
    let (scheme, host) = scheme_and_host(it.text("url"));
    require(matches!(scheme, "http" | "https"), "URL scheme must be 'http' or 'https'")?;
    require(!host.is_empty(), "host is missing in URL")
}
