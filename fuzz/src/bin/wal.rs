//! Any bytes as a log record; what decodes encodes to something that decodes to the same.
#![no_main]

use std::fmt::Debug;

use model::{FloatHistogram, Histogram};
use wal::record::{self, HistogramBody, Kind, RefHistogram};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let _ = wal::snapshot::decode(input);
    let _ = record::check(input);
    let Some((kind, body)) = record::split(input) else { return };
    match kind {
        Kind::Samples => {
            let mut all = Vec::new();
            if record::samples(body, |it| all.push(it)).is_ok() {
                let mut out = Vec::new();
                record::put_samples(&mut out, all.iter().copied());
                let mut again = Vec::new();
                record::samples(&out[1..], |it| again.push(it)).expect("it was just written");
                assert_same(&all, &again);
            }
        }
        Kind::SamplesV2 => {
            let mut all = Vec::new();
            if record::samples_v2(body, |it, st| all.push((it, st))).is_ok() {
                let mut out = Vec::new();
                record::put_samples_v2(&mut out, all.iter().copied());
                let mut again = Vec::new();
                record::samples_v2(&out[1..], |it, st| again.push((it, st)))
                    .expect("it was just written");
                assert_same(&all, &again);
            }
        }
        Kind::Histograms | Kind::CustomHistograms | Kind::HistogramsV2 => {
            histograms::<Histogram>(kind, body);
        }
        Kind::FloatHistograms | Kind::CustomFloatHistograms | Kind::FloatHistogramsV2 => {
            histograms::<FloatHistogram>(kind, body);
        }
        _ => {}
    }
});

fn histograms<H: HistogramBody + Debug>(kind: Kind, body: &[u8]) {
    let mut all: Vec<RefHistogram<H>> = Vec::new();
    if record::histograms(kind, body, |it| all.push(it)).is_ok() {
        let mut out = Vec::new();
        record::put_histograms_v2(&mut out, all.iter().map(RefHistogram::as_ref));
        let mut again: Vec<RefHistogram<H>> = Vec::new();
        record::histograms(H::KINDS[2], &out[1..], |it| again.push(it))
            .expect("it was just written");
        assert_same(&all, &again);
    }
}

/// Compares by text, in which a NaN equals itself.
fn assert_same<T: Debug>(a: &[T], b: &[T]) {
    assert_eq!(format!("{a:?}"), format!("{b:?}"));
}
