//! A directory in memory that crashes as machines do.
//!
//! It keeps what processes see apart from what the medium has. Bytes written reach the medium when their
//! file is synced, names when their folder is; until then a power cut loses, tears, reorders or keeps
//! them as the seed decides.
//!
//! - [`CrashingDirectory::kill`]: the process ends. What it wrote stays; what it had in its own memory
//!   is gone.
//! - [`CrashingDirectory::cut_power`]: the machine ends. What was not synced is gone in part.
//! - [`CrashingDirectory::die_after`]: the process ends within an operation to come, in the middle of a
//!   write if it is one.
//! - [`CrashingDirectory::fail_after`], [`CrashingDirectory::set_capacity`]: the disk refuses.
//! - [`CrashingDirectory::flip_bit`]: the medium lies.
//!
//! Operations are counted for the thread that made the directory only, and for threads of one name, if
//! [`CrashingDirectory::counting`] gives one. So the same seed fails the same operation, whatever other
//! threads do beside.

mod power;
mod tree;

use std::collections::BTreeSet;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread, ThreadId};
use std::time::Duration;

use stdx::{Directory, Entry, FileRead, FileWrite, Mapped, Syncing};

use crate::Random;
use tree::{File, Folder, Kind, Node, ROOT, Tree};

/// `ENOSPC`.
const NO_SPACE: i32 = 28;
/// `EIO`.
const INPUT_OUTPUT: i32 = 5;

/// What one process sees of a disk in memory. A clone is the same process; after a crash this one sees
/// only errors, and the next one is what the crash returned.
#[derive(Clone)]
pub struct CrashingDirectory {
    disk: Arc<Mutex<Disk>>,
    /// Which process this is.
    process: u32,
    thread: ThreadId,
    /// Threads of this name count, too.
    counted: Option<&'static str>,
}

struct Disk {
    tree: Tree,
    random: Random,
    /// The process that lives; others are dead.
    process: u32,
    locked: BTreeSet<PathBuf>,
    /// Bytes that all files together may have.
    capacity: u64,
    /// Operations of the process so far.
    n_operations: u64,
    die_at: Option<u64>,
    fail_at: Option<u64>,
}

/// What becomes of an operation.
enum Fate {
    Done,
    Fails,
    /// It is the last of the process.
    Dies,
}

impl CrashingDirectory {
    /// An empty disk. The seed decides what crashes take.
    pub fn new(seed: u64) -> Self {
        let disk = Disk {
            tree: Tree::new(),
            random: Random::new(seed),
            process: 0,
            locked: BTreeSet::new(),
            capacity: u64::MAX,
            n_operations: 0,
            die_at: None,
            fail_at: None,
        };
        let disk = Arc::new(Mutex::new(disk));
        Self { disk, process: 0, thread: thread::current().id(), counted: None }
    }

    /// Counts operations of threads of this name, too: good where they work while the first one waits.
    #[must_use]
    pub fn counting(self, name: &'static str) -> Self {
        Self { counted: Some(name), ..self }
    }

    /// Ends the process as `kill -9` does: what was written stays. Returns what the next one sees.
    #[must_use]
    pub fn kill(&self) -> Self {
        self.next_process(&mut self.disk())
    }

    /// Ends the machine. What was not synced is gone, in part or whole. Returns what the first process
    /// afterwards sees.
    #[must_use]
    pub fn cut_power(&self) -> Self {
        let mut disk = self.disk();
        let Disk { tree, random, .. } = &mut *disk;
        power::cut(tree, random);
        self.next_process(&mut disk)
    }

    fn next_process(&self, disk: &mut Disk) -> Self {
        disk.process += 1;
        disk.locked.clear();
        (disk.die_at, disk.fail_at) = (None, None);
        Self { process: disk.process, thread: thread::current().id(), ..self.clone() }
    }

    /// Lets the process die in the `n`th operation from now, the next one being 0. Dead, it sees only
    /// errors; [`CrashingDirectory::kill`] or [`CrashingDirectory::cut_power`] says how it died.
    pub fn die_after(&self, n: u64) {
        let mut disk = self.disk();
        disk.die_at = Some(disk.n_operations + n);
    }

    /// Lets the `n`th operation from now fail with an I/O error, once. If it is a sync, what it was to
    /// make durable never will be, as on Linux.
    pub fn fail_after(&self, n: u64) {
        let mut disk = self.disk();
        disk.fail_at = Some(disk.n_operations + n);
    }

    /// Takes back what [`CrashingDirectory::die_after`] and [`CrashingDirectory::fail_after`] announced
    /// and has not happened.
    pub fn be_kind(&self) {
        let mut disk = self.disk();
        (disk.die_at, disk.fail_at) = (None, None);
    }

    /// Operations of this process's first thread so far.
    pub fn n_operations(&self) -> u64 {
        self.disk().n_operations
    }

    /// True if the process has died.
    pub fn is_dead(&self) -> bool {
        self.disk().process != self.process
    }

    /// Sets how many bytes all files together may have; a write that would pass it is cut short, then
    /// fails.
    pub fn set_capacity(&self, bytes: u64) {
        self.disk().capacity = bytes;
    }

    /// True while there is such a limit.
    pub fn is_limited(&self) -> bool {
        self.disk().capacity < u64::MAX
    }

    /// Bytes of all files.
    pub fn used(&self) -> u64 {
        self.disk().tree.used
    }

    /// All files and their sizes, sorted by path.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let disk = self.disk();
        let mut all = Vec::new();
        let mut open = vec![(PathBuf::new(), ROOT)];
        while let Some((path, node)) = open.pop() {
            match &disk.tree.nodes[node] {
                Kind::File(file) => all.push((path, file.data.len() as u64)),
                Kind::Folder(folder) => {
                    open.extend(folder.names.iter().map(|(name, node)| (path.join(name), *node)));
                }
            }
        }
        all.sort();
        all
    }

    /// Turns a bit of a file over, in memory and on the medium. `bit` counts from the first byte's lowest.
    ///
    /// # Panics
    /// If the file is not there or shorter.
    pub fn flip_bit(&self, path: &Path, bit: u64) {
        let mut disk = self.disk();
        let node = disk.tree.find(path).expect("the file is there");
        let file = disk.tree.file_mut(node).expect("it is a file");
        let (at, mask) = (usize::try_from(bit / 8).expect("a file in memory"), 1 << (bit % 8));
        let mut data = Vec::clone(&file.data);
        data[at] ^= mask;
        file.data = Arc::new(data);
        if let Some(byte) = file.durable.get_mut(at) {
            *byte ^= mask;
        }
    }

    /// True if a power cut now would take nothing of `path`: neither its name nor, of a file, a byte.
    pub fn is_durable(&self, path: &Path) -> bool {
        let disk = self.disk();
        let Ok(names) = tree::names_of(path) else { return false };
        let mut node = ROOT;
        for name in names {
            let Ok(folder) = disk.tree.folder(node) else { return false };
            let (now, durable) = (folder.names.get(name), folder.durable.get(name));
            match now.filter(|it| durable == Some(it)) {
                Some(found) => node = *found,
                None => return false,
            }
        }
        disk.tree.file(node).map_or(true, |file| file.dirty_from.is_none())
    }

    /// True if a sync of that file failed: no later one makes up for it.
    pub fn is_sync_failed(&self, path: &Path) -> bool {
        let disk = self.disk();
        let file = disk.tree.find(path).and_then(|node| disk.tree.file(node));
        file.is_ok_and(|it| it.is_lost)
    }

    /// The same disk once more: what happens to one does not happen to the other.
    #[must_use]
    pub fn fork(&self, seed: u64) -> Self {
        let disk = self.disk();
        let copy = Disk {
            tree: disk.tree.copy(),
            random: Random::new(seed),
            locked: disk.locked.clone(),
            ..*disk
        };
        Self { disk: Arc::new(Mutex::new(copy)), ..self.clone() }
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        // A test that panicked goes on to tell what the disk holds.
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins an operation: counts it and says what becomes of it.
    fn begin(&self) -> io::Result<(MutexGuard<'_, Disk>, Fate)> {
        let mut disk = self.disk();
        if disk.process != self.process {
            return Err(dead());
        }
        if !self.is_counted(&thread::current()) {
            return Ok((disk, Fate::Done));
        }
        let n = disk.n_operations;
        disk.n_operations += 1;
        if disk.die_at == Some(n) {
            disk.process += 1;
            return Ok((disk, Fate::Dies));
        }
        let fails = disk.fail_at == Some(n);
        Ok((disk, if fails { Fate::Fails } else { Fate::Done }))
    }

    fn is_counted(&self, thread: &Thread) -> bool {
        thread.id() == self.thread || self.counted.is_some() && thread.name() == self.counted
    }

    /// Begins an operation that has no half.
    fn operate(&self) -> io::Result<MutexGuard<'_, Disk>> {
        match self.begin()? {
            (disk, Fate::Done) => Ok(disk),
            (_, Fate::Fails) => Err(refused()),
            (_, Fate::Dies) => Err(dead()),
        }
    }

    fn handle(&self, node: Node) -> Handle {
        Handle { directory: self.clone(), node }
    }
}

fn dead() -> io::Error {
    io::Error::other("the process is dead")
}

fn refused() -> io::Error {
    io::Error::from_raw_os_error(INPUT_OUTPUT)
}

fn no_space() -> io::Error {
    io::Error::from_raw_os_error(NO_SPACE)
}

impl Disk {
    /// Finds a file to write, or makes it.
    fn open_or_create(&mut self, path: &Path) -> io::Result<Node> {
        let (parent, name) = self.tree.parent(path)?;
        if let Some(node) = self.tree.folder(parent)?.names.get(name).copied() {
            self.tree.file(node)?;
            return Ok(node);
        }
        if self.capacity <= self.tree.used {
            return Err(no_space());
        }
        self.tree.add(parent, name, Kind::File(File::default()))
    }

    fn room(&self) -> usize {
        usize::try_from(self.capacity.saturating_sub(self.tree.used)).unwrap_or(usize::MAX)
    }

    /// Writes what there is room for.
    fn write(&mut self, node: Node, bytes: &[u8]) -> io::Result<usize> {
        let n = bytes.len().min(self.room());
        if n == 0 && !bytes.is_empty() {
            return Err(no_space());
        }
        let file = self.tree.file_mut(node)?;
        file.write(&bytes[..n]);
        if 0 < file.n_names {
            self.tree.used += n as u64;
        }
        Ok(n)
    }

    fn set_len(&mut self, node: Node, len: u64) -> io::Result<()> {
        let file = self.tree.file_mut(node)?;
        let before = file.data.len() as u64;
        file.set_len(usize::try_from(len).map_err(|_| ErrorKind::FileTooLarge)?);
        if 0 < file.n_names {
            self.tree.used = self.tree.used + len - before;
        }
        Ok(())
    }
}

impl Directory for CrashingDirectory {
    fn root(&self) -> &Path {
        Path::new("/crashing")
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        let disk = self.operate()?;
        let folder = disk.tree.folder(disk.tree.find(path)?)?;
        let entry = |(name, node): (&String, &Node)| match &disk.tree.nodes[*node] {
            Kind::Folder(_) => Entry { name: name.clone(), is_dir: true, size: 0 },
            Kind::File(file) => {
                Entry { name: name.clone(), is_dir: false, size: file.data.len() as u64 }
            }
        };
        Ok(folder.names.iter().map(entry).collect())
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut done = PathBuf::new();
        for name in tree::names_of(path)? {
            done.push(name);
            let mut disk = self.operate()?;
            match disk.tree.find(&done) {
                Ok(node) => drop(disk.tree.folder(node)?),
                Err(_) => {
                    let (parent, name) = disk.tree.parent(&done)?;
                    disk.tree.add(parent, name, Kind::Folder(Folder::default()))?;
                }
            }
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        let mut disk = self.operate()?;
        let node = disk.open_or_create(path)?;
        if !disk.tree.file(node)?.data.is_empty() {
            disk.set_len(node, 0)?;
        }
        Ok(Box::new(self.handle(node)))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        let node = self.operate()?.open_or_create(path)?;
        Ok(Box::new(self.handle(node)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FileRead>> {
        let disk = self.operate()?;
        let node = disk.tree.find(path)?;
        disk.tree.file(node)?;
        Ok(Box::new(self.handle(node)))
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        let mut disk = self.operate()?;
        let node = disk.tree.find(path)?;
        Ok(Mapped::shared(disk.tree.file_mut(node)?.map()))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let disk = self.operate()?;
        Ok(disk.tree.file(disk.tree.find(path)?)?.data.to_vec())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.operate()?.tree.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.operate()?;
        let node = disk.tree.find(from)?;
        disk.tree.file(node)?;
        let (parent, name) = disk.tree.parent(to)?;
        if disk.tree.folder(parent)?.names.contains_key(name) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        disk.tree.link(parent, name, node)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.operate()?;
        let node = disk.tree.find(path)?;
        disk.tree.file(node)?;
        let (parent, name) = disk.tree.parent(path)?;
        disk.tree.unlink(parent, name)
    }

    /// Removes name by name, as the system does: each one is an operation.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        for it in self.list(path)? {
            let inner = path.join(&it.name);
            if it.is_dir { self.remove_dir_all(&inner)? } else { self.remove_file(&inner)? }
        }
        let mut disk = self.operate()?;
        let (parent, name) = disk.tree.parent(path)?;
        disk.tree.unlink(parent, name)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.operate()?;
        let node = disk.tree.find(path)?;
        disk.tree.sync_folder(node)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        let disk = self.operate()?;
        Ok(disk.tree.file(disk.tree.find(path)?)?.data.len() as u64)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        Ok(self.operate()?.tree.find(path).is_ok())
    }

    /// The disk does it when it is waited for, or asked and in the mood, or never if a crash comes first.
    fn sync_beside(&self, files: Vec<Box<dyn FileWrite>>) -> io::Result<Box<dyn Syncing>> {
        drop(self.operate()?);
        Ok(Box::new(Beside { directory: self.clone(), files }))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>> {
        let mut disk = self.operate()?;
        disk.open_or_create(path)?;
        if !disk.locked.insert(path.to_owned()) {
            return Err(io::Error::new(ErrorKind::WouldBlock, "resource temporarily unavailable"));
        }
        Ok(Box::new(Lock { directory: self.clone(), path: path.to_owned() }))
    }
}

/// A file of a process.
struct Handle {
    directory: CrashingDirectory,
    node: Node,
}

impl Write for Handle {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let (mut disk, fate) = self.directory.begin()?;
        if matches!(fate, Fate::Done) {
            return disk.write(self.node, buf);
        }
        // The operation ends somewhere within.
        let n = disk.random.below(buf.len() + 1);
        let _ = disk.write(self.node, &buf[..n]);
        Err(if matches!(fate, Fate::Dies) { dead() } else { refused() })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl FileWrite for Handle {
    fn sync(&mut self) -> io::Result<()> {
        let (mut disk, fate) = self.directory.begin()?;
        let file = disk.tree.file_mut(self.node)?;
        match fate {
            Fate::Done => {
                file.sync();
                Ok(())
            }
            Fate::Fails => {
                file.is_lost = true;
                Err(refused())
            }
            Fate::Dies => Err(dead()),
        }
    }

    fn set_len(&mut self, len: u64) -> io::Result<()> {
        self.directory.operate()?.set_len(self.node, len)
    }
}

impl FileRead for Handle {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let disk = self.directory.operate()?;
        let data = &disk.tree.file(self.node)?.data;
        let start = usize::try_from(offset).map_err(|_| ErrorKind::UnexpectedEof)?;
        let found = start.checked_add(buf.len()).and_then(|end| data.get(start..end));
        buf.copy_from_slice(found.ok_or(ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn size(&self) -> io::Result<u64> {
        let disk = self.directory.operate()?;
        Ok(disk.tree.file(self.node)?.data.len() as u64)
    }
}

/// Files to be synced some time.
struct Beside {
    directory: CrashingDirectory,
    files: Vec<Box<dyn FileWrite>>,
}

impl Syncing for Beside {
    fn is_finished(&self) -> bool {
        self.directory.disk().random.percent(20)
    }

    fn join(self: Box<Self>) -> io::Result<Vec<Duration>> {
        self.files.into_iter().map(|mut it| it.sync().map(|()| Duration::ZERO)).collect()
    }
}

struct Lock {
    directory: CrashingDirectory,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut disk = self.directory.disk();
        if disk.process == self.directory.process {
            disk.locked.remove(&self.path);
        }
    }
}
