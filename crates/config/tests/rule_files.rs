//! Rule files: problems and their places, and upstream's and other people's files.

use std::path::{Path, PathBuf};

use config::rules::{Options, RuleFile};
use config::{ValidationScheme, check};
use stdx::SystemDirectory;

fn check_problems(text: &str, expected: &[&str]) {
    let problems = RuleFile::parse(text.as_bytes(), &Options::default()).err().unwrap_or_default();
    assert_eq!(problems, expected, "{text}");
}

/// Checks the body of one rule in a group `g`.
fn check_rule(body: &str, expected: &[&str]) {
    let text = format!("groups:\n- name: g\n  rules:\n  - {}\n", body.replace('\n', "\n    "));
    check_problems(&text, expected);
}

#[test]
fn says_what_is_wrong_and_where() {
    check_problems("", &[]);
    check_problems("groups: []", &[]);
    check_problems(
        "groups: [{name: a}, {name: a}, {}]",
        &[
            "1:21: groupname: \"a\" is repeated in the same file",
            "1:32: Groupname must not be empty",
        ],
    );
    check_problems(
        "groups:\n- name: a\n  rles: []",
        &["yaml: unmarshal errors:\n  line 3: field rles not found in type rulefmt.RuleGroup"],
    );
    check_problems(
        "groups:\n- name: a\n  interval: 1x",
        &["unknown unit \"x\" in duration \"1x\""],
    );
    check_problems("groups: {", &["yaml: line 1: did not find expected node content"]);
    check_rule("record: a\nexpr: 1", &[]);
    check_rule(
        "expr: 1",
        &["0:0: 0:0: group \"g\", rule 1, \"\": one of 'record' or 'alert' must be set"],
    );
    check_rule(
        "record: a\nalert: b\nexpr: 1",
        &["4:13: 5:12: group \"g\", rule 1, \"b\": only one of 'record' and 'alert' must be set"],
    );
    check_rule("record: a", &["0:0: group \"g\", rule 1, \"a\": field 'expr' must be set in rule"]);
    check_rule(
        "record: a\nexpr: 1\nfor: 1m\nkeep_firing_for: 1m\nannotations: {a: b}",
        &[
            "4:13: group \"g\", rule 1, \"a\": invalid field 'annotations' in recording rule",
            "4:13: group \"g\", rule 1, \"a\": invalid field 'for' in recording rule",
            "4:13: group \"g\", rule 1, \"a\": invalid field 'keep_firing_for' in recording rule",
        ],
    );
    check_rule(
        "record: a{b}\nexpr: 1",
        &[
            "4:13: group \"g\", rule 1, \"a{b}\": braces present in the recording rule name; should it be in expr?: a{b}",
        ],
    );
    check_rule(
        "alert: a\nexpr: 1\nlabels: {__name__: b}",
        &["group \"g\", rule 1, \"a\": invalid label name: __name__"],
    );
    check_rule(
        "alert: a\nexpr: sum(",
        &[
            "5:11: group \"g\", rule 1, \"a\": could not parse expression: 1:5: parse error: unclosed left parenthesis",
        ],
    );
    check_rule(
        "alert: a\nexpr: 1\nannotation: {}",
        &["yaml: unmarshal errors:\n  line 6: field annotation not found in type rulefmt.Rule"],
    );
}

#[test]
fn reads_values() {
    let text = "groups:\n- name: g\n  interval: 1m\n  labels: {a: x, b: y}\n  rules:\n  - &r\n    alert: A\n    expr: up\n    for: 5m\n    labels: {b: z}\n  - <<: *r\n    alert: B\n  - *r\n---\n[";
    let file = RuleFile::parse(text.as_bytes(), &Options::default()).expect("good");
    assert!(file.more_documents);
    let group = &file.groups[0];
    assert_eq!((group.interval_ms, group.query_offset_ms), (Some(60_000), None));
    assert_eq!((group.rules[1].name(), group.rules[1].for_ms), ("B", 300_000));
    let pairs = [("a", "x"), ("b", "z")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(group.rules[0].all_labels(group), pairs.clone().into());
    assert_eq!(file.duplicates(), [("A".to_owned(), pairs.into())]);
}

/// The folder of the test data; tests pass without it, as it is no part of the repository.
fn corpus() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let root = std::env::var_os("PYRRHA_CORPUS").map_or(default, PathBuf::from);
    root.join("rules").is_dir().then_some(root)
}

fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() { files(&path, out) } else { out.push(path) }
    }
}

#[test]
fn reads_the_corpus() {
    let Some(root) = corpus() else { return };
    let mut paths = Vec::new();
    files(&root.join("rules"), &mut paths);
    let mut wrong = Vec::new();
    for path in &paths {
        let name = path.file_name().expect("a file").to_string_lossy();
        let mut options = Options::default();
        if name.starts_with("legacy_validation") {
            options.validation_scheme = ValidationScheme::Legacy;
        }
        let found = RuleFile::parse(&std::fs::read(path).expect("readable"), &options);
        if found.is_err() != name.contains(".bad.") {
            wrong.push((path, found.err()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(paths.len() >= 50, "{} files", paths.len());
}

/// Runs `check config` on a file of the corpus; lines for standard error start with `!`.
fn check_config(name: &str, syntax_only: bool, expected: &[&str]) {
    let Some(root) = corpus() else { return };
    let options = check::CheckOptions {
        load: config::Options::default(),
        rules: Options::default(),
        syntax_only,
        lint_duplicate_rules: true,
        lint_scrape_interval_ms: Some(300_000),
    };
    let dir = SystemDirectory::new(root.join("promtool"));
    let report = check::config_files(&[Path::new(name)], &dir, &options);
    let lines = report.lines.iter().map(|line| match line {
        check::Line::Out(text) => text.clone(),
        check::Line::Err(text) => format!("!{text}"),
    });
    assert_eq!(lines.filter(|it| !it.is_empty()).collect::<Vec<_>>(), expected, "{name}");
}

#[test]
fn checks_configurations() {
    let valid = |name: &str| format!(" SUCCESS: {name} is valid prometheus config file syntax");
    check_config(
        "prometheus-config.good.yml",
        false,
        &["Checking prometheus-config.good.yml", &valid("prometheus-config.good.yml")],
    );
    check_config(
        "prometheus-config.bad.yml",
        false,
        &[
            "Checking prometheus-config.bad.yml",
            "!  FAILED: parsing YAML file prometheus-config.bad.yml: yaml: unmarshal errors:\n  line 1: field not-prometheus not found in type config.plain",
        ],
    );
    check_config(
        "config_with_rule_files.yml",
        true,
        &["Checking config_with_rule_files.yml", &valid("config_with_rule_files.yml")],
    );
    check_config(
        "config_with_rule_files.yml",
        false,
        &[
            "Checking config_with_rule_files.yml",
            "!  FAILED: \"non-existent-file.yml\" does not point to an existing file",
        ],
    );
    check_config(
        "config_with_tls_files.yml",
        false,
        &[
            "Checking config_with_tls_files.yml",
            "!  FAILED: error checking client cert file \"nonexistent_cert_file.yml\": stat nonexistent_cert_file.yml: no such file or directory",
        ],
    );
    check_config(
        "config_with_service_discovery_files.yml",
        false,
        &[
            "Checking config_with_service_discovery_files.yml",
            "  WARNING: file \"nonexistent_file.yml\" for file_sd in scrape job \"prometheus\" does not exist",
            "  WARNING: file \"nonexistent_file.yml\" for file_sd in alertmanager config does not exist",
            &valid("config_with_service_discovery_files.yml"),
        ],
    );
    check_config(
        "authorization_credentials_file.good.yml",
        false,
        &[
            "Checking authorization_credentials_file.good.yml",
            &valid("authorization_credentials_file.good.yml"),
        ],
    );
    check_config(
        "url_in_scrape_targetgroup_with_relabel_config.bad.yml",
        false,
        &[
            "Checking url_in_scrape_targetgroup_with_relabel_config.bad.yml",
            "!  FAILED: instance 0 in group 0: \"http://bad\" is not a valid hostname",
        ],
    );
    check_config(
        "url_in_alert_targetgroup_with_relabel_config.good.yml",
        false,
        &[
            "Checking url_in_alert_targetgroup_with_relabel_config.good.yml",
            &valid("url_in_alert_targetgroup_with_relabel_config.good.yml"),
        ],
    );
    check_config(
        "prometheus-config.lint.yml",
        false,
        &[
            "Checking prometheus-config.lint.yml",
            "  SUCCESS: 1 rule files found",
            &valid("prometheus-config.lint.yml"),
            "Checking prometheus-rules.lint.yml",
            "!  FAILED:",
            "!lint error 1 duplicate rule(s) found.",
            "!Metric: HighRequestLatency",
            "!Label(s):",
            "!\tseverity: page",
            "!Might cause inconsistency while recording expressions",
        ],
    );
}
