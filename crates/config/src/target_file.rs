//! Files with targets, as `file_sd_configs` name them.

use yaml::{Dialect, Fatal, Options};

use crate::StaticConfig;

/// Reads a file with target groups: YAML, or JSON if `name` ends in `.json`. Unknown keys are refused.
///
/// # Errors
/// What is wrong; `invalid file extension` for any other name.
pub fn parse(name: &str, text: &[u8]) -> Result<Vec<StaticConfig>, String> {
    let ending = name.rsplit_once('.').map_or("", |it| it.1);
    match ending.to_ascii_lowercase().as_str() {
        "json" => {
            _ = serde_json::from_slice::<serde::de::IgnoredAny>(text)
                .map_err(|it| it.to_string())?
        }
        "yml" | "yaml" => {}
        _ => {
            return Err(format!("invalid file extension: {}", model::quote(&format!(".{ending}"))));
        }
    }
    // What JSON accepts, YAML reads in the same way.
    let options = Options { dialect: Dialect::V2, strict: true };
    let groups: Vec<Option<StaticConfig>> =
        yaml::from_slice(text, options).map_err(|error| error.to_string())?;
    let numbered = groups.into_iter().enumerate();
    let groups: Result<Vec<_>, Fatal> = numbered
        .map(|(i, it)| it.ok_or_else(|| Fatal(format!("nil target group item found (index {i})"))))
        .collect();
    groups.map_err(|it| it.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, text: &str, expected: Result<usize, &str>) {
        let found = parse(name, text.as_bytes()).map(|it| it.len());
        assert_eq!(found.as_ref().map(|n| *n).map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn reads_target_files() {
        check("a.json", "[{\"targets\":[\"h:1\"],\n\t\"labels\":{\"a\":\"b\\u00e9\"}}, {}]", Ok(2));
        check("a.yml", "- targets: [a, b]\n- labels: {a: b}", Ok(2));
        check("a.yml", "", Ok(0));
        check("a.json", "[{targets: []}]", Err("key must be a string at line 1 column 3"));
        check("a.yml", "- targets: []\n- ", Err("nil target group item found (index 1)"));
        check("a.txt", "", Err("invalid file extension: \".txt\""));
    }
}
