//! Histograms as maps: when chunks are cut, and how they are written, without the code under test.

use std::collections::BTreeMap;

use model::{CounterResetHint, Histogram, SCHEMA_CUSTOM, Span, is_stale_nan};

use crate::histogram::state::Kind;
use crate::{Encoding, naive};

/// A histogram as a map: side and index of each bucket ▸ count.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Plain {
    pub(super) hint: CounterResetHint,
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) zero_count: u64,
    /// Observations in no bucket.
    pub(super) extra: u64,
    pub(super) sum: f64,
    pub(super) buckets: BTreeMap<(usize, i64), u64>,
    pub(super) custom_values: Vec<f64>,
}

impl Plain {
    pub(super) fn count(&self) -> u64 {
        self.buckets.values().sum::<u64>() + self.zero_count + self.extra
    }

    fn side(&self, side: usize) -> (Vec<Span>, Vec<i64>) {
        let of_side = |it: &(&(usize, i64), &u64)| it.0.0 == side;
        let all: Vec<_> = self.buckets.iter().filter(of_side).collect();
        let mut before = 0;
        let delta = |it: &(&(usize, i64), &u64)| {
            let count = it.1.cast_signed();
            count - std::mem::replace(&mut before, count)
        };
        (Span::of(all.iter().map(|it| it.0.1)), all.iter().map(delta).collect())
    }

    pub(super) fn whole(&self) -> Histogram {
        let ((positive_spans, positive_deltas), (negative_spans, negative_deltas)) =
            (self.side(0), self.side(1));
        Histogram {
            hint: self.hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count: self.zero_count,
            count: self.count(),
            sum: self.sum,
            positive_spans,
            negative_spans,
            positive_deltas,
            negative_deltas,
            custom_values: self.custom_values.clone(),
        }
    }
}

/// What becomes of a histogram after another, over maps: the header of a new chunk, if one begins.
pub(super) fn verdict(
    is_whole: bool,
    header: CounterResetHint,
    last: &Plain,
    next: &Plain,
) -> Option<CounterResetHint> {
    use CounterResetHint::{Gauge, NotReset, Reset, Unknown};
    let is_stale = |it: &Plain| is_stale_nan(it.sum);
    let scale = |it: &Plain| (it.schema, it.zero_threshold.to_bits());
    let bounds_differ = last.custom_values != next.custom_values;
    if next.hint == Gauge {
        let goes_on = header == Gauge
            && (is_stale(next) || !is_stale(last) && scale(last) == scale(next) && !bounds_differ);
        return (!goes_on).then_some(Gauge);
    }
    if header == Gauge {
        return Some(if is_whole { NotReset } else { Unknown });
    }
    if next.hint == Reset {
        return Some(Reset);
    }
    if is_stale(next) {
        return None;
    }
    if is_stale(last) {
        return Some(Unknown);
    }
    if next.count() < last.count() {
        return Some(Reset);
    }
    if scale(last) != scale(next) {
        return Some(Unknown);
    }
    let fell = |(at, count): (&(usize, i64), &u64)| next.buckets.get(at).unwrap_or(&0) < count;
    let fell = bounds_differ || next.zero_count < last.zero_count || last.buckets.iter().any(fell);
    fell.then_some(Reset)
}

/// The data of a chunk as text of 0 and 1: all its samples have the buckets of all.
pub(super) fn bits(
    encoding: Encoding,
    header: CounterResetHint,
    samples: &[(i64, i64, Plain)],
) -> String {
    let is_whole = Kind::of(encoding) == Kind::Whole;
    let mut wide = samples[0].2.clone();
    for (.., it) in samples.iter().filter(|it| !is_stale_nan(it.2.sum)) {
        it.buckets.keys().for_each(|at| _ = wide.buckets.entry(*at).or_default());
    }
    if is_stale_nan(wide.sum) {
        wide = Plain { sum: wide.sum, ..Plain::default() };
    }
    let times: Vec<(i64, i64)> = samples.iter().map(|it| (it.0, it.1)).collect();
    let (starts_header, starts) = naive::starts(&times);
    let headers = [
        CounterResetHint::Unknown,
        CounterResetHint::NotReset,
        CounterResetHint::Reset,
        CounterResetHint::Gauge,
    ];
    let header_bits = format!("{:02b}", headers.iter().position(|it| *it == header).unwrap());
    let mut out = if encoding.has_starts() {
        format!("{header_bits}{:014b}{starts_header:08b}", samples.len())
    } else {
        format!("{:016b}{header_bits}000000", samples.len())
    };
    out.push_str(&layout(&wide));
    let numbers: Vec<_> = samples.iter().map(|it| numbers(is_whole, &it.2, &wide)).collect();
    const XOR: [&str; 3] = ["0", "10", "11"];
    let (mut sum_window, mut windows) = (None, vec![None; 2 + wide.buckets.len()]);
    let mut delta = 0;
    for (i, (_, t, it)) in samples.iter().enumerate() {
        if i == 0 {
            out.push_str(&naive::signed(*t));
        } else {
            let now = t - samples[i - 1].1;
            out.push_str(&naive::signed(now - std::mem::replace(&mut delta, now)));
        }
        let mut number = |at: usize| {
            let at_sample = |i: usize| numbers[i].as_ref().map_or(0, |it| it[at]);
            let stale = numbers[i].is_none();
            match (i, is_whole) {
                (0, true) if at < 2 => naive::unsigned(at_sample(0)),
                (0, true) => naive::signed(at_sample(0).cast_signed()),
                (0, false) => format!("{:064b}", at_sample(0)),
                (_, true) if stale => "0".to_owned(),
                (_, true) => {
                    let value = |i: usize| at_sample(i).cast_signed();
                    let before = if i == 1 { 0 } else { value(i - 1) - value(i - 2) };
                    naive::signed(value(i) - value(i - 1) - before)
                }
                (_, false) => naive::xor(at_sample(i) ^ at_sample(i - 1), &mut windows[at], XOR),
            }
        };
        let totals = number(0) + &number(1);
        let buckets: String = match numbers[i] {
            Some(_) => (2..2 + wide.buckets.len()).map(&mut number).collect(),
            None => String::new(),
        };
        let sum = match i {
            0 => format!("{:064b}", it.sum.to_bits()),
            _ => {
                naive::xor(it.sum.to_bits() ^ samples[i - 1].2.sum.to_bits(), &mut sum_window, XOR)
            }
        };
        out.push_str(&(totals + &sum + &buckets));
        if encoding.has_starts() {
            out.push_str(&starts[i]);
        }
    }
    naive::padded(out)
}

/// What all samples have in common.
fn layout(wide: &Plain) -> String {
    let mut out = match wide.zero_threshold {
        0.0 => "00000000".to_owned(),
        it if it.to_bits() == 0.25f64.to_bits() => format!("{:08b}", 242),
        it => format!("11111111{:064b}", it.to_bits()),
    };
    out.push_str(&naive::signed(wide.schema.into()));
    for side in 0..2 {
        let spans = wide.side(side).0;
        out.push_str(&naive::unsigned(spans.len() as u64));
        for it in spans {
            out.push_str(&naive::unsigned(it.length.into()));
            out.push_str(&naive::signed(it.offset.into()));
        }
    }
    if wide.schema == SCHEMA_CUSTOM {
        out.push_str(&naive::unsigned(wide.custom_values.len() as u64));
        // The bounds of the tests are whole.
        wide.custom_values
            .iter()
            .for_each(|it| out.push_str(&naive::unsigned(*it as u64 * 1000 + 1)));
    }
    out
}

/// Count, zero count and buckets of a sample with all buckets of `wide`; none if it is stale.
fn numbers(is_whole: bool, it: &Plain, wide: &Plain) -> Option<Vec<u64>> {
    let mut it = it.clone();
    wide.buckets.keys().for_each(|at| _ = it.buckets.entry(*at).or_default());
    let (positive, negative) = (it.side(0).1, it.side(1).1);
    let float = it.whole().to_float();
    let whole = [it.count(), it.zero_count].into_iter();
    let floats = [float.count, float.zero_count].into_iter();
    let floats = floats.chain(float.positive_buckets).chain(float.negative_buckets);
    (!is_stale_nan(it.sum)).then(|| match is_whole {
        true => whole.chain(positive.into_iter().chain(negative).map(i64::cast_unsigned)).collect(),
        false => floats.map(f64::to_bits).collect(),
    })
}

/// Splits a series where the naive classifier says, with the header of each chunk.
pub(super) fn chunks(
    is_whole: bool,
    series: &[(i64, i64, Plain)],
) -> Vec<(CounterResetHint, usize)> {
    use CounterResetHint::{Gauge, Reset, Unknown};
    let first = series[0].2.hint;
    let mut chunks = vec![(if matches!(first, Gauge | Reset) { first } else { Unknown }, 1)];
    for pair in series.windows(2) {
        let last = chunks.last_mut().unwrap();
        match verdict(is_whole, last.0, &pair[0].2, &pair[1].2) {
            None => last.1 += 1,
            Some(header) => chunks.push((header, 1)),
        }
    }
    chunks
}
