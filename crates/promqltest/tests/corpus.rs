//! Runs the scripts of the test data.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use promqltest::{Options, Report, run_file};

#[test]
fn passes_all_scripts() {
    let path = std::env::var_os("PYRRHA_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/corpus"),
        PathBuf::from,
    );
    let Ok(folder) = fs::read_dir(path.join("promqltest")) else { return };
    let mut paths: Vec<PathBuf> = folder.map(|it| it.expect("an entry").path()).collect();
    paths.sort();
    let options = Options { clock: Arc::new(stdx::SystemClock::default()) };
    let mut all = Report::default();
    for path in paths {
        let name = path.file_name().expect("a file").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("a script");
        run_file(&name, &text, &options, &mut all);
    }
    println!("{all}");
    let failures: Vec<String> = all.failures().iter().map(ToString::to_string).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
