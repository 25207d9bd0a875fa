//! The query log: a line of JSON for each query that was evaluated, as upstream writes it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use promql_engine::Stats;

use super::metrics::Metrics;
use super::{Request, Times, When, answer};
use crate::json::{self, Object};

/// Where queries are logged, if anywhere.
pub(crate) struct QueryLog {
    /// Held while a line is written, so that lines stay whole.
    file: Mutex<Option<(PathBuf, File)>>,
    metrics: Arc<Metrics>,
}

/// A query that was evaluated.
pub(super) struct Entry<'a> {
    pub(super) request: &'a Request,
    pub(super) stats: &'a Stats,
    pub(super) times: Times,
    pub(super) error: Option<String>,
}

impl QueryLog {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        Self { file: Mutex::default(), metrics }
    }

    /// Logs to this file from now on, or nowhere. A file is opened anew even if it is the same one: it may
    /// have been moved away.
    ///
    /// # Errors
    /// If it cannot be opened; all stays as it was.
    pub(crate) fn set_file(&self, path: Option<&Path>) -> io::Result<()> {
        let opened = match path {
            Some(path) => {
                let file = OpenOptions::new().append(true).create(true).open(path)?;
                Some((path.to_owned(), file))
            }
            None => None,
        };
        self.metrics.log_enabled.set(f64::from(u8::from(opened.is_some())));
        *self.lock() = opened;
        Ok(())
    }

    /// Writes a line, if there is a file.
    pub(super) fn write(&self, entry: &Entry<'_>, now_ms: i64) {
        let mut file = self.lock();
        let Some((path, file)) = &mut *file else { return };
        let mut line = Vec::new();
        entry.line(&mut line, now_ms);
        if let Err(error) = file.write_all(&line) {
            self.metrics.log_failures.inc();
            tracing::error!(%error, path = %path.display(), "the query log could not be written");
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<(PathBuf, File)>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The identities of a trace where there is none.
const NO_SPAN: &str = "0000000000000000";
const NO_TRACE: &str = "00000000000000000000000000000000";

impl Entry<'_> {
    fn line(&self, out: &mut Vec<u8>, now_ms: i64) {
        let (start, end, step_ms) = match self.request.when {
            When::At(t) => (t, t, 0),
            When::Range { start, end, step } => (start, end, step),
        };
        let mut line = Object::new(out);
        line.string("time", &date(now_ms))
            .string("level", "INFO")
            .string("source", concat!(file!(), ":", line!()))
            .string("msg", "promql query logged");
        Object::new(line.key("params"))
            .string("end", &date(end))
            .string("query", &self.request.query)
            .string("start", &date(start))
            .raw("step", step_ms / 1000)
            .end();
        if let Some(error) = &self.error {
            line.string("error", error);
        }
        answer::stats(line.key("stats"), self.stats, self.times, self.request.when);
        line.string("spanID", NO_SPAN).string("traceID", NO_TRACE);
        let origin = &self.request.origin;
        Object::new(line.key("httpRequest"))
            .string("clientIP", &origin.client)
            .string("method", &origin.method)
            .string("path", &origin.path)
            .end();
        line.end();
        out.push(b'\n');
    }
}

/// A time in UTC with milliseconds.
fn date(t_ms: i64) -> String {
    match jiff::Timestamp::from_millisecond(t_ms) {
        Ok(time) => time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
        Err(_) => json::ZERO_TIME.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use client::Registry;

    use promql_engine::StepSamples;

    use super::super::{Origin, StatsWanted};
    use super::*;

    #[test]
    fn logs_as_upstream() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("log"), folder.path().join("log.1"));
        let log = QueryLog::new(Arc::new(Metrics::new(&Registry::default(), 20)));
        let request = Request {
            query: "up == <1>".to_owned(),
            when: When::Range { start: 1_500, end: 61_500, step: 15_000 },
            lookback_ms: None,
            timeout: Duration::from_secs(1),
            limit: 0,
            stats: StatsWanted::No,
            origin: Origin {
                client: "10.0.0.1".to_owned(),
                method: "GET".to_owned(),
                path: "/api/v1/query_range".to_owned(),
            },
        };
        let times = Times { queued: Duration::ZERO, total: Duration::from_millis(2) };
        let stats = Stats { samples: StepSamples { queryable: 7, read: 0 }, ..Stats::default() };
        let write = |error: Option<&str>| {
            let error = error.map(str::to_owned);
            log.write(&Entry { request: &request, stats: &stats, times, error }, 1_000);
        };
        write(None);
        log.set_file(Some(&path)).unwrap();
        write(None);
        std::fs::rename(&path, &moved).unwrap();
        write(Some("it timed out"));
        log.set_file(Some(&path)).unwrap();
        write(None);
        log.set_file(None).unwrap();
        write(None);
        let lines = |path: &Path| -> Vec<serde_json::Value> {
            let text = std::fs::read_to_string(path).unwrap();
            text.lines().map(|it| serde_json::from_str(it).unwrap()).collect()
        };
        let (old, new) = (lines(&moved), lines(&path));
        assert_eq!((old.len(), new.len()), (2, 1));
        let params = serde_json::json!({
            "query": "up == <1>", "step": 15,
            "start": "1970-01-01T00:00:01.500Z", "end": "1970-01-01T00:01:01.500Z",
        });
        assert_eq!((&old[0]["msg"], &old[0]["params"]), (&"promql query logged".into(), &params));
        assert_eq!(old[0]["httpRequest"]["clientIP"], "10.0.0.1");
        assert_eq!(old[0]["stats"]["samples"]["totalQueryableSamples"], 7);
        assert_eq!((old[0].get("error"), &old[1]["error"]), (None, &"it timed out".into()));
        assert_eq!(new[0]["traceID"], NO_TRACE);
        log.set_file(Some(folder.path())).expect_err("a folder is no file");
    }
}
