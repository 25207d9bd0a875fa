//! `remote_write` and `remote_read`: read and checked; nothing is sent yet.

use model::quote;

use super::mechanisms::require;
use crate::section::Kind::{Bool, Duration, File, Int, Section as Inner, Text, TextMap, Url};
use crate::section::{Http, Item, Kind, Preset, Schema, Section, field, kept, no_check, preset};

/// Headers that belong to the protocol.
const RESERVED: [&str; 17] = [
    "authorization",
    "host",
    "content-encoding",
    "content-length",
    "content-type",
    "user-agent",
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "www-authenticate",
    "accept-encoding",
    "x-prometheus-remote-write-version",
    "x-prometheus-remote-read-version",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];

const MESSAGES: [&str; 2] = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

pub(crate) static REMOTE_WRITE: Schema = Schema {
    go_type: "config.plain",
    fields: &[
        kept("url", Url, Preset::Zero),
        preset("remote_timeout", Duration, Preset::Int(30_000)),
        field("headers", TextMap),
        field(
            "write_relabel_configs",
            Kind::Relabel("empty or null relabeling rule in remote write config"),
        ),
        field("name", Text),
        field("send_exemplars", Bool),
        field("send_native_histograms", Bool),
        field("round_robin_dns", Bool),
        field("failed_request_logging", Bool),
        preset("protobuf_message", Text, Preset::Text(MESSAGES[0])),
        field("", Kind::HttpHere),
        preset("queue_config", Inner(&QUEUE), Preset::Section),
        preset("metadata_config", Inner(&METADATA), Preset::Section),
        field("sigv4", Inner(&SIGV4)),
        field("azuread", Inner(&AZURE_AD)),
        field("google_iam", Inner(&GOOGLE_IAM)),
    ],
    http: Http::Client { http2: false },
    check: check_write,
};

pub(crate) static REMOTE_READ: Schema = Schema {
    go_type: "config.plain",
    fields: &[
        kept("url", Url, Preset::Zero),
        preset("remote_timeout", Duration, Preset::Int(60_000)),
        preset("chunked_read_limit", Int, Preset::Int(50_000_000)),
        field("headers", TextMap),
        field("read_recent", Bool),
        field("name", Text),
        field("", Kind::HttpHere),
        field("required_matchers", TextMap),
        kept("filter_external_labels", Bool, Preset::Bool(true)),
    ],
    http: Http::Client { http2: true },
    check: |it| {
        require(!it.text("url").is_empty(), "url for remote_read is empty")?;
        check_headers(it)
    },
};

static QUEUE: Schema = Schema {
    go_type: "config.plain",
    fields: &[
        preset("capacity", Int, Preset::Int(10_000)),
        preset("max_shards", Int, Preset::Int(50)),
        preset("min_shards", Int, Preset::Int(1)),
        preset("max_samples_per_send", Int, Preset::Int(2000)),
        preset("batch_send_deadline", Duration, Preset::Int(5000)),
        preset("min_backoff", Duration, Preset::Int(30)),
        preset("max_backoff", Duration, Preset::Int(5000)),
        field("retry_on_http_429", Bool),
        field("sample_age_limit", Duration),
    ],
    http: Http::None,
    check: |it| {
        for key in ["max_shards", "min_shards", "max_samples_per_send", "capacity"] {
            require(it.int(key) > 0, &format!("remote write queue {key} must be positive"))?;
        }
        require(
            it.int("min_shards") <= it.int("max_shards"),
            "remote write queue min_shards must not be greater than max_shards",
        )?;
        require(
            it.int("max_backoff") >= it.int("min_backoff"),
            "remote write queue max_backoff must not be less than min_backoff",
        )
    },
};

static METADATA: Schema = Schema {
    go_type: "config.MetadataConfig",
    fields: &[
        kept("send", Bool, Preset::Bool(true)),
        kept("send_interval", Duration, Preset::Int(60_000)),
        preset("max_samples_per_send", Int, Preset::Int(2000)),
    ],
    http: Http::None,
    check: no_check,
};

/// Keys of requests signed for Amazon.
pub(crate) static SIGV4: Schema = Schema {
    go_type: "sigv4.plain",
    fields: &[
        field("region", Text),
        field("access_key", Text),
        field("secret_key", Kind::Secret),
        field("profile", Text),
        field("role_arn", Text),
        field("external_id", Text),
        field("use_fips_sts_endpoint", Bool),
        field("service_name", Text),
    ],
    http: Http::None,
    check: |it| {
        require(
            it.text("access_key").is_empty() == it.text("secret_key").is_empty(),
            "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
        )?;
        require(
            it.text("external_id").is_empty() || !it.text("role_arn").is_empty(),
            "external_id can only be used with role_arn",
        )
    },
};

static GOOGLE_IAM: Schema = Schema {
    go_type: "googleiam.Config",
    fields: &[field("credentials_file", File)],
    http: Http::None,
    check: no_check,
};

static AZURE_AD: Schema = Schema {
    go_type: "azuread.plain",
    fields: &[
        field("managed_identity", Inner(&MANAGED_IDENTITY)),
        field("workload_identity", Inner(&WORKLOAD_IDENTITY)),
        field("oauth", Inner(&AZURE_OAUTH)),
        field("certificate", Inner(&AZURE_CERTIFICATE)),
        field("sdk", Inner(&AZURE_SDK)),
        preset("cloud", Text, Preset::Text("AzurePublic")),
        field("scope", Text),
    ],
    http: Http::None,
    check: check_azure,
};

static MANAGED_IDENTITY: Schema = Schema {
    go_type: "azuread.ManagedIdentityConfig",
    fields: &[field("client_id", Text)],
    http: Http::None,
    check: no_check,
};

static WORKLOAD_IDENTITY: Schema = Schema {
    go_type: "azuread.WorkloadIdentityConfig",
    fields: &[field("client_id", Text), field("tenant_id", Text), field("token_file_path", Text)],
    http: Http::None,
    check: no_check,
};

static AZURE_OAUTH: Schema = Schema {
    go_type: "azuread.OAuthConfig",
    fields: &[
        field("client_id", Text),
        field("client_secret", Kind::Secret),
        field("tenant_id", Text),
    ],
    http: Http::None,
    check: no_check,
};

static AZURE_CERTIFICATE: Schema = Schema {
    go_type: "azuread.CertificateConfig",
    fields: &[
        field("client_id", Text),
        field("tenant_id", Text),
        field("certificate_path", File),
        field("certificate_key_path", File),
        field("certificate_password", Kind::Secret),
        field("send_certificate_chain", Bool),
    ],
    http: Http::None,
    check: no_check,
};

static AZURE_SDK: Schema = Schema {
    go_type: "azuread.SDKConfig",
    fields: &[field("tenant_id", Text)],
    http: Http::None,
    check: no_check,
};

fn check_write(it: &mut Section) -> Result<(), String> {
    require(!it.text("url").is_empty(), "url for remote_write is empty")?;
    let message = it.text("protobuf_message");
    if !MESSAGES.contains(&message) {
        return Err(format!(
            "invalid protobuf_message value: unknown type for remote write protobuf message {message}, \
             supported: {}",
            MESSAGES.join(", ")
        ));
    }
    check_headers(it)?;
    let http = it.http.as_ref();
    let kinds = [
        ("basic_auth", http.is_some_and(|http| http.basic_auth.is_some())),
        ("authorization", http.is_some_and(|http| http.authorization.is_some())),
        ("oauth2", http.is_some_and(|http| http.oauth2.is_some())),
        ("sigv4", it.section("sigv4").is_some()),
        ("azuread", it.section("azuread").is_some()),
        ("google_iam", it.section("google_iam").is_some()),
    ];
    let given: Vec<&str> = kinds.iter().filter(|it| it.1).map(|it| it.0).collect();
    if given.len() > 1 {
        return Err(format!(
            "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be \
             configured. Currently configured: [{}]",
            given.join(" ")
        ));
    }
    Ok(())
}

fn check_headers(it: &Section) -> Result<(), String> {
    let Some(Item::TextMap(headers)) = it.get("headers") else { return Ok(()) };
    for name in headers.keys() {
        let lower = name.to_lowercase();
        if lower == "authorization" {
            let text = "authorization header must be changed via the basic_auth, authorization, oauth2, \
                        sigv4, azuread or google_iam parameter";
            return Err(text.into());
        }
        if RESERVED.contains(&lower.as_str()) {
            return Err(format!("{name} is a reserved header. It must not be changed"));
        }
    }
    Ok(())
}

/// Refuses a name used twice; `kind` is `remote write` or `remote read`.
pub(crate) fn check_names(sections: &[Section], kind: &str) -> Result<(), String> {
    for (i, section) in sections.iter().enumerate() {
        let name = section.text("name");
        if !name.is_empty() && sections[..i].iter().any(|it| it.text("name") == name) {
            return Err(format!("found multiple {kind} configs with job name {}", quote(name)));
        }
    }
    Ok(())
}

fn check_azure(it: &mut Section) -> Result<(), String> {
    let cloud = it.text("cloud");
    let known = matches!(cloud, "AzurePublic" | "AzureChina" | "AzureGovernment");
    require(known, "must provide a cloud in the Azure AD config")?;
    let kinds = ["managed_identity", "workload_identity", "oauth", "certificate", "sdk"];
    let n_given = kinds.iter().filter(|key| it.section(key).is_some()).count();
    require(
        n_given > 0,
        "must provide an Azure Managed Identity, Azure Workload Identity, Azure OAuth, Azure Certificate or \
         Azure SDK in the Azure AD config",
    )?;
    require(
        n_given == 1,
        "cannot provide more than one way of authentication in the Azure AD config",
    )?;
    let scope_ok = it.text("scope").chars().all(|c| {
        c.is_ascii_alphanumeric()
            || c.is_ascii_whitespace()
            || matches!(c, '_' | ':' | '/' | '.' | '-')
    });
    require(scope_ok, "the provided scope contains invalid characters")
}
