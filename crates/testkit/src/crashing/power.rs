//! What a power cut leaves on the medium.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::tree::{File, Folder, Kind, Node, ROOT, Tree};
use crate::Random;

/// A sector is written whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Takes from the tree what was not synced, by chance: all of it, none, or a part, each file for itself.
pub(super) fn cut(tree: &mut Tree, random: &mut Random) {
    let kept = KeptNames::choose(tree, random);
    for kind in &mut tree.nodes {
        match kind {
            Kind::Folder(folder) => kept.apply(folder, random),
            Kind::File(file) => {
                let data = survivor(file, random);
                let n_names = file.n_names;
                *file = File {
                    durable: data.clone(),
                    data: Arc::new(data),
                    n_names,
                    ..File::default()
                };
            }
        }
    }
    forget_unnamed(tree);
}

/// Which changes of names reach the medium.
enum KeptNames {
    /// Those up to this one, in all folders: a journal.
    UpTo(u64),
    /// Each one so likely, whatever becomes of those before it: all that POSIX promises.
    Percent(usize),
}

impl KeptNames {
    fn choose(tree: &Tree, random: &mut Random) -> Self {
        if random.percent(50) {
            let unsynced = tree.newest_change - tree.synced_change;
            let n = random.below(usize::try_from(unsynced).map_or(usize::MAX, |it| it + 1));
            return Self::UpTo(tree.synced_change + n as u64);
        }
        Self::Percent([0, 20, 50, 80, 100][random.below(5)])
    }

    fn apply(&self, folder: &mut Folder, random: &mut Random) {
        for (number, change) in std::mem::take(&mut folder.changes) {
            let is_kept = match self {
                Self::UpTo(last) => number <= *last,
                Self::Percent(percent) => random.percent(*percent),
            };
            if is_kept {
                change.apply(&mut folder.durable);
            }
        }
        folder.names.clone_from(&folder.durable);
    }
}

/// What the medium has of a file.
fn survivor(file: &File, random: &mut Random) -> Vec<u8> {
    let (data, durable) = (&file.data[..], &file.durable[..]);
    let Some(from) = file.dirty_from else { return data.to_vec() };
    let cut = from + random.below(data.len() - from + 1);
    match random.below(6) {
        // Nothing was written back.
        0 => durable.to_vec(),
        // All was.
        1 => data.to_vec(),
        // Up to some byte.
        2 | 3 => data[..cut].to_vec(),
        // The length was, the bytes only in part.
        4 => {
            let mut out = data[..cut].to_vec();
            out.resize(data.len(), 0);
            out
        }
        _ => sectors(file, from, random),
    }
}

/// Some sectors are as they were written last, others as they were before, or zeros if they were not.
fn sectors(file: &File, from: usize, random: &mut Random) -> Vec<u8> {
    let (data, durable) = (&file.data[..], &file.durable[..]);
    let mut out = data.to_vec();
    let percent = random.below(100);
    let mut at = from;
    while at < out.len() {
        let end = (at / SECTOR_BYTES + 1) * SECTOR_BYTES;
        let end = end.min(out.len());
        if random.percent(percent) {
            for (offset, byte) in out[at..end].iter_mut().enumerate() {
                *byte = durable.get(at + offset).copied().unwrap_or(0);
            }
        }
        at = end;
    }
    out
}

/// Gives back the room of files that have no name left.
fn forget_unnamed(tree: &mut Tree) {
    let mut n_names: BTreeMap<Node, usize> = BTreeMap::new();
    let mut open = vec![ROOT];
    while let Some(at) = open.pop() {
        let Kind::Folder(folder) = &tree.nodes[at] else { continue };
        for node in folder.names.values() {
            *n_names.entry(*node).or_default() += 1;
            open.push(*node);
        }
    }
    tree.used = 0;
    for (node, kind) in tree.nodes.iter_mut().enumerate() {
        match kind {
            Kind::File(file) => {
                file.n_names = n_names.get(&node).copied().unwrap_or(0);
                if file.n_names == 0 {
                    *file = File::default();
                }
                tree.used += file.data.len() as u64;
            }
            Kind::Folder(folder) if node != ROOT && !n_names.contains_key(&node) => {
                *folder = Folder::default();
            }
            Kind::Folder(_) => {}
        }
    }
}
