//! `/status/tsdb/blocks` and, ours, `/status/storage`: what is on disk.

use std::sync::Arc;

use axum::extract::State;
use tsdb::Quarantined;

use crate::envelope::{ApiError, ErrorKind, Success};
use crate::{Api, json};

pub(crate) async fn blocks(State(api): State<Arc<Api>>) -> Result<Success, ApiError> {
    let blocks = super::storage(&api)?.db.blocks();
    Ok(Success::new(|out| {
        let mut object = json::Object::new(out);
        json::array(object.key("blocks"), blocks.iter(), |out, it| {
            out.extend_from_slice(&it.meta().to_json_line());
        });
        object.end();
    }))
}

/// How much room there is, and what could not be read: at the start, ever, and now.
pub(crate) async fn storage(State(api): State<Arc<Api>>) -> Result<Success, ApiError> {
    let db = super::storage(&api)?.db;
    let status = tokio::task::spawn_blocking(move || db.storage_status()).await;
    let status = status.map_err(|error| ApiError::new(ErrorKind::Internal, error.to_string()))?;
    Ok(Success::new(|out| {
        let mut object = json::Object::new(out);
        if let Some(disk) = status.disk {
            json::Object::new(object.key("disk"))
                .raw("total", disk.total)
                .raw("free", disk.free)
                .raw("floor", disk.floor)
                .raw("compactionPaused", disk.is_paused)
                .end();
        }
        json::strings(object.key("repairs"), &status.repairs);
        named(object.key("quarantined"), &status.quarantined);
        named(object.key("leftOut"), &status.left_out);
        object.end();
    }))
}

fn named(out: &mut Vec<u8>, list: &[Quarantined]) {
    json::array(out, list, |out, it| {
        json::Object::new(out).string("name", &it.name).string("reason", &it.reason).end();
    });
}
