//! How much memory this process takes, and how much it may.

use std::fs;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use promql_engine::Engine;

/// Memory is looked at so often while there is plenty of it.
const INTERVAL: Duration = Duration::from_secs(1);

/// And so often once more than half of the limit is used: what a flood of new series takes meanwhile is a percent or
/// two of a small limit.
const INTERVAL_CLOSE: Duration = Duration::from_millis(50);

/// Share of the machine's, or the control group's, memory that is the limit unless told otherwise.
const DEFAULT_PERCENT: u64 = 80;

/// Tells the database what the process takes, and queries what there is for them, until it is dropped.
pub(super) struct Watch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Starts watching.
    ///
    /// # Errors
    /// If there is no thread to be had.
    pub(super) fn start(db: Arc<tsdb::Db>, engine: Arc<Engine>) -> std::io::Result<Self> {
        let (stop, stopped) = channel();
        let thread = std::thread::Builder::new().name("memory".into()).spawn(move || {
            let close = match db.memory().limit / 2 {
                // Without a limit nothing is close to it.
                0 => u64::MAX,
                half => half,
            };
            let mut room = Room::new(db.memory().limit);
            let mut interval = INTERVAL;
            while stopped.recv_timeout(interval) == Err(RecvTimeoutError::Timeout) {
                let used = anonymous_bytes();
                db.observe_memory(used);
                let pool = engine.pool();
                pool.set_max(room.for_queries(used, pool.held(), interval));
                interval = if used < close { INTERVAL } else { INTERVAL_CLOSE };
            }
        })?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // If it panicked it has said so.
            let _ = thread.join();
        }
    }
}

/// Percent of the limit that queries may fill: where new series begin to be refused.
const QUERIES_PERCENT: u64 = 80;

/// Queries may always hold this share of the limit, so that a full server can still be looked at.
const QUERIES_SHARE_MIN: u64 = 32;

/// What is freed is resident for about a second more, and must not be taken for what others hold.
const FREED_AFTER: Duration = Duration::from_secs(2);

/// Says how much there is for queries.
struct Room {
    limit: u64,
    /// The least that all but queries took, in the time that runs and in the one before it.
    others: [u64; 2],
    /// How long the first of these times has run.
    since: Duration,
}

impl Room {
    /// `limit` is that of the process; 0 is none.
    fn new(limit: u64) -> Self {
        Self { limit, others: [u64::MAX; 2], since: Duration::ZERO }
    }

    /// What all queries together may hold, when the process was seen to take `used` bytes and queries to hold
    /// `held`, `interval` after it was asked last.
    fn for_queries(&mut self, used: u64, held: u64, interval: Duration) -> u64 {
        if self.limit == 0 {
            return u64::MAX;
        }
        self.since += interval;
        if FREED_AFTER <= self.since {
            self.others = [u64::MAX, self.others[0]];
            self.since = Duration::ZERO;
        }
        self.others[0] = self.others[0].min(used.saturating_sub(held));
        let others = self.others[0].min(self.others[1]);
        let room = (self.limit / 100 * QUERIES_PERCENT).saturating_sub(others);
        room.max(self.limit / QUERIES_SHARE_MIN)
    }
}

/// Resident bytes that no file backs: mapped files are the kernel's to take back. 0 if the kernel does not say.
fn anonymous_bytes() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let mut pages = statm.split_whitespace().skip(1).map(|it| it.parse::<u64>().unwrap_or(0));
    let (resident, shared) = (pages.next().unwrap_or(0), pages.next().unwrap_or(0));
    resident.saturating_sub(shared) * rustix::param::page_size() as u64
}

/// The limit of a process that is not told one; 0, none, if the kernel does not say what there is.
pub(super) fn default_limit() -> u64 {
    let machine = meminfo_total(&fs::read_to_string("/proc/meminfo").unwrap_or_default());
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let read = |path: &str| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    let group = cgroup_files(&cgroups).iter().filter_map(|it| read(it)).min();
    let limit = group.into_iter().chain(machine).min().unwrap_or(0);
    limit / 100 * DEFAULT_PERCENT
}

fn meminfo_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|it| it.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? * 1024)
}

/// The files that may hold a limit of the control group: versions 2 and 1, the group's own and, as inside a
/// container, the root's.
fn cgroup_files(cgroups: &str) -> Vec<String> {
    let mut files = vec![
        "/sys/fs/cgroup/memory.max".to_owned(),
        "/sys/fs/cgroup/memory/memory.limit_in_bytes".to_owned(),
    ];
    for line in cgroups.lines() {
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(kinds), Some(path)) = (fields.next(), fields.next()) else { continue };
        if kinds.is_empty() {
            files.push(format!("/sys/fs/cgroup{path}/memory.max"));
        } else if kinds.split(',').any(|it| it == "memory") {
            files.push(format!("/sys/fs/cgroup/memory{path}/memory.limit_in_bytes"));
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_room_for_queries() {
        const MB: u64 = 1 << 20;
        let mut room = Room::new(1000 * MB);
        let mut ask = |used: u64, held: u64| room.for_queries(used * MB, held * MB, INTERVAL) / MB;
        assert_eq!(ask(300, 0), 500, "up to 80 %");
        assert_eq!(ask(500, 200), 500, "what queries hold is theirs");
        assert_eq!(ask(500, 0), 500, "what they gave back is resident still");
        assert_eq!([ask(500, 0), ask(500, 0)], [500; 2], "and may be");
        assert_eq!(ask(500, 0), 300, "no, others took it");
        assert_eq!([(); 4].map(|()| ask(990, 0)), [300, 300, 300, 31], "never nothing");
        assert_eq!(Room::new(0).for_queries(MB, 0, INTERVAL), u64::MAX);
    }

    #[test]
    fn finds_the_limits() {
        assert_eq!(
            meminfo_total("MemTotal:       24591232 kB\nMemFree: 1 kB\n"),
            Some(25_181_421_568)
        );
        assert_eq!(meminfo_total("nonsense"), None);
        let files = cgroup_files("12:cpu,memory:/docker/1\n0::/user.slice\nbad\n");
        assert_eq!(
            files[2..],
            [
                "/sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes",
                "/sys/fs/cgroup/user.slice/memory.max"
            ]
        );
        let (limit, now) = (default_limit(), anonymous_bytes());
        assert!(now < limit && 1 << 16 < now, "{now} of {limit}");
    }
}
