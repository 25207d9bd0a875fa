//! What is said about mistakes, and what a configuration comes out as.

use config::{Config, Options};

fn load(text: &str) -> Result<Config, String> {
    Config::load(
        text.as_bytes(),
        &Options { env: &|name| (name == "HOST").then(|| "h1".into()), ..Options::default() },
    )
}

fn check_error(text: &str, expected: &str) {
    assert_eq!(load(text).err().unwrap_or_default(), expected, "{text}");
}

/// Checks the keys of one job named `j`.
fn check_job(keys: &str, expected: &str) {
    check_error(
        &format!("scrape_configs:\n- job_name: j\n  {}\n", keys.replace('\n', "\n  ")),
        expected,
    );
}

/// Checks one relabelling rule, written in flow style.
fn check_relabel(rule: &str, expected: &str) {
    check_job(&format!("relabel_configs:\n- {{{rule}}}"), expected);
}

#[test]
fn refuses_wrong_shapes_with_lines() {
    check_error(
        "global:\n  scrape_intervall: 1s\nfoo: 1",
        "yaml: unmarshal errors:\n  line 2: field scrape_intervall not found in type config.plain\n  line 3: field foo not found in type config.plain",
    );
    check_error(
        "scrape_configs: {}",
        "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!map into []*config.ScrapeConfig",
    );
    check_job(
        "honor_labels: maybe\nsample_limit: -1",
        "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `maybe` into bool\n  line 4: cannot unmarshal !!int `-1` into uint",
    );
    check_job(
        "job_name: k",
        "yaml: unmarshal errors:\n  line 3: field job_name already set in type config.ScrapeConfig",
    );
    check_job(
        "static_configs: [{targetss: []}]",
        "yaml: unmarshal errors:\n  line 3: field targetss not found in type struct { Targets []string \"yaml:\\\"targets\\\"\"; Labels model.LabelSet \"yaml:\\\"labels\\\"\" }",
    );
    check_job(
        "file_sd_configs: [{file: a}]",
        "yaml: unmarshal errors:\n  line 3: field file not found in type file.plain",
    );
    check_job(
        "tls_config: {caa: x}",
        "yaml: unmarshal errors:\n  line 3: field caa not found in type config.plain",
    );
    check_job(
        "basic_auth: {user: x}",
        "yaml: unmarshal errors:\n  line 3: field user not found in type config.BasicAuth",
    );
    check_error("global:\n - a: b\n  c: d", "yaml: line 2: did not find expected '-' indicator");
}

#[test]
fn refuses_bad_values() {
    check_error("global: {scrape_interval: 1}", "not a valid duration string: \"1\"");
    check_error(
        "global: {scrape_interval: 5s, scrape_timeout: 6s}",
        "global scrape timeout greater than scrape interval",
    );
    check_error("global: {body_size_limit: 100}", "units: unknown unit  in 100");
    check_error("global: {external_labels: {\"\": x}}", "\"\" is not a valid label name");
    check_error(
        "global: {metric_name_validation_scheme: legacy, external_labels: {a-b: x}}",
        "\"a-b\" is not a valid label name",
    );
    check_error(
        "global: {metric_name_escaping_scheme: x}",
        "unknown global name escaping method specified, must be one of 'allow-utf-8', 'underscores', 'dots', or 'values', got \"x\"",
    );
    check_error(
        "global: {scrape_protocols: []}",
        "scrape_protocols cannot be empty for global config",
    );
    check_error("rule_files: [a/*/b]", "invalid rule file path \"a/*/b\"");
    check_error("scrape_configs: [~]", "empty or null scrape config section");
    check_error("scrape_configs: [{}]", "job_name is empty");
    check_error(
        "alerting: {alertmanagers: [{api_version: v1}]}",
        "expected Alertmanager api version to be one of [v2] but got v1",
    );
    check_job(
        "scrape_protocols: [PrometheusProto, prometheusproto]",
        "duplicated protocol in scrape_protocols, got [PrometheusProto prometheusproto] for scrape config with job name \"j\"",
    );
    check_job(
        "metric_name_escaping_scheme: x",
        "unknown scrape config name escaping method specified, must be one of 'allow-utf-8', 'underscores', 'dots', or 'values', got \"x\"",
    );
    check_job(
        "metric_name_validation_scheme: legacy\nmetric_name_escaping_scheme: allow-utf-8",
        "utf8 metric names requested but validation scheme is not set to UTF8",
    );
    check_job(
        "static_configs: [{targets: ['http://a/b']}]",
        "\"http://a/b\" is not a valid hostname",
    );
    check_job("static_configs: [~]", "empty or null section in static_configs");
    check_job(
        "file_sd_configs: [{}]",
        "file service discovery config must contain at least one path name",
    );
    check_job(
        "file_sd_configs: [{files: [a.txt]}]",
        "path name \"a.txt\" is not valid for file discovery",
    );
    check_job(
        "file_sd_configs: [{files: ['*/a.yml']}]",
        "path name \"*/a.yml\" is not valid for file discovery",
    );
}

#[test]
fn refuses_clients_that_contradict_themselves() {
    check_job(
        "basic_auth: {password: a, password_file: b}",
        "at most one of basic_auth password, password_file & password_ref must be configured",
    );
    check_job(
        "basic_auth: {username: a}\nauthorization: {credentials: b}",
        "at most one of basic_auth, oauth2 & authorization must be configured",
    );
    check_job(
        "authorization: {type: ' BASIC '}",
        "authorization type cannot be set to \"basic\", use \"basic_auth\" instead",
    );
    check_job("oauth2: {client_id: a}", "oauth2 token_url must be configured");
    check_job(
        "tls_config: {cert: a}",
        "exactly one of key or key_file must be configured when a client certificate is configured",
    );
    check_job("tls_config: {min_version: TLS9}", "unknown TLS version: TLS9");
    check_job("no_proxy: a", "if no_proxy is configured, proxy_url must also be configured");
    check_job(
        "proxy_url: 'http://a:b@c'\nproxy_from_environment: true",
        "if proxy_from_environment is configured, proxy_url must not be configured",
    );
    check_job(
        "http_headers: {user-agent: {values: [a]}}",
        "setting header \"User-Agent\" is not allowed",
    );
}

#[test]
fn refuses_rules_that_contradict_themselves() {
    check_relabel("action: x", "unknown relabel action \"x\"");
    check_relabel(
        "action: HashMod, target_label: a",
        "relabel configuration for hashmod requires non-zero modulus",
    );
    check_relabel("regex: '('", "error parsing regexp: missing closing ): `^(?s:()$`");
    check_relabel(
        "target_label: ''",
        "relabel configuration for replace action requires 'target_label' value",
    );
    check_relabel(
        "action: labelmap, replacement: ''",
        "\"\" is invalid 'replacement' for labelmap action",
    );
    check_relabel(
        "action: keepequal, target_label: a, separator: x",
        "keepequal action requires only 'source_labels' and `target_label`, and no other fields",
    );
    check_job("relabel_configs: [~]", "empty or null target relabeling rule in scrape config");
}

#[test]
fn fills_in_what_global_says() {
    let text = "global: {scrape_interval: 5s, sample_limit: 7, extra_scrape_metrics: true, scrape_native_histograms: true, external_labels: {host: \"x-${HOST}$NONE\"}}\n\
                scrape_configs: [{job_name: a}, {job_name: b, scrape_interval: 1m, sample_limit: 9, scrape_native_histograms: false}]";
    let config = load(text).expect("good");
    let [a, b] = &config.scrape_configs[..] else { panic!("two jobs") };
    assert_eq!((a.scrape_interval_ms, a.scrape_timeout_ms, a.limits.samples), (5000, 5000, 7));
    assert_eq!((b.scrape_interval_ms, b.scrape_timeout_ms, b.limits.samples), (60_000, 5000, 9));
    assert_eq!((a.scrape_protocols.len(), b.scrape_protocols.len()), (5, 4));
    assert!(b.switches.extra_scrape_metrics && !b.switches.scrape_native_histograms);
    assert_eq!(config.global.external_labels["host"], "x-h1");
    assert_eq!(config.warnings, ["Empty environment variable NONE"]);
    assert!(config.not_acted_upon().is_empty());
}

#[test]
fn hides_secrets() {
    let text = "scrape_configs:\n- job_name: a\n  basic_auth: {username: u, password: hush1}\n  proxy_url: http://u:hush2@p\n  http_headers: {X: {secrets: [hush3]}}\n  consul_sd_configs: [{token: hush4}]\n\
                remote_write: [{url: 'http://u:hush5@r', sigv4: {access_key: k, secret_key: hush6}}]";
    let config = load(text).expect("good");
    let shown = format!("{}{config:?}", config.to_yaml());
    assert!(!config.to_yaml().contains("hush"), "{}", config.to_yaml());
    assert!(!shown.contains("hush1") && !shown.contains("hush4"), "{shown}");
    assert_eq!(config.not_acted_upon(), ["remote_write"]);
}

#[test]
fn shows_what_took_effect() {
    let config = load("scrape_configs: [{job_name: a, static_configs: [{targets: ['h:1']}]}]")
        .expect("good");
    let echo = config.to_yaml();
    let job = "scrape_configs:\n- job_name: a\n  honor_timestamps: true\n  track_timestamps_staleness: false\n  scrape_interval: 1m\n  scrape_timeout: 10s\n  scrape_protocols:\n  - OpenMetricsText1.0.0\n";
    assert!(echo.contains(job), "{echo}");
    let end = "  follow_redirects: true\n  enable_http2: true\n  static_configs:\n  - targets:\n    - h:1\nstorage:\n  tsdb:\n    outofordertimewindow: 0\n    retention:\n      time: 15d\notlp:\n";
    assert!(echo.contains(end), "{echo}");
}
