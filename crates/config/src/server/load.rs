//! Loading the server's file, and the files with jobs that it names.

use std::path::Path;

use model::quote;
use stdx::Directory;
use yaml::{Decode, Decoder, Fatal, Node};

use super::{Config, HttpClient, ScrapeConfig};
use crate::Error;
use crate::names::ValidationScheme;
use crate::paths::{folder, glob};

/// How to load.
#[derive(Clone, Copy)]
pub struct Options<'a> {
    /// The server runs without database and rules.
    pub agent: bool,
    /// Accept keys that nobody knows.
    pub ignore_unknown_fields: bool,
    /// Reads a variable of the environment, for `external_labels`.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self { agent: false, ignore_unknown_fields: false, env: &|_| None }
    }
}

impl HttpClient {
    /// Reads a file that holds nothing but such a block. `path` and the paths inside are as those of
    /// [`Config::load_file`].
    ///
    /// # Errors
    /// [`Error::Read`] if the file cannot be read, else what is wrong in it.
    pub fn load_file(path: &Path, dir: &dyn Directory) -> Result<Self, Error> {
        let text =
            dir.read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let options = yaml_options(&Options::default());
        let mut client: Self = yaml::from_slice(&text, options)
            .map_err(|error| Error::Invalid { path: path.to_owned(), text: error.to_string() })?;
        client.set_dir(&folder(path));
        Ok(client)
    }
}

impl Config {
    /// Reads a configuration from text. Paths stay as written, and no other file is read.
    ///
    /// # Errors
    /// Upstream's text, with lines where upstream gives them.
    pub fn load(text: &[u8], options: &Options<'_>) -> Result<Self, String> {
        let mut config: Self =
            yaml::from_slice(text, yaml_options(options)).map_err(|error| error.to_string())?;
        config.expand_external_labels(options.env)?;
        if options.agent {
            config.check_agent()?;
        }
        Ok(config)
    }

    /// Reads a configuration from a file, and the files with jobs that it names.
    ///
    /// `path` and all paths inside are looked up in `dir`; the paths of the result are joined to the
    /// folder of `path`. Messages about further files show them below the root of `dir`, which therefore
    /// should be absolute.
    ///
    /// # Errors
    /// [`Error::Read`] if a file cannot be read, else what is wrong in which file.
    pub fn load_file(
        path: &Path,
        dir: &dyn Directory,
        options: &Options<'_>,
    ) -> Result<Self, Error> {
        let text =
            dir.read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let invalid = |text| Error::Invalid { path: path.to_owned(), text };
        let mut config = Self::load(&text, options).map_err(invalid)?;
        config.set_dir(&folder(path));
        config.load_scrape_files(dir, options)?;
        Ok(config)
    }

    fn load_scrape_files(
        &mut self,
        dir: &dyn Directory,
        options: &Options<'_>,
    ) -> Result<(), Error> {
        let mut seen: Vec<(String, Option<String>)> =
            self.scrape_configs.iter().map(|job| (job.job_name.clone(), None)).collect();
        for pattern in self.scrape_config_files.clone() {
            for file in glob(dir, &pattern) {
                let path = Path::new(&file);
                let shown = dir.root().join(path);
                let text =
                    dir.read(path).map_err(|source| Error::Read { path: shown.clone(), source })?;
                let invalid = |text| Error::InvalidScrapeFile { path: shown.clone(), text };
                let jobs: JobFile = yaml::from_slice(&text, yaml_options(options))
                    .map_err(|error| invalid(error.to_string()))?;
                for job in jobs.0 {
                    let mut job =
                        job.ok_or_else(|| invalid("empty or null scrape config section".into()))?;
                    job.inherit(&self.global).map_err(invalid)?;
                    check_new(&seen, &job.job_name).map_err(invalid)?;
                    seen.push((job.job_name.clone(), Some(shown.display().to_string())));
                    job.set_dir(&folder(path));
                    self.file_scrape_configs.push(job);
                }
            }
        }
        Ok(())
    }

    fn check_agent(&self) -> Result<(), String> {
        let fields = [
            ("alerting", !self.alerting.is_empty()),
            ("rule_files", !self.rule_files.is_empty()),
            ("remote_read", !self.remote_read.is_empty()),
        ];
        match fields.iter().find(|it| it.1) {
            Some((name, _)) => Err(format!("field {name} is not allowed in agent mode")),
            None => Ok(()),
        }
    }

    fn expand_external_labels(
        &mut self,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<(), String> {
        let mut warnings = Vec::new();
        for value in self.global.external_labels.values_mut() {
            *value = expand(value, |name| {
                let found = env(name).unwrap_or_default();
                if found.is_empty() {
                    warnings.push(format!("Empty environment variable {name}"));
                }
                found
            });
        }
        self.warnings.extend(warnings);
        let scheme = self.global.validation_scheme;
        match self
            .global
            .external_labels
            .keys()
            .find(|it| !ValidationScheme::is_label_name(scheme, it))
        {
            Some(name) => Err(format!("{} is not a valid label name", quote(name))),
            None => Ok(()),
        }
    }
}

/// A file of `scrape_config_files`.
#[derive(Default)]
struct JobFile(Vec<Option<ScrapeConfig>>);

impl Decode for JobFile {
    fn go_type() -> String {
        "config.ScrapeConfigs".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "config.ScrapeConfigs", |decoder, key, value| {
            let known = key == "scrape_configs";
            if known {
                decoder.set(value, &mut self.0)?;
            }
            Ok(known)
        })?;
        Ok(())
    }
}

fn yaml_options(options: &Options<'_>) -> yaml::Options {
    yaml::Options { dialect: yaml::Dialect::V2, strict: !options.ignore_unknown_fields }
}

fn check_new(seen: &[(String, Option<String>)], name: &str) -> Result<(), String> {
    let Some((_, file)) = seen.iter().find(|it| it.0 == name) else { return Ok(()) };
    let first = file.as_ref().map_or("main config file".to_owned(), |it| quote(it));
    Err(format!(
        "found multiple scrape configs with job name {}, first found in {first}",
        quote(name)
    ))
}

/// Replaces `$NAME`, `${NAME}`, and `$$` (one `$`), as Go's `os.Expand` does.
fn expand(text: &str, mut lookup: impl FnMut(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let (name, after) = variable(rest);
        match (name, rest.len() == after.len()) {
            // A dollar at the end, or before what is no name.
            ("", true) => out.push('$'),
            // Broken braces are eaten.
            ("", false) => {}
            ("$", _) => out.push('$'),
            (name, _) => out.push_str(&lookup(name)),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// Splits the name of a variable from what follows; its `$` is gone already.
fn variable(text: &str) -> (&str, &str) {
    let special = |c: char| matches!(c, '*' | '#' | '$' | '@' | '!' | '?' | '-' | '0'..='9');
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.split_once('}') {
            Some((name, after)) => (name, after),
            None => ("", inner),
        };
    }
    if text.starts_with(special) {
        return text.split_at(1);
    }
    text.split_at(text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expands_variables() {
        let check = |text, expected: &str| {
            let lookup = |name: &str| if name == "A" { "x".to_owned() } else { String::new() };
            assert_eq!(expand(text, lookup), expected, "{text}");
        };
        check("a$A-${A}b", "ax-xb");
        check("$$A", "$A");
        check("${NONE}$NONE.", ".");
        check("100$", "100$");
        check("$ x", "$ x");
        check("${A", "A");
    }
}
