//! Taking damage out of a log.
//!
//! What is bad is cut out of its segment; what can be read behind it moves up, and later segments stay. The
//! damaged bytes are kept aside as `00000007-0000065536.corrupt`, named after the segment and the place of
//! their first byte, which readers pass over.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use stdx::Directory;

use crate::Position;
use crate::framing::{
    Assembly, Fragment, Frame, Unpacker, fragment, page_left, put_fragments, put_padding,
};
use crate::record;
use crate::segment::{self, HEADER_BYTES, PAGE_BYTES};

const SUFFIX: &str = ".corrupt";
/// What is kept aside at most; the oldest goes first.
const KEPT_FILES_MAX: usize = 8;
const KEPT_BYTES_MAX: u64 = 256 << 20;

/// Saved records are written in pieces of about this size.
const WRITE_BYTES: usize = 1 << 20;

/// What a repair gave up, and what not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The damaged place.
    pub at: Position,
    /// Bytes that the log no longer holds, without padding.
    pub bytes: u64,
    /// Records behind the damage, in the same segment, that were readable and are kept.
    pub n_saved: u64,
    /// Where the damaged bytes are. `None` if there was no room for them.
    pub aside: Option<PathBuf>,
}

/// Takes the bad record at `at` out of the log in `folder`, and all others of its segment that are
/// damaged or cannot be decoded. Reading goes on from `at`, without errors up to the end of the segment.
/// Doing it again after a crash halfway is fine. Nobody else may have the segment open.
///
/// # Errors
/// If the disk refuses.
pub fn repair(directory: &dyn Directory, folder: &Path, at: Position) -> io::Result<Lost> {
    let aside = set_aside(directory, folder, at).unwrap_or_default();
    let lost = match (take_out(directory, folder, at), aside) {
        // The log comes first: perhaps it needs the room.
        (Err(_), Some(aside)) => {
            directory.remove_file(&aside)?;
            take_out(directory, folder, at)?
        }
        (lost, aside) => Lost { aside, ..lost? },
    };
    directory.sync_dir(folder)?;
    Ok(lost)
}

fn take_out(directory: &dyn Directory, folder: &Path, at: Position) -> io::Result<Lost> {
    let path = segment::path(folder, at.segment);
    let is_tail = skip(directory, folder, at)?.segment != at.segment;
    let bytes = directory.map(&path)?;
    let start = usize::try_from(at.offset).unwrap_or(usize::MAX).min(bytes.len());
    let mut salvage = Salvage::new(&bytes, start);
    salvage.skip_record();
    let mut n_saved = 0;
    if is_tail {
        while salvage.next().is_some() {}
    } else {
        let unfinished = path.with_extension("repair");
        n_saved = rewrite(directory, &path, &unfinished, &bytes[..start], &mut salvage)
            .inspect_err(|_| drop(directory.remove_file(&unfinished)))?;
    }
    let n_lost = salvage.n_lost;
    // Nothing may be mapped when its file is cut.
    drop(bytes);
    if is_tail {
        cut(directory, &path, start as u64)?;
    }
    Ok(Lost { at, bytes: n_lost, n_saved, aside: None })
}

/// Ends a segment at `len`. Needs no room.
fn cut(directory: &dyn Directory, path: &Path, len: u64) -> io::Result<()> {
    let mut file = directory.append(path)?;
    file.set_len(len)?;
    let mut padding = Vec::new();
    put_padding(&mut padding, len);
    // On a full disk the page stays short, which reads the same.
    let _ = file.write_all(&padding);
    file.sync()
}

/// Replaces a segment by its good beginning and what could be saved behind; returns how many records.
fn rewrite(
    directory: &dyn Directory,
    path: &Path,
    unfinished: &Path,
    good: &[u8],
    salvage: &mut Salvage<'_>,
) -> io::Result<u64> {
    let mut file = directory.create(unfinished)?;
    file.write_all(good)?;
    let (mut out, mut out_at, mut n_saved) = (Vec::new(), good.len() as u64, 0);
    while let Some((flags, packed)) = salvage.next() {
        put_fragments(&mut out, out_at, flags, packed);
        n_saved += 1;
        if WRITE_BYTES < out.len() {
            file.write_all(&out)?;
            out_at += out.len() as u64;
            out.clear();
        }
    }
    put_padding(&mut out, out_at);
    file.write_all(&out)?;
    file.sync()?;
    directory.rename(unfinished, path)?;
    Ok(n_saved)
}

/// Finds where reading can go on behind the bad record at `at`, without changing anything: at a record of
/// the same segment, or else at the start of the next.
///
/// # Errors
/// If the segment cannot be read.
pub fn skip(directory: &dyn Directory, folder: &Path, at: Position) -> io::Result<Position> {
    let bytes = directory.map(&segment::path(folder, at.segment))?;
    let start = usize::try_from(at.offset).unwrap_or(usize::MAX).min(bytes.len());
    let mut salvage = Salvage::new(&bytes, start);
    salvage.skip_record();
    Ok(match salvage.next().is_some() {
        true => Position { offset: salvage.found_at, ..at },
        false => Position { segment: at.segment + 1, offset: 0 },
    })
}

/// Keeps the bytes of a segment from the page of `at` on.
fn set_aside(
    directory: &dyn Directory,
    folder: &Path,
    at: Position,
) -> io::Result<Option<PathBuf>> {
    let bytes = directory.map(&segment::path(folder, at.segment))?;
    let page = at.offset / PAGE_BYTES as u64 * PAGE_BYTES as u64;
    let Some(bytes) = usize::try_from(page).ok().and_then(|page| bytes.get(page..)) else {
        return Ok(None);
    };
    make_room(directory, folder, bytes.len() as u64)?;
    let path = folder.join(format!("{:08}-{page:010}{SUFFIX}", at.segment));
    let mut file = directory.create(&path)?;
    if let Err(error) = file.write_all(bytes).and_then(|()| file.sync()) {
        directory.remove_file(&path)?;
        return Err(error);
    }
    Ok(Some(path))
}

fn make_room(directory: &dyn Directory, folder: &Path, n_bytes: u64) -> io::Result<()> {
    let mut kept = directory.list(folder)?;
    kept.retain(|it| !it.is_dir && it.name.ends_with(SUFFIX));
    let mut total: u64 = kept.iter().map(|it| it.size).sum();
    let mut n_files = kept.len();
    for oldest in kept {
        if n_files < KEPT_FILES_MAX && total + n_bytes <= KEPT_BYTES_MAX {
            break;
        }
        directory.remove_file(&folder.join(&oldest.name))?;
        total -= oldest.size;
        n_files -= 1;
    }
    Ok(())
}

/// Walks what can be read of a damaged segment.
struct Salvage<'a> {
    bytes: &'a [u8],
    at: usize,
    assembly: Assembly,
    unpacker: Unpacker,
    /// Bytes passed over that are not padding.
    n_lost: u64,
    /// Bytes of the record being joined.
    n_open: u64,
    /// Where the record found last starts.
    found_at: u64,
}

impl<'a> Salvage<'a> {
    fn new(bytes: &'a [u8], at: usize) -> Self {
        Self {
            bytes,
            at,
            assembly: Assembly::default(),
            unpacker: Unpacker::new(),
            n_lost: 0,
            n_open: 0,
            found_at: 0,
        }
    }

    /// Passes over the first record, if its frame is good: then it is what it holds that is bad.
    fn skip_record(&mut self) {
        let start = self.at;
        if self.frame().is_some_and(|frame| frame.start == start as u64) {
            self.n_lost = std::mem::take(&mut self.n_open);
        } else {
            *self = Self::new(self.bytes, start);
        }
    }

    /// The next good record: its flags and packed bytes.
    fn next(&mut self) -> Option<(u8, &[u8])> {
        loop {
            let frame = self.frame()?;
            let n_bytes = std::mem::take(&mut self.n_open);
            let packed = self.assembly.packed(self.bytes, frame);
            let is_good =
                self.unpacker.unpack(frame.flags, packed).is_ok_and(|it| record::check(it).is_ok());
            if is_good {
                self.found_at = frame.start;
                return Some((frame.flags, self.assembly.packed(self.bytes, frame)));
            }
            self.n_lost += n_bytes;
        }
    }

    fn frame(&mut self) -> Option<Frame> {
        while let Some(rest) = self.bytes.get(self.at..).filter(|rest| !rest.is_empty()) {
            let at = self.at as u64;
            let left = page_left(at);
            let rest = &rest[..rest.len().min(left)];
            match fragment(rest, at) {
                Ok(Fragment::Data { kind, len }) => {
                    let n_bytes = HEADER_BYTES + len;
                    self.at += n_bytes;
                    let data = &rest[HEADER_BYTES..n_bytes];
                    if let Some(frame) = self.join(kind, at, data) {
                        return Some(frame);
                    }
                }
                Ok(Fragment::Zeros) => self.at += left,
                Ok(Fragment::Torn) => self.give_up(rest.len()),
                Err(_) => self.give_up(length_in(rest, left)),
            }
        }
        self.give_up(0);
        None
    }

    fn join(&mut self, kind: u8, at: u64, data: &[u8]) -> Option<Frame> {
        let n_bytes = (HEADER_BYTES + data.len()) as u64;
        let mut done = self.assembly.take(kind, at, data);
        if done.is_err() {
            // Either the record before has no end, or this one has no beginning.
            self.give_up(0);
            done = self.assembly.take(kind, at, data);
        }
        match done {
            Ok(frame) => {
                self.n_open += n_bytes;
                frame
            }
            Err(_) => {
                self.n_lost += n_bytes;
                None
            }
        }
    }

    /// Passes over so many bytes, and over the record that was being joined.
    fn give_up(&mut self, n_bytes: usize) {
        self.n_lost += std::mem::take(&mut self.n_open) + n_bytes as u64;
        self.at += n_bytes;
        self.assembly = Assembly::default();
    }
}

/// How many bytes to pass over for a fragment that is bad: as long as it says it is, for that may be right;
/// otherwise the page.
fn length_in(rest: &[u8], page_left: usize) -> usize {
    let said = rest.get(1..3).map_or(0, |it| usize::from(u16::from_be_bytes([it[0], it[1]])));
    let is_padding = rest.first().is_none_or(|kind| kind & 0x07 == segment::PAGE_END);
    if is_padding || rest.len() < HEADER_BYTES + said {
        page_left.min(rest.len())
    } else {
        HEADER_BYTES + said
    }
}
