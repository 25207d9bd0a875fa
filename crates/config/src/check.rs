//! What `promtool check config` and `promtool check rules` find and say.

use std::path::Path;

use model::{LabelsBuilder, quote};
use stdx::Directory;

use crate::paths::glob;
use crate::rules::{self, RuleFile};
use crate::server::{
    Config, Discovery, HttpClient, Options, RelabelConfig, ScrapeConfig, StaticConfig,
};
use crate::{Error, ValidationScheme, target_file};

/// What to look at.
#[derive(Clone, Copy)]
pub struct CheckOptions<'a> {
    /// How to load configurations.
    pub load: Options<'a>,
    /// How to read rule files.
    pub rules: rules::Options<'a>,
    /// Look at the text only: at no other file, at no rule.
    pub syntax_only: bool,
    /// Look for rules that are there twice.
    pub lint_duplicate_rules: bool,
    /// Look for scrape intervals of this length or more: samples would be stale between two scrapes.
    pub lint_scrape_interval_ms: Option<i64>,
}

/// What was found, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines in order.
    pub lines: Vec<Line>,
    /// Something is wrong.
    pub has_errors: bool,
    /// Something is legal and still wrong.
    pub has_lint: bool,
}

/// A line, without its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// For standard output.
    Out(String),
    /// For standard error.
    Err(String),
}

/// Checks configurations, and the rule files that they name.
pub fn config_files(paths: &[&Path], dir: &dyn Directory, options: &CheckOptions<'_>) -> Report {
    let mut report = Report::default();
    for path in paths {
        let shown = path.display();
        report.out(format!("Checking {shown}"));
        let checked = check_config(path, dir, options, &mut report);
        match &checked {
            Ok((_, rule_files)) => {
                if !rule_files.is_empty() {
                    report.out(format!("  SUCCESS: {} rule files found", rule_files.len()));
                }
                report.out(format!(" SUCCESS: {shown} is valid prometheus config file syntax"));
            }
            Err(text) => report.error(format!("  FAILED: {text}")),
        }
        report.out(String::new());
        if let (Ok((config, files)), false) = (checked, options.syntax_only) {
            lint_intervals(&config, options, &mut report);
            for file in &files {
                rule_file(Path::new(file), dir, options, &mut report);
            }
        }
    }
    report
}

/// Checks rule files.
pub fn rule_files(paths: &[&Path], dir: &dyn Directory, options: &CheckOptions<'_>) -> Report {
    let mut report = Report::default();
    paths.iter().for_each(|path| rule_file(path, dir, options, &mut report));
    report
}

/// Checks rules from standard input.
pub fn rules_text(text: &[u8], options: &CheckOptions<'_>) -> Report {
    let mut report = Report::default();
    report.out("Checking standard input".into());
    rules(text, None, options, &mut report);
    report
}

impl Report {
    fn out(&mut self, text: String) {
        self.lines.push(Line::Out(text));
    }

    fn error(&mut self, text: String) {
        self.lines.push(Line::Err(text));
        self.has_errors = true;
    }

    fn lint(&mut self, text: String) {
        self.lines.push(Line::Err(text));
        self.has_lint = true;
    }
}

fn rule_file(path: &Path, dir: &dyn Directory, options: &CheckOptions<'_>, report: &mut Report) {
    report.out(format!("Checking {}", path.display()));
    match dir.read(path) {
        Ok(text) => rules(&text, Some(path), options, report),
        Err(source) => {
            let error = Error::Read { path: path.to_owned(), source };
            report.error("  FAILED:".into());
            report.error(format!("{}: {error}", path.display()));
            report.out(String::new());
        }
    }
}

fn rules(text: &[u8], path: Option<&Path>, options: &CheckOptions<'_>, report: &mut Report) {
    match RuleFile::parse(text, &options.rules) {
        Err(problems) => {
            report.error("  FAILED:".into());
            let prefix = path.map_or(String::new(), |it| format!("{}: ", it.display()));
            problems.iter().for_each(|it| report.error(format!("{prefix}{it}")));
        }
        Ok(file) => {
            let duplicates =
                if options.lint_duplicate_rules { file.duplicates() } else { Vec::new() };
            if duplicates.is_empty() {
                report.out(format!("  SUCCESS: {} rules found", file.n_rules()));
            } else {
                report.lint("  FAILED:".into());
                report.lint(format!("lint error {} duplicate rule(s) found.", duplicates.len()));
                for (name, labels) in duplicates {
                    report.lint(format!("Metric: {name}"));
                    report.lint("Label(s):".into());
                    labels
                        .iter()
                        .for_each(|(name, value)| report.lint(format!("\t{name}: {value}")));
                }
                report.lint("Might cause inconsistency while recording expressions".into());
            }
        }
    }
    report.out(String::new());
}

/// Loads and looks at what the configuration names. Returns it with its rule files.
fn check_config(
    path: &Path,
    dir: &dyn Directory,
    options: &CheckOptions<'_>,
    report: &mut Report,
) -> Result<(Config, Vec<String>), String> {
    let config = Config::load_file(path, dir, &options.load).map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    if !options.syntax_only {
        for pattern in &config.rule_files {
            let found = glob(dir, pattern);
            if found.is_empty() && !pattern.contains('*') {
                return Err(format!("{} does not point to an existing file", quote(pattern)));
            }
            files.extend(found);
        }
    }
    for job in config.jobs() {
        check_client(&job.http, dir, options.syntax_only)?;
        for section in job.discovery.others.get("kubernetes_sd_configs").into_iter().flatten() {
            section.http.iter().try_for_each(|it| check_tls(it, dir, options.syntax_only))?;
        }
        let check = |groups: &Groups<'_>| check_targets(groups, job);
        let place = format!("file_sd in scrape job {}", quote(&job.job_name));
        check_discovery(&job.discovery, &place, dir, options.syntax_only, report, &check)?;
    }
    for group in &config.alerting.alertmanagers {
        let relabel = group.section.rules("relabel_configs");
        let check = |groups: &Groups<'_>| check_alertmanagers(groups, relabel);
        check_discovery(
            &group.discovery,
            "file_sd in alertmanager config",
            dir,
            options.syntax_only,
            report,
            &check,
        )?;
    }
    Ok((config, files))
}

fn check_client(http: &HttpClient, dir: &dyn Directory, syntax_only: bool) -> Result<(), String> {
    let file = http.authorization.as_ref().map_or("", |it| it.credentials_file.as_str());
    if !syntax_only {
        check_file(dir, "authorization credentials or bearer token file", file)?;
    }
    check_tls(http, dir, syntax_only)
}

fn check_tls(http: &HttpClient, dir: &dyn Directory, syntax_only: bool) -> Result<(), String> {
    if syntax_only {
        return Ok(());
    }
    check_file(dir, "client cert file", &http.tls.cert_file)?;
    check_file(dir, "client key file", &http.tls.key_file)
}

fn check_file(dir: &dyn Directory, what: &str, file: &str) -> Result<(), String> {
    if file.is_empty() || dir.exists(Path::new(file)).unwrap_or(false) {
        return Ok(());
    }
    Err(format!("error checking {what} {}: stat {file}: no such file or directory", quote(file)))
}

/// Groups of targets, named in messages by their numbers or, as those of files, not at all.
struct Groups<'a> {
    all: &'a [StaticConfig],
    are_numbered: bool,
}

fn check_discovery(
    discovery: &Discovery,
    place: &str,
    dir: &dyn Directory,
    syntax_only: bool,
    report: &mut Report,
    check: &dyn Fn(&Groups<'_>) -> Result<(), String>,
) -> Result<(), String> {
    check(&Groups { all: &discovery.static_configs, are_numbered: true })?;
    if syntax_only {
        return Ok(());
    }
    for pattern in discovery.file.iter().flat_map(|it| &it.files) {
        let found = glob(dir, pattern);
        if found.is_empty() {
            report.out(format!("  WARNING: file {} for {place} does not exist", quote(pattern)));
        }
        for file in found {
            let text = dir.read(Path::new(&file)).map_err(|error| error.to_string());
            let groups = text.and_then(|text| target_file::parse(&file, &text));
            let groups =
                groups.map_err(|error| format!("checking SD file {}: {error}", quote(pattern)))?;
            check(&Groups { all: &groups, are_numbered: false })?;
        }
    }
    Ok(())
}

fn check_targets(groups: &Groups<'_>, job: &ScrapeConfig) -> Result<(), String> {
    let legacy = job.validation_scheme == ValidationScheme::Legacy;
    let params: Vec<(String, &str)> = job
        .params
        .iter()
        .filter_map(|(name, values)| Some((format!("__param_{name}"), values.first()?.as_str())))
        .collect();
    let interval = model::duration::format(job.scrape_interval_ms);
    let timeout = model::duration::format(job.scrape_timeout_ms);
    let mut defaults = vec![
        ("job", job.job_name.as_str()),
        ("__scrape_interval__", &interval),
        ("__scrape_timeout__", &timeout),
        ("__metrics_path__", &job.metrics_path),
        ("__scheme__", &job.scheme),
    ];
    defaults.extend(params.iter().map(|(name, value)| (name.as_str(), *value)));
    check_addresses(groups, &defaults, &job.relabel_configs, legacy)
}

fn check_alertmanagers(groups: &Groups<'_>, rules: &[RelabelConfig]) -> Result<(), String> {
    check_addresses(groups, &[("__scheme__", "http")], rules, false)
}

/// Runs the rules on each target, and refuses what is left with a path in its address.
fn check_addresses(
    groups: &Groups<'_>,
    defaults: &[(&str, &str)],
    rules: &[RelabelConfig],
    legacy_names: bool,
) -> Result<(), String> {
    let rules: Result<Vec<_>, String> = rules.iter().map(|it| it.to_rule(legacy_names)).collect();
    let rules = rules?;
    for (at, group) in groups.all.iter().enumerate() {
        let source = if groups.are_numbered { at.to_string() } else { String::new() };
        for (i, target) in group.targets.iter().enumerate() {
            let mut labels = LabelsBuilder::default();
            defaults.iter().for_each(|(name, value)| _ = labels.set(name, value));
            group.labels.iter().for_each(|(name, value)| _ = labels.set(name, value));
            labels.set("__address__", target);
            if !relabel::process_in_place(&mut labels, &rules) {
                continue;
            }
            let address = labels.get("__address__").unwrap_or("");
            if address.is_empty() {
                return Err(format!("instance {i} in group {source}: no address"));
            }
            if address.contains('/') {
                return Err(format!(
                    "instance {i} in group {source}: {} is not a valid hostname",
                    quote(address)
                ));
            }
        }
    }
    Ok(())
}

fn lint_intervals(config: &Config, options: &CheckOptions<'_>, report: &mut Report) {
    let Some(max) = options.lint_scrape_interval_ms else { return };
    for job in config.jobs().filter(|it| it.scrape_interval_ms >= max) {
        let interval = model::duration::format(job.scrape_interval_ms);
        report.lint(format!(
            "  FAILED: too long scrape interval found, data point will be marked as stale - job: {}, interval: {interval}",
            job.job_name
        ));
    }
}
