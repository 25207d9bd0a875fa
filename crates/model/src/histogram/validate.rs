//! What makes a histogram one.

use std::fmt;

use super::{
    FloatHistogram, Histogram, SCHEMA_CUSTOM, SCHEMA_KNOWN, SCHEMA_MAX, SCHEMA_MIN, Span, counts,
};

/// What is wrong with a histogram. `Display` is upstream's text.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramError {
    place: &'static str,
    rule: String,
}

impl fmt::Display for HistogramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.place, self.rule)
    }
}

impl std::error::Error for HistogramError {}

const POSITIVE: &str = "positive side: ";
const NEGATIVE: &str = "negative side: ";
const CUSTOM: &str = "custom buckets: ";
const NEGATIVE_BUCKET: &str = "histogram has a bucket whose observation count is negative";

fn refuse<T>(place: &'static str, rule: String) -> Result<T, HistogramError> {
    Err(HistogramError { place, rule })
}

/// What both kinds of histogram have.
struct Layout<'a> {
    schema: i32,
    zero_threshold: f64,
    zero_is_empty: bool,
    positive: (&'a [Span], usize),
    negative: (&'a [Span], usize),
    custom_values: &'a [f64],
}

impl Histogram {
    /// Checks that spans, buckets and counts agree.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), HistogramError> {
        Layout {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_is_empty: self.zero_count == 0,
            positive: (&self.positive_spans, self.positive_deltas.len()),
            negative: (&self.negative_spans, self.negative_deltas.len()),
            custom_values: &self.custom_values,
        }
        .validate()?;
        let negative = observations(NEGATIVE, &self.negative_deltas)?;
        let positive = observations(POSITIVE, &self.positive_deltas)?;
        let found = negative.wrapping_add(positive).wrapping_add(self.zero_count);
        // Observations that are no number are counted, but in no bucket.
        let (holds, how, when) = if self.sum.is_nan() {
            (found <= self.count, "be at least", "")
        } else {
            (found == self.count, "equal", " (in absence of NaN)")
        };
        if holds {
            return Ok(());
        }
        let count = self.count;
        let field =
            format!("{found} observations found in buckets, but the Count field is {count}");
        let should =
            format!("histogram's observation count should {how} the number of observations");
        refuse("", format!("{field}: {should} found in the buckets{when}"))
    }
}

impl FloatHistogram {
    /// Checks that spans and buckets agree, and that no count is negative. Whether the buckets sum up to the
    /// count is not checked: floats need not.
    ///
    /// # Errors
    /// The first rule that is broken.
    pub fn validate(&self) -> Result<(), HistogramError> {
        Layout {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_is_empty: self.zero_count == 0.0,
            positive: (&self.positive_spans, self.positive_buckets.len()),
            negative: (&self.negative_spans, self.negative_buckets.len()),
            custom_values: &self.custom_values,
        }
        .validate()?;
        for (place, buckets) in
            [(NEGATIVE, &self.negative_buckets), (POSITIVE, &self.positive_buckets)]
        {
            if let Some(at) = buckets.iter().position(|it| *it < 0.0) {
                return negative_bucket(place, at, &text(buckets[at]));
            }
        }
        if self.zero_count < 0.0 {
            let count = text(self.zero_count);
            return refuse(
                "",
                format!("zero bucket has observation count of {count}: {NEGATIVE_BUCKET}"),
            );
        }
        if self.count < 0.0 {
            let count = text(self.count);
            return refuse(
                "",
                format!("observation count is  {count}: histogram's observation count is negative"),
            );
        }
        Ok(())
    }
}

impl Layout<'_> {
    fn validate(&self) -> Result<(), HistogramError> {
        match self.schema {
            SCHEMA_CUSTOM => self.validate_custom(),
            SCHEMA_MIN..=SCHEMA_MAX => {
                check_spans(POSITIVE, self.positive, false)?;
                check_spans(NEGATIVE, self.negative, false)?;
                if self.custom_values.is_empty() {
                    return Ok(());
                }
                refuse("", "histogram with exponential schema must not have custom bounds".into())
            }
            schema => refuse("", refused_schema(schema)),
        }
    }

    fn validate_custom(&self) -> Result<(), HistogramError> {
        check_bounds(self.custom_values)?;
        check_spans(CUSTOM, self.positive, true)?;
        let n = self.custom_values.len();
        let offsets: i64 = self.positive.0.iter().map(|it| i64::from(it.offset)).sum();
        let total = offsets + self.positive.0.iter().map(|it| i64::from(it.length)).sum::<i64>();
        if i64::try_from(n).unwrap_or(i64::MAX) + 1 < total {
            let few = format!(
                "only {n} custom bounds defined which is insufficient to cover total span length of {total}"
            );
            return refuse(CUSTOM, format!("{few}: histogram custom bounds are too few"));
        }
        for (holds, rule) in [
            (self.zero_is_empty, "must have zero count of 0"),
            (self.zero_threshold == 0.0, "must have zero threshold of 0"),
            (self.negative.0.is_empty(), "must not have negative spans"),
            (self.negative.1 == 0, "must not have negative buckets"),
        ] {
            if !holds {
                return refuse(CUSTOM, rule.into());
            }
        }
        Ok(())
    }
}

fn check_spans(
    place: &'static str,
    (spans, n_buckets): (&[Span], usize),
    first_too: bool,
) -> Result<(), HistogramError> {
    let from = usize::from(!first_too);
    if let Some((at, it)) = spans.iter().enumerate().skip(from).find(|it| it.1.offset < 0) {
        let span = format!("span number {} with offset {}", at + 1, it.offset);
        return refuse(place, format!("{span}: histogram has a span whose offset is negative"));
    }
    let needed: u64 = spans.iter().map(|it| u64::from(it.length)).sum();
    if needed != n_buckets as u64 {
        let need = format!("spans need {needed} buckets, have {n_buckets} buckets");
        return refuse(
            place,
            format!("{need}: histogram spans specify different number of buckets than provided"),
        );
    }
    Ok(())
}

fn check_bounds(bounds: &[f64]) -> Result<(), HistogramError> {
    if bounds.iter().any(|it| it.is_nan()) {
        return refuse(CUSTOM, "histogram custom bounds must not be NaN".into());
    }
    let mut previous = f64::NEG_INFINITY;
    for bound in bounds {
        if *bound <= previous {
            let pair =
                format!("previous bound is {} and current is {}", fixed(previous), fixed(*bound));
            let rule = "histogram custom bounds must be in strictly increasing order";
            return refuse(CUSTOM, format!("{pair}: {rule}"));
        }
        previous = *bound;
    }
    if previous == f64::INFINITY {
        let rule = "histogram custom bounds must be finite";
        return refuse(CUSTOM, format!("last +Inf bound must not be explicitly defined: {rule}"));
    }
    Ok(())
}

/// Adds up buckets given as differences.
fn observations(place: &'static str, deltas: &[i64]) -> Result<u64, HistogramError> {
    let mut sum = 0u64;
    for (at, count) in counts(deltas).enumerate() {
        let Ok(count) = u64::try_from(count) else {
            return negative_bucket(place, at, &count.to_string());
        };
        sum = sum.wrapping_add(count);
    }
    Ok(sum)
}

fn negative_bucket<T>(place: &'static str, at: usize, count: &str) -> Result<T, HistogramError> {
    refuse(
        place,
        format!("bucket number {} has observation count of {count}: {NEGATIVE_BUCKET}", at + 1),
    )
}

/// Says why a schema is refused: it is known and must be reduced first, or is not known.
fn refused_schema(schema: i32) -> String {
    let (adjective, (min, max)) = if SCHEMA_KNOWN.contains(&schema) {
        ("invalid", (SCHEMA_MIN, SCHEMA_MAX))
    } else {
        ("unknown", (*SCHEMA_KNOWN.start(), *SCHEMA_KNOWN.end()))
    };
    format!(
        "histogram has an {adjective} schema, which must be between {min} and {max} for exponential buckets, \
         or {SCHEMA_CUSTOM} for custom buckets, got schema {schema}"
    )
}

/// Go's `%v` of a count.
fn text(v: f64) -> String {
    stdx::gofloat::format_g(v)
}

/// Go's `%f` of a bound.
fn fixed(v: f64) -> String {
    if v.is_infinite() { text(v) } else { format!("{v:.6}") }
}

#[cfg(test)]
mod tests;
