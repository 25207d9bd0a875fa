//! The protobuf wire format: fields of a message, read where they lie.
//!
//! <https://protobuf.dev/programming-guides/encoding>

use stdx::varint::take_u64;

/// What stands in a field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    /// Integers and booleans.
    Varint(u64),
    /// `double`, `fixed64`.
    Bits64(u64),
    /// `float`, `fixed32`.
    Bits32,
    /// Messages, strings, packed numbers.
    Bytes(&'a [u8]),
}

/// Why a message cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WireError {
    /// It ends within a field.
    Truncated,
    /// A field of a kind that there is not, or that is no longer used.
    Kind,
    /// A field number of 0, or beyond 29 bits.
    Number,
}

impl WireError {
    pub(crate) fn text(self) -> String {
        match self {
            Self::Truncated => "unexpected EOF",
            Self::Kind => "proto: illegal wireType",
            Self::Number => "proto: illegal tag",
        }
        .to_owned()
    }
}

/// The fields of a message that are still to be read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// Takes the next field with its number; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<(u32, Field<'a>)>, WireError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let tag = take_u64(&mut self.0).ok_or(WireError::Truncated)?;
        let number = u32::try_from(tag >> 3).ok().filter(|it| (1..1 << 29).contains(it));
        let number = number.ok_or(WireError::Number)?;
        let field = match tag & 7 {
            0 => Field::Varint(take_u64(&mut self.0).ok_or(WireError::Truncated)?),
            1 => {
                let (bits, rest) = self.0.split_first_chunk().ok_or(WireError::Truncated)?;
                self.0 = rest;
                Field::Bits64(u64::from_le_bytes(*bits))
            }
            2 => Field::Bytes(self.delimited()?),
            5 => {
                self.0 = self.0.get(4..).ok_or(WireError::Truncated)?;
                Field::Bits32
            }
            _ => return Err(WireError::Kind),
        };
        Ok(Some((number, field)))
    }

    /// Takes bytes that their length precedes.
    pub(crate) fn delimited(&mut self) -> Result<&'a [u8], WireError> {
        let len = take_u64(&mut self.0).ok_or(WireError::Truncated)?;
        let len = usize::try_from(len).map_err(|_| WireError::Truncated)?;
        let (bytes, rest) = self.0.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// Hands each field to `each`.
    pub(crate) fn for_each(
        mut self,
        mut each: impl FnMut(u32, Field<'a>) -> Result<(), WireError>,
    ) -> Result<(), WireError> {
        while let Some((number, field)) = self.next()? {
            each(number, field)?;
        }
        Ok(())
    }
}

impl<'a> Field<'a> {
    /// The bytes of a message or a string.
    pub(crate) fn bytes(self) -> Result<&'a [u8], WireError> {
        match self {
            Self::Bytes(it) => Ok(it),
            _ => Err(WireError::Kind),
        }
    }

    pub(crate) fn number(self) -> Result<u64, WireError> {
        match self {
            Self::Varint(it) => Ok(it),
            _ => Err(WireError::Kind),
        }
    }

    pub(crate) fn double(self) -> Result<f64, WireError> {
        match self {
            Self::Bits64(it) => Ok(f64::from_bits(it)),
            _ => Err(WireError::Kind),
        }
    }

    /// Hands each number of a repeated integer field to `each`, packed or not.
    pub(crate) fn numbers(self, mut each: impl FnMut(u64)) -> Result<(), WireError> {
        let Self::Bytes(mut packed) = self else {
            each(self.number()?);
            return Ok(());
        };
        while !packed.is_empty() {
            each(take_u64(&mut packed).ok_or(WireError::Truncated)?);
        }
        Ok(())
    }

    /// As [`Field::numbers`], for a repeated `double`.
    pub(crate) fn doubles(self, mut each: impl FnMut(f64)) -> Result<(), WireError> {
        let Self::Bytes(packed) = self else {
            each(self.double()?);
            return Ok(());
        };
        let (all, rest) = packed.as_chunks();
        all.iter().for_each(|it| each(f64::from_le_bytes(*it)));
        if rest.is_empty() { Ok(()) } else { Err(WireError::Truncated) }
    }
}

/// The signed number of a zig-zag encoded one.
pub(crate) fn zigzag(v: u64) -> i64 {
    (v >> 1).cast_signed() ^ -(v & 1).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], expected: Result<&[(u32, Field<'_>)], WireError>) {
        let mut found = Vec::new();
        let read = Fields(bytes).for_each(|number, field| {
            found.push((number, field));
            Ok(())
        });
        assert_eq!(read.map(|()| &found[..]), expected, "{bytes:02x?}");
    }

    #[test]
    fn reads_fields() {
        check(&[], Ok(&[]));
        check(&[0x08, 0x96, 0x01], Ok(&[(1, Field::Varint(150))]));
        check(&[0x12, 0x02, b'h', b'i'], Ok(&[(2, Field::Bytes(b"hi"))]));
        check(&[0x1d, 0, 0, 0, 0, 0x08, 1], Ok(&[(3, Field::Bits32), (1, Field::Varint(1))]));
        let one = [&[0x09][..], &1f64.to_le_bytes()].concat();
        check(&one, Ok(&[(1, Field::Bits64(1f64.to_bits()))]));
        check(&one[..8], Err(WireError::Truncated));
        check(&[0x12, 0x03, b'h', b'i'], Err(WireError::Truncated));
        check(
            &[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1],
            Err(WireError::Truncated),
        );
        check(&[0x0b], Err(WireError::Kind));
        check(&[0x00, 0x00], Err(WireError::Number));
    }

    #[test]
    fn reads_repeated_numbers() {
        let all = |field: Field<'_>| {
            let mut found = Vec::new();
            field.numbers(|it| found.push(zigzag(it))).map(|()| found)
        };
        assert_eq!(all(Field::Varint(3)), Ok(vec![-2]));
        assert_eq!(all(Field::Bytes(&[3, 4])), Ok(vec![-2, 2]));
        assert_eq!(all(Field::Bytes(&[0x80])), Err(WireError::Truncated));
        assert_eq!(all(Field::Bits64(0)), Err(WireError::Kind));
        let doubles = |field: Field<'_>| {
            let mut found = Vec::new();
            field.doubles(|it| found.push(it)).map(|()| found)
        };
        let packed = [1f64.to_le_bytes(), 2f64.to_le_bytes()].concat();
        assert_eq!(doubles(Field::Bytes(&packed)), Ok(vec![1.0, 2.0]));
        assert_eq!(doubles(Field::Bytes(&packed[1..])), Err(WireError::Truncated));
        assert_eq!(doubles(Field::Bits64(2f64.to_bits())), Ok(vec![2.0]));
    }
}
