//! Which references may have been given out: `wal/series_state.json`.
//!
//! The file names a reference: none above it was given out. It is moved ahead by a million at a time, and
//! synced, before any of them is used; so after a crash a start knows, without reading the log, which
//! references are free. It also names the newest segment of the log at that time. Segments above it are
//! looked through for series, for another program may have written them.
//!
//! The form is that of upstream's `fast-startup` feature, which reads it as we do; `reserved` is ours: the
//! checksum of the rest. A file without it speaks for the end of the segment before the one it names.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use stdx::Directory;
use wal::record::{self, Kind};
use wal::{Position, Reader, checkpoint, segment};

use super::WAL_FOLDER;
use super::series::PAGE_REFS;
use crate::sync::lock;

const FILE: &str = "series_state.json";
/// References set aside at once.
const AHEAD: u64 = 1 << 20;
/// Series are found by 40 bits of reference; a start needs room above those taken.
const TAKEN_MAX: u64 = 1 << 39;

/// What is set aside, and the file that says so.
pub(crate) struct References {
    /// `None` if nothing is written.
    directory: Option<Arc<dyn Directory>>,
    state: Mutex<State>,
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    /// No greater reference was given out.
    taken: u64,
    segment: u32,
    is_clean: bool,
    /// Written by us: `taken` is good for all of the segment, and for what we wrote after it.
    is_reserved: bool,
}

impl References {
    /// Sets nothing aside and lets all be used: for a database that is only read.
    pub(crate) fn unlimited() -> Self {
        let state = State { taken: u64::MAX, segment: 0, is_clean: true, is_reserved: true };
        Self { directory: None, state: Mutex::new(state) }
    }

    /// Sets references above `taken` aside, for a log that goes on in `segment`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub(crate) fn start(
        directory: Arc<dyn Directory>,
        taken: u64,
        segment: u32,
    ) -> io::Result<Self> {
        let state = State { taken: taken + AHEAD, segment, is_clean: false, is_reserved: true };
        state.store(directory.as_ref(), true)?;
        Ok(Self { directory: Some(directory), state: Mutex::new(state) })
    }

    /// Makes sure that `series` may be given out.
    ///
    /// # Errors
    /// If it is beyond what is set aside, and the file cannot be written.
    pub(crate) fn allow(&self, series: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        if series <= state.taken {
            return Ok(());
        }
        let Some(directory) = &self.directory else { return Ok(()) };
        let next = State { taken: series + AHEAD, ..*state };
        next.store(directory.as_ref(), true)?;
        *state = next;
        Ok(())
    }

    /// Notes that the log goes on in `segment`. If the file cannot be written now, the next start looks
    /// through one segment more.
    pub(crate) fn note_segment(&self, segment: u32) {
        let mut state = lock(&self.state);
        let Some(directory) = self.directory.as_ref().filter(|_| state.segment < segment) else {
            return;
        };
        state.segment = segment;
        let _ = state.store(directory.as_ref(), false);
    }

    /// Notes the last reference that was given out, at the end.
    ///
    /// # Errors
    /// If the file cannot be written; it is good as it is.
    pub(crate) fn close(&self, last: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        let Some(directory) = &self.directory else { return Ok(()) };
        *state = State { taken: last, is_clean: true, ..*state };
        state.store(directory.as_ref(), true)
    }

    /// Finds a reference that none in the directory is above, by the file and the segments that it does not
    /// speak for. `None` if that cannot be told.
    pub(crate) fn taken(directory: &Arc<dyn Directory>) -> Option<u64> {
        let text = directory.read(&path()).ok()?;
        let state = State::parse(std::str::from_utf8(&text).ok()?)?;
        let folder = Path::new(WAL_FOLDER);
        let numbers = segment::list(directory.as_ref(), folder).ok()?;
        let is_known = |n: u32| n < state.segment || state.is_reserved && n == state.segment;
        let mut taken = state.taken;
        if let Some(found) = checkpoint::last(directory.as_ref(), folder).ok()?
            && !is_known(found.index)
        {
            let mut reader = checkpoint::open(Arc::clone(directory), &found).ok()?;
            taken = taken.max(greatest_of(&mut reader)?);
        }
        if let (Some(first), Some(last)) = (numbers.iter().find(|n| !is_known(**n)), numbers.last())
        {
            let mut reader = Reader::new(Arc::clone(directory), folder, *first..=*last);
            taken = taken.max(greatest_of(&mut reader)?);
        }
        (taken < TAKEN_MAX).then_some(taken)
    }

    /// Finds a reference that none in the log before `at` is above, by the log. `None` if a record there is bad.
    pub(crate) fn taken_before(directory: &Arc<dyn Directory>, at: Position) -> Option<u64> {
        let folder = Path::new(WAL_FOLDER);
        let mut taken = 0;
        if let Some(found) = checkpoint::last(directory.as_ref(), folder).ok()? {
            taken = greatest_of(&mut checkpoint::open(Arc::clone(directory), &found).ok()?)?;
        }
        let first = *segment::list(directory.as_ref(), folder).ok()?.first()?;
        let mut reader = Reader::new(Arc::clone(directory), folder, first..=at.segment);
        Some(taken.max(greatest_of(&mut reader)?))
    }

    /// True if the file says that `segments`, all there are, were written by us, and by nobody in between, and that
    /// references up to `last` were set aside: another start may have found less than one that a power cut undid.
    pub(crate) fn speak_for(directory: &dyn Directory, segments: &[u32], last: u64) -> bool {
        let text = directory.read(&path()).unwrap_or_default();
        let state = std::str::from_utf8(&text).ok().and_then(State::parse);
        let newest = segments.last().copied().unwrap_or(0);
        state.is_some_and(|it| it.is_reserved && newest <= it.segment && last <= it.taken)
    }

    /// Forgets what the file says, so that the next start reads the log first.
    pub(crate) fn forget(directory: &dyn Directory) {
        // If it stays, the next start fails as this one did.
        let _ = directory.remove_file(&path());
    }

    /// The first reference above `taken` that starts a page.
    pub(crate) fn first_above(taken: u64) -> u64 {
        (taken + 1).next_multiple_of(PAGE_REFS)
    }
}

/// The greatest reference that records name as taken. `None` if one is bad: behind it may be others.
fn greatest_of(reader: &mut Reader) -> Option<u64> {
    let mut found = 0;
    while let Some(it) = reader.next().ok()? {
        found = found.max(greatest(it.bytes)?);
    }
    Some(found)
}

/// The greatest reference that a record names as taken; 0 without any, `None` if it is bad.
fn greatest(bytes: &[u8]) -> Option<u64> {
    let mut found = 0;
    match record::split(bytes) {
        Some((Kind::Series, body)) => record::series(body, |it, _| found = found.max(it.0)).ok()?,
        Some((Kind::Tombstones, body)) => {
            record::tombstones(body, |it| found = found.max(it.series.0)).ok()?;
        }
        _ => {}
    }
    Some(found)
}

fn path() -> PathBuf {
    Path::new(WAL_FOLDER).join(FILE)
}

impl State {
    fn parse(text: &str) -> Option<Self> {
        let checksum = field(text, "reserved");
        let it = Self {
            taken: field(text, "last_series_id")?.parse().ok()?,
            segment: field(text, "last_wal_segment")?.parse().ok()?,
            is_clean: field(text, "clean_shutdown")? == "true",
            is_reserved: checksum.is_some(),
        };
        let is_good = |sum: &str| sum.parse() == Ok(crc32c::crc32c(it.upstreams().as_bytes()));
        checksum.is_none_or(is_good).then_some(it)
    }

    /// The fields of upstream.
    fn upstreams(self) -> String {
        let Self { taken, segment, is_clean, .. } = self;
        format!(
            "\"last_series_id\":{taken},\"last_wal_segment\":{segment},\"clean_shutdown\":{is_clean}"
        )
    }

    fn store(self, directory: &dyn Directory, sync: bool) -> io::Result<()> {
        let fields = self.upstreams();
        let text = format!("{{{fields},\"reserved\":{}}}\n", crc32c::crc32c(fields.as_bytes()));
        let unfinished = path().with_extension("json.tmp");
        let mut file = directory.create(&unfinished)?;
        file.write_all(text.as_bytes())?;
        if sync {
            file.sync()?;
        }
        drop(file);
        directory.rename(&unfinished, &path())?;
        if sync { directory.sync_dir(Path::new(WAL_FOLDER)) } else { Ok(()) }
    }
}

/// The value of a field of a flat JSON object whose values are numbers and words.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    inner.split(',').find_map(|pair| {
        let (key, value) = pair.split_once(':')?;
        let is_it = key.trim().strip_prefix('"')?.strip_suffix('"')? == name;
        is_it.then(|| value.trim())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Labels, SeriesRef};
    use stdx::{SystemClock, SystemDirectory};

    fn log_series(directory: &Arc<dyn Directory>, series: u64) -> u32 {
        let mut writer = wal::Writer::open(
            Arc::clone(directory),
            Path::new(WAL_FOLDER),
            wal::Options::default(),
            Arc::new(SystemClock::default()),
            wal::Metrics::default(),
        )
        .expect("opens");
        let mut out = Vec::new();
        record::start(Kind::Series, &mut out);
        record::put_series(&mut out, SeriesRef(series), &Labels::from_pairs([("a", "b")]));
        writer.log(&[&out]).expect("logs");
        writer.segment()
    }

    #[test]
    fn knows_what_it_reserved_and_what_others_wrote() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(dir.path()));
        let segment = log_series(&directory, 5000);
        assert_eq!(References::taken(&directory), None, "no file, no knowledge");
        let references = References::start(Arc::clone(&directory), 5, segment).expect("starts");
        assert_eq!(References::taken(&directory), Some(5 + AHEAD), "ours: 5000 is not looked for");
        references.allow(5 + AHEAD).expect("is set aside");
        assert_eq!(References::taken(&directory), Some(5 + AHEAD));
        references.allow(6 + AHEAD).expect("is set aside now");
        assert_eq!(References::taken(&directory), Some(6 + 2 * AHEAD));
        let speaks_for = |last| References::speak_for(directory.as_ref(), &[segment], last);
        assert!(
            speaks_for(6 + 2 * AHEAD) && !speaks_for(7 + 2 * AHEAD),
            "not for what was given up"
        );
        references.close(7).expect("closes");
        assert_eq!(References::taken(&directory), Some(7));
        log_series(&directory, 9000);
        assert_eq!(
            References::taken(&directory),
            Some(9000),
            "a segment that it does not speak for"
        );
        let upstreams = "{\"last_series_id\":3,\"last_wal_segment\":0,\"clean_shutdown\":false}\n";
        std::fs::write(dir.path().join(path()), upstreams).expect("writes");
        assert_eq!(References::taken(&directory), Some(9000));
        std::fs::write(dir.path().join(path()), "{\"last_series_id\":").expect("writes");
        assert_eq!(References::taken(&directory), None);
        let references = References::start(Arc::clone(&directory), 5, 1).expect("starts");
        let text = std::fs::read_to_string(dir.path().join(path())).expect("reads");
        let other = text.replace(&(5 + AHEAD).to_string(), &(4 + AHEAD).to_string());
        assert_ne!(text, other);
        std::fs::write(dir.path().join(path()), other).expect("writes");
        assert_eq!(References::taken(&directory), None, "the checksum is of another number");
        drop(references);
    }
}
