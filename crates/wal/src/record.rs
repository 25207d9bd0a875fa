//! What records hold: series, samples, histograms, tombstones, exemplars, metadata, markers.
//!
//! A record is a type byte and a body of entries of that type. Encoders of one entry append to a buffer
//! that starts with [`start`]; encoders of a whole record empty it themselves. Decoders walk the entries
//! and hand each to a closure; a float costs no allocation.

pub(crate) mod fields;
mod histograms;
mod samples;

use std::fmt;

use model::{FloatHistogram, Histogram, Labels, Metadata, MetricType, SeriesRef};
use stdx::varint::{put_i64, put_u64};

use fields::{
    put_base, put_bytes, put_labels, take_8, take_base, take_byte, take_bytes, take_float,
    take_labels, take_signed, take_unsigned,
};
pub use histograms::{HistogramBody, RefHistogram, histograms, put_histograms, put_histograms_v2};
pub use samples::{RefSample, put_samples, put_samples_v2, samples, samples_v2};

/// What a record holds; its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// References and their labels.
    Series = 1,
    /// Floats.
    Samples = 2,
    /// Deleted ranges.
    Tombstones = 3,
    /// Exemplars.
    Exemplars = 4,
    /// Where out-of-order chunks were mapped (log of out-of-order samples only).
    MmapMarkers = 5,
    /// Type, unit and help.
    Metadata = 6,
    /// Native histograms with integer counts.
    Histograms = 7,
    /// Native histograms with float counts.
    FloatHistograms = 8,
    /// As `Histograms`, with custom bounds.
    CustomHistograms = 9,
    /// As `FloatHistograms`, with custom bounds.
    CustomFloatHistograms = 10,
    /// Floats with start timestamps.
    SamplesV2 = 11,
    /// As `Histograms`, with start timestamps.
    HistogramsV2 = 12,
    /// As `FloatHistograms`, with start timestamps.
    FloatHistogramsV2 = 13,
}

const KINDS: [Kind; 13] = [
    Kind::Series,
    Kind::Samples,
    Kind::Tombstones,
    Kind::Exemplars,
    Kind::MmapMarkers,
    Kind::Metadata,
    Kind::Histograms,
    Kind::FloatHistograms,
    Kind::CustomHistograms,
    Kind::CustomFloatHistograms,
    Kind::SamplesV2,
    Kind::HistogramsV2,
    Kind::FloatHistogramsV2,
];

/// A known record with undecodable bytes. Its checksum was right, so whoever wrote it was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub rule: &'static str,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule)
    }
}

impl std::error::Error for DecodeError {}

/// A deleted range of a series, closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tombstone {
    /// Its series.
    pub series: SeriesRef,
    /// First deleted time.
    pub mint: i64,
    /// Last deleted time.
    pub maxt: i64,
}

/// Where the out-of-order samples of a series logged so far were mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmapMarker {
    /// Its series.
    pub series: SeriesRef,
    /// The last chunk written: number of the head chunk file above 32 bits of offset. 0 if none was.
    pub chunk: u64,
}

/// One exemplar in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct RefExemplar {
    /// Its series.
    pub series: SeriesRef,
    /// Milliseconds since the epoch.
    pub t: i64,
    /// The observed value.
    pub v: f64,
    /// Labels of the exemplar.
    pub labels: Labels,
}

/// Splits a record into what it holds and its body. `None` for a type that is not known: such records
/// are passed over.
pub fn split(record: &[u8]) -> Option<(Kind, &[u8])> {
    let (first, body) = record.split_first()?;
    let kind = KINDS.get(usize::from(*first).checked_sub(1)?)?;
    Some((*kind, body))
}

/// Decodes a record for its errors only; one of an unknown type has none.
///
/// # Errors
/// As the decoder of its kind.
pub fn check(record: &[u8]) -> Result<(), DecodeError> {
    let Some((kind, body)) = split(record) else { return Ok(()) };
    match kind {
        Kind::Series => series(body, |_, _| ()),
        Kind::Samples => samples(body, |_| ()),
        Kind::Tombstones => tombstones(body, |_| ()),
        Kind::Exemplars => exemplars(body, |_| ()),
        Kind::MmapMarkers => mmap_markers(body, |_| ()),
        Kind::Metadata => metadata(body, |_, _| ()),
        Kind::SamplesV2 => samples_v2(body, |_, _| ()),
        Kind::Histograms | Kind::CustomHistograms | Kind::HistogramsV2 => {
            histograms(kind, body, |_: RefHistogram<Histogram>| ()).map(drop)
        }
        Kind::FloatHistograms | Kind::CustomFloatHistograms | Kind::FloatHistogramsV2 => {
            histograms(kind, body, |_: RefHistogram<FloatHistogram>| ()).map(drop)
        }
    }
}

/// Begins a record in `out`, which is emptied.
pub fn start(kind: Kind, out: &mut Vec<u8>) {
    out.clear();
    out.push(kind as u8);
}

/// Appends an entry to a series record.
pub fn put_series(out: &mut Vec<u8>, series: SeriesRef, labels: &Labels) {
    out.extend_from_slice(&series.0.to_be_bytes());
    put_labels(out, labels);
}

/// Walks a series record.
///
/// # Errors
/// If the body does not end at an entry's end; entries before were handed over.
pub fn series(mut body: &[u8], mut each: impl FnMut(SeriesRef, Labels)) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let series = SeriesRef(u64::from_be_bytes(take_8(&mut body)?));
        each(series, take_labels(&mut body)?);
    }
    Ok(())
}

/// Appends an entry to a tombstones record.
pub fn put_tombstone(out: &mut Vec<u8>, it: Tombstone) {
    out.extend_from_slice(&it.series.0.to_be_bytes());
    put_i64(out, it.mint);
    put_i64(out, it.maxt);
}

/// Walks a tombstones record.
///
/// # Errors
/// As [`series`].
pub fn tombstones(mut body: &[u8], mut each: impl FnMut(Tombstone)) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let series = SeriesRef(u64::from_be_bytes(take_8(&mut body)?));
        let mint = take_signed(&mut body)?;
        each(Tombstone { series, mint, maxt: take_signed(&mut body)? });
    }
    Ok(())
}

/// Appends an entry to a record of markers.
pub fn put_mmap_marker(out: &mut Vec<u8>, it: MmapMarker) {
    out.extend_from_slice(&it.series.0.to_be_bytes());
    out.extend_from_slice(&it.chunk.to_be_bytes());
}

/// Walks a record of markers.
///
/// # Errors
/// As [`series`].
pub fn mmap_markers(mut body: &[u8], mut each: impl FnMut(MmapMarker)) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let series = SeriesRef(u64::from_be_bytes(take_8(&mut body)?));
        each(MmapMarker { series, chunk: u64::from_be_bytes(take_8(&mut body)?) });
    }
    Ok(())
}

/// Writes a whole exemplars record; `exemplars` must not be empty.
pub fn put_exemplars<'a>(out: &mut Vec<u8>, exemplars: impl IntoIterator<Item = &'a RefExemplar>) {
    start(Kind::Exemplars, out);
    let mut base = None;
    for it in exemplars {
        let (base_ref, base_t) = *base.get_or_insert_with(|| put_base(out, it.series, it.t));
        put_i64(out, it.series.0.wrapping_sub(base_ref).cast_signed());
        put_i64(out, it.t.wrapping_sub(base_t));
        out.extend_from_slice(&it.v.to_bits().to_be_bytes());
        put_labels(out, &it.labels);
    }
}

/// Walks an exemplars record.
///
/// # Errors
/// As [`series`].
pub fn exemplars(mut body: &[u8], mut each: impl FnMut(RefExemplar)) -> Result<(), DecodeError> {
    if body.is_empty() {
        return Ok(());
    }
    let (base_ref, base_t) = take_base(&mut body)?;
    while !body.is_empty() {
        let series = SeriesRef(base_ref.wrapping_add_signed(take_signed(&mut body)?));
        let t = base_t.wrapping_add(take_signed(&mut body)?);
        let v = take_float(&mut body)?;
        each(RefExemplar { series, t, v, labels: take_labels(&mut body)? });
    }
    Ok(())
}

/// The order of types in metadata records.
const METRIC_TYPES: [MetricType; 8] = [
    MetricType::Unknown,
    MetricType::Counter,
    MetricType::Gauge,
    MetricType::Histogram,
    MetricType::GaugeHistogram,
    MetricType::Summary,
    MetricType::Info,
    MetricType::StateSet,
];

/// Appends an entry to a metadata record.
pub fn put_metadata(out: &mut Vec<u8>, series: SeriesRef, metadata: &Metadata) {
    put_u64(out, series.0);
    let kind = METRIC_TYPES.iter().position(|it| *it == metadata.kind).unwrap_or(0);
    out.push(kind.to_le_bytes()[0]);
    put_u64(out, 2);
    for (name, value) in [("UNIT", &metadata.unit), ("HELP", &metadata.help)] {
        put_bytes(out, name.as_bytes());
        put_bytes(out, value.as_bytes());
    }
}

/// Walks a metadata record. Fields that are not known are passed over.
///
/// # Errors
/// As [`series`].
pub fn metadata(
    mut body: &[u8],
    mut each: impl FnMut(SeriesRef, Metadata),
) -> Result<(), DecodeError> {
    while !body.is_empty() {
        let series = SeriesRef(take_unsigned(&mut body)?);
        let kind =
            METRIC_TYPES.get(usize::from(take_byte(&mut body)?)).copied().unwrap_or_default();
        let mut read = Metadata { kind, ..Metadata::default() };
        for _ in 0..take_unsigned(&mut body)? {
            let name = take_bytes(&mut body)?;
            let value = String::from_utf8_lossy(take_bytes(&mut body)?);
            match name {
                b"UNIT" => read.unit = value.into_owned(),
                b"HELP" => read.help = value.into_owned(),
                _ => {}
            }
        }
        each(series, read);
    }
    Ok(())
}
