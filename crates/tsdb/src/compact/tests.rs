//! Blocks written from plain lists, merged, and read back.

mod kinds;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use block::{Block, Interval, Tombstones};
use chunk::OpenChunk;
use model::Labels;
use proptest::prelude::*;
use stdx::SystemDirectory;
use storage::{Querier, Samples, SelectHints};

use super::*;
use crate::source::SourceSeries;

/// Samples by label set: what a block should hold.
type Held = BTreeMap<Labels, BTreeMap<i64, f64>>;

/// A list of series as a source, in chunks of a few samples.
struct ListSource {
    symbols: Vec<String>,
    series: std::vec::IntoIter<(Labels, BTreeMap<i64, f64>)>,
    chunk_len: usize,
}

impl ListSource {
    fn new(held: &Held, chunk_len: usize) -> Self {
        let texts = held.keys().flat_map(|it| it.iter()).flat_map(|(name, value)| [name, value]);
        // A symbol that no series uses does no harm.
        let symbols: BTreeSet<String> = texts.chain(["zz"]).map(str::to_owned).collect();
        let series: Vec<_> = held.clone().into_iter().collect();
        Self { symbols: symbols.into_iter().collect(), series: series.into_iter(), chunk_len }
    }
}

impl SeriesSource for ListSource {
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        Box::new(self.symbols.iter().map(|it| it.as_bytes()))
    }

    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, Error> {
        let Some((labels, samples)) = self.series.next() else { return Ok(false) };
        let at = |text: &str| {
            u32::try_from(self.symbols.iter().position(|it| it == text).unwrap()).unwrap()
        };
        out.labels.extend(labels.iter().map(|(name, value)| (at(name), at(value))));
        let samples: Vec<_> = samples.into_iter().collect();
        for samples in samples.chunks(self.chunk_len) {
            let mut open = OpenChunk::start(samples[0].0, samples[0].1);
            samples[1..].iter().for_each(|it| open.append(it.0, it.1));
            out.push_chunk(open.first_t(), open.last_t(), open.as_data());
        }
        Ok(true)
    }
}

fn labels(text: &str) -> Labels {
    Labels::from_pairs(text.split(',').filter_map(|it| it.split_once('=')))
}

fn held(series: &[(&str, &[(i64, f64)])]) -> Held {
    series.iter().map(|(text, samples)| (labels(text), samples.iter().copied().collect())).collect()
}

fn write(
    dir: &SystemDirectory,
    number: u128,
    range: (i64, i64),
    held: &Held,
    chunk_len: usize,
) -> Option<Meta> {
    let mut meta = Meta::new(Ulid::new(0, number), range.0, range.1);
    meta.compaction.level = 1;
    meta.compaction.sources = vec![meta.ulid];
    write_block(dir, meta, 1 << 20, &mut [Box::new(ListSource::new(held, chunk_len))]).unwrap()
}

fn read(dir: &SystemDirectory, ulid: Ulid) -> Held {
    let block = Arc::new(Block::open(dir, Path::new(&ulid.to_string())).unwrap());
    let set = block.querier(i64::MIN, i64::MAX).select(&SelectHints::default(), &[]).unwrap();
    let series = |at| {
        let mut out = Samples::default();
        set.read(at, i64::MIN, i64::MAX, &mut out).unwrap();
        assert!(out.t.is_sorted_by(|a, b| a < b));
        (set.labels(at), out.t.into_iter().zip(out.v).collect())
    };
    (0..set.len()).map(series).collect()
}

#[test]
fn merges_neighbours_verbatim() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SystemDirectory::new(folder.path());
    let one = held(&[("a=x,b=1", &[(0, 1.0), (5, 2.0)]), ("a=y", &[(1, 1.0)])]);
    let two = held(&[("a=w", &[(10, 9.0)]), ("a=x,b=1", &[(10, 3.0), (15, 4.0)])]);
    let a = write(&dir, 1, (0, 10), &one, 2).unwrap();
    let b = write(&dir, 2, (10, 20), &two, 2).unwrap();
    let merged = compact(&dir, Ulid::new(0, 3), 1 << 20, &[&a, &b]).unwrap().unwrap();
    assert_eq!((merged.mint, merged.maxt, merged.compaction.level), (0, 20, 2));
    assert_eq!(merged.compaction.sources, [a.ulid, b.ulid]);
    assert_eq!(merged.compaction.parents, [a.as_parent(), b.as_parent()]);
    assert_eq!((merged.stats.n_series, merged.stats.n_chunks, merged.stats.n_samples), (3, 4, 6));
    let expected = held(&[
        ("a=w", &[(10, 9.0)]),
        ("a=x,b=1", &[(0, 1.0), (5, 2.0), (10, 3.0), (15, 4.0)]),
        ("a=y", &[(1, 1.0)]),
    ]);
    assert_eq!(read(&dir, merged.ulid), expected);
}

#[test]
fn drops_what_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SystemDirectory::new(folder.path());
    let all = held(&[("a=x", &[(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]), ("a=y", &[(1, 1.0)])]);
    let a = write(&dir, 1, (0, 10), &all, 4).unwrap();
    let path = PathBuf::from(a.ulid.to_string());
    let block = Block::open(&dir, &path).unwrap();
    let numbers: Vec<u32> = block.index().all_postings().unwrap().iter().collect();
    let mut deleted = Tombstones::default();
    deleted.add(numbers[0].into(), Interval { mint: 1, maxt: 2 });
    deleted.add(numbers[1].into(), Interval { mint: i64::MIN, maxt: i64::MAX });
    deleted.write(&dir, &path).unwrap();
    let b = compact(&dir, Ulid::new(0, 2), 1 << 20, &[&a]).unwrap().unwrap();
    assert_eq!(read(&dir, b.ulid), held(&[("a=x", &[(0, 1.0), (3, 4.0)])]));

    deleted.add(numbers[0].into(), Interval { mint: 0, maxt: 3 });
    deleted.write(&dir, &path).unwrap();
    assert_eq!(compact(&dir, Ulid::new(0, 3), 1 << 20, &[&a]).unwrap(), None);
    assert!(Meta::read(&dir, &path).unwrap().compaction.deletable);
}

#[test]
fn broken_parents_are_marked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = SystemDirectory::new(folder.path());
    let a = write(&dir, 1, (0, 10), &held(&[("a=x", &[(0, 1.0)])]), 4).unwrap();
    let chunks = folder.path().join(a.ulid.to_string()).join("chunks/000001");
    let mut bytes = std::fs::read(&chunks).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(&chunks, bytes).unwrap();
    let error = compact(&dir, Ulid::new(0, 2), 1 << 20, &[&a]).unwrap_err().to_string();
    assert!(error.contains("chunks/000001 at 8: checksum mismatch"), "{error}");
    assert!(Meta::read(&dir, Path::new(&a.ulid.to_string())).unwrap().compaction.failed);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

fn any_held() -> impl Strategy<Value = Held> {
    let name = prop::sample::select(vec!["a=x", "a=x,b=1", "a=y", "b=1", "c=long value"]);
    let samples = prop::collection::btree_map(0i64..60, (0i32..9).prop_map(f64::from), 1..40);
    prop::collection::btree_map(name.prop_map(labels), samples, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn equals_merged_maps(blocks in prop::collection::vec(any_held(), 1..4), chunk_len in 1usize..50, cut in 0i64..60) {
        let folder = tempfile::tempdir().unwrap();
        let dir = SystemDirectory::new(folder.path());
        let mut expected = Held::new();
        let mut metas = Vec::new();
        for (at, held) in blocks.iter().enumerate() {
            // Each block is cut somewhere, as a head block is.
            metas.extend(write(&dir, at as u128 + 1, (cut / 2, 60 - cut / 2), held, chunk_len));
            for (labels, samples) in held {
                let within = samples.iter().filter(|it| (cut / 2..60 - cut / 2).contains(it.0));
                for (t, v) in within {
                    expected.entry(labels.clone()).or_default().entry(*t).or_insert(*v);
                }
            }
        }
        if metas.is_empty() {
            prop_assert!(expected.is_empty());
            return Ok(());
        }
        let parents: Vec<&Meta> = metas.iter().collect();
        let merged = compact(&dir, Ulid::new(0, 99), 1 << 20, &parents).unwrap().unwrap();
        let found = read(&dir, merged.ulid);
        // Of equal times either value may have won.
        let times = |it: &Held| -> Vec<_> { it.iter().map(|(labels, it)| (labels.clone(), it.keys().copied().collect::<Vec<_>>())).collect() };
        prop_assert_eq!(times(&found), times(&expected));
        for (labels, samples) in &found {
            for (t, v) in samples {
                prop_assert!(blocks.iter().any(|it| it.get(labels).and_then(|it| it.get(t)) == Some(v)));
            }
        }
    }
}
