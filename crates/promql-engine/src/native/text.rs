//! A histogram as text.

use std::fmt::Write as _;

use model::FloatHistogram;

use crate::annotation::g;

/// Writes a histogram as upstream prints it: count, sum, and the buckets that are not empty.
pub(crate) fn text(it: &FloatHistogram) -> String {
    let mut out = format!("{{count:{}, sum:{}", g(it.count), g(it.sum));
    for bucket in it.buckets().iter().filter(|bucket| bucket.count != 0.0) {
        let _ = write!(
            out,
            ", {}{},{}{}:{}",
            if bucket.lower_inclusive { '[' } else { '(' },
            g(bucket.lower),
            g(bucket.upper),
            if bucket.upper_inclusive { ']' } else { ')' },
            g(bucket.count)
        );
    }
    out.push('}');
    out
}
