//! Tables, ratios, and whether what is required is there.

use super::data::Day;
use super::list::{Ask, HEAVIEST, INSTANT_RATE, RANGE_RATE};
use super::measure::{Digest, Measured};

/// One question and what it cost us, Prometheus and VictoriaMetrics.
pub(super) struct Row {
    pub(super) ask: &'static Ask,
    pub(super) costs: [Measured; 3],
}

impl Row {
    /// Our part of what peer 1 or 2 took.
    fn ratio(&self, peer: usize, of: fn(&Measured) -> f64) -> f64 {
        of(&self.costs[0]) / of(&self.costs[peer])
    }
}

fn cpu(it: &Measured) -> f64 {
    it.cpu_ms
}

fn median(it: &Measured) -> f64 {
    it.median_ms
}

fn peak(it: &Measured) -> f64 {
    it.peak as f64
}

/// Prints what the columns of [`print_row`] are.
pub(super) fn print_header() {
    println!(
        "{:5}{:>27}{:>14}{:>27}{:>14}{:>24}  series points",
        "",
        "CPU ms  ours  prom    vm",
        "/prom   /vm",
        "median ms  ours  prom  vm",
        "/prom   /vm",
        "peak MB ours prom vm"
    );
}

/// Prints a question's line, and what the answers differ in.
pub(super) fn print_row(row: &Row) {
    print!("{:5}", row.ask.name);
    print_costs(row, cpu, 2);
    print_costs(row, median, 2);
    let [ours, prometheus, victoria] = row.costs.each_ref().map(|it| it.peak as f64 / 1e6);
    print!("{ours:>8.0}{prometheus:>8.0}{victoria:>8.0}");
    let Digest { n_series, n_points, .. } = row.costs[0].answer;
    println!("{n_series:>8}{n_points:>8}  {}", row.ask.text());
    print_difference(row);
}

/// Prints the geometric means.
pub(super) fn print_means(rows: &[Row]) {
    for (name, of) in [("CPU", cpu as fn(&Measured) -> f64), ("median time", median)] {
        println!(
            "geometric mean of {name}: {:.3} of Prometheus's, {:.3} of VictoriaMetrics's",
            mean(rows, 1, of),
            mean(rows, 2, of)
        );
    }
}

fn print_costs(row: &Row, of: fn(&Measured) -> f64, places: usize) {
    row.costs.iter().for_each(|it| print!("{:>9.places$}", of(it)));
    print!("{:>7.3}{:>7.3}", row.ratio(1, of), row.ratio(2, of));
}

/// VictoriaMetrics does not extrapolate, and counts the border of a window otherwise: there only large
/// differences are worth a line.
fn print_difference(row: &Row) {
    let [ours, prometheus, victoria] = row.costs.each_ref().map(|it| &it.answer);
    if !ours.agrees(prometheus, 1e-9) {
        println!("{}: we say {ours:?}, Prometheus {prometheus:?}", row.ask.name);
    }
    if !ours.agrees(victoria, 0.05) {
        println!("{}: we say {ours:?}, VictoriaMetrics {victoria:?}", row.ask.name);
    }
}

fn mean(rows: &[Row], peer: usize, of: fn(&Measured) -> f64) -> f64 {
    let logs: f64 = rows.iter().map(|it| it.ratio(peer, of).ln()).sum();
    (logs / rows.len() as f64).exp()
}

/// Says which requirements are met.
pub(super) fn check_day(rows: &[Row], day: &Day) {
    let of = |name: &str| rows.iter().find(|it| it.ask.name == name).expect("it is listed");
    let requests = day.n_of("http_requests_total") as f64;
    let range = &of(RANGE_RATE).costs[0];
    let steps = 6.0 * 3600.0 / 15.0 + 1.0;
    let slowest = |it: &&Row, other: &&Row| it.ratio(1, median).total_cmp(&other.ratio(1, median));
    let slowest = rows.iter().max_by(slowest).expect("there are some");
    check("CPU of Prometheus's, geometric mean", mean(rows, 1, cpu), 0.2);
    check("CPU of VictoriaMetrics's, geometric mean", mean(rows, 2, cpu), 1.0);
    check("R1: ns of CPU a series and step", range.cpu_ms * 1e6 / (requests * steps), 30.0);
    check("I1: µs of CPU a series", of(INSTANT_RATE).costs[0].cpu_ms * 1e3 / requests, 2.0);
    check(
        &format!("{}: median time of Prometheus's, the worst", slowest.ask.name),
        slowest.ratio(1, median),
        0.8,
    );
    check("peak memory of Prometheus's, of the heaviest", of(HEAVIEST).ratio(1, peak), 0.2);
    check("one core's share of the work of R1", range.median_ms / range.cpu_ms, 0.7);
}

/// Says whether a million series are counted fast enough.
pub(super) fn check_live(rows: &[Row]) {
    let count = rows.iter().find(|it| it.ask.name == "L6").expect("it is listed");
    check("L6: seconds of CPU to count a million series", count.costs[0].cpu_ms / 1e3, 1.0);
}

fn check(what: &str, figure: f64, most: f64) {
    let verdict = if figure <= most { "met" } else { "NOT MET" };
    println!("{verdict:8}{what}: {figure:.3}, at most {most}");
}
