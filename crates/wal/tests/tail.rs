//! Following a log while it is written.

#[path = "support/full_disk.rs"]
mod full_disk;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use full_disk::FullDisk;
use proptest::prelude::*;
use stdx::{Directory, SystemClock, SystemDirectory};
use wal::{Compression, Metrics, Next, Options, Position, ReadError, Tail, Writer, segment};

const WAL: &str = "wal";
const START: Position = Position { segment: 0, offset: 0 };

fn open(directory: &Arc<dyn Directory>, options: Options) -> Writer {
    let clock = Arc::new(SystemClock::default());
    Writer::open(Arc::clone(directory), Path::new(WAL), options, clock, Metrics::default())
        .expect("opens")
}

fn folder() -> (tempfile::TempDir, Arc<dyn Directory>) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let directory = Arc::new(SystemDirectory::new(dir.path()));
    (dir, directory)
}

/// What the tail gives until it has caught up.
fn drain(tail: &mut Tail) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut all = Vec::new();
    while let Next::Record(record) = tail.next()? {
        all.push(record.bytes.to_vec());
    }
    Ok(all)
}

fn record(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * i + seed * 7) % 251).to_le_bytes()[0] & 0x3f).collect()
}

fn any_compression() -> impl Strategy<Value = Compression> {
    prop_oneof![Just(Compression::None), Just(Compression::Snappy), Just(Compression::Zstd)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30))]

    /// After each batch, every follower gets just that batch; one that joins later, all from its place on.
    #[test]
    fn each_batch_is_seen_once(
        batches in prop::collection::vec(prop::collection::vec(prop_oneof![1usize..200, 30_000usize..70_000], 1..4), 1..12),
        compression in any_compression(),
        cut_after in 0usize..12,
    ) {
        let (_dir, directory) = folder();
        let mut writer = open(&directory, Options { segment_bytes: 96 << 10, compression });
        let progress = writer.progress();
        let follow = |from, own| Tail::new(Arc::clone(&directory), Path::new(WAL), from, own);
        let mut inside = follow(START, Some(Arc::clone(&progress)));
        let mut outside = follow(START, None);
        let mut places = Vec::new();
        let mut all: Vec<Vec<u8>> = Vec::new();
        for (i, sizes) in batches.iter().enumerate() {
            let batch: Vec<Vec<u8>> = sizes.iter().map(|len| record(all.len() + len, *len)).collect();
            writer.log(&batch.iter().map(|it| &it[..]).collect::<Vec<_>>()).expect("writes");
            prop_assert_eq!(&drain(&mut inside).expect("reads"), &batch);
            prop_assert_eq!(&drain(&mut outside).expect("reads"), &batch);
            prop_assert_eq!(inside.position(), progress.end());
            all.extend(batch);
            places.push((inside.position(), all.len()));
            if i == cut_after {
                writer.cut().expect("cuts");
                prop_assert!(drain(&mut inside).expect("reads").is_empty());
                prop_assert!(drain(&mut outside).expect("reads").is_empty());
            }
        }
        for (from, n_before) in places {
            let read = drain(&mut follow(from, Some(Arc::clone(&progress)))).expect("reads");
            prop_assert_eq!(&read, &all[n_before..]);
        }
        writer.close().expect("closes");
        prop_assert!(drain(&mut inside).expect("reads").is_empty());
        let mut late = follow(START, Some(progress));
        prop_assert_eq!(drain(&mut late).expect("reads"), all);
    }
}

/// The log of another process: whatever part of a write is visible, only whole records are seen.
#[test]
fn a_log_that_grows_by_bytes_shows_whole_records() {
    let (dir, directory) = folder();
    let options = Options { segment_bytes: 64 << 10, compression: Compression::None };
    let mut writer = open(&directory, options);
    let lens = [10, 33_000, 5, 32_737, 100, 40_000, 1, 20_000];
    let records: Vec<_> = lens.iter().enumerate().map(|(i, len)| record(i, *len)).collect();
    for it in &records {
        writer.log(&[it]).expect("writes");
    }
    writer.close().expect("closes");
    let (seen_dir, seen) = folder();
    std::fs::create_dir(seen_dir.path().join(WAL)).expect("creates");
    let mut tail = Tail::new(Arc::clone(&seen), Path::new(WAL), START, None);
    assert!(drain(&mut tail).expect("reads").is_empty(), "there is no segment yet");
    let mut read = Vec::new();
    for n in segment::list(directory.as_ref(), Path::new(WAL)).expect("lists") {
        let path = segment::path(Path::new(WAL), n);
        let bytes = std::fs::read(dir.path().join(&path)).expect("reads");
        let mut file = seen.create(&path).expect("creates");
        for part in bytes.chunks(997) {
            file.write_all(part).expect("writes");
            read.extend(drain(&mut tail).expect("reads"));
            assert!(records.starts_with(&read));
        }
    }
    assert_eq!(read, records);
}

#[test]
fn a_follower_is_woken() {
    let (_dir, directory) = folder();
    let mut writer = open(&directory, Options::default());
    let progress = writer.progress();
    let own = Some(Arc::clone(&progress));
    let mut tail = Tail::new(Arc::clone(&directory), Path::new(WAL), START, own);
    let follower = std::thread::spawn(move || {
        let mut read = Vec::new();
        loop {
            let is_closed = progress.is_closed();
            read.extend(drain(&mut tail).expect("reads"));
            if is_closed {
                return read;
            }
            progress.wait_beyond(tail.position(), Duration::from_secs(600));
        }
    });
    let records: Vec<_> = (0..200).map(|i| record(i, 300)).collect();
    for it in &records {
        writer.log(&[it]).expect("writes");
    }
    writer.close().expect("closes");
    assert_eq!(follower.join().expect("ends"), records);
}

#[test]
fn waiting_ends_without_news() {
    let (_dir, directory) = folder();
    let writer = open(&directory, Options::default());
    let progress = writer.progress();
    assert_eq!(progress.wait_beyond(START, Duration::from_millis(1)), START);
    drop(writer);
    assert_eq!(progress.wait_beyond(START, Duration::from_secs(600)), START);
}

#[test]
fn a_batch_that_failed_is_never_seen() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = FullDisk::new(dir.path(), 50_000);
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let options = Options { segment_bytes: 64 << 10, compression: Compression::None };
    let mut writer = open(&directory, options);
    let own = Some(writer.progress());
    let mut tail = Tail::new(Arc::clone(&directory), Path::new(WAL), START, own);
    let (mut kept, mut read) = (Vec::new(), Vec::new());
    let mut n_refused = 0;
    for i in 0..60 {
        // While cuts are refused, what is left of the failed batch stays in the file.
        disk.refuse_cuts(20 < i && i < 30);
        let batch = [record(i, 3000), record(i + 1, 3000)];
        match writer.log(&[&batch[0], &batch[1]]) {
            Ok(()) => kept.extend(batch),
            Err(_) => {
                n_refused += 1;
                read.extend(drain(&mut tail).expect("reads"));
                assert_eq!(read, kept);
                disk.make_room(5_000);
            }
        }
    }
    read.extend(drain(&mut tail).expect("reads"));
    assert!(5 < n_refused && 10 < kept.len(), "{n_refused} refused, {} kept", kept.len());
    assert_eq!(read, kept);
}

#[test]
fn a_follower_left_behind_is_told() {
    let (_dir, directory) = folder();
    let mut writer = open(&directory, Options::default());
    let own = Some(writer.progress());
    let mut tail = Tail::new(Arc::clone(&directory), Path::new(WAL), START, own);
    writer.log(&[b"a", b"b"]).expect("writes");
    assert!(matches!(tail.next(), Ok(Next::Record(_))));
    for _ in 0..3 {
        writer.cut().expect("cuts");
        writer.log(&[b"c"]).expect("writes");
    }
    writer.remove_below(2).expect("removes");
    // The open file is read to its end; the next one is gone.
    assert!(matches!(tail.next(), Ok(Next::Record(it)) if it.bytes == b"b"));
    let error = tail.next().expect_err("segment 1 is gone");
    assert!(
        matches!(&error, ReadError::Io { segment: 1, source } if source.kind() == std::io::ErrorKind::NotFound),
        "{error}"
    );
}

#[test]
fn damage_has_a_place() {
    let (dir, directory) = folder();
    let mut writer = open(&directory, Options::default());
    writer.log(&[&record(1, 100)]).expect("writes");
    let end = writer.progress().end();
    writer.log(&[&record(2, 100)]).expect("writes");
    writer.cut().expect("cuts");
    let path = dir.path().join("wal/00000000");
    let mut bytes = std::fs::read(&path).expect("reads");
    bytes[usize::try_from(end.offset).expect("small") + 30] ^= 4;
    std::fs::write(&path, bytes).expect("writes");
    let mut tail = Tail::new(directory, Path::new(WAL), START, Some(writer.progress()));
    let error = drain(&mut tail).expect_err("is damaged");
    assert!(
        matches!(error, ReadError::Corrupt { segment: 0, offset, .. } if offset == end.offset),
        "{error}"
    );
}
