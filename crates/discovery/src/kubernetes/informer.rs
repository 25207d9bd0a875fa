//! Follows all objects of one kind: lists them, then watches what changes.
//!
//! ```text
//!            ┌──────────── expired, garbage ◀──────────┐
//!            ▼                                         │
//!  list (page by page) ─version▶ watch ─line▶ event    │
//!                                  │ ended, silent, dropped: again from the last version
//!                                  └───────────────────┘
//! ```
//!
//! Every watch that ends is followed by a pause, which grows unless the watch had lasted. Memory is bounded by one page
//! of text and one line, besides the objects themselves.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use httpclient::{Connection, Response};
use stdx::random_between;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};
use tracing::{debug, error};

use super::api::{Api, Form, Problem};
use super::lines::{Lines, TooLong};
use super::object::Object;
use super::resource::{Line, Page, Resource};
use crate::backoff::Backoff;
use crate::json::parse;

/// Objects asked for at once.
const PAGE_OBJECTS: &str = "250";

/// What an informer puts up with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// The longest page that is read.
    page_bytes: usize,
    /// The longest list that is read.
    list_bytes: u64,
    /// The longest line of a watch that is read; the API stores no object beyond some 2 MiB.
    line_bytes: usize,
    /// How long one page may take.
    page_time: Duration,
    /// After so long without a word a watch is begun anew: its connection may have died unnoticed. Servers send
    /// bookmarks about once a minute.
    silence: Duration,
}

/// The limits of all informers.
pub(crate) const LIMITS: Limits = Limits {
    page_bytes: 64 << 20,
    list_bytes: 4 << 30,
    line_bytes: 16 << 20,
    page_time: Duration::from_secs(60),
    silence: Duration::from_secs(120),
};

/// How long the server is asked to let a watch last: any time between these.
const WATCH_TIME: [Duration; 2] = [Duration::from_secs(300), Duration::from_secs(600)];

/// A watch that lasted so long was no failure.
const STEADY: Duration = Duration::from_secs(5);

/// Pauses before the next attempt.
const PAUSE: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(30)];

/// What an informer saw.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) resource: Resource,
    /// The namespace it looks at; `None`: all.
    pub(crate) namespace: Option<Arc<str>>,
    pub(crate) change: Change,
}

/// How the objects changed.
#[derive(Debug)]
pub(crate) enum Change {
    /// A list has ended: objects with other keys are gone.
    Listed(HashSet<String>),
    /// One is new or has changed.
    Set(Object),
    /// One is gone.
    Removed(Object),
}

/// Follows the objects of one kind.
pub(crate) struct Informer {
    pub(crate) api: Arc<Api>,
    pub(crate) resource: Resource,
    /// The namespace to look at; `None`: all.
    pub(crate) namespace: Option<Arc<str>>,
    /// Asks for metadata only: nothing else is read of the objects.
    pub(crate) is_bare: bool,
    /// Which objects, in the API's words: by labels, by fields.
    pub(crate) label_selector: String,
    pub(crate) field_selector: String,
    pub(crate) events: mpsc::Sender<Event>,
    pub(crate) limits: Limits,
}

impl Informer {
    /// Runs until it is dropped, or nobody takes its events any more.
    pub(crate) async fn run(self) {
        let mut connection = self.api.connection();
        let mut backoff = Backoff::new(PAUSE[0], PAUSE[1]);
        let mut version = None;
        while !self.events.is_closed() {
            let start = Instant::now();
            let ended = match &mut version {
                None => match self.list(&mut connection).await {
                    Ok(listed) => {
                        version = Some(listed);
                        continue;
                    }
                    Err(problem) => Err(problem),
                },
                Some(version) => self.watch(&mut connection, version).await,
            };
            if let Err(problem) = ended {
                self.report(&problem);
                if problem.needs_list() {
                    version = None;
                }
            }
            if STEADY <= start.elapsed() {
                backoff.reset();
            }
            sleep(backoff.pause()).await;
        }
    }

    fn report(&self, problem: &Problem) {
        let (role, namespace) = (self.resource.role(), self.namespace.as_deref());
        if let Problem::Expired = problem {
            debug!(discovery = "kubernetes", role, namespace, "version expired, listing again");
            return;
        }
        self.api.metrics().failures.inc();
        let config = self.api.job();
        error!(
            discovery = "kubernetes", config, role, namespace, err = %problem,
            "Failed to list or watch"
        );
    }

    /// Lists all objects, which are sent as they come. Returns the version of the list.
    async fn list(&self, connection: &mut Connection) -> Result<String, Problem> {
        let (mut keys, mut n_bytes, mut next) = (HashSet::new(), 0_u64, String::new());
        loop {
            let pairs = [("limit", PAGE_OBJECTS), ("continue", next.as_str())];
            let form = if self.is_bare { Form::BareList } else { Form::Whole };
            let mut response = self.ask(connection, form, &pairs, self.limits.page_time).await?;
            let mut text = Vec::new();
            response.read_into(&mut text, self.limits.page_bytes).await?;
            n_bytes += text.len() as u64;
            if self.limits.list_bytes < n_bytes {
                return Err(Problem::Garbage("the list is too long".into()));
            }
            let page = self.parse(text).await?;
            for object in page.objects {
                keys.insert(object.key());
                self.send(Change::Set(object)).await;
            }
            next = page.next;
            if next.is_empty() {
                self.send(Change::Listed(keys)).await;
                return Ok(page.version);
            }
        }
    }

    async fn parse(&self, text: Vec<u8>) -> Result<Page, Problem> {
        let resource = self.resource;
        // A page may take longer than others want to wait.
        let parsed = spawn_blocking(move || resource.parse_list(&text)).await;
        let parsed = parsed.unwrap_or_else(|it| Err(it.to_string()));
        parsed.map_err(|it| Problem::Garbage(format!("bad list: {it}")))
    }

    /// Watches until the watch ends, and keeps `version` at what was seen last.
    async fn watch(
        &self,
        connection: &mut Connection,
        version: &mut String,
    ) -> Result<(), Problem> {
        let time = random_between(WATCH_TIME[0], WATCH_TIME[1]).as_secs().to_string();
        let pairs = [
            ("watch", "1"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", time.as_str()),
            ("resourceVersion", version.as_str()),
        ];
        let form = if self.is_bare { Form::BareWatch } else { Form::Whole };
        let mut response = self.ask(connection, form, &pairs, self.limits.silence).await?;
        let mut lines = Lines::new(self.limits.line_bytes);
        loop {
            match response.chunk(self.limits.silence).await {
                Ok(Some(piece)) => lines.push(&piece),
                Ok(None) | Err(httpclient::Error::Timeout(_)) => return Ok(()),
                Err(problem) => return Err(problem.into()),
            }
            while let Some(line) = lines.next()? {
                self.take(line, version).await?;
            }
        }
    }

    /// Takes one line of a watch.
    async fn take(&self, line: &[u8], version: &mut String) -> Result<(), Problem> {
        let garbage = |it: String| Problem::Garbage(format!("bad watch event: {it}"));
        let said: Line = parse(line).map_err(garbage)?;
        let object = || self.resource.parse_object(line).map_err(garbage);
        match said.kind.as_str() {
            "ADDED" | "MODIFIED" => self.send(Change::Set(object()?)).await,
            "DELETED" => self.send(Change::Removed(object()?)).await,
            "BOOKMARK" => {}
            "ERROR" if said.object.code == 410 => return Err(Problem::Expired),
            "ERROR" => return Err(Problem::Garbage(said.object.message)),
            other => return Err(Problem::Garbage(format!("unknown watch event {other:?}"))),
        }
        if !said.object.metadata.resource_version.is_empty() {
            *version = said.object.metadata.resource_version;
        }
        Ok(())
    }

    async fn ask<'a>(
        &self,
        connection: &'a mut Connection,
        form: Form,
        pairs: &[(&str, &str)],
        timeout: Duration,
    ) -> Result<Response<'a>, Problem> {
        let selectors = [
            ("labelSelector", self.label_selector.as_str()),
            ("fieldSelector", self.field_selector.as_str()),
        ];
        let pairs = pairs.iter().copied().chain(selectors).filter(|it| !it.1.is_empty());
        let path = self.resource.path(self.namespace.as_deref());
        self.api.ask(connection, form, &path, pairs, timeout).await
    }

    async fn send(&self, change: Change) {
        let (resource, namespace) = (self.resource, self.namespace.clone());
        // Nobody takes it only when the whole discovery ends, and this with it.
        _ = self.events.send(Event { resource, namespace, change }).await;
    }
}

impl From<TooLong> for Problem {
    fn from(_: TooLong) -> Self {
        Problem::Garbage("a watch event is too long".to_owned())
    }
}

#[cfg(test)]
mod tests;
