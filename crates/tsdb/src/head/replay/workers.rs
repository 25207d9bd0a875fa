//! Threads that append replayed samples while the log is read on.
//!
//! A page belongs to one worker, so the samples of a series stay in the order of the log. The reader makes
//! series itself, before it hands on their samples.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use wal::record::RefSample;

use super::super::Head;
use super::super::apply::{Applied, Pushed, TOUCHED_TOGETHER};
use super::super::series::{for_each_run, page_of};

/// Samples handed on together.
const BATCH: usize = 4096;
/// Batches that wait for one worker; then the reader does.
const QUEUE: usize = 8;
const WORKERS_MAX: usize = 8;

/// The workers of a replay.
pub(super) struct Workers(Vec<Worker>);

struct Worker {
    batch: Vec<RefSample>,
    queue: SyncSender<Work>,
    thread: JoinHandle<Tally>,
}

enum Work {
    Append(Vec<RefSample>),
    /// Answer, once all before this is done.
    Answer(SyncSender<()>),
}

/// What workers did.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) applied: Applied,
    pub(super) n_unknown: u64,
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
            Ok(Worker { batch: Vec::with_capacity(BATCH), queue, thread })
        };
        (0..n).map(start).collect::<io::Result<_>>().map(Self)
    }

    /// Hands a sample to the worker of its page.
    pub(super) fn push(&mut self, sample: RefSample) {
        let n = self.0.len() as u64;
        let at = usize::try_from(page_of(sample.series.0) % n).expect("less than the workers");
        let worker = &mut self.0[at];
        worker.batch.push(sample);
        if worker.batch.len() == BATCH {
            worker.send();
        }
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

    /// Ends the workers and sums up what they did.
    pub(super) fn finish(mut self) -> Tally {
        let mut all = Tally::default();
        for mut worker in std::mem::take(&mut self.0) {
            worker.send();
            drop(worker.queue);
            let one = worker.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            all.n_unknown += one.n_unknown;
            all.applied.n += one.applied.n;
            all.applied.mint = all.applied.mint.min(one.applied.mint);
            all.applied.maxt = all.applied.maxt.max(one.applied.maxt);
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
        if !self.batch.is_empty() {
            let full = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
            // A worker that is gone panicked; joining it will tell.
            let _ = self.queue.send(Work::Append(full));
        }
    }
}

fn run(head: &Head, work: &Receiver<Work>) -> Tally {
    let mut tally = Tally::default();
    while let Ok(it) = work.recv() {
        match it {
            Work::Append(samples) => append(head, &samples, &mut tally),
            Work::Answer(answer) => drop(answer.send(())),
        }
    }
    tally
}

fn append(head: &Head, samples: &[RefSample], tally: &mut Tally) {
    let mut n_known = 0;
    let applied = &mut tally.applied;
    for_each_run(
        &head.pages,
        samples,
        |it| it.series.0,
        |page, run| {
            for some in run.chunks(TOUCHED_TOGETHER) {
                page.touch(some.iter().map(|it| it.series.0));
                for it in some {
                    n_known += u64::from(page.has(it.series.0));
                    if head.push_sample(page, it, applied) == Pushed::Stored {
                        applied.n += 1;
                        applied.mint = applied.mint.min(it.t);
                        applied.maxt = applied.maxt.max(it.t);
                    }
                }
            }
        },
    );
    tally.n_unknown += samples.len() as u64 - n_known;
}
