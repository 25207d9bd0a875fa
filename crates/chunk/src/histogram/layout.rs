//! What all samples of a histogram chunk have in common; written once, before the first.

use model::{SCHEMA_CUSTOM, SCHEMA_KNOWN, Span};
use stdx::bits::{BitReader, BitWriter};

use crate::varbit::{put_signed, put_unsigned, take_signed, take_unsigned};
use crate::{DecodeError, HistogramRef};

/// Resolution, bounds and buckets.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Layout {
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    /// Of the positive and of the negative side.
    pub(super) spans: [Vec<Span>; 2],
    pub(super) custom_values: Vec<f64>,
}

/// A [`Layout`] that lies elsewhere.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct LayoutRef<'a> {
    pub(super) schema: i32,
    pub(super) zero_threshold: f64,
    pub(super) spans: [&'a [Span]; 2],
    pub(super) custom_values: &'a [f64],
}

/// Exponents of thresholds that are written as one byte.
const THRESHOLD_EXPONENTS: std::ops::RangeInclusive<i64> = -243..=10;
/// Custom bounds up to so many thousandths are written as such.
const THOUSANDTHS_MAX: f64 = 33_554_430.0;

impl<'a> LayoutRef<'a> {
    pub(super) fn of(histogram: HistogramRef<'a>) -> Self {
        match histogram {
            HistogramRef::Integer(it) => Self {
                schema: it.schema,
                zero_threshold: it.zero_threshold,
                spans: [&it.positive_spans, &it.negative_spans],
                custom_values: &it.custom_values,
            },
            HistogramRef::Float(it) => Self {
                schema: it.schema,
                zero_threshold: it.zero_threshold,
                spans: [&it.positive_spans, &it.negative_spans],
                custom_values: &it.custom_values,
            },
        }
    }

    pub(super) fn to_owned(self) -> Layout {
        Layout {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            spans: self.spans.map(<[Span]>::to_vec),
            custom_values: self.custom_values.to_vec(),
        }
    }
}

impl Layout {
    pub(super) fn as_ref(&self) -> LayoutRef<'_> {
        LayoutRef {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            spans: [&self.spans[0], &self.spans[1]],
            custom_values: &self.custom_values,
        }
    }

    /// How many buckets the positive or negative side has.
    pub(super) fn n_buckets(&self, side: usize) -> usize {
        self.spans[side].iter().map(|it| it.length as usize).sum()
    }

    /// Buckets, spans and bounds.
    pub(super) fn n_entries(&self) -> usize {
        let sides = (0..2).map(|side| self.n_buckets(side) + self.spans[side].len());
        sides.sum::<usize>() + self.custom_values.len()
    }

    /// Bits that [`Layout::put`] writes at most.
    pub(super) fn n_bits_max(&self) -> usize {
        // A threshold has 72 bits, a schema and each length of a list too, a span twice that.
        72 * 5 + 144 * (self.spans[0].len() + self.spans[1].len()) + 72 * self.custom_values.len()
    }

    pub(super) fn put(&self, bits: &mut BitWriter<'_>) {
        put_threshold(bits, self.zero_threshold);
        put_signed(bits, i64::from(self.schema));
        for spans in &self.spans {
            put_unsigned(bits, spans.len() as u64);
            for it in spans {
                put_unsigned(bits, u64::from(it.length));
                put_signed(bits, i64::from(it.offset));
            }
        }
        if self.schema == SCHEMA_CUSTOM {
            put_unsigned(bits, self.custom_values.len() as u64);
            self.custom_values.iter().for_each(|it| put_bound(bits, *it));
        }
    }

    /// Takes a layout of at most `n_entries_max` buckets, spans and bounds.
    pub(super) fn take(
        bits: &mut BitReader<'_>,
        n_entries_max: usize,
    ) -> Result<Self, DecodeError> {
        let zero_threshold = take_threshold(bits);
        let schema = take_signed(bits);
        let mut left = n_entries_max;
        let spans = [take_spans(bits, &mut left)?, take_spans(bits, &mut left)?];
        let custom_values =
            if schema == i64::from(SCHEMA_CUSTOM) { take_bounds(bits, left)? } else { Vec::new() };
        let schema = i32::try_from(schema)
            .ok()
            .filter(|it| SCHEMA_KNOWN.contains(it) || *it == SCHEMA_CUSTOM)
            .ok_or(DecodeError::UnknownSchema(schema))?;
        Ok(Self { schema, zero_threshold, spans, custom_values })
    }
}

fn put_threshold(bits: &mut BitWriter<'_>, threshold: f64) {
    let raw = threshold.to_bits();
    let exponent = (raw >> 52).cast_signed() - 1023;
    let is_power = raw << 12 == 0 && THRESHOLD_EXPONENTS.contains(&exponent);
    match raw {
        0 => bits.put(0, 8),
        _ if is_power => bits.put((exponent + 244).cast_unsigned(), 8),
        _ => {
            bits.put(255, 8);
            bits.put(raw, 64);
        }
    }
}

fn take_threshold(bits: &mut BitReader<'_>) -> f64 {
    match bits.take(8) {
        0 => 0.0,
        255 => f64::from_bits(bits.take(64)),
        byte => f64::from_bits((byte + 1023 - 244) << 52),
    }
}

fn take_spans(bits: &mut BitReader<'_>, left: &mut usize) -> Result<Vec<Span>, DecodeError> {
    let n = take_unsigned(bits);
    let mut spans = Vec::new();
    for _ in 0..n {
        let length = u32::try_from(take_unsigned(bits)).map_err(|_| DecodeError::Excessive)?;
        let offset = i32::try_from(take_signed(bits)).map_err(|_| DecodeError::Excessive)?;
        if bits.overran() {
            return Err(DecodeError::Truncated);
        }
        *left = left.checked_sub(length as usize + 1).ok_or(DecodeError::Excessive)?;
        spans.push(Span { offset, length });
    }
    Ok(spans)
}

fn put_bound(bits: &mut BitWriter<'_>, bound: f64) {
    let thousandths = (bound * 1000.0).round();
    let fits = (0.0..=THOUSANDTHS_MAX).contains(&(bound * 1000.0));
    if fits && thousandths / 1000.0 == bound {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and in range"
        )]
        put_unsigned(bits, thousandths as u64 + 1);
    } else {
        bits.put(0, 1);
        bits.put(bound.to_bits(), 64);
    }
}

fn take_bounds(bits: &mut BitReader<'_>, n_max: usize) -> Result<Vec<f64>, DecodeError> {
    let n = take_unsigned(bits);
    if usize::try_from(n).map_or(true, |n| n_max < n) {
        return Err(DecodeError::Excessive);
    }
    let mut values = Vec::new();
    for _ in 0..n {
        values.push(match take_unsigned(bits) {
            0 => f64::from_bits(bits.take(64)),
            #[expect(clippy::cast_precision_loss, reason = "the writer checked that it is exact")]
            thousandths => (thousandths - 1) as f64 / 1000.0,
        });
        if bits.overran() {
            return Err(DecodeError::Truncated);
        }
    }
    Ok(values)
}
