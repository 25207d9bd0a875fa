//! Durations as Prometheus writes them: `1h30m`, `15s`, `7d`.

use crate::name::quote;

/// Units from long to short, in milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3600 * 1000),
    ("w", 7 * 24 * 3600 * 1000),
    ("d", 24 * 3600 * 1000),
    ("h", 3600 * 1000),
    ("m", 60 * 1000),
    ("s", 1000),
    ("ms", 1),
];

/// The longest duration, in milliseconds: what fits 63 bits of nanoseconds.
pub const MAX_MS: i64 = i64::MAX / 1_000_000;

/// Reads a duration: `0`, or whole numbers with the units `y w d h m s ms`, each at most once, from
/// long to short. Returns milliseconds.
///
/// # Errors
/// Upstream's text: `empty duration string`, `not a valid duration string: "…"`,
/// `unknown unit "…" in duration "…"`, `duration out of range`.
pub fn parse(text: &str) -> Result<i64, String> {
    match text {
        "" => return Err("empty duration string".into()),
        "0" => return Ok(0),
        _ => {}
    }
    let invalid = || format!("not a valid duration string: {}", quote(text));
    let (mut rest, mut total, mut next_unit) = (text, 0i64, 0);
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(invalid());
        }
        let number: i64 = rest[..digits].parse().map_err(|_| "duration out of range".to_owned())?;
        rest = &rest[digits..];
        let unit = &rest[..rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len())];
        if unit.is_empty() {
            return Err(invalid());
        }
        let at = UNITS.iter().position(|(name, _)| *name == unit);
        let at =
            at.ok_or_else(|| format!("unknown unit {} in duration {}", quote(unit), quote(text)))?;
        if at < next_unit {
            return Err(invalid());
        }
        next_unit = at + 1;
        rest = &rest[unit.len()..];
        let part = number.checked_mul(UNITS[at].1);
        total = part
            .and_then(|it| total.checked_add(it))
            .filter(|it| *it <= MAX_MS)
            .ok_or("duration out of range")?;
    }
    Ok(total)
}

/// Writes milliseconds as a duration: `0s` for zero; `y` and `w` only if nothing remains, then `d h m s
/// ms` greedily. A negative duration gets a `-` in front.
pub fn format(ms: i64) -> String {
    if ms == 0 {
        return "0s".into();
    }
    let mut rest = ms.unsigned_abs();
    let mut out = String::from(if ms < 0 { "-" } else { "" });
    for (i, (unit, len)) in UNITS.iter().enumerate() {
        let len = len.unsigned_abs();
        let exact_only = i < 2;
        if rest == 0 || exact_only && !rest.is_multiple_of(len) {
            continue;
        }
        if len <= rest {
            out.push_str(&format!("{}{unit}", rest / len));
            rest %= len;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<i64, &str>, printed: &str) {
        assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
        if let Ok(ms) = expected {
            assert_eq!(format(ms), printed, "{text}");
        }
    }

    #[test]
    fn reads_and_prints_durations() {
        check("0", Ok(0), "0s");
        check("5m", Ok(300_000), "5m");
        check("1h30m", Ok(5_400_000), "1h30m");
        check("90d", Ok(7_776_000_000), "90d");
        check("14d", Ok(1_209_600_000), "2w");
        check("1y1ms", Ok(31_536_000_001), "365d1ms");
        check("", Err("empty duration string"), "");
        check("5m1m", Err("not a valid duration string: \"5m1m\""), "");
        check("1m1h", Err("not a valid duration string: \"1m1h\""), "");
        check("5y1hs", Err("unknown unit \"hs\" in duration \"5y1hs\""), "");
        check("1.5h", Err("unknown unit \".\" in duration \"1.5h\""), "");
        check("-5m", Err("not a valid duration string: \"-5m\""), "");
        check("300y", Err("duration out of range"), "");
    }
}
