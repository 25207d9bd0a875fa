//! What a mechanism has to do, and what it is given for it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use model::TargetGroup;
use tokio::sync::{mpsc, watch};

/// Finds targets until it is told to stop.
pub trait Discoverer: Send {
    /// Runs: sends all groups at first, if there are none an empty list, later the groups that changed.
    ///
    /// Ends soon after `stop` says so. A failure to look keeps what was found before: it sends nothing, or, if it
    /// is the first look, an empty list.
    fn run(
        self: Box<Self>,
        updates: Updates,
        stop: Stop,
    ) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// Why targets could not be found, in the words of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure(pub(crate) String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<httpclient::Error> for Failure {
    fn from(why: httpclient::Error) -> Self {
        Failure(why.to_string())
    }
}

/// What one provider found, on its way to the manager.
#[derive(Debug)]
pub(crate) struct Update {
    pub(crate) provider: u64,
    pub(crate) groups: Vec<TargetGroup>,
}

/// Where a discoverer sends groups.
#[derive(Debug)]
pub struct Updates {
    provider: u64,
    sender: mpsc::Sender<Update>,
}

impl Updates {
    pub(crate) fn new(provider: u64, sender: mpsc::Sender<Update>) -> Self {
        Updates { provider, sender }
    }

    /// Sends groups; each replaces the group of the same source. Waits while the manager is busy.
    pub async fn send(&self, groups: Vec<TargetGroup>) {
        // The manager ends only after it told this provider to stop: nobody misses the groups.
        _ = self.sender.send(Update { provider: self.provider, groups }).await;
    }
}

/// Tells a discoverer to stop.
#[derive(Debug)]
pub struct Stop(watch::Receiver<()>);

/// Keeps a discoverer running: dropped, it is told to stop.
#[derive(Debug)]
pub(crate) struct Running {
    _sender: watch::Sender<()>,
}

impl Stop {
    pub(crate) fn new() -> (Running, Self) {
        let (sender, receiver) = watch::channel(());
        (Running { _sender: sender }, Stop(receiver))
    }

    /// Waits until it is time to stop.
    pub async fn stopped(&mut self) {
        // Nothing is ever sent: it ends when the sender is gone.
        while self.0.changed().await.is_ok() {}
    }
}
