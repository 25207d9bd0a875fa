//! The records of a snapshot.

use model::{FloatHistogram, Histogram, Labels, SeriesRef};
use stdx::varint::{put_i64, put_u64};

use crate::record::fields::{
    SHORT, put_bytes, put_labels, take_8, take_byte, take_bytes, take_float, take_labels,
    take_signed, take_unsigned,
};
use crate::record::{self, DecodeError, HistogramBody, RefExemplar, Tombstone};

const SERIES: u8 = 1;
const TOMBSTONES: u8 = 2;
const EXEMPLARS: u8 = 3;

/// Version of the tombstones' encoding.
const TOMBSTONES_VERSION: u8 = 1;

/// Zeros before the last float: samples that older writers kept there.
const UNUSED_BYTES: usize = 7 * 8;

/// One record of a snapshot.
#[derive(Debug, PartialEq)]
#[expect(clippy::large_enum_variant, reason = "nearly all are series, and they come one by one")]
pub enum Entry<'a> {
    /// A series.
    Series(SeriesEntry<'a>),
    /// All deleted ranges.
    Tombstones(Vec<Tombstone>),
    /// Some exemplars.
    Exemplars(Vec<RefExemplar>),
}

/// A series and its newest chunk, if it is in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesEntry<'a> {
    /// Its reference in the log.
    pub series: SeriesRef,
    /// Its labels.
    pub labels: Labels,
    /// Its newest chunk.
    pub chunk: Option<NewestChunk<'a>>,
}

/// The chunk that was open when the snapshot was made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewestChunk<'a> {
    /// Time of its first sample.
    pub mint: i64,
    /// Time of its last sample.
    pub maxt: i64,
    /// The byte of its encoding.
    pub encoding: u8,
    /// Its bytes.
    pub data: &'a [u8],
    /// Its last value.
    pub last: Last,
}

/// The last value of a chunk.
#[derive(Clone, Debug, PartialEq)]
pub enum Last {
    /// Encodings 1 and 4.
    Float(f64),
    /// Encodings 2 and 5.
    Histogram(Histogram),
    /// Encodings 3 and 6.
    FloatHistogram(FloatHistogram),
}

/// Reads one record. A snapshot with a record that is not known is not to be used: there is no telling what
/// it leaves out.
///
/// # Errors
/// If the record is of no known kind, or its bytes are wrong.
pub fn decode(record: &[u8]) -> Result<Entry<'_>, DecodeError> {
    let (kind, mut body) = record.split_first().ok_or(SHORT)?;
    let entry = match *kind {
        SERIES => Entry::Series(take_series(&mut body)?),
        TOMBSTONES => Entry::Tombstones(take_tombstones(&mut body)?),
        EXEMPLARS => {
            let mut all = Vec::new();
            record::exemplars(std::mem::take(&mut body), |it| all.push(it))?;
            Entry::Exemplars(all)
        }
        _ => return Err(DecodeError { rule: "unknown record in a snapshot" }),
    };
    if body.is_empty() { Ok(entry) } else { Err(DecodeError { rule: "bytes behind a record" }) }
}

/// Writes the record of a series.
pub fn put_series(out: &mut Vec<u8>, it: &SeriesEntry<'_>) {
    out.clear();
    out.push(SERIES);
    out.extend_from_slice(&it.series.0.to_be_bytes());
    put_labels(out, &it.labels);
    out.extend_from_slice(&[0; 8]);
    put_u64(out, u64::from(it.chunk.is_some()));
    let Some(chunk) = &it.chunk else { return };
    out.extend_from_slice(&chunk.mint.to_be_bytes());
    out.extend_from_slice(&chunk.maxt.to_be_bytes());
    out.push(chunk.encoding);
    put_bytes(out, chunk.data);
    match &chunk.last {
        Last::Float(v) => {
            out.extend_from_slice(&[0; UNUSED_BYTES]);
            out.extend_from_slice(&v.to_bits().to_be_bytes());
        }
        Last::Histogram(it) => it.put(out),
        Last::FloatHistogram(it) => it.put(out),
    }
}

/// Writes the record of all deleted ranges; a snapshot has one, even if there are none.
pub fn put_tombstones(out: &mut Vec<u8>, all: impl IntoIterator<Item = Tombstone>) {
    out.clear();
    out.push(TOMBSTONES);
    let mut entries = vec![TOMBSTONES_VERSION];
    for it in all {
        put_u64(&mut entries, it.series.0);
        put_i64(&mut entries, it.mint);
        put_i64(&mut entries, it.maxt);
    }
    put_bytes(out, &entries);
}

/// Writes a record of exemplars, of which there must be some; upstream puts 10,000 into one at most.
pub fn put_exemplars<'a>(out: &mut Vec<u8>, all: impl IntoIterator<Item = &'a RefExemplar>) {
    record::put_exemplars(out, all);
    out[0] = EXEMPLARS;
}

fn take_series<'a>(body: &mut &'a [u8]) -> Result<SeriesEntry<'a>, DecodeError> {
    let series = SeriesRef(u64::from_be_bytes(take_8(body)?));
    let labels = take_labels(body)?;
    // The range of chunks, which older writers kept here.
    take_8(body)?;
    let chunk = match take_unsigned(body)? {
        0 => None,
        _ => Some(take_chunk(body)?),
    };
    Ok(SeriesEntry { series, labels, chunk })
}

fn take_chunk<'a>(body: &mut &'a [u8]) -> Result<NewestChunk<'a>, DecodeError> {
    let mint = i64::from_be_bytes(take_8(body)?);
    let maxt = i64::from_be_bytes(take_8(body)?);
    let encoding = take_byte(body)?;
    let data = take_bytes(body)?;
    let last = match encoding {
        1 | 4 => {
            *body = body.get(UNUSED_BYTES..).ok_or(SHORT)?;
            Last::Float(take_float(body)?)
        }
        2 | 5 => Last::Histogram(Histogram::take(body)?),
        3 | 6 => Last::FloatHistogram(FloatHistogram::take(body)?),
        _ => return Err(DecodeError { rule: "unknown chunk encoding in a snapshot" }),
    };
    Ok(NewestChunk { mint, maxt, encoding, data, last })
}

fn take_tombstones(body: &mut &[u8]) -> Result<Vec<Tombstone>, DecodeError> {
    let mut entries = take_bytes(body)?;
    if take_byte(&mut entries)? != TOMBSTONES_VERSION {
        return Err(DecodeError { rule: "unknown version of tombstones in a snapshot" });
    }
    let mut all = Vec::new();
    while !entries.is_empty() {
        let series = SeriesRef(take_unsigned(&mut entries)?);
        let mint = take_signed(&mut entries)?;
        all.push(Tombstone { series, mint, maxt: take_signed(&mut entries)? });
    }
    Ok(all)
}
