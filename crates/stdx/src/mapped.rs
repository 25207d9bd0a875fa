//! Read-only bytes of a whole file.
#![expect(unsafe_code, reason = "mapping a file into memory")]

use std::fs::File;
use std::io;
use std::ops::Deref;
use std::sync::Arc;

/// The bytes of a file that no longer changes: mapped into memory, or held in it.
#[derive(Debug)]
pub struct Mapped(Bytes);

#[derive(Debug)]
enum Bytes {
    Map(memmap2::Mmap),
    Held(Vec<u8>),
    Shared(Arc<Vec<u8>>),
}

impl Mapped {
    /// Maps `file`. The file must not be cut or rewritten while mapped: files of a data directory are
    /// replaced by renaming, never in place.
    ///
    /// # Errors
    /// If the system refuses the mapping.
    pub fn map(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::held(Vec::new()));
        }
        // SAFETY: the data directory is locked by this process, and finished files in it are never
        // written in place, so the mapped bytes do not change. A cut by a foreign hand raises SIGBUS,
        // as for every program that maps files.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Self(Bytes::Map(map)))
    }

    /// Says that the bytes before `end` will hardly be read again: memory that holds them for a mapping is given back.
    pub fn leave(&self, end: usize) {
        if let Bytes::Map(map) = &self.0 {
            let advice = memmap2::UncheckedAdvice::DontNeed;
            // If it is refused, more memory is in use, and nothing is wrong.
            // SAFETY: the mapping is of a file, read-only and shared: a page that was given back is read from the
            // file again when it is asked for, with the same bytes.
            let _ = unsafe { map.unchecked_advise_range(advice, 0, end.min(map.len())) };
        }
    }

    /// Wraps bytes held in memory.
    pub fn held(bytes: Vec<u8>) -> Self {
        Self(Bytes::Held(bytes))
    }

    /// Wraps bytes in memory that others hold too, without a copy.
    pub fn shared(bytes: Arc<Vec<u8>>) -> Self {
        Self(Bytes::Shared(bytes))
    }
}

impl Deref for Mapped {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Map(map) => map,
            Bytes::Held(bytes) => bytes,
            Bytes::Shared(bytes) => bytes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn what_was_left_is_there_when_asked_again() {
        let bytes: Vec<u8> =
            (0..1 << 20).map(|at: u32| at.to_le_bytes()[at as usize % 4]).collect();
        let mut file = tempfile::tempfile().expect("a file");
        file.write_all(&bytes).expect("room");
        let mapped = Mapped::map(&file).expect("it can be mapped");
        let held = Mapped::held(bytes.clone());
        for end in [0, 1, 5000, 1 << 19, 1 << 20, usize::MAX] {
            assert!(*mapped == bytes[..] && *held == bytes[..], "before {end}");
            mapped.leave(end);
            held.leave(end);
        }
        assert!(*mapped == bytes[..] && *held == bytes[..]);
    }
}
