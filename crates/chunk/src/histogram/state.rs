//! The samples of a histogram chunk, each relative to those before it: how they are read and written.

use model::{FloatHistogram, Histogram, is_stale_nan};
use stdx::bits::{BitReader, BitWriter};

use super::layout::Layout;
use crate::starts::Starts;
use crate::varbit::{put_signed, put_unsigned, take_signed, take_unsigned};
use crate::xor::Value;
use crate::{Encoding, HistogramRef};

/// A number written as the change of its differences.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Whole {
    pub(super) value: i64,
    delta: i64,
}

impl Whole {
    fn take_change(&mut self, bits: &mut BitReader<'_>) {
        self.delta = self.delta.wrapping_add(take_signed(bits));
        self.value = self.value.wrapping_add(self.delta);
    }

    fn put_change(&mut self, bits: &mut BitWriter<'_>, value: i64) {
        let delta = value.wrapping_sub(self.value);
        put_signed(bits, delta.wrapping_sub(self.delta));
        *self = Self { value, delta };
    }
}

/// How counts are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// As integers; a bucket as the difference to the one before it.
    Whole,
    /// As the bits of floats.
    Float,
}

impl Kind {
    pub(super) fn of(encoding: Encoding) -> Self {
        match encoding {
            Encoding::Histogram | Encoding::HistogramSt => Self::Whole,
            _ => Self::Float,
        }
    }

    /// The counts of buckets from how they are written, as integers or as the bits of floats.
    pub(super) fn counts(self, written: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
        let mut before = 0u64;
        written.map(move |it| {
            before = match self {
                Self::Whole => before.wrapping_add(it),
                Self::Float => it,
            };
            before
        })
    }

    /// How the count of a bucket is written after that of the bucket `before`.
    pub(super) fn written(self, count: u64, before: u64) -> u64 {
        match self {
            Self::Whole => count.wrapping_sub(before),
            Self::Float => count,
        }
    }

    /// True if the count of a bucket is less than `before`.
    pub(super) fn is_less(self, count: u64, before: u64) -> bool {
        match self {
            Self::Whole => count.cast_signed() < before.cast_signed(),
            Self::Float => f64::from_bits(count) < f64::from_bits(before),
        }
    }

    pub(super) fn is_zero(self, count: u64) -> bool {
        match self {
            Self::Whole => count == 0,
            Self::Float => f64::from_bits(count) == 0.0,
        }
    }
}

/// A sample as it is written.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flat {
    pub(super) st: i64,
    pub(super) t: i64,
    pub(super) sum: f64,
    /// Count, zero count, then positive and negative buckets: integers, or the bits of floats.
    pub(super) numbers: Vec<u64>,
}

impl Flat {
    pub(super) fn of(st: i64, t: i64, histogram: HistogramRef<'_>) -> Self {
        let (sum, numbers) = match histogram {
            HistogramRef::Integer(it) => {
                let buckets = it.positive_deltas.iter().chain(&it.negative_deltas);
                let counts = [it.count, it.zero_count].into_iter();
                (it.sum, counts.chain(buckets.map(|it| it.cast_unsigned())).collect())
            }
            HistogramRef::Float(it) => {
                let buckets = it.positive_buckets.iter().chain(&it.negative_buckets);
                let counts = [it.count, it.zero_count];
                (it.sum, counts.iter().chain(buckets).map(|it| it.to_bits()).collect())
            }
        };
        Self { st, t, sum, numbers }
    }

    pub(super) fn is_stale(&self) -> bool {
        is_stale_nan(self.sum)
    }
}

/// What the next sample is relative to: the last one.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub(super) t: Whole,
    sum: Value,
    counts: Counts,
    /// Present if the encoding has them.
    starts: Option<Starts>,
}

/// Count, zero count, then positive and negative buckets.
#[derive(Clone, Debug)]
enum Counts {
    Whole(Vec<Whole>),
    Float(Vec<Value>),
}

impl State {
    /// Before the first sample. `starts`: the byte about start times, if the encoding has one.
    pub(super) fn new(kind: Kind, layout: &Layout, starts: Option<u8>) -> Self {
        let n = 2 + layout.n_buckets(0) + layout.n_buckets(1);
        let counts = match kind {
            Kind::Whole => Counts::Whole(vec![Whole::default(); n]),
            Kind::Float => Counts::Float(vec![Value::default(); n]),
        };
        let starts = starts.map(Starts::new);
        Self { t: Whole::default(), sum: Value::default(), counts, starts }
    }

    /// Takes sample `at`, counted from 0.
    pub(super) fn take(&mut self, bits: &mut BitReader<'_>, at: usize) {
        let t_before = self.t.value;
        if at == 0 {
            self.t.value = take_signed(bits);
        } else {
            self.t.take_change(bits);
        }
        self.counts.take(bits, 0..2, at == 0);
        take_xored(&mut self.sum, bits, at == 0);
        if !self.is_stale() {
            self.counts.take(bits, 2..self.counts.len(), at == 0);
        }
        match &mut self.starts {
            Some(starts) if at == 0 => starts.take_first(bits, self.t.value),
            Some(starts) => starts.take(bits, at, t_before),
            None => {}
        }
    }

    /// Writes sample `at`, counted from 0, whose numbers are as many as the layout has.
    pub(super) fn put(&mut self, bits: &mut BitWriter<'_>, at: usize, sample: &Flat) {
        debug_assert!(sample.is_stale() || sample.numbers.len() == self.counts.len());
        let t_before = self.t.value;
        if at == 0 {
            self.t.value = sample.t;
            put_signed(bits, sample.t);
        } else {
            self.t.put_change(bits, sample.t);
        }
        if sample.is_stale() {
            // A stale sample has no buckets, and nothing but stale ones comes after it.
            self.counts.put_none(bits, at == 0);
        } else {
            self.counts.put(bits, 0..2, &sample.numbers, at == 0);
        }
        put_xored(&mut self.sum, bits, sample.sum.to_bits(), at == 0);
        if !sample.is_stale() {
            self.counts.put(bits, 2..self.counts.len(), &sample.numbers, at == 0);
        }
        match &mut self.starts {
            Some(starts) if at == 0 => starts.put_first(bits, sample.t, sample.st),
            Some(starts) => starts.put(bits, at, t_before, sample.st),
            None => {}
        }
    }

    /// Bits that [`State::put`] writes at most.
    pub(super) fn n_bits_max(&self) -> usize {
        80 * (3 + self.counts.len())
    }

    /// The byte about start times, if the encoding has one.
    pub(super) fn starts_header(&self) -> Option<u8> {
        self.starts.map(|it| it.header)
    }

    pub(super) fn st(&self) -> i64 {
        self.starts.map_or(0, |it| it.last)
    }

    pub(super) fn is_stale(&self) -> bool {
        is_stale_nan(f64::from_bits(self.sum.bits))
    }

    /// Number `at` of the last sample: an integer, or the bits of a float.
    pub(super) fn number(&self, at: usize) -> u64 {
        match &self.counts {
            Counts::Whole(all) => all[at].value.cast_unsigned(),
            Counts::Float(all) => all[at].bits,
        }
    }

    /// Numbers of the last sample.
    pub(super) fn numbers(&self, range: std::ops::Range<usize>) -> impl Iterator<Item = u64> + '_ {
        range.map(|at| self.number(at))
    }

    /// The last sample.
    pub(super) fn flat(&self) -> Flat {
        Flat {
            st: self.st(),
            t: self.t.value,
            sum: f64::from_bits(self.sum.bits),
            numbers: self.numbers(0..self.counts.len()).collect(),
        }
    }

    /// The last sample of a chunk with integer counts, without a hint.
    pub(super) fn integer(&self, layout: &Layout) -> Histogram {
        let sum = f64::from_bits(self.sum.bits);
        if self.is_stale() {
            return Histogram { sum, ..Histogram::default() };
        }
        let n = 2 + layout.n_buckets(0);
        let deltas = |range| self.numbers(range).map(u64::cast_signed).collect();
        Histogram {
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            count: self.number(0),
            zero_count: self.number(1),
            sum,
            positive_spans: layout.spans[0].clone(),
            negative_spans: layout.spans[1].clone(),
            positive_deltas: deltas(2..n),
            negative_deltas: deltas(n..self.counts.len()),
            custom_values: layout.custom_values.clone(),
            ..Histogram::default()
        }
    }

    /// The last sample as floats, without a hint.
    pub(super) fn float(&self, layout: &Layout) -> FloatHistogram {
        let sum = f64::from_bits(self.sum.bits);
        if self.is_stale() {
            return FloatHistogram { sum, ..FloatHistogram::default() };
        }
        let n = 2 + layout.n_buckets(0);
        FloatHistogram {
            schema: layout.schema,
            zero_threshold: layout.zero_threshold,
            count: self.counts.unsigned(0),
            zero_count: self.counts.unsigned(1),
            sum,
            positive_spans: layout.spans[0].clone(),
            negative_spans: layout.spans[1].clone(),
            positive_buckets: self.counts.buckets(2..n),
            negative_buckets: self.counts.buckets(n..self.counts.len()),
            custom_values: layout.custom_values.clone(),
            ..FloatHistogram::default()
        }
    }
}

impl Counts {
    fn len(&self) -> usize {
        match self {
            Self::Whole(all) => all.len(),
            Self::Float(all) => all.len(),
        }
    }

    fn take(&mut self, bits: &mut BitReader<'_>, range: std::ops::Range<usize>, first: bool) {
        match self {
            Self::Whole(all) => {
                for (it, at) in all[range.clone()].iter_mut().zip(range) {
                    match at {
                        // Counts begin as unsigned numbers, buckets as signed ones.
                        0 | 1 if first => it.value = take_unsigned(bits).cast_signed(),
                        _ if first => it.value = take_signed(bits),
                        _ => it.take_change(bits),
                    }
                }
            }
            Self::Float(all) => all[range].iter_mut().for_each(|it| take_xored(it, bits, first)),
        }
    }

    fn put(
        &mut self,
        bits: &mut BitWriter<'_>,
        range: std::ops::Range<usize>,
        numbers: &[u64],
        first: bool,
    ) {
        match self {
            Self::Whole(all) => {
                for at in range {
                    let (it, value) = (&mut all[at], numbers[at].cast_signed());
                    if first {
                        it.value = value;
                    }
                    match at {
                        0 | 1 if first => put_unsigned(bits, value.cast_unsigned()),
                        _ if first => put_signed(bits, value),
                        _ => it.put_change(bits, value),
                    }
                }
            }
            Self::Float(all) => {
                for at in range {
                    put_xored(&mut all[at], bits, numbers[at], first);
                }
            }
        }
    }

    /// Writes the count and the zero count of a stale sample.
    fn put_none(&mut self, bits: &mut BitWriter<'_>, first: bool) {
        match self {
            // No change of the differences: what it reads as does not matter.
            Self::Whole(_) => bits.put(0, 2),
            Self::Float(all) => {
                all[..2].iter_mut().for_each(|it| put_xored(it, bits, 0, first));
            }
        }
    }

    fn unsigned(&self, at: usize) -> f64 {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "queries compute with floats")]
            Self::Whole(all) => all[at].value.cast_unsigned() as f64,
            Self::Float(all) => f64::from_bits(all[at].bits),
        }
    }

    fn buckets(&self, range: std::ops::Range<usize>) -> Vec<f64> {
        match self {
            Self::Whole(all) => {
                let mut count = 0i64;
                let each = |it: &Whole| {
                    count = count.wrapping_add(it.value);
                    #[expect(clippy::cast_precision_loss, reason = "queries compute with floats")]
                    {
                        count as f64
                    }
                };
                all[range].iter().map(each).collect()
            }
            Self::Float(all) => all[range].iter().map(|it| f64::from_bits(it.bits)).collect(),
        }
    }
}

fn take_xored(value: &mut Value, bits: &mut BitReader<'_>, first: bool) {
    if first {
        value.bits = bits.take(64);
    } else {
        let next = bits.peek();
        value.take(bits, next);
    }
}

fn put_xored(value: &mut Value, bits: &mut BitWriter<'_>, next: u64, first: bool) {
    if first {
        value.bits = next;
        bits.put(next, 64);
    } else {
        value.put(bits, next);
    }
}
