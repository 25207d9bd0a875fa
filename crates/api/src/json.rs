//! JSON as the API writes it, straight into a buffer.

use model::{Bucket, FloatHistogram, LabelsRef, quote};

/// Appends `s` as a JSON string with `<`, `>` and `&` escaped, as Go's encoder does.
pub(crate) fn string(out: &mut Vec<u8>, s: &str) {
    escape(out, s.as_bytes(), true);
}

/// Appends a text as a JSON string with only the necessary escapes.
fn plain_string(out: &mut Vec<u8>, bytes: &[u8]) {
    escape(out, bytes, false);
}

fn escape(out: &mut Vec<u8>, bytes: &[u8], html: bool) {
    out.push(b'"');
    let mut clean = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let special = byte < b' '
            || byte == b'"'
            || byte == b'\\'
            || html && matches!(byte, b'<' | b'>' | b'&');
        if !special {
            continue;
        }
        out.extend_from_slice(&bytes[clean..at]);
        clean = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.push(HEX[usize::from(byte >> 4)]);
                out.push(HEX[usize::from(byte & 15)]);
            }
        }
    }
    out.extend_from_slice(&bytes[clean..]);
    out.push(b'"');
}

/// Appends a list of strings.
pub(crate) fn strings<S: AsRef<str>>(out: &mut Vec<u8>, list: impl IntoIterator<Item = S>) {
    array(out, list, |out, it| string(out, it.as_ref()));
}

/// Appends `[…]` with what `write` appends for each item.
pub(crate) fn array<T>(
    out: &mut Vec<u8>,
    items: impl IntoIterator<Item = T>,
    mut write: impl FnMut(&mut Vec<u8>, T),
) {
    out.push(b'[');
    for (i, item) in items.into_iter().enumerate() {
        if 0 < i {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Writes the members of one object, in order.
pub(crate) struct Object<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl<'a> Object<'a> {
    /// Opens the object.
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    /// Appends the key and gives the buffer to write its value to.
    pub(crate) fn key(&mut self, name: &str) -> &mut Vec<u8> {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        string(self.out, name);
        self.out.push(b':');
        self.out
    }

    /// Appends a string member.
    pub(crate) fn string(&mut self, name: &str, value: &str) -> &mut Self {
        string(self.key(name), value);
        self
    }

    /// Appends a member whose value is JSON text already.
    pub(crate) fn raw(&mut self, name: &str, value: impl std::fmt::Display) -> &mut Self {
        let text = value.to_string();
        self.key(name).extend_from_slice(text.as_bytes());
        self
    }

    /// Closes the object.
    pub(crate) fn end(&mut self) {
        self.out.push(b'}');
    }
}

/// Appends a label set as an object with sorted names.
pub(crate) fn labels(out: &mut Vec<u8>, labels: LabelsRef<'_>) {
    out.push(b'{');
    for (i, (name, value)) in labels.iter_bytes().enumerate() {
        if 0 < i {
            out.push(b',');
        }
        plain_string(out, name);
        out.push(b':');
        plain_string(out, value);
    }
    out.push(b'}');
}

/// Appends a time in seconds with 0 or 3 decimals.
pub(crate) fn timestamp(out: &mut Vec<u8>, t_ms: i64) {
    if t_ms < 0 {
        out.push(b'-');
    }
    let t = t_ms.unsigned_abs();
    integer(out, t / 1000);
    let rest = t % 1000;
    if rest != 0 {
        let digit = |n: u64| b'0' + u8::try_from(n % 10).expect("one digit");
        out.extend_from_slice(&[b'.', digit(rest / 100), digit(rest / 10), digit(rest)]);
    }
}

/// The digits of the numbers below 100.
const PAIRS: [[u8; 2]; 100] = {
    let mut all = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < 100 {
        all[n] = [b'0' + n as u8 / 10, b'0' + n as u8 % 10];
        n += 1;
    }
    all
};

fn integer(out: &mut Vec<u8>, mut n: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    // Two digits at once; a number of an odd length has one more in front.
    while 10 <= n {
        at -= 2;
        let two = PAIRS[(n % 100) as usize];
        digits[at..at + 2].copy_from_slice(&two);
        n /= 100;
    }
    if 0 < n || at == digits.len() {
        at -= 1;
        digits[at] = b'0' + n.to_le_bytes()[0];
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends a sample value as a string: shortest decimal; the exponent form only below 1e-6 and from 1e21.
pub(crate) fn sample_value(out: &mut Vec<u8>, v: f64) {
    out.push(b'"');
    stdx::gofloat::write_json(out, v);
    out.push(b'"');
}

/// Appends a scalar as a string: shortest decimal, never with an exponent.
pub(crate) fn scalar_value(out: &mut Vec<u8>, v: f64) {
    out.push(b'"');
    stdx::gofloat::write_f(out, v);
    out.push(b'"');
}

/// Appends a native histogram: count, sum, and the buckets that are not empty, each with a number for which of
/// its borders belong to it, its borders, and its count.
pub(crate) fn histogram(out: &mut Vec<u8>, histogram: &FloatHistogram) {
    out.extend_from_slice(b"{\"count\":");
    sample_value(out, histogram.count);
    out.extend_from_slice(b",\"sum\":");
    sample_value(out, histogram.sum);
    let buckets = histogram.buckets();
    let mut filled = buckets.iter().filter(|it| it.count != 0.0).peekable();
    if filled.peek().is_some() {
        out.extend_from_slice(b",\"buckets\":");
        array(out, filled, bucket);
    }
    out.push(b'}');
}

fn bucket(out: &mut Vec<u8>, bucket: &Bucket) {
    let borders = match (bucket.lower_inclusive, bucket.upper_inclusive) {
        (false, true) => b'0',
        (true, false) => b'1',
        (false, false) => b'2',
        (true, true) => b'3',
    };
    out.extend_from_slice(&[b'[', borders]);
    for v in [bucket.lower, bucket.upper, bucket.count] {
        out.push(b',');
        sample_value(out, v);
    }
    out.push(b']');
}

/// Formats RFC 3339 in UTC with as many decimals as needed, as Go's encoder does for times.
pub(crate) fn rfc3339(t_ms: i64) -> String {
    let Ok(time) = jiff::Timestamp::from_millisecond(t_ms) else { return ZERO_TIME.into() };
    time.to_string()
}

/// How Go prints a time that was never set.
pub(crate) const ZERO_TIME: &str = "0001-01-01T00:00:00Z";

/// Quotes as Go's `%q` does; here for error texts.
pub(crate) fn quoted(s: &str) -> String {
    quote(s)
}

#[cfg(test)]
mod tests {
    use model::Labels;

    use super::*;

    fn check(expected: &str, write: impl Fn(&mut Vec<u8>)) {
        let mut out = Vec::new();
        write(&mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn writes_as_upstream() {
        check(r#""a\"\\\u003cb\u003e\u0026\n\u0001é""#, |out| string(out, "a\"\\<b>&\n\u{1}é"));
        check(r#"{"__name__":"m","a":"<"}"#, |out| {
            labels(out, Labels::from_pairs([("a", "<"), ("__name__", "m")]).borrowed());
        });
        check("1435781451.781", |out| timestamp(out, 1_435_781_451_781));
        check("1435781451.100", |out| timestamp(out, 1_435_781_451_100));
        check("1435781451", |out| timestamp(out, 1_435_781_451_000));
        check("-0.001", |out| timestamp(out, -1));
        for seconds in [0, 7, 10, 99, 100, 101, 12_345, 9_007_199_254_740_991] {
            check(&seconds.to_string(), |out| timestamp(out, seconds * 1000));
        }
        assert_eq!(rfc3339(1_435_781_451_781), "2015-07-01T20:10:51.781Z");
    }

    #[test]
    fn writes_histograms() {
        let span = |offset, length| vec![model::Span { offset, length }];
        let it = FloatHistogram {
            count: 8.0,
            sum: -0.5,
            zero_threshold: 0.001,
            zero_count: 1.0,
            positive_spans: span(0, 3),
            positive_buckets: vec![2.0, 0.0, 1.5],
            negative_spans: span(1, 1),
            negative_buckets: vec![3.5],
            ..FloatHistogram::default()
        };
        let expected = concat!(
            r#"{"count":"8","sum":"-0.5","buckets":[[1,"-2","-1","3.5"],[3,"-0.001","0.001","1"],"#,
            r#"[0,"0.5","1","2"],[0,"2","4","1.5"]]}"#
        );
        check(expected, |out| histogram(out, &it));
    }

    #[test]
    fn writes_values() {
        for (v, expected) in [
            (1.0, "\"1\""),
            (0.1, "\"0.1\""),
            (1e-7, "\"1e-07\""),
            (1e20, "\"100000000000000000000\""),
            (1e21, "\"1e+21\""),
            (f64::NAN, "\"NaN\""),
            (f64::INFINITY, "\"+Inf\""),
            (f64::NEG_INFINITY, "\"-Inf\""),
            (-0.0, "\"-0\""),
        ] {
            check(expected, |out| sample_value(out, v));
        }
    }
}
