//! Samples that come when their series has newer ones already.
//!
//! Within a window behind the newest sample of the head such a late sample is kept beside its series, on the
//! series' page: a series without any costs nothing, one with some costs a node of the page's [`table`], 32
//! bytes for each of up to 32 samples held, and 24 for each chunk on disk.
//!
//! - [`append`]: which samples are taken; 32 of them, sorted, become a chunk in `chunks_head`, marked.
//! - The log `wbl`: what was taken, behind the memory, before a commit is acknowledged. A marker in it says that
//!   what was logged before of a series is in a chunk now.
//! - [`replay`]: chunks, then log. A marker drops the samples that its chunk holds, and only those, so whatever
//!   a crash took of the chunk files is still there.
//! - [`read`]: late samples are sorted in between the others when a series is read.
//! - [`compact`]: after the head was cut, late samples become blocks of their own, and `wbl` begins anew. Files of
//!   chunks wait for others in them to go; a note says that starts pass the late ones over. If it cannot be written,
//!   a start finds these samples once more: what is deleted of them is kept so long.
//!
//! The lock of the log comes after that of `wal`, and no page is locked meanwhile.

mod append;
mod compact;
mod log;
mod read;
mod replay;
mod table;

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::SeqCst};

use stdx::Directory;

use crate::sync::lock;
pub(crate) use append::Admission;
pub(crate) use compact::LateCut;
pub(crate) use log::LateRecords;
use log::Log;
pub(crate) use replay::LateReplay;
pub(crate) use table::{LateChunk, LateSample, LateTable};

/// The folder of the log within the data directory.
pub(crate) const WBL_FOLDER: &str = "wbl";

/// True if the log, which need not be there, may hold a record.
pub(crate) fn has_log(directory: &dyn Directory) -> bool {
    let folder = Path::new(WBL_FOLDER);
    match directory.exists(folder) {
        Ok(true) => directory.list(folder).map_or(true, |found| found.iter().any(|it| 0 < it.size)),
        Ok(false) => false,
        Err(_) => true,
    }
}

/// What a head has beside its pages about late samples.
pub(crate) struct OutOfOrder {
    /// How late a sample may come, in milliseconds; 0 if none may.
    window_ms: AtomicI64,
    /// None may, whatever the window is: see [`OutOfOrder::refusing`].
    is_refusing: bool,
    /// Set with the first late sample: until then nobody looks for any.
    is_used: AtomicBool,
    spans: Mutex<Spans>,
    log: Mutex<Log>,
}

/// Times that late samples may have; held for a moment, possibly with a page.
struct Spans {
    /// Of those that are being made blocks of.
    older: Span,
    newer: Span,
    given_up: GivenUp,
}

/// Late samples that blocks hold, and that files have still.
struct GivenUp {
    span: Span,
    /// The last file of chunks that has some.
    last_file: u32,
    /// The log, which could not be cut, has some.
    is_logged: bool,
}

/// Times of a first and a last sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Span {
    mint: i64,
    maxt: i64,
}

const NOTHING: Span = Span { mint: i64::MAX, maxt: i64::MIN };

impl OutOfOrder {
    /// Holds nothing, and takes samples that are late by `window_ms`.
    pub(super) fn new(window_ms: i64) -> Self {
        Self {
            window_ms: AtomicI64::new(window_ms),
            is_refusing: false,
            is_used: AtomicBool::new(false),
            spans: Mutex::new(Spans {
                older: NOTHING,
                newer: NOTHING,
                given_up: GivenUp { span: NOTHING, last_file: 0, is_logged: false },
            }),
            log: Mutex::default(),
        }
    }

    /// As [`OutOfOrder::new`], of a young head: it takes no late samples and only passes the window on.
    pub(super) fn refusing(window_ms: i64) -> Self {
        Self { is_refusing: true, ..Self::new(window_ms) }
    }

    /// How late a sample may come; 0 if none may.
    fn window_ms(&self) -> i64 {
        if self.is_refusing { 0 } else { self.window_ms.load(SeqCst) }
    }

    /// Takes over the window of a head in whose place this one's comes.
    pub(super) fn inherit(&self, young: &Self) {
        self.set_window_ms(young.window_ms.load(SeqCst));
    }

    /// Changes how late a sample may come. What is held stays.
    pub(crate) fn set_window_ms(&self, window_ms: i64) {
        self.window_ms.store(window_ms, SeqCst);
    }

    /// Times of the oldest and the newest late sample, or wider; `(i64::MAX, i64::MIN)` without any.
    pub(crate) fn time_range(&self) -> (i64, i64) {
        if !self.is_used() {
            return (NOTHING.mint, NOTHING.maxt);
        }
        let spans = lock(&self.spans);
        let both = spans.older.hull(spans.newer);
        (both.mint, both.maxt)
    }

    /// Times of the late samples that blocks hold and a start would find in files once more; `None` without any.
    pub(super) fn given_up(&self) -> Option<(i64, i64)> {
        let Span { mint, maxt } = lock(&self.spans).given_up.span;
        (mint <= maxt).then_some((mint, maxt))
    }

    /// Notes that blocks hold what was there at a cut, and that no start will find it.
    fn forget_older(&self) {
        lock(&self.spans).older = NOTHING;
    }

    /// Notes that blocks hold what was there at a cut, whose chunks a start will find in files up to `last_file`.
    fn give_up(&self, last_file: u32, is_logged: bool) {
        let Spans { older, given_up, .. } = &mut *lock(&self.spans);
        given_up.span = given_up.span.hull(std::mem::replace(older, NOTHING));
        given_up.last_file = given_up.last_file.max(last_file);
        given_up.is_logged = is_logged;
    }

    /// Notes that files of chunks before `first` are gone.
    pub(super) fn forget_files_before(&self, first: u32) {
        let given_up = &mut lock(&self.spans).given_up;
        if given_up.last_file < first && !given_up.is_logged {
            given_up.span = NOTHING;
        }
    }

    pub(super) fn is_used(&self) -> bool {
        self.is_used.load(SeqCst)
    }

    /// Says that late samples of these times are about to be there. To be called with their page locked, so
    /// that a cut sees both or neither.
    pub(super) fn widen(&self, mint: i64, maxt: i64) {
        self.is_used.store(true, SeqCst);
        let mut spans = lock(&self.spans);
        spans.newer = spans.newer.hull(Span { mint, maxt });
    }
}

impl Span {
    fn hull(self, other: Self) -> Self {
        Self { mint: self.mint.min(other.mint), maxt: self.maxt.max(other.maxt) }
    }
}
