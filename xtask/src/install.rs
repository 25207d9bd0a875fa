//! Installs what the tests need: Debian packages and npm modules.

use std::path::Path;

use crate::run::{run, works};

/// A program the tests call, and the Debian package it comes in.
const PROGRAMS: [(&str, &str, &[&str]); 8] = [
    ("prometheus", "prometheus", &["--version"]),
    ("promtool", "prometheus", &["--version"]),
    ("prometheus-node-exporter", "prometheus-node-exporter", &["--version"]),
    ("victoria-metrics", "victoria-metrics", &["--version"]),
    ("chromium", "chromium", &["--version"]),
    ("node", "nodejs", &["--version"]),
    ("npm", "npm", &["--version"]),
    ("dnsmasq", "dnsmasq-base", &["--version"]),
];

/// Folders with a `package.json`.
const NPM: [&str; 2] = ["web", "tests/peers"];

/// Installs what is missing. Returns what cannot be had, in words: the tests that need it say so too.
pub(crate) fn install() -> Vec<String> {
    let mut missing = Vec::new();
    let packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _, args)| !works(program, args))
        .map(|(_, package, _)| *package)
        .collect();
    if !packages.is_empty() {
        install_debian(&packages);
        for (program, package, args) in PROGRAMS {
            if !works(program, args) {
                missing.push(format!("{program} (Debian package {package})"));
            }
        }
    }
    for folder in NPM {
        if !Path::new(folder).join("package.json").exists() {
            continue;
        }
        let args = ["ci", "--no-audit", "--no-fund", "--prefix", folder];
        let fresh = is_fresh(folder);
        if !fresh && run("npm", args).is_err() {
            missing.push(format!("npm modules of {folder}"));
        }
    }
    missing
}

fn install_debian(packages: &[&str]) {
    let mut packages = packages.to_vec();
    packages.dedup();
    let root = works("test", &["-w", "/var/lib/dpkg"]);
    let (program, prefix): (&str, &[&str]) =
        if root { ("apt-get", &[]) } else { ("sudo", &["-n", "apt-get"]) };
    // Services that a package would start are not wanted: the tests start their own.
    let _ = run(program, prefix.iter().chain(&["update", "-qq"]));
    let install = ["-qq", "-y", "--no-install-recommends", "install"];
    let _ = run(program, prefix.iter().chain(&install).chain(&packages));
}

/// True if the modules were installed after the lock file last changed.
fn is_fresh(folder: &str) -> bool {
    let time = |path: String| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    let lock = time(format!("{folder}/package-lock.json"));
    let installed = time(format!("{folder}/node_modules/.package-lock.json"));
    lock.is_some() && lock <= installed
}
