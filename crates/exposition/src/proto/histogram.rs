//! Histograms of a protobuf page: native ones, and classic buckets.

use model::{
    ClassicHistogram, Converted, CounterResetHint, Exemplar, FloatHistogram, Histogram as Integer,
    Span,
};

use super::{BUCKETS, exemplar, timestamp};
use crate::line::PageValue;
use crate::wire::{Fields, WireError, zigzag};

/// What a message says beside its buckets.
#[derive(Clone, Debug, Default)]
pub(super) struct Histogram {
    pub(super) count: u64,
    pub(super) count_float: f64,
    pub(super) sum: f64,
    pub(super) has_buckets: bool,
    /// There is a native histogram in it.
    pub(super) is_native: bool,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    zero_count_float: f64,
}

/// A classic bucket.
pub(super) struct Bucket {
    pub(super) upper: f64,
    pub(super) count: f64,
    pub(super) exemplar: Option<Exemplar>,
}

impl Histogram {
    /// Reads a message, and when it says that counting began.
    pub(super) fn read(message: &[u8]) -> Result<(Self, Option<i64>), WireError> {
        let (mut it, mut created) = (Self::default(), None);
        Fields(message).for_each(|number, field| {
            match number {
                1 => it.count = field.number()?,
                2 => it.sum = field.double()?,
                BUCKETS => it.has_buckets = true,
                4 => it.count_float = field.double()?,
                5 => it.schema = i32::try_from(zigzag(field.number()?)).unwrap_or(i32::MAX),
                6 => it.zero_threshold = field.double()?,
                7 => it.zero_count = field.number()?,
                8 => it.zero_count_float = field.double()?,
                9 | 12 => it.is_native = true,
                15 => created = Some(timestamp(field)?),
                _ => {}
            }
            Ok(())
        })?;
        it.is_native |= 0.0 < it.zero_threshold || 0 < it.zero_count;
        Ok((it, created))
    }

    /// How many observations there are in all.
    pub(super) fn classic_count(&self) -> f64 {
        or_float(self.count_float, self.count)
    }
}

/// A count that may be given as a float; that one counts if it is above zero.
#[expect(clippy::cast_precision_loss, reason = "as upstream")]
fn or_float(float: f64, integer: u64) -> f64 {
    if 0.0 < float { float } else { integer as f64 }
}

impl Bucket {
    pub(super) fn read(message: &[u8]) -> Result<Self, WireError> {
        let (mut upper, mut count, mut float, mut about) = (0.0, 0, 0.0, None);
        Fields(message).for_each(|number, field| {
            match number {
                1 => count = field.number()?,
                2 => upper = field.double()?,
                3 => about = Some(exemplar(field.bytes()?)?),
                4 => float = field.double()?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(Self { upper, count: or_float(float, count), exemplar: about })
    }
}

/// Hands each classic bucket of a message to `each`.
fn for_each_bucket(message: &[u8], mut each: impl FnMut(Bucket)) -> Result<(), WireError> {
    Fields(message).for_each(|number, field| {
        if number == BUCKETS {
            each(Bucket::read(field.bytes()?)?);
        }
        Ok(())
    })
}

/// One side of a native histogram.
#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

impl Side {
    fn push_span(&mut self, message: &[u8]) -> Result<(), WireError> {
        let mut span = Span { offset: 0, length: 0 };
        Fields(message).for_each(|number, field| {
            match number {
                1 => span.offset = i32::try_from(zigzag(field.number()?)).unwrap_or(i32::MAX),
                2 => span.length = u32::try_from(field.number()?).unwrap_or(u32::MAX),
                _ => {}
            }
            Ok(())
        })?;
        self.spans.push(span);
        Ok(())
    }

    fn check(&self, side: &str, n_buckets: usize) -> Result<(), String> {
        let needed: u64 = self.spans.iter().map(|it| u64::from(it.length)).sum();
        if usize::try_from(needed) == Ok(n_buckets) {
            return Ok(());
        }
        Err(format!("{side} side: spans require {needed} buckets, have {n_buckets}"))
    }

    /// Without the buckets that are empty.
    fn integers(&self) -> (Vec<Span>, Vec<i64>) {
        let mut count = 0i64;
        let counts = self.deltas.iter().map(|delta| {
            count = count.wrapping_add(*delta);
            count
        });
        let all = Span::indexes(&self.spans).zip(counts);
        let filled: Vec<(i64, i64)> = all.filter(|it| it.1 != 0).collect();
        let mut before = 0i64;
        let deltas =
            filled.iter().map(|it| it.1.wrapping_sub(std::mem::replace(&mut before, it.1)));
        (Span::of(filled.iter().map(|it| it.0)), deltas.collect())
    }

    /// Without the buckets that are empty.
    fn floats(&self) -> (Vec<Span>, Vec<f64>) {
        let all = Span::indexes(&self.spans).zip(&self.counts);
        let filled: Vec<(i64, f64)> =
            all.map(|it| (it.0, *it.1)).filter(|it| it.1 != 0.0).collect();
        (Span::of(filled.iter().map(|it| it.0)), filled.iter().map(|it| it.1).collect())
    }
}

/// The native histogram of a message.
pub(super) fn native(message: &[u8], it: &Histogram, gauge: bool) -> Result<PageValue, String> {
    let (mut negative, mut positive) = (Side::default(), Side::default());
    let read = Fields(message).for_each(|number, field| match number {
        9 => negative.push_span(field.bytes()?),
        10 => field.numbers(|delta| negative.deltas.push(zigzag(delta))),
        11 => field.doubles(|count| negative.counts.push(count)),
        12 => positive.push_span(field.bytes()?),
        13 => field.numbers(|delta| positive.deltas.push(zigzag(delta))),
        14 => field.doubles(|count| positive.counts.push(count)),
        _ => Ok(()),
    });
    read.map_err(WireError::text)?;
    let hint = if gauge { CounterResetHint::Gauge } else { CounterResetHint::Unknown };
    let Histogram { schema, zero_threshold, sum, .. } = *it;
    let is_float = 0.0 < it.count_float || 0.0 < it.zero_count_float;
    let n = |side: &Side| if is_float { side.counts.len() } else { side.deltas.len() };
    positive.check("positive", n(&positive))?;
    negative.check("negative", n(&negative))?;
    if is_float {
        let (positive_spans, positive_buckets) = positive.floats();
        let (negative_spans, negative_buckets) = negative.floats();
        return Ok(PageValue::FloatHistogram(Box::new(FloatHistogram {
            hint,
            schema,
            zero_threshold,
            zero_count: it.zero_count_float,
            count: it.count_float,
            sum,
            positive_spans,
            negative_spans,
            positive_buckets,
            negative_buckets,
            custom_values: Vec::new(),
        })));
    }
    let (positive_spans, positive_deltas) = positive.integers();
    let (negative_spans, negative_deltas) = negative.integers();
    Ok(PageValue::Histogram(Box::new(Integer {
        hint,
        schema,
        zero_threshold,
        zero_count: it.zero_count,
        count: it.count,
        sum,
        positive_spans,
        negative_spans,
        positive_deltas,
        negative_deltas,
        custom_values: Vec::new(),
    })))
}

/// A native histogram of the classic buckets of a message.
pub(super) fn converted(message: &[u8], it: &Histogram) -> Result<PageValue, String> {
    let mut classic = ClassicHistogram::default();
    for_each_bucket(message, |bucket| {
        if !bucket.upper.is_nan() {
            classic.set_bucket(bucket.upper, bucket.count);
        }
    })
    .map_err(WireError::text)?;
    classic.set_count(it.classic_count());
    classic.set_sum(it.sum);
    classic.convert().map(PageValue::from).map_err(|error| error.to_string())
}

impl From<Converted> for PageValue {
    fn from(it: Converted) -> Self {
        match it {
            Converted::Integer(it) => Self::Histogram(Box::new(it)),
            Converted::Float(it) => Self::FloatHistogram(Box::new(it)),
        }
    }
}

/// The exemplars of a native histogram: its own, or without any those of the classic buckets; and of them
/// those with a time.
pub(super) fn exemplars(message: &[u8], out: &mut Vec<Exemplar>) -> Result<(), WireError> {
    let mut own = false;
    Fields(message).for_each(|number, field| {
        if number == 16 {
            own = true;
            out.push(exemplar(field.bytes()?)?);
        }
        Ok(())
    })?;
    if !own {
        for_each_bucket(message, |bucket| out.extend(bucket.exemplar))?;
    }
    out.retain(|it| it.t.is_some());
    Ok(())
}
