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
    before.widen_zero(now.zero_threshold);
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
        match now.peek() {
            Some((at, current)) if *at == index => {
                if *current < count {
                    return true;
                }
            }
            _ if count != 0.0 => return true,
            _ => {}
        }
    }
    false
}
