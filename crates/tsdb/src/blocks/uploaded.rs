//! Blocks that wait until they were copied elsewhere, before they are merged: whoever copies them keeps a list.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use block::{Meta, Ulid, parse_uploaded};
use stdx::Directory;

use crate::db::Inner;
use crate::sync::lock;

/// Where the list of copied blocks is.
#[derive(Clone)]
pub struct UploadList {
    /// What the path is relative to.
    pub directory: Arc<dyn Directory>,
    /// The file.
    pub path: PathBuf,
}

impl UploadList {
    /// While it cannot be read, nothing counts as copied.
    fn read(&self) -> BTreeSet<Ulid> {
        let text = self.directory.read(&self.path).map_err(|error| error.to_string());
        text.and_then(|it| parse_uploaded(&it)).unwrap_or_else(|error| {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the list of uploaded blocks cannot be read");
            BTreeSet::new()
        })
    }
}

impl Inner {
    /// Leaves those that may be merged: in the order of their names, up to the first one that is awaited.
    pub(super) fn without_awaited(&self, mut metas: Vec<Meta>) -> Vec<Meta> {
        if let Some(list) = &*lock(&self.uploads) {
            let uploaded = list.read();
            let is_awaited = |it: &Meta| it.compaction.level == 1 && !uploaded.contains(&it.ulid);
            metas.sort_by_key(|it| it.ulid);
            let end = metas.iter().position(is_awaited).unwrap_or(metas.len());
            metas.truncate(end);
        }
        metas
    }
}
