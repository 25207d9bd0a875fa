//! Floats as Go's `strconv` writes and reads them.
//!
//! Writing: the fewest digits that read back as the same number, in one of five shapes.
//!
//! | Function | Go | Exponent form when the decimal exponent is |
//! |---|---|---|
//! | [`write_g`] | `FormatFloat(v, 'g', -1, 64)` | below -4 or from 6 on |
//! | [`write_v`] | `fmt.Sprint(v)` | below -4 or from 21 on |
//! | [`write_json`] | the HTTP API's sample values | below -6 or from 21 on |
//! | [`write_f`] | `FormatFloat(v, 'f', -1, 64)` | never |
//! | [`write_e`] | `FormatFloat(v, 'e', -1, 64)` | any |
//!
//! All write `NaN`, `+Inf`, `-Inf`, and an exponent of two digits or more. None allocates beyond the
//! growth of the output. Reading: [`parse`] is `ParseFloat(s, 64)`.

use std::fmt;
use std::ops::Range;

/// Where text goes: a [`String`], or a byte buffer.
pub trait Text {
    /// Appends `text`.
    fn put(&mut self, text: &str);
}

impl Text for String {
    fn put(&mut self, text: &str) {
        self.push_str(text);
    }
}

impl Text for Vec<u8> {
    fn put(&mut self, text: &str) {
        self.extend_from_slice(text.as_bytes());
    }
}

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

/// Appends `v` as Go's `'g'` verb with the fewest digits: `0.0001`, `100000`, `1e+06`, `1.5e-05`.
pub fn write_g(out: &mut impl Text, v: f64) {
    write(out, v, -4..6);
}

/// Appends `v` as Go prints a float by default: as [`write_g`], but plain below 1e21.
pub fn write_v(out: &mut impl Text, v: f64) {
    write(out, v, -4..21);
}

/// Appends `v` without exponent, however long: `100000000000000000000000`.
pub fn write_f(out: &mut impl Text, v: f64) {
    write(out, v, i32::MIN..i32::MAX);
}

/// Appends `v` as the HTTP API shows sample values: as [`write_v`], but plain down to 1e-06.
pub fn write_json(out: &mut impl Text, v: f64) {
    write(out, v, -6..21);
}

/// Appends `v` with an exponent always: `1e+00`.
pub fn write_e(out: &mut impl Text, v: f64) {
    write(out, v, 0..0);
}

/// Returns what [`write_g`] writes.
pub fn format_g(v: f64) -> String {
    let mut out = String::new();
    write_g(&mut out, v);
    out
}

/// Returns what [`write_v`] writes.
pub fn format_v(v: f64) -> String {
    let mut out = String::new();
    write_v(&mut out, v);
    out
}

/// Returns what [`write_f`] writes.
pub fn format_f(v: f64) -> String {
    let mut out = String::new();
    write_f(&mut out, v);
    out
}

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
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    if digits.is_empty() || 17 < digits.len() {
        return None;
    }
    let (mut mantissa, mut point) = (0u64, None);
    for (at, byte) in digits.iter().enumerate() {
        match byte.wrapping_sub(b'0') {
            digit @ 0..=9 => mantissa = mantissa * 10 + u64::from(digit),
            _ if *byte == b'.' && point.is_none() => point = Some(at),
            _ => return None,
        }
    }
    let scale = point.map_or(0, |at| digits.len() - at - 1);
    if MANTISSA_MAX < mantissa || point.is_some() && digits.len() == 1 {
        return None;
    }
    #[expect(clippy::cast_precision_loss, reason = "below 2^53 a float holds it exactly")]
    let v = mantissa as f64 / POWERS[scale];
    Some(if negative { -v } else { v })
}

/// The largest number up to which floats hold each whole number.
const MANTISSA_MAX: u64 = 1 << 53;

/// Powers of ten that a float holds exactly, as many as [`parse_short`] needs.
const POWERS: [f64; 18] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17,
];

/// Writes without exponent if the decimal exponent is in `plain`.
fn write(out: &mut impl Text, v: f64, plain: Range<i32>) {
    if !v.is_finite() {
        out.put(if v.is_nan() {
            "NaN"
        } else if v < 0.0 {
            "-Inf"
        } else {
            "+Inf"
        });
        return;
    }
    if v.is_sign_negative() {
        out.put("-");
    }
    let v = v.abs();
    if v < 1e6 && v.fract() == 0.0 && !plain.is_empty() {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole, below a million"
        )]
        write_whole(out, v as u32);
        return;
    }
    let digits = Digits::of(v);
    if plain.contains(&digits.exponent) {
        digits.write_plain(out);
    } else {
        digits.write_exponent(out);
    }
}

fn write_whole(out: &mut impl Text, mut v: u32) {
    let mut text = [b'0'; 10];
    let mut at = text.len();
    loop {
        at -= 1;
        text[at] = b'0' + (v % 10).to_le_bytes()[0];
        v /= 10;
        if v == 0 {
            break;
        }
    }
    out.put(ascii(&text[at..]));
}

/// The number `d.ddd × 10^exponent`: no zero leads or trails, but for zero itself.
struct Digits {
    text: [u8; 24],
    len: usize,
    exponent: i32,
}

impl Digits {
    /// Takes the shortest digits of a finite number that is not negative.
    fn of(v: f64) -> Self {
        let mut buffer = zmij::Buffer::new();
        let printed = buffer.format_finite(v);
        let (mantissa, exponent) = printed.split_once('e').unwrap_or((printed, "0"));
        let exponent: i32 = exponent.parse().expect("the formatter writes a number");
        let mut it = Self { text: [0; 24], len: 0, exponent };
        let whole = mantissa.find('.').unwrap_or(mantissa.len());
        it.exponent += i32::try_from(whole).expect("short") - 1;
        for byte in mantissa.bytes().filter(|it| *it != b'.') {
            if it.len == 0 && byte == b'0' {
                it.exponent -= 1;
            } else {
                it.text[it.len] = byte;
                it.len += 1;
            }
        }
        while 1 < it.len && it.text[it.len - 1] == b'0' {
            it.len -= 1;
        }
        if it.len == 0 { Self { text: [b'0'; 24], len: 1, exponent: 0 } } else { it }
    }

    fn write_exponent(&self, out: &mut impl Text) {
        out.put(ascii(&self.text[..1]));
        if 1 < self.len {
            out.put(".");
            out.put(ascii(&self.text[1..self.len]));
        }
        out.put(if self.exponent < 0 { "e-" } else { "e+" });
        let exponent = self.exponent.unsigned_abs();
        if exponent < 10 {
            out.put("0");
        }
        write_whole(out, exponent);
    }

    fn write_plain(&self, out: &mut impl Text) {
        let digits = ascii(&self.text[..self.len]);
        match usize::try_from(self.exponent) {
            Err(_) => {
                out.put("0.");
                put_zeros(out, self.exponent.unsigned_abs() as usize - 1);
                out.put(digits);
            }
            Ok(exponent) if self.len <= exponent + 1 => {
                out.put(digits);
                put_zeros(out, exponent + 1 - self.len);
            }
            Ok(exponent) => {
                out.put(&digits[..=exponent]);
                out.put(".");
                out.put(&digits[exponent + 1..]);
            }
        }
    }
}

fn put_zeros(out: &mut impl Text, mut n: usize) {
    const ZEROS: &str = "0000000000000000000000000000000000000000";
    while ZEROS.len() < n {
        out.put(ZEROS);
        n -= ZEROS.len();
    }
    out.put(&ZEROS[..n]);
}

fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("digits are ASCII")
}

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

    fn check(v: f64, g: &str, plain: &str) {
        assert_eq!((format_g(v).as_str(), format_f(v).as_str()), (g, plain), "{v:?}");
    }

    #[test]
    fn writes_as_go() {
        check(0.0, "0", "0");
        check(-0.0, "-0", "-0");
        check(1.0, "1", "1");
        check(0.25, "0.25", "0.25");
        check(0.0001, "0.0001", "0.0001");
        check(0.000_01, "1e-05", "0.00001");
        check(100_000.0, "100000", "100000");
        check(-999_999.5, "-999999.5", "-999999.5");
        check(1e6, "1e+06", "1000000");
        check(1_234_567.0, "1.234567e+06", "1234567");
        check(1.5e300, "1.5e+300", &format!("15{}", "0".repeat(299)));
        check(5e-324, "5e-324", &format!("0.{}5", "0".repeat(323)));
        check(f64::NAN, "NaN", "NaN");
        check(f64::INFINITY, "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
        let mut json = String::new();
        for v in [1e-6, 1.5e-7, 2e21, 3e20] {
            write_json(&mut json, v);
            json.push(' ');
        }
        write_e(&mut json, 1234.0);
        write_e(&mut json, 0.0);
        assert_eq!(json, "0.000001 1.5e-07 2e+21 300000000000000000000 1.234e+030e+00");
        assert_eq!(
            (format_v(1e20), format_v(1e21)),
            ("100000000000000000000".to_owned(), "1e+21".to_owned())
        );
    }

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
        fn round_trips(bits: u64) {
            let v = f64::from_bits(bits);
            prop_assume!(!v.is_nan());
            for text in [format_g(v), format_v(v), format_f(v)] {
                prop_assert_eq!(parse(&text).map(f64::to_bits), Ok(bits), "{}", text);
            }
        }

        #[test]
        fn short_numbers_are_exact(text in "-?[0-9]{0,12}[.]?[0-9]{0,9}") {
            if let Some(v) = parse_short(text.as_bytes()) {
                prop_assert_eq!(v.to_bits(), text.parse::<f64>().expect("std reads it").to_bits());
            }
        }

        #[test]
        fn never_panics(text in "[-+0-9a-fA-FxXpP_.einf]{0,24}") {
            let _ = parse(&text);
        }
    }
}
