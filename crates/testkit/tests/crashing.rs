//! The crashing directory crashes as it says.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use stdx::Directory;
use testkit::CrashingDirectory;

const SEEDS: std::ops::Range<u64> = 0..300;

fn write(dir: &CrashingDirectory, path: &str, bytes: &[u8]) -> std::io::Result<()> {
    dir.append(Path::new(path))?.write_all(bytes)
}

fn sync(dir: &CrashingDirectory, path: &str) {
    dir.append(Path::new(path)).unwrap().sync().unwrap();
}

fn sync_root(dir: &CrashingDirectory) {
    dir.sync_dir(Path::new("")).unwrap();
}

/// What the file holds; `-` without a file.
fn text(dir: &CrashingDirectory, path: &str) -> String {
    dir.read(Path::new(path))
        .map_or("-".to_owned(), |it| String::from_utf8_lossy(&it).replace('\0', "0"))
}

/// All that a power cut can leave of `path` after `prepare`.
fn after_power_cuts(path: &str, prepare: impl Fn(&CrashingDirectory)) -> BTreeSet<String> {
    let each = |seed| {
        let dir = CrashingDirectory::new(seed);
        prepare(&dir);
        text(&dir.cut_power(), path)
    };
    SEEDS.map(each).collect()
}

fn set(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn a_synced_file_with_a_synced_name_stays() {
    let found = after_power_cuts("a", |dir| {
        write(dir, "a", b"abc").unwrap();
        sync(dir, "a");
        sync_root(dir);
        assert!(dir.is_durable(Path::new("a")));
    });
    assert_eq!(found, set(&["abc"]));
}

#[test]
fn a_name_that_was_not_synced_may_go() {
    let found = after_power_cuts("a", |dir| {
        write(dir, "a", b"abc").unwrap();
        sync(dir, "a");
        assert!(!dir.is_durable(Path::new("a")));
    });
    assert_eq!(found, set(&["-", "abc"]));
}

#[test]
fn bytes_that_were_not_synced_are_lost_torn_or_kept() {
    let found = after_power_cuts("a", |dir| {
        write(dir, "a", b"ab").unwrap();
        sync(dir, "a");
        sync_root(dir);
        write(dir, "a", b"cd").unwrap();
        assert!(!dir.is_durable(Path::new("a")));
    });
    assert_eq!(found, set(&["ab", "abc", "abcd", "abc0", "ab00"]));
}

#[test]
fn sectors_are_written_in_any_order() {
    let two = [vec![b'x'; 512], vec![b'y'; 512]].concat();
    let zeros = String::from_utf8(vec![b'0'; 512]).unwrap();
    let found = after_power_cuts("a", |dir| {
        write(dir, "a", &two).unwrap();
        sync_root(dir);
    });
    assert!(found.contains(&format!("{zeros}{}", "y".repeat(512))), "the second without the first");
    assert!(found.contains(&format!("{}{zeros}", "x".repeat(512))));
}

#[test]
fn a_file_that_was_cut_may_have_its_end_again() {
    let found = after_power_cuts("a", |dir| {
        write(dir, "a", b"abcd").unwrap();
        sync(dir, "a");
        sync_root(dir);
        let mut file = dir.append(Path::new("a")).unwrap();
        file.set_len(2).unwrap();
        file.write_all(b"x").unwrap();
    });
    assert_eq!(found, set(&["abcd", "abx", "ab", "ab0", "abc"]));
}

#[test]
fn a_rename_replaces_whole() {
    let replace = |dir: &CrashingDirectory| {
        write(dir, "a", b"old").unwrap();
        sync(dir, "a");
        sync_root(dir);
        write(dir, "a.tmp", b"new").unwrap();
        sync(dir, "a.tmp");
        dir.rename(Path::new("a.tmp"), Path::new("a")).unwrap();
    };
    assert_eq!(after_power_cuts("a", replace), set(&["old", "new"]));
    assert_eq!(after_power_cuts("a.tmp", replace), set(&["-", "new"]));
    let found = after_power_cuts("a", |dir| {
        replace(dir);
        sync_root(dir);
    });
    assert_eq!(found, set(&["new"]));
}

#[test]
fn names_become_durable_in_any_order() {
    let mut found = BTreeSet::new();
    for seed in SEEDS {
        let dir = CrashingDirectory::new(seed);
        write(&dir, "a", b"").unwrap();
        write(&dir, "b", b"").unwrap();
        let after = dir.cut_power();
        let names: String =
            after.list(Path::new("")).unwrap().into_iter().map(|it| it.name).collect();
        found.insert(names);
    }
    assert_eq!(found, set(&["", "a", "b", "ab"]));
}

#[test]
fn a_kill_takes_nothing_that_was_written() {
    let dir = CrashingDirectory::new(1);
    let _lock = dir.lock(Path::new("lock")).unwrap();
    let mut file = dir.create(Path::new("a")).unwrap();
    file.write_all(b"abc").unwrap();
    let next = dir.kill();
    assert_eq!(text(&next, "a"), "abc");
    assert!(dir.is_dead() && file.write_all(b"d").is_err() && file.sync().is_err());
    assert!(dir.read(Path::new("a")).is_err() && dir.exists(Path::new("a")).is_err());
    let again = next.lock(Path::new("lock")).unwrap();
    assert_eq!(next.lock(Path::new("lock")).err().unwrap().kind(), ErrorKind::WouldBlock);
    drop(again);
    assert!(next.lock(Path::new("lock")).is_ok());
}

#[test]
fn a_process_dies_within_a_write() {
    let mut found = BTreeSet::new();
    for seed in SEEDS {
        let dir = CrashingDirectory::new(seed);
        dir.die_after(1);
        assert!(write(&dir, "a", b"abc").is_err());
        assert!(dir.is_dead());
        found.insert(text(&dir.kill(), "a"));
    }
    assert_eq!(found, set(&["", "a", "ab", "abc"]));
}

#[test]
fn a_full_disk_takes_what_fits() {
    let dir = CrashingDirectory::new(1);
    write(&dir, "a", b"abc").unwrap();
    dir.set_capacity(5);
    let error = write(&dir, "a", b"def").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!((text(&dir, "a").as_str(), dir.used()), ("abcde", 5));
    assert!(dir.create(Path::new("b")).is_err());
    dir.append(Path::new("a")).unwrap().set_len(1).unwrap();
    write(&dir, "b", b"bcde").unwrap();
    dir.hard_link(Path::new("b"), Path::new("c")).unwrap();
    dir.remove_file(Path::new("b")).unwrap();
    assert_eq!((text(&dir, "c").as_str(), dir.used()), ("bcde", 5));
    dir.remove_file(Path::new("c")).unwrap();
    assert_eq!(dir.used(), 1);
}

#[test]
fn a_failed_sync_is_never_made_good() {
    for seed in SEEDS {
        let dir = CrashingDirectory::new(seed);
        let mut file = dir.create(Path::new("a")).unwrap();
        file.write_all(b"abc").unwrap();
        dir.fail_after(0);
        assert!(file.sync().is_err());
        file.sync().unwrap();
        assert!(!dir.is_durable(Path::new("a")));
    }
}

#[test]
fn folders_are_as_those_of_a_system() {
    let dir = CrashingDirectory::new(1);
    dir.create_dir_all(Path::new("x/y")).unwrap();
    dir.create_dir_all(Path::new("x/y")).unwrap();
    write(&dir, "x/y/a", b"abc").unwrap();
    assert!(dir.create_dir_all(Path::new("x/y/a")).is_err());
    assert_eq!(write(&dir, "z/a", b"").unwrap_err().kind(), ErrorKind::NotFound);
    dir.rename(Path::new("x/y"), Path::new("z")).unwrap();
    assert_eq!(text(&dir, "z/a"), "abc");
    let names = |path| -> Vec<(String, bool, u64)> {
        let all = dir.list(Path::new(path)).unwrap();
        all.into_iter().map(|it| (it.name, it.is_dir, it.size)).collect()
    };
    assert_eq!(names(""), [("x".to_owned(), true, 0), ("z".to_owned(), true, 0)]);
    assert_eq!(names("z"), [("a".to_owned(), false, 3)]);
    let refused = dir.rename(Path::new("x"), Path::new("z")).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::DirectoryNotEmpty);
    dir.remove_dir_all(Path::new("z")).unwrap();
    assert!(!dir.exists(Path::new("z")).expect("looks"));
    assert!(dir.exists(Path::new("x")).expect("looks"));
    assert_eq!(dir.used(), 0);
}

#[test]
fn flips_bits_and_forks() {
    let dir = CrashingDirectory::new(1);
    write(&dir, "a", b"abc").unwrap();
    let fork = dir.fork(2);
    dir.flip_bit(Path::new("a"), 9);
    assert_eq!((text(&dir, "a").as_str(), text(&fork, "a").as_str()), ("a`c", "abc"));
    write(&fork, "a", b"d").unwrap();
    assert_eq!((dir.used(), fork.used()), (3, 4));
    assert_eq!(dir.files(), [(Path::new("a").to_owned(), 3)]);
}

#[test]
#[should_panic(expected = "SIGBUS")]
fn a_mapped_file_must_not_be_cut() {
    let dir = CrashingDirectory::new(1);
    write(&dir, "a", b"abc").unwrap();
    let map = dir.map(Path::new("a")).unwrap();
    write(&dir, "a", b"d").unwrap();
    assert_eq!(map[..], *b"abc");
    drop(dir.map(Path::new("a")).unwrap());
    dir.append(Path::new("a")).unwrap().set_len(3).unwrap();
    let _ = dir.append(Path::new("a")).unwrap().set_len(2);
}
