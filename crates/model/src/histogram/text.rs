//! A histogram as text.

use std::fmt;

use stdx::gofloat::format_g as g;

use super::{Bucket, FloatHistogram};

/// Count, sum, and the buckets that are not empty, as upstream prints them.
impl fmt::Display for FloatHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{count:{}, sum:{}", g(self.count), g(self.sum))?;
        let mut buckets: Vec<Bucket> = self.negative().collect();
        buckets.reverse();
        buckets.push(self.zero());
        buckets.extend(self.positive());
        for bucket in buckets.iter().filter(|bucket| bucket.count != 0.0) {
            let open = if bucket.lower_inclusive { '[' } else { '(' };
            let close = if bucket.upper_inclusive { ']' } else { ')' };
            let (lower, upper, count) = (g(bucket.lower), g(bucket.upper), g(bucket.count));
            write!(f, ", {open}{lower},{upper}{close}:{count}")?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use crate::{FloatHistogram, Span};

    #[test]
    fn prints_what_is_not_empty() {
        let it = FloatHistogram {
            count: 1e6,
            sum: -0.5,
            zero_threshold: 0.001,
            zero_count: 2.0,
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive_buckets: vec![3.0, 0.0, 4.5],
            negative_spans: vec![Span { offset: 1, length: 1 }],
            negative_buckets: vec![1.0],
            ..FloatHistogram::default()
        };
        let text = "{count:1e+06, sum:-0.5, [-2,-1):1, [-0.001,0.001]:2, (0.5,1]:3, (2,4]:4.5}";
        assert_eq!(it.to_string(), text);
    }

    #[test]
    fn prints_all_that_is_not_empty_with_whole_bounds() {
        let it = FloatHistogram {
            zero_threshold: 1.5,
            zero_count: -2.0,
            positive_spans: vec![Span { offset: 1, length: 1 }],
            positive_buckets: vec![-3.0],
            ..FloatHistogram::default()
        };
        assert_eq!(it.to_string(), "{count:0, sum:0, [-1.5,1.5]:-2, (1,2]:-3}");
    }
}
