//! The log as a whole: known bytes, round trips, torn tails, full disks.

#[path = "support/full_disk.rs"]
mod full_disk;

use std::path::Path;
use std::sync::Arc;

use full_disk::FullDisk;
use model::{Labels, SeriesRef};
use proptest::prelude::*;
use stdx::{Directory, SystemClock, SystemDirectory};
use wal::record::{self, Kind, RefSample};
use wal::{Compression, Metrics, Options, ReadError, Reader, Writer, segment};

const T: i64 = 1_700_000_000_000;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair =
        |it: &[u8]| u8::from_str_radix(std::str::from_utf8(it).expect("ascii"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

fn folder() -> (tempfile::TempDir, Arc<dyn Directory>) {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let directory = Arc::new(SystemDirectory::new(dir.path()));
    (dir, directory)
}

fn open(directory: &Arc<dyn Directory>, options: Options) -> Writer {
    let clock = Arc::new(SystemClock::default());
    Writer::open(Arc::clone(directory), Path::new("wal"), options, clock, Metrics::default())
        .expect("opens")
}

fn read_all(directory: &Arc<dyn Directory>, folder: &str) -> (Vec<Vec<u8>>, Option<ReadError>) {
    let numbers = segment::list(directory.as_ref(), Path::new(folder)).expect("lists");
    let (Some(first), Some(last)) = (numbers.first(), numbers.last()) else {
        return (Vec::new(), None);
    };
    let mut reader = Reader::new(Arc::clone(directory), Path::new(folder), *first..=*last);
    let mut all = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(record)) => all.push(record.bytes.to_vec()),
            Ok(None) => return (all, None),
            Err(error) => return (all, Some(error)),
        }
    }
}

fn series_record(series: u64, labels: &Labels) -> Vec<u8> {
    let mut out = Vec::new();
    record::start(Kind::Series, &mut out);
    record::put_series(&mut out, SeriesRef(series), labels);
    out
}

fn samples_record(samples: &[(u64, i64, f64)]) -> Vec<u8> {
    let mut out = Vec::new();
    record::put_samples(
        &mut out,
        samples.iter().map(|(r, t, v)| RefSample { series: SeriesRef(*r), t: *t, v: *v }),
    );
    out
}

#[test]
fn writes_known_bytes() {
    let (dir, directory) = folder();
    let mut writer =
        open(&directory, Options { compression: Compression::None, ..Options::default() });
    let labels = Labels::from_pairs([("__name__", "m"), ("a", "x")]);
    let samples = samples_record(&[(1, T, 1.0), (1, T + 15_000, 2.0)]);
    writer.log(&[&series_record(1, &labels), &samples]).expect("writes");
    let expected = hex(
        "01 0019 fbae88b7   01 0000000000000001 02 08 5f5f6e616d655f5f 01 6d 01 61 01 78
         01 0027 42d27d67   02 0000000000000001 0000018bcfe56800  00 00 3ff0000000000000  00 b0ea01 4000000000000000",
    );
    assert_eq!(std::fs::read(dir.path().join("wal/00000000")).expect("reads"), expected);
    writer.close().expect("closes");
    let padded = std::fs::read(dir.path().join("wal/00000000")).expect("reads");
    assert_eq!((padded.len(), &padded[..expected.len()]), (32 << 10, &expected[..]));
    assert_eq!(
        open(&directory, Options::default()).segment(),
        1,
        "a log is opened with a new segment"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn records_of_any_size_come_back(
        sizes in prop::collection::vec(prop_oneof![0usize..200, 30_000usize..70_000, Just(32_761), Just(32_754)], 1..40),
        compression in prop_oneof![Just(Compression::None), Just(Compression::Snappy), Just(Compression::Zstd)],
        batch in 1usize..5,
    ) {
        let (_dir, directory) = folder();
        let mut writer = open(&directory, Options { segment_bytes: 128 << 10, compression });
        let mut seed = 1u32;
        let records: Vec<Vec<u8>> = sizes
            .iter()
            .map(|n| (0..*n).map(|_| { seed = seed.wrapping_mul(1_664_525).wrapping_add(12_345); seed.to_be_bytes()[0] & 0x3f }).collect())
            .collect();
        for group in records.chunks(batch) {
            let group: Vec<&[u8]> = group.iter().map(|it| &it[..]).collect();
            writer.log(&group).expect("writes");
        }
        writer.close().expect("closes");
        let (read, error) = read_all(&directory, "wal");
        prop_assert!(error.is_none(), "{:?}", error);
        prop_assert_eq!(read, records);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..4) {
        let (dir, directory) = folder();
        std::fs::create_dir(dir.path().join("wal")).expect("creates");
        let mut all = Vec::new();
        // A frame with a right checksum, so that what is inside gets read as well.
        if 0 < at && !bytes.is_empty() {
            all.push([1, 9, 17][at - 1]);
            all.extend_from_slice(&u16::try_from(bytes.len()).expect("short").to_be_bytes());
            all.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        }
        all.extend_from_slice(&bytes);
        std::fs::write(dir.path().join("wal/00000000"), all).expect("writes");
        let _ = read_all(&directory, "wal");
    }
}

/// The log of out-of-order samples: the same files in another folder, under other names of metrics.
#[test]
fn the_out_of_order_log_is_cut_and_removed_from_below() {
    let (_dir, directory) = folder();
    let registry = client::Registry::default();
    let metrics = Metrics::register_out_of_order(&registry);
    let open = || {
        let metrics = metrics.clone();
        let clock = Arc::new(SystemClock::default());
        let shared = Arc::clone(&directory);
        Writer::open(shared, Path::new("wbl"), Options::default(), clock, metrics).expect("opens")
    };
    let mut writer = open();
    let mut marker = Vec::new();
    record::start(Kind::MmapMarkers, &mut marker);
    record::put_mmap_marker(&mut marker, record::MmapMarker { series: SeriesRef(1), chunk: 8 });
    writer.log(&[&marker, &samples_record(&[(1, T, 1.0); 50])]).expect("writes");
    assert_eq!(writer.cut_synced().expect("cuts"), 1);
    let later = samples_record(&[(1, T + 1, 2.0)]);
    writer.log(&[&later]).expect("writes");
    writer.remove_below(1).expect("removes");
    writer.close().expect("closes");
    assert_eq!(read_all(&directory, "wbl").0, [later]);
    assert_eq!(open().segment(), 2);
    let page = client::text_page(&registry);
    let has = |line: &str| page.lines().any(|it| it == line);
    assert!(has("prometheus_tsdb_out_of_order_wbl_record_part_writes_total 3"), "{page}");
    assert!(has("prometheus_tsdb_out_of_order_wbl_segment_current 2"), "{page}");
    let saved =
        "prometheus_tsdb_out_of_order_wbl_record_bytes_saved_total{compression=\"snappy\"} ";
    let saved = page.lines().find_map(|it| it.strip_prefix(saved)).expect("is there");
    assert!(400.0 < saved.parse::<f64>().expect("a number"), "{page}");
}

#[test]
fn a_full_disk_costs_only_what_was_refused() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let disk = FullDisk::new(dir.path(), 100_000);
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let options = Options { segment_bytes: 64 << 10, compression: Compression::None };
    let mut writer = open(&directory, options);
    let record =
        |i: i64| samples_record(&(0..300).map(|r| (r + 1, T + i, 1.5)).collect::<Vec<_>>());
    let mut kept = Vec::new();
    let mut refused = 0;
    for i in 0..60 {
        if i == 40 {
            disk.refuse_cuts(true);
        }
        if i == 45 {
            disk.set_room(1 << 20);
        }
        if i == 50 {
            disk.refuse_cuts(false);
        }
        // Two records a batch: sometimes the first fits and the second does not.
        match writer.log(&[&record(2 * i), &record(2 * i + 1)]) {
            Ok(()) => kept.extend([record(2 * i), record(2 * i + 1)]),
            Err(error) => {
                refused += 1;
                assert!(error.to_string().starts_with("write log segment 0000000"), "{error}");
                disk.make_room(100);
            }
        }
    }
    assert!(20 < kept.len() && 5 < refused, "{} kept, {refused} refused", kept.len());
    drop(writer);
    let (read, error) = read_all(&directory, "wal");
    assert!(error.is_none(), "{error:?}");
    assert_eq!(read, kept);
}
