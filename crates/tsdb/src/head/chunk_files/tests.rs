//! Writing, reading back, and damage.

use stdx::SystemDirectory;

use super::*;

const T: i64 = 1_700_000_000_000;

fn xor() -> Vec<u8> {
    let mut open = chunk::OpenChunk::start(T, 1.0);
    open.append(T + 15_000, 2.0);
    open.append(T + 30_000, 2.5);
    open.data().to_vec()
}

fn load(directory: &Arc<dyn Directory>) -> (ChunkFiles, Vec<Entry>, Option<Repaired>) {
    let mut entries = Vec::new();
    let (files, repaired) =
        ChunkFiles::open(Arc::clone(directory), false, None, |it| entries.push(it)).expect("opens");
    (files, entries, repaired)
}

fn write(files: &ChunkFiles, series: u64, data: &[u8]) -> ChunkAt {
    let chunk = ChunkData { encoding: Encoding::Xor, data };
    files.write(series, (T, T + 30_000), chunk).expect("writes")
}

#[test]
fn known_bytes_torn_anywhere() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(dir.path()));
    let (files, entries, _) = load(&directory);
    assert!(entries.is_empty());
    let data = xor();
    let at = write(&files, 1, &data);
    assert_eq!(at, ChunkAt { file: 1, offset: 8 });
    assert_eq!(files.read(at).expect("buffered").data().data, data);
    let second = write(&files, 2, &data);
    files.close().expect("closes");
    assert_eq!(files.read(at).expect("mapped").data().data, data);
    assert_eq!(files.mint(second), Ok(T));
    assert!(files.read(ChunkAt { file: 1, offset: 9 }).is_err());

    let path = dir.path().join("chunks_head/000001");
    let whole = std::fs::read(&path).expect("reads");
    let head: String = whole[..8 + 26].iter().map(|it| format!("{it:02x}")).collect();
    assert_eq!(head, "0130bc910100000000000000000000010000018bcfe568000000018bcfe5dd300117");
    assert_eq!(whole[8 + 26 + 23..][..4], [0x50, 0xfd, 0xa1, 0x10]);

    let second_at = second.offset as usize;
    for cut in second_at..=whole.len() {
        std::fs::write(&path, &whole[..cut]).expect("writes");
        let (files, entries, repaired) = load(&directory);
        assert_eq!(
            entries[0],
            Entry {
                series: 1,
                mint: T,
                maxt: T + 30_000,
                encoding: Some(Encoding::Xor),
                is_out_of_order: false,
                is_in_blocks: false,
                at
            }
        );
        // The entry starts with seven zeros, which look like an unused rest.
        assert_eq!(repaired.is_some(), second_at + 7 < cut && cut < whole.len(), "cut at {cut}");
        assert_eq!(entries.len(), 1 + usize::from(cut == whole.len()), "cut at {cut}");
        assert_eq!(write(&files, 3, &data).file, 2, "a new file is begun");
    }
    // What Prometheus leaves behind: zeros to the end of what it reserved.
    let mut padded = whole.clone();
    padded.resize(128 << 10, 0);
    std::fs::write(&path, &padded).expect("writes");
    let (_, entries, repaired) = load(&directory);
    assert_eq!((entries.len(), repaired), (2, None));
    // A header that was never written.
    std::fs::write(&path, [0; 100]).expect("writes");
    assert!(load(&directory).1.is_empty() && !path.exists());
}

#[test]
fn reads_while_a_file_grows() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(dir.path()));
    let (files, ..) = load(&directory);
    let places: Vec<(ChunkAt, Vec<u8>)> = (0..3000u16)
        .map(|i| {
            let data: Vec<u8> = i.to_be_bytes().repeat(50);
            let at = write(&files, 1 + u64::from(i), &data);
            assert_eq!(files.read(at).expect("reads").data().data, data);
            (at, data)
        })
        .collect();
    for (at, data) in places {
        assert_eq!(files.read(at).expect("reads").data().data, data);
    }
    files.close().expect("closes");
    files.remove_below(2).expect("removes");
    assert!(files.read(ChunkAt { file: 1, offset: 8 }).is_err());
}

#[test]
fn holds_back_what_there_is_no_room_for() {
    let disk = testkit::CrashingDirectory::new(0);
    disk.set_capacity(0);
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let (files, ..) = load(&directory);
    let data = xor().repeat(100);
    let places: Vec<ChunkAt> = (1..100).map(|series| write(&files, series, &data)).collect();
    let check = |files: &ChunkFiles| {
        places.iter().for_each(|at| assert_eq!(files.read(*at).expect("reads").data().data, data));
    };
    check(&files);
    disk.set_capacity(100_000);
    files.close().expect_err("is still too little");
    check(&files);
    disk.set_capacity(u64::MAX);
    files.close().expect("closes");
    check(&files);
    let (files, entries, repaired) = load(&directory);
    assert_eq!((entries.len(), repaired), (99, None));
    check(&files);
}

/// A later sync succeeds, and makes up for nothing.
#[test]
fn a_failed_sync_is_remembered() {
    let disk = testkit::CrashingDirectory::new(0);
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let (files, ..) = load(&directory);
    write(&files, 1, &xor());
    files.sync_all().expect("syncs");
    write(&files, 2, &xor());
    // After the write, and opening the file for it.
    disk.fail_after(2);
    files.sync_all().expect_err("is not synced");
    files.sync_all().expect_err("never is");
    let disk = disk.kill();
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let (files, entries, _) = load(&directory);
    assert!(entries.is_empty(), "another process gives it up");
    write(&files, 3, &xor());
    files.sync_all().expect("syncs");
    let directory: Arc<dyn Directory> = Arc::new(disk.kill());
    assert_eq!(load(&directory).1.len(), 1);
}

#[test]
fn a_failed_sync_is_noted_once_there_is_room() {
    let disk = testkit::CrashingDirectory::new(0);
    let directory: Arc<dyn Directory> = Arc::new(disk.clone());
    let (files, ..) = load(&directory);
    write(&files, 1, &xor());
    files.sync_all().expect("syncs");
    disk.set_capacity(disk.used());
    disk.fail_after(1);
    files.sync_all().expect_err("is not synced");
    disk.set_capacity(u64::MAX);
    files.sync_finished().expect("nothing is to be synced");
    drop(files);
    let directory: Arc<dyn Directory> = Arc::new(disk.kill());
    assert!(load(&directory).1.is_empty(), "another process knows of it");
}

#[test]
fn what_a_failed_write_left_is_not_read() {
    let data = xor().repeat(100);
    for fails_at in 0..4 {
        let disk = testkit::CrashingDirectory::new(0);
        let directory: Arc<dyn Directory> = Arc::new(disk.clone());
        let (files, ..) = load(&directory);
        let mut places: Vec<ChunkAt> = (1..40).map(|it| write(&files, it, &data)).collect();
        let check = |places: &[ChunkAt]| {
            for at in places {
                assert_eq!(files.read(*at).expect("reads").data().data, data, "{fails_at}");
            }
        };
        disk.set_capacity(disk.used() + 1000);
        // A write that is cut short, its rest, then cutting the file back.
        disk.fail_after(fails_at);
        files.sync_all().expect_err("there is no room");
        disk.be_kind();
        check(&places);
        disk.set_capacity(u64::MAX);
        places.extend((40..80).map(|it| write(&files, it, &data)));
        check(&places);
        files.close().expect("closes");
        check(&places);
        let (_, entries, repaired) = load(&directory);
        assert_eq!((entries.len(), repaired), (79, None));
    }
}

#[test]
fn who_only_reads_removes_nothing() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(dir.path()));
    let (files, ..) = load(&directory);
    write(&files, 1, &xor());
    files.close().expect("closes");
    std::fs::write(dir.path().join("chunks_head/unsynced"), "1").expect("writes");
    let reads = ChunkFiles::open(Arc::clone(&directory), true, None, |_| ()).expect("opens").0;
    reads.remove_below(2).expect("leaves all");
    assert!(dir.path().join("chunks_head/000001").exists());
}

/// Of a file that could not be synced a power cut may take the end, and leave the next one.
#[test]
fn gives_up_what_could_not_be_synced() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(dir.path()));
    for series in [1, 2] {
        let (files, ..) = load(&directory);
        write(&files, series, &xor());
        files.close().expect("closes");
    }
    assert_eq!(load(&directory).1.len(), 2);
    std::fs::write(dir.path().join("chunks_head/unsynced"), "1").expect("writes");
    assert!(load(&directory).1.is_empty());
    let left = std::fs::read_dir(dir.path().join("chunks_head")).expect("lists").count();
    assert_eq!(left, 0);
}

#[test]
fn a_note_of_late_chunks_is_of_one_chunk() {
    let dir = tempfile::tempdir().expect("a temporary folder");
    let directory: Arc<dyn Directory> = Arc::new(SystemDirectory::new(dir.path()));
    let late = |files: &ChunkFiles, data: &[u8]| {
        let chunk = ChunkData { encoding: Encoding::Xor, data };
        files.write_late(1, (T, T + 30_000), chunk).expect("writes")
    };
    let (files, ..) = load(&directory);
    let data = xor();
    let first = late(&files, &data);
    files.note_late_in_blocks(first).expect("notes");
    late(&files, &data);
    files.close().expect("closes");
    let in_blocks = |it: &Entry| it.is_in_blocks;
    assert_eq!(load(&directory).1.iter().map(in_blocks).collect::<Vec<_>>(), [true, false]);

    // Numbered anew, with another chunk in its place.
    std::fs::remove_file(dir.path().join("chunks_head/000001")).expect("removes");
    let (files, ..) = load(&directory);
    late(&files, &data[..data.len() - 1]);
    files.close().expect("closes");
    assert_eq!(load(&directory).1.iter().map(in_blocks).collect::<Vec<_>>(), [false]);
}
