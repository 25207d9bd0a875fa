//! `/metadata` and `/targets/metadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::extract::State;
use scrape::{ActiveTarget, Family};

use crate::envelope::{ApiError, Success};
use crate::param::Params;
use crate::{Api, json};

pub(crate) async fn of_metrics(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let limit = number(&params, "limit")?;
    let limit_per_metric = number(&params, "limit_per_metric")?;
    let metric = params.get("metric");
    let mut found: BTreeMap<String, BTreeSet<(&'static str, String, String)>> = BTreeMap::new();
    for target in targets(&api)? {
        for family in target.metadata().iter().filter(|it| metric.is_empty() || it.name == metric) {
            let known = found.contains_key(&family.name);
            if !known && limit.is_some_and(|it| it <= found.len()) {
                continue;
            }
            let data = &family.metadata;
            let of_metric = found.entry(family.name.clone()).or_default();
            if limit_per_metric.is_none_or(|it| of_metric.len() < it) {
                of_metric.insert((data.kind.as_str(), data.unit.clone(), data.help.clone()));
            }
        }
    }
    Ok(Success::new(|out| {
        let mut object = json::Object::new(out);
        for (name, all) in &found {
            json::array(object.key(name), all, |out, (kind, unit, help)| {
                json::Object::new(out)
                    .string("type", kind)
                    .string("unit", unit)
                    .string("help", help)
                    .end();
            });
        }
        object.end();
    }))
}

pub(crate) async fn of_targets(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    let limit = number(&params, "limit")?;
    let metric = params.get("metric");
    let matchers = match params.get("match_target") {
        "" => Vec::new(),
        text => {
            promql::parse_selector(text).map_err(|error| ApiError::param("match_target", error))?
        }
    };
    let mut found: Vec<(ActiveTarget, Arc<Family>)> = Vec::new();
    for target in targets(&api)? {
        if limit.is_some_and(|it| it <= found.len()) {
            break;
        }
        if matchers.iter().all(|it| it.matches(target.labels.value(it.name()))) {
            let families = target.metadata();
            let wanted = families.into_iter().filter(|it| metric.is_empty() || it.name == metric);
            found.extend(wanted.map(|it| (target.clone(), it)));
        }
    }
    Ok(Success::new(|out| {
        json::array(out, &found, |out, (target, family)| {
            let mut object = json::Object::new(out);
            json::labels(object.key("target"), target.labels.borrowed());
            if metric.is_empty() {
                object.string("metric", &family.name);
            }
            let data = &family.metadata;
            object
                .string("type", data.kind.as_str())
                .string("help", &data.help)
                .string("unit", &data.unit)
                .end();
        });
    }))
}

fn targets(api: &Api) -> Result<impl Iterator<Item = ActiveTarget>, ApiError> {
    Ok(super::parts(api)?.scrape.pools().into_iter().flat_map(|it| it.active))
}

/// Reads a limit: absent or negative is none.
fn number(params: &Params, name: &str) -> Result<Option<usize>, ApiError> {
    match params.get(name) {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            Ok(limit) => Ok(usize::try_from(limit).ok()),
            Err(_) => Err(ApiError::bad(format!("{name} must be a number"))),
        },
    }
}
