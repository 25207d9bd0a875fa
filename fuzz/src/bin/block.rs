//! Any bytes as a block's index, tombstones and meta.json.
#![no_main]

use std::path::Path;
use std::sync::LazyLock;

use stdx::SystemDirectory;

static FOLDER: LazyLock<tempfile::TempDir> =
    LazyLock::new(|| tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).expect("a folder for the files"));

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let folder = FOLDER.path();
    for name in ["index", "tombstones", "meta.json"] {
        std::fs::write(folder.join(name), input).expect("the files can be written");
    }
    let dir = SystemDirectory::new(folder);
    let _ = block::Meta::read(&dir, Path::new(""));
    let _ = block::Tombstones::read(&dir, Path::new(""));
    if let Ok(index) = block::Index::open(&dir, Path::new("")) {
        let mut entry = block::index::SeriesEntry::default();
        for number in index.all_postings().iter().flat_map(|it| it.iter()).take(1000) {
            if index.read_series(number, &mut entry).is_ok() {
                let _ = index.labels(&entry);
            }
        }
    }
});
