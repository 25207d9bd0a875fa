//! Setting damaged blocks aside, so that one of them does not keep the database from starting.
//!
//! `<ULID>` becomes `<ULID>.quarantined`, which neither we nor upstream take for a block, with a note in it
//! that says why. That is done at the start only: later, a block that cannot be read may be one that is
//! still being copied here. An operator who repaired it gives it its name back.

use std::io::Write;
use std::path::{Path, PathBuf};

use block::{Error, Ulid};
use stdx::Directory;

const SUFFIX: &str = ".quarantined";
const NOTE_FILE: &str = "quarantine.txt";

/// Something damaged that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantined {
    /// Its name in the data directory.
    pub name: String,
    /// What was wrong with it; `""` if nobody noted it.
    pub reason: String,
}

/// Sets a block aside; returns its new name.
///
/// # Errors
/// If the disk refuses to rename it. A note that cannot be written is left out.
pub(crate) fn set_aside(dir: &dyn Directory, ulid: Ulid, reason: &str) -> Result<String, Error> {
    let path = PathBuf::from(ulid.to_string());
    // The same block may have been set aside before, and put back.
    let name =
        |n: u32| if n == 0 { format!("{ulid}{SUFFIX}") } else { format!("{ulid}.{n}{SUFFIX}") };
    let mut names = (0..).map(name);
    let name = loop {
        let name = names.next().expect("there is no end of them");
        if !dir.exists(Path::new(&name)).map_err(Error::io(&path))? {
            break name;
        }
    };
    dir.rename(&path, Path::new(&name)).map_err(Error::io(&path))?;
    let note = Path::new(&name).join(NOTE_FILE);
    let written = dir.create(&note).and_then(|mut it| {
        it.write_all(reason.as_bytes())?;
        it.flush()?;
        it.sync()
    });
    if let Err(error) = written {
        tracing::warn!(%error, note = %note.display(), "the reason could not be noted");
    }
    let root = Path::new("");
    dir.sync_dir(root).map_err(Error::io(root))?;
    Ok(name)
}

/// Lists what is set aside: blocks, and damage that was cut out of the logs in `logs`.
pub(crate) fn list(dir: &dyn Directory, logs: &[&str]) -> Vec<Quarantined> {
    let names = |folder: &str| dir.list(Path::new(folder)).unwrap_or_default();
    let blocks = names("").into_iter().filter(|it| it.is_dir && it.name.ends_with(SUFFIX));
    let block = |it: stdx::Entry| {
        let note = dir.read(&Path::new(&it.name).join(NOTE_FILE)).unwrap_or_default();
        Quarantined { name: it.name, reason: String::from_utf8_lossy(&note).into_owned() }
    };
    let mut all: Vec<Quarantined> = blocks.map(block).collect();
    for log in logs {
        let damage = names(log).into_iter().filter(|it| it.name.ends_with(".corrupt"));
        all.extend(damage.map(|it| Quarantined {
            name: format!("{log}/{}", it.name),
            reason: format!("{} damaged bytes cut out of the log", it.size),
        }));
    }
    all
}
