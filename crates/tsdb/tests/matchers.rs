//! Finding series and labels, in head and blocks, against matching each series by itself.

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use model::{Labels, MatchType, Matcher};
use proptest::prelude::*;
use storage::{Appendable, Guard, ListHints, Querier, Queryable, ReadError, SelectHints};
use support::open;
use tsdb::{Db, Options};

const RANGE: i64 = 100_000;
const START: i64 = 1_700_000_000_000;

/// Values that shortcuts treat in their own ways: sets, prefixes, literals, cases, other alphabets.
const VALUES: [&str; 10] = ["", "a", "b", "ab", "abc", "aXc", "A", "\u{212a}", "k\n", "x.y"];

const PATTERNS: [&str; 26] = [
    "",
    ".*",
    ".+",
    ".?",
    "a",
    "a|b",
    "a|b|abc|",
    "(a|b)c?",
    "ab.*",
    "ab.+",
    ".*c",
    ".+c",
    ".*b.*",
    "a.c",
    "[ab]",
    "(?i)a",
    "(?i)k",
    "(?i)ab.*",
    "x\\.y",
    "x.y",
    "[^a]",
    "k\n",
    "k.",
    "a.*|b.*",
    "(a|b|ab|abc|aXc|A|x\\.y)",
    "$^",
];

fn labels((a, b, c): (usize, usize, usize)) -> Labels {
    let value = |n: usize| VALUES[n % VALUES.len()];
    let id = format!("{a}-{b}-{c}");
    Labels::from_pairs([
        ("__name__", "m"),
        ("a", value(a)),
        ("b", value(b)),
        ("c", value(c)),
        ("id", &id),
    ])
}

fn matcher((kind, label, pattern): (usize, usize, usize)) -> Matcher {
    let name = ["a", "b", "c", "none", "__name__"][label % 5];
    let (kind, value) = match kind % 4 {
        0 => (MatchType::Equal, VALUES[pattern % VALUES.len()]),
        1 => (MatchType::NotEqual, VALUES[pattern % VALUES.len()]),
        2 => (MatchType::Regexp, PATTERNS[pattern % PATTERNS.len()]),
        _ => (MatchType::NotRegexp, PATTERNS[pattern % PATTERNS.len()]),
    };
    Matcher::new(kind, name, value).expect("compiles")
}

/// A database with every series in blocks, and every other one in the head too.
fn fill(path: &std::path::Path, all: &[Labels]) -> Db {
    let options = Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: RANGE,
        ..Options::default()
    };
    let db = open(path, options);
    for t in (START..START + 3 * RANGE).step_by(20_000) {
        let mut appender = db.appender();
        for (at, series) in all.iter().enumerate() {
            if at % 2 == 0 || t < START + RANGE {
                appender.append(series, t, 1.0).expect("takes");
            }
        }
        appender.commit().expect("commits");
    }
    db.maintain();
    assert!(!db.blocks().is_empty());
    db
}

fn at_most(limit: usize) -> ListHints {
    ListHints { limit, ..ListHints::default() }
}

fn check(db: &Db, all: &[Labels], matchers: &[Matcher]) -> Result<(), TestCaseError> {
    let fits = |it: &&Labels| matchers.iter().all(|m| m.matches(it.get(m.name()).unwrap_or("")));
    let expected: BTreeSet<Labels> = all.iter().filter(fits).cloned().collect();
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens");
    let hints =
        SelectHints { mint: i64::MIN, maxt: i64::MAX, sorted: true, ..SelectHints::default() };
    let found = querier.select(&hints, matchers).expect("selects");
    let found: Vec<Labels> = (0..found.len()).map(|at| found.labels(at)).collect();
    prop_assert_eq!(&found, &expected.iter().cloned().collect::<Vec<_>>(), "{:?}", matchers);
    let names: BTreeSet<String> =
        expected.iter().flat_map(|it| it.iter().map(|it| it.0.to_owned())).collect();
    let names: Vec<String> = names.into_iter().collect();
    let listed = |limit| querier.label_names(matchers, &at_most(limit)).expect("lists");
    prop_assert_eq!(listed(0), &names[..], "{:?}", matchers);
    prop_assert_eq!(listed(2), &names[..names.len().min(2)]);
    for name in ["a", "id", "none"] {
        let values: BTreeSet<String> =
            expected.iter().filter_map(|it| it.get(name)).map(str::to_owned).collect();
        let values: Vec<String> = values.into_iter().collect();
        let listed = |limit| querier.label_values(name, matchers, &at_most(limit)).expect("lists");
        prop_assert_eq!(listed(0), &values[..], "{} {:?}", name, matchers);
        prop_assert_eq!(listed(3), &values[..values.len().min(3)], "{} {:?}", name, matchers);
        prop_assert!((values.len()..1000).contains(&querier.n_listed(Some(name))));
    }
    prop_assert!((names.len()..1000).contains(&querier.n_listed(None)));
    prop_assert_eq!(querier.n_listed(Some("none")), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn finds_what_matches(
        series in prop::collection::btree_set((0usize..10, 0usize..10, 0usize..10), 1..60),
        queries in prop::collection::vec(
            prop::collection::vec((0usize..4, 0usize..5, 0usize..100), 1..4), 40),
    ) {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let all: Vec<Labels> = series.into_iter().map(labels).collect();
        let db = fill(dir.path(), &all);
        for query in queries {
            let matchers: Vec<Matcher> = query.into_iter().map(matcher).collect();
            check(&db, &all, &matchers)?;
        }
        check(&db, &all, &[])?;
    }
}

/// Series of a database, each with a value of its own that is 100 bytes long.
const N_LONG: usize = 30_000;

/// How a list of all that ends when its reader holds more than `bytes_max`, and how often it asked.
fn list_within(db: &Db, bytes_max: u64, list: &ListOf) -> (Result<Vec<String>, ReadError>, usize) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let guard = Guard::new(move |bytes| {
        count.fetch_add(1, Relaxed);
        bytes <= bytes_max
    });
    let querier = db.querier(i64::MIN, i64::MAX).expect("opens");
    let found = list(querier.as_ref(), &ListHints { guard, ..ListHints::default() });
    (found, asked.load(Relaxed))
}

type ListOf = dyn Fn(&dyn Querier, &ListHints) -> Result<Vec<String>, ReadError>;

#[test]
fn lists_ask_whether_to_go_on() {
    let long = |at: usize| Labels::from_pairs([("__name__", "m"), ("id", &format!("{at:0100}"))]);
    let all: Vec<Labels> = (0..N_LONG).map(long).collect();
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = Options { retention_ms: 0, ..Options::default() };
    let db = open(dir.path(), options);
    let commit = |t: i64| {
        let mut appender = db.appender();
        for it in &all {
            appender.append(it, t, 1.0).expect("takes");
        }
        appender.commit().expect("commits");
    };
    let any = Matcher::new(MatchType::Equal, "__name__", "m").expect("compiles");
    let one = Matcher::new(MatchType::Regexp, "id", "0*7").expect("compiles");
    let values = |matchers: Vec<Matcher>| -> Box<ListOf> {
        Box::new(move |querier, hints| querier.label_values("id", &matchers, hints))
    };
    let names: Box<ListOf> = {
        let any = any.clone();
        Box::new(move |querier, hints| querier.label_names(std::slice::from_ref(&any), hints))
    };
    let bytes = 100 * N_LONG as u64;
    let check = |db: &Db| {
        for list in [&values(vec![]), &values(vec![any.clone()])] {
            let (found, asked) = list_within(db, 4 * bytes, list);
            assert_eq!(found.map(|it| it.len()), Ok(N_LONG));
            assert!(5 < asked, "asked {asked} times");
            let (found, _) = list_within(db, bytes, list);
            assert_eq!(found, Err(ReadError::Interrupted));
        }
        let (found, asked) = list_within(db, bytes, &names);
        assert_eq!(found.map(|it| it.len()), Ok(2));
        assert!(5 < asked, "asked {asked} times");
        assert_eq!(list_within(db, bytes, &values(vec![one.clone()])).0.map(|it| it.len()), Ok(1));
    };
    commit(START);
    check(&db);
    commit(START + 4 * 3_600_000);
    db.maintain();
    assert_eq!(db.blocks().len(), 1);
    check(&db);
}
