//! Writing a checkpoint while appends go on. Nobody may truncate, delete or evict meanwhile.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;
use std::time::Duration;

use model::Labels;
use stdx::varint::{put_i64, put_u64};

use super::super::Head;
use super::super::chunk_files::FileEnd;
use super::super::pairs::PairOrder;
use super::file::Sections;
use super::{FOLDER, Kind, Newest, Start, UNFINISHED, path_of};
use crate::exemplars::Stored;
use crate::sync::{lock, read, write};

/// Pairs of one section; the index is locked to read meanwhile.
const PAIRS_TOGETHER: usize = 8192;
const EXEMPLARS_TOGETHER: usize = 4096;
const DELETIONS_TOGETHER: usize = 65_536;
/// The log is asked so often whether it is durable.
const PAUSE: Duration = Duration::from_millis(20);

/// A checkpoint that is in its place.
pub(crate) struct Written {
    pub(crate) segment: u32,
    pub(crate) n_series: u64,
    pub(crate) n_bytes: u64,
}

/// Why one was not written.
#[derive(Debug)]
enum Failure {
    Stopped,
    Refused(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Refused(error.to_string())
    }
}

impl Head {
    /// Writes a checkpoint, and removes older ones. `None` if `stop` became true before.
    ///
    /// # Errors
    /// If the disk refuses; an older checkpoint stays then.
    pub(crate) fn write_checkpoint(
        &self,
        stop: &dyn Fn() -> bool,
    ) -> Result<Option<Written>, String> {
        let (start, at) = self.begin_checkpoint()?;
        let done = path_of(start.segment);
        let unfinished = done.with_extension(UNFINISHED);
        let written =
            self.write_sections(start, &unfinished, stop).and_then(|(n_series, n_bytes)| {
                self.directory.rename(&unfinished, &done)?;
                self.directory.sync_dir(Path::new(FOLDER))?;
                Ok(Written { segment: start.segment, n_series, n_bytes })
            });
        match written {
            Ok(it) => {
                let n_bytes = it.n_bytes;
                *lock(&self.newest_checkpoint) = Newest { n_bytes, at, ..Newest::default() };
                self.remove_checkpoints_below(it.segment);
                Ok(Some(it))
            }
            Err(why) => {
                // What cannot be removed now is by the next start.
                let _ = self.directory.remove_file(&unfinished);
                match why {
                    Failure::Stopped => Ok(None),
                    Failure::Refused(why) => Err(why),
                }
            }
        }
    }

    /// Begins a segment of the log, and waits until all that was logged before is on its pages. With the bytes
    /// that were logged by then.
    fn begin_checkpoint(&self) -> Result<(Start, u64), String> {
        let (segment, last_ref, at) = self.cut_log()?;
        // Whoever commits has it to read: those who do now have logged before the cut, maybe.
        drop(write(&self.committing));
        let chunks = self.chunk_files.end();
        let (n_series, _) = self.n_series_and_chunks();
        let held_from = self.truncating_below();
        Ok((Start { segment, last_ref, chunks, held_from, n_series }, at))
    }

    /// Logs all new series and begins a segment. Returns its number, the greatest reference before it, and
    /// what was written so far.
    fn cut_log(&self) -> Result<(u32, u64, u64), String> {
        let mut log = lock(&self.log);
        let writer = log.as_mut().ok_or("the database is closed")?;
        if writer.is_doubtful() {
            return Err("segments of the log could not be synced by an earlier process".to_owned());
        }
        let (last_ref, new_series) = {
            // While it is locked, nobody makes a series.
            let _index = read(&self.index);
            (self.last_ref(), std::mem::take(&mut *lock(&self.unlogged)))
        };
        let records: Vec<&[u8]> = new_series.iter().map(|it| &it[..]).collect();
        let logged = if records.is_empty() { Ok(()) } else { writer.log(&records) };
        if let Err(error) = logged {
            lock(&self.unlogged).extend(new_series);
            return Err(error.to_string());
        }
        let segment = writer.cut().map_err(|error| error.to_string())?;
        read(&self.references).note_segment(segment);
        Ok((segment, last_ref, writer.n_bytes()))
    }

    /// Writes the file; returns the number of series, and of bytes.
    fn write_sections(
        &self,
        start: Start,
        path: &Path,
        stop: &dyn Fn() -> bool,
    ) -> Result<(u64, u64), Failure> {
        self.make_checkpoint_folder()?;
        let mut out = Sections::create(self.directory.as_ref(), path)?;
        out.add(Kind::Start, |to| start.put(to))?;
        let n_series = self.write_series(start.last_ref, &mut out, stop)?;
        self.write_rest(&mut out)?;
        let files = self.chunk_files.sync_all()?;
        let mint = self.mint.load(SeqCst);
        out.add(Kind::End, |to| put_end(mint, n_series, &files, to))?;
        let n_bytes = out.finish()?;
        while !self.is_log_synced()? {
            if stop() {
                return Err(Failure::Stopped);
            }
            thread::sleep(PAUSE);
        }
        Ok((n_series, n_bytes))
    }

    fn make_checkpoint_folder(&self) -> io::Result<()> {
        let folder = Path::new(FOLDER);
        if self.directory.exists(folder)? {
            return Ok(());
        }
        self.directory.create_dir_all(folder)?;
        self.directory.sync_dir(Path::new(""))
    }

    fn is_log_synced(&self) -> Result<bool, Failure> {
        let mut log = lock(&self.log);
        let writer =
            log.as_mut().ok_or_else(|| Failure::Refused("the database is closed".into()))?;
        writer.is_synced_before().map_err(|error| Failure::Refused(error.to_string()))
    }

    /// Writes pages, then the label pairs that they name. Returns how many series.
    fn write_series(
        &self,
        last_ref: u64,
        out: &mut Sections,
        stop: &dyn Fn() -> bool,
    ) -> Result<u64, Failure> {
        let (mut pairs, mut n_series) = (PairOrder::default(), 0);
        for (number, page) in self.pages.all() {
            if stop() {
                return Err(Failure::Stopped);
            }
            n_series += out
                .add(Kind::Page, |to| lock(&page).store(number, last_ref, &mut pairs, to))?
                as u64;
        }
        out.add(Kind::Names, |to| read(&self.index).pairs.store_names(to))?;
        for some in pairs.old().chunks(PAIRS_TOGETHER) {
            // Pairs keep their numbers while nobody truncates.
            out.add(Kind::Pairs, |to| read(&self.index).pairs.store_pairs(some, to))?;
        }
        Ok(n_series)
    }

    fn write_rest(&self, out: &mut Sections) -> io::Result<()> {
        let deletions = self.deletions.all();
        for some in deletions.chunks(DELETIONS_TOGETHER) {
            out.add(Kind::Deletions, |to| {
                for (series, interval) in some {
                    put_u64(to, *series);
                    put_i64(to, interval.mint);
                    put_i64(to, interval.maxt);
                }
            })?;
        }
        out.add(Kind::Aliases, |to| {
            for (logged, series) in lock(&self.aliases).iter() {
                put_u64(to, *logged);
                put_u64(to, *series);
            }
        })?;
        for some in self.exemplars.all().chunks(EXEMPLARS_TOGETHER) {
            out.add(Kind::Exemplars, |to| some.iter().for_each(|it| put_exemplar(it, to)))?;
        }
        Ok(())
    }
}

impl Start {
    fn put(self, out: &mut Vec<u8>) {
        put_u64(out, u64::from(self.segment));
        put_u64(out, self.last_ref);
        put_u64(out, u64::from(self.chunks.file));
        put_u64(out, u64::from(self.chunks.offset));
        put_i64(out, self.held_from);
        put_u64(out, self.n_series);
    }
}

fn put_end(mint: i64, n_series: u64, files: &[FileEnd], out: &mut Vec<u8>) {
    put_i64(out, mint);
    put_u64(out, n_series);
    for FileEnd { file, len, tail_crc } in files {
        put_u64(out, u64::from(*file));
        put_u64(out, u64::from(*len));
        put_u64(out, u64::from(*tail_crc));
    }
}

fn put_exemplar(it: &Stored, out: &mut Vec<u8>) {
    put_labels(&it.series, out);
    put_labels(&it.labels, out);
    put_i64(out, it.t);
    out.extend_from_slice(&it.v.to_bits().to_le_bytes());
}

fn put_labels(labels: &Labels, out: &mut Vec<u8>) {
    put_u64(out, labels.len() as u64);
    for (name, value) in labels.iter_bytes() {
        for text in [name, value] {
            put_u64(out, text.len() as u64);
            out.extend_from_slice(text);
        }
    }
}
