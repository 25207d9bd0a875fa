//! A crash at any point of folding or repairing loses nothing that is needed.

#[path = "support/folding.rs"]
mod folding;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use folding::*;
use stdx::Directory;
use testkit::CrashingDirectory;
use wal::record::{self, Kind};
use wal::{Position, Reader, Writer, checkpoint, repair, segment};

/// What a start finds: labels and times of each series that is still needed.
fn replay(directory: &Arc<dyn Directory>) -> BTreeMap<u64, (bool, Vec<i64>)> {
    let folder = Path::new(WAL);
    checkpoint::remove_unfinished(directory.as_ref(), folder).expect("removes");
    let mut records = Vec::new();
    let mut first = 0;
    if let Some(found) = checkpoint::last(directory.as_ref(), folder).expect("lists") {
        records = read_checkpoint(directory);
        first = found.index + 1;
    }
    let last = *segment::list(directory.as_ref(), folder).expect("lists").last().expect("some");
    let mut reader = Reader::new(Arc::clone(directory), folder, first..=last);
    while let Some(it) = reader.next().expect("reads") {
        records.push(it.bytes.to_vec());
    }
    let mut all: BTreeMap<u64, (bool, Vec<i64>)> = BTreeMap::new();
    for it in &records {
        match record::split(it) {
            Some((Kind::Series, body)) => record::series(body, |series, _| {
                all.entry(series.0).or_default().0 = true;
            }),
            Some((Kind::Samples, body)) => record::samples(body, |it| {
                all.entry(it.series.0).or_default().1.extend((T + 10 <= it.t).then_some(it.t - T));
            }),
            other => panic!("{other:?}"),
        }
        .expect("decodes");
    }
    all.remove(&1);
    all
}

/// Folds, then removes what was folded, as a truncation of the head does.
fn truncate(directory: &Arc<dyn Directory>, writer: &mut Writer, last: u32) -> Option<()> {
    checkpoint::create(&request(directory, last)).ok()?;
    writer.remove_below(last + 1).ok()?;
    checkpoint::remove_before(directory.as_ref(), Path::new(WAL), last).ok()
}

#[test]
fn a_crash_while_folding_loses_nothing() {
    let disk = CrashingDirectory::new(7);
    let directory = shared(&disk);
    let mut writer = open(&directory);
    for i in 0..6u32 {
        writer.log(&[&series_record(&[u64::from(i) + 1])]).expect("writes");
        let all: Vec<_> = (1..=u64::from(i) + 1).map(|it| sample(it, i64::from(i) * 5)).collect();
        writer.log(&[&samples_record(&all)]).expect("writes");
        writer.cut().expect("cuts");
        if i == 1 {
            truncate(&directory, &mut writer, 0).expect("folds");
        }
    }
    writer.close().expect("closes");
    let expected = replay(&directory);
    assert_eq!(expected.len(), 5);
    for n in 0.. {
        let mut died = 0;
        for seed in 0..4 {
            let mut it = disk.fork(n * 10 + seed);
            let directory = shared(&it);
            let mut writer = open(&directory);
            it.die_after(n);
            let done = truncate(&directory, &mut writer, 4);
            died += u64::from(it.is_dead());
            assert!(done.is_some() || it.is_dead());
            drop(writer);
            it = if seed == 0 { it.kill() } else { it.cut_power() };
            assert_eq!(replay(&shared(&it)), expected, "operation {n}, seed {seed}");
        }
        if died == 0 {
            assert!(20 < n, "{n} operations only");
            return;
        }
    }
}

#[test]
fn a_crash_while_repairing_loses_nothing() {
    for damage in ["within", "tail"] {
        let disk = CrashingDirectory::new(7);
        let directory = shared(&disk);
        let mut writer = open(&directory);
        let mut at = Position::default();
        for i in 0..10 {
            at = if i == 4 || (i == 9 && damage == "tail") { writer.progress().end() } else { at };
            writer.log(&[&series_record(&[i + 2])]).expect("writes");
        }
        writer.close().expect("closes");
        let path = segment::path(Path::new(WAL), 0);
        disk.flip_bit(&path, at.offset * 8 + 80);
        let mut expected: Vec<u64> = (2..12).collect();
        expected.remove(if damage == "tail" { 9 } else { 4 });
        for n in 0.. {
            let mut died = 0;
            for seed in 0..4 {
                let mut it = disk.fork(n * 10 + seed);
                it.die_after(n);
                let done = repair(&it, Path::new(WAL), at);
                died += u64::from(it.is_dead());
                assert!(done.is_ok() || it.is_dead());
                it = if seed == 0 { it.kill() } else { it.cut_power() };
                // As the next start does.
                let mut reader = Reader::new(shared(&it), Path::new(WAL), 0..=0);
                let is_bad = loop {
                    match reader.next() {
                        Ok(Some(_)) => {}
                        Ok(None) => break false,
                        Err(_) => break true,
                    }
                };
                drop(reader);
                if is_bad {
                    repair(&it, Path::new(WAL), at).expect("repairs");
                }
                let read: Vec<u64> = replay(&shared(&it)).into_keys().collect();
                assert_eq!(read, expected, "{damage}, operation {n}, seed {seed}");
            }
            if died == 0 {
                assert!(5 < n, "{n} operations only");
                break;
            }
        }
    }
}

/// A later sync succeeds, and makes up for nothing.
#[test]
fn a_failed_sync_is_known_to_later_writers() {
    let open = |disk: &CrashingDirectory| open(&shared(disk));
    let disk = CrashingDirectory::new(7);
    let mut writer = open(&disk);
    assert!(!writer.is_doubtful());
    writer.log(&[b"record"]).expect("logs");
    // After the padding of the last page.
    disk.fail_after(1);
    writer.close().expect_err("is not synced");
    let disk = disk.kill();
    let writer = open(&disk);
    assert!(writer.is_doubtful());
    writer.close().expect("syncs, so it says");
    let mut writer = open(&disk);
    assert!(writer.is_doubtful());
    writer.remove_below(writer.segment()).expect("removes");
    assert!(!writer.is_doubtful());
    drop(writer);
    assert!(!open(&disk).is_doubtful());
}

#[test]
fn a_failed_sync_is_noted_once_there_is_room() {
    let disk = CrashingDirectory::new(7);
    let mut writer = open(&shared(&disk));
    writer.log(&[b"record"]).expect("logs");
    writer.cut().expect("begins a segment");
    disk.set_capacity(disk.used());
    disk.fail_after(0);
    // The disk syncs when it likes.
    assert!((0..1000).any(|_| writer.is_synced_before().is_err()));
    disk.set_capacity(u64::MAX);
    writer.log(&[b"record"]).expect_err("after a failed sync nothing is");
    assert!(open(&shared(&disk.kill())).is_doubtful());
}
