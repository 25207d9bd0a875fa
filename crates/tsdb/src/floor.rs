//! The disk floor: how little room is left on the disk before the oldest data gives way.
//!
//! Below the floor the oldest blocks go, as many as it takes; the newest stays. If that is not enough,
//! others fill the disk: merging pauses, for it needs room twice, and the head becomes a block only while
//! there is room for all it has on disk. The log goes on until the disk itself refuses.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex, Weak};

use block::{Block, Error, Meta, Ulid};
use stdx::Space;

use crate::db::Inner;
use crate::retention::delete_block;
use crate::sync::lock;

/// How the disk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskStatus {
    /// Bytes of the file system.
    pub total: u64,
    /// Bytes that are free.
    pub free: u64,
    /// Below so many free bytes the oldest blocks go; 0 is never.
    pub floor: u64,
    /// No block is left that could give way, and compaction pauses.
    pub is_paused: bool,
}

/// What is known of the disk between two looks at it.
#[derive(Default)]
pub(crate) struct Floor {
    is_paused: AtomicBool,
    /// Blocks that were removed, with their bytes: while a query reads one, its room is not free yet.
    leaving: Mutex<Vec<(Weak<Block>, u64)>>,
}

/// Bytes that must stay free: `percent` of a file system of `total` bytes.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a size, rounded"
)]
pub fn floor_bytes(total: u64, percent: f64) -> u64 {
    (total as f64 * percent.clamp(0.0, 100.0) / 100.0) as u64
}

/// Picks the oldest blocks that together have `missing` bytes, or all but the newest if they have less.
/// `blocks`: with their sizes, in any order.
pub fn giving_way(blocks: &[(&Meta, u64)], missing: u64) -> Vec<Ulid> {
    let mut oldest_first = blocks.to_vec();
    oldest_first.sort_by_key(|it| (it.0.maxt, it.0.mint, it.0.ulid));
    oldest_first.pop();
    let mut freed = 0u64;
    let is_needed = |it: &(&Meta, u64)| {
        let is_needed = freed < missing;
        freed = freed.saturating_add(it.1);
        is_needed
    };
    oldest_first.into_iter().take_while(is_needed).map(|it| it.0.ulid).collect()
}

impl Inner {
    /// How the disk stands; `None` where there is no telling.
    pub(crate) fn disk_status(&self) -> Option<DiskStatus> {
        let Space { total, free } = self.directory.space().ok()?;
        let floor = floor_bytes(total, self.options.min_free_percent);
        Some(DiskStatus { total, free, floor, is_paused: self.is_paused() })
    }

    /// True while there is no room for merging blocks.
    pub(crate) fn is_paused(&self) -> bool {
        self.floor.is_paused.load(SeqCst)
    }

    /// True while the head must not become a block: it could not be written.
    pub(crate) fn is_head_stuck(&self) -> bool {
        self.is_paused() && self.disk_status().is_some_and(|it| it.free < self.head().disk_bytes())
    }

    /// Removes old blocks while too little of the disk is free.
    pub(crate) fn keep_floor(&self) -> Result<(), Error> {
        let Some(disk) = self.disk_status().filter(|it| 0 < it.floor) else { return Ok(()) };
        let missing = disk.floor.saturating_sub(disk.free.saturating_add(self.leaving_bytes()));
        let mut freed = 0;
        if 0 < missing {
            freed = self.give_way(disk, missing)?;
        }
        let is_paused = freed < missing;
        if self.floor.is_paused.swap(is_paused, SeqCst) != is_paused {
            let DiskStatus { free, floor, .. } = disk;
            if is_paused {
                tracing::error!(
                    free,
                    floor,
                    "disk room is short and no block is left to remove: compaction pauses"
                );
            } else {
                tracing::info!(free, floor, "there is disk room again: compaction goes on");
            }
        }
        Ok(())
    }

    fn give_way(&self, disk: DiskStatus, missing: u64) -> Result<u64, Error> {
        let all = self.blocks();
        let sizes: Vec<(&Meta, u64)> = all.iter().map(|it| (it.meta(), it.n_bytes())).collect();
        let mut freed = 0;
        for ulid in giving_way(&sizes, missing) {
            let Some(block) = all.iter().find(|it| it.meta().ulid == ulid) else { continue };
            delete_block(self.directory.as_ref(), ulid)?;
            freed += block.n_bytes();
            self.metrics.blocks.floor_deletions.inc();
            lock(&self.floor.leaving).push((Arc::downgrade(block), block.n_bytes()));
            tracing::warn!(
                block = %ulid, bytes = block.n_bytes(), free = disk.free, floor = disk.floor,
                "disk room is short: the oldest block is removed"
            );
        }
        Ok(freed)
    }

    /// Bytes of removed blocks that queries still hold.
    fn leaving_bytes(&self) -> u64 {
        let mut leaving = lock(&self.floor.leaving);
        leaving.retain(|(block, _)| 0 < block.strong_count());
        leaving.iter().map(|it| it.1).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: &str, missing: u64, expected: &str) {
        let metas: Vec<(Meta, u64)> = blocks
            .split_whitespace()
            .map(|it| {
                let (maxt, bytes) = it.split_once(':').unwrap();
                let maxt = maxt.parse().unwrap();
                (Meta::new(Ulid::new(maxt, 0), maxt - 10, maxt), bytes.parse().unwrap())
            })
            .collect();
        let blocks: Vec<(&Meta, u64)> = metas.iter().map(|(meta, bytes)| (meta, *bytes)).collect();
        let gone: Vec<String> =
            giving_way(&blocks, missing).iter().map(|it| it.time_ms().to_string()).collect();
        assert_eq!(gone.join(" "), expected);
    }

    #[test]
    fn the_oldest_give_way() {
        check("", 5, "");
        check("10:4", 5, "");
        check("30:4 10:4 20:4", 0, "");
        check("30:4 10:4 20:4", 1, "10");
        check("30:4 10:4 20:4", 4, "10");
        check("30:4 10:4 20:4", 5, "10 20");
        check("30:4 10:4 20:4", 500, "10 20");
        assert_eq!(floor_bytes(1000, 5.0), 50);
        assert_eq!(floor_bytes(1000, 0.0), 0);
    }
}
