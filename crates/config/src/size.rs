//! Sizes in bytes: `15MB`, `1GiB512MiB`.

/// Units from large to small; both spellings count by 1024.
const UNITS: [(&str, &str, i64); 6] = [
    ("EiB", "EB", 1 << 60),
    ("PiB", "PB", 1 << 50),
    ("TiB", "TB", 1 << 40),
    ("GiB", "GB", 1 << 30),
    ("MiB", "MB", 1 << 20),
    ("KiB", "KB", 1 << 10),
];

/// Reads a size: an optional sign, then parts of a number and a unit. Only `0` needs no unit.
///
/// # Errors
/// Upstream's text: `units: invalid …`, `units: unknown unit … in …`.
pub fn parse(text: &str) -> Result<i64, String> {
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(format!("units: invalid {text}"));
    }
    let mut total = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..end].parse().map_err(|_| format!("units: invalid {text}"))?;
        rest = &rest[end..];
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = &rest[..end];
        rest = &rest[end..];
        #[expect(clippy::cast_precision_loss, reason = "powers of two")]
        let factor =
            factor(unit).ok_or_else(|| format!("units: unknown unit {unit} in {text}"))? as f64;
        total += number * factor;
    }
    let total = if negative { -total } else { total };
    #[expect(clippy::cast_possible_truncation, reason = "checked")]
    if total.abs() < 9.2e18 { Ok(total as i64) } else { Err("units: overflow parsing unit".into()) }
}

/// Writes a size with binary units: `1GiB512MiB`; zero is `0B`.
pub fn format(bytes: i64) -> String {
    if bytes == 0 {
        return "0B".into();
    }
    let mut rest = bytes.unsigned_abs();
    let mut out = String::from(if bytes < 0 { "-" } else { "" });
    for (unit, _, size) in UNITS {
        let size = size.unsigned_abs();
        if size <= rest {
            out.push_str(&format!("{}{unit}", rest / size));
            rest %= size;
        }
    }
    if rest > 0 {
        out.push_str(&format!("{rest}B"));
    }
    out
}

fn factor(unit: &str) -> Option<i64> {
    if unit == "B" {
        return Some(1);
    }
    UNITS.iter().find(|(binary, decimal, _)| unit == *binary || unit == *decimal).map(|it| it.2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Result<i64, &str>, printed: &str) {
        assert_eq!(parse(text), expected.map_err(str::to_owned), "{text}");
        if let Ok(bytes) = expected {
            assert_eq!(format(bytes), printed, "{text}");
        }
    }

    #[test]
    fn reads_and_prints_sizes() {
        check("0", Ok(0), "0B");
        check("15MB", Ok(15 << 20), "15MiB");
        check("1.5GiB", Ok(3 << 29), "1GiB512MiB");
        check("1GB512MB", Ok(3 << 29), "1GiB512MiB");
        check("-1GB", Ok(-(1 << 30)), "-1GiB");
        check("1025B", Ok(1025), "1KiB1B");
        check("100", Err("units: unknown unit  in 100"), "");
        check("1kB", Err("units: unknown unit kB in 1kB"), "");
        check("x", Err("units: invalid x"), "");
        check("", Err("units: invalid "), "");
        check("1.2.3MB", Err("units: invalid 1.2.3MB"), "");
        check("99999EB", Err("units: overflow parsing unit"), "");
    }
}
