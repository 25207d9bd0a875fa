//! Fewer, wider buckets.

use super::{FloatHistogram, Histogram, SCHEMA_MAX, Span, is_exponential};

impl Histogram {
    /// Merges neighbouring exponential buckets until the resolution is `schema`. A histogram that is as coarse
    /// already, or has custom buckets, stays as it is.
    pub fn reduce_to(&mut self, schema: i32) {
        if !is_exponential(self.schema) || self.schema <= schema {
            return;
        }
        let by = self.schema.abs_diff(schema);
        for (spans, deltas) in [
            (&mut self.positive_spans, &mut self.positive_deltas),
            (&mut self.negative_spans, &mut self.negative_deltas),
        ] {
            let counts: Vec<i64> = counts(deltas).collect();
            let (merged, counts) = merge(spans, &counts, by, |a, b| *a = a.wrapping_add(b));
            *spans = merged;
            *deltas = to_deltas(counts).collect();
        }
        self.schema = schema;
    }

    /// Brings a resolution finer than any this program computes with (9 to 52) down to the finest one.
    pub fn reduce_to_known(&mut self) {
        self.reduce_to(SCHEMA_MAX);
    }
}

impl FloatHistogram {
    /// Merges neighbouring exponential buckets until the resolution is `schema`. A histogram that is as coarse
    /// already, or has custom buckets, stays as it is.
    pub fn reduce_to(&mut self, schema: i32) {
        if !is_exponential(self.schema) || self.schema <= schema {
            return;
        }
        let by = self.schema.abs_diff(schema);
        for (spans, buckets) in [
            (&mut self.positive_spans, &mut self.positive_buckets),
            (&mut self.negative_spans, &mut self.negative_buckets),
        ] {
            (*spans, *buckets) = merge(spans, buckets, by, |a, b| *a += b);
        }
        self.schema = schema;
    }

    /// Brings a resolution finer than any this program computes with (9 to 52) down to the finest one.
    pub fn reduce_to_known(&mut self) {
        self.reduce_to(SCHEMA_MAX);
    }
}

/// The counts of buckets given as differences.
pub(super) fn counts(deltas: &[i64]) -> impl Iterator<Item = i64> + '_ {
    deltas.iter().scan(0i64, |count, delta| {
        *count = count.wrapping_add(*delta);
        Some(*count)
    })
}

fn to_deltas(counts: Vec<i64>) -> impl Iterator<Item = i64> {
    let mut before = 0i64;
    counts.into_iter().map(move |it| it.wrapping_sub(std::mem::replace(&mut before, it)))
}

/// Joins each 2^`by` buckets.
fn merge<T: Copy>(
    spans: &[Span],
    counts: &[T],
    by: u32,
    add: impl Fn(&mut T, T),
) -> (Vec<Span>, Vec<T>) {
    let (mut indexes, mut merged): (Vec<i64>, Vec<T>) = (Vec::new(), Vec::new());
    for (index, count) in Span::indexes(spans).zip(counts) {
        // An index names the upper bound of its bucket, which belongs to it.
        let index = ((index - 1) >> by.min(63)) + 1;
        match merged.last_mut() {
            Some(last) if indexes.last() == Some(&index) => add(last, *count),
            _ => {
                indexes.push(index);
                merged.push(*count);
            }
        }
    }
    (Span::of(indexes), merged)
}
