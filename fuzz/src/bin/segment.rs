//! Any bytes as a segment of a log: it is read up to the damage; after repair it is read to its end.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use stdx::Directory;
use testkit::CrashingDirectory;
use wal::{Position, ReadError, Reader};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let directory: Arc<dyn Directory> = Arc::new(CrashingDirectory::new(0));
    let folder = Path::new("wal");
    directory.create_dir_all(folder).expect("an empty disk");
    let mut file = directory.create(&wal::segment::path(folder, 0)).expect("an empty disk");
    file.write_all(input).expect("a disk without end");
    drop(file);
    if let Some(damage) = read(&directory, folder) {
        wal::repair(directory.as_ref(), folder, damage).expect("repairs");
        assert_eq!(read(&directory, folder), None, "nothing is wrong after a repair");
    }
});

fn read(directory: &Arc<dyn Directory>, folder: &Path) -> Option<Position> {
    let mut reader = Reader::new(Arc::clone(directory), folder, 0..=0);
    loop {
        match reader.next() {
            Ok(Some(record)) => {
                let at = Position { segment: record.segment, offset: record.offset };
                if wal::record::check(record.bytes).is_err() {
                    return Some(at);
                }
            }
            Ok(None) => return None,
            Err(ReadError::Corrupt { segment, offset, .. }) => {
                return Some(Position { segment, offset });
            }
            Err(ReadError::Io { source, .. }) => panic!("{source}"),
        }
    }
}
