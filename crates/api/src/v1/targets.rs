//! `/targets`, `/scrape_pools` and `/scrape_pools/config`.

use std::sync::Arc;

use axum::extract::State;
use model::{duration, quote};
use scrape::{ActiveTarget, PoolStatus};

use crate::envelope::{ApiError, Success};
use crate::param::Params;
use crate::{Api, json};

pub(crate) async fn pools(State(api): State<Arc<Api>>) -> Result<Success, ApiError> {
    let pools = super::parts(&api)?.scrape.pools();
    Ok(Success::new(|out| {
        let mut object = json::Object::new(out);
        json::strings(object.key("scrapePools"), pools.iter().map(|it| &it.name));
        object.end();
    }))
}

pub(crate) async fn pool_config(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let name = params.get("scrapePool");
    if name.is_empty() {
        return Err(ApiError::bad("no scrapePool parameter provided"));
    }
    let loaded = api.loaded();
    let yaml = loaded.jobs.get(name);
    let yaml =
        yaml.ok_or_else(|| ApiError::bad(format!("scrape pool {} not found", quote(name))))?;
    Ok(Success::new(|out| json::Object::new(out).string("yaml", yaml).end()))
}

pub(crate) async fn targets(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let pools = super::parts(&api)?.scrape.pools();
    let (show_active, show_dropped) = match params.get("state").to_lowercase().as_str() {
        "" | "any" => (true, true),
        "active" => (true, false),
        "dropped" => (false, true),
        _ => (false, false),
    };
    let wanted = params.get("scrapePool");
    let shown: Vec<&PoolStatus> =
        pools.iter().filter(|it| wanted.is_empty() || it.name == wanted).collect();
    Ok(Success::new(|out| {
        let mut object = json::Object::new(out);
        let active = shown.iter().filter(|_| show_active).flat_map(|it| &it.active);
        json::array(object.key("activeTargets"), active, |out, it| {
            target(out, it, &api.options.external_url)
        });
        let dropped = shown.iter().filter(|_| show_dropped);
        let dropped = dropped.flat_map(|pool| pool.dropped.iter().map(move |it| (pool, it)));
        json::array(object.key("droppedTargets"), dropped, |out, (pool, discovered)| {
            let mut object = json::Object::new(out);
            json::labels(object.key("discoveredLabels"), discovered.borrowed());
            object.string("scrapePool", &pool.name).end();
        });
        let counts = object.key("droppedTargetCounts");
        if show_active && !show_dropped {
            counts.extend_from_slice(b"null");
        } else {
            let mut counts = json::Object::new(counts);
            for pool in &pools {
                counts.raw(&pool.name, pool.n_dropped);
            }
            counts.end();
        }
        object.end();
    }))
}

fn target(out: &mut Vec<u8>, target: &ActiveTarget, external_url: &str) {
    let mut object = json::Object::new(out);
    json::labels(object.key("discoveredLabels"), target.discovered.borrowed());
    json::labels(object.key("labels"), target.labels.borrowed());
    let last = &target.last;
    object
        .string("scrapePool", &target.pool)
        .string("scrapeUrl", &target.url)
        .string("globalUrl", &global_url(&target.url, external_url))
        .string("lastError", &last.error)
        .string("lastScrape", &last.t.map_or_else(|| json::ZERO_TIME.to_owned(), json::rfc3339))
        .raw("lastScrapeDuration", last.duration_s)
        .string("health", last.health.as_str())
        .string("scrapeInterval", &duration::format(target.interval_ms))
        .string("scrapeTimeout", &duration::format(target.timeout_ms))
        .end();
}

/// The URL as seen from elsewhere: a loopback host is replaced by the external one.
fn global_url(url: &str, external_url: &str) -> String {
    let split = |url: &'_ str| {
        let (scheme, rest) = url.split_once("://")?;
        let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
        Some((scheme.to_owned(), authority.to_owned(), path.to_owned()))
    };
    let (Some((scheme, authority, path)), Some((_, external, _))) =
        (split(url), split(external_url))
    else {
        return url.to_owned();
    };
    let (host, port) = host_and_port(&authority);
    if !matches!(host, "localhost" | "127.0.0.1" | "[::1]") {
        return url.to_owned();
    }
    let (external_host, _) = host_and_port(&external);
    format!("{scheme}://{external_host}{port}{path}")
}

/// The host, and the port with its colon if there is one.
fn host_and_port(authority: &str) -> (&str, &str) {
    let end = authority
        .rfind(':')
        .filter(|at| !authority[*at..].contains(']'))
        .unwrap_or(authority.len());
    authority.split_at(end)
}

#[cfg(test)]
mod tests {
    use super::global_url;

    #[test]
    fn shows_loopback_from_outside() {
        for (url, expected) in [
            ("http://localhost:9090/metrics", "http://box:9090/metrics"),
            ("https://127.0.0.1/x?y=z", "https://box/x?y=z"),
            ("http://[::1]:80/", "http://box:80/"),
            ("http://other:1/m", "http://other:1/m"),
        ] {
            assert_eq!(global_url(url, "http://box:9999/"), expected);
        }
    }
}
