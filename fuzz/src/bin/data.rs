//! A data directory of which one file is damaged: it opens, or says why not; what can be read is read, and
//! it goes on. The first byte says which file, the second whether the rest takes its place or is a list of
//! edits: two bytes where, one byte what to flip there.
#![no_main]

use std::path::Path;
use std::sync::{Arc, LazyLock};

use model::{Labels, Matcher};
use stdx::Directory;
use storage::{Appendable, Queryable, Samples, SelectHints};
use testkit::{CrashingDirectory, SettableClock};
use tsdb::{Db, Options};

const START: i64 = 1_700_000_000_000;
const RANGE: i64 = 100_000;

/// Blocks, a log with a checkpoint, and chunks of the head.
static WHOLE: LazyLock<CrashingDirectory> = LazyLock::new(|| {
    let directory = CrashingDirectory::new(0);
    for part in 0..3 {
        let db = open(&directory).expect("a kind disk");
        for at in part * 60..part * 60 + 60 {
            let mut appender = db.appender();
            for series in 0..4 {
                let name = [("__name__", format!("m{series}")), ("job", "a".to_owned())];
                appender
                    .append(&Labels::from_pairs(name), START + at * RANGE / 20, at as f64 / 3.0)
                    .expect("in order");
            }
            appender.commit().expect("a kind disk");
        }
        db.maintain();
        let matchers = [Matcher::equal("__name__", "m1")];
        db.delete(START, START + RANGE / 2, &matchers).expect("a kind disk");
        db.close().expect("a kind disk");
    }
    directory
});

fn open(directory: &CrashingDirectory) -> Result<Db, tsdb::OpenError> {
    let options = Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: RANGE,
        wal_segment_bytes: 32 << 10,
        ..Options::default()
    };
    let clock = Arc::new(SettableClock::new(START + 10 * RANGE));
    Db::open(options, Arc::new(directory.clone()), clock, &client::Registry::default())
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [file, how, rest @ ..] = input else { return };
    let directory = WHOLE.fork(0).kill();
    let files = directory.files();
    let path = &files[usize::from(*file) % files.len()].0;
    let mut bytes = directory.read(path).expect("it is there");
    if how % 2 == 0 {
        bytes = rest.to_vec();
    } else {
        edit(&mut bytes, rest);
    }
    write(&directory, path, &bytes);
    if let Ok(db) = open(&directory) {
        read(&db);
        db.maintain();
        read(&db);
        db.close().expect("a kind disk");
    }
});

fn edit(bytes: &mut [u8], edits: &[u8]) {
    for it in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([it[0], it[1]]));
        if let Some(byte) = at.checked_rem(bytes.len()).map(|at| &mut bytes[at]) {
            *byte ^= it[2];
        }
    }
}

fn write(directory: &CrashingDirectory, path: &Path, bytes: &[u8]) {
    let mut file = directory.create(path).expect("a kind disk");
    file.write_all(bytes).expect("a kind disk");
}

fn read(db: &Db) {
    let Ok(querier) = db.querier(i64::MIN, i64::MAX) else { return };
    let hints = SelectHints::default();
    let Ok(set) = querier.select(&hints, &[Matcher::equal("no_such_label", "")]) else { return };
    let mut samples = Samples::default();
    for at in 0..set.len() {
        samples.clear();
        let _ = set.read(at, i64::MIN, i64::MAX, &mut samples);
    }
}
