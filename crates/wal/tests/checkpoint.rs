//! Checkpoints: what they keep.

#[path = "support/folding.rs"]
mod folding;

use std::path::Path;

use folding::*;
use model::{Histogram, Labels, Metadata, SeriesRef, Span};
use testkit::CrashingDirectory;
use wal::record::{self, Kind, RefExemplar, RefHistogram, RefSample, Tombstone};
use wal::{Writer, checkpoint};

fn samples_v2_record(samples: &[(RefSample, i64)]) -> Vec<u8> {
    let mut out = Vec::new();
    record::put_samples_v2(&mut out, samples.iter().copied());
    out
}

fn metadata_record(all: &[(u64, &str)]) -> Vec<u8> {
    let mut out = Vec::new();
    record::start(Kind::Metadata, &mut out);
    for (series, help) in all {
        let it = Metadata { help: (*help).to_owned(), ..Metadata::default() };
        record::put_metadata(&mut out, SeriesRef(*series), &it);
    }
    out
}

fn tombstones_record(all: &[(u64, i64)]) -> Vec<u8> {
    let mut out = Vec::new();
    record::start(Kind::Tombstones, &mut out);
    for (series, maxt) in all {
        let it = Tombstone { series: SeriesRef(*series), mint: i64::MIN, maxt: *maxt };
        record::put_tombstone(&mut out, it);
    }
    out
}

fn exemplars_record(all: &[(u64, i64)]) -> Vec<u8> {
    let labels = Labels::from_pairs([("trace_id", "abc")]);
    let exemplar = |(series, after): &(u64, i64)| RefExemplar {
        series: SeriesRef(*series),
        t: T + after,
        v: 0.5,
        labels: labels.clone(),
    };
    let all: Vec<RefExemplar> = all.iter().map(exemplar).collect();
    let mut out = Vec::new();
    record::put_exemplars(&mut out, &all);
    out
}

fn histogram(schema: i32) -> Histogram {
    Histogram {
        schema,
        count: 3,
        sum: 1.0,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_deltas: vec![3],
        custom_values: if schema == -53 { vec![1.0] } else { Vec::new() },
        ..Histogram::default()
    }
}

/// Exponential and custom records of histograms so many milliseconds after, and both as one.
fn histogram_records(all: &[(i64, i32, i64)]) -> [Vec<u8>; 3] {
    let entry = |(after, schema, st): &(i64, i32, i64)| RefHistogram {
        series: SeriesRef(2),
        t: T + after,
        st: *st,
        histogram: histogram(*schema),
    };
    let all: Vec<_> = all.iter().map(entry).collect();
    let [mut exponential, mut custom, mut both] = <[Vec<u8>; 3]>::default();
    let borrowed = || all.iter().map(RefHistogram::as_ref);
    record::put_histograms(&mut exponential, &mut custom, borrowed());
    record::put_histograms_v2(&mut both, borrowed());
    [exponential, custom, both]
}

fn log_all(writer: &mut Writer, records: &[Vec<u8>]) {
    for it in records {
        writer.log(&[it]).expect("writes");
    }
}

#[test]
fn a_checkpoint_keeps_what_is_needed_of_every_kind() {
    let directory = shared(&CrashingDirectory::new(1));
    let mut writer = open(&directory);
    let [exponential, custom, _] = histogram_records(&[(9, 1, 0), (10, 1, 0), (11, -53, 0)]);
    let [_, _, with_start] = histogram_records(&[(9, 2, T), (12, 2, T), (13, -53, T)]);
    let mut marker = Vec::new();
    record::start(Kind::MmapMarkers, &mut marker);
    record::put_mmap_marker(&mut marker, record::MmapMarker { series: SeriesRef(2), chunk: 1 });
    let records = [
        metadata_record(&[(2, "old"), (1, "gone"), (3, "only")]),
        series_record(&[1, 2, 3]),
        samples_record(&[sample(2, 9), sample(1, 10), sample(2, 11)]),
        samples_record(&[sample(2, 8)]),
        tombstones_record(&[(2, T + 9), (2, T + 10), (1, i64::MAX), (3, i64::MAX)]),
        exemplars_record(&[(2, 9), (3, 10)]),
        exponential,
        custom,
        marker,
        vec![250, 1, 2, 3],
        metadata_record(&[(2, "new")]),
        samples_v2_record(&[(sample(2, 9), T), (sample(2, 14), T - 5), (sample(3, 14), 0)]),
        with_start,
    ];
    log_all(&mut writer, &records);
    writer.cut().expect("cuts");
    checkpoint::create(&request(&directory, 0)).expect("folds");
    let [kept, kept_custom, _] = histogram_records(&[(10, 1, 0), (11, -53, 0)]);
    let [kept_later, kept_later_custom, _] = histogram_records(&[(12, 2, 0), (13, -53, 0)]);
    let last = metadata_record(&[(2, "new"), (3, "only")]);
    let expected = [
        series_record(&[2, 3]),
        samples_record(&[sample(1, 10), sample(2, 11)]),
        tombstones_record(&[(2, T + 10), (3, i64::MAX)]),
        exemplars_record(&[(3, 10)]),
        kept,
        kept_custom,
        samples_record(&[sample(2, 14), sample(3, 14)]),
        kept_later,
        kept_later_custom,
        last.clone(),
    ];
    assert_eq!(read_checkpoint(&directory), expected);

    // The next one is made of this one, here as it is with start times.
    writer.remove_below(1).expect("removes");
    log_all(
        &mut writer,
        &[samples_v2_record(&[(sample(2, 20), T + 1)]), metadata_record(&[(2, "newest")])],
    );
    writer.cut().expect("cuts");
    let with_start = checkpoint::Request { start_times: true, ..request(&directory, 1) };
    checkpoint::create(&with_start).expect("folds");
    checkpoint::remove_before(directory.as_ref(), Path::new(WAL), 1).expect("removes");
    let [_, _, newer] = histogram_records(&[(10, 1, 0)]);
    let [_, _, newer_custom] = histogram_records(&[(11, -53, 0)]);
    let read = read_checkpoint(&directory);
    assert_eq!(read[1], samples_v2_record(&[(sample(1, 10), 0), (sample(2, 11), 0)]));
    assert_eq!((&read[4], &read[5]), (&newer, &newer_custom));
    assert_eq!(read[9], samples_v2_record(&[(sample(2, 20), T + 1)]));
    assert_eq!(read[10..], [metadata_record(&[(2, "newest"), (3, "only")])]);
    // Folding the same again changes nothing.
    assert_eq!(checkpoint::create(&request(&directory, 1)).expect("is there").index, 1);
    assert_eq!(read_checkpoint(&directory), read);
}

#[test]
fn a_gap_before_the_log_ends_the_folding() {
    let directory = shared(&CrashingDirectory::new(1));
    let mut writer = open(&directory);
    for _ in 0..4 {
        writer.log(&[&series_record(&[2])]).expect("writes");
        writer.cut().expect("cuts");
    }
    checkpoint::create(&request(&directory, 0)).expect("folds");
    writer.remove_below(2).expect("removes");
    let error = checkpoint::create(&request(&directory, 2)).expect_err("segment 1 is missing");
    assert_eq!(error.to_string(), "create checkpoint: unexpected gap to last checkpoint");
}

#[test]
fn a_corrupt_record_is_named() {
    let directory = shared(&CrashingDirectory::new(1));
    let mut writer = open(&directory);
    let record = series_record(&[2]);
    writer.log(&[&record, &record[..record.len() - 1]]).expect("writes");
    writer.cut().expect("cuts");
    let error = checkpoint::create(&request(&directory, 0)).expect_err("does not decode");
    let text = error.to_string();
    assert!(text.starts_with("create checkpoint: corruption in segment 00000000 at "), "{text}");
    assert!(text.ends_with("record ends within an entry"), "{text}");
}
