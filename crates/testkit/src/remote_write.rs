//! Bodies of remote write, version 1, by hand: how samples get into a peer.

use model::{CounterResetHint, FloatHistogram, Histogram, Labels, Span};

/// A sample's value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number.
    Float(f64),
    /// A native histogram with integer counts.
    Histogram(Histogram),
    /// A native histogram with float counts.
    FloatHistogram(FloatHistogram),
}

/// Samples on their way to a peer.
#[derive(Default)]
pub struct WriteRequest(Message);

impl WriteRequest {
    /// Adds samples, with their times in milliseconds, of a series.
    pub fn add<'a>(
        &mut self,
        labels: &Labels,
        samples: impl IntoIterator<Item = (i64, &'a Value)>,
    ) -> &mut Self {
        self.0.message(1, |series| {
            for (name, value) in labels.iter() {
                series.message(1, |label| {
                    label.bytes(1, name.as_bytes()).bytes(2, value.as_bytes());
                });
            }
            for (t, value) in samples {
                let field = if matches!(value, Value::Float(_)) { 2 } else { 4 };
                series.message(field, |out| sample(out, t, value));
            }
        });
        self
    }

    /// The body, as it is sent.
    pub fn body(&self) -> Vec<u8> {
        snappy(&self.0.0)
    }
}

fn sample(out: &mut Message, t: i64, value: &Value) {
    match value {
        Value::Float(v) => _ = out.double(1, *v).whole(2, t.cast_unsigned()),
        Value::Histogram(it) => {
            out.whole(1, it.count).double(3, it.sum).zigzag(4, it.schema.into());
            out.double(5, it.zero_threshold).whole(6, it.zero_count);
            spans(out, 8, &it.negative_spans);
            out.message(9, |out| deltas(out, &it.negative_deltas));
            spans(out, 11, &it.positive_spans);
            out.message(12, |out| deltas(out, &it.positive_deltas));
            out.whole(14, hint(it.hint)).whole(15, t.cast_unsigned());
        }
        Value::FloatHistogram(it) => {
            out.double(2, it.count).double(3, it.sum).zigzag(4, it.schema.into());
            out.double(5, it.zero_threshold).double(7, it.zero_count);
            spans(out, 8, &it.negative_spans);
            out.message(10, |out| doubles(out, &it.negative_buckets));
            spans(out, 11, &it.positive_spans);
            out.message(13, |out| doubles(out, &it.positive_buckets));
            out.whole(14, hint(it.hint)).whole(15, t.cast_unsigned());
        }
    }
}

fn hint(hint: CounterResetHint) -> u64 {
    match hint {
        CounterResetHint::Unknown => 0,
        CounterResetHint::Reset => 1,
        CounterResetHint::NotReset => 2,
        CounterResetHint::Gauge => 3,
    }
}

fn spans(out: &mut Message, field: u64, spans: &[Span]) {
    for it in spans {
        out.message(field, |out| {
            out.zigzag(1, it.offset.into()).whole(2, it.length.into());
        });
    }
}

fn deltas(out: &mut Message, all: &[i64]) {
    all.iter().for_each(|v| _ = out.varint(zigzagged(*v)));
}

fn doubles(out: &mut Message, all: &[f64]) {
    all.iter().for_each(|v| out.0.extend(v.to_le_bytes()));
}

fn zigzagged(v: i64) -> u64 {
    (v << 1 ^ v >> 63).cast_unsigned()
}

/// A protobuf message.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut v: u64) -> &mut Self {
        while 0x80 <= v {
            self.0.push((v & 0x7F) as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
        self
    }

    fn whole(&mut self, field: u64, v: u64) -> &mut Self {
        self.varint(field << 3).varint(v)
    }

    fn zigzag(&mut self, field: u64, v: i64) -> &mut Self {
        self.whole(field, zigzagged(v))
    }

    fn double(&mut self, field: u64, v: f64) -> &mut Self {
        self.varint(field << 3 | 1).0.extend(v.to_le_bytes());
        self
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.varint(field << 3 | 2).varint(bytes.len() as u64).0.extend(bytes);
        self
    }

    fn message(&mut self, field: u64, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(field, &inner.0)
    }
}

/// Snappy without compression.
fn snappy(data: &[u8]) -> Vec<u8> {
    let mut out = Message::default();
    out.varint(data.len() as u64);
    for part in data.chunks(60) {
        out.0.push((part.len() as u8 - 1) << 2);
        out.0.extend(part);
    }
    out.0
}
