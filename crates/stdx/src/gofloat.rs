//! Floats as Go's `strconv` writes and reads them.
//!
//! Writing: the fewest digits that read back as the same number, in one of four shapes.
//!
//! | Function | Go | Exponent form when the decimal exponent is |
//! |---|---|---|
//! | [`write_g`] | `FormatFloat(v, 'g', -1, 64)`, `fmt.Sprint(v)` | below -4 or from 6 on |
//! | [`write_json`] | the HTTP API's sample values | below -6 or from 21 on |
//! | [`write_f`] | `FormatFloat(v, 'f', -1, 64)` | never |
//! | [`write_e`] | `FormatFloat(v, 'e', -1, 64)` | any |
//!
//! All write `NaN`, `+Inf`, `-Inf`, and an exponent of two digits or more. None allocates beyond the
//! growth of the output. Reading: [`parse`] is `ParseFloat(s, 64)`.

mod read;

use std::ops::Range;

pub use read::{ParseError, parse, parse_long, parse_short, take_short};

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

/// Appends `v` as Go's verbs `g` and `v` do, with the fewest digits: `0.0001`, `100000`, `1e+06`, `1.5e-05`.
pub fn write_g(out: &mut impl Text, v: f64) {
    write(out, v, -4..6);
}

/// Appends `v` without exponent, however long: `100000000000000000000000`.
pub fn write_f(out: &mut impl Text, v: f64) {
    write(out, v, i32::MIN..i32::MAX);
}

/// Appends `v` as the HTTP API shows sample values: as [`write_g`], but plain from 1e-06 up to 1e21.
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

/// Returns what [`write_f`] writes.
pub fn format_f(v: f64) -> String {
    let mut out = String::new();
    write_f(&mut out, v);
    out
}

/// What [`zmij`] prints without an exponent: decimal exponents from -5 to 15.
const PRINTED_PLAIN: Range<f64> = 1e-5..1e16;

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
    let mut buffer = zmij::Buffer::new();
    let printed = buffer.format_finite(v);
    // The formatter's own plain form is the one wanted, but for whole numbers.
    if plain.start <= -5 && 16 <= plain.end && PRINTED_PLAIN.contains(&v) {
        return out.put(printed.strip_suffix(".0").unwrap_or(printed));
    }
    let digits = Digits::of(printed);
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
    /// Takes the digits of a finite number that is not negative, as [`zmij`] printed it.
    fn of(printed: &str) -> Self {
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
        check(1e20, "1e+20", "100000000000000000000");
    }

    proptest! {
        #[test]
        fn round_trips(bits: u64) {
            let v = f64::from_bits(bits);
            prop_assume!(!v.is_nan());
            for text in [format_g(v), format_f(v)] {
                prop_assert_eq!(parse(&text).map(f64::to_bits), Ok(bits), "{}", text);
            }
        }

        #[test]
        fn plain_is_plain(whole: i64, scale in 0i32..24) {
            let v = whole as f64 / 10f64.powi(scale);
            let mut json = String::new();
            write_json(&mut json, v);
            if 1e-6 <= v.abs() && v.abs() < 1e21 || v == 0.0 {
                prop_assert_eq!(&json, &format_f(v));
                prop_assert!(!json.contains('e') && !json.ends_with(".0"), "{}", json);
            }
            prop_assert_eq!(parse(&json).map(f64::to_bits), Ok(v.to_bits()));
        }
    }
}
