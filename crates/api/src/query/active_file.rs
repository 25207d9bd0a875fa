//! `queries.active`: which queries ran when a server ended badly, in upstream's format.
//!
//! The file begins with `[`. Each slot has 1000 bytes: an object with the query and when it began, zeros, and a
//! comma as the last byte; all are zeros while the slot is free.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::json;

/// Bytes of a slot.
const SLOT_BYTES: usize = 1000;

/// The file.
pub(crate) struct ActiveFile {
    file: File,
    /// Free slots. Held for a few lines only.
    free: Mutex<Vec<usize>>,
}

impl ActiveFile {
    /// Makes the file anew with this many slots. Says besides what ran when the one before it was left.
    ///
    /// # Errors
    /// If it cannot be written.
    pub(crate) fn create(path: &Path, slots: usize) -> io::Result<(Self, Option<String>)> {
        let left = std::fs::read(path).ok().and_then(|it| unfinished(&it));
        let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
        file.set_len((1 + SLOT_BYTES * slots) as u64)?;
        file.write_all_at(b"[", 0)?;
        file.sync_all()?;
        let free = Mutex::new((0..slots).rev().collect());
        Ok((Self { file, free }, left))
    }

    /// Notes a query in a free slot, until what is returned is dropped.
    pub(super) fn insert(&self, query: &str, start_s: i64) -> Option<Entry<'_>> {
        let slot = self.free().pop()?;
        let entry = Entry { of: self, slot };
        entry.write(&slot_bytes(query, start_s));
        Some(entry)
    }

    fn free(&self) -> MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A query in its slot.
pub(super) struct Entry<'f> {
    of: &'f ActiveFile,
    slot: usize,
}

impl Entry<'_> {
    fn write(&self, bytes: &[u8; SLOT_BYTES]) {
        let at = (1 + self.slot * SLOT_BYTES) as u64;
        if let Err(error) = self.of.file.write_all_at(bytes, at) {
            tracing::warn!(%error, "the file of active queries could not be written");
        }
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.write(&[0; SLOT_BYTES]);
        self.of.free().push(self.slot);
    }
}

/// The slot of a query, which is cut to fit.
fn slot_bytes(query: &str, start_s: i64) -> [u8; SLOT_BYTES] {
    let mut end = query.floor_char_boundary(SLOT_BYTES);
    let text = loop {
        let mut text = Vec::new();
        let mut object = json::Object::new(&mut text);
        object.string("query", &query[..end]).raw("timestamp_sec", start_s).end();
        match text.len().checked_sub(SLOT_BYTES - 1) {
            None | Some(0) => break text,
            // A character takes twelve bytes at most when it is escaped.
            Some(over) => end = query.floor_char_boundary(end - over.div_ceil(12).min(end)),
        }
    };
    let mut slot = [0; SLOT_BYTES];
    slot[..text.len()].copy_from_slice(&text);
    slot[SLOT_BYTES - 1] = b',';
    slot
}

/// The list of queries in a file that was left behind; `None` if there is none.
fn unfinished(file: &[u8]) -> Option<String> {
    let text: Vec<u8> = file.iter().copied().filter(|it| *it != 0).collect();
    let text = String::from_utf8_lossy(&text);
    let list = text.strip_suffix(',').filter(|it| 1 < it.len())?;
    Some(format!("{list}]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_runs() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("queries.active");
        let (file, left) = ActiveFile::create(&path, 2).unwrap();
        assert_eq!(left, None);
        let read = || std::fs::read(&path).unwrap();
        assert_eq!((read().len(), read()[0]), (2001, b'['));
        let first = file.insert("up", 17).unwrap();
        let second = file.insert("sum(\"<\")", 18).unwrap();
        assert!(file.insert("a third", 19).is_none());
        assert_eq!((read()[1000], read()[2000]), (b',', b','));
        let expected = concat!(
            r#"[{"query":"up","timestamp_sec":17},"#,
            r#"{"query":"sum(\"\u003c\")","timestamp_sec":18}]"#
        );
        assert_eq!(unfinished(&read()).as_deref(), Some(expected));
        drop(first);
        let expected = r#"[{"query":"sum(\"\u003c\")","timestamp_sec":18}]"#;
        let (_, left) = ActiveFile::create(&path, 2).unwrap();
        assert_eq!(left.as_deref(), Some(expected));
        drop(second);
        assert_eq!(unfinished(&read()), None);
    }

    #[test]
    fn cuts_long_queries_between_characters() {
        for query in ["x".repeat(5000), "é<".repeat(400), "\u{1}".repeat(999), "€".repeat(1000)]
        {
            let slot = slot_bytes(&query, i64::MAX);
            assert_eq!(slot[SLOT_BYTES - 1], b',');
            let end = slot.iter().position(|it| *it == 0).unwrap_or(SLOT_BYTES - 1);
            let json: serde_json::Value = serde_json::from_slice(&slot[..end]).unwrap();
            let kept = json["query"].as_str().unwrap();
            assert!(query.starts_with(kept));
            assert!(900 < end, "{end}");
        }
    }
}
