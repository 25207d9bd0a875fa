//! `tombstones`: deleted time intervals. Format: `docs/format/tombstones.md`.

use std::collections::BTreeMap;
use std::path::Path;

use stdx::{Directory, varint};

use crate::Error;
use crate::meta::replace_file;
use crate::take::take_u32;

/// The name of the file in the block's folder.
pub const TOMBSTONES_FILE: &str = "tombstones";

const MAGIC: u32 = 0x0130_BA30;
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 5;
const CRC_BYTES: usize = 4;

/// A closed time interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// First millisecond.
    pub mint: i64,
    /// Last millisecond.
    pub maxt: i64,
}

/// Intervals in ascending order that neither overlap nor touch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Intervals(Vec<Interval>);

impl Intervals {
    /// Adds an interval and joins it with those it overlaps or touches. One that ends before it starts
    /// is ignored.
    pub fn add(&mut self, new: Interval) {
        if new.maxt < new.mint {
            return;
        }
        let start = self.0.partition_point(|it| it.maxt.saturating_add(1) < new.mint);
        let end = self.0.partition_point(|it| it.mint.saturating_sub(1) <= new.maxt);
        let joined = self.0[start..end].iter().fold(new, |all, it| Interval {
            mint: all.mint.min(it.mint),
            maxt: all.maxt.max(it.maxt),
        });
        self.0.splice(start..end, [joined]);
    }

    /// The intervals, ascending.
    pub fn as_slice(&self) -> &[Interval] {
        &self.0
    }

    /// True if nothing is deleted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Removes all intervals.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// Removes the intervals that end before `t`.
    pub fn remove_before(&mut self, t: i64) {
        self.0.retain(|it| t <= it.maxt);
    }

    /// True if `t` lies in an interval.
    pub fn contains(&self, t: i64) -> bool {
        self.covers(t, t)
    }

    /// True if one interval holds all of `mint..=maxt`.
    pub fn covers(&self, mint: i64, maxt: i64) -> bool {
        let at = self.0.partition_point(|it| it.maxt < mint);
        self.0.get(at).is_some_and(|it| it.mint <= mint && maxt <= it.maxt)
    }

    /// True if some interval has a millisecond in common with `mint..=maxt`.
    pub fn overlaps(&self, mint: i64, maxt: i64) -> bool {
        let at = self.0.partition_point(|it| it.maxt < mint);
        self.0.get(at).is_some_and(|it| it.mint <= maxt)
    }
}

/// The deleted intervals of a block's series, by their number in the index.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tombstones(BTreeMap<u64, Intervals>);

impl Tombstones {
    /// Reads the file of the block in folder `block`; no file means nothing is deleted. Returns the
    /// size of the file too.
    ///
    /// # Errors
    /// If it cannot be read, or its bytes are wrong.
    pub fn read(dir: &dyn Directory, block: &Path) -> Result<(Self, u64), Error> {
        let path = block.join(TOMBSTONES_FILE);
        if !dir.exists(&path).map_err(Error::io(&path))? {
            return Ok((Self::default(), 0));
        }
        let bytes = dir.read(&path).map_err(Error::io(&path))?;
        let it = Self::decode(&bytes).map_err(|reason| Error::corrupt(&path, reason))?;
        Ok((it, bytes.len() as u64))
    }

    /// Replaces the file of the block in folder `block`: all of it or nothing.
    ///
    /// # Errors
    /// If the disk refuses.
    pub fn write(&self, dir: &dyn Directory, block: &Path) -> Result<(), Error> {
        replace_file(dir, &block.join(TOMBSTONES_FILE), &self.encode())
    }

    /// Marks `interval` of a series as deleted.
    pub fn add(&mut self, series: u64, interval: Interval) {
        if interval.mint <= interval.maxt {
            self.0.entry(series).or_default().add(interval);
        }
    }

    /// What is deleted of a series.
    pub fn get(&self, series: u64) -> Option<&Intervals> {
        self.0.get(&series)
    }

    /// The series of which something is deleted, ascending, and what.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Intervals)> {
        self.0.iter().map(|(series, it)| (*series, it))
    }

    /// True if nothing is deleted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Counts intervals over all series.
    pub fn n_intervals(&self) -> u64 {
        self.0.values().map(|it| it.0.len() as u64).sum()
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = MAGIC.to_be_bytes().to_vec();
        out.push(VERSION);
        for (series, intervals) in &self.0 {
            for it in &intervals.0 {
                varint::put_u64(&mut out, *series);
                varint::put_i64(&mut out, it.mint);
                varint::put_i64(&mut out, it.maxt);
            }
        }
        let crc = crc32c::crc32c(&out[HEAD_BYTES..]);
        out.extend_from_slice(&crc.to_be_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() < HEAD_BYTES + CRC_BYTES {
            return Err("invalid size".to_owned());
        }
        let (mut head, rest) = bytes.split_at(HEAD_BYTES);
        let (mut entries, mut crc) = rest.split_at(rest.len() - CRC_BYTES);
        match take_u32(&mut head) {
            Some(MAGIC) => {}
            other => return Err(format!("invalid magic number {:x}", other.unwrap_or(0))),
        }
        if head != [VERSION] {
            return Err(format!("invalid tombstone format {:x}", head[0]));
        }
        if take_u32(&mut crc) != Some(crc32c::crc32c(entries)) {
            return Err("checksum did not match".to_owned());
        }
        let mut all = Self::default();
        while !entries.is_empty() {
            let mut entry = || {
                let series = varint::take_u64(&mut entries)?;
                let mint = varint::take_i64(&mut entries)?;
                Some((series, Interval { mint, maxt: varint::take_i64(&mut entries)? }))
            };
            let (series, interval) = entry().ok_or("invalid size")?;
            all.add(series, interval);
        }
        Ok(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits
            .chunks(2)
            .map(|it| u8::from_str_radix(std::str::from_utf8(it).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn writes_the_known_bytes() {
        let mut it = Tombstones::default();
        assert_eq!(it.encode(), hex("0130BA30 01 00000000"));
        it.add(3, Interval { mint: 1_700_000_000_000, maxt: 1_700_000_015_000 });
        let bytes = hex("0130ba30 01 03 80a0abfef962 b08aadfef962 736e9c5e");
        assert_eq!(it.encode(), bytes);
        assert_eq!(Tombstones::decode(&bytes), Ok(it));
    }

    #[test]
    fn names_what_is_wrong() {
        for (bytes, reason) in [
            ("0130ba30 01 000000", "invalid size"),
            ("0130ba31 01 00000000", "invalid magic number 130ba31"),
            ("0130ba30 02 00000000", "invalid tombstone format 2"),
            ("0130ba30 01 03 00000000", "checksum did not match"),
        ] {
            assert_eq!(Tombstones::decode(&hex(bytes)), Err(reason.to_owned()));
        }
    }

    proptest! {
        #[test]
        fn intervals_equal_a_set(adds in prop::collection::vec((0i64..60, 0i64..8), 0..12)) {
            let (mut intervals, mut set) = (Intervals::default(), std::collections::BTreeSet::new());
            for (mint, len) in adds {
                intervals.add(Interval { mint, maxt: mint + len });
                set.extend(mint..=mint + len);
            }
            for t in -1..70 {
                prop_assert_eq!(intervals.contains(t), set.contains(&t));
                prop_assert_eq!(intervals.overlaps(t, t + 3), (t..=t + 3).any(|it| set.contains(&it)));
                prop_assert_eq!(intervals.covers(t, t + 3), (t..=t + 3).all(|it| set.contains(&it)));
            }
            prop_assert!(intervals.0.windows(2).all(|it| it[0].maxt + 1 < it[1].mint));
        }

        #[test]
        fn survives_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let mut framed = hex("0130ba30 01");
            framed.extend_from_slice(&bytes);
            framed.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
            if let Ok(it) = Tombstones::decode(&framed) {
                prop_assert_eq!(Tombstones::decode(&it.encode()), Ok(it));
            }
        }
    }
}
