//! What is said about each section's mistakes: one case for each text.

use config::{Config, Options};

fn check(text: &str, expected: &str) {
    let error = Config::load(text.as_bytes(), &Options::default()).err().unwrap_or_default();
    assert_eq!(error, expected, "{text}");
}

/// Checks the keys of one job, written in flow style.
fn job(keys: &str, expected: &str) {
    check(&format!("scrape_configs: [{{job_name: j, {keys}}}]"), expected);
}

/// Checks one entry of a discovery mechanism.
fn found(mechanism: &str, keys: &str, expected: &str) {
    job(&format!("{mechanism}_sd_configs: [{{{keys}}}]"), expected);
}

fn write(keys: &str, expected: &str) {
    check(&format!("remote_write: [{{url: 'http://r', {keys}}}]"), expected);
}

fn alertmanager(keys: &str, expected: &str) {
    check(&format!("alerting: {{alertmanagers: [{{{keys}}}]}}"), expected);
}

#[test]
fn scalars() {
    let interval = |text: &str, expected: &str| {
        check(&format!("global: {{scrape_interval: {text}}}"), expected)
    };
    interval("''", "empty duration string");
    interval("1x", "unknown unit \"x\" in duration \"1x\"");
    interval("1h2d", "not a valid duration string: \"1h2d\"");
    interval("999999y", "duration out of range");
    let size = |text: &str, expected: &str| {
        check(&format!("global: {{body_size_limit: {text}}}"), expected)
    };
    size("1kB", "units: unknown unit kB in 1kB");
    size("x", "units: invalid x");
    check(
        "global: {external_labels: {a: !!binary x}}",
        "yaml: !!binary value contains invalid base64 data",
    );
    check(
        "global: {external_labels: {!!binary \"Yf8=\": x}}",
        "\"a\\xff\" is not a valid label name",
    );
    check(
        "global: {external_labels: {a: !!binary \"/w==\"}}",
        "\"\\xff\" is not a valid label value",
    );
}

#[test]
fn names_of_formats() {
    let known = "supported: [OpenMetricsText0.0.1 OpenMetricsText1.0.0 PrometheusProto PrometheusText0.0.4 PrometheusText1.0.0]";
    job(
        "scrape_protocols: []",
        "scrape_protocols cannot be empty for scrape config with job name \"j\"",
    );
    job(
        "scrape_protocols: [X]",
        &format!(
            "scrape_protocols: unknown scrape protocol X, {known} for scrape config with job name \"j\""
        ),
    );
    job(
        "fallback_scrape_protocol: X",
        &format!(
            "invalid fallback_scrape_protocol for scrape config with job name \"j\": unknown scrape protocol X, {known}"
        ),
    );
    check(
        "global: {scrape_protocols: [X]}",
        &format!("scrape_protocols: unknown scrape protocol X, {known} for global config"),
    );
    check(
        "global: {scrape_protocols: [PrometheusProto, PrometheusProto]}",
        "duplicated protocol in scrape_protocols, got [PrometheusProto PrometheusProto] for global config",
    );
    check("global: {metric_name_validation_scheme: x}", "unrecognized ValidationScheme: \"x\"");
}

#[test]
fn jobs() {
    check(
        "scrape_configs: [{job_name: a}, {job_name: a}]",
        "found multiple scrape configs with job name \"a\"",
    );
    job(
        "scrape_interval: 1s, scrape_timeout: 2s",
        "scrape timeout greater than scrape interval for scrape config with job name \"j\"",
    );
    check("scrape_config_files: ['*/a']", "invalid scrape config file path \"*/a\"");
    job("metric_relabel_configs: [~]", "empty or null metric relabeling rule in scrape config");
    job("http_sd_configs: [~]", "empty or null section in http_sd_configs");
    job("static_configs: [{labels: {'': x}}]", "\"\" is not a valid label name");
}

#[test]
fn relabelling() {
    let rule =
        |keys: &str, expected: &str| job(&format!("relabel_configs: [{{{keys}}}]"), expected);
    rule("action: ~", "relabel action cannot be empty");
    rule(
        "action: hashmod, modulus: 1",
        "relabel configuration for hashmod action requires 'target_label' value",
    );
    rule(
        "action: lowercase",
        "relabel configuration for lowercase action requires 'target_label' value",
    );
    rule(
        "action: uppercase, target_label: a, replacement: b",
        "'replacement' can not be set for uppercase action",
    );
    rule(
        "action: keepequal, target_label: a, replacement: b",
        "'replacement' can not be set for keepequal action",
    );
    rule(
        "action: dropequal, target_label: a, regex: b",
        "dropequal action requires only 'source_labels' and `target_label`, and no other fields",
    );
    rule(
        "action: labelkeep, target_label: b",
        "labelkeep action requires only 'regex', and no other fields",
    );
    let legacy = |keys: &str, expected: &str| {
        job(
            &format!("metric_name_validation_scheme: legacy, relabel_configs: [{{{keys}}}]"),
            expected,
        );
    };
    legacy("target_label: a-b", "\"a-b\" is invalid 'target_label' for replace action");
    legacy(
        "action: lowercase, target_label: 'a-${1}'",
        "\"a-${1}\" is invalid 'target_label' for lowercase action",
    );
    legacy(
        "action: labelmap, replacement: a-b",
        "\"a-b\" is invalid 'replacement' for labelmap action",
    );
}

#[test]
fn http_clients() {
    job(
        "basic_auth: {username: a, username_file: b}",
        "at most one of basic_auth username, username_file & username_ref must be configured",
    );
    job(
        "bearer_token: a, bearer_token_file: b",
        "at most one of bearer_token & bearer_token_file must be configured",
    );
    job(
        "bearer_token: a, basic_auth: {username: b}",
        "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured",
    );
    job(
        "bearer_token: a, authorization: {}",
        "authorization is not compatible with bearer_token & bearer_token_file",
    );
    job(
        "authorization: {credentials: a, credentials_file: b}",
        "at most one of authorization credentials & credentials_file must be configured",
    );
    job("oauth2: {token_url: a}", "oauth2 client_id must be configured");
    job(
        "oauth2: {client_id: a, token_url: b, client_secret: c, client_secret_file: d}",
        "at most one of oauth2 client_secret, client_secret_file & client_secret_ref must be configured using grant-type=client_credentials",
    );
    job(
        "oauth2: {client_id: a, token_url: b, grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', signature_algorithm: x}",
        "valid signature algorithms are RS256, RS384 and RS512",
    );
    job(
        "tls_config: {ca: a, ca_file: b}",
        "at most one of ca, ca_file & ca_ref must be configured",
    );
    job(
        "tls_config: {cert: a, cert_file: b}",
        "at most one of cert, cert_file & cert_ref must be configured",
    );
    job("tls_config: {key: a, key_file: b}", "at most one of key and key_file must be configured");
    job(
        "tls_config: {key: a}",
        "exactly one of cert or cert_file must be configured when a client key is configured",
    );
    job(
        "proxy_connect_header: {a: [b]}",
        "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also be configured",
    );
    job(
        "proxy_from_environment: true, no_proxy: a",
        "if proxy_from_environment is configured, no_proxy must not be configured",
    );
    job(
        "oauth2: {client_id: a, token_url: b, no_proxy: c}",
        "if no_proxy is configured, proxy_url must also be configured",
    );
    for name in [
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
        "x-prometheus-scrape-timeout-seconds",
        "x-amz-date",
        "x-amz-security-token",
        "x-amz-content-sha256",
    ] {
        let parts: Vec<_> = name.split('-').map(|it| it[..1].to_uppercase() + &it[1..]).collect();
        job(
            &format!("http_headers: {{{name}: {{}}}}"),
            &format!("setting header \"{}\" is not allowed", parts.join("-")),
        );
    }
    job("http_headers: {Accept: {values: [a]}}", "");
}

#[test]
fn remote_ends() {
    check("remote_write: [{}]", "url for remote_write is empty");
    check("remote_read: [{}]", "url for remote_read is empty");
    check("remote_write: [~]", "empty or null remote write config section");
    check("remote_read: [~]", "empty or null remote read config section");
    let twice = |kind: &str| {
        format!("{kind}: [{{url: 'http://r', name: a}}, {{url: 'http://r', name: a}}]")
    };
    check(&twice("remote_write"), "found multiple remote write configs with job name \"a\"");
    check(&twice("remote_read"), "found multiple remote read configs with job name \"a\"");
    write("write_relabel_configs: [~]", "empty or null relabeling rule in remote write config");
    write("headers: {Host: a}", "Host is a reserved header. It must not be changed");
    write(
        "headers: {Authorization: a}",
        "authorization header must be changed via the basic_auth, authorization, oauth2, sigv4, azuread or google_iam parameter",
    );
    write(
        "basic_auth: {username: a}, sigv4: {}",
        "at most one of basic_auth, authorization, oauth2, sigv4, azuread or google_iam must be configured. Currently configured: [basic_auth sigv4]",
    );
    write(
        "sigv4: {access_key: a}",
        "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 config",
    );
    write(
        "protobuf_message: x",
        "invalid protobuf_message value: unknown type for remote write protobuf message x, supported: prometheus.WriteRequest, io.prometheus.write.v2.Request",
    );
    for key in ["max_shards", "min_shards", "max_samples_per_send", "capacity"] {
        write(
            &format!("queue_config: {{{key}: 0}}"),
            &format!("remote write queue {key} must be positive"),
        );
    }
    write(
        "queue_config: {min_shards: 51}",
        "remote write queue min_shards must not be greater than max_shards",
    );
    write(
        "queue_config: {max_backoff: 1ms}",
        "remote write queue max_backoff must not be less than min_backoff",
    );
}

#[test]
fn alerting() {
    alertmanager(
        "sigv4: {}, basic_auth: {username: a}",
        "at most one of basic_auth, authorization, oauth2, & sigv4 must be configured",
    );
    alertmanager("relabel_configs: [~]", "empty or null Alertmanager target relabeling rule");
    alertmanager("alert_relabel_configs: [~]", "empty or null Alertmanager alert relabeling rule");
    alertmanager(
        "static_configs: [{targets: ['http://a']}]",
        "\"http://a\" is not a valid hostname",
    );
    check("alerting: {alert_relabel_configs: [~]}", "empty or null alert relabeling rule");
}

#[test]
fn storage_and_telemetry() {
    let retention = |keys: &str, expected: &str| {
        check(&format!("storage: {{tsdb: {{retention: {{{keys}}}}}}}"), expected)
    };
    retention(
        "size: -1GB",
        "'storage.tsdb.retention.size' must be greater than or equal to 0, got -1GiB",
    );
    retention(
        "percentage: 101",
        "'storage.tsdb.retention.percentage' must be in the range [0, 100], got 101",
    );
    retention(
        "percentage: 3000000",
        "'storage.tsdb.retention.percentage' must be in the range [0, 100], got 3e+06",
    );
    check(
        "storage: {tsdb: {chunk_encoding: {floats: x}}}",
        "'storage.tsdb.chunk_encoding.floats' must be 'xor' or 'xor2', or the field must be omitted entirely, got \"x\"",
    );
    check("tracing: {}", "tracing endpoint must be set");
    check(
        "tracing: {endpoint: a, headers: {Authorization: b}}",
        "custom authorization header configuration is not yet supported",
    );
    check(
        "tracing: {endpoint: a, compression: x}",
        "invalid compression type x provided, valid options: gzip",
    );
    check(
        "tracing: {endpoint: a, client_type: x}",
        "expected tracing client type to be to be http or grpc, but got x",
    );
    check(
        "otlp: {promote_all_resource_attributes: true, promote_resource_attributes: [a]}",
        "'promote_all_resource_attributes' and 'promote_resource_attributes' cannot be configured simultaneously",
    );
    check(
        "otlp: {promote_resource_attributes: ['', a, a]}",
        "invalid 'promote_resource_attributes': empty promoted OTel resource attribute\nduplicated promoted OTel resource attribute \"a\"",
    );
    check("otlp: {translation_strategy: x}", "unsupported OTLP translation strategy \"x\"");
}

#[test]
fn services() {
    found("http", "refresh_interval: 1s", "URL is missing");
    found("http", "url: 'ftp://a'", "URL scheme must be 'http' or 'https'");
    found("http", "url: 'http://'", "host is missing in URL");
    found("puppetdb", "url: 'http://a'", "query missing");
    found("dns", "type: A", "DNS-SD config must contain at least one SRV record name");
    found(
        "dns",
        "names: [a], type: a",
        "a port is required in DNS-SD configs for all record types except SRV",
    );
    found("dns", "names: [a], type: X", "invalid DNS-SD records type X");
    found("consul", "server: ''", "consul SD configuration requires a server address");
    found(
        "consul",
        "username: a, basic_auth: {username: b}",
        "at most one of consul SD configuration username and password and basic auth can be configured",
    );
    found(
        "consul",
        "token: a, authorization: {}",
        "at most one of consul SD token, authorization, or oauth2 can be configured",
    );
    found("docker", "port: 1", "host missing");
    found("dockerswarm", "host: a", "role missing (one of: tasks, services, nodes)");
    found("dockerswarm", "host: a, role: x", "invalid role x, expected tasks, services, or nodes");
    found("marathon", "auth_token: a", "marathon_sd: must contain at least one Marathon server");
    found(
        "marathon",
        "servers: [a], auth_token: a, auth_token_file: b",
        "marathon_sd: at most one of auth_token & auth_token_file must be configured",
    );
    found(
        "marathon",
        "servers: [a], auth_token: a, basic_auth: {username: b}",
        "marathon_sd: at most one of basic_auth, auth_token & auth_token_file must be configured",
    );
    found("eureka", "server: a", "eureka_sd: invalid eureka server URL");
    found("uyuni", "username: a", "Uyuni SD configuration requires server host");
    found("nomad", "server: ''", "nomad SD configuration requires a server address");
    found(
        "serverset",
        "servers: [a], paths: [b]",
        "serverset SD config paths must begin with '/': b",
    );
}

#[test]
fn kubernetes() {
    let role = |keys: &str, expected: &str| found("kubernetes", keys, expected);
    role(
        "namespaces: {}",
        "role missing (one of: pod, service, endpoints, endpointslice, node, ingress)",
    );
    role("role: x", "unknown Kubernetes SD role \"x\"");
    role(
        "role: pod, kubeconfig_file: a, tls_config: {insecure_skip_verify: true}",
        "cannot use a custom HTTP client configuration together with 'kubeconfig_file'",
    );
    role(
        "role: pod, basic_auth: {username: a}",
        "to use custom HTTP client configuration please provide the 'api_server' URL explicitly",
    );
    role(
        "role: pod, api_server: 'http://a', namespaces: {own_namespace: true}",
        "cannot use 'api_server' and 'namespaces.own_namespace' simultaneously",
    );
    role("role: pod, selectors: [{role: pod}, {role: pod}]", "duplicated selector role: pod");
    role("role: pod, selectors: [{role: service}]", "pod role supports only pod, node selectors");
    role(
        "role: endpointslice, selectors: [{role: node}]",
        "endpointslice role supports only pod, service, endpointslice selectors",
    );
    role(
        "role: pod, selectors: [{role: pod, field: 'a b'}]",
        "invalid selector: 'a b'; can't understand 'a b'",
    );
    role(
        "role: pod, selectors: [{role: pod, label: 'app in web'}]",
        "unable to parse requirement: found 'web' expected: '('",
    );
}

#[test]
fn clouds() {
    found("ec2", "filters: [{name: a}]", "EC2 SD configuration filter values cannot be empty");
    found(
        "azure",
        "subscription_id: a, authentication_method: x",
        "unknown authentication_type \"x\". Supported types are \"OAuth\", \"ManagedIdentity\", \"SDK\" or \"WorkloadIdentity\"",
    );
    found(
        "azure",
        "subscription_id: a, tenant_id: b, client_id: c",
        "azure SD configuration requires a client_secret",
    );
    found("gce", "zone: a", "GCE SD configuration requires a project");
    found("gce", "project: a", "GCE SD configuration requires a zone");
    found("hetzner", "role: x", "unknown role \"x\"");
    found("scaleway", "role: instance", "project_id is mandatory");
    found("scaleway", "role: instance, project_id: a, secret_key: b", "access_key is mandatory");
    found(
        "scaleway",
        "role: instance, project_id: a, access_key: b",
        "one of secret_key & secret_key_file must be configured",
    );
    found(
        "outscale",
        "access_key: a, secret_key: b, secret_key_file: c",
        "at most one of secret_key & secret_key_file must be configured",
    );
    found(
        "outscale",
        "access_key: a, secret_key: b, region: ''",
        "outscale SD configuration requires a region",
    );
    found("ovhcloud", "endpoint: a, application_key: b", "application secret can not be empty");
    found(
        "ovhcloud",
        "endpoint: a, application_key: b, application_secret: c, consumer_key: d, service: x",
        "unknown service: x",
    );
}
