//! Files, handed in.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Mapped;

/// A tree of files. Paths are relative to its root. Nothing is durable before `sync`, as on a real disk:
/// a new or renamed name needs [`Directory::sync_dir`] of its parent.
pub trait Directory: Send + Sync {
    /// Where the root is, for messages.
    fn root(&self) -> &Path;
    /// Lists a folder, sorted by name.
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>>;
    /// Creates a folder and its parents; an existing one is fine.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Creates a file, or empties an existing one, for writing.
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileWrite>>;
    /// Opens a file to write at its end; creates it if needed.
    fn append(&self, path: &Path) -> io::Result<Box<dyn FileWrite>>;
    /// Opens a file to read at any position; it may still be growing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn FileRead>>;
    /// Maps a finished file.
    fn map(&self, path: &Path) -> io::Result<Mapped>;
    /// Reads a whole, small file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Renames a file or folder, replacing a file.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Makes `to` a second name of the file `from`.
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove_file(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with all in it.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;
    /// Makes the names in a folder durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// The size of a file in bytes.
    fn size(&self, path: &Path) -> io::Result<u64>;
    /// True if a file or folder of that name is there. Fails where there is no telling.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// How much room there is. Fails where there is no telling.
    fn space(&self) -> io::Result<Space> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// Takes a file, creating it if needed, for this process alone until the returned value is dropped.
    /// Fails with `WouldBlock` if another has it. A directory that no other process sees need not lock.
    fn lock(&self, _path: &Path) -> io::Result<Box<dyn Send>> {
        Ok(Box::new(()))
    }
    /// Starts to make files durable beside the caller, one after the other, and closes them.
    fn sync_beside(&self, files: Vec<Box<dyn FileWrite>>) -> io::Result<Box<dyn Syncing>> {
        let sync = move || {
            let sync = |mut file: Box<dyn FileWrite>| {
                let start = Instant::now();
                file.sync().map(|()| start.elapsed())
            };
            files.into_iter().map(sync).collect()
        };
        Ok(Box::new(thread::Builder::new().name("sync".to_owned()).spawn(sync)?))
    }
}

/// Files that are being made durable beside whoever asked for it.
pub trait Syncing: Send {
    /// True if [`Syncing::join`] will not wait.
    fn is_finished(&self) -> bool;
    /// Waits until all are durable. Returns how long each of them took.
    fn join(self: Box<Self>) -> io::Result<Vec<Duration>>;
}

impl Syncing for JoinHandle<io::Result<Vec<Duration>>> {
    fn is_finished(&self) -> bool {
        Self::is_finished(self)
    }

    fn join(self: Box<Self>) -> io::Result<Vec<Duration>> {
        let panicked = |_| Err(io::Error::other("the syncing thread panicked"));
        Self::join(*self).unwrap_or_else(panicked)
    }
}

/// The room of a file system, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All there is.
    pub total: u64,
    /// What an ordinary process may still take.
    pub free: u64,
}

/// A name in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The last part of the path. Names that are not UTF-8 are left out of listings.
    pub name: String,
    /// True for a folder.
    pub is_dir: bool,
    /// Size in bytes; 0 for a folder.
    pub size: u64,
}

/// A file being written, at its end.
pub trait FileWrite: Write + Send {
    /// Makes all that was written durable.
    fn sync(&mut self) -> io::Result<()>;
    /// Cuts or extends the file to `len`; later writes go to that end.
    fn set_len(&mut self, len: u64) -> io::Result<()>;
}

/// A file being read.
pub trait FileRead: Send + Sync {
    /// Fills `buf` from `offset`; fails with `UnexpectedEof` if the file is shorter.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;
    /// The size in bytes, now.
    fn size(&self) -> io::Result<u64>;
}

/// A folder of the machine.
#[derive(Clone, Debug)]
pub struct SystemDirectory {
    root: PathBuf,
}

impl SystemDirectory {
    /// Names the folder; it need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.root.join(path)
    }
}

impl Directory for SystemDirectory {
    fn root(&self) -> &Path {
        &self.root
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.at(path))? {
            let entry = entry?;
            // A file removed since the listing began is no error.
            let Ok(meta) = fs::metadata(entry.path()) else { continue };
            let Ok(name) = entry.file_name().into_string() else { continue };
            let is_dir = meta.is_dir();
            entries.push(Entry { name, is_dir, size: if is_dir { 0 } else { meta.len() } });
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(self.at(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        Ok(Box::new(SystemFile(File::create(self.at(path))?)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        Ok(Box::new(SystemFile(OpenOptions::new().append(true).create(true).open(self.at(path))?)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FileRead>> {
        Ok(Box::new(SystemFile(File::open(self.at(path))?)))
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        Mapped::map(&File::open(self.at(path))?)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(self.at(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(self.at(from), self.at(to))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::hard_link(self.at(from), self.at(to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(self.at(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(self.at(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(self.at(path))?.sync_all()
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        Ok(fs::metadata(self.at(path))?.len())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.at(path).try_exists()
    }

    fn space(&self) -> io::Result<Space> {
        // What is not there yet will be on the file system of what is.
        let is_there = |it: &&Path| it.exists();
        let there = self.root.ancestors().find(is_there).unwrap_or(Path::new("."));
        let found = rustix::fs::statvfs(there)?;
        Ok(Space {
            total: found.f_blocks.saturating_mul(found.f_frsize),
            free: found.f_bavail.saturating_mul(found.f_frsize),
        })
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>> {
        let file =
            OpenOptions::new().create(true).truncate(false).write(true).open(self.at(path))?;
        match file.try_lock() {
            Ok(()) => Ok(Box::new(file)),
            Err(fs::TryLockError::WouldBlock) => {
                Err(io::Error::new(io::ErrorKind::WouldBlock, "resource temporarily unavailable"))
            }
            Err(fs::TryLockError::Error(error)) => Err(error),
        }
    }
}

struct SystemFile(File);

impl Write for SystemFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWrite for SystemFile {
    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.0.set_len(len)?;
        io::Seek::seek(&mut self.0, io::SeekFrom::End(0)).map(drop)
    }
}

impl FileRead for SystemFile {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        FileExt::read_exact_at(&self.0, buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}
