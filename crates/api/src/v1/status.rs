//! `/status/*`: configuration, flags, run-time facts, build, head statistics.

use std::sync::Arc;

use axum::extract::State;
use tsdb::Stat;

use crate::envelope::{ApiError, Success};
use crate::param::Params;
use crate::{Api, json};

pub(crate) async fn config(State(api): State<Arc<Api>>) -> Success {
    let yaml = api.loaded().yaml;
    Success::new(|out| json::Object::new(out).string("yaml", &yaml).end())
}

pub(crate) async fn flags(State(api): State<Arc<Api>>) -> Success {
    Success::new(|out| {
        let mut object = json::Object::new(out);
        for (name, value) in &api.options.flags {
            object.string(name, value);
        }
        object.end();
    })
}

/// Keys that describe Go's run time are there, with the nearest meaning they have here.
pub(crate) async fn runtime(State(api): State<Arc<Api>>) -> Result<Success, ApiError> {
    let parts = super::parts(&api)?;
    let loaded = api.loaded();
    let tasks = tokio::runtime::Handle::current().metrics().num_alive_tasks();
    Ok(Success::new(|out| {
        json::Object::new(out)
            .string("startTime", &json::rfc3339(api.start_t))
            .string("CWD", &api.options.working_directory)
            .string("hostname", &api.options.hostname)
            .string("serverTime", &json::rfc3339(api.clock.now_ms()))
            .raw("reloadConfigSuccess", loaded.ok)
            .string("lastConfigTime", &json::rfc3339(loaded.t / 1000 * 1000))
            .raw("corruptionCount", parts.storage.as_ref().map_or(0, |it| it.db.wal_corruptions()))
            .raw("goroutineCount", tasks)
            .raw("GOMAXPROCS", api.options.threads)
            .raw("GOMEMLIMIT", i64::MAX)
            .string("GOGC", "")
            .string("GODEBUG", "")
            .string("storageRetention", &loaded.retention)
            .end();
    }))
}

pub(crate) async fn build(State(api): State<Arc<Api>>) -> Success {
    Success::new(|out| build_object(out, &api))
}

/// What was built, as an object.
pub(crate) fn build_object(out: &mut Vec<u8>, api: &Api) {
    let build = &api.options.build;
    json::Object::new(out)
        .string("version", &build.version)
        .string("revision", &build.revision)
        .string("branch", &build.branch)
        .string("buildUser", "")
        .string("buildDate", &build.date)
        .string("goVersion", &build.compiler)
        .end();
}

pub(crate) async fn tsdb(State(api): State<Arc<Api>>, params: Params) -> Result<Success, ApiError> {
    let limit = match params.get("limit") {
        "" => 10,
        text => match text.parse::<usize>() {
            Ok(limit) if 10_000 < limit => {
                return Err(ApiError::bad("limit must not exceed 10000"));
            }
            Ok(limit) if 0 < limit => limit,
            _ => return Err(ApiError::bad("limit must be a positive number")),
        },
    };
    let db = super::storage(&api)?.db;
    let stats = tokio::task::spawn_blocking(move || db.stats(limit)).await;
    let stats = stats
        .map_err(|error| ApiError::new(crate::envelope::ErrorKind::Internal, error.to_string()))?;
    Ok(Success::new(|out| {
        let mut object = json::Object::new(out);
        json::Object::new(object.key("headStats"))
            .raw("numSeries", stats.n_series)
            .raw("numLabelPairs", stats.n_label_pairs)
            .raw("chunkCount", stats.n_chunks)
            .raw("minTime", stats.mint)
            .raw("maxTime", stats.maxt)
            .end();
        for (name, list) in [
            ("seriesCountByMetricName", &stats.series_by_metric_name),
            ("labelValueCountByLabelName", &stats.values_by_label_name),
            ("memoryInBytesByLabelName", &stats.memory_by_label_name),
            ("seriesCountByLabelValuePair", &stats.series_by_label_pair),
        ] {
            counts(object.key(name), list);
        }
        object.end();
    }))
}

/// Ours: how memory stands against its limit, and which jobs are refused new series.
pub(crate) async fn memory(State(api): State<Arc<Api>>) -> Result<Success, ApiError> {
    let status = super::storage(&api)?.db.memory();
    Ok(Success::new(|out| {
        let mut object = json::Object::new(out);
        object.raw("limit", status.limit).raw("used", status.used).raw("scarce", status.is_pressed);
        json::array(object.key("refused"), &status.refused, |out, (job, n)| {
            json::Object::new(out).string("job", job).raw("value", n).end();
        });
        object.end();
    }))
}

/// How far the log has been read; answers before the server is ready.
pub(crate) async fn wal_replay(State(api): State<Arc<Api>>) -> Success {
    let tsdb::ReplayStatus { min, max, current } = api.replay_status();
    Success::new(|out| {
        json::Object::new(out).raw("min", min).raw("max", max).raw("current", current).end();
    })
}

fn counts(out: &mut Vec<u8>, list: &[Stat]) {
    json::array(out, list, |out, stat| {
        json::Object::new(out).string("name", &stat.name).raw("value", stat.value).end();
    });
}
