//! Functions of a date, UTC.

/// Finds a function of seconds since the epoch by its name in PromQL.
pub(crate) fn get(name: &str) -> Option<fn(f64) -> f64> {
    Some(match name {
        "days_in_month" => |v| of(v, |it| days_in_month(it.year, it.month)),
        "day_of_month" => |v| of(v, |it| it.day),
        "day_of_week" => |v| of(v, |it| (it.days + 4).rem_euclid(7)),
        "day_of_year" => |v| of(v, |it| it.days - days_from_civil(it.year, 1, 1) + 1),
        "hour" => |v| of(v, |it| it.second / 3600),
        "minute" => |v| of(v, |it| it.second / 60 % 60),
        "month" => |v| of(v, |it| it.month),
        "year" => |v| of(v, |it| it.year),
        _ => return None,
    })
}

/// A moment by the proleptic Gregorian calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Civil {
    /// Days since the epoch.
    days: i64,
    year: i64,
    month: i64,
    day: i64,
    /// Of the day.
    second: i64,
}

impl Civil {
    /// From seconds since the epoch. Beyond some 100 billion years the farthest date counts.
    pub(crate) fn from_seconds(seconds: i64) -> Self {
        const FARTHEST: i64 = 1 << 61;
        let seconds = seconds.clamp(-FARTHEST, FARTHEST);
        let days = seconds.div_euclid(86400);
        // Years start in March here, so that the leap day is the last of its year; eras have 400 years.
        let shifted = days + 719_468;
        let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
        let year_of_era =
            (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { days, year, month, day, second: seconds.rem_euclid(86400) }
    }

    /// `2006-01-02T15:04:05Z`
    pub(crate) fn rfc3339(&self) -> String {
        let Self { year, month, day, second, .. } = self;
        let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
        format!("{year:04}-{month:02}-{day:02}T{h:02}:{m:02}:{s:02}Z")
    }
}

fn of(v: f64, f: fn(Civil) -> i64) -> f64 {
    #[expect(clippy::cast_possible_truncation, reason = "cut on purpose; saturates")]
    let seconds = v as i64;
    f(Civil::from_seconds(seconds)) as f64
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 => 28 + i64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days from the epoch to a date.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let day_of_year = (153 * (if 2 < month { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(seconds: i64, printed: &str, week: i64, year_day: i64) {
        let date = Civil::from_seconds(seconds);
        assert_eq!(date.rfc3339(), printed);
        assert_eq!(days_from_civil(date.year, date.month, date.day), date.days);
        let call = |name| get(name).expect("exists")(seconds as f64);
        assert_eq!(
            (call("day_of_week"), call("day_of_year")),
            (week as f64, year_day as f64),
            "{printed}"
        );
    }

    #[test]
    fn knows_the_calendar() {
        check(0, "1970-01-01T00:00:00Z", 4, 1);
        check(-1, "1969-12-31T23:59:59Z", 3, 365);
        check(951_825_599, "2000-02-29T11:59:59Z", 2, 60);
        check(1_735_689_599, "2024-12-31T23:59:59Z", 2, 366);
        check(4_107_542_400, "2100-03-01T00:00:00Z", 1, 60);
        assert_eq!(get("days_in_month").expect("exists")(951_825_599.0), 29.0);
        let _ = Civil::from_seconds(i64::MIN).rfc3339();
    }
}
