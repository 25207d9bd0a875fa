//! Any bytes as a log record; what decodes encodes to something that decodes to the same.
#![no_main]

use wal::record;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((kind, body)) = record::split(input) else { return };
    let mut all = Vec::new();
    if record::samples(body, |it| all.push(it)).is_ok() {
        let mut out = Vec::new();
        record::start(kind, &mut out);
        record::put_samples(&mut out, all.iter().copied());
        let mut again = Vec::new();
        record::samples(&out[1..], |it| again.push(it)).expect("it was just written");
        assert_eq!(format!("{all:?}"), format!("{again:?}"));
    }
    let _ = record::series(body, |_, _| {});
    let _ = record::samples_v2(body, |_| {});
    let _ = record::tombstones(body, |_| {});
    let _ = record::exemplars(body, |_| {});
    let _ = record::metadata(body, |_, _| {});
});
