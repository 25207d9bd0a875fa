//! Paths as the files write them: joined to the file's folder, and globs.

use std::path::Path;

use stdx::Directory;
use stdx::glob::is_match;

/// Joins a path to the folder of the file that holds it; empty and absolute ones stay.
pub(crate) fn join(dir: &str, path: &mut String) {
    if !path.is_empty() && !path.starts_with('/') {
        *path = clean(&format!("{dir}/{path}"));
    }
}

/// The folder of a file: `.` if its path names none.
pub(crate) fn folder(path: &Path) -> String {
    match path.parent().and_then(Path::to_str) {
        None | Some("") => ".".into(),
        Some(folder) => folder.to_owned(),
    }
}

/// True for a pattern with `*` only in its last part.
pub(crate) fn is_pattern(text: &str) -> bool {
    text.split_once('*').is_none_or(|(_, rest)| !rest.contains('/'))
}

/// The files that a pattern of `rule_files` or such names, sorted. A pattern without special characters names a file
/// if it is there.
pub fn glob(dir: &dyn Directory, pattern: &str) -> Vec<String> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if !name.contains(['*', '?', '[']) {
        let is_there = dir.exists(Path::new(pattern)).unwrap_or(false);
        return if is_there { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let root = if pattern.starts_with('/') { "/" } else { "." };
    let listed =
        dir.list(Path::new(if folder.is_empty() { root } else { folder })).unwrap_or_default();
    let matching = listed.iter().filter(|it| is_match(name, &it.name));
    let prefix = &pattern[..pattern.len() - name.len()];
    matching.map(|it| format!("{prefix}{}", it.name)).collect()
}

/// Removes `.`, `..` and repeated slashes without looking at the disk.
fn clean(path: &str) -> String {
    let absolute = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|it| *it != "..") => _ = parts.pop(),
            ".." if absolute => {}
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (absolute, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".into(),
        (false, false) => joined,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_and_cleans() {
        let check = |dir, path: &str, expected: &str| {
            let mut path = path.to_owned();
            join(dir, &mut path);
            assert_eq!(path, expected);
        };
        check("conf", "a.yml", "conf/a.yml");
        check(".", "./a/../b.yml", "b.yml");
        check("/etc/p", "../x", "/etc/x");
        check("conf", "/a", "/a");
        check("conf", "", "");
        check("..", "../a", "../../a");
    }
}
