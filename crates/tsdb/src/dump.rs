//! All samples as text: what `promtool tsdb dump` prints.

use std::io::{self, Write};

use model::{Labels, Matcher};
use stdx::gofloat;
use storage::{Querier, ReadError, Samples, SelectHints, SeriesSet};

/// Why a dump ended early.
#[derive(Debug)]
pub enum DumpError {
    /// The data cannot be read.
    Read(ReadError),
    /// The output cannot be written.
    Write(io::Error),
}

impl std::fmt::Display for DumpError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(it) => it.fmt(f),
            Self::Write(it) => it.fmt(f),
        }
    }
}

impl std::error::Error for DumpError {}

/// Writes a line `{labels} value timestamp` for each float in `mint..=maxt`, series by series in label
/// order. `selectors`: a series is written if it fulfils all matchers of one of them.
///
/// # Errors
/// If the data cannot be read or the output not written. What came before is written.
pub fn dump(
    querier: &dyn Querier,
    mint: i64,
    maxt: i64,
    selectors: &[Vec<Matcher>],
    out: &mut dyn Write,
) -> Result<(), DumpError> {
    let hints = SelectHints { mint, maxt, sorted: true, ..SelectHints::default() };
    let sets: Result<Vec<_>, _> = selectors.iter().map(|it| querier.select(&hints, it)).collect();
    let sets = sets.map_err(DumpError::Read)?;
    let (mut samples, mut text) = (Samples::default(), String::new());
    for (labels, set, at) in in_label_order(&sets) {
        samples.clear();
        let read = sets[set].read(at, mint, maxt, &mut samples);
        let labels = labels.to_string();
        for (t, v) in samples.t.iter().zip(&samples.v) {
            text.clear();
            text.push_str(&labels);
            text.push(' ');
            gofloat::write_g(&mut text, *v);
            text.push_str(&format!(" {t}\n"));
            out.write_all(text.as_bytes()).map_err(DumpError::Write)?;
        }
        read.map_err(DumpError::Read)?;
    }
    Ok(())
}

/// Returns labels, set and position of each series, sorted; one that is in several sets once.
fn in_label_order(sets: &[Box<dyn SeriesSet>]) -> Vec<(Labels, usize, usize)> {
    let mut all = Vec::new();
    for (set, series) in sets.iter().enumerate() {
        all.extend((0..series.len()).map(|at| (series.labels(at), set, at)));
    }
    if 1 < sets.len() {
        all.sort();
        all.dedup_by(|a, b| a.0 == b.0);
    }
    all
}
