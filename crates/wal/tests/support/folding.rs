//! A log on a disk that crashes, and what is folded from it.

use std::path::Path;
use std::sync::Arc;

use model::{Labels, SeriesRef};
use stdx::{Directory, SystemClock};
use testkit::CrashingDirectory;
use wal::record::{self, Kind, RefSample};
use wal::{Compression, Metrics, Options, Writer, checkpoint};

pub(crate) const T: i64 = 1_700_000_000_000;
pub(crate) const WAL: &str = "wal";

pub(crate) fn open(directory: &Arc<dyn Directory>) -> Writer {
    let options = Options { segment_bytes: 64 << 10, compression: Compression::Snappy };
    let clock = Arc::new(SystemClock::default());
    Writer::open(Arc::clone(directory), Path::new(WAL), options, clock, Metrics::default())
        .expect("opens")
}

pub(crate) fn shared(disk: &CrashingDirectory) -> Arc<dyn Directory> {
    Arc::new(disk.clone())
}

/// Folds up to `last`; series 1 is gone, and so is what is before ten milliseconds.
pub(crate) fn request(directory: &Arc<dyn Directory>, last: u32) -> checkpoint::Request<'static> {
    checkpoint::Request {
        directory: Arc::clone(directory),
        folder: Path::new(WAL),
        last,
        keep: &|series| series.0 != 1,
        mint: T + 10,
        deletions_mint: T + 10,
        start_times: false,
        options: Options::default(),
        clock: Arc::new(SystemClock::default()),
    }
}

pub(crate) fn read_checkpoint(directory: &Arc<dyn Directory>) -> Vec<Vec<u8>> {
    let found = checkpoint::last(directory.as_ref(), Path::new(WAL)).expect("lists");
    let found = found.expect("there is one");
    let mut reader = checkpoint::open(Arc::clone(directory), &found).expect("opens");
    let mut all = Vec::new();
    while let Some(it) = reader.next().expect("reads") {
        all.push(it.bytes.to_vec());
    }
    all
}

pub(crate) fn series_record(all: &[u64]) -> Vec<u8> {
    let mut out = Vec::new();
    record::start(Kind::Series, &mut out);
    for it in all {
        let labels = Labels::from_pairs([("__name__", "m"), ("a", &it.to_string())]);
        record::put_series(&mut out, SeriesRef(*it), &labels);
    }
    out
}

pub(crate) fn sample(series: u64, after: i64) -> RefSample {
    RefSample { series: SeriesRef(series), t: T + after, v: 1.5 }
}

pub(crate) fn samples_record(samples: &[RefSample]) -> Vec<u8> {
    let mut out = Vec::new();
    record::put_samples(&mut out, samples.iter().copied());
    out
}
