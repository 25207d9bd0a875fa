//! Whether the configuration's files have changed since they were loaded.

use std::path::Path;

use config::Config;
use stdx::{Directory, SystemDirectory};
use xxhash_rust::xxh3::Xxh3Default;

/// The files that a loaded configuration was made of: its own, those of rules and those of jobs.
pub(super) struct Files {
    main: String,
    patterns: Vec<String>,
    sum: Option<u128>,
}

impl Files {
    /// Those of a configuration that is loaded from `main`, as they are now.
    pub(super) fn of(main: &str, config: &Config) -> Self {
        let patterns = config.rule_files.iter().chain(&config.scrape_config_files).cloned();
        let mut files = Self { main: main.to_owned(), patterns: patterns.collect(), sum: None };
        files.sum = files.sum_now();
        files
    }

    /// True if a file has another text, has come or gone; also if one cannot be read.
    pub(super) fn have_changed(&self) -> bool {
        let sum = self.sum_now();
        sum.is_none() || sum != self.sum
    }

    fn sum_now(&self) -> Option<u128> {
        let dir = SystemDirectory::new("");
        let mut sum = Xxh3Default::new();
        let mut add = |bytes: &[u8]| {
            sum.update(&bytes.len().to_le_bytes());
            sum.update(bytes);
        };
        add(&dir.read(Path::new(&self.main)).ok()?);
        for pattern in &self.patterns {
            for file in config::files_of(&dir, pattern) {
                add(file.as_bytes());
                add(&dir.read(Path::new(&file)).ok()?);
            }
        }
        Some(sum.digest128())
    }
}
