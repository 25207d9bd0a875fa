//! The rules of the house that no lint knows.
//!
//! - Every crate names its layer and io in its manifest; it uses strictly lower layers, and a `sync` crate no
//!   async runtime.
//! - Sync crates read no clock, no environment and no file but through what they are given.
//! - Every source file begins with its purpose (`//!`), and none is named for being a grab-bag.
//! - `unsafe` stands in listed files only.
//! - Every dependency is declared once, at the workspace.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use serde_json::Value;

use crate::run::output;

/// Files that may hold `unsafe`; each block gives its reason.
const UNSAFE: [&str; 4] = [
    "crates/promql-engine/tests/budget.rs",
    "crates/scrape/tests/allocations.rs",
    "crates/stdx/src/mapped.rs",
    "crates/yaml/src/libyaml.rs",
];

/// What pulls an async runtime in.
const ASYNC: [&str; 6] = ["tokio", "hyper", "hyper-util", "axum", "tower", "tokio-rustls"];

/// What reads the world behind a core crate's back.
const AMBIENT: [&str; 5] =
    ["SystemTime::now", "Instant::now", "std::env::", "std::fs::", "std::process::"];

/// Sync crates whose very task is to read the machine.
const AMBIENT_CRATES: [&str; 3] = ["pyrrha-stdx", "pyrrha-collectors", "pyrrha-testkit"];

/// Names for things that are not one thing.
const GRAB_BAGS: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

/// Lines of code, tests and comments included, past which a file must be split.
const FILE_LINES_MAX: usize = 900;

/// Checks all rules and lists every breach.
///
/// # Errors
/// If there is a breach.
pub(crate) fn tidy() -> Result<()> {
    let metadata: Value = serde_json::from_str(&output(
        "cargo",
        &["metadata", "--no-deps", "--format-version", "1", "--offline"],
    )?)?;
    let packages: Vec<Package> = array(&metadata["packages"]).iter().map(Package::read).collect();
    let mut breaches = Vec::new();
    check_layers(&packages, &mut breaches);
    for package in &packages {
        check_sources(package, &mut breaches);
    }
    for breach in &breaches {
        eprintln!("tidy: {breach}");
    }
    if !breaches.is_empty() {
        bail!("tidy found {} breaches", breaches.len());
    }
    println!("tidy: {} crates are in order", packages.len());
    Ok(())
}

struct Package {
    name: String,
    folder: PathBuf,
    layer: Option<u64>,
    is_sync: bool,
    /// Names of normal dependencies, and of those for tests.
    dependencies: Vec<String>,
    test_dependencies: Vec<String>,
}

impl Package {
    fn read(it: &Value) -> Self {
        let manifest = PathBuf::from(text(&it["manifest_path"]));
        let names = |kind: Option<&str>| {
            let all = array(&it["dependencies"]).iter();
            all.filter(|it| it["kind"].as_str() == kind)
                .map(|it| text(&it["name"]).to_owned())
                .collect()
        };
        Self {
            name: text(&it["name"]).to_owned(),
            folder: manifest.parent().expect("a manifest lies in a folder").to_owned(),
            layer: it["metadata"]["pyrrha"]["layer"].as_u64(),
            is_sync: it["metadata"]["pyrrha"]["io"] == "sync",
            dependencies: names(None),
            test_dependencies: names(Some("dev")),
        }
    }
}

fn check_layers(packages: &[Package], breaches: &mut Vec<String>) {
    let layers: BTreeMap<&str, u64> =
        packages.iter().filter_map(|it| Some((&it.name[..], it.layer?))).collect();
    for package in packages.iter().filter(|it| it.name != "xtask") {
        let Some(own) = package.layer else {
            breaches.push(format!("{}: no layer in its manifest", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            match layers.get(&dependency[..]) {
                Some(layer) if own <= *layer => breaches.push(format!(
                    "{} (layer {own}) uses {dependency} (layer {layer}): only strictly lower layers",
                    package.name
                )),
                None if package.is_sync && ASYNC.contains(&&dependency[..]) => {
                    breaches.push(format!("{} is sync and uses {dependency}", package.name));
                }
                _ => {}
            }
            if dependency == "pyrrha-testkit" {
                breaches.push(format!("{}: testkit is for tests only", package.name));
            }
        }
        for dependency in &package.test_dependencies {
            if layers.get(&dependency[..]).is_some_and(|layer| own < *layer) {
                breaches.push(format!(
                    "{}: its tests use {dependency}, which lies above it",
                    package.name
                ));
            }
        }
    }
    for package in packages {
        check_manifest(package, breaches);
    }
}

/// Versions stand at the workspace only.
fn check_manifest(package: &Package, breaches: &mut Vec<String>) {
    let path = package.folder.join("Cargo.toml");
    let manifest = fs::read_to_string(&path).unwrap_or_default();
    let mut in_dependencies = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            in_dependencies = line.contains("dependencies");
        } else if in_dependencies && line.contains('=') && !line.contains("workspace = true") {
            breaches.push(format!("{}: declare it at the workspace: {line}", path.display()));
        }
    }
}

fn check_sources(package: &Package, breaches: &mut Vec<String>) {
    let root = crate::root();
    for path in rust_files(&package.folder) {
        let shown = path.strip_prefix(&root).unwrap_or(&path).display().to_string();
        let source = fs::read_to_string(&path).unwrap_or_default();
        if !source.starts_with("//!") && !source.starts_with("#!/") {
            breaches.push(format!("{shown}: begins without its purpose (//!)"));
        }
        let stem = path.file_stem().and_then(|it| it.to_str()).unwrap_or("");
        if GRAB_BAGS.contains(&stem) {
            breaches.push(format!("{shown}: a name for things that are not one thing"));
        }
        let lines = source.lines().count();
        if FILE_LINES_MAX < lines {
            breaches.push(format!("{shown}: {lines} lines; split it"));
        }
        let has_unsafe = source
            .lines()
            .any(|it| code(it).contains("unsafe {") || code(it).contains("unsafe fn"));
        if has_unsafe && !UNSAFE.contains(&&shown[..]) && !shown.starts_with("xtask/") {
            breaches.push(format!("{shown}: unsafe outside the listed files"));
        }
        let is_test = shown.contains("/tests/") || shown.contains("/benches/") || stem == "tests";
        if package.is_sync && !is_test && !AMBIENT_CRATES.contains(&&package.name[..]) {
            check_ambient(&source, &shown, breaches);
        }
    }
}

fn check_ambient(source: &str, shown: &str, breaches: &mut Vec<String>) {
    let tests_at = source.find("#[cfg(test)]").unwrap_or(source.len());
    for (at, line) in source[..tests_at].lines().enumerate() {
        for word in AMBIENT {
            if code(line).contains(word) {
                breaches.push(format!(
                    "{shown}:{}: a sync crate is given its world, no {word}",
                    at + 1
                ));
            }
        }
    }
}

/// The line without a comment.
fn code(line: &str) -> &str {
    line.split("//").next().unwrap_or("")
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(Result::ok).map(|it| it.path()) {
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or("");
            if path.is_dir() && name != "target" && name != "node_modules" && name != "dist" {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("")
}
