//! Following a log that is being written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use stdx::{Directory, FileRead};

use crate::framing::{Assembly, Fragment, Frame, Unpacker, fragment, page_left};
use crate::segment::{self, HEADER_BYTES};
use crate::{Position, Progress, ReadError, Record};

/// Bytes read at once while there is much to catch up with.
const READ_BYTES: u64 = 1 << 20;

/// What a follower finds.
#[derive(Debug)]
pub enum Next<'a> {
    /// A record.
    Record(Record<'a>),
    /// That all has been read. Ask again after more was written.
    CaughtUp,
}

/// Reads a log from a place on, while it is being written, across the ends of its segments.
///
/// It holds one open file and a buffer, no lock, and makes no file wait: segments may be removed while it
/// reads them. If the one it needs next is gone, that is an error, and the follower starts anew behind the
/// newest checkpoint.
///
/// With the writer's [`Progress`] it sees whole batches that were acknowledged, and nothing else. Without,
/// for the log of another process, it sees what is in the files, and a batch that the writer takes back may
/// show as corruption.
pub struct Tail {
    directory: Arc<dyn Directory>,
    folder: PathBuf,
    progress: Option<Arc<Progress>>,
    segment: u32,
    file: Option<Box<dyn FileRead>>,
    /// Where the next fragment starts.
    at: u64,
    /// How far the segment may be read, as far as is known.
    limit: u64,
    /// There will be nothing beyond `limit`.
    is_ended: bool,
    /// Bytes of the segment, from `buffer_at` on.
    buffer: Vec<u8>,
    buffer_at: u64,
    assembly: Assembly,
    unpacker: Unpacker,
}

impl Tail {
    /// Follows the log in `folder` from `from` on, which must be the start of a record or of a page.
    pub fn new(
        directory: Arc<dyn Directory>,
        folder: &Path,
        from: Position,
        progress: Option<Arc<Progress>>,
    ) -> Self {
        Self {
            directory,
            folder: folder.to_owned(),
            progress,
            segment: from.segment,
            file: None,
            at: from.offset,
            limit: 0,
            is_ended: false,
            buffer: Vec::new(),
            buffer_at: 0,
            assembly: Assembly::default(),
            unpacker: Unpacker::new(),
        }
    }

    /// Where reading would have to start for the record that comes next.
    pub fn position(&self) -> Position {
        Position { segment: self.segment, offset: self.assembly.start().unwrap_or(self.at) }
    }

    /// Reads the next record, if there is one by now. Does not wait; see [`Progress::wait_beyond`].
    ///
    /// # Errors
    /// [`ReadError::Io`] may be tried again, but for a segment that is gone. After
    /// [`ReadError::Corrupt`], reading on is not possible.
    #[expect(clippy::should_implement_trait, reason = "a record borrows from the follower")]
    pub fn next(&mut self) -> Result<Next<'_>, ReadError> {
        let Some(frame) = self.frame()? else { return Ok(Next::CaughtUp) };
        let Self { segment, assembly, buffer, buffer_at, unpacker, .. } = self;
        let (segment, offset) = (*segment, frame.start);
        let packed = match frame.whole {
            Some(len) => {
                let start = index(frame.start - *buffer_at) + HEADER_BYTES;
                &buffer[start..start + len]
            }
            None => assembly.joined(),
        };
        let bytes = unpacker.unpack(frame.flags, packed);
        let bytes = bytes.map_err(|rule| ReadError::Corrupt { segment, offset, rule })?;
        Ok(Next::Record(Record { bytes, segment, offset }))
    }

    fn frame(&mut self) -> Result<Option<Frame>, ReadError> {
        loop {
            self.fill().map_err(|source| ReadError::Io { segment: self.segment, source })?;
            let rest = &self.buffer[index(self.at - self.buffer_at)..];
            let page_left = page_left(self.at);
            let rest = &rest[..rest.len().min(page_left)];
            match fragment(rest, self.at).map_err(|rule| self.corrupt(rule))? {
                Fragment::Data { kind, len } => {
                    let data = &rest[HEADER_BYTES..HEADER_BYTES + len];
                    let done = self.assembly.take(kind, self.at, data);
                    let done = done.map_err(|rule| self.corrupt(rule))?;
                    self.at += (HEADER_BYTES + len) as u64;
                    if done.is_some() {
                        return Ok(done);
                    }
                }
                Fragment::Zeros if rest.len() == page_left => self.at += page_left as u64,
                Fragment::Zeros if self.is_ended && !self.assembly.is_open() => {
                    self.enter(self.segment + 1);
                }
                Fragment::Zeros | Fragment::Torn if self.is_ended => {
                    return Err(self.corrupt("last record is torn"));
                }
                Fragment::Zeros | Fragment::Torn => {
                    if !self.look_ahead()? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn enter(&mut self, segment: u32) {
        (self.segment, self.at) = (segment, 0);
        (self.file, self.limit, self.is_ended) = (None, 0, false);
        (self.buffer_at, self.assembly) = (0, Assembly::default());
        self.buffer.clear();
    }

    /// Makes the buffer hold the rest of the page, as far as it may be read.
    fn fill(&mut self) -> io::Result<()> {
        let held_to = self.buffer_at + self.buffer.len() as u64;
        let page_end = self.at + page_left(self.at) as u64;
        if self.buffer_at <= self.at && page_end.min(self.limit) <= held_to && self.at <= held_to {
            return Ok(());
        }
        let len = self.limit.saturating_sub(self.at).min(READ_BYTES);
        self.buffer.clear();
        self.buffer_at = self.at;
        if let (Some(file), 1..) = (&self.file, len) {
            self.buffer.resize(index(len), 0);
            let read = file.read_exact_at(&mut self.buffer, self.at);
            if read.is_err() {
                self.buffer.clear();
            }
            read?;
        }
        Ok(())
    }

    /// Finds out how far the segment may be read by now; false if no further than before.
    fn look_ahead(&mut self) -> Result<bool, ReadError> {
        let segment = self.segment;
        let io = |source| ReadError::Io { segment, source };
        let end = self.progress.as_ref().map(|it| it.end());
        if end.is_some_and(|end| end.segment < segment) {
            return Ok(false);
        }
        if self.file.is_none() {
            match self.directory.open(&segment::path(&self.folder, segment)) {
                Ok(file) => self.file = Some(file),
                Err(error) if self.may_come(end, &error) => return Ok(false),
                Err(error) => return Err(io(error)),
            }
        }
        // Asked for before the size: what is written in between is not missed.
        let is_ended = match end {
            Some(end) => segment < end.segment,
            None => self.directory.exists(&segment::path(&self.folder, segment + 1)).map_err(io)?,
        };
        let size = || self.file.as_ref().expect("opened above").size().map_err(io);
        let limit = match end {
            Some(end) if !is_ended => end.offset,
            _ => size()?,
        };
        if limit < self.limit {
            return Err(self.corrupt("the segment became shorter"));
        }
        let is_news = (limit, is_ended) != (self.limit, self.is_ended);
        (self.limit, self.is_ended) = (limit, is_ended);
        Ok(is_news)
    }

    /// True if a segment that is not there may be about to be made.
    fn may_come(&self, end: Option<Position>, error: &io::Error) -> bool {
        let is_expected = end.is_none() && self.at == 0;
        is_expected
            && error.kind() == io::ErrorKind::NotFound
            && segment::list(self.directory.as_ref(), &self.folder)
                .is_ok_and(|all| all.last().is_none_or(|last| *last < self.segment))
    }

    fn corrupt(&self, rule: &'static str) -> ReadError {
        let Position { segment, offset } = self.position();
        ReadError::Corrupt { segment, offset, rule }
    }
}

fn index(n: u64) -> usize {
    usize::try_from(n).expect("within a buffer")
}
