//! Floats, with and without start times.

use model::SeriesRef;
use stdx::varint::put_i64;

use super::fields::{put_base, take_base, take_byte, take_float, take_signed};
use super::{DecodeError, Kind, start};

/// One float in the log.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RefSample {
    /// Its series.
    pub series: SeriesRef,
    /// Milliseconds since the epoch.
    pub t: i64,
    /// The value.
    pub v: f64,
}

/// Writes a whole samples record; `samples` must not be empty.
pub fn put_samples(out: &mut Vec<u8>, samples: impl IntoIterator<Item = RefSample>) {
    start(Kind::Samples, out);
    let mut base = None;
    for RefSample { series, t, v } in samples {
        let (base_ref, base_t) = *base.get_or_insert_with(|| put_base(out, series, t));
        put_i64(out, series.0.wrapping_sub(base_ref).cast_signed());
        put_i64(out, t.wrapping_sub(base_t));
        out.extend_from_slice(&v.to_bits().to_be_bytes());
    }
}

/// Walks a samples record.
///
/// # Errors
/// As [`super::series`].
pub fn samples(mut body: &[u8], mut each: impl FnMut(RefSample)) -> Result<(), DecodeError> {
    if body.is_empty() {
        return Ok(());
    }
    let (base_ref, base_t) = take_base(&mut body)?;
    while !body.is_empty() {
        let series = SeriesRef(base_ref.wrapping_add_signed(take_signed(&mut body)?));
        let t = base_t.wrapping_add(take_signed(&mut body)?);
        each(RefSample { series, t, v: take_float(&mut body)? });
    }
    Ok(())
}

/// Writes a whole record of samples and their start times, 0 being none.
pub fn put_samples_v2(out: &mut Vec<u8>, samples: impl IntoIterator<Item = (RefSample, i64)>) {
    start(Kind::SamplesV2, out);
    let mut places = Places::default();
    for (RefSample { series, t, v }, st) in samples {
        places.put(out, Place { series, t, st });
        out.extend_from_slice(&v.to_bits().to_be_bytes());
    }
}

/// Walks a record of samples with start times; hands each over with its own, 0 being none.
///
/// # Errors
/// As [`super::series`].
pub fn samples_v2(
    mut body: &[u8],
    mut each: impl FnMut(RefSample, i64),
) -> Result<(), DecodeError> {
    let mut places = Places::default();
    while !body.is_empty() {
        let Place { series, t, st } = places.take(&mut body)?;
        each(RefSample { series, t, v: take_float(&mut body)? }, st);
    }
    Ok(())
}

/// Whose sample it is, and when: what precedes the value in the newer records.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) series: SeriesRef,
    pub(super) t: i64,
    /// Start time; 0 is none.
    pub(super) st: i64,
}

/// What the next place in a record is told against.
#[derive(Default)]
pub(super) struct Places {
    first_t: i64,
    first_st: i64,
    before: Option<Place>,
}

const NO_START: u8 = 0;
const SAME_START: u8 = 1;
const OTHER_START: u8 = 2;

impl Places {
    pub(super) fn put(&mut self, out: &mut Vec<u8>, it: Place) {
        match self.before.replace(it) {
            None => {
                (self.first_t, self.first_st) = (it.t, it.st);
                put_i64(out, it.series.0.cast_signed());
                put_i64(out, it.t);
                put_i64(out, it.st);
            }
            Some(before) => {
                put_i64(out, it.series.0.wrapping_sub(before.series.0).cast_signed());
                put_i64(out, it.t.wrapping_sub(self.first_t));
                match it.st {
                    0 => out.push(NO_START),
                    st if st == before.st => out.push(SAME_START),
                    st => {
                        out.push(OTHER_START);
                        put_i64(out, st.wrapping_sub(self.first_st));
                    }
                }
            }
        }
    }

    pub(super) fn take(&mut self, body: &mut &[u8]) -> Result<Place, DecodeError> {
        let series = take_signed(body)?.cast_unsigned();
        let t = take_signed(body)?;
        let place = match self.before {
            None => {
                let st = take_signed(body)?;
                (self.first_t, self.first_st) = (t, st);
                Place { series: SeriesRef(series), t, st }
            }
            Some(before) => {
                let st = match take_byte(body)? {
                    NO_START => 0,
                    SAME_START => before.st,
                    _ => self.first_st.wrapping_add(take_signed(body)?),
                };
                let series = SeriesRef(before.series.0.wrapping_add(series));
                Place { series, t: self.first_t.wrapping_add(t), st }
            }
        };
        self.before = Some(place);
        Ok(place)
    }
}
