//! Bodies of remote write, by hand.

/// A protobuf message.
#[derive(Default)]
pub(crate) struct Message(pub(crate) Vec<u8>);

impl Message {
    pub(crate) fn varint(&mut self, mut v: u64) -> &mut Self {
        while 0x80 <= v {
            self.0.push((v & 0x7F) as u8 | 0x80);
            v >>= 7;
        }
        self.0.push(v as u8);
        self
    }

    pub(crate) fn whole(&mut self, field: u64, v: u64) -> &mut Self {
        self.varint(field << 3).varint(v)
    }

    pub(crate) fn zigzag(&mut self, field: u64, v: i64) -> &mut Self {
        self.whole(field, (v << 1 ^ v >> 63).cast_unsigned())
    }

    pub(crate) fn double(&mut self, field: u64, v: f64) -> &mut Self {
        self.varint(field << 3 | 1).0.extend(v.to_le_bytes());
        self
    }

    pub(crate) fn bytes(&mut self, field: u64, bytes: &[u8]) -> &mut Self {
        self.varint(field << 3 | 2).varint(bytes.len() as u64).0.extend(bytes);
        self
    }

    pub(crate) fn message(&mut self, field: u64, fill: impl FnOnce(&mut Self)) -> &mut Self {
        let mut inner = Self::default();
        fill(&mut inner);
        self.bytes(field, &inner.0)
    }
}

/// Snappy without compression.
pub(crate) fn snappy(data: &[u8]) -> Vec<u8> {
    let mut out = Message::default();
    out.varint(data.len() as u64);
    for part in data.chunks(60) {
        out.0.push((part.len() as u8 - 1) << 2);
        out.0.extend(part);
    }
    out.0
}
