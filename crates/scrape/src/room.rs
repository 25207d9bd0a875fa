//! What pages may take of memory, all of them together.
//!
//! Short pages are not counted. A longer one takes room as it grows, and waits where there is none; so does its
//! server then. One page at a time goes on without room: those that are half read never wait for each other only.

use std::sync::Arc;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

/// What a page may take without being counted.
const UNCOUNTED_BYTES: usize = 256 << 10;

/// Room is counted in pieces of so many bytes.
const PIECE_BYTES: usize = 64 << 10;

/// A page may be so many times as long as all together, since one goes on without room.
const LONGEST: usize = 4;

/// The room for all pages.
#[derive(Clone)]
pub(crate) struct Room {
    free: Arc<Semaphore>,
    /// Held by the one page that goes on without room.
    without: Arc<Mutex<()>>,
    /// No page may have so many bytes.
    page_bytes_max: usize,
}

/// What one page takes; given back when dropped.
pub(crate) struct Held {
    room: Room,
    taken: Option<OwnedSemaphorePermit>,
    is_without: Option<OwnedMutexGuard<()>>,
}

impl Room {
    /// Room for `bytes`; 0 is no bound.
    pub(crate) fn new(bytes: usize) -> Self {
        let (pieces, page_bytes_max) = match bytes {
            0 => (Semaphore::MAX_PERMITS, usize::MAX),
            _ => (
                bytes.div_ceil(PIECE_BYTES).min(Semaphore::MAX_PERMITS),
                bytes.saturating_mul(LONGEST),
            ),
        };
        Self { free: Arc::new(Semaphore::new(pieces)), without: Arc::default(), page_bytes_max }
    }

    /// A page of no bytes yet.
    pub(crate) fn page(&self) -> Held {
        Held { room: self.clone(), taken: None, is_without: None }
    }
}

impl Held {
    /// No page may have so many bytes.
    pub(crate) fn bytes_max(&self) -> usize {
        self.room.page_bytes_max
    }
}

impl httpclient::Room for Held {
    /// Takes what a page of `bytes` needs; awaits it, if it must.
    async fn grow_to(&mut self, bytes: usize) {
        let pieces = bytes.saturating_sub(UNCOUNTED_BYTES).div_ceil(PIECE_BYTES);
        let taken = self.taken.as_ref().map_or(0, OwnedSemaphorePermit::num_permits);
        let missing = u32::try_from(pieces.saturating_sub(taken)).unwrap_or(u32::MAX);
        if missing == 0 || self.is_without.is_some() {
            return;
        }
        tokio::select! {
            biased;
            more = Arc::clone(&self.room.free).acquire_many_owned(missing) => {
                let more = more.expect("never closed");
                match &mut self.taken {
                    Some(taken) => taken.merge(more),
                    none => *none = Some(more),
                }
            }
            guard = Arc::clone(&self.room.without).lock_owned() => self.is_without = Some(guard),
        }
    }
}

#[cfg(test)]
mod tests {
    use httpclient::Room as _;

    use super::*;

    const MB: usize = 1 << 20;

    /// True if the page has what it needs without waiting.
    async fn grows(page: &mut Held, bytes: usize) -> bool {
        tokio::select! {
            biased;
            () = page.grow_to(bytes) => true,
            () = tokio::task::yield_now() => false,
        }
    }

    #[tokio::test]
    async fn long_pages_wait_for_each_other() {
        let room = Room::new(2 * MB);
        let mut pages: Vec<Held> = (0..4).map(|_| room.page()).collect();
        for page in &mut pages {
            assert!(grows(page, UNCOUNTED_BYTES).await, "short pages are not counted");
        }
        assert!(grows(&mut pages[0], MB).await);
        assert!(grows(&mut pages[1], MB).await);
        assert!(grows(&mut pages[2], 2 * MB).await, "one goes on without room");
        assert!(grows(&mut pages[2], 3 * MB).await, "to its end");
        assert!(!grows(&mut pages[3], 2 * MB).await);
        assert!(!grows(&mut pages[0], 3 * MB).await);
        pages.remove(1);
        assert!(!grows(&mut pages[2], 2 * MB).await, "that was too little");
        pages.remove(1);
        assert!(grows(&mut pages[1], 2 * MB).await, "nobody goes on without");
        assert_eq!(room.page_bytes_max, 8 * MB);
    }

    #[tokio::test]
    async fn without_a_bound_none_waits() {
        let room = Room::new(0);
        let mut pages: Vec<Held> = (0..4).map(|_| room.page()).collect();
        for page in &mut pages {
            assert!(grows(page, 100 * MB).await);
        }
    }
}
