//! `create-blocks-from rules`: the history that recording rules would have, had they been there.
//!
//! A server evaluates each rule over one block's time after the other; each answer is a block.

use std::path::Path;

use clap::{Arg, ArgMatches, Command};
use config::rules::{Rule, RuleFile, RuleGroup};
use model::{Labels, METRIC_NAME};
use serde_json::Value;
use stdx::{Clock, Directory, SystemClock, SystemDirectory};
use tsdb::backfill::Backfill;

use super::super::http_api::{self, HttpApi, seconds};
use super::super::{files, files_arg, text};
use super::Target;

/// Until when, unless told otherwise: what is newer the server will still change.
const END_BEFORE_NOW_S: i64 = 3 * 3600;

pub(super) fn command() -> Command {
    let value = |name: &'static str, help: &'static str| Arg::new(name).long(name).help(help);
    Command::new("rules")
        .about("Create blocks of data for new recording rules.")
        .arg(http_api::config_arg())
        .arg(value("url", "The URL for the Prometheus API with the data where the rule will be backfilled from.").default_value("http://localhost:9090"))
        .arg(value("start", "The time to start backfilling the new rule from: RFC3339 or Unix timestamp.").required(true))
        .arg(value("end", "The time to backfill to: RFC3339 or Unix timestamp. Default: 3 hours ago."))
        .arg(value("output-dir", "Output directory for generated blocks.").default_value("data/"))
        .arg(value("eval-interval", "How frequently to evaluate rules when backfilling if a value is not set in the recording rule files.").default_value("60s"))
        .arg(files_arg().required(true))
}

pub(super) fn main(matches: &ArgMatches) -> Result<(), String> {
    let now_s = SystemClock::default().now_ms() / 1000;
    let (start_s, end_s) = times(text(matches, "start"), text(matches, "end"), now_s)?;
    let default_interval_ms = model::duration::parse(text(matches, "eval-interval"))
        .map_err(|error| format!("--eval-interval: {error}"))?;
    let target = Target::new(matches, text(matches, "output-dir"))?;
    let api = HttpApi::new(text(matches, "url"), text(matches, "http.config.file"))
        .map_err(|error| format!("new api client error: {error}"))?;
    let files = files(matches);
    let groups = groups(&files)?;
    target.create()?;
    let importer = Importer { api, target, start_s, end_s, default_interval_ms };
    http_api::block_on(importer.import(&groups))
}

/// Whole seconds.
fn times(start: &str, end: &str, now_s: i64) -> Result<(i64, i64), String> {
    let whole = |name: &str, text: &str| match seconds(text) {
        // Times before and after all blocks are as good as any.
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
        Ok(it) if it.is_finite() => Ok((it.floor() as i64).clamp(SECONDS_MIN, SECONDS_MAX)),
        Ok(_) => {
            Err(format!("error parsing {name} time: cannot parse {text:?} to a valid timestamp"))
        }
        Err(error) => Err(format!("error parsing {name} time: {error}")),
    };
    let end_s = if end.is_empty() { now_s - END_BEFORE_NOW_S } else { whole("end", end)? };
    let start_s = whole("start", start)?;
    if start_s < end_s {
        Ok((start_s, end_s))
    } else {
        Err("start time is not before end time".into())
    }
}

/// Nanoseconds of these times fit 64 bits.
const SECONDS_MIN: i64 = i64::MIN / 1_000_000_000 / 2;
const SECONDS_MAX: i64 = i64::MAX / 1_000_000_000 / 2;

/// The groups of all files, each with the name of its file.
fn groups(files: &[String]) -> Result<Vec<(&str, RuleGroup)>, String> {
    let mut all = Vec::new();
    for file in files {
        let fail = |error: String| format!("rule importer parse error: {file}: {error}");
        let text = SystemDirectory::new("").read(Path::new(file));
        let text = text.map_err(|error| fail(error.to_string()))?;
        let parsed = RuleFile::parse(&text, &config::rules::Options::default());
        let parsed = parsed.map_err(|errors| fail(errors.join("\n")))?;
        all.extend(parsed.groups.into_iter().map(|it| (file.as_str(), it)));
    }
    Ok(all)
}

struct Importer {
    api: HttpApi,
    target: Target,
    start_s: i64,
    end_s: i64,
    default_interval_ms: i64,
}

impl Importer {
    /// Goes on after a rule that fails, and says so at the end.
    async fn import(&self, groups: &[(&str, RuleGroup)]) -> Result<(), String> {
        let mut n_failed = 0;
        for (file, group) in groups {
            let interval_ms = group.interval_ms.filter(|it| 0 < *it);
            let interval_ms = interval_ms.unwrap_or(self.default_interval_ms);
            let slots = Slots::new(file, &group.name, interval_ms);
            for rule in group.rules.iter().filter(|it| !it.record.is_empty()) {
                if let Err(error) = self.import_rule(group, rule, &slots).await {
                    eprintln!("rule importer error: {error}");
                    n_failed += 1;
                }
            }
        }
        if n_failed == 0 { Ok(()) } else { Err("error importing rules".into()) }
    }

    async fn import_rule(
        &self,
        group: &RuleGroup,
        rule: &Rule,
        slots: &Slots,
    ) -> Result<(), String> {
        let range_s = self.target.range_ms / 1000;
        let mut block_s = self.start_s.div_euclid(range_s) * range_s;
        while block_s <= self.end_s {
            let first = slots.next(block_s.max(self.start_s));
            let last_s = (block_s + range_s - 1).min(self.end_s);
            if i128::from(last_s) * NANOS < first {
                break;
            }
            let found = self.ask(rule, first, last_s, slots.interval_ms).await?;
            self.target.write(samples(group, rule, &found)?)?;
            block_s += range_s;
        }
        Ok(())
    }

    async fn ask(
        &self,
        rule: &Rule,
        first: i128,
        last_s: i64,
        interval_ms: i64,
    ) -> Result<Value, String> {
        let pairs = [
            ("query", rule.expr.clone()),
            ("start", decimal(first, 9)),
            ("end", last_s.to_string()),
            ("step", decimal(interval_ms.into(), 3)),
        ];
        let asked = self.api.get("query_range", &pairs).await;
        let (data, warnings) = asked.map_err(|error| format!("query range: {error}"))?;
        warnings.iter().for_each(|it| eprintln!("Warning: {it}"));
        match data["resultType"].as_str() {
            Some("matrix") => Ok(data),
            other => Err(format!("rule result is wrong type {}", other.unwrap_or("unknown"))),
        }
    }
}

/// The samples of an answer under the rule's name, with the labels of rule and group.
fn samples(group: &RuleGroup, rule: &Rule, found: &Value) -> Result<Backfill, String> {
    let odd = || "query range: the answer is not one of Prometheus".to_owned();
    let mut block = Backfill::default();
    for series in found["result"].as_array().ok_or_else(odd)? {
        let metric = series["metric"].as_object().ok_or_else(odd)?;
        let metric = metric.iter().map(|(name, it)| (name.as_str(), it.as_str().unwrap_or("")));
        let mut builder = Labels::from_pairs(metric).to_builder();
        for (name, value) in rule.all_labels(group) {
            builder.set(&name, &value);
        }
        builder.set(METRIC_NAME, &rule.record);
        let labels = builder.labels();
        for point in series["values"].as_array().into_iter().flatten() {
            let t = point[0].as_f64().ok_or_else(odd)?;
            #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
            let t = (t * 1000.0).round() as i64;
            let v = point[1].as_str().and_then(|it| it.parse().ok()).ok_or_else(odd)?;
            block.add(&labels, t, v).map_err(|error| format!("add sample: {error}"))?;
        }
    }
    Ok(block)
}

const NANOS: i128 = 1_000_000_000;

/// When a group is evaluated: once an interval, at an offset that file and name decide. So the history joins what
/// the server will add.
struct Slots {
    interval_ms: i64,
    /// In nanoseconds, as upstream's.
    offset: i128,
}

impl Slots {
    fn new(file: &str, group: &str, interval_ms: i64) -> Self {
        let interval_ms = interval_ms.max(1);
        let hash = Labels::from_pairs([("file", file), ("name", group)]).hash64();
        let interval_ns = interval_ms.unsigned_abs().saturating_mul(1_000_000);
        Self { interval_ms, offset: (hash % interval_ns).into() }
    }

    /// The first slot in second `from_s` or after it, in nanoseconds.
    fn next(&self, from_s: i64) -> i128 {
        let (from, interval) =
            (i128::from(from_s) * NANOS, i128::from(self.interval_ms) * 1_000_000);
        let slot = (from - self.offset).div_euclid(interval) * interval + self.offset;
        if slot < from { slot + interval } else { slot }
    }
}

/// Writes `value / 10^digits`.
fn decimal(value: i128, digits: u32) -> String {
    let one = 10u128.pow(digits);
    let (whole, rest) = (value.unsigned_abs() / one, value.unsigned_abs() % one);
    let sign = if value < 0 { "-" } else { "" };
    let text = format!("{sign}{whole}.{rest:0width$}", width = digits as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_repeat() {
        let slots = Slots::new("f", "g", 30_000);
        let first = slots.next(1_700_000_000);
        assert!((0..30 * NANOS).contains(&(first - 1_700_000_000 * NANOS)));
        assert_eq!(first.rem_euclid(30 * NANOS), slots.offset);
        assert_eq!(slots.next(1_700_000_030), first + 30 * NANOS);
        assert_eq!(slots.next(-1).rem_euclid(30 * NANOS), slots.offset);
    }

    #[test]
    fn reads_times() {
        assert_eq!(times("10", "20.7", 0), Ok((10, 20)));
        assert_eq!(times("1970-01-01T00:01:00Z", "", 20_000), Ok((60, 9200)));
        assert_eq!(times("5", "5", 0).unwrap_err(), "start time is not before end time");
        let error = times("x", "5", 0).unwrap_err();
        assert_eq!(error, "error parsing start time: cannot parse \"x\" to a valid timestamp");
        assert!(times("-1e300", "1e300", 0).is_ok());
    }

    #[test]
    fn writes_decimals() {
        for (value, text) in [(1_500, "1.5"), (60_000, "60"), (-1, "-0.001"), (0, "0")] {
            assert_eq!(decimal(value, 3), text);
        }
    }
}
