//! Request parameters: where they come from and how they are read.
//!
//! URL and form-encoded body values are merged, the URL's first. Errors carry upstream's text.

use std::borrow::Cow;

use model::quote;

/// Decoded parameters of a request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the URL's query and, if there is one, the form-encoded body.
    pub(crate) fn new(query: &str, body: &[u8]) -> Self {
        let form = std::str::from_utf8(body).unwrap_or("");
        let decode = |text: &str| decode_all(text).collect::<Vec<_>>();
        let mut all = decode(query);
        all.extend(decode(form));
        Self(all)
    }

    /// The first value of `name`, or `""`.
    pub(crate) fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(it, _)| it == name).map_or("", |(_, value)| value)
    }

    /// All values of `name`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(it, _)| it == name).map(|(_, value)| value.as_str())
    }
}

fn decode_all(text: &str) -> impl Iterator<Item = (String, String)> {
    text.split('&').filter(|it| !it.is_empty()).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> String {
    let spaced: Cow<'_, str> =
        if text.contains('+') { Cow::Owned(text.replace('+', " ")) } else { Cow::Borrowed(text) };
    percent_encoding::percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

/// The textual forms of the smallest and largest time a client may send.
const MIN_TIME: (&str, i64) = ("-292273086-05-16T16:47:06Z", i64::MIN / 1000 * 1000);
const MAX_TIME: (&str, i64) = ("292277025-08-18T07:12:54.999999999Z", i64::MAX / 1000 * 1000);

/// Reads a time: seconds as a float, rounded to milliseconds, or RFC 3339.
///
/// # Errors
/// `cannot parse "X" to a valid timestamp`.
pub(crate) fn time_ms(text: &str) -> Result<i64, String> {
    if let Some(seconds) = float(text) {
        let ms = (seconds * 1000.0).round();
        if ms.is_finite() && ms.abs() < 9.2e18 {
            #[expect(clippy::cast_possible_truncation, reason = "checked above")]
            return Ok(ms as i64);
        }
    }
    for (form, ms) in [MIN_TIME, MAX_TIME] {
        if text == form {
            return Ok(ms);
        }
    }
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time.as_millisecond());
    }
    Err(format!("cannot parse {} to a valid timestamp", quote(text)))
}

/// Reads a duration in milliseconds: seconds as a float, or Prometheus's form.
///
/// # Errors
/// `cannot parse "X" to a valid duration`, with a hint if it is too long.
pub(crate) fn duration_ms(text: &str) -> Result<i64, String> {
    if let Some(seconds) = float(text) {
        let nanos = seconds * 1e9;
        if nanos.is_nan() || 9_223_372_036_854_775_807.0 <= nanos.abs() {
            return Err(format!(
                "cannot parse {} to a valid duration. It overflows int64",
                quote(text)
            ));
        }
        #[expect(clippy::cast_possible_truncation, reason = "checked above")]
        return Ok((seconds * 1000.0) as i64);
    }
    model::duration::parse(text)
        .map_err(|_| format!("cannot parse {} to a valid duration", quote(text)))
}

/// Reads the `limit` of queries and label lookups: absent or 0 is no limit.
///
/// # Errors
/// Upstream's text, without the parameter's name.
pub(crate) fn limit(text: &str) -> Result<usize, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let limit: i64 = text
        .parse()
        .map_err(|_| format!("strconv.Atoi: parsing {}: invalid syntax", quote(text)))?;
    usize::try_from(limit).map_err(|_| "limit must be non-negative".to_owned())
}

/// Numbers as Go's `ParseFloat` takes them, less hexadecimal.
fn float(text: &str) -> Option<f64> {
    let first = text.bytes().next()?;
    let number = first.is_ascii_digit() || b"+-.".contains(&first) || matches!(text, "NaN" | "Inf");
    if number { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn merges_url_and_body() {
        let params = Params::new("query=a%2Bb+c&match[]=x", b"match%5B%5D=y&query=z");
        assert_eq!(params.get("query"), "a+b c");
        assert_eq!(params.all("match[]").collect::<Vec<_>>(), ["x", "y"]);
        assert_eq!(params.get("no"), "");
    }

    #[test]
    fn reads_times_and_durations() {
        let time = |text: &str| time_ms(text).map_err(|it| it.len());
        assert_eq!(time("1435781451.781"), Ok(1_435_781_451_781));
        assert_eq!(time("2015-07-01T20:10:51.781Z"), Ok(1_435_781_451_781));
        assert_eq!(time("2015-06-03T14:21:58.555+01:00"), Ok(1_433_337_718_555));
        assert_eq!(time_ms("x"), Err("cannot parse \"x\" to a valid timestamp".into()));
        assert_eq!(duration_ms("1.5"), Ok(1500));
        assert_eq!(duration_ms("5m"), Ok(300_000));
        assert_eq!(
            duration_ms("1e30"),
            Err("cannot parse \"1e30\" to a valid duration. It overflows int64".into())
        );
        assert_eq!(duration_ms(""), Err("cannot parse \"\" to a valid duration".into()));
        assert_eq!(limit("-1"), Err("limit must be non-negative".into()));
        assert_eq!(limit("a"), Err("strconv.Atoi: parsing \"a\": invalid syntax".into()));
    }
}
