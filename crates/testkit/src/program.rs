//! Programs under test, and their peers.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How often [`wait_for`] looks. Processes have no event that a test could await.
const POLL: Duration = Duration::from_millis(20);

/// How much of a program's log a failed test shows.
const LOG_LINES_SHOWN: usize = 20;

/// A running program. Dropping it kills it.
pub struct Program {
    child: Child,
    log: PathBuf,
    stdout: Option<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts `program`. Its standard error goes to the file `log`; its standard output is read by
    /// [`Program::line`].
    ///
    /// # Panics
    /// If it does not start.
    pub fn start(program: &Path, args: &[&str], folder: &Path, log: &Path) -> Self {
        let errors = File::create(log).expect("the log can be written");
        let mut child = Command::new(program)
            .args(args)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let stdout = child.stdout.take().map(BufReader::new);
        Self { child, log: log.to_owned(), stdout }
    }

    /// The next line of its standard output; `None` at the end.
    pub fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.stdout.as_mut()?.read_line(&mut line).ok()?;
        (0 < read).then(|| line.trim_end().to_owned())
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once, as a power cut would.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end and waits until it has, at most 30 s.
    ///
    /// # Panics
    /// If it does not end.
    pub fn stop(self) -> ExitStatus {
        let id = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &id]).status();
        self.wait()
    }

    /// Waits until it has ended by itself, at most 30 s.
    ///
    /// # Panics
    /// If it does not end.
    pub fn wait(mut self) -> ExitStatus {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            assert!(Instant::now() < deadline, "the program does not end\n{}", self.log());
            thread::sleep(POLL);
        }
    }

    /// True while it runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// What it wrote to standard error so far.
    pub fn log(&self) -> String {
        let mut text = String::new();
        let _ = File::open(&self.log).and_then(|mut it| it.read_to_string(&mut text));
        text
    }

    /// Bytes of memory it has resident.
    ///
    /// # Panics
    /// If it runs no more.
    pub fn resident_bytes(&self) -> u64 {
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("it runs");
        let line = status
            .lines()
            .find(|it| it.starts_with("VmRSS:"))
            .expect("a running program has memory");
        let kib: u64 =
            line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number");
        kib * 1024
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let last = &lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..];
            eprintln!("--- the end of {}\n{}", self.log.display(), last.join("\n"));
        }
    }
}

/// Looks until `found` gives something, at most `limit`.
///
/// # Panics
/// If it gives nothing in time; `what` says what was waited for.
pub fn wait_for<T>(what: &str, limit: Duration, mut found: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(it) = found() {
            return it;
        }
        assert!(Instant::now() < deadline, "waited {limit:?} for {what}");
        thread::sleep(POLL);
    }
}

/// A port on loopback that is free now.
///
/// # Panics
/// If there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("it is bound").port()
}

/// Finds a peer's program. Without it the test that asks cannot run: that is said in plain words, and
/// on CI (`CI=true`) it fails.
///
/// # Panics
/// On CI, if the program is missing.
pub fn peer(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|it| it.join(name)).find(|it| it.is_file());
    if found.is_none() {
        let text = format!(
            "{name} is not installed: this test did NOT run (cargo xtask test installs it)"
        );
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{text}");
        eprintln!("{text}");
    }
    found
}
