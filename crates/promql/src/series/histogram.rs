//! Native histograms in the notation of test files: `{{schema:1 sum:5 buckets:[1 2] offset:-1}}`.

use model::{CounterResetHint, FloatHistogram, Span};

use super::Reader;
use crate::error::ParseError;
use crate::lex::quote_char;

/// What was read so far.
#[derive(Default)]
struct Description {
    histogram: FloatHistogram,
    offset: i32,
    negative_offset: i32,
    keys: Vec<String>,
}

/// Reads `{{…}}`. Returns the histogram, and whether a counter reset hint was given.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(FloatHistogram, bool), ParseError> {
    let start = reader.pos;
    if !reader.input[start..].starts_with("{{") {
        return Err(reader.unexpected(""));
    }
    reader.pos += 2;
    let mut it = Description::default();
    while !reader.input[reader.pos..].starts_with("}}") {
        entry(reader, &mut it)?;
        if !reader.skip_blank() && !reader.input[reader.pos..].starts_with("}}") {
            return Err(incomplete(reader));
        }
    }
    reader.pos += 2;
    let Description { mut histogram, offset, negative_offset, keys } = it;
    histogram.positive_spans = spans(offset, histogram.positive_buckets.len());
    histogram.negative_spans = spans(negative_offset, histogram.negative_buckets.len());
    Ok((histogram, keys.iter().any(|it| it == "counter_reset_hint")))
}

fn entry(reader: &mut Reader<'_>, it: &mut Description) -> Result<(), ParseError> {
    let start = reader.pos;
    let key = reader.word().to_owned();
    if key.is_empty() {
        return Err(incomplete(reader));
    }
    if it.keys.contains(&key) {
        return Err(
            reader.error(start, format!("duplicate key {} in histogram", model::quote(&key)))
        );
    }
    if reader.peek() != Some(b':') {
        return Err(reader.error(reader.pos, "missing `:` for histogram descriptor"));
    }
    reader.pos += 1;
    let histogram = &mut it.histogram;
    match key.as_str() {
        "schema" => histogram.schema = integer(reader)?,
        "sum" => histogram.sum = reader.float()?,
        "count" => histogram.count = reader.float()?,
        "z_bucket" => histogram.zero_count = reader.float()?,
        "z_bucket_w" => histogram.zero_threshold = reader.float()?,
        "buckets" => histogram.positive_buckets = list(reader)?,
        "n_buckets" => histogram.negative_buckets = list(reader)?,
        "custom_values" => histogram.custom_values = list(reader)?,
        "offset" => it.offset = integer(reader)?,
        "n_offset" => it.negative_offset = integer(reader)?,
        "counter_reset_hint" => histogram.hint = hint(reader)?,
        _ => {
            return Err(reader
                .error(start, format!("bad histogram descriptor found: {}", model::quote(&key))));
        }
    }
    it.keys.push(key);
    Ok(())
}

fn integer(reader: &mut Reader<'_>) -> Result<i32, ParseError> {
    let start = reader.pos;
    let v = reader.float()?;
    #[expect(clippy::cast_possible_truncation, reason = "compared with the float again")]
    let whole = v as i32;
    if f64::from(whole) == v {
        Ok(whole)
    } else {
        Err(reader.error(start, format!("a whole number is needed, got {v}")))
    }
}

fn list(reader: &mut Reader<'_>) -> Result<Vec<f64>, ParseError> {
    let wrong = |reader: &Reader<'_>| match reader.input[reader.pos..].chars().next() {
        Some(c) => reader.error(
            reader.pos,
            format!("invalid character in buckets description: {}", quote_char(c)),
        ),
        None => incomplete(reader),
    };
    if reader.peek() != Some(b'[') {
        return Err(wrong(reader));
    }
    reader.pos += 1;
    let mut out = Vec::new();
    loop {
        match reader.peek() {
            Some(b'0'..=b'9' | b'.' | b'-' | b'a'..=b'z' | b'A'..=b'Z') => {
                out.push(reader.float()?)
            }
            _ => return Err(wrong(reader)),
        }
        reader.skip_blank();
        if reader.peek() == Some(b']') {
            reader.pos += 1;
            return Ok(out);
        }
    }
}

fn hint(reader: &mut Reader<'_>) -> Result<CounterResetHint, ParseError> {
    let start = reader.pos;
    match reader.word() {
        "unknown" => Ok(CounterResetHint::Unknown),
        "reset" => Ok(CounterResetHint::Reset),
        "not_reset" => Ok(CounterResetHint::NotReset),
        "gauge" => Ok(CounterResetHint::Gauge),
        word => {
            let text = format!("bad histogram descriptor found: {}", model::quote(word));
            Err(reader.error(start, text))
        }
    }
}

fn spans(offset: i32, buckets: usize) -> Vec<Span> {
    match u32::try_from(buckets) {
        Ok(length @ 1..) => vec![Span { offset, length }],
        _ => Vec::new(),
    }
}

fn incomplete(reader: &Reader<'_>) -> ParseError {
    let next =
        reader.input[reader.pos..].chars().next().map_or_else(String::new, |it| it.to_string());
    reader.error(
        reader.pos,
        format!("histogram description incomplete unexpected: {}", model::quote(&next)),
    )
}
