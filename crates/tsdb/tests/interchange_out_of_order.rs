//! Samples out of order go to Debian's `prometheus` and come from it: log, `wbl`, marked chunks of the head,
//! and blocks.

mod support;

use std::path::{Path, PathBuf};

use model::Labels;
use support::remote_write::{Message, snappy};
use support::server::{Server, shown};
use support::{Contents, copy, everything, open};
use tsdb::{Db, Options};

const MINUTE: i64 = 60_000;
/// A multiple of two hours.
const START: i64 = 1_699_999_200_000;
const WINDOW: i64 = 90 * MINUTE;
const CONFIG: &str = "storage: {tsdb: {out_of_order_time_window: 90m}}\n";
/// Of these, the second makes that the head is cut, at 180 minutes.
const TURN: i64 = 100;

/// Who writes in a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writer {
    Us,
    Prometheus,
}

/// Series with the times of their samples, in the order in which they are sent.
type Batch = Vec<(usize, Vec<i64>)>;

/// What is sent in a minute: a sample of each series; of every other one also some that come late; and one
/// series has nothing but samples later than a new one may come without a window.
fn batch(minute: i64) -> Batch {
    let now = START + minute * MINUTE;
    let mut all = Vec::new();
    for i in 0..6 {
        all.push((i, vec![now]));
        if i % 2 == 1 {
            let late = now - (1 + minute * 37 % 80) * MINUTE;
            all.push((i, vec![late + 7_000, late, late + 3_000]));
        }
    }
    all.push((6, vec![now - 70 * MINUTE, now - 80 * MINUTE + 1]));
    all
}

/// The same whenever a sample comes, so it does not matter which of two is kept.
fn value(i: usize, t: i64) -> f64 {
    let small = |v| f64::from(i32::try_from(v).expect("is small"));
    small(t / 1000 % 1000) / 8.0 + small(i64::try_from(i).expect("is small"))
}

fn labels(i: usize) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

fn write_request(batch: &Batch) -> Vec<u8> {
    let mut out = Message::default();
    for (i, times) in batch {
        out.message(1, |series| {
            for (name, value) in labels(*i).iter() {
                series.message(1, |label| {
                    label.bytes(1, name.as_bytes()).bytes(2, value.as_bytes());
                });
            }
            for t in times {
                series.message(2, |out| {
                    out.double(1, value(*i, *t)).whole(2, t.cast_unsigned());
                });
            }
        });
    }
    snappy(&out.0)
}

fn options() -> Options {
    Options { retention_ms: 0, out_of_order_window_ms: WINDOW, ..Options::default() }
}

fn start(program: &Path, data: &Path) -> Server {
    Server::start(program, data, CONFIG, &["--web.enable-remote-write-receiver"])
}

/// A data directory that both write to, and what it has to hold.
struct World {
    dir: tempfile::TempDir,
    program: PathBuf,
    data: PathBuf,
    n_turns: i64,
    n_copies: usize,
    model: Contents,
}

impl World {
    fn new() -> Option<Self> {
        let program = testkit::peer("prometheus")?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("data");
        Some(Self { dir, program, data, n_turns: 0, n_copies: 0, model: Contents::new() })
    }

    /// Somebody opens the directory, writes, makes blocks if `is_due`, and is killed; then both read it.
    fn turn(&mut self, writer: Writer, is_due: bool) {
        let minutes = self.n_turns * TURN..(self.n_turns + 1) * TURN;
        self.n_turns += 1;
        let batches: Vec<Batch> = minutes.map(batch).collect();
        match writer {
            Writer::Us => self.we_write(&batches),
            Writer::Prometheus => self.prometheus_writes(&batches, is_due),
        }
        for (i, t) in batches.iter().flatten().flat_map(|(i, all)| all.iter().map(move |t| (i, t)))
        {
            self.model.entry(labels(*i)).or_default().insert(*t, value(*i, *t).to_bits());
        }
        self.check();
    }

    fn we_write(&mut self, batches: &[Batch]) {
        let db = open(&self.data, options());
        for batch in batches {
            append(&db, batch);
        }
        db.maintain();
        // What is in the files now is what a killed process leaves.
        self.data = self.copy();
    }

    fn prometheus_writes(&self, batches: &[Batch], is_due: bool) {
        let server = start(&self.program, &self.data);
        let log = first_segment(&self.data);
        for batch in batches {
            let answer = server.ask("POST", "/api/v1/write", &write_request(batch));
            let (status, text) = answer.expect("answers");
            assert_eq!(status, 204, "{text}");
        }
        // Late samples become blocks last, and then their log begins anew.
        server.wait(|_| !is_due || first_segment(&self.data) != log, &self.data);
        server.kill();
    }

    fn copy(&mut self) -> PathBuf {
        self.n_copies += 1;
        let to = self.dir.path().join(self.n_copies.to_string());
        copy(&self.data, &to);
        to
    }

    fn check(&mut self) {
        let db = open(&self.copy(), options());
        assert_eq!(db.wal_corruptions(), 0);
        self.compare(&shown(everything(&db)), "we read");
        let copied = self.copy();
        let server = start(&self.program, &copied);
        let all = server
            .everything((self.n_turns * TURN + 200) * MINUTE, START + self.n_turns * TURN * MINUTE);
        self.compare(&all, "prometheus reads");
    }

    fn compare(&self, found: &Contents, who: &str) {
        for (labels, samples) in &self.model {
            let found = found.get(labels);
            let differs = |(t, v): &(&i64, &u64)| found.and_then(|it| it.get(t)) != Some(v);
            let missing = samples.iter().filter(differs).map(|it| it.0 - START);
            let missing: Vec<i64> = missing.collect();
            let n = found.map_or(0, |it| it.len());
            assert!(
                missing.is_empty(),
                "turn {}: {who} {n} of {} of {labels}, without {missing:?}",
                self.n_turns,
                samples.len()
            );
        }
        assert!(*found == self.model, "turn {}: {who} more than was written", self.n_turns);
    }

    fn has(&self, name: &str) -> bool {
        self.data.join(name).exists()
    }

    fn blocks(&self) -> Vec<block::Meta> {
        let directory = stdx::SystemDirectory::new(&self.data);
        let names = tsdb::retention::block_names(&directory).expect("lists");
        let meta = |it: &block::Ulid| {
            block::Block::open(&directory, Path::new(&it.to_string()))
                .expect("opens")
                .meta()
                .clone()
        };
        names.iter().map(meta).collect()
    }
}

fn append(db: &Db, batch: &Batch) {
    let mut appender = storage::Appendable::appender(db);
    for (i, times) in batch {
        for t in times {
            appender.append(&labels(*i), *t, value(*i, *t)).expect("takes");
        }
    }
    appender.commit().expect("commits");
}

/// The first of the log of late samples.
fn first_segment(data: &Path) -> Option<std::ffi::OsString> {
    let segments = std::fs::read_dir(data.join("wbl")).ok()?;
    segments.map(|it| it.expect("lists").file_name()).min()
}

/// `first` and `second` take turns.
fn take_turns(first: Writer, second: Writer) {
    let Some(mut world) = World::new() else { return };
    world.turn(first, false);
    assert!(world.has("wbl/00000000") && world.has("chunks_head/000001"));
    assert!(world.blocks().is_empty());
    world.turn(second, true);
    let blocks = world.blocks();
    assert!(!blocks.is_empty() && blocks.iter().any(|it| it.mint < START), "late ones, too");
    assert!(!world.has("wbl/00000000"));
    world.turn(first, false);
}

#[test]
fn prometheus_compacts_what_we_wrote() {
    take_turns(Writer::Us, Writer::Prometheus);
}

#[test]
fn we_compact_what_prometheus_wrote() {
    take_turns(Writer::Prometheus, Writer::Us);
}
