//! The tables of the discovery mechanisms that ask a provider of machines.

use model::quote;

use super::mechanisms::{FILTER, HTTP_CLIENT, PORT, REFRESH, refresh, require, tls};
use crate::section::Http::{self, Bare};
use crate::section::Kind::{Bool, File, Int, Sections, Text, Texts};
use crate::section::{Field, Kind, Preset, Schema, Section, field, kept, no_check, preset};

pub(super) static AWS: Schema = Schema {
    go_type: "aws.plain",
    fields: &[
        field("role", Text),
        field("endpoint", Text),
        field("region", Text),
        field("access_key", Text),
        field("secret_key", Kind::Secret),
        field("profile", Text),
        field("role_arn", Text),
        field("external_id", Text),
        field("clusters", Texts),
        PORT,
        REFRESH,
        field("request_concurrency", Int),
        field("filters", Sections(&FILTER)),
    ],
    http: Bare,
    check: no_check,
};

pub(super) static AWS_CLUSTERS: Schema = Schema { http: HTTP_CLIENT, ..AWS_COPY };

/// The same keys without the role, for the mechanisms of one role.
const AWS_COPY: Schema = Schema {
    go_type: "aws.plain",
    fields: &[
        field("endpoint", Text),
        field("region", Text),
        field("access_key", Text),
        field("secret_key", Kind::Secret),
        field("profile", Text),
        field("role_arn", Text),
        field("external_id", Text),
        field("clusters", Texts),
        PORT,
        REFRESH,
        field("request_concurrency", Int),
        field("filters", Sections(&FILTER)),
    ],
    http: Http::None,
    check: no_check,
};

pub(super) static EC2: Schema = Schema {
    go_type: "aws.plain",
    fields: &[
        field("endpoint", Text),
        kept("region", Text, Preset::Zero),
        field("access_key", Text),
        field("secret_key", Kind::Secret),
        field("profile", Text),
        field("role_arn", Text),
        field("external_id", Text),
        REFRESH,
        PORT,
        field("filters", Sections(&FILTER)),
    ],
    http: HTTP_CLIENT,
    check: |it| {
        let empty = it.sections("filters").iter().any(|filter| filter.texts("values").is_empty());
        require(!empty, "EC2 SD configuration filter values cannot be empty")
    },
};

pub(super) static LIGHTSAIL: Schema = Schema {
    go_type: "aws.plain",
    fields: &[
        field("endpoint", Text),
        kept("region", Text, Preset::Zero),
        field("access_key", Text),
        field("secret_key", Kind::Secret),
        field("profile", Text),
        field("role_arn", Text),
        field("external_id", Text),
        REFRESH,
        PORT,
    ],
    http: HTTP_CLIENT,
    check: no_check,
};

pub(super) static AZURE: Schema = Schema {
    go_type: "azure.plain",
    fields: &[
        preset("environment", Text, Preset::Text("AzurePublicCloud")),
        PORT,
        field("subscription_id", Text),
        field("tenant_id", Text),
        field("client_id", Text),
        field("client_secret", Kind::Secret),
        refresh(300),
        preset("authentication_method", Text, Preset::Text("OAuth")),
        field("resource_group", Text),
    ],
    http: HTTP_CLIENT,
    check: |it| {
        let missing = |key: &str| format!("azure SD configuration requires a {key}");
        require(!it.text("subscription_id").is_empty(), &missing("subscription_id"))?;
        match it.text("authentication_method") {
            "OAuth" => ["tenant_id", "client_id", "client_secret"]
                .into_iter()
                .try_for_each(|key| require(!it.text(key).is_empty(), &missing(key))),
            "ManagedIdentity" | "SDK" | "WorkloadIdentity" => Ok(()),
            other => Err(format!(
                "unknown authentication_type {}. Supported types are \"OAuth\", \"ManagedIdentity\", \"SDK\" \
                 or \"WorkloadIdentity\"",
                quote(other)
            )),
        }
    },
};

pub(super) static DIGITALOCEAN: Schema = Schema {
    go_type: "digitalocean.plain",
    fields: &[field("role", Text), REFRESH, PORT],
    http: HTTP_CLIENT,
    check: no_check,
};

pub(super) static GCE: Schema = Schema {
    go_type: "gce.plain",
    fields: &[
        kept("project", Text, Preset::Zero),
        kept("zone", Text, Preset::Zero),
        field("filter", Text),
        REFRESH,
        kept("port", Int, Preset::Int(80)),
        preset("tag_separator", Text, Preset::Text(",")),
    ],
    http: Http::None,
    check: |it| {
        require(!it.text("project").is_empty(), "GCE SD configuration requires a project")?;
        require(!it.text("zone").is_empty(), "GCE SD configuration requires a zone")
    },
};

pub(super) static HETZNER: Schema = Schema {
    go_type: "hetzner.plain",
    fields: &[REFRESH, PORT, field("role", Text), field("label_selector", Text)],
    http: HTTP_CLIENT,
    check: |it| match it.text("role") {
        "hcloud" | "robot" => Ok(()),
        "" => Err("role missing (one of: robot, hcloud)".into()),
        other => Err(format!("unknown role {}", quote(other))),
    },
};

pub(super) static IONOS: Schema = Schema {
    go_type: "ionos.plain",
    fields: &[kept("datacenter_id", Text, Preset::Zero), REFRESH, PORT],
    http: HTTP_CLIENT,
    check: |it| require(!it.text("datacenter_id").is_empty(), "datacenter id can't be empty"),
};

pub(super) static LINODE: Schema = Schema {
    go_type: "linode.plain",
    fields: &[
        REFRESH,
        PORT,
        preset("tag_separator", Text, Preset::Text(",")),
        field("region", Text),
    ],
    http: HTTP_CLIENT,
    check: no_check,
};

pub(super) static OCI: Schema = Schema {
    go_type: "oci.plain",
    fields: &[
        preset("auth", Text, Preset::Text("api_key")),
        field("tenancy", Text),
        field("user", Text),
        field("fingerprint", Text),
        field("key_file", File),
        field("key", Kind::Secret),
        field("key_passphrase", Kind::Secret),
        field("key_passphrase_file", File),
        field("region", Text),
        field("compartments", Texts),
        PORT,
        REFRESH,
    ],
    http: HTTP_CLIENT,
    check: |it| match it.text("auth") {
        "api_key" | "instance_principal" => Ok(()),
        other => Err(format!(
            "oci_sd: unknown auth method {}, expected \"api_key\" or \"instance_principal\"",
            quote(other)
        )),
    },
};

pub(super) static OPENSTACK: Schema = Schema {
    go_type: "openstack.plain",
    fields: &[
        kept("identity_endpoint", Text, Preset::Zero),
        kept("username", Text, Preset::Zero),
        kept("userid", Text, Preset::Zero),
        kept("password", Kind::Secret, Preset::Zero),
        kept("project_name", Text, Preset::Zero),
        kept("project_id", Text, Preset::Zero),
        kept("domain_name", Text, Preset::Zero),
        kept("domain_id", Text, Preset::Zero),
        field("application_credential_name", Text),
        field("application_credential_id", Text),
        field("application_credential_secret", Kind::Secret),
        kept("role", Text, Preset::Zero),
        kept("region", Text, Preset::Zero),
        REFRESH,
        kept("port", Int, Preset::Int(80)),
        field("all_tenants", Bool),
        tls(),
        preset("availability", Text, Preset::Text("public")),
    ],
    http: Http::None,
    check: |it| {
        let availability = it.text("availability");
        if !matches!(availability, "admin" | "internal" | "public") {
            return Err(format!(
                "unknown availability {availability}, must be one of admin, internal or public"
            ));
        }
        match it.text("role") {
            "hypervisor" | "instance" | "loadbalancer" => Ok(()),
            "" => Err("role missing (one of: instance, hypervisor, loadbalancer)".into()),
            other => Err(format!("unknown OpenStack SD role {}", quote(other))),
        }
    },
};

pub(super) static OUTSCALE: Schema = Schema {
    go_type: "outscale.plain",
    fields: &[
        preset("region", Text, Preset::Text("eu-west-2")),
        field("endpoint", Text),
        field("access_key", Text),
        field("secret_key", Kind::Secret),
        field("secret_key_file", File),
        PORT,
        REFRESH,
    ],
    http: HTTP_CLIENT,
    check: |it| {
        require(!it.text("region").is_empty(), "outscale SD configuration requires a region")?;
        check_secret_key(it)
    },
};

pub(super) static OVHCLOUD: Schema = Schema {
    go_type: "ovhcloud.plain",
    fields: &[
        preset("endpoint", Text, Preset::Text("ovh-eu")),
        kept("application_key", Text, Preset::Zero),
        kept("application_secret", Kind::Secret, Preset::Zero),
        kept("consumer_key", Kind::Secret, Preset::Zero),
        Field { keep: true, ..REFRESH },
        kept("service", Text, Preset::Zero),
    ],
    http: Http::None,
    check: |it| {
        let missing = |key: &str| format!("{} can not be empty", key.replace('_', " "));
        ["endpoint", "application_key", "application_secret", "consumer_key"]
            .into_iter()
            .try_for_each(|key| require(!it.text(key).is_empty(), &missing(key)))?;
        match it.text("service") {
            "vps" | "dedicated_server" => Ok(()),
            other => Err(format!("unknown service: {other}")),
        }
    },
};

pub(super) static SCALEWAY: Schema = Schema {
    go_type: "scaleway.plain",
    fields: &[
        kept("project_id", Text, Preset::Zero),
        preset("api_url", Text, Preset::Text("https://api.scaleway.com")),
        preset("zone", Text, Preset::Text("fr-par-1")),
        kept("access_key", Text, Preset::Zero),
        field("secret_key", Kind::Secret),
        field("secret_key_file", File),
        field("name_filter", Text),
        field("tags_filter", Texts),
        REFRESH,
        kept("port", Int, Preset::Int(80)),
        kept("role", Text, Preset::Zero),
    ],
    http: HTTP_CLIENT,
    check: |it| {
        if !matches!(it.text("role"), "instance" | "baremetal") {
            return Err(format!("unknown role {}", quote(it.text("role"))));
        }
        require(!it.text("project_id").is_empty(), "project_id is mandatory")?;
        check_secret_key(it)?;
        require(!it.text("access_key").is_empty(), "access_key is mandatory")
    },
};

pub(super) static STACKIT: Schema = Schema {
    go_type: "stackit.plain",
    fields: &[
        REFRESH,
        PORT,
        preset("region", Text, Preset::Text("eu01")),
        field("endpoint", Text),
        kept("project", Text, Preset::Zero),
        field("service_account_key", Kind::Secret),
        field("service_account_key_path", File),
        field("private_key", Kind::Secret),
        field("private_key_path", File),
        field("credentials_file_path", File),
        field("role", Text),
    ],
    http: HTTP_CLIENT,
    check: |it| {
        let endpoint = it.text("endpoint");
        if endpoint.starts_with(':') {
            let why = format!("parse {}: missing protocol scheme", quote(endpoint));
            return Err(format!("stackit_sd: invalid endpoint {}: {why}", quote(endpoint)));
        }
        Ok(())
    },
};

pub(super) static TRITON: Schema = Schema {
    go_type: "triton.plain",
    fields: &[
        kept("account", Text, Preset::Zero),
        preset("role", Text, Preset::Text("container")),
        kept("dns_suffix", Text, Preset::Zero),
        kept("endpoint", Text, Preset::Zero),
        field("groups", Texts),
        kept("port", Int, Preset::Int(9163)),
        REFRESH,
        tls(),
        kept("version", Int, Preset::Int(1)),
    ],
    http: Http::None,
    check: |it| {
        let missing = |key: &str| format!("triton SD configuration requires {key}");
        require(!it.text("account").is_empty(), &missing("an account"))?;
        require(!it.text("dns_suffix").is_empty(), &missing("a dns_suffix"))?;
        require(!it.text("endpoint").is_empty(), &missing("an endpoint"))?;
        require(
            it.int("refresh_interval") > 0,
            &missing("RefreshInterval to be a positive integer"),
        )?;
        require(
            matches!(it.text("role"), "container" | "cn"),
            &missing("role to be 'container' or 'cn'"),
        )
    },
};

pub(super) static VULTR: Schema =
    Schema { go_type: "vultr.plain", fields: &[REFRESH, PORT], http: HTTP_CLIENT, check: no_check };

fn check_secret_key(it: &Section) -> Result<(), String> {
    match (it.text("secret_key").is_empty(), it.text("secret_key_file").is_empty()) {
        (true, true) => Err("one of secret_key & secret_key_file must be configured".into()),
        (false, false) => {
            Err("at most one of secret_key & secret_key_file must be configured".into())
        }
        _ => Ok(()),
    }
}
