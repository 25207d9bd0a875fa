//! Threads that append replayed samples while the log is read on.
//!
//! A page belongs to one worker, so the samples of a series stay in the order of the log. The reader makes
//! series itself, before it hands on their samples.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use chunk::{Sample, Value};
use foldhash::fast::RandomState;
use wal::record::RefSample;

use super::super::Head;
use super::super::apply::{Applied, Pushed, TOUCHED_TOGETHER};
use super::super::batch::Other;
use super::super::series::{for_each_run, page_of};

/// Samples handed on together.
const BATCH: usize = 4096;
const OTHERS_BATCH: usize = 256;
/// Batches that wait for one worker; then the reader does.
const QUEUE: usize = 8;
const WORKERS_MAX: usize = 8;

/// The workers of a replay.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    batch: Vec<RefSample>,
    others: Others,
    queue: SyncSender<Work>,
    thread: JoinHandle<Tally>,
}

enum Work {
    /// The second list after the first.
    Append(Vec<RefSample>, Vec<Other>),
    /// From now on, keep samples that are late.
    KeepLate,
    /// Answer, once all before this is done.
    Answer(SyncSender<()>),
}

/// Samples that are no plain floats. They are appended after the floats handed on with them.
#[derive(Default)]
struct Others {
    all: Vec<Other>,
    series: HashSet<u64, RandomState>,
}

impl Others {
    fn push(&mut self, other: Other) {
        self.series.insert(other.series);
        self.all.push(other);
    }

    fn has(&self, series: u64) -> bool {
        !self.all.is_empty() && self.series.contains(&series)
    }
}

/// What workers did.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) applied: Applied,
    /// Floats, then histograms.
    pub(super) n_unknown: [u64; 2],
    /// Samples that are not later than the last one of their series, if they are to be kept.
    pub(super) late: Option<Vec<Other>>,
}

impl Workers {
    /// Starts one for each core but eight at most.
    pub(super) fn start(head: &Arc<Head>) -> io::Result<Self> {
        let n = thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
        let start = |_| {
            let (queue, work) = sync_channel(QUEUE);
            let head = Arc::clone(head);
            let thread = thread::Builder::new()
                .name("replay".to_owned())
                .spawn(move || run(&head, &work))?;
            Ok(Worker {
                batch: Vec::with_capacity(BATCH),
                others: Others::default(),
                queue,
                thread,
            })
        };
        (0..n).map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Hands a sample to the worker of its page.
    pub(super) fn push(&mut self, sample: RefSample) {
        let worker = self.of(sample.series.0);
        if worker.others.has(sample.series.0) {
            // It comes after those.
            worker.send();
        }
        worker.batch.push(sample);
        if worker.batch.len() == BATCH {
            worker.send();
        }
    }

    /// Hands any other sample to the worker of its page.
    pub(super) fn push_other(&mut self, other: Other) {
        let worker = self.of(other.series);
        worker.others.push(other);
        if worker.others.all.len() == OTHERS_BATCH {
            worker.send();
        }
    }

    fn of(&mut self, series: u64) -> &mut Worker {
        let n = self.0.len() as u64;
        &mut self.0[usize::try_from(page_of(series) % n).expect("less than the workers")]
    }

    /// Waits until everything handed over is appended.
    pub(super) fn wait(&mut self) {
        let (answer, answers) = sync_channel(self.0.len());
        for worker in &mut self.0 {
            worker.send();
            let _ = worker.queue.send(Work::Answer(answer.clone()));
        }
        drop(answer);
        // Ends when every worker has answered, or is gone: joining it will tell.
        while answers.recv().is_ok() {}
    }

    /// From now on, keeps samples that are not later than the last one of their series, in their order.
    pub(super) fn keep_late(&mut self) {
        for worker in &mut self.0 {
            worker.send();
            let _ = worker.queue.send(Work::KeepLate);
        }
    }

    /// Ends the workers and sums up what they did.
    pub(super) fn finish(mut self) -> Tally {
        let mut all = Tally::default();
        for mut worker in std::mem::take(&mut self.0) {
            worker.send();
            drop(worker.queue);
            let one = worker.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            for kind in 0..2 {
                all.n_unknown[kind] += one.n_unknown[kind];
                all.applied.n[kind] += one.applied.n[kind];
            }
            all.applied.mint = all.applied.mint.min(one.applied.mint);
            all.applied.maxt = all.applied.maxt.max(one.applied.maxt);
            all.late.get_or_insert_default().extend(one.late.into_iter().flatten());
        }
        all
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Of a replay that failed: what they did is of no interest, that they end is.
        for worker in self.0.drain(..) {
            drop(worker.queue);
            let _ = worker.thread.join();
        }
    }
}

impl Worker {
    fn send(&mut self) {
        if self.batch.is_empty() && self.others.all.is_empty() {
            return;
        }
        let full = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // A worker that is gone panicked; joining it will tell.
        let _ = self.queue.send(Work::Append(full, std::mem::take(&mut self.others).all));
    }
}

fn run(head: &Head, work: &Receiver<Work>) -> Tally {
    let mut tally = Tally::default();
    while let Ok(it) = work.recv() {
        match it {
            Work::Append(samples, others) => {
                append(head, &samples, &mut tally);
                append_others(head, &others, &mut tally);
            }
            Work::KeepLate => drop(tally.late.get_or_insert_default()),
            Work::Answer(answer) => drop(answer.send(())),
        }
    }
    tally
}

fn append(head: &Head, samples: &[RefSample], tally: &mut Tally) {
    let mut n_known = 0;
    let Tally { applied, late, .. } = tally;
    for_each_run(
        &head.pages,
        samples,
        |it| it.series.0,
        |page, run| {
            for some in run.chunks(TOUCHED_TOGETHER) {
                page.touch(some.iter().map(|it| it.series.0));
                for it in some {
                    let is_known = page.has(it.series.0);
                    n_known += u64::from(is_known);
                    let pushed = head.push_sample(page, it, applied);
                    applied.count(false, it.t, pushed);
                    if let Some(late) = late.as_mut().filter(|_| is_known && pushed == Pushed::Late)
                    {
                        let sample = Sample { st: 0, t: it.t, value: Value::Float(it.v) };
                        late.push(Other { series: it.series.0, sample });
                    }
                }
            }
        },
    );
    tally.n_unknown[0] += samples.len() as u64 - n_known;
}

fn append_others(head: &Head, others: &[Other], tally: &mut Tally) {
    let is_histogram = |it: &Other| !matches!(it.sample.value, Value::Float(_));
    let kinds = others.iter().map(|it| usize::from(is_histogram(it)));
    kinds.for_each(|kind| tally.n_unknown[kind] += 1);
    let Tally { applied, n_unknown, late } = tally;
    for_each_run(
        &head.pages,
        others,
        |it| it.series,
        |page, run| {
            for it in run {
                let is_known = page.has(it.series);
                n_unknown[usize::from(is_histogram(it))] -= u64::from(is_known);
                let pushed = head.push_other(page, it.series, &it.sample, applied);
                applied.count(is_histogram(it), it.sample.t, pushed);
                if let Some(late) = late.as_mut().filter(|_| is_known && pushed == Pushed::Late) {
                    late.push(it.clone());
                }
            }
        },
    );
}
