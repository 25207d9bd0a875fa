//! A table of blocks: the text of `promtool tsdb list`.

use std::fmt::Write;

use block::{Block, Meta};

/// Width of a column at least, its gap included.
const COLUMN_MIN: usize = 13;
/// Gap between columns.
const GAP: usize = 2;

/// Lists blocks in the order given. `human` writes times and sizes for people.
pub fn list<'a>(blocks: impl IntoIterator<Item = &'a Block>, human: bool) -> String {
    let header = [
        "BLOCK ULID",
        "MIN TIME",
        "MAX TIME",
        "DURATION",
        "NUM SAMPLES",
        "NUM CHUNKS",
        "NUM SERIES",
        "SIZE",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(blocks.into_iter().map(|it| row(it.meta(), it.n_bytes(), human)));
    let width = |at: usize| {
        let longest = rows.iter().map(|it| it[at].len()).max().unwrap_or(0);
        (longest + GAP).max(COLUMN_MIN)
    };
    let widths: Vec<usize> = (0..header.len() - 1).map(width).collect();
    let mut out = String::new();
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            let _ = write!(out, "{cell:width$}");
        }
        let _ = writeln!(out, "{}", row[header.len() - 1]);
    }
    out
}

fn row(meta: &Meta, n_bytes: u64, human: bool) -> [String; 8] {
    let time = |t: i64| if human { date(t) } else { t.to_string() };
    let size = if human { binary_size(n_bytes) } else { n_bytes.to_string() };
    [
        meta.ulid.to_string(),
        time(meta.mint),
        time(meta.maxt),
        duration(meta.maxt - meta.mint),
        meta.stats.n_samples.to_string(),
        meta.stats.n_chunks.to_string(),
        meta.stats.n_series.to_string(),
        size,
    ]
}

/// Writes a time span as Go does: `2h0m0s`, `1m30.5s`, `7ms`, `0s`.
pub(crate) fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let ms = ms.unsigned_abs();
    if ms == 0 {
        return "0s".to_owned();
    }
    if ms < 1000 {
        return format!("{sign}{ms}ms");
    }
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    let mut fraction = format!(".{:03}", ms % 1000);
    fraction.truncate(fraction.trim_end_matches('0').trim_end_matches('.').len());
    match (hours, minutes) {
        (0, 0) => format!("{sign}{seconds}{fraction}s"),
        (0, _) => format!("{sign}{minutes}m{seconds}{fraction}s"),
        _ => format!("{sign}{hours}h{minutes}m{seconds}{fraction}s"),
    }
}

/// Writes a time in UTC, without its milliseconds: `2023-11-14 22:13:20 +0000 UTC`.
fn date(t: i64) -> String {
    // Go cuts towards zero.
    let seconds = t / 1000;
    let (day, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil(day);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} +0000 UTC")
}

/// Turns days since 1970-01-01 into year, month and day. Years are counted from March, so that the leap
/// day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    // 719468 days lie between 0000-03-01 and 1970-01-01; 146097 make 400 years.
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year + i64::from(month <= 2), month, day)
}

/// Writes a size with every unit that is not zero: `47KiB743B`.
fn binary_size(bytes: u64) -> String {
    if bytes == 0 {
        return "0B".to_owned();
    }
    let units =
        [("EiB", 60), ("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10), ("B", 0)];
    let part = |(unit, shift): (&str, u32)| match bytes >> shift
        & if shift == 60 { u64::MAX } else { 1023 }
    {
        0 => String::new(),
        n => format!("{n}{unit}"),
    };
    units.into_iter().map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_spans_dates_and_sizes() {
        for (ms, text) in [
            (0, "0s"),
            (7, "7ms"),
            (1500, "1.5s"),
            (60_000, "1m0s"),
            (780_001, "13m0.001s"),
            (7_200_000, "2h0m0s"),
            (90_000_010, "25h0m0.01s"),
            (-1000, "-1s"),
        ] {
            assert_eq!(duration(ms), text);
        }
        for (t, text) in [
            (0, "1970-01-01 00:00:00 +0000 UTC"),
            (1_700_000_000_999, "2023-11-14 22:13:20 +0000 UTC"),
            (1_709_208_000_000, "2024-02-29 12:00:00 +0000 UTC"),
            (951_782_400_000, "2000-02-29 00:00:00 +0000 UTC"),
            (-1_000, "1969-12-31 23:59:59 +0000 UTC"),
        ] {
            assert_eq!(date(t), text);
        }
        assert_eq!(
            (binary_size(48_871), binary_size(0), binary_size(1 << 20)),
            ("47KiB743B".into(), "0B".into(), "1MiB".into())
        );
    }
}
