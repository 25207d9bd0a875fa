//! Upstream's own good and bad configurations.

use std::collections::BTreeMap;
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

/// Files that are wrong, and what is said about each: a name in one line, the text in those below it. The name of the
/// file is left out of the texts, and the folder of others.
const REFUSALS: &str = include_str!("data/refusals.txt");

/// The files of [`REFUSALS`] with their texts.
fn refusals() -> BTreeMap<&'static str, String> {
    let mut refusals: BTreeMap<&str, String> = BTreeMap::new();
    let mut name = "";
    for line in REFUSALS.lines() {
        match line.strip_prefix("    ") {
            None => name = line,
            Some(text) => {
                let known = refusals.entry(name).or_default();
                let gap = if known.is_empty() { "" } else { "\n" };
                known.push_str(&format!("{gap}{text}"));
            }
        }
    }
    refusals
}

/// What is said about a file; `None` if it loads.
fn refusal(folder: &Path, name: &str) -> Option<String> {
    let error = load(folder, name).err()?;
    let error = error.replace(&format!("parsing YAML file {name}: "), "");
    Some(error.replace(&format!("\"{}/", folder.display()), "\""))
}

#[test]
fn judges_every_file_as_upstream_does() {
    let Some(folder) = corpus() else { return };
    let refusals = refusals();
    let (mut n_loaded, mut n_refused) = (0, 0);
    let mut wrong = Vec::new();
    for name in names(&folder) {
        let found = refusal(&folder, &name);
        match &found {
            None => n_loaded += 1,
            Some(text) => {
                n_refused += 1;
                println!("{name}\n    {}", text.replace('\n', "\n    "));
            }
        }
        let is_right = match refusals.get(&*name) {
            Some(expected) => found.as_ref() == Some(expected),
            None => found.is_some() == name.contains(".bad."),
        };
        if !is_right {
            wrong.push((name, found));
        }
    }
    println!(
        "{n_loaded} files loaded, {n_refused} refused, of these {} by the known text",
        refusals.len()
    );
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(50 <= n_loaded && 50 <= n_refused);
}

#[test]
fn reads_its_own_echo() {
    let Some(folder) = corpus() else { return };
    // Reading that one's echo would put the environment in again.
    let is_good = |it: &&String| it.contains(".good.") && *it != "external_labels.good.yml";
    for name in names(&folder).iter().filter(is_good) {
        let config = load(&folder, name).unwrap_or_else(|error| panic!("{name}: {error}"));
        let echo = config.to_yaml();
        let again = Config::load(echo.as_bytes(), &Options::default());
        let again = again.unwrap_or_else(|error| panic!("{name}: {error}\n{echo}"));
        assert_eq!(again.to_yaml(), echo, "{name}");
    }
}

#[test]
fn loads_every_example() {
    let Some(folder) = corpus() else { return };
    let folder = folder.join("examples");
    let others = ["promtool-http-config-file.yml", "rbac-setup.yml", "web-config.yml"];
    let names: Vec<String> =
        names(&folder).into_iter().filter(|it| !others.contains(&it.as_str())).collect();
    for name in &names {
        load(&folder, name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    println!("{} examples loaded", names.len());
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
