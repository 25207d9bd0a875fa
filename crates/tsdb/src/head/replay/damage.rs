//! Reading a log that may be damaged, and taking the damage out.

use std::path::Path;

use stdx::Directory;
use wal::record::DecodeError;
use wal::{Position, ReadError, Reader};

use super::Replayed;
use crate::OpenError;

/// Where a record could not be read or understood.
pub(crate) struct Bad {
    pub(super) segment: u32,
    pub(super) offset: u64,
    pub(super) rule: &'static str,
}

/// Hands over records until the end, or until one that cannot be read or that `each` finds bad.
/// `goes_on` is asked before each record, with its segment.
///
/// # Errors
/// If the disk refuses, or it does not go on.
pub(crate) fn read_records(
    reader: &mut Reader,
    goes_on: impl Fn(u32) -> bool,
    mut each: impl FnMut(&[u8]) -> Result<(), DecodeError>,
) -> Result<Option<Bad>, OpenError> {
    loop {
        match reader.next() {
            Ok(None) => return Ok(None),
            Ok(Some(it)) => {
                let (segment, offset) = (it.segment, it.offset);
                if !goes_on(segment) {
                    return Err(OpenError::Closed);
                }
                if let Err(DecodeError { rule }) = each(it.bytes) {
                    return Ok(Some(Bad { segment, offset, rule }));
                }
            }
            Err(ReadError::Corrupt { segment, offset, rule }) => {
                return Ok(Some(Bad { segment, offset, rule }));
            }
            Err(ReadError::Io { segment, source }) => {
                return Err(OpenError::Io { what: format!("open WAL segment: {segment}"), source });
            }
        }
    }
}

/// Takes out what is damaged in the log in `folder`; returns where to read on.
///
/// # Errors
/// If the disk refuses.
pub(crate) fn repair(
    directory: &dyn Directory,
    folder: &Path,
    bad: &Bad,
    read_only: bool,
    replayed: &mut Replayed,
) -> Result<Position, OpenError> {
    let at = Position { segment: bad.segment, offset: bad.offset };
    let place = format!("{} at {}: {}", folder.display(), at, bad.rule);
    replayed.n_wal_corruptions += 1;
    let lost = if read_only { None } else { Some(wal::repair(directory, folder, at)) };
    let (outcome, next) = match lost {
        Some(Ok(wal::Lost { bytes, n_saved, aside, .. })) => {
            let aside =
                aside.map_or("not kept".to_owned(), |it| format!("kept as {}", it.display()));
            let saved = format!("{n_saved} records behind them are good");
            (format!("took out {bytes} bytes, {aside}; {saved}"), Ok(at))
        }
        Some(Err(error)) => {
            (format!("not repaired ({error}), passed over"), wal::skip(directory, folder, at))
        }
        None => ("passed over".to_owned(), wal::skip(directory, folder, at)),
    };
    replayed.repairs.push(format!("{place}; {outcome}"));
    next.map_err(OpenError::io("read corrupted WAL"))
}
