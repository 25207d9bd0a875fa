//! What a block is made of: churn, cardinality, how full its chunks are. The text of `promtool tsdb
//! analyze`.
//!
//! One pass over the series; memory is a count for each label pair and name. Lists are sorted by count,
//! then by name.

use std::collections::HashMap;
use std::fmt::Write;

use block::index::SeriesEntry;
use block::{Block, Error};
use chunk::{ChunkData, Encoding};
use model::{METRIC_NAME, Matcher};

use crate::list::duration;

/// Describes a block.
///
/// - `matchers`: only the series that fulfil all; none means all series.
/// - `limit`: entries of each list.
/// - `extended`: reads all chunks too.
///
/// # Errors
/// If the block cannot be read.
pub fn analyze(
    block: &Block,
    matchers: &[Matcher],
    limit: usize,
    extended: bool,
) -> Result<String, Error> {
    let numbers = block.series_matching(matchers)?;
    let counts = Counts::of(block, &numbers)?;
    let mut out = header(block, matchers, numbers.len(), &counts);
    let range_ms = block.meta().maxt - block.meta().mint;
    // How many whole block ranges the series with a label together leave uncovered.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "as upstream rounds"
    )]
    let ranges = |ms: u64| (ms as f64 / range_ms as f64) as u64;
    let pairs = |count: fn(&Count) -> u64| -> Vec<(u64, String)> {
        counts
            .pairs
            .iter()
            .map(|((name, value), it)| (count(it), format!("{name}={value}")))
            .collect()
    };
    let names = |count: fn(&NameCount) -> u64| -> Vec<(u64, String)> {
        counts.names.iter().map(|(name, it)| (count(it), (*name).to_owned())).collect()
    };
    let scaled =
        |list: Vec<(u64, String)>| list.into_iter().map(|(ms, text)| (ranges(ms), text)).collect();
    let metrics = counts.pairs.iter().filter(|it| it.0.0 == METRIC_NAME);
    let metrics = metrics.map(|((_, value), it)| (it.n_series, (*value).to_owned())).collect();
    for (title, list) in [
        ("Label pairs most involved in churning", scaled(pairs(|it| it.uncovered_ms))),
        ("Label names most involved in churning", scaled(names(|it| it.uncovered_ms))),
        ("Most common label pairs", pairs(|it| it.n_series)),
        ("Label names with highest cumulative label value length", names(|it| it.value_bytes)),
        ("Highest cardinality labels", names(|it| it.n_values)),
        ("Highest cardinality metric names", metrics),
    ] {
        write_list(&mut out, title, list, limit);
    }
    if extended {
        out.push_str(&chunk_distributions(block, &numbers)?);
    }
    Ok(out)
}

/// Counts of labels over the series looked at.
#[derive(Default)]
struct Counts<'a> {
    pairs: HashMap<(&'a str, &'a str), Count>,
    names: HashMap<&'a str, NameCount>,
    /// Label pairs over all series.
    n_entries: u64,
}

#[derive(Default)]
struct Count {
    n_series: u64,
    /// Time of the block that series with the pair do not cover.
    uncovered_ms: u64,
}

#[derive(Default)]
struct NameCount {
    n_values: u64,
    value_bytes: u64,
    uncovered_ms: u64,
}

impl<'a> Counts<'a> {
    fn of(block: &'a Block, numbers: &[u32]) -> Result<Self, Error> {
        let (mut counts, mut entry) = (Self::default(), SeriesEntry::default());
        let range_ms = block.meta().maxt.abs_diff(block.meta().mint);
        for number in numbers {
            block.index().read_series(*number, &mut entry)?;
            let (Some(first), Some(last)) = (entry.chunks.first(), entry.chunks.last()) else {
                continue;
            };
            let uncovered_ms = range_ms.saturating_sub(last.maxt.abs_diff(first.mint));
            for (name, value) in &entry.labels {
                let (name, value) = (block.index().symbol(*name)?, block.index().symbol(*value)?);
                counts.add(name, value, uncovered_ms);
            }
        }
        Ok(counts)
    }

    fn add(&mut self, name: &'a str, value: &'a str, uncovered_ms: u64) {
        self.n_entries += 1;
        let pair = self.pairs.entry((name, value)).or_default();
        let of_name = self.names.entry(name).or_default();
        if pair.n_series == 0 {
            of_name.n_values += 1;
            of_name.value_bytes += value.len() as u64;
        }
        pair.n_series += 1;
        pair.uncovered_ms += uncovered_ms;
        of_name.uncovered_ms += uncovered_ms;
    }
}

fn header(block: &Block, matchers: &[Matcher], n_matched: usize, counts: &Counts<'_>) -> String {
    let meta = block.meta();
    let mut out = format!(
        "Block ID: {}\nDuration: {}\nTotal Series: {}\n",
        meta.ulid,
        duration(meta.maxt - meta.mint),
        meta.stats.n_series
    );
    if !matchers.is_empty() {
        let _ = writeln!(out, "Matched series: {n_matched}");
    }
    let _ = writeln!(out, "Label names: {}", counts.names.len());
    let _ = writeln!(out, "Postings (unique label pairs): {}", counts.pairs.len());
    let _ = writeln!(out, "Postings entries (total label pairs): {}", counts.n_entries);
    out
}

fn write_list(out: &mut String, title: &str, mut list: Vec<(u64, String)>, limit: usize) {
    let _ = writeln!(out, "\n{title}:");
    list.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    for (count, text) in list.into_iter().take(limit) {
        let _ = writeln!(out, "{count} {text}");
    }
}

/// Reads all chunks and draws how their sizes are distributed.
fn chunk_distributions(block: &Block, numbers: &[u32]) -> Result<String, Error> {
    let (mut floats, mut histograms) =
        ([Vec::new(), Vec::new()], [Vec::new(), Vec::new(), Vec::new()]);
    let mut entry = SeriesEntry::default();
    for number in numbers {
        block.index().read_series(*number, &mut entry)?;
        for it in &entry.chunks {
            let chunk = block.chunk(it.reference)?;
            let [samples, bytes] = if chunk.encoding.is_float() {
                &mut floats
            } else {
                histograms[2].extend(n_buckets(chunk));
                <&mut [Vec<usize>; 2]>::try_from(&mut histograms[..2]).expect("two")
            };
            samples.push(chunk.n_samples());
            bytes.push(chunk.data.len());
        }
    }
    let n_chunks = floats[0].len() + histograms[0].len();
    let mut out = "\nCompaction analysis:\n\n".to_owned();
    let titles = ["samples per float chunk", "bytes per float chunk"];
    let more =
        ["samples per histogram chunk", "bytes per histogram chunk", "buckets per histogram chunk"];
    for (title, sizes) in titles.into_iter().chain(more).zip(floats.into_iter().chain(histograms)) {
        out.push_str(&distribution(title, sizes, n_chunks));
    }
    Ok(out)
}

/// Counts the buckets of a histogram chunk over all its samples, if its encoding can be read.
fn n_buckets(chunk: ChunkData<'_>) -> Option<usize> {
    debug_assert_ne!(chunk.encoding, Encoding::Xor, "histograms only");
    let storage::Samples { st, t, v, histogram_st, histogram_t, histogram } =
        &mut storage::Samples::default();
    let mut columns = chunk::Columns { st, t, v, histogram_st, histogram_t, histogram };
    chunk::decode(chunk, i64::MIN, i64::MAX, &mut columns).ok()?;
    Some(
        columns
            .histogram
            .iter()
            .map(|it| it.positive_buckets.len() + it.negative_buckets.len())
            .sum(),
    )
}

/// Draws how `sizes` are distributed, as bars in percent of all chunks.
fn distribution(title: &str, sizes: Vec<usize>, n_chunks: usize) -> String {
    let (Some(min), Some(max)) = (sizes.iter().min().copied(), sizes.iter().max().copied()) else {
        return format!("{title}: N/A\n\n");
    };
    let (start, end, step) = bars(min, max);
    let mut counts = vec![0usize; (end - start) / step + 1];
    for size in &sizes {
        counts[(size - start) / step] += 1;
    }
    let mean = sizes.iter().sum::<usize>() / sizes.len();
    let mut out = format!("{title} (min/avg/max): {min}/{mean}/{max}\n");
    let width = |n: usize| n.to_string().len();
    let (left, right) = (width(end), width(end + step));
    let count_width = width(counts.iter().max().copied().unwrap_or(0));
    for (at, count) in counts.into_iter().enumerate() {
        let (from, to) = (at * step + start + 1, (at + 1) * step + start);
        let bar = "#".repeat(100 * count / n_chunks);
        let _ = writeln!(out, "[{from:left$}, {to:right$}]: {count:count_width$} {bar}");
    }
    out.push('\n');
    out
}

/// Returns start, end and width of some ten bars over `min..=max`: the width is a power of ten.
fn bars(min: usize, max: usize) -> (usize, usize, usize) {
    let wanted = (max - min) / 10;
    let mut step = 10;
    while step < wanted && step <= 10_000 {
        step *= 10;
    }
    (min - min % step, max - max % step + step, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_bars() {
        let text = "samples (min/avg/max): 30/97/120\n\
            [31,  40]: 1 #########################\n[41,  50]: 0 \n";
        let drawn = distribution("samples", vec![120, 30, 120, 120], 4);
        assert_eq!(drawn.lines().next(), text.lines().next());
        assert!(
            drawn.contains("[ 31,  40]: 1 #########################\n[ 41,  50]: 0 \n"),
            "{drawn}"
        );
        assert!(
            drawn.ends_with(&format!("[121, 130]: 3 {}\n[131, 140]: 0 \n\n", "#".repeat(75))),
            "{drawn}"
        );
        assert_eq!(distribution("samples", Vec::new(), 0), "samples: N/A\n\n");
        assert_eq!(bars(3, 2000), (0, 3000, 1000));
    }
}
