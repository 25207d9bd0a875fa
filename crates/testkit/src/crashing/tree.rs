//! Folders and files, as processes see them and as the medium has them.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Component, Path};
use std::sync::{Arc, Weak};

/// The number of a node: its place in [`Tree`].
pub(super) type Node = usize;

pub(super) const ROOT: Node = 0;

/// All there is. Nodes keep their numbers; those without a name are empty.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) nodes: Vec<Kind>,
    /// The number of the newest change of a name.
    pub(super) newest_change: u64,
    /// All changes of names up to this one are durable where names become durable in order.
    pub(super) synced_change: u64,
    /// Bytes of all files that have a name.
    pub(super) used: u64,
}

pub(super) enum Kind {
    Folder(Folder),
    File(File),
}

#[derive(Clone, Default)]
pub(super) struct Folder {
    pub(super) names: BTreeMap<String, Node>,
    /// What the medium has.
    pub(super) durable: BTreeMap<String, Node>,
    /// What happened since, in order, with its number.
    pub(super) changes: Vec<(u64, Change)>,
}

/// What happened to the names of a folder. A power cut keeps or loses each one whole.
#[derive(Clone, Debug)]
pub(super) enum Change {
    Link(String, Node),
    Unlink(String),
    Rename(String, String, Node),
}

impl Change {
    pub(super) fn apply(&self, names: &mut BTreeMap<String, Node>) {
        match self {
            Self::Link(name, node) => drop(names.insert(name.clone(), *node)),
            Self::Unlink(name) => drop(names.remove(name)),
            Self::Rename(from, to, node) => {
                if names.get(from) == Some(node) {
                    names.remove(from);
                }
                names.insert(to.clone(), *node);
            }
        }
    }
}

#[derive(Default)]
pub(super) struct File {
    /// As processes see it.
    pub(super) data: Arc<Vec<u8>>,
    /// What the medium has for sure.
    pub(super) durable: Vec<u8>,
    /// Where the two may begin to differ.
    pub(super) dirty_from: Option<usize>,
    /// A sync failed: what was written before is not durable, whatever later syncs say.
    pub(super) is_lost: bool,
    /// How many names it has.
    pub(super) n_names: usize,
    /// Who has it mapped.
    pub(super) maps: Vec<Weak<Vec<u8>>>,
}

impl File {
    pub(super) fn write(&mut self, bytes: &[u8]) {
        self.touch(self.data.len());
        Arc::make_mut(&mut self.data).extend_from_slice(bytes);
    }

    pub(super) fn set_len(&mut self, len: usize) {
        let own = Arc::downgrade(&self.data);
        let is_mapped = |it: &Weak<Vec<u8>>| {
            // The file itself holds what was mapped last, unless it was written since.
            let others = it.strong_count() - usize::from(it.ptr_eq(&own));
            0 < others && it.upgrade().is_some_and(|map| len < map.len())
        };
        assert!(!self.maps.iter().any(is_mapped), "a file is cut while mapped: that is SIGBUS");
        self.touch(len.min(self.data.len()));
        Arc::make_mut(&mut self.data).resize(len, 0);
    }

    pub(super) fn map(&mut self) -> Arc<Vec<u8>> {
        self.maps.retain(|it| 0 < it.strong_count());
        self.maps.push(Arc::downgrade(&self.data));
        Arc::clone(&self.data)
    }

    pub(super) fn sync(&mut self) {
        if self.is_lost {
            return;
        }
        if let Some(from) = self.dirty_from.take() {
            self.durable.truncate(from);
            self.durable.extend_from_slice(&self.data[from..]);
        }
    }

    fn touch(&mut self, from: usize) {
        self.dirty_from = Some(self.dirty_from.map_or(from, |it| it.min(from)));
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: vec![Kind::Folder(Folder::default())], ..Self::default() }
    }

    /// The same once more, with no byte shared.
    pub(super) fn copy(&self) -> Self {
        let copy = |kind: &Kind| match kind {
            Kind::Folder(it) => Kind::Folder(it.clone()),
            Kind::File(it) => Kind::File(File {
                data: Arc::new(it.data.to_vec()),
                durable: it.durable.clone(),
                maps: Vec::new(),
                ..*it
            }),
        };
        Self { nodes: self.nodes.iter().map(copy).collect(), ..*self }
    }

    pub(super) fn find(&self, path: &Path) -> io::Result<Node> {
        let mut node = ROOT;
        for name in names_of(path)? {
            node = *self.folder(node)?.names.get(name).ok_or_else(|| not_found(path))?;
        }
        Ok(node)
    }

    /// The folder that holds `path`'s last name, and that name.
    pub(super) fn parent<'p>(&self, path: &'p Path) -> io::Result<(Node, &'p str)> {
        let mut names = names_of(path)?;
        let last = names.pop().ok_or(ErrorKind::InvalidInput)?;
        let parent = self.find(path.parent().unwrap_or(Path::new("")))?;
        self.folder(parent)?;
        Ok((parent, last))
    }

    pub(super) fn folder(&self, node: Node) -> io::Result<&Folder> {
        match &self.nodes[node] {
            Kind::Folder(it) => Ok(it),
            Kind::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn folder_mut(&mut self, node: Node) -> io::Result<&mut Folder> {
        match &mut self.nodes[node] {
            Kind::Folder(it) => Ok(it),
            Kind::File(_) => Err(ErrorKind::NotADirectory.into()),
        }
    }

    pub(super) fn file(&self, node: Node) -> io::Result<&File> {
        match &self.nodes[node] {
            Kind::File(it) => Ok(it),
            Kind::Folder(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn file_mut(&mut self, node: Node) -> io::Result<&mut File> {
        match &mut self.nodes[node] {
            Kind::File(it) => Ok(it),
            Kind::Folder(_) => Err(ErrorKind::IsADirectory.into()),
        }
    }

    /// Makes a node and names it.
    pub(super) fn add(&mut self, parent: Node, name: &str, kind: Kind) -> io::Result<Node> {
        let node = self.nodes.len();
        self.nodes.push(kind);
        self.link(parent, name, node)?;
        Ok(node)
    }

    pub(super) fn link(&mut self, parent: Node, name: &str, node: Node) -> io::Result<()> {
        self.count_name(node, true);
        self.change(parent, Change::Link(name.to_owned(), node))
    }

    /// Takes a name away. A folder must be empty.
    pub(super) fn unlink(&mut self, parent: Node, name: &str) -> io::Result<()> {
        let node = *self.folder(parent)?.names.get(name).ok_or(ErrorKind::NotFound)?;
        self.refuse_full(node)?;
        self.count_name(node, false);
        self.change(parent, Change::Unlink(name.to_owned()))
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let ((old, old_name), (new, new_name)) = (self.parent(from)?, self.parent(to)?);
        if let Some(replaced) = self.folder(new)?.names.get(new_name).copied() {
            if replaced == node {
                return Ok(());
            }
            self.refuse_full(replaced)?;
            self.count_name(replaced, false);
        }
        if old == new {
            let change = Change::Rename(old_name.to_owned(), new_name.to_owned(), node);
            return self.change(old, change);
        }
        self.change(new, Change::Link(new_name.to_owned(), node))?;
        self.change(old, Change::Unlink(old_name.to_owned()))
    }

    /// Makes the names in a folder durable.
    pub(super) fn sync_folder(&mut self, node: Node) -> io::Result<()> {
        let folder = self.folder_mut(node)?;
        let synced = folder.changes.last().map_or(0, |(number, _)| *number);
        folder.durable.clone_from(&folder.names);
        folder.changes.clear();
        self.synced_change = self.synced_change.max(synced);
        Ok(())
    }

    fn refuse_full(&self, node: Node) -> io::Result<()> {
        match &self.nodes[node] {
            Kind::Folder(it) if !it.names.is_empty() => Err(ErrorKind::DirectoryNotEmpty.into()),
            _ => Ok(()),
        }
    }

    fn change(&mut self, folder: Node, change: Change) -> io::Result<()> {
        self.newest_change += 1;
        let number = self.newest_change;
        let folder = self.folder_mut(folder)?;
        change.apply(&mut folder.names);
        folder.changes.push((number, change));
        Ok(())
    }

    fn count_name(&mut self, node: Node, added: bool) {
        let Kind::File(file) = &mut self.nodes[node] else { return };
        let bytes = file.data.len() as u64;
        if added {
            file.n_names += 1;
            self.used += if file.n_names == 1 { bytes } else { 0 };
        } else {
            file.n_names -= 1;
            self.used -= if file.n_names == 0 { bytes } else { 0 };
        }
    }
}

/// The names in a path, outermost first.
pub(super) fn names_of(path: &Path) -> io::Result<Vec<&str>> {
    let name = |it| match it {
        Component::Normal(name) => name.to_str().ok_or(ErrorKind::InvalidFilename.into()),
        _ => Err(io::Error::from(ErrorKind::InvalidInput)),
    };
    path.components().filter(|it| *it != Component::CurDir).map(name).collect()
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(ErrorKind::NotFound, format!("{}: no such file or directory", path.display()))
}
