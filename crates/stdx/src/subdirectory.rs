//! A folder of a directory, as a directory.

use std::io;
use std::path::{Path, PathBuf};

use crate::{Directory, Entry, FileRead, FileWrite, Mapped, Space};

/// A folder of another directory. Paths are relative to it.
pub struct Subdirectory<'a> {
    all: &'a dyn Directory,
    folder: PathBuf,
    root: PathBuf,
}

impl<'a> Subdirectory<'a> {
    /// Names the folder; it need not exist yet.
    pub fn new(all: &'a dyn Directory, folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let root = all.root().join(&folder);
        Self { all, folder, root }
    }

    fn at(&self, path: &Path) -> PathBuf {
        self.folder.join(path)
    }
}

impl Directory for Subdirectory<'_> {
    fn root(&self) -> &Path {
        &self.root
    }

    fn list(&self, path: &Path) -> io::Result<Vec<Entry>> {
        self.all.list(&self.at(path))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.all.create_dir_all(&self.at(path))
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        self.all.create(&self.at(path))
    }

    fn append(&self, path: &Path) -> io::Result<Box<dyn FileWrite>> {
        self.all.append(&self.at(path))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn FileRead>> {
        self.all.open(&self.at(path))
    }

    fn map(&self, path: &Path) -> io::Result<Mapped> {
        self.all.map(&self.at(path))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.all.read(&self.at(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.all.rename(&self.at(from), &self.at(to))
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.all.hard_link(&self.at(from), &self.at(to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.all.remove_file(&self.at(path))
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.all.remove_dir_all(&self.at(path))
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.all.sync_dir(&self.at(path))
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        self.all.size(&self.at(path))
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.all.exists(&self.at(path))
    }

    fn space(&self) -> io::Result<Space> {
        self.all.space()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send>> {
        self.all.lock(&self.at(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SystemDirectory;

    #[test]
    fn keeps_to_its_folder() {
        let all = SystemDirectory::new(std::env::temp_dir());
        let name = format!("pyrrha-subdirectory-{}", std::process::id());
        let sub = Subdirectory::new(&all, &name);
        sub.create_dir_all(Path::new("a")).unwrap();
        sub.create(Path::new("a/b")).unwrap();
        sub.rename(Path::new("a/b"), Path::new("c")).unwrap();
        assert!(sub.exists(Path::new("c")).expect("looks"));
        assert!(all.exists(&Path::new(&name).join("c")).expect("looks"));
        assert_eq!(sub.root(), std::env::temp_dir().join(&name));
        let space = sub.space().unwrap();
        assert!(space.free <= space.total && 0 < space.total);
        all.remove_dir_all(Path::new(&name)).unwrap();
    }
}
