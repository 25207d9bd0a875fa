//! Random series.

use model::{CounterResetHint, Labels, SCHEMA_CUSTOM, stale_nan};

use crate::naive::histogram::{Hist, is_reset};
use crate::naive::value::{Point, Sample, Stored};
use crate::random::Random;

/// Series and the times they cover.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) data: Vec<Stored>,
    pub(crate) start: i64,
    pub(crate) end: i64,
}

/// How the samples of a series look.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Gauge,
    Counter,
    /// A bucket of a classic histogram, with its position.
    Bucket(usize),
    Native,
    NativeGauge,
    Custom,
    Mixed,
    /// Always one.
    Info,
}

impl World {
    pub(crate) fn random(random: &mut Random) -> Self {
        let interval = random.pick(&[15_000, 30_000, 60_000]);
        let start = random.pick(&[0, 600_000, 1_600_000_000_000, 1_709_164_740_000]);
        let end = start + interval * random.between(10, 40);
        let mut data = Vec::new();
        for (labels, kind) in families(random) {
            if random.percent(15) {
                continue;
            }
            let mut maker = Maker { kind, interval, start, end, random };
            let samples = maker.samples();
            if !samples.is_empty() {
                data.push(Stored { labels, samples });
            }
        }
        data.sort_by(|a, b| a.labels.cmp(&b.labels));
        data.dedup_by(|a, b| a.labels == b.labels);
        Self { data, start, end }
    }
}

fn families(random: &mut Random) -> Vec<(Labels, Kind)> {
    let mut all = Vec::new();
    let mut add = |text: &str, kind| {
        all.push((promql::parse_metric(text).expect("a metric"), kind));
    };
    for x in 1..=3 {
        for y in ["a", "b"] {
            add(&format!("g{{x=\"{x}\", y=\"{y}\"}}"), Kind::Gauge);
        }
        add(&format!("d{{x=\"{x}\"}}"), Kind::Gauge);
    }
    for (x, y) in [(1, "a"), (1, "b"), (2, "a")] {
        add(&format!("c_total{{x=\"{x}\", y=\"{y}\"}}"), Kind::Counter);
    }
    add("k_total{__type__=\"counter\", x=\"1\", instance=\"i1\", job=\"j\"}", Kind::Counter);
    add("k{__type__=\"gauge\", __unit__=\"s\", x=\"1\", instance=\"i1\", job=\"j\"}", Kind::Gauge);
    add("k{__type__=\"gauge\", __unit__=\"m\", x=\"1\", instance=\"i2\", job=\"j\"}", Kind::Gauge);
    add("target_info{instance=\"i1\", job=\"j\", version=\"1\", x=\"9\"}", Kind::Info);
    add("target_info{instance=\"i2\", job=\"j\", version=\"2\"}", Kind::Info);
    add("build_info{instance=\"i1\", job=\"j\", branch=\"main\"}", Kind::Info);
    if random.percent(20) {
        add("target_info{instance=\"i1\", job=\"j\", version=\"3\"}", Kind::Info);
    }
    for x in 1..=2 {
        let bounds = random.pick(&[
            &["0.1", "1", "10", "+Inf"][..],
            &["-1", "0", "2.5", "5", "+Inf"],
            &["1", "2", "4"],
            &["0.5", "1.0", "1", "nope", "Inf"],
        ]);
        for (at, le) in bounds.iter().enumerate() {
            add(&format!("b_bucket{{x=\"{x}\", le=\"{le}\"}}"), Kind::Bucket(at));
        }
    }
    for x in 1..=3 {
        add(&format!("h{{x=\"{x}\", y=\"a\"}}"), Kind::Native);
        add(&format!("n{{x=\"{x}\"}}"), Kind::Custom);
    }
    add("hg{x=\"1\"}", Kind::NativeGauge);
    add("hg{x=\"2\"}", Kind::NativeGauge);
    add("m{x=\"1\"}", Kind::Mixed);
    add("m{x=\"2\"}", Kind::Mixed);
    add("h{x=\"1\", y=\"a\", le=\"1\"}", Kind::Bucket(0));
    add("h{x=\"1\", y=\"a\", le=\"+Inf\"}", Kind::Bucket(1));
    add("{\"u.t\", \"l.l\"=\"é\"}", Kind::Gauge);
    all
}

/// Makes the samples of one series.
struct Maker<'r> {
    kind: Kind,
    interval: i64,
    start: i64,
    end: i64,
    random: &'r mut Random,
}

impl Maker<'_> {
    fn samples(&mut self) -> Vec<Sample> {
        let times = self.times();
        let points = self.points(times.len());
        let starts = self.starts(&times);
        let samples = times.into_iter().zip(starts).zip(points);
        samples.map(|((t, start), point)| Sample { t, start, point }).collect()
    }

    /// Times with jitter, gaps, a late beginning and an early end.
    fn times(&mut self) -> Vec<i64> {
        let jitter = self.random.pick(&[0, 0, 1, 700, 3000]);
        let phase = self.random.pick(&[0, 0, 1, 5000]);
        let gaps = self.random.pick(&[0, 0, 10, 40]);
        let late =
            if self.random.percent(20) { self.interval * self.random.between(1, 8) } else { 0 };
        let mut times = Vec::new();
        let mut t = self.start + phase + late;
        while t <= self.end {
            if !self.random.percent(gaps) {
                let at = t + if jitter == 0 { 0 } else { self.random.between(0, jitter) };
                if times.last().is_none_or(|last| *last < at) {
                    times.push(at);
                }
            }
            t += self.interval;
        }
        if self.random.percent(15) {
            let n = self.random.below(times.len() + 1);
            times.truncate(n);
        }
        times
    }

    fn points(&mut self, n: usize) -> Vec<Point> {
        let stale = self.random.pick(&[0, 0, 5]);
        let mut points: Vec<Point> = match self.kind {
            Kind::Gauge => self.gauge(n).into_iter().map(Point::Float).collect(),
            Kind::Counter => self.counter(n).into_iter().map(Point::Float).collect(),
            Kind::Bucket(at) => self.bucket(n, at).into_iter().map(Point::Float).collect(),
            Kind::Info => vec![Point::Float(1.0); n],
            Kind::Native | Kind::NativeGauge | Kind::Custom => self.hists(n),
            Kind::Mixed => {
                let hists = self.hists(n);
                let floats = self.gauge(n);
                let mixed = hists.into_iter().zip(floats);
                let often = self.random.pick(&[10, 50, 90]);
                mixed
                    .map(
                        |(hist, v)| if self.random.percent(often) { hist } else { Point::Float(v) },
                    )
                    .collect()
            }
        };
        for it in &mut points {
            if self.random.percent(stale) {
                *it = match it {
                    Point::Float(_) => Point::Float(stale_nan()),
                    Point::Hist(_) => Point::Hist(Hist { sum: stale_nan(), ..Hist::default() }),
                };
            }
        }
        points
    }

    fn gauge(&mut self, n: usize) -> Vec<f64> {
        let style = self.random.below(6);
        let odd = self.random.pick(&[0, 0, 0, 3, 20]);
        (0..n)
            .map(|_| {
                if self.random.percent(odd) {
                    return self.random.pick(&[
                        f64::NAN,
                        f64::INFINITY,
                        f64::NEG_INFINITY,
                        -0.0,
                        1e308,
                        -1e308,
                        5e-324,
                        1e17,
                    ]);
                }
                match style {
                    0 => self.random.between(-3, 3) as f64,
                    1 => self.random.between(0, 1000) as f64 / 4.0,
                    2 => 7.0,
                    3 => self.random.between(0, 1) as f64,
                    4 => (self.random.fraction() - 0.5) * 1e6,
                    _ => self.random.fraction(),
                }
            })
            .collect()
    }

    fn counter(&mut self, n: usize) -> Vec<f64> {
        let resets = self.random.pick(&[0, 5, 25]);
        let whole = self.random.percent(60);
        let mut v = self.random.between(0, 500) as f64;
        (0..n)
            .map(|_| {
                if self.random.percent(resets) {
                    v = self.random.between(0, 5) as f64;
                } else if whole {
                    v += self.random.between(0, 60) as f64;
                } else {
                    v += self.random.fraction() * 10.0;
                }
                v
            })
            .collect()
    }

    /// Cumulative with those of other positions, but for a share of malformed ones.
    fn bucket(&mut self, n: usize, at: usize) -> Vec<f64> {
        let malformed = self.random.percent(20);
        let mut v = 0.0;
        (0..n)
            .map(|i| {
                v += (at + 1) as f64 * (1 + i % 3) as f64;
                if malformed { v + self.random.between(-4, 4) as f64 } else { v }
            })
            .collect()
    }

    /// When counting began: never known, once, anew at some samples, at the sample before, or nonsense.
    fn starts(&mut self, times: &[i64]) -> Vec<i64> {
        let counts = matches!(self.kind, Kind::Counter | Kind::Native | Kind::Custom | Kind::Mixed);
        let style = if counts { self.random.below(6) } else { 0 };
        let mut start = times.first().map_or(0, |t| t - 20_000);
        let mut starts = Vec::new();
        for (at, t) in times.iter().enumerate() {
            let before = if at == 0 { t - 10_000 } else { times[at - 1] };
            starts.push(match style {
                1 => start,
                2 => {
                    if self.random.percent(15) {
                        start = before + 1;
                    }
                    start
                }
                3 => before,
                4 => self.random.pick(&[0, before, before - 5000, *t, before + 500, start]),
                _ => 0,
            });
        }
        starts
    }

    fn hists(&mut self, n: usize) -> Vec<Point> {
        let mut now = self.first_hist();
        let resets = self.random.pick(&[0, 5, 25]);
        let relayouts = self.random.pick(&[0, 0, 8]);
        let gauge = self.kind == Kind::NativeGauge;
        let hints = self.random.below(3);
        let mut all: Vec<Hist> = Vec::new();
        for _ in 0..n {
            if self.random.percent(relayouts) {
                now = self.first_hist();
            } else if self.random.percent(resets) {
                now = now.map(|_| 0.0);
            }
            self.observe(&mut now, gauge);
            let mut stored = now.clone();
            stored.hint = match (gauge, hints, all.last()) {
                (true, ..) => CounterResetHint::Gauge,
                // As a database that puts what continues into one chunk.
                (_, 0 | 1, Some(before))
                    if before.schema == now.schema
                        && before.zero_threshold == now.zero_threshold
                        && before.custom == now.custom
                        && !is_reset(before, &now) =>
                {
                    CounterResetHint::NotReset
                }
                _ => CounterResetHint::Unknown,
            };
            all.push(stored);
        }
        all.into_iter().map(Point::Hist).collect()
    }

    fn first_hist(&mut self) -> Hist {
        if self.kind == Kind::Custom {
            let bounds = self.random.pick(&[
                &[1.0, 2.0, 5.0][..],
                &[1.0, 2.0, 5.0],
                &[2.0, 5.0, 10.0],
                &[-1.0, 0.0, 1.0, 5.0],
                &[0.5],
            ]);
            return Hist { schema: SCHEMA_CUSTOM, custom: bounds.to_vec(), ..Hist::default() };
        }
        Hist {
            schema: self.random.pick(&[0, 0, 1, 2, -1]),
            zero_threshold: self.random.pick(&[0.0, 0.001, 0.001, 0.5, 1.5]),
            ..Hist::default()
        }
    }

    /// Adds observations; a gauge loses some, too.
    fn observe(&mut self, it: &mut Hist, gauge: bool) {
        for _ in 0..self.random.below(4) {
            let by = self.random.between(if gauge { -2 } else { 0 }, 5) as f64;
            let (index, side) = if it.is_custom() {
                let most = i64::try_from(it.custom.len()).expect("few bounds");
                (self.random.between(0, most), 0)
            } else {
                (self.random.between(-2, 5), self.random.below(6))
            };
            let bound = it.bound(index);
            // What lies in the zero bucket has no bucket of its own.
            let side =
                if it.bound(index - 1) < it.zero_threshold && !it.is_custom() { 5 } else { side };
            let count = match side {
                0..=3 => it.positive.entry(index).or_insert(0.0),
                4 => it.negative.entry(index).or_insert(0.0),
                _ => &mut it.zero_count,
            };
            let by = if *count + by < 0.0 { -*count } else { by };
            *count += by;
            it.count += by;
            let value = if bound.is_finite() { bound } else { 12.0 };
            it.sum += by * if side == 4 { -value } else { value };
        }
        if self.random.percent(1) {
            it.sum = f64::NAN;
            it.count += 2.0;
        }
    }
}
