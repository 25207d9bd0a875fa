//! A bit that turns over: no panic, nothing that nobody wrote, and what is lost is said.

use std::path::Path;
use std::sync::Arc;

use client::Registry;
use storage::Queryable;
use testkit::Random;
use tsdb::Db;

use crate::support::Contents;
use crate::values::{all_series, read_all};
use crate::world::World;

/// Turns a bit over in a copy of the directory, and lets a database live with it.
pub(crate) fn flip(world: &World, seed: u64) {
    let mut random = Random::new(seed);
    let disk = world.disk.fork(random.number()).kill();
    disk.set_capacity(u64::MAX);
    // No checksum covers meta.json, so whatever it says is believed, as upstream does.
    let is_covered = |path: &Path, len: u64| 0 < len && !path.ends_with("meta.json");
    let mut files = disk.files();
    files.retain(|(path, len)| is_covered(path, *len));
    if files.is_empty() {
        return;
    }
    let (path, len) = &files[random.below(files.len())];
    let n_bits = usize::try_from(len * 8).expect("a small file");
    let bit = random.below(n_bits) as u64;
    disk.flip_bit(path, bit);

    let registry = Registry::default();
    let directory = Arc::new(disk.clone());
    let db = match Db::open(world.options.clone(), directory, world.clock.clone(), &registry) {
        Ok(db) => db,
        Err(error) => {
            // What all series may hang on is not repaired by guessing.
            let is_fatal = path.starts_with("chunks_head")
                || path.to_string_lossy().starts_with("wal/checkpoint.");
            assert!(is_fatal, "{}: does not start: {error}", path.display());
            return;
        }
    };
    let all = world.naive.contents();
    let place = path.display();
    match found(&db) {
        Ok(found) => {
            for (labels, samples) in &found {
                for (t, v) in samples {
                    // What a damaged tombstone had deleted is there again.
                    let is_written = world.naive.was_written(labels, *t, *v);
                    assert!(is_written, "{place}: {labels} at {t} is wrong");
                }
            }
            let n = |it: &Contents| it.values().map(std::collections::BTreeMap::len).sum::<usize>();
            // No checksum covers how a record is packed: read as another, it may be of an unknown kind.
            let is_log = path.starts_with("wal") || path.starts_with("wbl");
            let is_packing = is_log && matches!(bit % 8, 3 | 4);
            let is_said = 0.0 < n_losses(&registry) || is_packing;
            assert!(n(&all) <= n(&found) || is_said, "{place}: lost something in silence");
        }
        Err(error) => assert!(!error.is_empty()),
    }
    db.maintain();
    let _ = found(&db);
    let _ = db.close();
}

fn found(db: &Db) -> Result<Contents, String> {
    let querier = db.querier(i64::MIN, i64::MAX).map_err(|it| it.to_string())?;
    read_all(querier.as_ref(), &all_series(), i64::MIN, i64::MAX)
}

/// What the metrics count of losses.
fn n_losses(registry: &Registry) -> f64 {
    let page = client::text_page(registry);
    let names = [
        "prometheus_tsdb_wal_corruptions_total ",
        "prometheus_tsdb_mmap_chunk_corruptions_total ",
        "pyrrha_tsdb_blocks_skipped ",
        "pyrrha_tsdb_quarantined ",
    ];
    let count = |name: &&str| {
        let line = page.lines().find(|it| it.starts_with(*name));
        let value = line.and_then(|it| it.split(' ').nth(1)?.parse::<f64>().ok());
        value.unwrap_or_else(|| panic!("no metric {name}"))
    };
    names.iter().map(count).sum()
}
