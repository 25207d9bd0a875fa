//! The pages that an open batch appends to.
//!
//! A page is asked once for a batch, under its lock, which series it has and what is later than all of them. The common
//! sample is then taken by two looks at that answer. It may be outdated when the batch is committed, as any admission
//! may be: [`super::apply`] looks again. A page that is held drops no series.

use std::sync::{Arc, Mutex};

use super::series::{Page, Pages, Snapshot};
use crate::sync::lock;

/// Pages that are found without a search.
const WAYS: usize = 64;
/// Lists of more pages are not kept for reuse.
const POOLED_MAX: usize = 1 << 10;

/// The pages of one batch. One that comes back after `WAYS` others may be held twice.
pub(super) struct HeldPages {
    all: Vec<Held>,
    /// By the low bits of a page's number: the place of the newest such page.
    newest: [u32; WAYS],
}

/// A page, and what it was when the batch came to it.
pub(super) struct Held {
    number: u64,
    pub(super) page: Arc<Mutex<Page>>,
    snapshot: Snapshot,
}

impl Default for HeldPages {
    fn default() -> Self {
        Self { all: Vec::new(), newest: [0; WAYS] }
    }
}

impl Held {
    /// True if the series is there and a sample at `t` is later than all of its page. False tells nothing.
    pub(super) fn takes(&self, series: u64, t: i64) -> bool {
        self.snapshot.is_before(t) && self.snapshot.has(series)
    }
}

impl HeldPages {
    /// Finds a page by its number, and holds it; `None` if there is none.
    pub(super) fn find(&mut self, pages: &Pages, number: u64) -> Option<&Held> {
        let way = usize::try_from(number % WAYS as u64).expect("small");
        let at = self.newest[way] as usize;
        if self.all.get(at).is_none_or(|it| it.number != number) {
            let page = pages.find(number)?;
            let snapshot = lock(&page).hold();
            self.newest[way] = u32::try_from(self.all.len()).ok()?;
            self.all.push(Held { number, page, snapshot });
        }
        self.all.get(self.newest[way] as usize)
    }

    /// Lets all pages go.
    pub(super) fn release(&mut self) {
        self.all.drain(..).for_each(|it| lock(&it.page).release());
    }

    /// Forgets all pages, which stay held.
    pub(super) fn forget(&mut self) {
        self.all.clear();
    }

    /// True if its memory is worth keeping.
    pub(super) fn is_small(&self) -> bool {
        self.all.capacity() <= POOLED_MAX
    }
}
