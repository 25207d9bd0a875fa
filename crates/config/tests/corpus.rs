//! Upstream's own good and bad configurations.

use std::path::{Path, PathBuf};

use config::{Config, Options};
use stdx::SystemDirectory;

/// The folder of the test data; tests pass without it, as it is no part of the repository.
fn corpus() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus");
    let root = std::env::var_os("PYRRHA_CORPUS").map_or(default, PathBuf::from);
    root.join("config").is_dir().then(|| root.join("config"))
}

fn load(folder: &Path, name: &str) -> Result<Config, String> {
    let agent = name.starts_with("agent_mode");
    let dir = SystemDirectory::new(folder);
    let options = Options { agent, ..Options::default() };
    Config::load_file(Path::new(name), &dir, &options).map_err(|error| error.to_string())
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .expect("a folder")
        .filter_map(|it| it.ok()?.file_name().into_string().ok())
        .filter(|it| it.ends_with(".yml"))
        .collect();
    names.sort();
    names
}

#[test]
fn loads_every_good_file_and_reads_its_own_echo() {
    let Some(folder) = corpus() else { return };
    let mut n = 0;
    for name in names(&folder).iter().filter(|it| it.contains(".good.")) {
        let config = load(&folder, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        n += 1;
        // Reading the echo would put the environment in again.
        if name == "external_labels.good.yml" {
            continue;
        }
        let echo = config.to_yaml();
        let again = Config::load(echo.as_bytes(), &Options::default());
        let again = again.unwrap_or_else(|error| panic!("{name}: {error}\n{echo}"));
        assert_eq!(again.to_yaml(), echo, "{name}");
    }
    assert!(n >= 50, "{n} good files");
}

#[test]
fn loads_every_example() {
    let Some(folder) = corpus() else { return };
    let folder = folder.join("examples");
    let others = ["promtool-http-config-file.yml", "rbac-setup.yml", "web-config.yml"];
    for name in names(&folder).iter().filter(|it| !others.contains(&it.as_str())) {
        load(&folder, name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn refuses_every_bad_file() {
    let Some(folder) = corpus() else { return };
    let loaded_alone = ["static_config.bad.yml"];
    let mut accepted = Vec::new();
    for name in
        names(&folder).iter().filter(|it| it.contains(".bad.") || it.contains(".incompatible."))
    {
        match load(&folder, name) {
            Ok(_) => accepted.push(name.clone()),
            Err(error) => println!("{name}\n    {error}"),
        }
    }
    accepted.retain(|it| !loaded_alone.contains(&it.as_str()));
    assert!(accepted.is_empty(), "{accepted:?}");
}

/// A line less, a line cut short, a line pushed to the right: each may be wrong, none may panic.
#[test]
fn survives_damaged_files() {
    let Some(folder) = corpus() else { return };
    for name in names(&folder) {
        let text = std::fs::read_to_string(folder.join(&name)).expect("readable");
        let lines: Vec<&str> = text.lines().collect();
        for i in (0..lines.len()).step_by(1 + lines.len() / 10) {
            let (before, line, after) =
                (lines[..i].join("\n"), lines[i], lines[i + 1..].join("\n"));
            let half = line.chars().take(line.chars().count() / 2).collect::<String>();
            for damaged in [String::new(), half, format!("  {line}"), format!("{line} {{")] {
                let text = format!("{before}\n{damaged}\n{after}");
                _ = Config::load(text.as_bytes(), &Options::default()).map(|it| it.to_yaml());
            }
        }
    }
}
