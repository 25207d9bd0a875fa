//! A data directory that we and Debian's `prometheus` write in turns; who writes is killed after, and then both
//! read.

use std::path::{Path, PathBuf};

use model::Labels;
use storage::{AnySample, AnyValue};
use testkit::{Value, WriteRequest};
use tsdb::{Db, Options};

use super::seen::{Contents, Seen, all_of};
use super::server::Server;
use super::{copy, open};

/// Who writes in a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    Us,
    Prometheus,
}

/// Series with the samples they get at once, in the order in which they are sent.
pub(crate) type Batch = Vec<(Labels, Vec<(i64, Value)>)>;

/// The directory, and what it has to hold.
pub(crate) struct World {
    dir: tempfile::TempDir,
    program: PathBuf,
    data: PathBuf,
    out_of_order_window_ms: i64,
    n_turns: usize,
    n_copies: usize,
    model: Contents,
}

impl World {
    /// `None` without the peer.
    pub(crate) fn new(out_of_order_window_ms: i64) -> Option<Self> {
        let program = testkit::peer("prometheus")?;
        let dir = tempfile::tempdir().expect("a temporary folder");
        let data = dir.path().join("data");
        let model = Contents::new();
        let (n_turns, n_copies) = (0, 0);
        Some(Self { dir, program, data, out_of_order_window_ms, n_turns, n_copies, model })
    }

    /// Somebody opens the directory, writes, makes blocks of what is due, and is killed; then both read it.
    /// `is_done` says for the peer whether it has made its blocks.
    pub(crate) fn turn(
        &mut self,
        writer: Writer,
        batches: &[Batch],
        is_done: impl Fn(&Path) -> bool,
    ) {
        self.n_turns += 1;
        match writer {
            Writer::Us => self.we_write(batches),
            Writer::Prometheus => self.prometheus_writes(batches, is_done),
        }
        add(&mut self.model, batches);
        self.check();
    }

    fn we_write(&mut self, batches: &[Batch]) {
        let db = self.open(&self.data);
        for batch in batches {
            append(&db, batch);
        }
        db.maintain();
        // What is in the files now is what a killed process leaves.
        self.data = self.copy();
    }

    /// We open a copy of the directory, write what only we can read, and are killed; then we read it. Returns the
    /// copy.
    pub(crate) fn we_write_more(&mut self, batches: &[Batch]) -> PathBuf {
        let data = self.copy();
        let db = self.open(&data);
        for batch in batches {
            append(&db, batch);
        }
        let mut expected = self.model.clone();
        add(&mut expected, batches);
        for folder in ["killed", "read"] {
            copy(&data, &self.dir.path().join(folder));
        }
        let read = all_of(&self.open(&self.dir.path().join("read")));
        assert!(read == expected, "we read what we wrote");
        self.dir.path().join("killed")
    }

    fn prometheus_writes(&self, batches: &[Batch], is_done: impl Fn(&Path) -> bool) {
        let server = self.start(&self.data);
        for batch in batches {
            let mut request = WriteRequest::default();
            for (labels, samples) in batch {
                request.add(labels, samples.iter().map(|(t, v)| (*t, v)));
            }
            server.write(&request);
        }
        server.wait(|_| is_done(&self.data), &self.data);
        server.kill();
    }

    pub(crate) fn open(&self, data: &Path) -> Db {
        let out_of_order_window_ms = self.out_of_order_window_ms;
        // A head checkpoint has head chunks written out that would wait for more.
        let head_checkpoint_bytes = 1;
        let options = Options { retention_ms: 0, out_of_order_window_ms, ..Options::default() };
        open(data, Options { head_checkpoint_bytes, ..options })
    }

    pub(crate) fn start(&self, data: &Path) -> Server {
        let window = self.out_of_order_window_ms;
        let config = format!("storage: {{tsdb: {{out_of_order_time_window: {window}ms}}}}\n");
        let flags = [
            "--web.enable-remote-write-receiver",
            "--enable-feature=native-histograms",
            "--query.lookback-delta=500ms",
        ];
        Server::start(&self.program, data, &config, &flags)
    }

    /// A copy of the directory, for somebody who may change it.
    pub(crate) fn copy(&mut self) -> PathBuf {
        self.n_copies += 1;
        let to = self.dir.path().join(self.n_copies.to_string());
        copy(&self.data, &to);
        to
    }

    fn check(&mut self) {
        let ours = self.copy();
        let db = self.open(&ours);
        assert_eq!(db.wal_corruptions(), 0);
        self.compare(&all_of(&db), "we read");
        let copied = self.copy();
        let all = self.ask(&self.start(&copied));
        self.compare(&all, "prometheus reads");
    }

    /// All that a server on the directory knows.
    pub(crate) fn ask(&self, server: &Server) -> Contents {
        let times = || self.model.values().flat_map(|it| it.keys().copied());
        let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        let end = (last / 1000 + 2) * 1000;
        server.all_kinds(end - first + 1000, end)
    }

    pub(crate) fn compare(&self, found: &Contents, who: &str) {
        for (labels, samples) in &self.model {
            let found = found.get(labels);
            let differs =
                |(t, v): &(&i64, &Seen)| found.and_then(|it| it.get(t)).is_none_or(|it| it != *v);
            let missing: Vec<_> = samples.iter().filter(differs).collect();
            let instead = missing.first().and_then(|(t, _)| found.and_then(|it| it.get(t)));
            assert!(
                missing.is_empty(),
                "turn {}: {who} {} of {} of {labels}, without {} of them, first {:?}: {instead:?}",
                self.n_turns,
                found.map_or(0, |it| it.len()),
                samples.len(),
                missing.len(),
                missing[0],
            );
        }
        assert!(*found == self.model, "turn {}: {who} more than was written", self.n_turns);
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.data.join(name).exists()
    }

    pub(crate) fn blocks(&self) -> Vec<block::Meta> {
        blocks(&self.data)
    }
}

fn add(contents: &mut Contents, batches: &[Batch]) {
    for (labels, samples) in batches.iter().flatten() {
        let shown = samples.iter().filter_map(|(t, v)| Some((*t, Seen::of(v)?)));
        contents.entry(labels.clone()).or_default().extend(shown);
    }
}

/// What the blocks in a directory say of themselves.
pub(crate) fn blocks(data: &Path) -> Vec<block::Meta> {
    let directory = stdx::SystemDirectory::new(data);
    let names = tsdb::retention::block_names(&directory).expect("lists");
    let meta = |it: &block::Ulid| {
        block::Block::open(&directory, Path::new(&it.to_string())).expect("opens").meta().clone()
    };
    names.iter().map(meta).collect()
}

fn append(db: &Db, batch: &Batch) {
    let mut appender = storage::Appendable::appender(db);
    for (labels, samples) in batch {
        for (t, value) in samples {
            let value = match value {
                Value::Float(v) => AnyValue::Float(*v),
                Value::Histogram(it) => AnyValue::Histogram(it),
                Value::FloatHistogram(it) => AnyValue::FloatHistogram(it),
            };
            appender.append_any(labels, AnySample { st: 0, t: *t, value }).expect("takes");
        }
    }
    appender.commit().expect("commits");
}
