//! The fields that entries are made of.

use model::{Labels, SeriesRef};
use stdx::varint::{put_u64, take_i64, take_u64};

use super::DecodeError;

pub(crate) const SHORT: DecodeError = DecodeError { rule: "record ends within an entry" };

pub(crate) fn put_base(out: &mut Vec<u8>, series: SeriesRef, t: i64) -> (u64, i64) {
    out.extend_from_slice(&series.0.to_be_bytes());
    out.extend_from_slice(&t.to_be_bytes());
    (series.0, t)
}

pub(crate) fn take_base(body: &mut &[u8]) -> Result<(u64, i64), DecodeError> {
    Ok((u64::from_be_bytes(take_8(body)?), i64::from_be_bytes(take_8(body)?)))
}

pub(crate) fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_u64(out, labels.len() as u64);
    for (name, value) in labels.iter_bytes() {
        put_bytes(out, name);
        put_bytes(out, value);
    }
}

/// Label text that is not UTF-8 (written by a program that did not check) has its bad bytes replaced.
pub(crate) fn take_labels(body: &mut &[u8]) -> Result<Labels, DecodeError> {
    let n = take_unsigned(body)?;
    let mut pairs = Vec::with_capacity(usize::try_from(n).unwrap_or(0).min(64));
    for _ in 0..n {
        let name = String::from_utf8_lossy(take_bytes(body)?);
        pairs.push((name, String::from_utf8_lossy(take_bytes(body)?)));
    }
    if pairs.is_sorted_by(|a, b| a.0 < b.0) {
        return Ok(Labels::from_sorted(pairs.iter().map(|(name, value)| (&**name, &**value))));
    }
    Ok(Labels::from_pairs(pairs))
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn take_bytes<'a>(body: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let len = usize::try_from(take_unsigned(body)?).map_err(|_| SHORT)?;
    let (bytes, rest) = body.split_at_checked(len).ok_or(SHORT)?;
    *body = rest;
    Ok(bytes)
}

pub(crate) fn take_byte(body: &mut &[u8]) -> Result<u8, DecodeError> {
    let (byte, rest) = body.split_first().ok_or(SHORT)?;
    *body = rest;
    Ok(*byte)
}

pub(crate) fn take_8(body: &mut &[u8]) -> Result<[u8; 8], DecodeError> {
    let (bytes, rest) = body.split_first_chunk().ok_or(SHORT)?;
    *body = rest;
    Ok(*bytes)
}

pub(crate) fn take_float(body: &mut &[u8]) -> Result<f64, DecodeError> {
    Ok(f64::from_bits(u64::from_be_bytes(take_8(body)?)))
}

pub(crate) fn take_signed(body: &mut &[u8]) -> Result<i64, DecodeError> {
    take_i64(body).ok_or(SHORT)
}

pub(crate) fn take_unsigned(body: &mut &[u8]) -> Result<u64, DecodeError> {
    take_u64(body).ok_or(SHORT)
}
