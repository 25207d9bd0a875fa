//! Chunks of late samples that are of no use any more, in files that others are still needed of.

use std::io::{self, Write};

use super::{ChunkAt, ChunkFiles, parse};

/// Names the last chunk of late samples that blocks hold: its file, its offset, its checksum. As files may be
/// numbered anew after another program wrote here, a note that does not fit is none.
const NOTE: &str = "late_in_blocks";
const UNFINISHED: &str = "late_in_blocks.tmp";

impl ChunkFiles {
    /// Notes for good that blocks hold the chunks of late samples up to `last`.
    ///
    /// # Errors
    /// If the disk refuses.
    pub(crate) fn note_late_in_blocks(&self, last: ChunkAt) -> io::Result<()> {
        // A power cut must not take the chunk by which the note is known.
        self.sync_all()?;
        let crc = self.crc(last).ok_or_else(|| io::Error::other("no such chunk"))?;
        let unfinished = self.folder.join(UNFINISHED);
        let mut file = self.directory.create(&unfinished)?;
        writeln!(file, "{} {} {crc}", last.file, last.offset)?;
        file.sync()?;
        self.directory.rename(&unfinished, &self.folder.join(NOTE))?;
        self.directory.sync_dir(&self.folder)
    }

    /// The last chunk of late samples that blocks hold, as far as that is noted.
    pub(super) fn late_in_blocks(&self) -> Option<ChunkAt> {
        let note = self.directory.read(&self.folder.join(NOTE)).ok()?;
        let mut numbers = std::str::from_utf8(&note).ok()?.split_whitespace();
        let mut next = || numbers.next()?.parse::<u32>().ok();
        let (at, crc) = (ChunkAt { file: next()?, offset: next()? }, next()?);
        let file = self.directory.map(&self.path(at.file)).ok()?;
        (crc_at(&file, at)? == crc).then_some(at)
    }

    fn crc(&self, at: ChunkAt) -> Option<u32> {
        match self.find(at).ok()? {
            super::Found::Map(file) => crc_at(&file, at),
            super::Found::Buffered(entry) => crc_at(&entry, ChunkAt { offset: 0, ..at }),
        }
    }
}

/// The checksum of the chunk that is there.
fn crc_at(file: &[u8], at: ChunkAt) -> Option<u32> {
    let (_, data) = parse(file, at.offset as usize, at).ok()?;
    Some(u32::from_be_bytes(*file.get(data.end..)?.first_chunk()?))
}
