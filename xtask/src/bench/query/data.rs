//! The day that is asked about: twelve blocks of two hours, the same samples for VictoriaMetrics, and pages
//! that go on where the blocks end.
//!
//! A value depends on the series and the tick of 15 s only. Pages carry times, so that all three programs hold
//! the same samples whenever they scrape.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use block::{Error, Meta, Ulid};
use chunk::OpenChunk;
use model::Labels;
use stdx::SystemDirectory;
use tsdb::compact::write_block;
use tsdb::source::{SeriesSource, SourceSeries};

use super::super::loadgen::{Page, mix};

/// Milliseconds between samples.
pub(super) const TICK_MS: i64 = 15_000;
const BLOCK_MS: i64 = 7_200_000;
const N_BLOCKS: i64 = 12;
const TICKS_PER_CHUNK: i64 = 120;
/// Upper bounds of the histograms' buckets.
const BOUNDS: [&str; 13] =
    ["0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "5", "10", "30", "+Inf"];

/// All series, and when they began.
pub(super) struct Day {
    /// In label order.
    series: Vec<Series>,
    /// Lines of each target's page up to the value, and the series they are of.
    pages: Vec<Vec<(String, usize)>>,
    first_tick: i64,
    /// The tick after the last one in the blocks.
    end_tick: i64,
}

struct Series {
    labels: Labels,
    kind: Kind,
    seed: u64,
}

/// How the values of a series go.
#[derive(Clone, Copy)]
enum Kind {
    Constant,
    Counter,
    /// A counter of seconds, to the last digit.
    Seconds,
    /// The bucket at this place.
    Bucket(u64),
    Gauge,
    /// Two decimals.
    Decimal,
}

impl Day {
    /// The day that ends now, of so many targets with 500 series each.
    pub(super) fn new(n_targets: usize) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let end_tick = i64::try_from(now.as_millis()).unwrap_or(0) / TICK_MS;
        let first_block = end_tick * TICK_MS / BLOCK_MS - N_BLOCKS + 1;
        let mut series = Vec::new();
        for target in 0..n_targets {
            let instance = format!("10.16.{}.{}:9100", target / 250, target % 250);
            add_target(&mut series, target, &instance);
        }
        series.sort_by(|a, b| a.1.labels.cmp(&b.1.labels));
        let mut pages = vec![Vec::new(); n_targets];
        for (at, (target, it)) in series.iter().enumerate() {
            pages[*target].push((line(&it.labels), at));
        }
        let series = series.into_iter().map(|(_, it)| it).collect();
        Self { series, pages, first_tick: first_block * BLOCK_MS / TICK_MS, end_tick }
    }

    pub(super) fn n_targets(&self) -> usize {
        self.pages.len()
    }

    pub(super) fn n_series(&self) -> usize {
        self.series.len()
    }

    /// How many series a metric has.
    pub(super) fn n_of(&self, metric: &str) -> usize {
        self.series.iter().filter(|it| it.labels.metric_name() == metric).count()
    }

    pub(super) fn n_samples(&self) -> usize {
        self.series.len() * usize::try_from(self.end_tick - self.first_tick).unwrap_or(0)
    }

    /// Writes the blocks into `folder`, and hands the samples of each to `import`, as lines of JSON.
    pub(super) fn write(
        &self,
        folder: &Path,
        mut import: impl FnMut(Vec<u8>) -> Result<()>,
    ) -> Result<()> {
        let dir = SystemDirectory::new(folder);
        let ticks = BLOCK_MS / TICK_MS;
        let mut first = self.first_tick;
        while first < self.end_tick {
            let end = (first + ticks).min(self.end_tick);
            let mut meta =
                Meta::new(Ulid::new(first * TICK_MS, 7), first * TICK_MS, (end - 1) * TICK_MS + 1);
            meta.compaction.level = 1;
            meta.compaction.sources = vec![meta.ulid];
            let mut lines = Vec::new();
            let source = Source {
                day: self,
                symbols: self.symbols(),
                at: 0,
                ticks: (first, end),
                lines: &mut lines,
            };
            write_block(&dir, meta, 512 << 20, &mut [Box::new(source)])?;
            import(lines)?;
            first = end;
        }
        Ok(())
    }

    fn symbols(&self) -> Vec<String> {
        let all = self.series.iter().flat_map(|it| it.labels.iter().flat_map(|(n, v)| [n, v]));
        let mut all: Vec<String> = std::iter::once("").chain(all).map(str::to_owned).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    fn value(&self, series: &Series, tick: i64) -> f64 {
        let passed = (tick - self.first_tick).cast_unsigned();
        let (seed, noise) = (series.seed, mix(series.seed ^ passed.wrapping_mul(0x9e37)));
        let pace = seed % 50 + 1;
        match series.kind {
            Kind::Constant => (seed % 1000) as f64,
            // What is added at random is never more than the pace, so these never fall.
            Kind::Counter => (passed * pace + noise % (pace + 1)) as f64,
            Kind::Seconds => (passed * pace * 1000 + noise % (pace * 1000)) as f64 / 1234.567,
            Kind::Bucket(place) => ((passed * pace + noise % (pace + 1)) * (place + 1)) as f64,
            Kind::Gauge => (4096 * (100_000 + noise % 1000)) as f64,
            Kind::Decimal => (noise % 10_000) as f64 / 100.0,
        }
    }

    /// Writes what a target shows now.
    fn render(&self, target: usize, out: &mut Vec<u8>) -> Option<usize> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
        let tick = i64::try_from(now.as_millis()).ok()? / TICK_MS;
        let lines = self.pages.get(target)?;
        for (line, at) in lines {
            let value = self.value(&self.series[*at], tick);
            writeln!(out, "{line} {value} {}", tick * TICK_MS).ok()?;
        }
        Some(lines.len())
    }
}

/// The pages of a day, for those who scrape.
pub(super) fn pages(day: Arc<Day>) -> impl Fn(&Page, &mut Vec<u8>) -> Option<usize> {
    move |page, out| match *page {
        Page::Target(at) => day.render(at, out),
        Page::Flood(_) => None,
    }
}

fn add_target(out: &mut Vec<(usize, Series)>, target: usize, instance: &str) {
    const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];
    let job = format!("app-{}", target % 10);
    let mut add = |name: &str, kind, identity: usize, own: &[(&str, &str)]| {
        let common = [
            ("__name__", name),
            ("cluster", "prod-eu-west-1"),
            ("namespace", "payments"),
            ("version", "v2.0.3-5f7c9d00"),
            ("instance", instance),
            ("job", &job),
        ];
        let labels = Labels::from_pairs(common.iter().chain(own).copied());
        let seed = mix(target as u64 * 1_000_003 + identity as u64);
        out.push((target, Series { labels, kind, seed }));
    };
    let handler = |at: usize| format!("/api/v{}/orders/{{id}}/items/search-{at}", at % 3 + 1);
    for at in 0..48 {
        let (method, code) = (METHODS[at % 4], if at % 12 == 11 { "500" } else { "200" });
        let own = [("method", method), ("handler", &handler(at / 4)), ("code", code)];
        add("http_requests_total", Kind::Counter, at, &own);
    }
    for at in 0..6 {
        let handler = handler(at);
        let own = [("handler", handler.as_str())];
        for (place, le) in (0..).zip(BOUNDS) {
            // One identity: what the buckets count is the same.
            let own = [own[0], ("le", le)];
            add("http_request_duration_seconds_bucket", Kind::Bucket(place), 100 + at, &own);
        }
        add("http_request_duration_seconds_count", Kind::Bucket(12), 100 + at, &own);
        add("http_request_duration_seconds_sum", Kind::Seconds, 200 + at, &own);
    }
    let numbered = [
        ("container_cpu_usage_seconds_total", Kind::Seconds, 52),
        ("container_memory_working_set_bytes", Kind::Gauge, 70),
        ("node_hwmon_temp_celsius", Kind::Decimal, 60),
        ("kube_pod_info", Kind::Constant, 180),
    ];
    for (i, (name, kind, n)) in numbered.into_iter().enumerate() {
        for at in 0..n {
            let (pod, handler) = (format!("checkout-{at:03}"), handler(at % 12));
            add(name, kind, 1000 * (i + 1) + at, &[("pod", &pod), ("handler", &handler)]);
        }
    }
}

/// A series as it stands on a page: without what the scrape adds.
fn line(labels: &Labels) -> String {
    let mut out = format!("{}{{", labels.metric_name());
    let own = labels.iter().filter(|(name, _)| !matches!(*name, "__name__" | "job" | "instance"));
    for (i, (name, value)) in own.enumerate() {
        let _ = write!(out, "{}{name}=\"{value}\"", if i == 0 { "" } else { "," });
    }
    out + "}"
}

/// Some ticks of all series.
struct Source<'a> {
    day: &'a Day,
    symbols: Vec<String>,
    at: usize,
    ticks: (i64, i64),
    lines: &'a mut Vec<u8>,
}

impl Source<'_> {
    fn number(&self, text: &str) -> u32 {
        let at = self.symbols.binary_search_by(|it| it.as_str().cmp(text)).expect("it is a symbol");
        u32::try_from(at).expect("few symbols")
    }

    /// Appends the series as VictoriaMetrics imports it.
    fn add_line(&mut self, series: &Series, samples: &[(i64, f64)]) {
        let out = &mut *self.lines;
        out.extend_from_slice(b"{\"metric\":{");
        for (i, (name, value)) in series.labels.iter().enumerate() {
            let _ = write!(out, "{}\"{name}\":\"{value}\"", if i == 0 { "" } else { "," });
        }
        out.extend_from_slice(b"},\"values\":[");
        for (i, (_, v)) in samples.iter().enumerate() {
            let _ = write!(out, "{}{v}", if i == 0 { "" } else { "," });
        }
        out.extend_from_slice(b"],\"timestamps\":[");
        for (i, (t, _)) in samples.iter().enumerate() {
            let _ = write!(out, "{}{t}", if i == 0 { "" } else { "," });
        }
        out.extend_from_slice(b"]}\n");
    }
}

impl SeriesSource for Source<'_> {
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        Box::new(self.symbols.iter().map(String::as_bytes))
    }

    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, Error> {
        let day = self.day;
        let Some(series) = day.series.get(self.at) else { return Ok(false) };
        self.at += 1;
        let pair = |(name, value)| (self.number(name), self.number(value));
        out.labels.extend(series.labels.iter().map(pair));
        let ticks = self.ticks.0..self.ticks.1;
        let samples: Vec<(i64, f64)> =
            ticks.map(|tick| (tick * TICK_MS, day.value(series, tick))).collect();
        for some in samples.chunks(TICKS_PER_CHUNK as usize) {
            let mut open = OpenChunk::start(some[0].0, some[0].1);
            some[1..].iter().for_each(|(t, v)| open.append(*t, *v));
            out.push_chunk(open.first_t(), open.last_t(), open.as_data());
        }
        self.add_line(series, &samples);
        Ok(true)
    }
}
