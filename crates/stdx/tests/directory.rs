//! A folder of the machine, and files mapped from it.

use std::io::ErrorKind;
use std::path::Path;

use stdx::{Directory, Mapped, SystemDirectory};

#[test]
fn maps_what_was_written() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = SystemDirectory::new(folder.path());
    let path = Path::new("a");
    let mut file = dir.create(path).expect("creates");
    assert_eq!(dir.map(path).expect("maps")[..], *b"");
    file.write_all(b"abc").expect("writes");
    let map = dir.map(path).expect("maps");
    file.write_all(b"def").expect("writes");
    let longer = dir.map(path).expect("maps");
    // A map outlives its file's handles, its length and its name.
    drop(file);
    dir.remove_file(path).expect("removes");
    assert_eq!((&map[..], &longer[..]), (&b"abc"[..], &b"abcdef"[..]));
    let moved = std::thread::spawn(move || map.iter().map(|it| u32::from(*it)).sum::<u32>());
    assert_eq!(moved.join().expect("no panic"), 294);
    assert_eq!(Mapped::held(vec![1, 2])[..], [1, 2]);
    assert_eq!(Mapped::shared(std::sync::Arc::new(vec![3]))[..], [3]);
}

#[test]
fn appends_cuts_and_lists() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = SystemDirectory::new(folder.path());
    dir.create_dir_all(Path::new("x/y")).expect("creates");
    let path = Path::new("x/a");
    for part in [b"ab", b"cd"] {
        let mut file = dir.append(path).expect("opens");
        file.write_all(part).expect("writes");
        file.sync().expect("syncs");
    }
    let mut file = dir.append(path).expect("opens");
    file.set_len(3).expect("cuts");
    file.write_all(b"e").expect("writes");
    assert_eq!(dir.read(path).expect("reads"), b"abce");
    let mut two = [0; 2];
    let open = dir.open(path).expect("opens");
    open.read_exact_at(&mut two, 1).expect("reads");
    assert_eq!((&two, open.size().expect("is there")), (b"bc", 4));
    let error = open.read_exact_at(&mut two, 3).expect_err("too short");
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    let names = dir.list(Path::new("x")).expect("lists");
    let names: Vec<_> = names.iter().map(|it| (&it.name[..], it.is_dir, it.size)).collect();
    assert_eq!(names, [("a", false, 4), ("y", true, 0)]);
    let syncing = dir.sync_beside(vec![file]).expect("starts");
    assert_eq!(syncing.join().expect("syncs").len(), 1);
}

#[test]
fn locks_once() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = SystemDirectory::new(folder.path());
    let lock = dir.lock(Path::new("lock")).expect("takes it");
    let error = dir.lock(Path::new("lock")).err().expect("is taken");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    drop(lock);
    assert!(dir.lock(Path::new("lock")).is_ok());
}
