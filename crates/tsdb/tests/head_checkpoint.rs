//! A head that comes from a head checkpoint is the head that the log makes; without a good one, the log does.

mod support;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use model::{CounterResetHint, Exemplar, Histogram, Labels, Matcher, Span, stale_nan};
use storage::{
    AnySample, AnyValue, AppendError, Appendable, Appender, ListHints, Queryable, SelectHints,
};
use support::{copy, open_with};
use testkit::Random;
use tsdb::{Db, Options, SeriesExemplars, Stats};

/// A range of a block, far shorter than in life.
const RANGE: i64 = 100_000;
const START: i64 = 1_700_000_000_000;
const SERIES: usize = 60;

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: 9 * RANGE,
        wal_segment_bytes: 64 << 10,
        out_of_order_window_ms: RANGE,
        exemplars_max: 10_000,
        head_checkpoint_bytes: 1,
        ..Options::default()
    }
}

/// Writes no checkpoint.
fn reading() -> Options {
    Options { head_checkpoint_bytes: 0, ..options() }
}

/// A database, and whether its head came from a checkpoint.
fn start(path: &Path, options: Options) -> (Db, bool) {
    let registry = client::Registry::default();
    let db = open_with(path, options, &registry);
    let page = client::text_page(&registry);
    let line = page.lines().find(|it| it.starts_with("pyrrha_tsdb_head_checkpoint_loaded "));
    (db, line.expect("says so").ends_with(" 1"))
}

fn labels(i: usize) -> Labels {
    Labels::from_pairs([
        ("__name__", format!("m{}", i % 3)),
        ("i", i.to_string()),
        ("job", ["a", "b"][i % 2].to_owned()),
    ])
}

fn all_series() -> [Matcher; 1] {
    [Matcher::equal("no_such_label", "")]
}

/// All that can be asked for, as text.
fn shown(db: &Db) -> String {
    let mut out = String::new();
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens a view");
    let hints = SelectHints { mint: i64::MIN, maxt: i64::MAX, sorted: true, ..Default::default() };
    let set = querier.select(&hints, &all_series()).expect("selects");
    let mut samples = storage::Samples::default();
    for at in 0..set.len() {
        samples.clear();
        set.read(at, i64::MIN, i64::MAX, &mut samples).expect("reads");
        // What is known of resets depends on where chunks were cut.
        samples.histogram.iter_mut().for_each(|it| it.hint = CounterResetHint::Unknown);
        writeln!(out, "{} {samples:?}", set.labels(at)).expect("writes");
    }
    out
}

/// All label values, those of series without samples too.
fn values(db: &Db) -> String {
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens a view");
    let names = querier.label_names(&[], &ListHints::default()).expect("lists");
    let values =
        |name: &String| querier.label_values(name, &[], &ListHints::default()).expect("lists");
    names.iter().map(|it| format!("{it} {:?}\n", values(it))).collect()
}

fn exemplars(db: &Db) -> Vec<SeriesExemplars> {
    db.exemplars(i64::MIN, i64::MAX, &[all_series().to_vec()])
}

/// What does not depend on where chunks were cut.
fn stats(db: &Db) -> Stats {
    Stats { n_chunks: 0, mint: 0, ..db.stats(1000) }
}

/// Life as a seed decides it.
struct Life {
    random: Random,
    now: i64,
    n: i64,
}

impl Life {
    fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), now: START, n: 0 }
    }

    fn live(&mut self, db: &Db, steps: usize) {
        for _ in 0..steps {
            match self.random.below(100) {
                0..60 => self.scrape(db),
                60..70 => self.burst(db),
                70..85 => self.late(db),
                85..90 => self.delete(db),
                90..93 => drop(self.scrape_into(db)),
                _ => db.maintain(),
            }
        }
    }

    fn scrape(&mut self, db: &Db) {
        self.scrape_into(db).commit().expect("commits");
    }

    fn scrape_into(&mut self, db: &Db) -> Box<dyn Appender> {
        self.now += 1 + i64::try_from(self.random.below(4000)).expect("small");
        let (from, n) = (self.random.below(SERIES), 1 + self.random.below(20));
        let mut appender = db.appender();
        for i in from..from + n {
            self.append(&mut appender, i, self.now).expect("takes");
        }
        appender
    }

    fn append(
        &mut self,
        appender: &mut Box<dyn Appender>,
        i: usize,
        t: i64,
    ) -> Result<(), AppendError> {
        self.n += 1;
        #[expect(clippy::cast_precision_loss, reason = "small")]
        let mut v = (self.n % 50) as f64 / 7.0;
        if self.random.percent(3) {
            v = stale_nan();
        }
        let (whole, float);
        let value = match i % 5 {
            3 => {
                whole = histogram(self.n % 40);
                AnyValue::Histogram(&whole)
            }
            4 => {
                float = histogram(self.n % 40).to_float();
                AnyValue::FloatHistogram(&float)
            }
            _ => AnyValue::Float(v),
        };
        let series = appender.append_any(&labels(i), AnySample { st: 0, t, value })?;
        if self.random.percent(5) {
            let exemplar = Exemplar {
                labels: Labels::from_pairs([("trace_id", t.to_string())]),
                value: v,
                t: Some(t),
            };
            let _ = appender.append_exemplar(series, &exemplar);
        }
        Ok(())
    }

    fn burst(&mut self, db: &Db) {
        let i = self.random.below(SERIES);
        for _ in 0..150 {
            self.now += 30;
            let mut appender = db.appender();
            self.append(&mut appender, i, self.now).expect("takes");
            appender.commit().expect("commits");
        }
    }

    fn late(&mut self, db: &Db) {
        let i = self.random.below(SERIES) / 2 * 2;
        for _ in 0..1 + self.random.below(50) {
            let earlier = i64::try_from(self.random.below(200_000)).expect("small");
            let mut appender = db.appender();
            let _ = self.append(&mut appender, i, self.now - earlier);
            appender.commit().expect("commits");
        }
    }

    fn delete(&mut self, db: &Db) {
        // Of a series that has no late samples: the log does not keep deletions of those.
        let i = self.random.below(SERIES) | 1;
        let mint = self.now - i64::try_from(self.random.below(300_000)).expect("small");
        let matchers = [Matcher::equal("i", i.to_string().as_str())];
        db.delete(mint, mint + 20_000, &matchers).expect("deletes");
    }
}

fn histogram(n: i64) -> Histogram {
    Histogram {
        schema: 1,
        count: n.cast_unsigned() + 2,
        sum: 2.5,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive_deltas: vec![1, n],
        ..Histogram::default()
    }
}

fn checkpoints(data: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(data.join("head_checkpoint"));
    let mut all: Vec<PathBuf> =
        found.map_or(Vec::new(), |it| it.map(|it| it.expect("lists").path()).collect());
    all.sort();
    all
}

/// What a process leaves that is killed, and what it leaves without the checkpoint.
fn kill(data: &Path, root: &Path, n: usize) -> [PathBuf; 2] {
    let [with, without] = ["with", "without"].map(|it| root.join(format!("{it}-{n}")));
    copy(data, &with);
    copy(data, &without);
    let _ = fs::remove_dir_all(without.join("head_checkpoint"));
    [with, without]
}

/// Says where two texts differ first: they are too long to be shown.
fn check_equal(found: &str, expected: &str) {
    for (found, expected) in found.lines().zip(expected.lines()) {
        let same = found.chars().zip(expected.chars()).take_while(|(a, b)| a == b).count();
        let near = |it: &str| it.chars().skip(same.max(40) - 40).take(120).collect::<String>();
        let labels = &found[..found.len().min(40)];
        assert_eq!(near(found), near(expected), "{labels}, from character {same} on");
    }
    assert_eq!(found.len(), expected.len());
}

#[test]
fn is_the_head_that_the_log_makes() {
    let mut n_used = 0;
    for seed in 0..6 {
        println!("seed {seed}");
        let dir = tempfile::tempdir().expect("a temporary folder");
        let mut data = dir.path().join("data");
        let mut life = Life::new(seed);
        let (mut db, _) = start(&data, options());
        for n in 0..4 {
            life.live(&db, 60);
            if life.random.percent(70) {
                db.maintain();
                life.live(&db, 10);
            }
            let [with, without] = kill(&data, dir.path(), n);
            let (with_db, is_used) = start(&with, options());
            n_used += usize::from(is_used);
            let (without_db, is_used_twice) = start(&without, options());
            assert!(!is_used_twice);
            check_equal(&shown(&with_db), &shown(&without_db));
            check_equal(&values(&with_db), &values(&without_db));
            check_equal(&shown(&with_db), &shown(&db));
            assert_eq!(
                format!("{:?}", exemplars(&with_db)),
                format!("{:?}", exemplars(&without_db))
            );
            (data, db) = (with, with_db);
        }
        db.close().expect("closes");
        let (db, _) = start(&data, options());
        life.live(&db, 30);
    }
    assert!(15 < n_used, "{n_used}");
}

/// A directory as a killed process leaves it, with a checkpoint and some log behind it.
fn killed(root: &Path, options: Options) -> PathBuf {
    let mut life = Life::new(7);
    let (db, _) = start(&root.join("living"), options);
    for _ in 0..40 {
        life.scrape(&db);
    }
    life.burst(&db);
    life.late(&db);
    db.maintain();
    assert_eq!(checkpoints(&root.join("living")).len(), 1);
    for _ in 0..10 {
        life.scrape(&db);
    }
    copy(&root.join("living"), &root.join("killed"));
    root.join("killed")
}

/// Changes a copy of a directory, and says whether its checkpoint is used then. What is in it is there in
/// any case.
fn is_used_after(data: &Path, what: &str, change: impl FnOnce(&Path)) -> bool {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data_changed = dir.path().join("changed");
    copy(data, &data_changed);
    change(&data_changed);
    let (db, is_used) = start(&data_changed, reading());
    assert_eq!(checkpoints(&data_changed).len(), usize::from(is_used), "{what}");
    let reference = dir.path().join("reference");
    copy(data, &reference);
    fs::remove_dir_all(reference.join("head_checkpoint")).expect("removes");
    let (reference, _) = start(&reference, reading());
    check_equal(&shown(&db), &shown(&reference));
    assert_eq!(stats(&db), stats(&reference), "{what}");
    is_used
}

#[test]
fn damage_is_found_wherever_it_is() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = killed(dir.path(), options());
    assert!(is_used_after(&data, "as it is", |_| ()));
    let whole = fs::read(&checkpoints(&data)[0]).expect("reads");
    let mut random = Random::new(1);
    let mut places: Vec<usize> = (0..40).map(|_| random.below(whole.len())).collect();
    places.extend([0, 7, 8, 9, 12, 13, whole.len() - 1, whole.len() - 5]);
    for at in places {
        let flip = |data: &Path| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&checkpoints(data)[0], bytes).expect("writes");
        };
        assert!(!is_used_after(&data, "flipped", flip), "a bit at {at}");
        let cut = |data: &Path| fs::write(&checkpoints(data)[0], &whole[..at]).expect("writes");
        assert!(!is_used_after(&data, "cut", cut), "cut at {at}");
    }
    let longer = |data: &Path| {
        let bytes = [&whole[..], &[0]].concat();
        fs::write(&checkpoints(data)[0], bytes).expect("writes");
    };
    assert!(!is_used_after(&data, "longer", longer));
}

#[test]
fn what_does_not_go_with_it_is_found() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = killed(dir.path(), options());
    let log_end = |data: &Path| {
        let names = fs::read_dir(data.join("wal")).expect("lists");
        let numbers = names.filter_map(|it| it.expect("lists").file_name().to_str()?.parse().ok());
        numbers.max().unwrap_or(0u32)
    };
    let chunks = |data: &Path| data.join("chunks_head/000001");
    let check = |what: &str, change: &dyn Fn(&Path)| {
        assert!(!is_used_after(&data, what, change), "{what}");
    };
    check("a segment by somebody else", &|data| {
        fs::write(data.join(format!("wal/{:08}", log_end(data) + 1)), "").expect("writes");
    });
    check("nobody knows who wrote", &|data| {
        fs::remove_file(data.join("wal/series_state.json")).expect("removes");
    });
    check("another name", &|data| {
        fs::rename(&checkpoints(data)[0], data.join("head_checkpoint/00000000")).expect("renames");
    });
    check("a chunk file is gone", &|data| fs::remove_file(chunks(data)).expect("removes"));
    check("a chunk file is shorter", &|data| {
        let bytes = fs::read(chunks(data)).expect("reads");
        fs::write(chunks(data), &bytes[..bytes.len() / 2]).expect("writes");
    });
    check("a chunk file is another", &|data| {
        let mut bytes = fs::read(chunks(data)).expect("reads");
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        fs::write(chunks(data), bytes).expect("writes");
    });
    // An unfinished one does not matter.
    let unfinished = |data: &Path| {
        fs::write(data.join("head_checkpoint/00000099.tmp"), "torn").expect("writes");
    };
    assert!(is_used_after(&data, "unfinished", unfinished));
}

#[test]
fn a_clean_end_leaves_nothing_to_replay() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let data = dir.path().join("data");
    let (db, _) = start(&data, options());
    let mut life = Life::new(3);
    life.live(&db, 100);
    let before = shown(&db);
    db.close().expect("closes");
    let (db, is_used) = start(&data, options());
    assert!(is_used);
    check_equal(&shown(&db), &before);
    db.close().expect("closes");
    // Nobody wants any: those that are there are used, and no other is written.
    let (db, is_used) = start(&data, reading());
    assert!(is_used);
    let old = checkpoints(&data);
    life.live(&db, 20);
    db.close().expect("closes");
    assert!(checkpoints(&data) == old || checkpoints(&data).is_empty());
}
