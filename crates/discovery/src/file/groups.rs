//! What stands in a target file.

use std::path::Path;
use std::{fmt, fs, io};

use config::{StaticConfig, target_file};
use model::{TargetGroup, quote};

use super::source;

/// The label that names the file.
const FILE_LABEL: &str = "__meta_filepath";

/// Why a target file gave no groups.
#[derive(Debug)]
pub enum FileError {
    /// It cannot be read.
    Io(io::Error),
    /// It is not a list of groups, or its name ends neither in `.json` nor in `.yml` or `.yaml`.
    Content(String),
}

/// Reads the groups of a file. Sources are the path and the place in the file; every group gets the
/// label `__meta_filepath`.
///
/// # Errors
///
/// The file cannot be read, or is not a list of groups.
pub fn read_groups(path: &Path) -> Result<Vec<TargetGroup>, FileError> {
    let content = fs::read(path).map_err(FileError::Io)?;
    let path = path.to_string_lossy();
    let groups = target_file::parse(&path, &content).map_err(FileError::Content)?;
    groups.iter().enumerate().map(|(index, group)| finish(group, &path, index)).collect()
}

fn finish(group: &StaticConfig, path: &str, index: usize) -> Result<TargetGroup, FileError> {
    if group.labels.contains_key("") {
        return Err(FileError::Content(format!("{} is not a valid label name", quote(""))));
    }
    let mut group = group.to_group(source(path, index));
    group.labels = group.labels.to_builder().set(FILE_LABEL, path).labels();
    Ok(group)
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FileError::Io(problem) => problem.fmt(f),
            FileError::Content(problem) => f.write_str(problem),
        }
    }
}

impl std::error::Error for FileError {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Prints groups as `address,… {labels}`, without the label of the file, or the error.
    fn check(name: &str, content: &str, expected: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join(name);
        fs::write(&path, content).expect("a file");
        let print = |group: TargetGroup| {
            let targets: Vec<_> = group.targets.iter().map(|it| it.value("__address__")).collect();
            assert_eq!(group.labels.value(FILE_LABEL), path.to_str().expect("a text"));
            format!("{} {}", targets.join(","), group.labels.filter(|it| it != FILE_LABEL))
        };
        let found = match read_groups(&path) {
            Ok(groups) => groups.into_iter().map(print).collect::<Vec<_>>().join("; "),
            Err(problem) => problem.to_string(),
        };
        assert_eq!(found, expected, "{content}");
    }

    #[test]
    fn reads_json() {
        check(
            "a.json",
            r#"[{"targets":["a:1","b:2"],"labels":{"x":"1"}},{"targets":[]}]"#,
            r#"a:1,b:2 {x="1"};  {}"#,
        );
        check("a.JSON", "null", "");
        check("a.json", r#"[{"targets":null,"labels":null}]"#, " {}");
        check("a.json", "[null]", "nil target group item found (index 0)");
        check("a.json", r#"[{"labels":{"":"x"}}]"#, r#""" is not a valid label name"#);
        check(
            "a.json",
            r#"[{"target":[]}]"#,
            "yaml: unmarshal errors:\n  line 1: field target not found in type struct { Targets []string \"yaml:\\\"targets\\\"\"; Labels model.LabelSet \"yaml:\\\"labels\\\"\" }",
        );
    }

    #[test]
    fn reads_yaml() {
        check(
            "a.yml",
            "- targets: ['a:1', b:2]\n  labels: {x: 1}\n- targets:\n  - c",
            r#"a:1,b:2 {x="1"}; c {}"#,
        );
        check("a.YAML", "", "");
        check("a.yaml", "- null", "nil target group item found (index 0)");
        check(
            "a.yaml",
            "- target: [a]",
            "yaml: unmarshal errors:\n  line 1: field target not found in type struct { Targets []string \"yaml:\\\"targets\\\"\"; Labels model.LabelSet \"yaml:\\\"labels\\\"\" }",
        );
        check("a.txt", "", "invalid file extension: \".txt\"");
    }
}
