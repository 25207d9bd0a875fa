//! Series of several kinds of samples, merged and trimmed.

use std::collections::BTreeMap;
use std::path::Path;

use block::{Interval, Tombstones};
use chunk::{Encoding, Purpose, Rebuilder, Sample, Value};
use model::{Histogram, Span};
use proptest::prelude::*;
use stdx::SystemDirectory;

use super::*;
use crate::source::SourceSeries;

/// One series, in runs of samples that are chunks of their own.
struct RunsSource(Option<Vec<Vec<Sample>>>);

impl SeriesSource for RunsSource {
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        Box::new(["a", "x"].into_iter().map(str::as_bytes))
    }

    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, Error> {
        let Some(runs) = self.0.take() else { return Ok(false) };
        out.labels.push((0, 1));
        for run in runs {
            let mut rebuilder = Rebuilder::new(Purpose::OutOfOrder);
            run.iter().for_each(|it| rebuilder.push(it));
            for it in rebuilder.finish() {
                out.push_chunk(it.mint, it.maxt, it.chunk.as_data());
            }
        }
        Ok(true)
    }
}

fn write(dir: &SystemDirectory, number: u128, runs: Vec<Vec<Sample>>) -> Meta {
    let mut meta = Meta::new(Ulid::new(0, number), 0, 1000);
    meta.compaction.level = 1;
    meta.compaction.sources = vec![meta.ulid];
    let mut sources: [Box<dyn SeriesSource>; 1] = [Box::new(RunsSource(Some(runs)))];
    write_block(dir, meta, 1 << 20, &mut sources).unwrap().unwrap()
}

/// The chunks of the one series: encoding, and samples.
fn read(dir: &SystemDirectory, ulid: Ulid) -> Vec<(Encoding, Vec<Sample>)> {
    let mut source = BlockSource::open(dir, Path::new(&ulid.to_string())).unwrap();
    let mut series = SourceSeries::default();
    let mut last = i64::MIN;
    let mut chunks = Vec::new();
    assert!(source.next_series(&mut series).unwrap());
    for (it, data) in series.chunks() {
        let mut samples = Vec::new();
        chunk::decode_samples(data, i64::MIN, i64::MAX, &mut samples).unwrap();
        assert!(last < it.mint && it.mint <= it.maxt);
        assert_eq!((samples[0].t, samples.last().unwrap().t), (it.mint, it.maxt));
        last = it.maxt;
        chunks.push((data.encoding, samples));
    }
    chunks
}

fn histogram(n: i64) -> Histogram {
    Histogram {
        count: n.cast_unsigned() * 2 + 3,
        sum: 1.5,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_deltas: vec![n + 1, 1],
        ..Histogram::default()
    }
}

fn sample(kind: u8, st: i64, t: i64) -> Sample {
    let value = match kind {
        0 => Value::Float(t as f64),
        1 => Value::Histogram(histogram(t)),
        _ => Value::FloatHistogram(histogram(t).to_float()),
    };
    Sample { st, t, value }
}

#[test]
fn trims_keeping_the_encoding() {
    for (kind, st, encoding) in [
        (0, 0, Encoding::Xor),
        (0, 1, Encoding::Xor2),
        (1, 0, Encoding::Histogram),
        (1, 1, Encoding::HistogramSt),
        (2, 0, Encoding::FloatHistogram),
        (2, 1, Encoding::FloatHistogramSt),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let dir = SystemDirectory::new(folder.path());
        let meta = write(&dir, 1, vec![(10..300).map(|t| sample(kind, st, t)).collect()]);
        let path = PathBuf::from(meta.ulid.to_string());
        let (mut tombstones, _) = Tombstones::read(&dir, &path).unwrap();
        let block = block::Block::open(&dir, &path).unwrap();
        let series = block.index().all_postings().unwrap().iter().next().unwrap();
        tombstones.add(u64::from(series), Interval { mint: 0, maxt: 19 });
        tombstones.add(u64::from(series), Interval { mint: 30, maxt: 39 });
        tombstones.write(&dir, &path).unwrap();
        let merged = compact(&dir, Ulid::new(0, 2), 1 << 20, &[&meta]).unwrap().unwrap();
        let expected: Vec<i64> = (20..30).chain(40..300).collect();
        let chunks = read(&dir, merged.ulid);
        let found: Vec<i64> = chunks.iter().flat_map(|it| &it.1).map(|it| it.t).collect();
        assert_eq!(found, expected);
        assert!(chunks.iter().all(|it| it.0 == encoding && it.1.iter().all(|it| it.st == st)));
    }
}

#[test]
fn merges_kinds_into_chunks_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SystemDirectory::new(folder.path());
    let run = |kind, st, times: std::ops::Range<i64>| times.map(|t| sample(kind, st, t)).collect();
    let a = write(&dir, 1, vec![run(0, 0, 0..200)]);
    let b = write(&dir, 2, vec![run(1, 0, 150..250), run(1, 7, 400..410)]);
    let merged = compact(&dir, Ulid::new(0, 3), 1 << 20, &[&a, &b]).unwrap().unwrap();
    let chunks = read(&dir, merged.ulid);
    let found: Vec<_> = chunks.iter().map(|(encoding, it)| (*encoding, it.len())).collect();
    assert_eq!(
        found,
        [
            (Encoding::Xor, 120),
            (Encoding::Xor, 80),
            (Encoding::Histogram, 50),
            // It overlaps nothing.
            (Encoding::HistogramSt, 10),
        ]
    );
    let stats = merged.stats;
    assert_eq!((stats.n_samples, stats.n_chunks), (260, 4));
}

fn is_same(a: &Sample, b: &Sample) -> bool {
    let value = match (&a.value, &b.value) {
        (Value::Float(a), Value::Float(b)) => a.to_bits() == b.to_bits(),
        (Value::Histogram(a), Value::Histogram(b)) => a.is_same(b),
        (Value::FloatHistogram(a), Value::FloatHistogram(b)) => a.is_same(b),
        _ => false,
    };
    value && (a.st, a.t) == (b.st, b.t)
}

fn any_run() -> impl Strategy<Value = Vec<Sample>> {
    let each = (0u8..3, 0i64..3, 1i64..9);
    (0i64..700, 0u8..6, prop::collection::vec(each, 1..80)).prop_map(|(from, mix, all)| {
        let mut t = from;
        let each = |(kind, st, step): (u8, i64, i64)| {
            t += step;
            sample(if mix < 3 { mix } else { kind }, if mix % 2 == 0 { 0 } else { st }, t)
        };
        all.into_iter().map(each).filter(|it| it.t < 1000).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn equals_merged_maps(blocks in prop::collection::vec(prop::collection::vec(any_run(), 1..4), 1..4)) {
        let folder = tempfile::tempdir().unwrap();
        let dir = SystemDirectory::new(folder.path());
        let mut expected: BTreeMap<i64, Vec<Sample>> = BTreeMap::new();
        let mut metas = Vec::new();
        for (at, runs) in blocks.into_iter().enumerate() {
            runs.iter().flatten().for_each(|it| expected.entry(it.t).or_default().push(it.clone()));
            if runs.iter().any(|it| !it.is_empty()) {
                metas.push(write(&dir, at as u128 + 1, runs));
            }
        }
        if metas.is_empty() {
            return Ok(());
        }
        let parents: Vec<&Meta> = metas.iter().collect();
        let merged = compact(&dir, Ulid::new(0, 99), 1 << 20, &parents).unwrap().unwrap();
        let found: Vec<Sample> = read(&dir, merged.ulid).into_iter().flat_map(|it| it.1).collect();
        prop_assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected.values()) {
            // Of equal times any may have won.
            prop_assert!(expected.iter().any(|it| is_same(it, found)), "{:?} {:?}", found, expected);
        }
    }
}
