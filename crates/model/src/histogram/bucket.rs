//! The buckets of a histogram, with their borders.

use super::{FloatHistogram, SCHEMA_CUSTOM, SCHEMA_MAX, Span};

/// A bucket and its borders.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Lower border; -Inf for the first custom bucket.
    pub lower: f64,
    /// Upper border; +Inf for the last one.
    pub upper: f64,
    /// Values on the lower border belong to it.
    pub lower_inclusive: bool,
    /// Values on the upper border belong to it.
    pub upper_inclusive: bool,
    /// Observations.
    pub count: f64,
}

impl FloatHistogram {
    /// True if the buckets have bounds of their own instead of exponential ones.
    pub fn has_custom_buckets(&self) -> bool {
        self.schema == SCHEMA_CUSTOM
    }

    /// The buckets above zero, or all custom ones, ascending.
    pub fn positive(&self) -> impl Iterator<Item = Bucket> + '_ {
        Span::indexes(&self.positive_spans).zip(&self.positive_buckets).map(|(index, count)| {
            Bucket {
                lower: self.bound(index - 1),
                upper: self.bound(index),
                lower_inclusive: self.has_custom_buckets() && index == 0,
                upper_inclusive: true,
                count: *count,
            }
        })
    }

    /// The buckets below zero, from zero downwards.
    pub fn negative(&self) -> impl Iterator<Item = Bucket> + '_ {
        Span::indexes(&self.negative_spans).zip(&self.negative_buckets).map(|(index, count)| {
            Bucket {
                lower: -self.bound(index),
                upper: -self.bound(index - 1),
                lower_inclusive: true,
                upper_inclusive: false,
                count: *count,
            }
        })
    }

    /// The bucket around zero.
    pub fn zero(&self) -> Bucket {
        Bucket {
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            lower_inclusive: true,
            upper_inclusive: true,
            count: self.zero_count,
        }
    }

    /// All buckets, ascending, the zero bucket if there is anything in it. Buckets end where the zero
    /// bucket starts.
    pub fn buckets(&self) -> Vec<Bucket> {
        let mut all: Vec<Bucket> = self.negative().collect();
        all.reverse();
        all.extend(Some(self.zero()).filter(|it| 0.0 < it.count));
        all.extend(self.positive());
        let threshold = self.zero_threshold;
        for bucket in &mut all {
            if bucket.upper < 0.0 && -threshold < bucket.upper {
                bucket.upper = -threshold;
            }
            if 0.0 < bucket.lower && bucket.lower < threshold {
                bucket.lower = threshold;
            }
        }
        all
    }

    /// The upper bound of the bucket above zero with this index.
    pub fn bound(&self, index: i64) -> f64 {
        if !self.has_custom_buckets() {
            return exponential_bound(index, self.schema);
        }
        match usize::try_from(index) {
            Err(_) => f64::NEG_INFINITY,
            Ok(at) => self.custom_values.get(at).copied().unwrap_or(f64::INFINITY),
        }
    }
}

/// `2^(1/2)`, `2^(1/4)`, and so on to `2^(1/256)`. The first is the number below the nearest one, as in upstream's
/// table of bounds, which is what their products give: to the last bit, for bounds are shown to users.
const ROOTS: [f64; SCHEMA_MAX as usize] = [
    std::f64::consts::SQRT_2.next_down(),
    1.189207115002721,
    1.0905077326652577,
    1.0442737824274138,
    1.0218971486541166,
    1.0108892860517005,
    1.0054299011128027,
    1.0027112750502025,
];

/// `2^(index / 2^schema)`. Where that would be the first number too large for a float, the largest float.
fn exponential_bound(index: i64, schema: i32) -> f64 {
    // Beyond these all bounds are zero or infinite, at any resolution.
    const FAR: i64 = 1 << 52;
    let index = index.clamp(-FAR, FAR);
    let (fraction, exponent) = if schema <= 0 {
        (1.0, index.saturating_mul(1 << schema.unsigned_abs().min(10)))
    } else {
        let parts = 1i64 << schema.min(52);
        (fraction(index.rem_euclid(parts), schema), index.div_euclid(parts))
    };
    if exponent == 1024 && fraction == 1.0 {
        return f64::MAX;
    }
    scale(fraction, exponent)
}

/// `2^(part / 2^schema)`, which lies in `1..2`.
fn fraction(part: i64, schema: i32) -> f64 {
    if SCHEMA_MAX < schema {
        // Nobody computes with these.
        return (part as f64 / 2f64.powi(schema.min(52))).exp2();
    }
    let roots = ROOTS.iter().zip((0..schema).rev());
    roots.filter(|(_, bit)| part >> bit & 1 == 1).fold(1.0, |product, (root, _)| product * root)
}

/// `v * 2^exponent`, rounded once; `v` lies in `1..2`.
fn scale(v: f64, exponent: i64) -> f64 {
    let power = |exponent: i64| {
        let biased = u64::try_from(exponent.clamp(-1022, 1023) + 1023).unwrap_or(0);
        f64::from_bits(biased << 52)
    };
    match exponent {
        1024.. => f64::INFINITY,
        -1022..1024 => v * power(exponent),
        -1100..-1022 => v * power(-1022) * power(exponent + 1022),
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_bounds() {
        let check = |schema, index, expected: f64| {
            assert_eq!(exponential_bound(index, schema).to_bits(), expected.to_bits(), "{index}");
        };
        check(0, 0, 1.0);
        check(0, -1, 0.5);
        check(0, 1023, 2f64.powi(1023));
        check(0, 1024, f64::MAX);
        check(0, 1025, f64::INFINITY);
        check(0, -1074, f64::from_bits(1));
        check(0, -1080, 0.0);
        check(-4, 64, f64::MAX);
        check(-4, 65, f64::INFINITY);
        check(-2, 3, 4096.0);
        // As upstream writes them.
        check(1, -1, 0.7071067811865475);
        check(1, 3, 2.82842712474619);
        check(2, -1, 0.8408964152537144);
        check(5, -5, 0.8973545375015533);
        check(8, -1, 0.9972960560854698);
        check(8, 1 - 256, 0.5013556375251013);
        check(3, 8 * 1024, f64::MAX);
        check(3, 8 * 1024 + 1, f64::INFINITY);
        check(8, i64::MAX, f64::INFINITY);
        check(8, i64::MIN, 0.0);
    }

    #[test]
    fn bounds_are_powers_of_two() {
        for schema in 1..=10i32 {
            for part in 0..1i64 << schema {
                let expected = (part as f64 / 2f64.powi(schema)).exp2();
                let found = exponential_bound(part, schema);
                assert!((found - expected).abs() <= 4.0 * f64::EPSILON, "{part} {schema}");
            }
        }
    }

    #[test]
    fn lists_buckets() {
        let spans = |offset, length| vec![Span { offset, length }];
        let it = FloatHistogram {
            zero_threshold: 0.75,
            zero_count: 2.0,
            positive_spans: spans(0, 2),
            positive_buckets: vec![3.0, 4.0],
            negative_spans: spans(1, 1),
            negative_buckets: vec![1.0],
            ..FloatHistogram::default()
        };
        let found: Vec<_> = it.buckets().iter().map(|it| (it.lower, it.upper, it.count)).collect();
        assert_eq!(
            found,
            [(-2.0, -1.0, 1.0), (-0.75, 0.75, 2.0), (0.75, 1.0, 3.0), (1.0, 2.0, 4.0)]
        );
        let custom = FloatHistogram {
            schema: SCHEMA_CUSTOM,
            custom_values: vec![5.0],
            positive_spans: spans(0, 2),
            positive_buckets: vec![1.0, 2.0],
            ..FloatHistogram::default()
        };
        let found: Vec<_> = custom.buckets().iter().map(|it| (it.lower, it.upper)).collect();
        assert_eq!(found, [(f64::NEG_INFINITY, 5.0), (5.0, f64::INFINITY)]);
    }
}
