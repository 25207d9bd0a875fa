//! `promtool check` beside Debian's: the same words in the same place, and the same exit code.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use testkit::peer;

use crate::server::pyrrha;

/// Files that are checked, by name.
const FILES: [(&str, &str); 24] = [
    ("empty.yml", ""),
    (
        "jobs.yml",
        "rule_files: [twice.yml]\nscrape_configs:\n- job_name: a\n  file_sd_configs: [{files: [none.json]}]\n",
    ),
    (
        "patterns.yml",
        "rule_files: ['good*.yml', 'none*.yml']\nalerting: {alertmanagers: [{file_sd_configs: [{files: [none.yml]}]}]}\n",
    ),
    ("no-rules.yml", "rule_files: [none.yml]\n"),
    ("no-token.yml", "scrape_configs:\n- job_name: a\n  authorization: {credentials_file: none}\n"),
    (
        "no-cert.yml",
        "scrape_configs:\n- job_name: a\n  tls_config: {cert_file: none, key_file: none}\n",
    ),
    ("path.yml", "scrape_configs:\n- job_name: a\n  static_configs: [{targets: ['a/b']}]\n"),
    ("unknown.yml", "scrape_configs:\n- job_nam: a\n"),
    ("good.yml", "groups:\n- name: g\n  rules:\n  - {record: 'a:b', expr: sum(a)}\n"),
    (
        "twice.yml",
        "groups:\n- name: g\n  rules:\n  - {record: 'a:b', expr: sum(a)}\n  - {record: 'a:b', expr: sum(b)}\n",
    ),
    ("bad.yml", "groups:\n- name: g\n  rules:\n  - {alert: A, expr: sum(}\n"),
    ("users.yml", "basic_auth_users: {a: b}\n"),
    (
        "nobody.yml",
        "basic_auth_users: {}\nhttp_server_config: {http2: true, headers: {X-Frame-Options: deny}}\n",
    ),
    ("nonsense.yml", "nonsense: 1\n"),
    ("header.yml", "http_server_config: {headers: {X-Bad: 1}}\n"),
    ("frames.yml", "http_server_config: {headers: {X-Frame-Options: bogus}}\n"),
    ("version.yml", "tls_server_config: {min_version: TLS99, cert_file: a, key_file: b}\n"),
    ("broken.yml", "a: [\n"),
    ("page-none", ""),
    ("page-good", "# HELP a_total A.\n# TYPE a_total counter\na_total 1\n"),
    (
        "page-bad",
        "# TYPE a counter\na 1\n# HELP b_milliseconds B.\n# TYPE b_milliseconds gauge\nb_milliseconds 1\n",
    ),
    (
        "page-names",
        "# HELP fooBar F.\n# TYPE fooBar gauge\nfooBar{camelCase=\"1\"} 1\n# HELP g_gauge G.\n# TYPE g_gauge gauge\ng_gauge 1\n# HELP h_ms H.\n# TYPE h_ms gauge\nh_ms 1\n# HELP i:j I.\n# TYPE i:j gauge\ni:j 1\n",
    ),
    (
        "page-suffixes",
        "# HELP k_count K.\n# TYPE k_count gauge\nk_count{le=\"1\",quantile=\"2\"} 1\n# HELP l_bucket L.\n# TYPE l_bucket counter\nl_bucket 1\n# HELP c_total C.\n# TYPE c_total gauge\nc_total 1\nuntyped_thing 3\n",
    ),
    (
        "page-kinds",
        "# HELP d_seconds D.\n# TYPE d_seconds summary\nd_seconds{quantile=\"0.5\"} 1\nd_seconds_sum 1\nd_seconds_count 1\n# HELP e_bytes E.\n# TYPE e_bytes histogram\ne_bytes_bucket{x=\"1\",le=\"1\"} 1\ne_bytes_bucket{x=\"1\",le=\"+Inf\"} 2\ne_bytes_sum{x=\"1\"} 1\ne_bytes_count{x=\"1\"} 2\n",
    ),
];

/// Checks, by their arguments behind `check`. Those of pages read them from standard input.
const CHECKS: [&str; 31] = [
    "config empty.yml",
    "config --lint=none jobs.yml",
    "config --lint=none --lint-fatal jobs.yml",
    "config --lint=bogus jobs.yml",
    "config patterns.yml",
    "config no-rules.yml",
    "config --syntax-only no-rules.yml",
    "config no-token.yml",
    "config no-cert.yml",
    "config path.yml",
    "config unknown.yml",
    "config empty.yml unknown.yml",
    "rules good.yml",
    "rules twice.yml",
    "rules --lint=all twice.yml",
    "rules --lint=none twice.yml",
    "rules --lint-fatal twice.yml",
    "rules good.yml bad.yml",
    "web-config empty.yml",
    "web-config users.yml nobody.yml",
    "web-config nonsense.yml",
    "web-config header.yml",
    "web-config frames.yml",
    "web-config version.yml broken.yml",
    "service-discovery --timeout=1s jobs.yml none",
    "metrics page-none",
    "metrics page-good",
    "metrics page-bad",
    "metrics page-names",
    "metrics page-suffixes",
    "metrics --extended page-kinds",
];

fn run(program: &Path, before: &[&str], folder: &Path, check: &str) -> String {
    let mut args: Vec<&str> = check.split(' ').collect();
    let page = args.pop_if(|it| it.starts_with("page-"));
    let input = page.map_or_else(Stdio::null, |it| {
        std::fs::File::open(folder.join(it)).expect("a page").into()
    });
    let mut command = Command::new(program);
    command.args(before).arg("check").args(args).current_dir(folder).stdin(input);
    let Output { status, stdout, stderr } = command.output().expect("it runs");
    let text = |it: &[u8]| String::from_utf8_lossy(it).into_owned();
    format!("{check}\n{:?}\n{}---\n{}", status.code(), text(&stdout), text(&stderr))
}

#[test]
fn checks_as_debians_promtool() {
    let Some(theirs) = peer("promtool") else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in FILES {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    for check in CHECKS {
        let ours = run(pyrrha(), &["promtool"], folder.path(), check);
        assert_eq!(ours, run(&theirs, &[], folder.path(), check));
    }
}
