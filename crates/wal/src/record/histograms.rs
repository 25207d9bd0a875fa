//! Native histograms with integer and with float counts.
//!
//! Older readers know histograms without custom bounds only, so a batch is split: those with custom
//! bounds go to a record of another kind. With start times there is one record for both.

use model::{
    CounterResetHint, FloatHistogram, Histogram, SCHEMA_CUSTOM, SCHEMA_KNOWN, SeriesRef, Span,
};
use stdx::varint::{put_i64, put_u64};

use super::fields::{put_base, take_base, take_byte, take_float, take_signed, take_unsigned};
use super::samples::{Place, Places};
use super::{DecodeError, Kind, start};

/// One histogram in the log; `H` is one of [`HistogramBody`], or a reference to one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefHistogram<H> {
    /// Its series.
    pub series: SeriesRef,
    /// Milliseconds since the epoch.
    pub t: i64,
    /// When counting began, in milliseconds since the epoch; 0 if that is not known.
    pub st: i64,
    /// The value.
    pub histogram: H,
}

impl<H> RefHistogram<H> {
    /// The same, with the histogram borrowed: what the encoders take.
    pub fn as_ref(&self) -> RefHistogram<&H> {
        let Self { series, t, st, ref histogram } = *self;
        RefHistogram { series, t, st, histogram }
    }
}

/// A histogram as records hold it.
pub trait HistogramBody: Sized {
    /// The records it goes to: without custom bounds, with them, with start times.
    const KINDS: [Kind; 3];

    /// Its resolution.
    fn schema(&self) -> i32;

    /// Makes it as coarse as those that queries understand, if it is finer.
    fn reduce_to_known(&mut self);

    /// Appends it.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes one off the front of `body`, of whatever schema.
    ///
    /// # Errors
    /// If the bytes end early, or a number is out of its range.
    fn take(body: &mut &[u8]) -> Result<Self, DecodeError>;
}

/// Writes a batch as two records: of histograms without custom bounds, and of those with. A record
/// without entries is left empty, without a type. Start times are lost.
pub fn put_histograms<'a, H: HistogramBody + 'a>(
    exponential: &mut Vec<u8>,
    custom: &mut Vec<u8>,
    batch: impl IntoIterator<Item = RefHistogram<&'a H>>,
) {
    exponential.clear();
    custom.clear();
    let [exponential_kind, custom_kind, _] = H::KINDS;
    // As upstream: the first record counts from the batch's first histogram, wherever that goes.
    let (mut first, mut custom_base) = (None, None);
    for RefHistogram { series, t, histogram, .. } in batch {
        let (first_ref, first_t) = *first.get_or_insert((series, t));
        let (out, (base_ref, base_t)) = if histogram.schema() == SCHEMA_CUSTOM {
            let base = custom_base.get_or_insert_with(|| {
                start(custom_kind, custom);
                put_base(custom, series, t)
            });
            (&mut *custom, *base)
        } else {
            if exponential.is_empty() {
                start(exponential_kind, exponential);
                put_base(exponential, first_ref, first_t);
            }
            (&mut *exponential, (first_ref.0, first_t))
        };
        put_i64(out, series.0.wrapping_sub(base_ref).cast_signed());
        put_i64(out, t.wrapping_sub(base_t));
        histogram.put(out);
    }
}

/// Writes a whole record of histograms of all schemas with their start times.
pub fn put_histograms_v2<'a, H: HistogramBody + 'a>(
    out: &mut Vec<u8>,
    batch: impl IntoIterator<Item = RefHistogram<&'a H>>,
) {
    let [_, _, kind] = H::KINDS;
    start(kind, out);
    let mut places = Places::default();
    for RefHistogram { series, t, st, histogram } in batch {
        places.put(out, Place { series, t, st });
        histogram.put(out);
    }
}

/// Walks a record of histograms, with start times or without, `kind` being one of the three of `H`.
/// Schemas finer than any that queries understand are reduced. Returns how many were passed over because their schema is not known.
///
/// # Errors
/// As [`super::series`].
pub fn histograms<H: HistogramBody>(
    kind: Kind,
    body: &[u8],
    mut each: impl FnMut(RefHistogram<H>),
) -> Result<u64, DecodeError> {
    debug_assert!(H::KINDS.contains(&kind), "a record of the other histograms");
    let mut n_unknown = 0;
    let known = |mut it: RefHistogram<H>| {
        let schema = it.histogram.schema();
        if schema == SCHEMA_CUSTOM || SCHEMA_KNOWN.contains(&schema) {
            it.histogram.reduce_to_known();
            each(it);
        } else {
            n_unknown += 1;
        }
    };
    if kind == H::KINDS[2] { with_start(body, known) } else { without_start(body, known) }?;
    Ok(n_unknown)
}

fn without_start<H: HistogramBody>(
    mut body: &[u8],
    mut each: impl FnMut(RefHistogram<H>),
) -> Result<(), DecodeError> {
    if body.is_empty() {
        return Ok(());
    }
    let (base_ref, base_t) = take_base(&mut body)?;
    while !body.is_empty() {
        let series = SeriesRef(base_ref.wrapping_add_signed(take_signed(&mut body)?));
        let t = base_t.wrapping_add(take_signed(&mut body)?);
        each(RefHistogram { series, t, st: 0, histogram: H::take(&mut body)? });
    }
    Ok(())
}

fn with_start<H: HistogramBody>(
    mut body: &[u8],
    mut each: impl FnMut(RefHistogram<H>),
) -> Result<(), DecodeError> {
    let mut places = Places::default();
    while !body.is_empty() {
        let Place { series, t, st } = places.take(&mut body)?;
        each(RefHistogram { series, t, st, histogram: H::take(&mut body)? });
    }
    Ok(())
}

impl HistogramBody for Histogram {
    const KINDS: [Kind; 3] = [Kind::Histograms, Kind::CustomHistograms, Kind::HistogramsV2];

    fn schema(&self) -> i32 {
        self.schema
    }

    fn reduce_to_known(&mut self) {
        Histogram::reduce_to_known(self);
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_scale(out, self.hint, self.schema, self.zero_threshold);
        put_u64(out, self.zero_count);
        put_u64(out, self.count);
        put_float(out, self.sum);
        put_spans(out, &self.positive_spans);
        put_spans(out, &self.negative_spans);
        put_deltas(out, &self.positive_deltas);
        put_deltas(out, &self.negative_deltas);
        put_bounds(out, self.schema, &self.custom_values);
    }

    fn take(body: &mut &[u8]) -> Result<Self, DecodeError> {
        let (hint, schema, zero_threshold) = take_scale(body)?;
        Ok(Self {
            hint,
            schema,
            zero_threshold,
            zero_count: take_unsigned(body)?,
            count: take_unsigned(body)?,
            sum: take_float(body)?,
            positive_spans: take_many(body, take_span)?,
            negative_spans: take_many(body, take_span)?,
            positive_deltas: take_many(body, take_signed)?,
            negative_deltas: take_many(body, take_signed)?,
            custom_values: take_bounds(body, schema)?,
        })
    }
}

impl HistogramBody for FloatHistogram {
    const KINDS: [Kind; 3] =
        [Kind::FloatHistograms, Kind::CustomFloatHistograms, Kind::FloatHistogramsV2];

    fn schema(&self) -> i32 {
        self.schema
    }

    fn reduce_to_known(&mut self) {
        FloatHistogram::reduce_to_known(self);
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_scale(out, self.hint, self.schema, self.zero_threshold);
        put_float(out, self.zero_count);
        put_float(out, self.count);
        put_float(out, self.sum);
        put_spans(out, &self.positive_spans);
        put_spans(out, &self.negative_spans);
        put_floats(out, &self.positive_buckets);
        put_floats(out, &self.negative_buckets);
        put_bounds(out, self.schema, &self.custom_values);
    }

    fn take(body: &mut &[u8]) -> Result<Self, DecodeError> {
        let (hint, schema, zero_threshold) = take_scale(body)?;
        Ok(Self {
            hint,
            schema,
            zero_threshold,
            zero_count: take_float(body)?,
            count: take_float(body)?,
            sum: take_float(body)?,
            positive_spans: take_many(body, take_span)?,
            negative_spans: take_many(body, take_span)?,
            positive_buckets: take_many(body, take_float)?,
            negative_buckets: take_many(body, take_float)?,
            custom_values: take_bounds(body, schema)?,
        })
    }
}

/// The hints in the order of their bytes.
const HINTS: [CounterResetHint; 4] = [
    CounterResetHint::Unknown,
    CounterResetHint::Reset,
    CounterResetHint::NotReset,
    CounterResetHint::Gauge,
];

fn put_scale(out: &mut Vec<u8>, hint: CounterResetHint, schema: i32, zero_threshold: f64) {
    out.push(match hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::Reset => 1,
        CounterResetHint::NotReset => 2,
        CounterResetHint::Gauge => 3,
    });
    put_i64(out, i64::from(schema));
    put_float(out, zero_threshold);
}

fn take_scale(body: &mut &[u8]) -> Result<(CounterResetHint, i32, f64), DecodeError> {
    let hint = HINTS.get(usize::from(take_byte(body)?)).copied().unwrap_or_default();
    let schema = i32::try_from(take_signed(body)?).map_err(|_| OUT_OF_RANGE)?;
    Ok((hint, schema, take_float(body)?))
}

fn put_spans(out: &mut Vec<u8>, spans: &[Span]) {
    put_u64(out, spans.len() as u64);
    for it in spans {
        put_i64(out, i64::from(it.offset));
        put_u64(out, u64::from(it.length));
    }
}

fn take_span(body: &mut &[u8]) -> Result<Span, DecodeError> {
    let offset = i32::try_from(take_signed(body)?).map_err(|_| OUT_OF_RANGE)?;
    let length = u32::try_from(take_unsigned(body)?).map_err(|_| OUT_OF_RANGE)?;
    Ok(Span { offset, length })
}

fn put_deltas(out: &mut Vec<u8>, deltas: &[i64]) {
    put_u64(out, deltas.len() as u64);
    deltas.iter().for_each(|it| put_i64(out, *it));
}

fn put_floats(out: &mut Vec<u8>, floats: &[f64]) {
    put_u64(out, floats.len() as u64);
    floats.iter().for_each(|it| put_float(out, *it));
}

fn put_float(out: &mut Vec<u8>, v: f64) {
    out.extend_from_slice(&v.to_bits().to_be_bytes());
}

fn put_bounds(out: &mut Vec<u8>, schema: i32, bounds: &[f64]) {
    if schema == SCHEMA_CUSTOM {
        put_floats(out, bounds);
    }
}

fn take_bounds(body: &mut &[u8], schema: i32) -> Result<Vec<f64>, DecodeError> {
    if schema == SCHEMA_CUSTOM { take_many(body, take_float) } else { Ok(Vec::new()) }
}

/// Takes a count and so many of `T`. The count may lie, so little is set aside for it.
fn take_many<T>(
    body: &mut &[u8],
    take: impl Fn(&mut &[u8]) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    let n = take_unsigned(body)?;
    let mut all = Vec::with_capacity(usize::try_from(n).unwrap_or(0).min(body.len()).min(1024));
    for _ in 0..n {
        all.push(take(body)?);
    }
    Ok(all)
}

const OUT_OF_RANGE: DecodeError = DecodeError { rule: "number out of range in a histogram" };
