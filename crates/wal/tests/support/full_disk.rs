//! A disk that runs out of room.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};

use stdx::{Directory, Entry, FileRead, FileWrite, Mapped, Space, SystemDirectory};

/// A folder with room for so many more bytes.
#[derive(Clone)]
pub(crate) struct FullDisk {
    inner: SystemDirectory,
    room: Arc<AtomicU64>,
    /// 0 if it does not tell.
    total: Arc<AtomicU64>,
    refuse_cuts: Arc<AtomicBool>,
}

impl FullDisk {
    pub(crate) fn new(path: &Path, room: u64) -> Self {
        let inner = SystemDirectory::new(path);
        Self {
            inner,
            room: Arc::new(AtomicU64::new(room)),
            total: Arc::default(),
            refuse_cuts: Arc::default(),
        }
    }

    #[allow(dead_code, reason = "each test file uses its part")]
    pub(crate) fn set_room(&self, room: u64) {
        self.room.store(room, SeqCst);
    }

    /// Says how large it is, and with it how much of that is left.
    #[allow(dead_code, reason = "each test file uses its part")]
    pub(crate) fn set_total(&self, total: u64) {
        self.total.store(total, SeqCst);
    }

    #[allow(dead_code, reason = "each test file uses its part")]
    pub(crate) fn make_room(&self, room: u64) {
        self.room.fetch_max(room, SeqCst);
    }

    #[allow(dead_code, reason = "each test file uses its part")]
    pub(crate) fn refuse_cuts(&self, refuse: bool) {
        self.refuse_cuts.store(refuse, SeqCst);
    }
}

struct FullFile {
    inner: Box<dyn FileWrite>,
    room: Arc<AtomicU64>,
    refuse_cuts: Arc<AtomicBool>,
}

impl Write for FullFile {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let room = usize::try_from(self.room.load(SeqCst)).unwrap_or(usize::MAX);
        if room == 0 {
            return Err(io::Error::from_raw_os_error(28));
        }
        let n = self.inner.write(&buf[..buf.len().min(room)])?;
        self.room.fetch_sub(n as u64, SeqCst);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWrite for FullFile {
    fn sync(&mut self) -> io::Result<()> {
        self.inner.sync()
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        if self.refuse_cuts.load(SeqCst) {
            return Err(io::Error::other("input/output error"));
        }
        self.inner.set_len(len)
    }
}

impl FullDisk {
    fn wrap(&self, inner: Box<dyn FileWrite>) -> Box<dyn FileWrite> {
        Box::new(FullFile {
            inner,
            room: Arc::clone(&self.room),
            refuse_cuts: Arc::clone(&self.refuse_cuts),
        })
    }
}

impl Directory for FullDisk {
    fn root(&self) -> &Path {
        self.inner.root()
    }
    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.inner.list(path)
    }
    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }
    fn create(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        Ok(self.wrap(self.inner.create(path)?))
    }
    fn append(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        Ok(self.wrap(self.inner.append(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Box<dyn FileRead>> {
        self.inner.open(path)
    }
    fn map(&self, path: &Path) -> io::Result<Mapped> {
        self.inner.map(path)
    }
    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.inner.read(path)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.hard_link(from, to)
    }
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }
    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }
    fn size(&self, path: &Path) -> io::Result<u64> {
        self.inner.size(path)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.inner.exists(path)
    }
    fn space(&self) -> io::Result<Space> {
        match self.total.load(SeqCst) {
            0 => Err(io::ErrorKind::Unsupported.into()),
            total => Ok(Space { total, free: self.room.load(SeqCst) }),
        }
    }
}
