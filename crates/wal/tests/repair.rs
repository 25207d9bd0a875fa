//! Damaged logs: what is readable stays, what is not is kept aside.

use std::path::Path;
use std::sync::Arc;

use model::SeriesRef;
use stdx::{Directory, SystemClock};
use testkit::CrashingDirectory;
use wal::record::{self, Kind, RefSample};
use wal::{
    Compression, Lost, Metrics, Options, Position, ReadError, Reader, Writer, repair, segment, skip,
};

const T: i64 = 1_700_000_000_000;
const WAL: &str = "wal";
const PAGE: u64 = 32 << 10;

/// A log of uncompressed records, and what it was written with.
struct Log {
    disk: CrashingDirectory,
    directory: Arc<dyn Directory>,
    records: Vec<Vec<u8>>,
    /// The end of each record.
    ends: Vec<Position>,
}

/// A record of so many samples, about ten bytes each.
fn samples_record(seed: usize, n_samples: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let sample = |i: u64| RefSample {
        series: SeriesRef(i + 1),
        t: T + i64::try_from(seed).expect("small"),
        v: (seed as f64 + 0.3) * (i as f64 + 0.7),
    };
    record::put_samples(&mut out, (0..n_samples).map(sample));
    out
}

impl Log {
    /// Writes records of so many samples, in segments of four pages; a zero begins a new segment.
    fn new(n_samples: &[u64], compression: Compression) -> Self {
        let disk = CrashingDirectory::new(1);
        let directory: Arc<dyn Directory> = Arc::new(disk.clone());
        let mut writer = open(&directory, Options { segment_bytes: 4 * PAGE, compression });
        let (mut records, mut ends) = (Vec::new(), Vec::new());
        for (i, n) in n_samples.iter().enumerate() {
            if *n == 0 {
                writer.cut().expect("cuts");
                continue;
            }
            let record = samples_record(i, *n);
            writer.log(&[&record]).expect("writes");
            records.push(record);
            ends.push(writer.progress().end());
        }
        drop(writer);
        Self { disk, directory, records, ends }
    }

    fn bytes(&self, n: u32) -> Vec<u8> {
        self.directory.read(&segment::path(Path::new(WAL), n)).expect("reads")
    }

    fn set_bytes(&self, n: u32, bytes: &[u8]) {
        let mut file = self.directory.create(&segment::path(Path::new(WAL), n)).expect("creates");
        file.write_all(bytes).expect("writes");
    }

    /// Reads all, repairing what is bad, or passing over it.
    fn read(&self, is_repaired: bool) -> (Vec<Vec<u8>>, Vec<Lost>) {
        let folder = Path::new(WAL);
        let numbers = segment::list(self.directory.as_ref(), folder).expect("lists");
        let last = *numbers.last().expect("a segment");
        let (mut all, mut lost) = (Vec::new(), Vec::new());
        let mut from = Position { segment: numbers[0], offset: 0 };
        for _ in 0..1000 {
            let mut reader = Reader::from(Arc::clone(&self.directory), folder, from, last);
            let Some(bad) = read_to_damage(&mut reader, &mut all) else { return (all, lost) };
            assert!(from <= bad, "{bad} is before {from}");
            drop(reader);
            from = if is_repaired {
                lost.push(repair(self.directory.as_ref(), folder, bad).expect("repairs"));
                bad
            } else {
                skip(self.directory.as_ref(), folder, bad).expect("reads")
            };
        }
        panic!("the damage never ends");
    }

    /// The number of good records in front of a place.
    fn n_before(&self, at: Position) -> usize {
        self.ends.iter().take_while(|end| **end <= at).count()
    }
}

fn open(directory: &Arc<dyn Directory>, options: Options) -> Writer {
    let clock = Arc::new(SystemClock::default());
    Writer::open(Arc::clone(directory), Path::new(WAL), options, clock, Metrics::default())
        .expect("opens")
}

/// Records that decode, up to the first place that is bad.
fn read_to_damage(reader: &mut Reader, all: &mut Vec<Vec<u8>>) -> Option<Position> {
    loop {
        match reader.next() {
            Ok(None) => return None,
            Ok(Some(it)) => {
                if record::check(it.bytes).is_err() {
                    return Some(Position { segment: it.segment, offset: it.offset });
                }
                all.push(it.bytes.to_vec());
            }
            Err(ReadError::Corrupt { segment, offset, .. }) => {
                return Some(Position { segment, offset });
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Asides in the folder, by name.
fn asides(log: &Log) -> Vec<String> {
    let entries = log.directory.list(Path::new(WAL)).expect("lists");
    entries.into_iter().map(|it| it.name).filter(|it| it.ends_with(".corrupt")).collect()
}

#[test]
fn a_tail_torn_anywhere_costs_one_record() {
    // The last one is two fragments long.
    let log = Log::new(&[1, 1, 1, 4000], Compression::None);
    let whole = log.bytes(0);
    let good = log.ends[2].offset;
    let good_len = usize::try_from(good).expect("fits");
    let cuts = (0..good_len + 60).chain(32_760..32_785).chain(whole.len() - 20..whole.len());
    for cut in cuts {
        log.set_bytes(0, &whole[..cut]);
        let n_whole = log.n_before(Position { segment: 0, offset: cut as u64 });
        let end = n_whole.checked_sub(1).map_or(0, |last| log.ends[last].offset);
        let n_torn = cut as u64 - end;
        assert_eq!(log.read(false).0, log.records[..n_whole], "cut at {cut}");
        let (read, lost) = log.read(true);
        assert_eq!(read, log.records[..n_whole], "cut at {cut}");
        if n_torn == 0 {
            assert_eq!(lost, [], "cut at {cut}");
            continue;
        }
        let [Lost { at, bytes, n_saved: 0, aside: Some(aside) }] = &lost[..] else {
            panic!("cut at {cut}: {lost:?}")
        };
        assert_eq!((*at, *bytes), (Position { segment: 0, offset: end }, n_torn), "cut at {cut}");
        let aside = log.directory.read(aside).expect("is kept");
        assert_eq!(aside, whole[..cut], "cut at {cut}");
        assert_eq!(log.bytes(0).len() as u64 % PAGE, 0);
        let (read, lost) = log.read(true);
        assert!(read == log.records[..n_whole] && lost.is_empty(), "cut at {cut}: {lost:?}");
    }
}

/// Whatever bit is wrong, records that do not touch its page are kept, and nothing is made up.
#[test]
fn a_wrong_bit_costs_its_page_at_most() {
    let n_samples = [5, 5, 300, 40, 3000, 1, 5, 2000, 3, 400, 0, 7, 4000, 9, 0, 1, 1];
    for compression in [Compression::None, Compression::Snappy, Compression::Zstd] {
        let log = Log::new(&n_samples, compression);
        let segments: Vec<Vec<u8>> = (0..3).map(|n| log.bytes(n)).collect();
        let mut n_flipped = 0;
        for (n, whole) in (0..).zip(&segments) {
            // All bytes of the headers that are near, then some of the rest.
            let places = (0..90)
                .chain((90..whole.len()).step_by(613))
                .chain(PAGE as usize..PAGE as usize + 9);
            for at in places.filter(|at| *at < whole.len()) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << (at % 8);
                log.set_bytes(n, &bytes);
                check_flipped(&log, Position { segment: n, offset: at as u64 });
                log.set_bytes(n, whole);
                n_flipped += 1;
            }
        }
        assert!(100 < n_flipped, "{n_flipped}");
    }
}

fn check_flipped(log: &Log, at: Position) {
    let passed_over = log.read(false).0;
    let (read, lost) = log.read(true);
    assert_eq!(passed_over, read, "bit at {at}");
    let (again, more) = log.read(true);
    assert!(again == read && more.is_empty(), "bit at {at}: {more:?}");
    assert!(asides(log).len() <= 8);
    let page = at.offset / PAGE;
    let mut kept = read.iter().filter(|it| record::split(it).is_some()).peekable();
    for (i, record) in log.records.iter().enumerate() {
        if kept.next_if(|it| *it == record).is_some() {
            continue;
        }
        let start = i.checked_sub(1).map(|before| log.ends[before]).unwrap_or_default();
        let start = if start.segment == log.ends[i].segment { start.offset } else { 0 };
        let pages = start / PAGE..=log.ends[i].offset / PAGE;
        assert!(
            log.ends[i].segment == at.segment && pages.contains(&page),
            "bit at {at}: lost record {i}, {lost:?}"
        );
    }
    assert_eq!(kept.next(), None, "bit at {at}: a record that was never written");
}

#[test]
fn what_is_behind_the_damage_is_kept() {
    let log = Log::new(&[3, 3, 3, 0, 3, 0, 3], Compression::None);
    let mut bytes = log.bytes(0);
    let bad = usize::try_from(log.ends[0].offset).expect("small");
    bytes[bad + 20] ^= 1;
    log.set_bytes(0, &bytes);
    let (read, lost) = log.read(true);
    let expected = [&log.records[..1], &log.records[2..]].concat();
    assert_eq!(read, expected);
    let [lost] = &lost[..] else { panic!("{lost:?}") };
    assert_eq!((lost.at, lost.n_saved), (log.ends[0], 1));
    assert_eq!(lost.bytes, log.ends[1].offset - log.ends[0].offset);
    assert_eq!(lost.aside.as_deref(), Some(Path::new("wal/00000000-0000000000.corrupt")));
    assert_eq!(
        log.directory.read(Path::new("wal/00000000-0000000000.corrupt")).expect("reads"),
        bytes
    );
    assert_eq!(log.bytes(0).len() as u64, PAGE, "a finished segment is whole pages");
    assert!(!log.directory.exists(Path::new("wal/00000000.repair")).expect("looks"));
    // The names beside do not disturb the sequence.
    assert_eq!(segment::list(log.directory.as_ref(), Path::new(WAL)).expect("lists"), [0, 1, 2]);
    assert_eq!(open(&log.directory, Options::default()).segment(), 3);
}

/// A checksum that is right over bytes that are not: whoever wrote them was wrong.
#[test]
fn records_that_do_not_decode_are_taken_out() {
    let log = Log::new(&[3], Compression::None);
    let mut writer = open(&log.directory, Options::default());
    let good = samples_record(1, 3);
    let bad = &good[..good.len() - 1];
    let unknown = [200, 1, 2, 3];
    writer.log(&[&good, bad, &unknown, bad, &good]).expect("writes");
    writer.close().expect("closes");
    let expected = [&log.records[0][..], &good, &unknown, &good];
    assert_eq!(log.read(false).0, expected);
    let (read, lost) = log.read(true);
    assert_eq!(read, expected);
    let [lost] = &lost[..] else { panic!("one repair sees to all: {lost:?}") };
    assert_eq!(lost.n_saved, 2);
    assert_eq!(log.read(true), (read, Vec::new()));
}

#[test]
fn empty_segments_and_zeros_are_no_damage() {
    let log = Log::new(&[3, 0, 3], Compression::None);
    let whole = log.bytes(0);
    for zeros in [0, 1, 6, 7, 8, 40_000] {
        // As if the rest of the page, or some pages, had been set aside and not written.
        let end = usize::try_from(log.ends[0].offset).expect("small");
        log.set_bytes(0, &[&whole[..end], &vec![0; zeros]].concat());
        assert_eq!(log.read(true), (log.records.clone(), Vec::new()), "{zeros} zeros");
    }
    log.set_bytes(0, &[]);
    assert_eq!(log.read(true), (log.records[1..].to_vec(), Vec::new()));
}

#[test]
fn a_missing_segment_is_an_error_that_changes_nothing() {
    let log = Log::new(&[3, 0, 3, 0, 3], Compression::None);
    log.directory.remove_file(Path::new("wal/00000001")).expect("removes");
    let error = segment::list(log.directory.as_ref(), Path::new(WAL)).expect_err("is missing");
    assert_eq!(error.to_string(), "segments are not sequential");
    let mut reader = Reader::new(Arc::clone(&log.directory), Path::new(WAL), 0..=2);
    assert!(reader.next().expect("reads").is_some());
    assert!(matches!(reader.next(), Err(ReadError::Io { segment: 1, .. })));
}

/// Lengths that lie cost no memory.
#[test]
fn lengths_beyond_reason_are_damage() {
    let log = Log::new(&[3], Compression::None);
    let frame = |kind: u8, data: &[u8]| {
        let len = u16::try_from(data.len()).expect("short").to_be_bytes();
        [&[kind][..], &len, &crc32c::crc32c(data).to_be_bytes(), data].concat()
    };
    let whole = log.bytes(0);
    // A snappy block of 900 MB in nine bytes; a fragment longer than its page.
    let snappy = frame(9, &[0x80, 0xd2, 0x93, 0xad, 3, 0xfe, 0xff, 0xff, 0]);
    let long = [1, 0xff, 0xff, 0, 0, 0, 0, 1, 1];
    for bad in [&snappy[..], &long] {
        let end = usize::try_from(log.ends[0].offset).expect("small");
        log.set_bytes(0, &[&whole[..end], bad].concat());
        let (read, lost) = log.read(true);
        assert_eq!((read, lost.len()), (log.records.clone(), 1));
        assert_eq!(lost[0].bytes, bad.len() as u64);
    }
}

#[test]
fn the_newest_damage_is_kept_aside_and_not_all_of_it() {
    let log = Log::new(&[3], Compression::None);
    for i in 1..20 {
        let mut writer = open(&log.directory, Options::default());
        writer.log(&[&samples_record(i, 3)]).expect("writes");
        let n = writer.segment();
        drop(writer);
        let bytes = log.bytes(n);
        log.set_bytes(n, &bytes[..bytes.len() - 1]);
        assert_eq!(log.read(true).1.len(), 1);
    }
    let expected: Vec<String> = (12..20).map(|n| format!("{n:08}-0000000000.corrupt")).collect();
    assert_eq!(asides(&log), expected);
}

#[test]
fn without_room_the_damage_is_given_up_and_the_log_goes_on() {
    let log = Log::new(&[3, 3], Compression::None);
    let whole = log.bytes(0);
    log.set_bytes(0, &whole[..whole.len() - 1]);
    log.disk.set_capacity(log.disk.used() + 10);
    let lost = repair(&log.disk, Path::new(WAL), log.ends[0]).expect("repairs");
    assert_eq!((lost.n_saved, lost.aside), (0, None));
    assert_eq!(log.read(true), (log.records[..1].to_vec(), Vec::new()));
    assert!(asides(&log).is_empty());

    // What is behind the damage needs room; without it, nothing changes.
    let log = Log::new(&[3, 3, 3], Compression::None);
    let mut bytes = log.bytes(0);
    bytes[usize::try_from(log.ends[0].offset).expect("small") + 20] ^= 1;
    log.set_bytes(0, &bytes);
    let used = log.disk.used();
    log.disk.set_capacity(used + PAGE - 1);
    repair(&log.disk, Path::new(WAL), log.ends[0]).expect_err("has no room");
    assert_eq!((log.bytes(0), log.disk.used()), (bytes, used));
    // Room for the log, but not for the damage as well.
    log.disk.set_capacity(used + PAGE);
    let lost = repair(&log.disk, Path::new(WAL), log.ends[0]).expect("repairs");
    assert_eq!((lost.n_saved, lost.aside), (1, None));
    let expected = [&log.records[..1], &log.records[2..]].concat();
    assert_eq!(log.read(true), (expected, Vec::new()));
}

#[test]
fn markers_are_checked_too() {
    let mut out = Vec::new();
    record::start(Kind::MmapMarkers, &mut out);
    record::put_mmap_marker(&mut out, record::MmapMarker { series: SeriesRef(1), chunk: 2 });
    assert_eq!(record::check(&out), Ok(()));
    assert!(record::check(&out[..9]).is_err());
}
