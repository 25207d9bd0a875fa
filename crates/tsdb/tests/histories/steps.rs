//! What may happen to a database. A step holds all that it needs, so a row without some of its steps is a
//! row, too.

/// A range of a block, far shorter than in life.
pub(crate) const RANGE: i64 = 100_000;

/// Series there may be at a time.
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
    /// Series end: each gets a stale marker.
    EndSeries {
        from: usize,
        n: usize,
    },
    /// Some labels of these series change: from now on they are others.
    Churn {
        from: usize,
        n: usize,
    },
    /// Samples of a series that are behind, the first one by so much, each of the others by so much more.
    Late {
        series: usize,
        earlier: i64,
        n: usize,
        apart: i64,
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
    /// A view from so long ago on is opened; the one before in its place is read and closed.
    View {
        slot: usize,
        ago: i64,
    },
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
    /// A snapshot is made, opened and compared.
    Snapshot {
        with_head: bool,
    },
    /// A reload changes how late samples may come.
    Window {
        window_ms: i64,
    },
    /// A reload changes the encoding of floats.
    Xor2 {
        is_on: bool,
    },
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
    /// A crash, and an operation of the start that follows fails.
    FailAtStart {
        crash: Crash,
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
