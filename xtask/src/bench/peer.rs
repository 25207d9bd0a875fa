//! A program under measurement.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// A running server. Dropping it kills the process.
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) data: PathBuf,
    child: Child,
}

/// What a process used so far.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    pub(crate) resident: u64,
    pub(crate) resident_max: u64,
}

impl Peer {
    /// Starts `program` and waits until `port` takes connections. Its output goes to `folder/NAME.log`.
    pub(crate) fn start(
        name: &'static str,
        program: &Path,
        args: &[String],
        folder: &Path,
        port: u16,
    ) -> Result<Self> {
        let mut peer = Self::spawn(name, program, args, folder)?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = peer.child.try_wait()? {
                bail!(
                    "{name} ended with {status}; see {}",
                    folder.join(format!("{name}.log")).display()
                );
            }
            if deadline < Instant::now() {
                bail!("{name} does not listen on {port}");
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(peer)
    }

    /// As [`Peer::start`], without waiting.
    pub(crate) fn spawn(
        name: &'static str,
        program: &Path,
        args: &[String],
        folder: &Path,
    ) -> Result<Self> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(folder.join(format!("{name}.log")))?;
        let child = Command::new(program)
            .args(args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("{} did not start", program.display()))?;
        Ok(Self { name, data: folder.join(name), child })
    }

    /// Resident bytes that no file backs.
    pub(crate) fn anonymous(&self) -> Result<u64> {
        self.status("RssAnon:")
    }

    /// What it used so far.
    pub(crate) fn usage(&self) -> Result<Usage> {
        let id = self.child.id();
        let stat = fs::read_to_string(format!("/proc/{id}/stat"))?;
        let after_name = stat.rsplit_once(')').context("no name in stat")?.1;
        let fields: Vec<&str> = after_name.split_whitespace().collect();
        let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
        Ok(Usage {
            cpu_s: ticks / 100.0,
            resident: self.status("VmRSS:")?,
            resident_max: self.status("VmHWM:")?,
        })
    }

    /// A size from `/proc/PID/status`.
    fn status(&self, key: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line =
            status.lines().find(|it| it.starts_with(key)).context("no such line in status")?;
        Ok(line.split_whitespace().nth(1).context("no number")?.parse::<u64>()? * 1024)
    }

    /// Bytes that its data folder holds on disk.
    pub(crate) fn disk(&self) -> u64 {
        folder_bytes(&self.data)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port on loopback that is free now.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn folder_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let sizes = entries.filter_map(Result::ok).filter_map(|entry| {
        let meta = entry.metadata().ok()?;
        Some(if meta.is_dir() { folder_bytes(&entry.path()) } else { meta.blocks() * 512 })
    });
    sizes.sum()
}
