//! What keeps the disk in order: retention, the floor, damaged blocks, and the names of the metrics.

#[path = "../../wal/tests/support/full_disk.rs"]
mod full_disk;
mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use client::Registry;
use full_disk::FullDisk;
use model::{Labels, Matcher};
use stdx::SystemClock;
use storage::{Appendable, Queryable, SelectHints};
use support::{copy, everything, open, open_with};
use tsdb::retention::Retention;
use tsdb::{Db, Options};

const RANGE: i64 = 100_000;
const START: i64 = 1_700_000_000_000;
const GIB: u64 = 1 << 30;

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        // Blocks stay as they are.
        block_range_max_ms: RANGE,
        ..Options::default()
    }
}

/// So many blocks and some head.
fn fill(db: &Db, n_blocks: i64) {
    for t in (START..START + (n_blocks + 1) * RANGE).step_by(2000) {
        append(db, t);
    }
    db.maintain();
    assert!(n_blocks <= i64::try_from(db.blocks().len()).expect("few"));
}

fn append(db: &Db, t: i64) {
    let mut appender = db.appender();
    for i in 0..10i64 {
        let series = Labels::from_pairs([("__name__", "m"), ("i", &i.to_string())]);
        appender.append(&series, t, (t + i) as f64).expect("takes");
    }
    appender.commit().expect("commits");
}

fn metric(registry: &Registry, name: &str) -> f64 {
    let page = client::text_page(registry);
    let line = page.lines().find(|it| it.starts_with(&format!("{name} ")));
    line.and_then(|it| it.rsplit_once(' ')).expect("is there").1.parse().expect("a number")
}

#[test]
fn below_the_floor_the_oldest_go_then_compaction_pauses() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = FullDisk::new(dir.path(), 100 * GIB);
    disk.set_total(100 * GIB);
    let registry = Registry::default();
    let clock = Arc::new(SystemClock::default());
    let options = Options { min_free_percent: 5.0, ..options() };
    let db = Db::open(options, Arc::new(disk.clone()), clock, &registry).expect("opens");
    fill(&db, 4);
    let before = db.blocks();
    assert_eq!(metric(&registry, "pyrrha_tsdb_disk_floor_bytes"), (5 * GIB) as f64);
    let status = db.storage_status().disk.expect("it tells");
    assert_eq!((status.total, status.floor, status.is_paused), (100 * GIB, 5 * GIB, false));

    // A little is missing: one block goes, while a query reads it.
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens");
    let all = querier.select(&SelectHints::default(), &[Matcher::equal("i", "3")]).expect("finds");
    disk.set_room(5 * GIB - 100);
    db.maintain();
    assert_eq!(db.blocks().len(), before.len() - 1);
    assert_eq!(db.blocks()[0].meta().ulid, before[1].meta().ulid);
    // Its room is not free yet, and that does not cost another one.
    db.maintain();
    assert_eq!(db.blocks().len(), before.len() - 1);
    let mut samples = storage::Samples::default();
    all.read(0, i64::MIN, i64::MAX, &mut samples).expect("the query goes on");
    assert_eq!(samples.t.first(), Some(&START));
    drop((all, querier, before));
    assert_eq!(metric(&registry, "pyrrha_tsdb_disk_floor_deletions_total"), 1.0);

    // Others fill the disk: all but the newest go, and then nothing is written that can wait.
    disk.set_room(1000);
    db.maintain();
    assert_eq!(db.blocks().len(), 1);
    assert_eq!(metric(&registry, "pyrrha_tsdb_compaction_paused"), 1.0);
    let end = START + 5 * RANGE;
    disk.set_room(4 * GIB);
    (0..200).for_each(|n| append(&db, end + n * 2000));
    disk.set_room(1000);
    let kept = everything(&db);
    db.maintain();
    assert_eq!(db.blocks().len(), 1, "the head stays in memory and log");
    assert!(0.0 < metric(&registry, "prometheus_tsdb_compactions_skipped_total"));
    assert!(everything(&db) == kept);

    // With room for the head it becomes blocks, and at the floor all goes on.
    disk.set_room(4 * GIB);
    db.maintain();
    assert!(metric(&registry, "pyrrha_tsdb_compaction_paused") == 1.0);
    assert!(1 < db.blocks().len());
    disk.set_room(6 * GIB);
    db.maintain();
    assert_eq!(metric(&registry, "pyrrha_tsdb_compaction_paused"), 0.0);
    let newest = kept.values().next().expect("series").last_key_value().expect("samples");
    assert_eq!(everything(&db).values().next().expect("series").last_key_value(), Some(newest));
}

#[test]
fn retention_changes_while_it_runs() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = FullDisk::new(dir.path(), 100 * GIB);
    let registry = Registry::default();
    let clock = Arc::new(SystemClock::default());
    let db = Db::open(options(), Arc::new(disk.clone()), clock, &registry).expect("opens");
    fill(&db, 8);
    let n = db.blocks().len();
    // Of a disk of unknown size the percentage is nothing, and the bytes hold.
    let bytes: u64 = db.blocks().iter().map(|it| it.n_bytes()).sum();
    let percentage = Retention { percentage: 1.0, ..Retention::default() };
    db.set_retention(percentage);
    db.maintain();
    assert_eq!(db.blocks().len(), n);
    db.set_retention(Retention { time_ms: (n as i64 - 2) * RANGE, ..Retention::default() });
    db.maintain();
    assert_eq!(db.blocks().len(), n - 2);
    assert_eq!(metric(&registry, "prometheus_tsdb_time_retentions_total"), 2.0);
    // A hundredth of so large a disk has room for some of it only.
    let head = metric(&registry, "prometheus_tsdb_wal_storage_size_bytes")
        + metric(&registry, "prometheus_tsdb_head_chunks_storage_size_bytes");
    disk.set_total((bytes / 2 + head as u64) * 100);
    db.set_retention(Retention { bytes: u64::MAX, ..percentage });
    assert_eq!(metric(&registry, "prometheus_tsdb_retention_limit_percentage"), 1.0);
    db.maintain();
    assert!((1..n - 2).contains(&db.blocks().len()), "{} blocks", db.blocks().len());
    assert!(0.0 < metric(&registry, "prometheus_tsdb_size_retentions_total"));
}

/// Opens a directory in which `damage` was done to the second of its blocks.
fn damaged(damage: impl Fn(&Path)) -> (tempfile::TempDir, Db, PathBuf) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    fill(&db, 4);
    let name = db.blocks()[1].path().to_owned();
    let mut kept = everything(&db);
    let meta = db.blocks()[1].meta().clone();
    db.close().expect("closes");
    drop(db);
    damage(&dir.path().join(&name));
    let db = open(dir.path(), options());
    kept.values_mut().for_each(|it| it.retain(|t, _| !(meta.mint..meta.maxt).contains(t)));
    assert!(everything(&db) == kept, "all that is readable is there");
    (dir, db, name)
}

/// What is done to a block.
type Damage = Box<dyn Fn(&Path)>;

#[test]
fn a_damaged_block_is_set_aside() {
    let cut = |file: &'static str| {
        move |block: &Path| {
            let path = block.join(file);
            let bytes = std::fs::read(&path).expect("reads");
            std::fs::write(&path, &bytes[..bytes.len() - 10]).expect("writes");
        }
    };
    let cases: [(&str, Damage); 5] = [
        ("index", Box::new(cut("index"))),
        ("meta.json", Box::new(cut("meta.json"))),
        ("tombstones", Box::new(|it| std::fs::write(it.join("tombstones"), "x").expect("writes"))),
        ("chunks", Box::new(|it| std::fs::remove_dir_all(it.join("chunks")).expect("removes"))),
        (
            "meta.json is 01BZJ",
            Box::new(|it| {
                let meta = std::fs::read_to_string(it.join("meta.json")).expect("reads");
                let name = it.file_name().expect("has a name").to_str().expect("is text");
                let other = meta.replacen(name, "01BZJ9WJQPWHGNC2W4J9TA62KC", 1);
                std::fs::write(it.join("meta.json"), other).expect("writes");
            }),
        ),
    ];
    for (what, damage) in cases {
        let (dir, db, name) = damaged(damage);
        let status = db.storage_status();
        assert_eq!((status.quarantined.len(), status.left_out.len()), (1, 0), "{what}");
        let aside = format!("{}.quarantined", name.display());
        assert_eq!(status.quarantined[0].name, aside);
        assert!(status.quarantined[0].reason.contains(what), "{}", status.quarantined[0].reason);
        assert!(!dir.path().join(&name).exists() && dir.path().join(&aside).is_dir());
        // It stays known, and is nobody's block.
        drop(db);
        let registry = Registry::default();
        let db = open_with(dir.path(), options(), &registry);
        assert_eq!(db.storage_status().quarantined[0].name, aside);
        assert_eq!(metric(&registry, "pyrrha_tsdb_quarantined"), 1.0);
        assert_eq!(metric(&registry, "pyrrha_tsdb_blocks_skipped"), 0.0);
    }
}

#[test]
fn a_block_that_comes_while_it_runs_is_waited_for() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let (from, to) = (dir.path().join("from"), dir.path().join("to"));
    let db = open(&from, options());
    fill(&db, 1);
    let name = db.blocks()[0].path().to_owned();
    let db = open(&to, options());
    // Half copied.
    copy(&from.join(&name), &to.join(&name));
    std::fs::remove_file(to.join(&name).join("index")).expect("removes");
    db.maintain();
    assert_eq!(db.storage_status().left_out[0].name, name.display().to_string());
    assert!(db.blocks().is_empty());
    std::fs::copy(from.join(&name).join("index"), to.join(&name).join("index")).expect("copies");
    db.maintain();
    assert_eq!((db.blocks().len(), db.storage_status().left_out.len()), (1, 0));
}

#[test]
fn a_damaged_parent_of_a_good_block_goes() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    fill(&db, 1);
    let name = db.blocks()[0].path().to_owned();
    let parent = dir.path().join("01BZJ9WJQPWHGNC2W4J9TA62KC");
    let meta = dir.path().join(&name).join("meta.json");
    let kept = everything(&db);
    db.close().expect("closes");
    drop(db);
    let text = std::fs::read_to_string(&meta).expect("reads");
    let with_parent = text.replacen(
        "\"sources\"",
        "\"parents\": [{\"ulid\": \"01BZJ9WJQPWHGNC2W4J9TA62KC\", \"minTime\": 0, \"maxTime\": 1}], \"sources\"",
        1,
    );
    std::fs::write(&meta, with_parent).expect("writes");
    std::fs::create_dir(&parent).expect("creates");
    let db = open(dir.path(), options());
    assert!(!parent.exists() && db.storage_status().quarantined.is_empty());
    assert!(everything(&db) == kept);
}

#[test]
fn a_damaged_chunk_names_block_and_place() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    fill(&db, 1);
    let name = db.blocks()[0].path().to_owned();
    db.close().expect("closes");
    drop(db);
    let path = dir.path().join(&name).join("chunks/000001");
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes[20] ^= 1;
    std::fs::write(&path, bytes).expect("writes");
    let db = open(dir.path(), options());
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens");
    let all = querier.select(&SelectHints::default(), &[Matcher::equal("i", "0")]).expect("finds");
    let error = all.read(0, i64::MIN, i64::MAX, &mut storage::Samples::default());
    let text = error.expect_err("the checksum is wrong").to_string();
    let place = format!("{}/chunks/000001 at 8: ", name.display());
    assert!(text.starts_with(&place) && text.contains("checksum"), "{text}");
}

/// The names of `docs`: what dashboards rely on, and ours.
const NAMES: &[&str] = &[
    "prometheus_tsdb_blocks_loaded",
    "prometheus_tsdb_checkpoint_creations_failed_total",
    "prometheus_tsdb_checkpoint_creations_total",
    "prometheus_tsdb_checkpoint_deletions_failed_total",
    "prometheus_tsdb_checkpoint_deletions_total",
    "prometheus_tsdb_clean_start",
    "prometheus_tsdb_compaction_chunk_range_seconds",
    "prometheus_tsdb_compaction_chunk_samples",
    "prometheus_tsdb_compaction_chunk_size_bytes",
    "prometheus_tsdb_compaction_duration_seconds",
    "prometheus_tsdb_compaction_populating_block",
    "prometheus_tsdb_compactions_failed_total",
    "prometheus_tsdb_compactions_skipped_total",
    "prometheus_tsdb_compactions_total",
    "prometheus_tsdb_compactions_triggered_total",
    "prometheus_tsdb_data_replay_duration_seconds",
    "prometheus_tsdb_head_active_appenders",
    "prometheus_tsdb_head_appenders_created_total",
    "prometheus_tsdb_head_chunks",
    "prometheus_tsdb_head_chunks_created_total",
    "prometheus_tsdb_head_chunks_removed_total",
    "prometheus_tsdb_head_chunks_storage_size_bytes",
    "prometheus_tsdb_head_gc_duration_seconds",
    "prometheus_tsdb_head_max_time",
    "prometheus_tsdb_head_max_time_seconds",
    "prometheus_tsdb_head_min_time",
    "prometheus_tsdb_head_min_time_seconds",
    "prometheus_tsdb_head_samples_appended_total",
    "prometheus_tsdb_head_series",
    "prometheus_tsdb_head_series_created_total",
    "prometheus_tsdb_head_series_removed_total",
    "prometheus_tsdb_head_truncations_failed_total",
    "prometheus_tsdb_head_truncations_total",
    "prometheus_tsdb_isolation_high_watermark",
    "prometheus_tsdb_isolation_low_watermark",
    "prometheus_tsdb_lowest_timestamp",
    "prometheus_tsdb_lowest_timestamp_seconds",
    "prometheus_tsdb_mmap_chunk_corruptions_total",
    "prometheus_tsdb_mmap_chunks_total",
    "prometheus_tsdb_out_of_bound_samples_total",
    "prometheus_tsdb_out_of_order_samples_total",
    "prometheus_tsdb_reloads_failures_total",
    "prometheus_tsdb_reloads_total",
    "prometheus_tsdb_retention_limit_bytes",
    "prometheus_tsdb_retention_limit_percentage",
    "prometheus_tsdb_retention_limit_seconds",
    "prometheus_tsdb_size_retentions_total",
    "prometheus_tsdb_snapshot_replay_error_total",
    "prometheus_tsdb_storage_blocks_bytes",
    "prometheus_tsdb_symbol_table_size_bytes",
    "prometheus_tsdb_time_retentions_total",
    "prometheus_tsdb_tombstone_cleanup_seconds",
    "prometheus_tsdb_vertical_compactions_total",
    "prometheus_tsdb_wal_completed_pages_total",
    "prometheus_tsdb_wal_corruptions_total",
    "prometheus_tsdb_wal_fsync_duration_seconds",
    "prometheus_tsdb_wal_page_flushes_total",
    "prometheus_tsdb_wal_replay_unknown_refs_total",
    "prometheus_tsdb_wal_segment_current",
    "prometheus_tsdb_wal_storage_size_bytes",
    "prometheus_tsdb_wal_truncate_duration_seconds",
    "prometheus_tsdb_wal_truncations_failed_total",
    "prometheus_tsdb_wal_truncations_total",
    "prometheus_tsdb_wal_writes_failed_total",
    "pyrrha_tsdb_blocks_skipped",
    "pyrrha_tsdb_compaction_paused",
    "pyrrha_tsdb_disk_floor_bytes",
    "pyrrha_tsdb_disk_floor_deletions_total",
    "pyrrha_tsdb_disk_free_bytes",
    "pyrrha_tsdb_quarantined",
];

#[test]
fn metrics_have_their_names() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let registry = Registry::default();
    let db = open_with(dir.path(), options(), &registry);
    fill(&db, 1);
    db.clean_tombstones().expect("cleans");
    let page = client::text_page(&registry);
    let missing: Vec<&&str> =
        NAMES.iter().filter(|it| !page.contains(&format!("\n# TYPE {it} "))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(page.contains("\nprometheus_tsdb_compaction_chunk_samples_bucket{le=\"68.34375\"} "));
    let counts = |name: &str| page.contains(&format!("\n{name}_count 0\n"));
    for name in
        ["compaction_duration_seconds", "compaction_chunk_samples", "tombstone_cleanup_seconds"]
    {
        assert!(!counts(&format!("prometheus_tsdb_{name}")), "{name} is observed");
    }
    assert!(0.0 < metric(&registry, "prometheus_tsdb_symbol_table_size_bytes"));
    assert!(0.0 < metric(&registry, "prometheus_tsdb_isolation_high_watermark"));
    assert!(0.0 < metric(&registry, "prometheus_tsdb_head_appenders_created_total"));
}

/// As 2.1.0 left its blocks.
#[test]
fn wrong_versions_are_corrected() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = open(dir.path(), options());
    fill(&db, 2);
    let (all, names) = (everything(&db), db.blocks());
    drop(db);
    let block = dir.path().join(names[0].meta().ulid.to_string());
    let meta = std::fs::read_to_string(block.join("meta.json")).expect("reads");
    let mislabelled = meta.replace("\"version\": 1", "\"version\": 2");
    assert_ne!(meta, mislabelled);
    std::fs::write(block.join("meta.json"), mislabelled).expect("writes");
    let index = std::fs::read(block.join("index")).expect("reads");
    let mut wrong = index.clone();
    wrong[4] = 1;
    std::fs::write(block.join("index"), wrong).expect("writes");
    let db = open(dir.path(), options());
    assert!(everything(&db) == all);
    assert!(db.storage_status().quarantined.is_empty());
    assert_eq!(std::fs::read(block.join("index")).expect("reads"), index);
    assert_eq!(std::fs::read_to_string(block.join("meta.json")).expect("reads"), meta);
}
