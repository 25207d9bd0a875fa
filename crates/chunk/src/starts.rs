//! Start times inside bit streams: when the counting of a sample began.
//!
//! A byte before the stream says whether the first sample has one, and at which sample they first
//! changed. From that sample on each has one, relative to the time of the sample before it; those
//! between have that of the first sample.

use stdx::bits::{BitReader, BitWriter};

use crate::varbit::{put_signed, take_signed};
use crate::xor::take_signed_varint;

/// The header has seven bits for the position of the first change: it is written there at the latest.
const CHANGED_AT_MAX: usize = 0x7F;
const FIRST_KNOWN: u8 = 0x80;

/// How far the start times of a chunk are read or written.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Starts {
    /// The byte before the stream.
    pub(crate) header: u8,
    /// The start time of the last sample; 0 is none.
    pub(crate) last: i64,
    /// By how much it lies before the sample before that one.
    lag: i64,
}

impl Starts {
    pub(crate) fn new(header: u8) -> Self {
        Self { header, ..Self::default() }
    }

    /// Reads the start time of the first sample, which is at `t`.
    pub(crate) fn take_first(&mut self, bits: &mut BitReader<'_>, t: i64) {
        if self.header & FIRST_KNOWN != 0 {
            self.last = t.wrapping_sub(take_signed_varint(bits));
        }
    }

    /// Reads that of sample `at`, counted from 0; the sample before it is at `t_before`.
    pub(crate) fn take(&mut self, bits: &mut BitReader<'_>, at: usize, t_before: i64) {
        let changed_at = self.changed_at();
        if changed_at == 0 || at < changed_at {
            return;
        }
        // At the change the lag is 0 still.
        self.lag = self.lag.wrapping_add(take_signed(bits));
        self.last = t_before.wrapping_sub(self.lag);
    }

    /// Writes the start time of the first sample, which is at `t`.
    pub(crate) fn put_first(&mut self, bits: &mut BitWriter<'_>, t: i64, st: i64) {
        if st != 0 {
            self.header |= FIRST_KNOWN;
            let v = t.wrapping_sub(st);
            put_varint(bits, (v << 1 ^ v >> 63).cast_unsigned());
        }
        self.last = st;
    }

    /// Writes that of sample `at`, counted from 0; the sample before it is at `t_before`.
    pub(crate) fn put(&mut self, bits: &mut BitWriter<'_>, at: usize, t_before: i64, st: i64) {
        if self.changed_at() == 0 {
            if st == self.last && at != CHANGED_AT_MAX {
                return;
            }
            self.header |= u8::try_from(at).expect("a change is written at 127 at the latest");
        }
        let lag = t_before.wrapping_sub(st);
        put_signed(bits, lag.wrapping_sub(self.lag));
        (self.lag, self.last) = (lag, st);
    }

    fn changed_at(&self) -> usize {
        usize::from(self.header & !FIRST_KNOWN)
    }
}

/// Writes an unsigned LEB128 number.
pub(crate) fn put_varint(bits: &mut BitWriter<'_>, mut v: u64) {
    while 0x80 <= v {
        bits.put(v & 0x7F | 0x80, 8);
        v >>= 7;
    }
    bits.put(v, 8);
}

/// Adds a start time to a column beside one of times that is `n` long. The column stays empty as long as
/// there is none.
pub(crate) fn push(column: &mut Vec<i64>, n: usize, st: i64) {
    if st != 0 || !column.is_empty() {
        column.resize(n, 0);
        column.push(st);
    }
}

/// Adds nothing to a column beside one of times that is `n` long.
pub(crate) fn pad(column: &mut Vec<i64>, n: usize) {
    if !column.is_empty() {
        column.resize(n, 0);
    }
}
