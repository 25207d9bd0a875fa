//! Installs what the tests need: Debian packages, npm modules and Python modules.

use std::path::Path;

use crate::run::{run, works};

/// A program the tests call, and the Debian package it comes in.
const PROGRAMS: [(&str, &str, &[&str]); 10] = [
    ("prometheus", "prometheus", &["--version"]),
    ("promtool", "prometheus", &["--version"]),
    ("prometheus-node-exporter", "prometheus-node-exporter", &["--version"]),
    ("victoria-metrics", "victoria-metrics", &["--version"]),
    ("chromium", "chromium", &["--version"]),
    ("node", "nodejs", &["--version"]),
    ("npm", "npm", &["--version"]),
    ("dnsmasq", "dnsmasq-base", &["--version"]),
    ("python3", "python3", &["--version"]),
    ("pip3", "python3-pip", &["--version"]),
];

/// Folders with a `package.json`.
const NPM: [&str; 2] = ["web", "tests/peers"];

/// What Python programs need, and where it goes.
const PYTHON: [&str; 2] = ["tests/peers/requirements.txt", "tests/peers/python_modules"];

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
        let lock = format!("{folder}/package-lock.json");
        let installed = format!("{folder}/node_modules/.package-lock.json");
        if !is_fresh(&lock, &installed) && run("npm", args).is_err() {
            missing.push(format!("npm modules of {folder}"));
        }
    }
    let [wanted, folder] = PYTHON;
    let args = ["install", "--quiet", "--upgrade", "--target", folder, "--requirement", wanted];
    if !is_fresh(wanted, folder) && run("pip3", args).is_err() {
        missing.push(format!("Python modules of {wanted}"));
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

/// True if the modules were installed after the list of them last changed.
fn is_fresh(list: &str, installed: &str) -> bool {
    let time = |path| std::fs::metadata(path).and_then(|it| it.modified()).ok();
    let list = time(list);
    list.is_some() && list <= time(installed)
}
