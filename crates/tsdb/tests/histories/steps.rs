//! What may happen to a database, and rows of it that a seed decides. A step holds all that it needs, so
//! a row without some of its steps is a row, too.

use testkit::Random;

/// A range of a block, far shorter than in life.
pub(crate) const RANGE: i64 = 100_000;

/// Series there may be.
pub(crate) const SERIES: usize = 40;

/// Batches that may be open at a time.
pub(crate) const SLOTS: usize = 3;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A batch: a sample for each of some series, so much later than the last one.
    Scrape {
        from: usize,
        n: usize,
        later: i64,
        by_ref: bool,
        keep: bool,
    },
    /// Many scrapes in a row, enough to fill chunks and segments.
    Burst {
        from: usize,
        n: usize,
        scrapes: usize,
        interval: i64,
    },
    /// A sample that is behind.
    Late {
        series: usize,
        earlier: i64,
    },
    /// The newest sample of a series again, with the same value or another.
    Again {
        series: usize,
        same: bool,
    },
    /// Samples for a batch that stays open beside others.
    Batch {
        slot: usize,
        from: usize,
        n: usize,
        later: i64,
    },
    /// The end of such a batch.
    End {
        slot: usize,
        keep: bool,
    },
    /// A view is opened; the one open before is read.
    View,
    Maintain,
    Query {
        kind: usize,
        pattern: usize,
        from: i64,
        len: i64,
    },
    /// What matches is deleted, from so long ago, so long.
    Delete {
        kind: usize,
        pattern: usize,
        ago: i64,
        len: i64,
    },
    /// Blocks are rewritten without what is deleted.
    Clean,
    /// Somebody reads the directory beside.
    ReadOnly,
    Restart,
    Crash(Crash),
    /// A crash within a step, if it has so many operations.
    CrashWithin {
        crash: Crash,
        after: u64,
        step: Box<Step>,
    },
    /// A crash, and another one during the start that follows.
    CrashAtStart {
        first: Crash,
        second: Crash,
        after: u64,
    },
    /// An operation within a step fails.
    Fail {
        after: u64,
        step: Box<Step>,
    },
    /// The disk has room for so many more bytes.
    Full {
        room: u64,
    },
    Room,
    /// Somewhere a bit turns over, in a copy of the directory.
    Flip {
        seed: u64,
    },
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Crash {
    /// `kill -9`.
    Kill,
    /// The machine goes off.
    Power,
}

/// What a history is lived with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    /// Decides what power cuts take.
    pub(crate) disk: u64,
    pub(crate) compression: wal::Compression,
    pub(crate) retention_ms: i64,
    /// 0 writes no head checkpoints.
    pub(crate) head_checkpoint_bytes: u64,
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
        let compressions =
            [wal::Compression::None, wal::Compression::Snappy, wal::Compression::Zstd];
        let disk = random.number();
        let setting = Setting {
            disk,
            compression: compressions[random.below(3)],
            retention_ms: if random.percent(20) { 4 * RANGE } else { 0 },
            head_checkpoint_bytes: [0, 1, 1, 5000][usize::try_from(disk % 4).expect("small")],
        };
        let n = 10 + random.below(70);
        let steps = (0..n).map(|_| step(&mut random)).collect();
        Self { setting, steps }
    }
}

fn step(random: &mut Random) -> Step {
    match random.below(100) {
        0..40 => writing(random),
        40..46 => batch(random),
        46..50 => Step::End { slot: random.below(SLOTS), keep: random.percent(80) },
        50..54 => Step::View,
        54..61 => Step::Maintain,
        61..70 => query(random),
        70..72 => Step::ReadOnly,
        72..75 => Step::Restart,
        75..80 => Step::Crash(crash(random)),
        80..87 => {
            let (after, step) = disturbed(random);
            Step::CrashWithin { crash: crash(random), after, step }
        }
        87..90 => Step::CrashAtStart {
            first: crash(random),
            second: crash(random),
            after: few(random, 200),
        },
        90..93 => {
            let (after, step) = disturbed(random);
            Step::Fail { after, step }
        }
        93..94 => Step::Delete {
            kind: random.below(4),
            pattern: random.below(8),
            ago: random.below(900_000) as i64 - 1000,
            len: random.below(300_000) as i64,
        },
        94..95 => Step::Clean,
        95..96 => Step::Full { room: few(random, 100_000) },
        96..98 => Step::Room,
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
        16..19 => Step::Late { series, earlier: random.below(300_000) as i64 },
        _ => Step::Again { series, same: random.percent(50) },
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

fn query(random: &mut Random) -> Step {
    let from = random.below(usize::try_from(9 * RANGE).expect("small")) as i64 - RANGE;
    let len = random.below(usize::try_from(4 * RANGE).expect("small")) as i64;
    Step::Query { kind: random.below(4), pattern: random.below(8), from, len }
}

/// A step that touches the disk, and after how many operations it is disturbed.
fn disturbed(random: &mut Random) -> (u64, Box<Step>) {
    match random.below(3) {
        0 => (few(random, 4), Box::new(writing(random))),
        1 => (few(random, 300), Box::new(Step::Maintain)),
        _ => (few(random, 60), Box::new(Step::Restart)),
    }
}

fn crash(random: &mut Random) -> Crash {
    if random.percent(50) { Crash::Kill } else { Crash::Power }
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
