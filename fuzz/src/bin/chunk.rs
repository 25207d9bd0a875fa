//! Any bytes as a chunk of any encoding: columns and samples agree, and what decodes can be written again and
//! continued.
#![no_main]

use chunk::{
    Chunk, ChunkData, Columns, Encoding, OpenChunk, OpenHistogram, OpenXor2, Purpose, Rebuilder,
    Sample, Value,
};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, data)) = input.split_first() else { return };
    let Some(encoding) = Encoding::from_byte(first % 6 + 1) else { return };
    let chunk = ChunkData { encoding, data };
    let (mut st, mut t, mut v) = (Vec::new(), Vec::new(), Vec::new());
    let (mut histogram_st, mut histogram_t, mut histogram) = (Vec::new(), Vec::new(), Vec::new());
    let mut columns = Columns {
        st: &mut st,
        t: &mut t,
        v: &mut v,
        histogram_st: &mut histogram_st,
        histogram_t: &mut histogram_t,
        histogram: &mut histogram,
    };
    let is_sound = chunk::decode(chunk, i64::MIN, i64::MAX, &mut columns).is_ok();
    assert!(st.is_empty() || st.len() == t.len());
    assert!(histogram_st.is_empty() || histogram_st.len() == histogram_t.len());
    assert_eq!((t.len(), histogram_t.len()), (v.len(), histogram.len()));
    let Some(samples) = decode(chunk) else {
        assert!(!is_sound && t.is_empty() && histogram_t.is_empty());
        return;
    };
    assert_eq!(samples.len(), t.len() + histogram_t.len());
    let mut rebuilder = Rebuilder::new(Purpose::Trim(encoding));
    samples.iter().for_each(|it| rebuilder.push(it));
    let again = rebuilder.finish().into_iter().flat_map(|it| {
        let Chunk { encoding, data } = it.chunk;
        decode(ChunkData { encoding, data: &data }).expect("it was just written")
    });
    assert_eq!(again.map(|it| (it.st, it.t)).collect::<Vec<_>>(), times(&samples));
    go_on(chunk, samples.last());
});

fn decode(chunk: ChunkData<'_>) -> Option<Vec<Sample>> {
    let mut samples = Vec::new();
    chunk::decode_samples(chunk, i64::MIN, i64::MAX, &mut samples).ok().map(|()| samples)
}

fn times(samples: &[Sample]) -> Vec<(i64, i64)> {
    samples.iter().map(|it| (it.st, it.t)).collect()
}

/// Appends the last sample once more.
fn go_on(chunk: ChunkData<'_>, last: Option<&Sample>) {
    let Some(Sample { st, t, value }) = last.filter(|_| chunk.n_samples() < 0x3FFF) else { return };
    let histogram = match value {
        Value::Float(v) if chunk.encoding == Encoding::Xor => {
            let mut open = OpenChunk::resume(chunk.data).expect("it decoded");
            open.append(*t, *v);
            return;
        }
        Value::Float(v) => {
            let mut open = OpenXor2::resume(chunk.data).expect("it decoded");
            return open.append(*st, *t, *v);
        }
        Value::Histogram(it) => it.into(),
        Value::FloatHistogram(it) => it.into(),
    };
    let mut open = OpenHistogram::resume(chunk).expect("it decoded");
    let _ = open.append(*st, *t, histogram);
    assert!(decode(open.as_data()).is_some());
}
