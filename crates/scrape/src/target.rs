//! Targets: what relabelling makes of what discovery finds.

use std::borrow::Cow;
use std::fmt::Write;

use model::{Labels, LabelsBuilder, TargetGroup, duration, quote};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::job::{Histograms, Job};

/// One thing to scrape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// As discovery found it, with the job's defaults.
    pub(crate) discovered: Labels,
    /// Behind relabelling, with `__address__` and its like, without `__meta_…`.
    pub(crate) labels: Labels,
    /// Those that samples get: without `__…`.
    pub(crate) public: Labels,
    pub(crate) url: String,
    pub(crate) interval_ms: i64,
    pub(crate) timeout_ms: i64,
    pub(crate) histograms: Histograms,
}

/// What becomes of one discovered label set.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Populated {
    Target(Box<Target>),
    /// Relabelling dropped it.
    Dropped(Labels),
}

impl Target {
    /// Names the target within its job, across restarts and programs: it spreads scrapes over time.
    pub(crate) fn hash(&self) -> u64 {
        let mut hash = Fnv::default();
        hash.update(format!("{:016}", self.labels.hash64()).as_bytes());
        hash.update(self.url.as_bytes());
        hash.0
    }

    /// The URL as people may see it: without a password.
    pub(crate) fn shown_url(&self) -> Cow<'_, str> {
        httpclient::without_password(&self.url, "xxxxx")
    }

    /// Milliseconds from `now_ms` to the next tick: ticks lie at multiples of the interval, shifted by
    /// the target's hash and the server's seed.
    pub(crate) fn first_tick_ms(&self, now_ms: i64, seed: u64) -> i64 {
        let interval_ns = self.interval_ms.unsigned_abs().saturating_mul(1_000_000).max(1);
        let shift_ns = (self.hash() ^ seed) % interval_ns;
        let shift_ms = i64::try_from(shift_ns / 1_000_000).expect("below the interval");
        let to_base = self.interval_ms - now_ms.rem_euclid(self.interval_ms.max(1));
        let next = to_base + shift_ms;
        if self.interval_ms < next { next - self.interval_ms } else { next }
    }
}

/// FNV-1a, 64 bits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fnv(pub(crate) u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3);
        }
    }
}

/// What a job makes of a discovered label set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Examined {
    /// As discovery found it, with the job's defaults.
    pub discovered: Labels,
    /// The target's labels, with `__address__` and its like; empty if relabelling drops it.
    pub labels: Labels,
    /// Why it cannot be a target, if so.
    pub error: Option<String>,
}

/// Says what a job makes of groups, without scraping anything.
pub fn examine<'a>(job: &Job, groups: impl IntoIterator<Item = &'a TargetGroup>) -> Vec<Examined> {
    let all =
        groups.into_iter().flat_map(|group| group.targets.iter().map(move |own| (group, own)));
    let examine = |(group, own): (&TargetGroup, &Labels)| {
        let labels = with_defaults(job, &group.labels, own);
        let discovered = labels.labels();
        let (labels, error) = match relabelled(job, labels) {
            Ok(Populated::Target(target)) => (target.labels, None),
            Ok(Populated::Dropped(_)) => (Labels::empty(), None),
            Err(why) => (Labels::empty(), Some(why)),
        };
        Examined { discovered, labels, error }
    };
    all.map(examine).collect()
}

/// Makes targets of a group; each failure is a text for the log.
pub(crate) fn from_group(job: &Job, group: &TargetGroup) -> Vec<Result<Populated, String>> {
    let populate = |(at, own): (usize, &Labels)| {
        let made = populate(job, &group.labels, own);
        made.map_err(|why| format!("instance {at} in group {}: {why}", group.source))
    };
    group.targets.iter().enumerate().map(populate).collect()
}

fn populate(job: &Job, shared: &Labels, own: &Labels) -> Result<Populated, String> {
    relabelled(job, with_defaults(job, shared, own))
}

/// The labels that discovery found, and those that the job gives to targets without them.
fn with_defaults(job: &Job, shared: &Labels, own: &Labels) -> LabelsBuilder {
    let mut labels = own.to_builder();
    let mut default = |name: &str, value: &str| {
        if labels.get(name).is_none() {
            labels.set(name, value);
        }
    };
    shared.iter().for_each(|(name, value)| default(name, value));
    default("job", &job.name);
    default("__scrape_interval__", &duration::format(job.interval_ms));
    default("__scrape_timeout__", &duration::format(job.timeout_ms));
    default("__metrics_path__", &job.metrics_path);
    default("__scheme__", &job.scheme);
    for (name, value) in HISTOGRAM_LABELS.into_iter().zip(switches(job.histograms)) {
        default(name, if value { "true" } else { "false" });
    }
    for (name, values) in &job.params {
        default(&format!("__param_{name}"), values.first().map_or("", String::as_str));
    }
    labels
}

fn relabelled(job: &Job, mut labels: LabelsBuilder) -> Result<Populated, String> {
    let discovered = labels.labels();
    if !relabel::process_in_place(&mut labels, &job.relabel) {
        return Ok(Populated::Dropped(discovered));
    }
    finish(job, discovered, labels).map(|it| Populated::Target(Box::new(it)))
}

fn finish(job: &Job, discovered: Labels, mut labels: LabelsBuilder) -> Result<Target, String> {
    let address = labels.get("__address__").ok_or("no address")?.to_owned();
    if address.contains('/') {
        return Err(format!("{} is not a valid hostname", quote(&address)));
    }
    let (interval_ms, timeout_ms) = times(&labels)?;
    let histograms = histograms(&labels)?;
    labels.retain(|name, _| !name.starts_with("__meta_"));
    if labels.get("instance").is_none() {
        labels.set("instance", &address);
    }
    let labels = labels.labels();
    let public = labels.filter(|name| !name.starts_with("__"));
    let url = url(job, &labels, &address);
    Ok(Target { discovered, labels, public, url, interval_ms, timeout_ms, histograms })
}

/// Say which histograms are taken of a target.
const HISTOGRAM_LABELS: [&str; 3] = [
    "__scrape_native_histograms__",
    "__always_scrape_classic_histograms__",
    "__convert_classic_histograms_to_nhcb__",
];

/// In the order of [`HISTOGRAM_LABELS`].
fn switches(it: Histograms) -> [bool; 3] {
    [it.native, it.classic, it.convert]
}

/// Reads what labels say about histograms.
fn histograms(labels: &LabelsBuilder) -> Result<Histograms, String> {
    let what = ["scrape native", "always scrape classic", "convert classic"];
    let mut read = [false; 3];
    for (at, name) in HISTOGRAM_LABELS.into_iter().enumerate() {
        let text = labels.get(name).unwrap_or_default();
        read[at] = parse_bool(text).ok_or_else(|| {
            let end = if at == 2 { "histograms to NHCB" } else { "histograms" };
            let quoted = quote(text);
            format!(
                "error parsing {} {end}: strconv.ParseBool: parsing {quoted}: invalid syntax",
                what[at]
            )
        })?;
    }
    let [native, classic, convert] = read;
    Ok(Histograms { native, classic, convert })
}

/// As Go reads booleans.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Some(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Some(false),
        _ => None,
    }
}

/// Reads `__scrape_interval__` and `__scrape_timeout__`.
fn times(labels: &LabelsBuilder) -> Result<(i64, i64), String> {
    let read = |name: &str, what: &str| {
        let text = labels.get(name).unwrap_or_default();
        let ms =
            duration::parse(text).map_err(|why| format!("error parsing scrape {what}: {why}"))?;
        if ms == 0 { Err(format!("scrape {what} cannot be 0")) } else { Ok(ms) }
    };
    let interval_ms = read("__scrape_interval__", "interval")?;
    let timeout_ms = read("__scrape_timeout__", "timeout")?;
    if interval_ms < timeout_ms {
        let text = |name: &str| quote(labels.get(name).unwrap_or_default());
        let (timeout, interval) = (text("__scrape_timeout__"), text("__scrape_interval__"));
        return Err(format!(
            "scrape timeout cannot be greater than scrape interval ({timeout} > {interval})"
        ));
    }
    Ok((interval_ms, timeout_ms))
}

/// What Go leaves as it is in a path.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b',')
    .remove(b'/')
    .remove(b':')
    .remove(b';')
    .remove(b'=')
    .remove(b'@');

/// What Go leaves as it is in a query, but for the blank, which becomes `+`.
const QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b' ');

fn url(job: &Job, labels: &Labels, address: &str) -> String {
    let mut url = format!("{}://{address}", labels.value("__scheme__"));
    let path = labels.value("__metrics_path__");
    if !path.is_empty() && !path.starts_with('/') {
        url.push('/');
    }
    // A string takes whatever is written to it.
    let _ = write!(url, "{}", utf8_percent_encode(path, PATH));
    let mut params = job.params.clone();
    for (name, value) in labels.iter() {
        let Some(name) = name.strip_prefix("__param_") else { continue };
        match params.iter_mut().find(|(it, _)| it == name) {
            Some((_, values)) if !values.is_empty() => value.clone_into(&mut values[0]),
            _ => params.push((name.to_owned(), vec![value.to_owned()])),
        }
    }
    params.sort();
    let encode = |text: &str| utf8_percent_encode(text, QUERY).to_string().replace(' ', "+");
    let mut separator = '?';
    for (name, values) in &params {
        for value in values {
            let _ = write!(url, "{separator}{}={}", encode(name), encode(value));
            separator = '&';
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;
    use relabel::{Action, Rule};

    fn group(targets: &[&[(&str, &str)]]) -> TargetGroup {
        let targets = targets.iter().map(|it| Labels::from_pairs(it.iter().copied())).collect();
        let labels = Labels::from_pairs([("env", "test"), ("__meta_x", "y")]);
        TargetGroup { source: "file:0".into(), targets, labels }
    }

    fn check(job: &Job, target: &[(&str, &str)], expected: &str) {
        let text = match from_group(job, &group(&[target])).remove(0) {
            Ok(Populated::Target(it)) => {
                format!("{} {} {}/{}", it.url, it.public, it.interval_ms, it.timeout_ms)
            }
            Ok(Populated::Dropped(labels)) => format!("dropped {labels}"),
            Err(why) => why,
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn makes_targets() {
        let mut job = Job::new("j", 15_000, 10_000);
        job.params = vec![("m".into(), vec!["a b".into(), "c&".into()])];
        check(
            &job,
            &[("__address__", "h:1")],
            "http://h:1/metrics?m=a+b&m=c%26 {env=\"test\", instance=\"h:1\", job=\"j\"} 15000/10000",
        );
        check(
            &job,
            &[
                ("__address__", "h"),
                ("env", "own"),
                ("instance", "i"),
                ("__scrape_interval__", "1m"),
                ("__metrics_path__", "a?ü"),
                ("__param_m", "x"),
                ("__param_n", "1"),
            ],
            "http://h/a%3F%C3%BC?m=x&m=c%26&n=1 {env=\"own\", instance=\"i\", job=\"j\"} 60000/10000",
        );
        check(
            &job,
            &[("__address__", "h/x")],
            "instance 0 in group file:0: \"h/x\" is not a valid hostname",
        );
        check(&job, &[("a", "b")], "instance 0 in group file:0: no address");
        check(
            &job,
            &[("__address__", "h"), ("__scrape_timeout__", "20s")],
            "instance 0 in group file:0: scrape timeout cannot be greater than scrape interval (\"20s\" > \"15s\")",
        );
        check(
            &job,
            &[("__address__", "h"), ("__scrape_interval__", "0s")],
            "instance 0 in group file:0: scrape interval cannot be 0",
        );
        check(
            &job,
            &[("__address__", "h"), ("__scrape_native_histograms__", "yes")],
            "instance 0 in group file:0: error parsing scrape native histograms: strconv.ParseBool: parsing \"yes\": invalid syntax",
        );
        job.params.clear();
        job.relabel = vec![Rule {
            source_labels: vec!["__meta_x".into()],
            action: Action::Drop,
            ..Rule::default()
        }];
        check(
            &job,
            &[("__address__", "h")],
            "dropped {__address__=\"h\", __always_scrape_classic_histograms__=\"false\", __convert_classic_histograms_to_nhcb__=\"false\", __meta_x=\"y\", __metrics_path__=\"/metrics\", __scheme__=\"http\", __scrape_interval__=\"15s\", __scrape_native_histograms__=\"false\", __scrape_timeout__=\"10s\", env=\"test\", job=\"j\"}",
        );
    }

    #[test]
    fn examines_groups() {
        let mut job = Job::new("j", 15_000, 10_000);
        job.relabel = vec![Rule {
            source_labels: vec!["__address__".into()],
            regex: regexp::Regexp::anchored("drop").expect("an expression"),
            action: Action::Drop,
            ..Rule::default()
        }];
        let address = |it| [("__address__", it)];
        let found = examine(
            &job,
            &[group(&[&address("h:1"), &address("drop")]), group(&[&address("a/b")])],
        );
        let print = |it: &Examined| {
            let error = it.error.as_deref().unwrap_or_default();
            assert_eq!(it.discovered.value("__meta_x"), "y");
            format!(
                "{} {} {error}",
                it.discovered.value("__address__"),
                it.labels.value("instance")
            )
        };
        let found: Vec<String> = found.iter().map(print).collect();
        assert_eq!(found, ["h:1 h:1 ", "drop  ", r#"a/b  "a/b" is not a valid hostname"#]);
    }

    #[test]
    fn spreads_ticks_over_the_interval() {
        let job = Job::new("j", 10_000, 10_000);
        let mut seen = [0; 10];
        for port in 0..1000 {
            let address = format!("h:{port}");
            let Ok(Populated::Target(target)) =
                from_group(&job, &group(&[&[("__address__", &address)]])).remove(0)
            else {
                panic!("a target");
            };
            let now = 1_700_000_000_123;
            let wait = target.first_tick_ms(now, 7);
            assert!(0 < wait && wait <= 10_000);
            let again = target.first_tick_ms(now + wait, 7);
            assert_eq!(again, 10_000, "ticks keep their distance");
            seen[usize::try_from((wait - 1) / 1000).expect("small")] += 1;
        }
        assert!(seen.iter().all(|it| (50..200).contains(it)), "{seen:?}");
    }
}
