//! Rows of steps that a seed decides.

use testkit::Random;

use crate::steps::{Crash, RANGE, SERIES, SLOTS, Step};

/// What a history is lived with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Decides what power cuts take.
    pub(crate) disk: u64,
    pub(crate) compression: wal::Compression,
    pub(crate) segment_bytes: u64,
    pub(crate) retention_ms: i64,
    pub(crate) retention_bytes: u64,
    /// 0 writes no head checkpoints.
    pub(crate) head_checkpoint_bytes: u64,
    /// How late samples may come at first.
    pub(crate) window_ms: i64,
    pub(crate) stale_threshold: f64,
    pub(crate) histograms: bool,
    pub(crate) exemplars: bool,
    /// Floats are XOR2 at first.
    pub(crate) float_xor2: bool,
    /// Start times are kept.
    pub(crate) starts: bool,
}

impl Setting {
    fn of(random: &mut Random) -> Self {
        let compressions =
            [wal::Compression::None, wal::Compression::Snappy, wal::Compression::Zstd];
        let starts = random.percent(15);
        let window_ms = if random.percent(40) { window(random) } else { 0 };
        // Which late samples it takes, and which series that ended, cannot be told.
        let is_sized = window_ms == 0 && random.percent(5);
        let retention_bytes = if is_sized { 60_000 } else { 0 };
        Self {
            disk: random.number(),
            compression: compressions[random.below(3)],
            segment_bytes: [32 << 10, 96 << 10][random.below(2)],
            retention_ms: if random.percent(20) { 4 * RANGE } else { 0 },
            retention_bytes,
            head_checkpoint_bytes: [0, 1, 1, 5000][random.below(4)],
            window_ms,
            stale_threshold: if !is_sized && random.percent(25) { 0.3 } else { 0.0 },
            histograms: random.percent(50),
            exemplars: random.percent(25),
            float_xor2: starts || random.percent(15),
            starts,
        }
    }
}

/// A whole history.
#[derive(Clone, Debug)]
pub(crate) struct History {
    pub(crate) setting: Setting,
    pub(crate) steps: Vec<Step>,
}

impl History {
    pub(crate) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let setting = Setting::of(&mut random);
        let moods: [fn(&mut Random) -> Step; 7] =
            [any, any, late, deleting, ending, starting, failing];
        let mood = moods[random.below(moods.len())];
        let n = 10 + random.below(60);
        let mut step = || if random.percent(35) { mood(&mut random) } else { any(&mut random) };
        let steps = (0..n).map(|_| step()).collect();
        Self { setting, steps }
    }
}

/// Whatever comes.
fn any(random: &mut Random) -> Step {
    match random.below(100) {
        0..42 => writing(random),
        42..48 => batch(random),
        48..52 => Step::End { slot: random.below(SLOTS), keep: random.percent(80) },
        52..56 => view(random),
        56..63 => Step::Maintain,
        63..70 => query(random),
        70..71 => Step::ReadOnly,
        71..72 => Step::Snapshot { with_head: random.percent(80) },
        72..75 => Step::Restart,
        75..79 => Step::Crash(crash(random)),
        79..85 => crash_within(random),
        85..88 => starting(random),
        88..91 => failing(random),
        91..93 => deleting(random),
        93..95 => ending(random),
        95..96 => Step::Window { window_ms: window(random) },
        96..97 => Step::Xor2 { is_on: random.percent(50) },
        _ => Step::Flip { seed: random.number() },
    }
}

fn writing(random: &mut Random) -> Step {
    let series = random.below(SERIES);
    match random.below(20) {
        0..14 => Step::Scrape {
            from: series,
            n: 1 + random.below(SERIES),
            later: later(random),
            by_ref: random.percent(50),
            keep: random.percent(95),
        },
        14..16 => Step::Burst {
            from: series,
            n: 1 + random.below(12),
            scrapes: 1 + random.below(150),
            interval: 1 + random.below(500) as i64,
        },
        16..19 => late(random),
        _ => Step::Again { series, same: random.percent(50) },
    }
}

fn late(random: &mut Random) -> Step {
    let earliest = if random.percent(50) { 60_000 } else { 300_000 };
    Step::Late {
        series: random.below(SERIES),
        earlier: random.below(earliest) as i64,
        n: if random.percent(30) { 1 + random.below(80) } else { 1 },
        apart: 1 + random.below(2000) as i64,
    }
}

fn batch(random: &mut Random) -> Step {
    Step::Batch {
        slot: random.below(SLOTS),
        from: random.below(SERIES),
        n: 1 + random.below(8),
        later: 1 + later(random) / 4,
    }
}

fn view(random: &mut Random) -> Step {
    let ago = if random.percent(50) { 2 * i64::from(u32::MAX) } else { RANGE / 4 };
    Step::View { slot: random.below(SLOTS), ago }
}

fn query(random: &mut Random) -> Step {
    let from = random.below(usize::try_from(9 * RANGE).expect("small")) as i64 - RANGE;
    let len = random.below(usize::try_from(4 * RANGE).expect("small")) as i64;
    Step::Query { kind: random.below(4), pattern: random.below(8), from, len }
}

/// Something is deleted, and what happens to the log and to blocks then.
fn deleting(random: &mut Random) -> Step {
    match random.below(10) {
        0..4 => Step::Delete {
            kind: random.below(4),
            pattern: random.below(8),
            ago: random.below(900_000) as i64 - 1000,
            len: random.below(300_000) as i64,
        },
        4..5 => Step::Clean,
        5..8 => Step::Fail { after: few(random, 300), step: Box::new(Step::Maintain) },
        8..9 => late(random),
        _ => Step::Crash(crash(random)),
    }
}

/// Series end, and others come.
fn ending(random: &mut Random) -> Step {
    let (from, n) = (random.below(SERIES), 1 + random.below(SERIES));
    match random.below(4) {
        0..2 => Step::EndSeries { from, n },
        2 => Step::Churn { from, n },
        _ => Step::Maintain,
    }
}

/// Starts that do not come to their end.
fn starting(random: &mut Random) -> Step {
    match random.below(2) {
        0 => Step::CrashAtStart {
            first: crash(random),
            second: crash(random),
            after: few(random, 400),
        },
        _ => Step::FailAtStart { crash: crash(random), after: few(random, 400) },
    }
}

fn crash_within(random: &mut Random) -> Step {
    let (after, step) = disturbed(random);
    Step::CrashWithin { crash: crash(random), after, step }
}

/// The disk refuses, once or for want of room.
fn failing(random: &mut Random) -> Step {
    match random.below(6) {
        0..3 => {
            let (after, step) = disturbed(random);
            Step::Fail { after, step }
        }
        3..5 => Step::Full { room: few(random, 100_000) },
        _ => Step::Room,
    }
}

/// A step that touches the disk, and after how many operations it is disturbed.
fn disturbed(random: &mut Random) -> (u64, Box<Step>) {
    match random.below(8) {
        0..3 => (few(random, 4), Box::new(writing(random))),
        3..5 => (few(random, 300), Box::new(Step::Maintain)),
        5..7 => (few(random, 60), Box::new(Step::Restart)),
        _ => (few(random, 30), Box::new(deleting(random))),
    }
}

fn crash(random: &mut Random) -> Crash {
    if random.percent(50) { Crash::Kill } else { Crash::Power }
}

fn window(random: &mut Random) -> i64 {
    [0, RANGE / 4, RANGE, 3 * RANGE][random.below(4)]
}

/// Sometimes long, mostly short.
fn later(random: &mut Random) -> i64 {
    let most = if random.percent(20) { 40_000 } else { 8_000 };
    1 + random.below(most) as i64
}

/// A number below `most`, small ones as likely as large ones.
fn few(random: &mut Random, most: usize) -> u64 {
    let most = 1 + random.below(most);
    random.below(most) as u64
}
