//! The log of failed fetches: one JSON object a line.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use model::quote;

/// A log file, shared by the jobs that name it.
#[derive(Debug)]
pub(crate) struct FailureLog {
    path: PathBuf,
    /// Held to write a line.
    file: Mutex<File>,
}

impl FailureLog {
    /// Opens the file, unless one of `open` is it.
    pub(crate) fn open(path: &Path, open: &mut Vec<Weak<Self>>) -> std::io::Result<Arc<Self>> {
        open.retain(|it| 0 < it.strong_count());
        if let Some(found) = open.iter().filter_map(Weak::upgrade).find(|it| it.path == path) {
            return Ok(found);
        }
        let file = open_file(path)?;
        let log = Arc::new(Self { path: path.to_owned(), file: Mutex::new(file) });
        open.push(Arc::downgrade(&log));
        Ok(log)
    }

    /// Opens the file anew: it may have been moved away. If that fails the one before goes on.
    pub(crate) fn reopen(&self) {
        match open_file(&self.path) {
            Ok(file) => *self.file.lock().unwrap_or_else(PoisonError::into_inner) = file,
            Err(error) => {
                tracing::error!(file = %self.path.display(), err = %error, "Reopening scrape failure log failed");
            }
        }
    }

    /// Writes a line. What cannot be written is lost: a scrape does not fail for it.
    pub(crate) fn write(&self, now_ms: i64, job: &str, url: &str, message: &str) {
        let line = format!(
            "{{\"time\":\"{}\",\"level\":\"ERROR\",\"source\":\"scrape\",\"msg\":{},\"job_name\":{},\"target\":{}}}\n",
            rfc3339(now_ms),
            json(message),
            json(job),
            json(url)
        );
        let _ = self.file.lock().unwrap_or_else(PoisonError::into_inner).write_all(line.as_bytes());
    }
}

fn open_file(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// Quotes for JSON: as Go does, but for the escapes that JSON does not know.
fn json(text: &str) -> String {
    quote(text).replace("\\a", "\\u0007").replace("\\v", "\\u000b").replace("\\x", "\\u00")
}

/// Writes a time as `2006-01-02T15:04:05.000Z`.
fn rfc3339(ms: i64) -> String {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    // Civil date from days since 1970-03-01 of year 0, by eras of 400 years.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (s, ms) = (rest / 1000, rest % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{ms:03}Z",
        s / 3600,
        s / 60 % 60,
        s % 60
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_times() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(951_782_400_000), "2000-02-29T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
        assert_eq!(rfc3339(-1), "1969-12-31T23:59:59.999Z");
    }
}
