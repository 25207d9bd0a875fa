//! Counter resets.

use model::{CounterResetHint, FloatHistogram, Span};

use super::total::{Plain, Total, common_bounds};

/// True if a counter started anew between two histograms that follow each other.
pub fn is_reset(before: &FloatHistogram, now: &FloatHistogram) -> bool {
    match now.hint {
        CounterResetHint::Reset => return true,
        CounterResetHint::NotReset => return false,
        CounterResetHint::Unknown | CounterResetHint::Gauge => {}
    }
    if now.count < before.count || before.schema < now.schema {
        return true;
    }
    if now.has_custom_buckets() {
        if !before.has_custom_buckets() {
            return true;
        }
        if now.custom_values != before.custom_values {
            return is_reset_on_common_bounds(before, now);
        }
    }
    if now.zero_threshold < before.zero_threshold {
        return true;
    }
    if now.schema == before.schema && now.zero_threshold == before.zero_threshold {
        return now.zero_count < before.zero_count
            || fell(positive(before), positive(now))
            || fell(negative(before), negative(now));
    }
    let mut before = Total::<Plain>::of(before);
    if before.zero_threshold < now.zero_threshold {
        before.widen_zero(now.zero_threshold);
    }
    if before.zero_threshold != now.zero_threshold {
        return true;
    }
    before.reduce_to(now.schema);
    now.zero_count < before.zero_count
        || fell(before.positive.into_iter(), positive(now))
        || fell(before.negative.into_iter(), negative(now))
}

fn is_reset_on_common_bounds(before: &FloatHistogram, now: &FloatHistogram) -> bool {
    let common = common_bounds(&before.custom_values, &now.custom_values);
    let [before, now] = [before, now].map(|it| {
        let mut total = Total::<Plain>::of(it);
        total.keep_bounds(&common);
        total.positive
    });
    fell(before.into_iter(), now.into_iter())
}

fn positive(it: &FloatHistogram) -> impl Iterator<Item = (i64, f64)> {
    Span::indexes(&it.positive_spans).zip(it.positive_buckets.iter().copied())
}

fn negative(it: &FloatHistogram) -> impl Iterator<Item = (i64, f64)> {
    Span::indexes(&it.negative_spans).zip(it.negative_buckets.iter().copied())
}

/// True if a bucket has less than before. Buckets that are not there are empty.
fn fell(before: impl Iterator<Item = (i64, f64)>, now: impl Iterator<Item = (i64, f64)>) -> bool {
    let mut now = now.peekable();
    for (index, count) in before {
        while now.next_if(|(at, _)| *at < index).is_some() {}
        let falls = match now.peek() {
            Some((at, current)) if *at == index => *current < count,
            _ => count != 0.0,
        };
        if falls {
            return true;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use CounterResetHint::{Gauge, NotReset, Reset, Unknown};

    use super::*;

    fn histogram(hint: CounterResetHint, offset: i32, buckets: &[f64]) -> FloatHistogram {
        let length = u32::try_from(buckets.len()).expect("a few");
        FloatHistogram {
            hint,
            count: 10.0,
            positive_spans: vec![Span { offset, length }],
            positive_buckets: buckets.to_vec(),
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn compares_buckets() {
        let check = |before: &[f64], hint, offset, now: &[f64], expected| {
            let (before, now) = (histogram(Unknown, 0, before), histogram(hint, offset, now));
            assert_eq!(is_reset(&before, &now), expected, "{before:?} {now:?}");
        };
        check(&[1.0, 2.0], Unknown, 0, &[1.0, 2.0], false);
        check(&[1.0, 2.0], Unknown, 0, &[1.0, 1.0, 5.0], true);
        check(&[1.0, 2.0], Gauge, 0, &[0.0, 2.0], true);
        check(&[1.0, 2.0], Unknown, 1, &[2.0], true);
        check(&[0.0, 2.0], Unknown, 1, &[2.0], false);
        check(&[1.0, 2.0], NotReset, 0, &[0.0], false);
        check(&[1.0, 2.0], Reset, 0, &[1.0, 2.0], true);
    }

    #[test]
    fn compares_what_is_around_buckets() {
        let before = histogram(Unknown, 1, &[1.0, 2.0]);
        let check = |change: fn(&mut FloatHistogram), expected| {
            let mut now = before.clone();
            change(&mut now);
            assert_eq!(is_reset(&before, &now), expected, "{now:?}");
        };
        check(|it| it.count = 9.0, true);
        check(|it| it.sum = -1.0, false);
        check(|it| it.schema = 1, true);
        check(|it| (it.schema, it.positive_buckets) = (-1, vec![3.0, 0.0]), false);
        check(|it| it.zero_threshold = 0.5, false);
        // It reaches into a bucket with observations.
        check(|it| it.zero_threshold = 1.5, true);
        check(|it| (it.zero_threshold, it.zero_count) = (2.0, 1.0), false);
        check(|it| it.zero_threshold = 2.0, true);
        check(|it| (it.schema, it.custom_values) = (-53, vec![1.0, 2.0]), true);
    }

    #[test]
    fn a_zero_bucket_that_stays_may_reach_into_another() {
        let mut before = histogram(Unknown, 1, &[1.0, 2.0]);
        before.zero_threshold = 1.5;
        let mut now = before.clone();
        assert!(!is_reset(&before, &now));
        (now.schema, now.positive_buckets) = (-1, vec![3.0, 0.0]);
        assert!(!is_reset(&before, &now));
        now.zero_threshold = 1.75;
        assert!(is_reset(&before, &now));
    }
}
