//! What the tests of a whole database share.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod seen;
pub(crate) mod server;
pub(crate) mod turns;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use model::{Labels, Matcher};
use stdx::{SystemClock, SystemDirectory};
use storage::{Querier, Queryable, Samples, SelectHints};
use tsdb::{Db, Options};

/// Series, and the bits of their samples by time.
pub(crate) type Contents = BTreeMap<Labels, BTreeMap<i64, u64>>;

pub(crate) fn open(path: &Path, options: Options) -> Db {
    let registry = client::Registry::default();
    open_with(path, options, &registry)
}

pub(crate) fn open_with(path: &Path, options: Options, registry: &client::Registry) -> Db {
    let clock = Arc::new(SystemClock::default());
    Db::open(options, Arc::new(SystemDirectory::new(path)), clock, registry).expect("opens")
}

/// Reads what fulfils the matchers within `mint..=maxt`; series without samples there are left out.
pub(crate) fn contents(db: &dyn Queryable, matchers: &[Matcher], mint: i64, maxt: i64) -> Contents {
    let querier = db.querier(mint, maxt).expect("opens a view");
    read_all(querier.as_ref(), matchers, mint, maxt).expect("reads")
}

/// As [`contents`], from a view that is open already.
pub(crate) fn read_all(
    querier: &dyn Querier,
    matchers: &[Matcher],
    mint: i64,
    maxt: i64,
) -> Result<Contents, String> {
    let hints = SelectHints { mint, maxt, ..SelectHints::default() };
    let set = querier.select(&hints, matchers).map_err(|it| it.to_string())?;
    let mut all = Contents::new();
    let mut samples = Samples::default();
    for at in 0..set.len() {
        samples.clear();
        set.read(at, mint, maxt, &mut samples).map_err(|it| it.to_string())?;
        let bits = samples.t.iter().copied().zip(samples.v.iter().map(|it| it.to_bits()));
        let bits: BTreeMap<i64, u64> = bits.collect();
        assert_eq!(bits.len(), samples.t.len(), "times are unique");
        if !bits.is_empty() {
            assert!(all.insert(set.labels(at), bits).is_none(), "a series comes once");
        }
    }
    Ok(all)
}

pub(crate) fn everything(db: &dyn Queryable) -> Contents {
    contents(db, &[Matcher::equal("no_such_label", "")], i64::MIN, i64::MAX)
}

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("creates");
    for entry in std::fs::read_dir(from).expect("lists") {
        let entry = entry.expect("lists");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("is there").is_dir() {
            copy(&entry.path(), &target);
        } else if entry.file_name() != "lock" {
            std::fs::copy(entry.path(), target).expect("copies");
        }
    }
}
