//! Whole blocks: written, opened, and asked what a plain list would answer.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use block::{Block, BlockWriter, ChunkToWrite, Interval, Meta, Ulid};
use chunk::OpenChunk;
use model::{Labels, MatchType, Matcher};
use proptest::prelude::*;
use stdx::SystemDirectory;
use storage::{ListHints, Querier, ReadError, Samples, SelectHints};
use tempfile::TempDir;

const T: i64 = 1_700_000_000_000;

#[derive(Clone, Debug)]
struct Series {
    labels: Labels,
    chunks: Vec<Vec<(i64, f64)>>,
}

fn series(text: &str, chunks: &[&[(i64, f64)]]) -> Series {
    let pairs = text.split(',').filter_map(|it| it.split_once('='));
    Series {
        labels: Labels::from_pairs(pairs),
        chunks: chunks.iter().map(|it| it.to_vec()).collect(),
    }
}

fn encode(samples: &[(i64, f64)]) -> OpenChunk {
    let mut open = OpenChunk::start(samples[0].0, samples[0].1);
    samples[1..].iter().for_each(|it| open.append(it.0, it.1));
    open
}

fn ulid() -> Ulid {
    Ulid::new(T, 7)
}

/// Writes the series, sorted, as a block of `[T, T + 1000)`.
fn write(folder: &TempDir, all: &[Series]) -> Option<Meta> {
    let dir = SystemDirectory::new(folder.path());
    let mut symbols: BTreeSet<&str> = BTreeSet::from([""]);
    symbols
        .extend(all.iter().flat_map(|it| it.labels.iter()).flat_map(|(name, value)| [name, value]));
    let number =
        |text: &str| u32::try_from(symbols.iter().position(|it| *it == text).unwrap()).unwrap();
    let each = |each: &mut dyn FnMut(&[u8])| symbols.iter().for_each(|it| each(it.as_bytes()));
    let mut writer = BlockWriter::create(&dir, ulid(), 1 << 20, &each).unwrap();
    for it in all {
        let labels: Vec<_> =
            it.labels.iter().map(|(name, value)| (number(name), number(value))).collect();
        let open: Vec<_> = it.chunks.iter().map(|it| encode(it)).collect();
        let chunks = open.iter().map(|it| ChunkToWrite {
            mint: it.first_t(),
            maxt: it.last_t(),
            chunk: it.as_data(),
        });
        writer.add_series(&labels, chunks).unwrap();
    }
    writer.finish(Meta::new(ulid(), T, T + 1000)).unwrap()
}

fn open(folder: &TempDir) -> Arc<Block> {
    let dir = SystemDirectory::new(folder.path());
    Arc::new(Block::open(&dir, Path::new(&ulid().to_string())).unwrap())
}

fn matcher(kind: MatchType, name: &str, value: &str) -> Matcher {
    Matcher::new(kind, name, value).unwrap()
}

/// Labels and samples of what is selected, as text.
fn read(querier: &dyn Querier, mint: i64, maxt: i64, matchers: &[Matcher]) -> Vec<String> {
    let hints = SelectHints { mint, maxt, sorted: true, ..SelectHints::default() };
    let set = querier.select(&hints, matchers).unwrap();
    let line = |at| {
        let mut out = Samples::default();
        set.read(at, mint, maxt, &mut out).unwrap();
        let samples: Vec<_> =
            out.t.iter().zip(&out.v).map(|(t, v)| format!("{v}@{}", t - T)).collect();
        format!("{} {}", set.labels(at), samples.join(" "))
    };
    (0..set.len()).map(line).collect()
}

#[test]
fn writes_the_known_chunk_file() {
    let folder = tempfile::tempdir().unwrap();
    let samples: &[(i64, f64)] = &[(T, 1.0), (T + 15_000, 2.0), (T + 30_000, 2.5)];
    let meta = write(&folder, &[series("__name__=m,a=x", &[samples])]).unwrap();
    assert_eq!((meta.stats.n_samples, meta.stats.n_chunks, meta.stats.n_series), (3, 1, 1));
    let block = folder.path().join(ulid().to_string());
    let expected =
        "85bd40dd01000000 17 01 0003 80a0abfef962 3ff0000000000000 9875 c25fff6d06 a13ed81a";
    let bytes: String = std::fs::read(block.join("chunks/000001"))
        .unwrap()
        .iter()
        .map(|it| format!("{it:02x}"))
        .collect();
    assert_eq!(bytes, expected.replace(' ', ""));
    let names = |path: &Path| -> Vec<_> {
        let mut all: Vec<_> =
            std::fs::read_dir(path).unwrap().map(|it| it.unwrap().file_name()).collect();
        all.sort();
        all
    };
    assert_eq!(names(&block), ["chunks", "index", "meta.json", "tombstones"]);
    assert_eq!(names(folder.path()), [ulid().to_string().as_str()]);
    let files = ["chunks/000001", "index", "meta.json", "tombstones"];
    let n_bytes: u64 =
        files.iter().map(|it| std::fs::metadata(block.join(it)).unwrap().len()).sum();
    assert_eq!(open(&folder).n_bytes(), n_bytes);
}

#[test]
fn no_samples_make_no_block() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(write(&folder, &[series("a=x", &[])]), None);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn reads_ranges_and_leaves_out_what_is_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = ([(T, 1.0), (T + 10, 2.0)], [(T + 20, 3.0), (T + 30, 4.0), (T + 40, 5.0)]);
    write(&folder, &[series("a=x", &[&a, &b]), series("a=y", &[&a])]);
    let block = open(&folder);
    let all = |mint, maxt| read(&block.querier(T, T + 1000), T + mint, T + maxt, &[]);
    assert_eq!(all(0, 100), [r#"{a="x"} 1@0 2@10 3@20 4@30 5@40"#, r#"{a="y"} 1@0 2@10"#]);
    assert_eq!(all(10, 30), [r#"{a="x"} 2@10 3@20 4@30"#, r#"{a="y"} 2@10"#]);
    assert_eq!(all(20, 20), [r#"{a="x"} 3@20"#]);
    assert_eq!(all(41, 99), [""; 0]);

    let mut deleted = block::Tombstones::default();
    let numbers: Vec<u32> = block.index().all_postings().unwrap().iter().collect();
    deleted.add(numbers[0].into(), Interval { mint: T + 10, maxt: T + 30 });
    deleted.add(numbers[1].into(), Interval { mint: T - 5, maxt: T + 10 });
    deleted.write(&SystemDirectory::new(folder.path()), Path::new(&ulid().to_string())).unwrap();
    let block = open(&folder);
    assert_eq!(read(&block.querier(T, T + 1000), T, T + 100, &[]), [r#"{a="x"} 1@0 5@40"#]);
}

#[test]
fn broken_bytes_end_the_query_with_their_place() {
    let folder = tempfile::tempdir().unwrap();
    write(&folder, &[series("a=x", &[&[(T, 1.0)]])]);
    let path = folder.path().join(ulid().to_string()).join("chunks/000001");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[15] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let set = open(&folder).querier(T, T + 9).select(&SelectHints::default(), &[]).unwrap();
    let error = set.read(0, T, T + 9, &mut Samples::default()).unwrap_err();
    let ReadError::Corrupt { place, reason } = error else { panic!("{error}") };
    assert_eq!(place, format!("{}/chunks/000001 at 8", ulid()));
    assert!(reason.starts_with("checksum mismatch expected:"), "{reason}");
}

fn any_matcher() -> impl Strategy<Value = Matcher> {
    let kind = prop_oneof![
        Just(MatchType::Equal),
        Just(MatchType::NotEqual),
        Just(MatchType::Regexp),
        Just(MatchType::NotRegexp)
    ];
    let values = prop::sample::select(vec![
        "", "x", "y", "xx", "none", "x|y", "x.*", ".*", ".+", "x?", "(x|y)x|", "[xy]", "v1.*",
    ]);
    let names = prop::sample::select(vec!["a", "b", "c", "none", "__name__"]);
    (kind, names, values)
        .prop_filter_map("no pattern", |(kind, name, value)| Matcher::new(kind, name, value).ok())
}

fn any_series() -> impl Strategy<Value = Vec<Series>> {
    let value = prop_oneof![
        3 => prop::sample::select(vec!["", "x", "y", "xx", "xy", "yx"]).prop_map(str::to_owned),
        1 => (0u32..90).prop_map(|it| format!("v{it}"))
    ];
    prop::collection::btree_set((value.clone(), value.clone(), value), 0..120).prop_map(|all| {
        let labels = all.iter().map(|(a, b, c)| {
            Labels::from_pairs([("a", a), ("b", b), ("c", c), ("__name__", &"m".to_owned())])
        });
        let sorted: BTreeSet<Labels> = labels.collect();
        sorted.into_iter().map(|labels| Series { labels, chunks: vec![vec![(T, 1.0)]] }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn answers_as_a_list_would(all in any_series(), matchers in prop::collection::vec(any_matcher(), 0..4)) {
        let folder = tempfile::tempdir().unwrap();
        if write(&folder, &all).is_none() {
            return Ok(());
        }
        let querier = open(&folder).querier(T, T + 9);
        let fulfils = |it: &&Series| matchers.iter().all(|m| m.matches(it.labels.value(m.name())));
        let wanted: Vec<&Labels> = all.iter().filter(fulfils).map(|it| &it.labels).collect();
        let set = querier.select(&SelectHints::default(), &matchers).unwrap();
        let found: Vec<Labels> = (0..set.len()).map(|at| set.labels(at)).collect();
        prop_assert_eq!(found.iter().collect::<Vec<_>>(), wanted.clone());
        for name in ["a", "b", "none"] {
            let values: BTreeSet<&str> = wanted.iter().filter_map(|it| it.get(name)).collect();
            prop_assert_eq!(querier.label_values(name, &matchers, &ListHints::default()).unwrap(), values.into_iter().collect::<Vec<_>>());
        }
        let names: BTreeSet<&str> = wanted.iter().flat_map(|it| it.iter()).map(|it| it.0).collect();
        prop_assert_eq!(querier.label_names(&matchers, &ListHints::default()).unwrap(), names.into_iter().collect::<Vec<_>>());
        let one = ListHints { limit: 1, ..ListHints::default() };
        prop_assert!(querier.label_names(&matchers, &one).unwrap().len() <= 1);
    }
}

#[test]
fn matchers_pick_and_strike() {
    let folder = tempfile::tempdir().unwrap();
    let one: &[(i64, f64)] = &[(T, 1.0)];
    write(&folder, &["a=x", "a=x,b=1", "a=y,b=2", "b=1"].map(|it| series(it, &[one])));
    let block = open(&folder);
    let count = |kind, name: &str, value: &str| {
        read(&block.querier(T, T + 9), T, T, &[matcher(kind, name, value)]).len()
    };
    assert_eq!(count(MatchType::Equal, "a", ""), 1);
    assert_eq!(count(MatchType::NotEqual, "a", "x"), 2);
    assert_eq!(count(MatchType::Regexp, "b", ".+"), 3);
    assert_eq!(count(MatchType::NotRegexp, "b", "1|2"), 1);
    assert_eq!(count(MatchType::NotRegexp, "none", ".*"), 0);
    assert_eq!(count(MatchType::Regexp, "none", ".*"), 4);
}
