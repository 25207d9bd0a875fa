//! `/admin/tsdb`: deleting, cleaning up after it, snapshots.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tsdb::{AdminError, Db};

use super::{selectors, storage, time_range};
use crate::envelope::{ApiError, ErrorKind, Success};
use crate::param::Params;
use crate::{Api, json};

/// Where snapshots are, below the data directory.
const SNAPSHOTS: &str = "snapshots";

pub(crate) async fn delete(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Response, ApiError> {
    require_admin(&api)?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad("no match[] parameter provided"));
    }
    let (mint, maxt) = time_range(&params)?;
    let sets = selectors(&params)?;
    let delete = move |db: &Db| sets.iter().try_for_each(|it| db.delete(mint, maxt, it));
    order(&api, delete).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn clean(State(api): State<Arc<Api>>) -> Result<Response, ApiError> {
    require_admin(&api)?;
    order(&api, Db::clean_tombstones).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(crate) async fn snapshot(
    State(api): State<Arc<Api>>,
    params: Params,
) -> Result<Success, ApiError> {
    require_admin(&api)?;
    let with_head = match params.get("skip_head") {
        "" => true,
        text => !go_bool(text).ok_or_else(|| {
            let quoted = model::quote(text);
            let cause = format!(
                "unable to parse boolean 'skip_head' argument: strconv.ParseBool: parsing {quoted}: invalid syntax"
            );
            ApiError::param("skip_head", cause)
        })?,
    };
    let name = name(api.clock.now_ms());
    let folder = Path::new(SNAPSHOTS).join(&name);
    let created = order(&api, move |db| db.snapshot(&folder, with_head)).await;
    created.map_err(|error| error.within("create snapshot"))?;
    Ok(Success::new(|out| json::Object::new(out).string("name", &name).end()))
}

fn require_admin(api: &Api) -> Result<(), ApiError> {
    if api.options.admin {
        return Ok(());
    }
    Err(ApiError::new(ErrorKind::Unavailable, "admin APIs disabled"))
}

/// Lets the database do something that takes its time.
async fn order(
    api: &Api,
    run: impl FnOnce(&Db) -> Result<(), AdminError> + Send + 'static,
) -> Result<(), ApiError> {
    let db = storage(api)?.db;
    let done = tokio::task::spawn_blocking(move || run(&db)).await;
    let internal = |text: String| ApiError::new(ErrorKind::Internal, text);
    done.map_err(|error| internal(error.to_string()))?.map_err(|error| internal(error.to_string()))
}

/// Names a snapshot by its time, in UTC, and by chance.
fn name(now_ms: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(now_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let chance = RandomState::new().hash_one(now_ms) >> 1;
    format!("{}-{chance:016x}", time.strftime("%Y%m%dT%H%M%SZ"))
}

/// Reads a truth value as Go's `ParseBool`.
fn go_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_snapshots() {
        let name = name(1_700_000_000_999);
        let (time, chance) = name.split_once('-').unwrap();
        assert_eq!((time, chance.len()), ("20231114T221320Z", 16));
        assert!(i64::from_str_radix(chance, 16).is_ok());
        assert_eq!((go_bool("T"), go_bool("0"), go_bool("yes")), (Some(true), Some(false), None));
    }
}
