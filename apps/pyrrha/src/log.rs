//! Log lines in the shape of Go's `slog`, as upstream prints them: `time=… level=… source=… msg=… key=value`,
//! or the same as JSON.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// How lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Logfmt,
    Json,
}

/// Sends log lines to standard error from now on.
///
/// # Errors
/// If the level or the format is unknown; the text says so.
pub(crate) fn init(level: &str, format: &str) -> Result<(), String> {
    let level = match level {
        "debug" | "info" | "warn" | "error" => level,
        _ => return Err(format!("unrecognized log level {level}")),
    };
    let format = match format {
        "logfmt" => Format::Logfmt,
        "json" => Format::Json,
        _ => return Err(format!("unrecognized log format {format}")),
    };
    // What libraries have to say is of no use to an operator before it is a warning.
    let filter = EnvFilter::new(format!("{level},hyper=warn,rustls=warn,h2=warn,mio=warn"));
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    subscriber.event_format(format).init();
    Ok(())
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        let now =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let source = format!("{}:{}", meta.file().unwrap_or("?"), meta.line().unwrap_or(0));
        let mut pairs = vec![
            ("time".to_owned(), rfc3339(now)),
            ("level".to_owned(), level(*meta.level()).to_owned()),
            ("source".to_owned(), source),
            ("msg".to_owned(), fields.message),
        ];
        pairs.append(&mut fields.others);
        match self {
            Self::Logfmt => logfmt(&mut out, &pairs),
            Self::Json => json(&mut out, &pairs),
        }
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

fn logfmt(out: &mut Writer<'_>, pairs: &[(String, String)]) -> fmt::Result {
    for (at, (name, value)) in pairs.iter().enumerate() {
        if 0 < at {
            out.write_char(' ')?;
        }
        let plain = !value.is_empty() && !value.contains([' ', '"', '=', '\n', '\\', '\t']);
        if plain {
            write!(out, "{name}={value}")?
        } else {
            write!(out, "{name}={}", model::quote(value))?
        }
    }
    out.write_char('\n')
}

fn json(out: &mut Writer<'_>, pairs: &[(String, String)]) -> fmt::Result {
    let object: serde_json::Map<String, serde_json::Value> =
        pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    writeln!(out, "{}", serde_json::Value::Object(object))
}

/// The fields of an event as text.
#[derive(Default)]
struct Fields {
    message: String,
    others: Vec<(String, String)>,
}

impl Fields {
    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            name => self.others.push((name.to_owned(), value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
    }
}

/// UTC with milliseconds, as upstream's lines have it.
fn rfc3339(since_epoch: std::time::Duration) -> String {
    let ms = i64::try_from(since_epoch.as_millis()).unwrap_or(0);
    let time = jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn prints_times() {
        assert_eq!(rfc3339(Duration::from_millis(1_435_781_451_781)), "2015-07-01T20:10:51.781Z");
        assert_eq!(rfc3339(Duration::ZERO), "1970-01-01T00:00:00.000Z");
    }
}
