//! Chunk snapshots: known bytes, there and back, found and removed.

use std::path::Path;
use std::sync::Arc;

use model::{FloatHistogram, Histogram, Labels, SeriesRef};
use proptest::prelude::*;
use stdx::{Directory, SystemClock};
use testkit::CrashingDirectory;
use wal::record::{RefExemplar, Tombstone};
use wal::snapshot::{self, Build, Entry, Last, NewestChunk, SeriesEntry};
use wal::{Options, Position};

const T: i64 = 1_700_000_000_000;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    let pair =
        |it: &[u8]| u8::from_str_radix(std::str::from_utf8(it).expect("ascii"), 16).expect("hex");
    digits.chunks(2).map(pair).collect()
}

fn entry(chunk: Option<NewestChunk<'_>>) -> SeriesEntry<'_> {
    let labels = Labels::from_pairs([("__name__", "m"), ("a", "x")]);
    SeriesEntry { series: SeriesRef(1), labels, chunk }
}

fn newest(encoding: u8, data: &[u8], last: Last) -> NewestChunk<'_> {
    NewestChunk { mint: T, maxt: T + 15_000, encoding, data, last }
}

fn check(it: &SeriesEntry<'_>) -> Vec<u8> {
    let mut out = vec![9];
    snapshot::put_series(&mut out, it);
    assert_eq!(snapshot::decode(&out), Ok(Entry::Series(it.clone())));
    for cut in 0..out.len() {
        assert!(snapshot::decode(&out[..cut]).is_err(), "cut at {cut}");
    }
    out
}

#[test]
fn series_have_known_bytes() {
    let start = "01 0000000000000001 02 08 5f5f6e616d655f5f 01 6d 01 61 01 78  0000000000000000";
    assert_eq!(check(&entry(None)), [hex(start), vec![0]].concat());
    let expected = format!(
        "{start} 01 0000018bcfe56800 0000018bcfe5a298 01 03 0a0b0c
         0000000000000000 0000000000000000 0000000000000000 0000000000000000
         0000000000000000 0000000000000000 0000000000000000 4000000000000000"
    );
    let bytes = check(&entry(Some(newest(1, &[10, 11, 12], Last::Float(2.0)))));
    assert_eq!(bytes, hex(&expected));
    check(&entry(Some(newest(4, &[], Last::Float(-0.5)))));
    for encoding in [2, 5] {
        let last = Last::Histogram(Histogram { count: 3, ..Histogram::default() });
        check(&entry(Some(newest(encoding, &[1], last))));
    }
    for encoding in [3, 6] {
        let last = Last::FloatHistogram(FloatHistogram { count: 3.5, ..FloatHistogram::default() });
        check(&entry(Some(newest(encoding, &[1], last))));
    }
}

#[test]
fn tombstones_and_exemplars_have_known_bytes() {
    let stone = Tombstone { series: SeriesRef(3), mint: T, maxt: T + 15_000 };
    let mut out = vec![9];
    snapshot::put_tombstones(&mut out, [stone]);
    assert_eq!(out, hex("02 0e 01 03 80a0abfef962 b08aadfef962"));
    assert_eq!(snapshot::decode(&out), Ok(Entry::Tombstones(vec![stone])));
    snapshot::put_tombstones(&mut out, []);
    assert_eq!(
        (&out[..], snapshot::decode(&out)),
        (&[2, 1, 1][..], Ok(Entry::Tombstones(Vec::new())))
    );

    let labels = Labels::from_pairs([("id", "x")]);
    let exemplar = RefExemplar { series: SeriesRef(1), t: T, v: 1.0, labels };
    snapshot::put_exemplars(&mut out, [&exemplar]);
    let expected = "03 0000000000000001 0000018bcfe56800 00 00 3ff0000000000000 01 02 6964 01 78";
    assert_eq!(out, hex(expected));
    assert_eq!(snapshot::decode(&out), Ok(Entry::Exemplars(vec![exemplar])));

    for bad in [&[4][..], &[0], &[], &[2, 2, 2, 0], &[2, 1, 1, 0]] {
        assert!(snapshot::decode(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn the_newest_is_found_and_the_others_go() {
    let disk = CrashingDirectory::new(3);
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let root = Path::new("");
    assert_eq!(snapshot::last(directory.as_ref(), root).expect("lists"), None);
    let build = |segment, offset| {
        let (shared, clock) = (Arc::clone(&directory), Arc::new(SystemClock::default()));
        let at = Position { segment, offset };
        Build::new(shared, root, at, Options::default(), clock).expect("begins")
    };
    let record = check(&entry(None));
    let mut found = None;
    for (segment, offset) in [(9, 65_536), (10, 0), (10, 32_768)] {
        let mut build = build(segment, offset);
        build.log(&[&record, &record]).expect("writes");
        found = Some(build.finish().expect("finishes"));
    }
    let found = found.expect("made above");
    assert_eq!(found.folder, Path::new("chunk_snapshot.000010.0000032768"));
    drop(build(11, 0));
    assert_eq!(snapshot::last(directory.as_ref(), root).expect("lists").as_ref(), Some(&found));
    let mut reader = snapshot::open(Arc::clone(&directory), &found).expect("opens");
    for _ in 0..2 {
        let read = reader.next().expect("reads").expect("is there").bytes;
        assert_eq!(read, record);
    }
    assert!(reader.next().expect("reads").is_none());
    drop(reader);
    snapshot::remove_before(directory.as_ref(), root, found.at).expect("removes");
    let names = |disk: &CrashingDirectory| -> Vec<String> {
        disk.list(root).expect("lists").into_iter().map(|it| it.name).collect()
    };
    assert_eq!(names(&disk), ["chunk_snapshot.000010.0000032768"]);
    let all = Position { segment: u32::MAX, offset: u64::MAX };
    snapshot::remove_before(directory.as_ref(), root, all).expect("removes");
    assert_eq!(names(&disk), [""; 0]);
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(kind in 0u8..5, mut bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        bytes.insert(0, kind);
        let _ = snapshot::decode(&bytes);
    }

    /// Past the labels, where random bytes rarely come.
    #[test]
    fn no_chunk_makes_the_decoder_panic(encoding in 0u8..8, bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        let mut record = Vec::new();
        snapshot::put_series(&mut record, &entry(Some(newest(1, &[], Last::Float(0.0)))));
        record.truncate(record.len() - 66);
        record.push(encoding);
        record.push(0);
        record.extend(bytes);
        let _ = snapshot::decode(&record);
    }
}
