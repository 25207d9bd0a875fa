//! Targets in JSON and YAML files.
//!
//! The folders of the files are watched; a file is read again a moment after it changed, and all are read
//! again now and then in any case, since not every file system tells. Watching the folder, not the
//! file, sees files that are replaced by renaming and folders behind a link that is switched. A
//! file that cannot be read keeps its groups.

mod groups;
mod watch;

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use model::{Labels, TargetGroup};
use tracing::error;

pub use self::groups::{FileError, read_groups};
use self::watch::Watch;
use crate::discoverer::{Discoverer, Stop, Updates};
use crate::metrics::{Metrics, seconds};

/// Which files to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileOptions {
    /// Paths, with patterns in the last part only.
    pub files: Vec<String>,
    /// How often to read them if nothing is known to have changed; at least a second.
    pub refresh_interval: Duration,
}

/// The shortest refresh interval.
const REFRESH_MIN: Duration = Duration::from_secs(1);

/// Runs file discovery.
pub(crate) struct FileDiscoverer {
    options: FileOptions,
    metrics: Arc<Metrics>,
    /// How many groups each file had when it was last read.
    n_groups: BTreeMap<String, usize>,
}

/// What was found in one file.
struct FileRead {
    path: String,
    modified: Option<SystemTime>,
    groups: Result<Vec<TargetGroup>, FileError>,
}

impl FileDiscoverer {
    pub(crate) fn new(options: FileOptions, metrics: Arc<Metrics>) -> Self {
        FileDiscoverer { options, metrics, n_groups: BTreeMap::new() }
    }

    async fn discover(mut self, updates: Updates, mut stop: Stop) {
        let mut watch = Watch::start(&self.metrics.file_watcher_errors);
        let pause = self.options.refresh_interval.max(REFRESH_MIN);
        loop {
            watch.watch(&folders(&self.options.files));
            if let Some(groups) = self.refresh().await {
                updates.send(groups).await;
            }
            tokio::select! {
                () = stop.stopped() => break,
                () = watch.changed() => (),
                () = tokio::time::sleep(pause) => (),
            }
        }
        self.metrics.file_mtime.remove(|values| self.n_groups.contains_key(&values[0]));
    }

    /// Reads all files. Returns their groups, and empty ones for those that are gone.
    async fn refresh(&mut self) -> Option<Vec<TargetGroup>> {
        let patterns = self.options.files.clone();
        let start = Instant::now();
        let files = tokio::task::spawn_blocking(move || read_files(&patterns)).await;
        self.metrics.file_scan_duration.observe(start.elapsed().as_secs_f64());
        match files {
            Ok(files) => Some(self.changes(files)),
            Err(problem) => {
                error!(%problem, "reading of target files failed");
                None
            }
        }
    }

    fn changes(&mut self, files: Vec<FileRead>) -> Vec<TargetGroup> {
        let mut changes = Vec::new();
        let mut before = std::mem::take(&mut self.n_groups);
        for file in files {
            let n_before = before.remove(&file.path);
            match file.groups {
                Ok(groups) => {
                    if let Some(modified) = file.modified {
                        self.metrics.file_mtime.get(&[&file.path]).set(seconds(modified));
                    }
                    changes.extend(no_groups(&file.path, groups.len()..n_before.unwrap_or(0)));
                    self.n_groups.insert(file.path, groups.len());
                    changes.extend(groups);
                }
                Err(problem) => {
                    self.metrics.file_read_errors.inc();
                    error!(path = file.path, %problem, "Error reading file");
                    self.n_groups.extend(n_before.map(|it| (file.path, it)));
                }
            }
        }
        for (path, n_groups) in before {
            self.metrics.file_mtime.remove(|values| values[0] == path);
            changes.extend(no_groups(&path, 0..n_groups));
        }
        changes
    }
}

impl Discoverer for FileDiscoverer {
    fn run(
        self: Box<Self>,
        updates: Updates,
        stop: Stop,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(self.discover(updates, stop))
    }
}

/// Returns the files that a pattern names, sorted. A path without pattern names itself, if it exists.
///
/// # Errors
///
/// The folder cannot be listed. A folder that does not exist has no files.
pub fn files_matching(pattern: &str) -> io::Result<Vec<String>> {
    let name = file_name(pattern);
    if !name.contains(['*', '?', '[', '\\']) {
        let exists = fs::symlink_metadata(pattern).is_ok();
        return Ok(if exists { vec![pattern.to_owned()] } else { Vec::new() });
    }
    let entries = match fs::read_dir(folder(pattern)) {
        Err(problem) if problem.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let prefix = &pattern[..pattern.len() - name.len()];
    let mut files = Vec::new();
    for entry in entries {
        // A name that is not text cannot be a label value.
        if let Ok(entry) = entry?.file_name().into_string()
            && stdx::glob::is_match(name, &entry)
        {
            files.push(format!("{prefix}{entry}"));
        }
    }
    files.sort();
    Ok(files)
}

/// Reads all files that the patterns name, each once.
fn read_files(patterns: &[String]) -> Vec<FileRead> {
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for pattern in patterns {
        let matching = files_matching(pattern).unwrap_or_else(|problem| {
            error!(pattern, %problem, "Error expanding glob");
            Vec::new()
        });
        files.extend(matching.into_iter().filter(|it| seen.insert(it.clone())).map(read_file));
    }
    files
}

fn read_file(path: String) -> FileRead {
    let modified = fs::metadata(&path).and_then(|it| it.modified()).ok();
    let groups = read_groups(Path::new(&path));
    FileRead { path, modified, groups }
}

/// Names the group of a file.
fn source(path: &str, index: usize) -> String {
    format!("{path}:{index}")
}

fn no_groups(path: &str, indexes: std::ops::Range<usize>) -> impl Iterator<Item = TargetGroup> {
    indexes.map(move |index| TargetGroup {
        source: source(path, index),
        targets: Vec::new(),
        labels: Labels::empty(),
    })
}

fn file_name(path: &str) -> &str {
    path.rsplit_once('/').map_or(path, |(_, name)| name)
}

fn folder(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    }
}

fn folders(files: &[String]) -> HashSet<String> {
    files.iter().map(|it| folder(it).to_owned()).collect()
}
