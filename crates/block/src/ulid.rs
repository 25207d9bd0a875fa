//! Names of blocks: 48 bits of milliseconds, 80 random bits, as 26 characters that sort by time.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names a block. Sorts by time of creation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ulid(u128);

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LEN: usize = 26;

impl Ulid {
    /// The name without time and chance: the parent that stands for no block.
    pub const ZERO: Self = Self(0);

    /// Builds a name from the time in milliseconds and 80 random bits; higher bits of `random` are
    /// dropped.
    pub fn new(now_ms: i64, random: u128) -> Self {
        let ms = u128::from(now_ms.max(0).cast_unsigned() & 0xFFFF_FFFF_FFFF);
        Self(ms << 80 | random & ((1 << 80) - 1))
    }

    /// Reads the 26 characters, in either case. `None` for anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.as_bytes();
        if text.len() != LEN || b'7' < text[0] {
            return None;
        }
        let mut v = 0;
        for byte in text {
            let digit = ALPHABET.iter().position(|it| *it == byte.to_ascii_uppercase())?;
            v = v << 5 | digit as u128;
        }
        Some(Self(v))
    }

    /// The milliseconds it was built from.
    pub fn time_ms(self) -> i64 {
        i64::try_from(self.0 >> 80).expect("48 bits")
    }
}

impl fmt::Display for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; LEN];
        for (i, byte) in text.iter_mut().enumerate() {
            *byte = ALPHABET[(self.0 >> (5 * (LEN - 1 - i)) & 31) as usize];
        }
        f.pad(std::str::from_utf8(&text).expect("the alphabet is ASCII"))
    }
}

impl fmt::Debug for Ulid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Ulid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Ulid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text)
            .ok_or_else(|| serde::de::Error::custom(format!("{text:?} is not a ULID")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes() {
        let ulid = Ulid::parse("01BZJ9WJQPWHGNC2W4J9TA62KC").unwrap();
        assert_eq!(ulid.to_string(), "01BZJ9WJQPWHGNC2W4J9TA62KC");
        assert_eq!(ulid.time_ms(), 1_511_369_100_022);
        assert_eq!(Ulid::new(ulid.time_ms(), ulid.0), ulid);
        assert_eq!(Ulid::ZERO.to_string(), "0".repeat(26));
        assert_eq!(Ulid(u128::MAX).to_string(), "7ZZZZZZZZZZZZZZZZZZZZZZZZZ");
        for bad in [
            "",
            "01BZJ9WJQPWHGNC2W4J9TA62K",
            "81BZJ9WJQPWHGNC2W4J9TA62KC",
            "01BZJ9WJQPWHGNC2W4J9TA62KU",
            "01BZJ9WJQPWHGNC2W4J9TA62é",
        ] {
            assert_eq!(Ulid::parse(bad), None, "{bad}");
        }
    }
}
