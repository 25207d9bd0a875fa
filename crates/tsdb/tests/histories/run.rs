//! Lives histories, and makes short what fails.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use crate::history::History;
use crate::world::World;

/// A history that takes longer hangs.
const HANGS_AFTER: Duration = Duration::from_secs(120);

/// A history waits much: for a log to be durable, for views to be closed.
const THREADS_PER_CORE: usize = 4;

/// So often a shorter history is tried.
const SHRINKS_MAX: usize = 400;

thread_local! {
    /// What the last panic of this thread said. Kept instead of printed while a history is lived.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
    static IS_LIVING: Cell<bool> = const { Cell::new(false) };
}

/// Lives the histories of these seeds, on all cores.
///
/// # Panics
/// If one fails: with the first to fail, made short.
pub(crate) fn run(seeds: Range<u64>) {
    listen_to_panics();
    let next = AtomicU64::new(seeds.start);
    let n_threads = THREADS_PER_CORE * thread::available_parallelism().map_or(1, usize::from);
    let failed = thread::scope(|scope| {
        let worker = |_| {
            let (alive, watched) = channel();
            scope.spawn(|| watch(watched));
            scope.spawn(|| work(&next, seeds.end, alive))
        };
        let workers: Vec<_> = (0..n_threads).map(worker).collect();
        workers.into_iter().find_map(|it| it.join().expect("a worker catches panics"))
    });
    if let Some((seed, why)) = failed {
        report(seed, &why);
    }
}

/// Lives histories until there are none left, or one fails.
fn work(next: &AtomicU64, end: u64, alive: Sender<u64>) -> Option<(u64, String)> {
    loop {
        let seed = next.fetch_add(1, SeqCst);
        if end <= seed {
            return None;
        }
        let _ = alive.send(seed);
        if let Err(why) = live(&History::of(seed)) {
            // The others need not go on.
            next.store(end, SeqCst);
            return Some((seed, why));
        }
    }
}

/// Ends everything if a history hangs: nobody else would say which one.
fn watch(alive: Receiver<u64>) {
    let mut living = None;
    loop {
        match alive.recv_timeout(HANGS_AFTER) {
            Ok(seed) => living = Some(seed),
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                eprintln!("the history of seed {living:?} hangs");
                std::process::abort();
            }
        }
    }
}

/// Lives a history to its end. Returns what went wrong.
fn live(history: &History) -> Result<(), String> {
    IS_LIVING.set(true);
    let lived = panic::catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(history.setting);
        history.steps.iter().for_each(|step| world.step(step));
        world.end_well();
    }));
    IS_LIVING.set(false);
    lived.map_err(|_| SAID.take())
}

fn listen_to_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_LIVING.get() {
                SAID.set(info.to_string());
            } else {
                print(info);
            }
        }));
    });
}

fn report(seed: u64, why: &str) {
    let short = shrink(History::of(seed));
    let again = live(&short).err();
    let mut text =
        format!("the history of seed {seed} fails: {why}\nIn short, with {:?}:\n", short.setting);
    for step in &short.steps {
        text += &format!("    Step::{step:?},\n");
    }
    text += &format!("fails with: {}\n", again.as_deref().unwrap_or("nothing: time decides"));
    text += &format!("again: HISTORY={seed} cargo test -p pyrrha-tsdb --test histories");
    panic!("{text}");
}

/// Drops steps, many at first, then single ones, as long as it still fails.
fn shrink(mut history: History) -> History {
    let mut n_tries = 0;
    let mut size = history.steps.len().div_ceil(2);
    while 0 < size {
        let mut at = 0;
        while at < history.steps.len() && n_tries < SHRINKS_MAX {
            n_tries += 1;
            let mut shorter = history.clone();
            shorter.steps.drain(at..(at + size).min(history.steps.len()));
            if live(&shorter).is_err() {
                history = shorter;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    history
}
