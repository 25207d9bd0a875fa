//! Dates, by counting days.

/// A moment in UTC.
pub(crate) struct Date {
    pub(crate) year: i64,
    /// From 1.
    pub(crate) month: i64,
    /// From 1.
    pub(crate) day: i64,
    /// From 1.
    pub(crate) day_of_year: i64,
    /// Sunday is 0.
    pub(crate) weekday: i64,
    pub(crate) hour: i64,
    pub(crate) minute: i64,
    pub(crate) second: i64,
}

const DAYS_IN_400_YEARS: i64 = 146_097;

pub(crate) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl Date {
    /// Beyond some 100 billion years the farthest date counts.
    pub(crate) fn new(seconds: i64) -> Self {
        let seconds = seconds.clamp(-(1 << 61), 1 << 61);
        let days = seconds.div_euclid(86_400);
        let in_day = seconds.rem_euclid(86_400);
        let mut year = 1970 + 400 * days.div_euclid(DAYS_IN_400_YEARS);
        let mut rest = days.rem_euclid(DAYS_IN_400_YEARS);
        while rest >= 365 + i64::from(is_leap(year)) {
            rest -= 365 + i64::from(is_leap(year));
            year += 1;
        }
        let day_of_year = rest + 1;
        let mut month = 1;
        while rest >= days_in_month(year, month) {
            rest -= days_in_month(year, month);
            month += 1;
        }
        Self {
            year,
            month,
            day: rest + 1,
            day_of_year,
            // The epoch was a Thursday.
            weekday: (days + 4).rem_euclid(7),
            hour: in_day / 3600,
            minute: in_day / 60 % 60,
            second: in_day % 60,
        }
    }

    /// What a date function of PromQL answers.
    pub(crate) fn part(&self, function: &str) -> i64 {
        match function {
            "day_of_month" => self.day,
            "day_of_week" => self.weekday,
            "day_of_year" => self.day_of_year,
            "days_in_month" => days_in_month(self.year, self.month),
            "hour" => self.hour,
            "minute" => self.minute,
            "month" => self.month,
            "year" => self.year,
            _ => unreachable!("{function} is no function of dates"),
        }
    }
}

/// `2006-01-02T15:04:05Z`
pub(crate) fn rfc3339(t_ms: i64) -> String {
    let it = Date::new(t_ms.div_euclid(1000));
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        it.year, it.month, it.day, it.hour, it.minute, it.second
    )
}
