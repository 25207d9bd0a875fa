//! Reading floats.

use std::fmt;

/// Why text is not a float; `Display` is Go's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParseError {
    /// Not a number at all.
    Syntax,
    /// Larger than any float.
    Range,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Syntax => "invalid syntax",
            Self::Range => "value out of range",
        })
    }
}

impl std::error::Error for ParseError {}

/// Reads a float in Go's syntax: decimal (`1`, `.5`, `1e3`), hexadecimal with an exponent (`0x1p-3`),
/// digits separated by `_`, `inf`, `infinity` with or without sign, `nan` without, in any case.
///
/// # Errors
/// [`ParseError::Range`] if the number overflows; [`ParseError::Syntax`] for anything else.
pub fn parse(text: &str) -> Result<f64, ParseError> {
    if let Some(v) = parse_short(text.as_bytes()) {
        return Ok(v);
    }
    let (negative, body) = split_sign(text);
    if body.eq_ignore_ascii_case("inf") || body.eq_ignore_ascii_case("infinity") {
        return Ok(if negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    if text.eq_ignore_ascii_case("nan") {
        return Ok(f64::NAN);
    }
    let plain;
    let digits = if body.contains('_') {
        if !underscores_separate_digits(body) {
            return Err(ParseError::Syntax);
        }
        plain = body.replace('_', "");
        &plain
    } else {
        body
    };
    let v = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => parse_hex(hex)?,
        None => parse_decimal(digits)?,
    };
    if v.is_infinite() {
        return Err(ParseError::Range);
    }
    Ok(if negative { -v } else { v })
}

/// Reads what most samples are: an optional `-`, then digits with at most one `.` among them, short
/// enough that one exact division gives the correctly rounded float. `None` for everything else,
/// wrong or merely longer.
pub fn parse_short(text: &[u8]) -> Option<f64> {
    take_short(text).filter(|(_, len)| *len == text.len()).map(|(v, _)| v)
}

/// As [`parse_short`], for a number that something may follow that cannot belong to it. Returns its length too.
#[inline]
pub fn take_short(text: &[u8]) -> Option<(f64, usize)> {
    let negative = text.first() == Some(&b'-');
    let digits = &text[usize::from(negative)..];
    let (mut mantissa, mut point, mut len) = (0u64, None, 0);
    for byte in digits.iter().take(SHORT_MAX + 1) {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => mantissa = mantissa * 10 + u64::from(digit),
            _ if *byte == b'.' && point.is_none() => point = Some(len),
            _ => break,
        }
        len += 1;
    }
    if SHORT_MAX < len || MANTISSA_MAX < mantissa || len == usize::from(point.is_some()) {
        return None;
    }
    let scale = point.map_or(0, |at| len - at - 1);
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 a float holds it exactly")]
    let v = mantissa as f64 / POWERS[scale];
    Some((if negative { -v } else { v }, usize::from(negative) + len))
}

/// Reads a decimal of any length, with or without an exponent. `None` for everything else, wrong or not, and
/// for one that overflows.
pub fn parse_long(text: &[u8]) -> Option<f64> {
    let (negative, digits) = split_sign(std::str::from_utf8(text).ok()?);
    let v = parse_decimal(digits).ok().filter(|it| it.is_finite())?;
    Some(if negative { -v } else { v })
}

/// How long a short number is at most, without its sign. One more digit, and 64 bits still hold them.
const SHORT_MAX: usize = 17;

/// The largest number up to which floats hold each whole number.
const MANTISSA_MAX: u64 = 1 << 53;

/// Powers of ten that a float holds exactly, as many as [`take_short`] needs.
const POWERS: [f64; 18] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17,
];

fn split_sign(text: &str) -> (bool, &str) {
    match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    }
}

/// Go lets one underscore stand between two digits, and after a base prefix, which counts as a digit.
fn underscores_separate_digits(body: &str) -> bool {
    let bytes = body.as_bytes();
    let hex = bytes.len() >= 2 && bytes[0] == b'0' && bytes[1].eq_ignore_ascii_case(&b'x');
    let digit = |b: u8| if hex { b.is_ascii_hexdigit() } else { b.is_ascii_digit() };
    bytes.iter().enumerate().all(|(at, byte)| {
        let before = at.checked_sub(1).map(|it| bytes[it]);
        let after = bytes.get(at + 1).copied();
        *byte != b'_'
            || before.is_some_and(|it| digit(it) || hex && at == 2) && after.is_some_and(digit)
    })
}

fn parse_decimal(digits: &str) -> Result<f64, ParseError> {
    let known = |b: u8| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-');
    if !digits.bytes().all(known) || digits.starts_with(['+', '-']) {
        return Err(ParseError::Syntax);
    }
    digits.parse().map_err(|_| ParseError::Syntax)
}

/// Reads what follows `0x`: digits with at most one point, then `p` and a decimal exponent of two.
fn parse_hex(text: &str) -> Result<f64, ParseError> {
    let (digits, power) = text.split_once(['p', 'P']).ok_or(ParseError::Syntax)?;
    let (power_negative, power) = split_sign(power);
    if power.is_empty() || !power.bytes().all(|it| it.is_ascii_digit()) {
        return Err(ParseError::Syntax);
    }
    let power: i64 = power.parse().unwrap_or(i64::MAX).min(1 << 40);
    let mut exponent = if power_negative { -power } else { power };
    let (mut mantissa, mut seen, mut after_point) = (0u64, false, false);
    for byte in digits.bytes() {
        if byte == b'.' && !after_point {
            after_point = true;
            continue;
        }
        let digit = char::from(byte).to_digit(16).ok_or(ParseError::Syntax)?;
        seen = true;
        if mantissa < 1 << 59 {
            mantissa = mantissa << 4 | u64::from(digit);
            exponent -= if after_point { 4 } else { 0 };
        } else {
            // Too far right to matter but for rounding: a sticky bit stands for it.
            mantissa |= u64::from(digit != 0);
            exponent += if after_point { 0 } else { 4 };
        }
    }
    if !seen {
        return Err(ParseError::Syntax);
    }
    Ok(scale_by_two(mantissa, exponent))
}

/// Returns `mantissa × 2^exponent`, rounded once, half to even.
fn scale_by_two(mantissa: u64, exponent: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let top = i64::from(63 - mantissa.leading_zeros()) + exponent;
    if 1023 < top {
        return f64::INFINITY;
    }
    // The weight of the last bit that the result keeps: 52 below its top, or the smallest subnormal.
    let last = (top - 52).max(-1074);
    let drop = last - exponent;
    let kept = match u32::try_from(drop) {
        Err(_) => mantissa << drop.unsigned_abs(),
        Ok(0) => mantissa,
        Ok(drop) if 64 < drop => 0,
        Ok(drop) => {
            let wide = u128::from(mantissa);
            let half = 1u128 << (drop - 1);
            let (kept, rest) = (wide >> drop, wide & ((half << 1) - 1));
            let up = half < rest || half == rest && kept & 1 == 1;
            u64::try_from(kept).expect("fits: it was shifted down") + u64::from(up)
        }
    };
    // Both factors are exact, and so is the product unless it overflows.
    #[expect(clippy::cast_precision_loss, reason = "at most 2^53")]
    let kept = kept as f64;
    let half = last / 2;
    kept * pow2(half) * pow2(last - half)
}

/// A power of two in the range of normal floats.
fn pow2(exponent: i64) -> f64 {
    f64::from_bits(u64::try_from(exponent + 1023).expect("a normal exponent") << 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reads(text: &str, expected: Result<f64, ParseError>) {
        assert_eq!(parse(text).map(f64::to_bits), expected.map(f64::to_bits), "{text}");
    }

    #[test]
    fn reads_as_go() {
        for (text, v) in [
            ("1", 1.0),
            ("-0", -0.0),
            ("+1.5e-3", 0.0015),
            (".5", 0.5),
            ("5.", 5.0),
            ("1_000.5_0e1_0", 1000.5e10),
            ("0x1p-3", 0.125),
            ("0X_1.8p1", 3.0),
            ("0x.8p0", 0.5),
            ("-0x1p-1074", -5e-324),
            ("0x1p-1075", 0.0),
            ("0x1.8p-1074", 1e-323),
            ("0x1fffffffffffff8p0", 144_115_188_075_855_870.0),
            ("inf", f64::INFINITY),
            ("-Infinity", f64::NEG_INFINITY),
            ("NaN", f64::NAN),
            ("123456789012345678901234567890", 1.234_567_890_123_456_8e29),
            ("1e-400", 0.0),
        ] {
            reads(text, Ok(v));
        }
        for text in [
            "", ".", "+", "1e", "e1", "-nan", "0x1", "0xp1", "1__0", "_1", "1_", "++1", "1 ",
            "infi", "0x1p", "1-1", "0b1",
        ] {
            reads(text, Err(ParseError::Syntax));
        }
        reads("1e400", Err(ParseError::Range));
        reads("-0x1p1024", Err(ParseError::Range));
    }

    proptest! {
        #[test]
        fn short_numbers_are_exact(text in "-?[0-9]{0,12}[.]?[0-9]{0,9}", rest in "[\n x{][0-9]*") {
            let expected = parse_short(text.as_bytes());
            if let Some(v) = expected {
                prop_assert_eq!(v.to_bits(), text.parse::<f64>().expect("std reads it").to_bits());
            }
            let taken = take_short(format!("{text}{rest}").as_bytes());
            prop_assert_eq!(taken, expected.map(|v| (v, text.len())));
        }

        #[test]
        fn long_numbers_are_what_go_reads(text in "[-+]?[0-9]{0,20}[.]?[0-9]{0,20}(e[-+]?[0-9]{1,3})?") {
            let v = parse_long(text.as_bytes());
            prop_assert_eq!(v.map(f64::to_bits), parse(&text).ok().map(f64::to_bits));
        }

        #[test]
        fn never_panics(text in "[-+0-9a-fA-FxXpP_.einf]{0,24}") {
            let _ = parse(&text);
        }
    }
}
