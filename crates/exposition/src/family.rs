//! Families: which series are theirs, and which of those count.

use memchr::memchr;
use model::MetricType;

use crate::write::put_label;

/// The family that the last lines of a text page are about.
#[derive(Clone, Debug, Default)]
pub(crate) struct Family {
    name: Vec<u8>,
    pub(crate) kind: MetricType,
    pub(crate) unit: Vec<u8>,
}

impl Family {
    /// The family of this name: the same one, or a new one of which nothing is known yet.
    pub(crate) fn enter(&mut self, name: &[u8]) -> &mut Self {
        if self.name != name {
            *self = Self { name: name.to_vec(), ..Self::default() };
        }
        self
    }

    /// What follows the family's name in the name of a series; `None` if it is not of this family.
    pub(crate) fn suffix<'r>(&self, raw: &'r [u8]) -> Option<&'r [u8]> {
        if self.name.is_empty() {
            return None;
        }
        let quoted = raw.strip_prefix(b"{\"");
        let name = quoted.unwrap_or(raw);
        let end = if quoted.is_some() { b'"' } else { b'{' };
        let len = name.iter().position(|it| *it == end || *it == b' ').unwrap_or(name.len());
        name[..len].strip_prefix(&self.name[..])
    }

    /// The suffix, if a family of this type has series with it.
    pub(crate) fn own_suffix<'r>(&self, raw: &'r [u8]) -> Option<&'r [u8]> {
        self.suffix(raw).filter(|it| has_series(self.kind, it))
    }
}

/// True if a family of this name and type has series of this name.
pub fn is_of_family(series: &str, family: &str, kind: MetricType) -> bool {
    series.strip_prefix(family).is_some_and(|it| has_series(kind, it.as_bytes()))
}

fn has_series(kind: MetricType, suffix: &[u8]) -> bool {
    let suffixes: &[&str] = match kind {
        MetricType::Counter => &["_total", "_created"],
        MetricType::Histogram => &["_bucket", "_sum", "_count", "_created"],
        MetricType::GaugeHistogram => &["_bucket", "_gsum", "_gcount"],
        MetricType::Summary => &["_sum", "_count", "_created"],
        MetricType::Info => &["_info"],
        _ => &[],
    };
    suffix.is_empty() || suffixes.iter().any(|it| it.as_bytes() == suffix)
}

/// True if what the series with this suffix says grows until the exporter starts anew.
pub(crate) fn is_cumulative(kind: MetricType, suffix: &[u8]) -> bool {
    let suffixes: &[&[u8]] = match kind {
        MetricType::Counter => &[b"", b"_total"],
        MetricType::Histogram => &[b"", b"_bucket", b"_sum", b"_count"],
        MetricType::Summary => &[b"_sum", b"_count"],
        _ => &[],
    };
    suffixes.contains(&suffix)
}

/// The labels that name type and unit; what is not known has none.
pub(crate) fn labels(kind: MetricType, unit: &[u8]) -> impl Iterator<Item = (&'static str, &[u8])> {
    let kind = if kind == MetricType::Unknown { "" } else { kind.as_str() };
    let labels = [(model::METRIC_TYPE, kind.as_bytes()), (model::METRIC_UNIT, unit)];
    labels.into_iter().filter(|it| !it.1.is_empty())
}

/// Appends the text of a series with labels of its family in front of its own: there they win.
pub(crate) fn put_described(out: &mut Vec<u8>, raw: &[u8], family: &Family) {
    let mut labels = labels(family.kind, &family.unit).peekable();
    if labels.peek().is_none() {
        return out.extend_from_slice(raw);
    }
    let open = memchr(b'{', raw);
    out.extend_from_slice(raw[..open.unwrap_or(raw.len())].trim_ascii_end());
    out.push(b'{');
    for (name, value) in labels {
        put_label(out, name.as_bytes(), value);
        out.push(b',');
    }
    out.extend_from_slice(open.map_or(b"}", |it| &raw[it + 1..]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_series_of_a_family() {
        for (series, family, kind, expected) in [
            ("a_total", "a", MetricType::Counter, true),
            ("a_total", "a_total", MetricType::Counter, true),
            ("a_bucket", "a", MetricType::Histogram, true),
            ("a_bucket", "a", MetricType::Gauge, false),
            ("a", "a", MetricType::Summary, true),
            ("ab", "a", MetricType::Unknown, false),
            ("b", "a", MetricType::Unknown, false),
        ] {
            assert_eq!(is_of_family(series, family, kind), expected, "{series} {family}");
        }
    }

    #[test]
    fn puts_labels_in_front() {
        let check = |raw: &str, expected: &str| {
            let family =
                Family { kind: MetricType::Counter, unit: b"s\"".to_vec(), ..Family::default() };
            let mut out = Vec::new();
            put_described(&mut out, raw.as_bytes(), &family);
            assert_eq!(String::from_utf8_lossy(&out), expected);
        };
        check("a", r#"a{__type__="counter",__unit__="s\"",}"#);
        check("a {}", r#"a{__type__="counter",__unit__="s\"",}"#);
        check(r#"a{b="c"}"#, r#"a{__type__="counter",__unit__="s\"",b="c"}"#);
        check(r#"{"a.b"}"#, r#"{__type__="counter",__unit__="s\"","a.b"}"#);
    }
}
