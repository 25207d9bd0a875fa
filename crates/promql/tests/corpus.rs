//! Every query of the test data parses, and what is printed parses to the same again.

use std::fs;
use std::path::{Path, PathBuf};

use promql::{Options, parse};

/// Parses, prints on one line and on several, and compares the trees by their JSON.
fn check(query: &str, place: &Path) {
    let expr = parse(query, &Options::ALL)
        .unwrap_or_else(|error| panic!("{}: {query}: {error}", place.display()));
    let json = expr.to_json();
    for printed in [expr.to_string(), expr.pretty()] {
        let again = parse(&printed, &Options::ALL).unwrap_or_else(|error| {
            panic!("{}: {query}: printed as {printed}: {error}", place.display())
        });
        assert_eq!(again.to_string(), expr.to_string(), "{query}");
        // Matchers come out sorted, so trees are compared after one more round.
        let twice = parse(&again.to_string(), &Options::ALL).expect("parsed before").to_json();
        assert_eq!(again.to_json(), twice, "{query}");
    }
    assert!(json.is_object());
}

fn corpus() -> Option<PathBuf> {
    let path = std::env::var_os("PYRRHA_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        PathBuf::from,
    );
    path.is_dir().then_some(path)
}

fn files(folder: &Path, extension: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, extension, out);
        } else if path.extension().is_some_and(|it| it == extension) {
            out.push(path);
        }
    }
}

#[test]
fn parses_test_scripts() {
    let Some(corpus) = corpus() else { return };
    let mut scripts = Vec::new();
    files(&corpus.join("promqltest"), "test", &mut scripts);
    let mut n = 0;
    for path in &scripts {
        let text = fs::read_to_string(path).expect("a script");
        for line in text.lines().map(str::trim) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let skip = match words.as_slice() {
                [eval, "instant", "at", ..] if eval.starts_with("eval") => 4,
                [eval, "range", "from", ..] if eval.starts_with("eval") => 8,
                _ => continue,
            };
            let mut query = line;
            for _ in 0..skip {
                query = query.trim_start();
                query = &query[query.find(char::is_whitespace).unwrap_or(query.len())..];
            }
            check(query, path);
            n += 1;
        }
    }
    assert!(1300 < n, "{n}");
}

#[test]
fn parses_dashboards() {
    let Some(corpus) = corpus() else { return };
    let mut dashboards = Vec::new();
    files(&corpus.join("dashboards"), "json", &mut dashboards);
    let mut n = 0;
    for path in &dashboards {
        let json: serde_json::Value =
            serde_json::from_str(&fs::read_to_string(path).expect("a dashboard")).expect("JSON");
        visit(&json, &mut |query| {
            check(&variables_filled(query), path);
            n += 1;
        });
    }
    assert!(100 < n, "{n}");
}

/// Calls `found` with every `expr`.
fn visit(json: &serde_json::Value, found: &mut impl FnMut(&str)) {
    match json {
        serde_json::Value::Array(items) => items.iter().for_each(|it| visit(it, found)),
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    serde_json::Value::String(query) if name == "expr" && !query.is_empty() => {
                        found(query)
                    }
                    value => visit(value, found),
                }
            }
        }
        _ => {}
    }
}

/// Puts a duration where a dashboard variable names one; other variables stand in strings.
fn variables_filled(query: &str) -> String {
    [
        "$__rate_interval",
        "$__interval",
        "$__range",
        "${__rate_interval}",
        "$interval",
        "${interval}",
    ]
    .iter()
    .fold(query.to_owned(), |query, variable| query.replace(variable, "5m"))
}

#[test]
fn parses_rules() {
    let Some(corpus) = corpus() else { return };
    let mut rules = Vec::new();
    files(&corpus.join("rules/awesome"), "yml", &mut rules);
    let mut n = 0;
    for path in &rules {
        let text = fs::read_to_string(path).expect("rules");
        for line in text.lines().map(str::trim) {
            let Some(query) = line.trim_start_matches("- ").strip_prefix("expr:") else { continue };
            let query = query.trim();
            if query.is_empty() || query.starts_with(['|', '>']) {
                continue;
            }
            check(&unquoted(query), path);
            n += 1;
        }
    }
    assert!(400 < n, "{n}");
}

/// Reads the three kinds of scalars that the rule files use.
fn unquoted(scalar: &str) -> String {
    match scalar.as_bytes() {
        [b'\'', .., b'\''] => scalar[1..scalar.len() - 1].replace("''", "'"),
        [b'"', .., b'"'] => scalar[1..scalar.len() - 1].replace("\\\"", "\"").replace("\\\\", "\\"),
        _ => scalar.to_owned(),
    }
}
