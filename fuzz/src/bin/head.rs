//! A data directory of which one file of the head has other bytes under checksums that are right: it opens, or
//! says why not; what can be read is read, it goes on, and opens again. The first byte says which file; the
//! rest is a list of edits: two bytes where, one byte what to flip there. Of `series_state.json` it is the
//! numbers.
#![no_main]

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use model::{CounterResetHint, Exemplar, Histogram, Labels, Matcher, Span};
use stdx::{Directory, varint};
use storage::{AnySample, AnyValue, Appendable, Queryable, Samples, SelectHints};
use testkit::{CrashingDirectory, SettableClock};
use tsdb::{Db, Options};

const START: i64 = 1_700_000_000_000;
const RANGE: i64 = 100_000;

/// Where a start finds the head: in its log, in a head checkpoint, in a snapshot.
const HEADS: [fn() -> Options; 3] = [
    options,
    || Options { head_checkpoint_bytes: 1, ..options() },
    || Options { snapshot_at_close: true, ..options() },
];

/// For each of them the disk, and which files it has.
static WHOLE: LazyLock<Vec<(CrashingDirectory, Vec<PathBuf>)>> =
    LazyLock::new(|| HEADS.iter().map(|options| live(options())).collect());

fn options() -> Options {
    Options {
        retention_ms: 0,
        block_range_min_ms: RANGE,
        block_range_max_ms: RANGE,
        wal_segment_bytes: 32 << 10,
        wal_compression: wal::Compression::None,
        out_of_order_window_ms: RANGE,
        head_checkpoint_bytes: 0,
        exemplars_max: 100,
        ..Options::default()
    }
}

fn open(directory: &CrashingDirectory, options: Options) -> Result<Db, tsdb::OpenError> {
    let clock = Arc::new(SettableClock::new(START + 10 * RANGE));
    Db::open(options, Arc::new(directory.clone()), clock, &client::Registry::default())
}

fn live(options: Options) -> (CrashingDirectory, Vec<PathBuf>) {
    let directory = CrashingDirectory::new(0);
    for part in 0..4 {
        let db = open(&directory, options.clone()).expect("a kind disk");
        (part * 40..part * 40 + 40).for_each(|at| scrape(&db, START + at * RANGE / 20));
        db.maintain();
        let now = START + part * 2 * RANGE;
        (0..40).for_each(|late| append(&db, 1, AnyValue::Float(1.0), now + RANGE + late * 7));
        let matchers = [Matcher::equal("__name__", "m1")];
        db.delete(now + RANGE, now + RANGE * 5 / 4, &matchers).expect("a kind disk");
        db.close().expect("a kind disk");
    }
    let is_of_head = |path: &PathBuf| {
        ["wal", "wbl", "chunks_head", "head_checkpoint"].iter().any(|it| path.starts_with(it))
            || path.to_string_lossy().starts_with("chunk_snapshot.")
    };
    let files = directory.files().into_iter().map(|it| it.0).filter(is_of_head).collect();
    (directory, files)
}

fn scrape(db: &Db, t: i64) {
    let v = t as f64 / 3.0;
    let whole = Histogram {
        count: (t / 1000) as u64,
        positive_spans: vec![Span { offset: 0, length: 1 }],
        positive_deltas: vec![t / 1000],
        hint: CounterResetHint::Unknown,
        ..Histogram::default()
    };
    let float = whole.to_float();
    let values = [
        AnyValue::Float(v),
        AnyValue::Float(v),
        AnyValue::Histogram(&whole),
        AnyValue::FloatHistogram(&float),
    ];
    for (series, value) in values.into_iter().enumerate() {
        append(db, series, value, t);
    }
}

fn append(db: &Db, series: usize, value: AnyValue<'_>, t: i64) {
    let labels = Labels::from_pairs([("__name__", format!("m{series}")), ("job", "a".to_owned())]);
    let mut appender = db.appender();
    let taken = appender.append_any(&labels, AnySample { st: 0, t, value });
    if let (0, Ok(series)) = (t % 7, taken) {
        let labels = Labels::from_pairs([("trace_id", t.to_string())]);
        let _ = appender.append_exemplar(series, &Exemplar { labels, value: 1.0, t: Some(t) });
    }
    appender.commit().expect("a kind disk");
}

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let [which, edits @ ..] = input else { return };
    let mut which = usize::from(*which) % WHOLE.iter().map(|it| it.1.len()).sum::<usize>();
    let (mut heads, mut head) = (WHOLE.iter(), 0);
    let (whole, path) = loop {
        let (whole, files) = heads.next().expect("there is as many");
        match files.get(which) {
            Some(path) => break (whole, path),
            None => which -= files.len(),
        }
        head += 1;
    };
    let directory = whole.fork(0).kill();
    let bytes = damaged(path, directory.read(path).expect("it is there"), edits);
    let mut file = directory.create(path).expect("a kind disk");
    file.write_all(&bytes).expect("a kind disk");
    let Ok(db) = open(&directory, HEADS[head]()) else { return };
    read(&db);
    db.maintain();
    read(&db);
    db.close().expect("a kind disk");
    drop(db);
    read(&open(&directory, HEADS[head]()).expect("what was opened opens again"));
});

fn read(db: &Db) {
    let Ok(querier) = db.querier(i64::MIN, i64::MAX) else { return };
    let hints = SelectHints::default();
    let Ok(set) = querier.select(&hints, &[Matcher::equal("no_such_label", "")]) else { return };
    let mut samples = Samples::default();
    for at in 0..set.len() {
        samples.clear();
        let _ = set.read(at, i64::MIN, i64::MAX, &mut samples);
    }
}

fn damaged(path: &Path, mut bytes: Vec<u8>, edits: &[u8]) -> Vec<u8> {
    if path.ends_with("series_state.json") {
        return series_state(edits);
    }
    for it in edits.chunks_exact(3) {
        let at = usize::from(u16::from_le_bytes([it[0], it[1]]));
        if let Some(byte) = at.checked_rem(bytes.len()).map(|at| &mut bytes[at]) {
            *byte ^= it[2];
        }
    }
    if path.starts_with("chunks_head") {
        mend_chunks(&mut bytes);
    } else if path.starts_with("head_checkpoint") {
        mend_sections(&mut bytes);
    } else {
        mend_fragments(&mut bytes);
    }
    bytes
}

fn series_state(input: &[u8]) -> Vec<u8> {
    let mut numbers = [0; 14];
    let n = input.len().min(numbers.len());
    numbers[..n].copy_from_slice(&input[..n]);
    let [a, b, c, d, e, f, g, h, segment @ .., is_clean, is_ours] = numbers;
    let (last, segment) =
        (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u32::from_le_bytes(segment));
    let is_clean = is_clean % 2 == 1;
    let fields = format!(
        "\"last_series_id\":{last},\"last_wal_segment\":{segment},\"clean_shutdown\":{is_clean}"
    );
    let sum = crc32c::crc32c(fields.as_bytes());
    let ours = if is_ours % 2 == 1 { format!(",\"reserved\":{sum}") } else { String::new() };
    format!("{{{fields}{ours}}}\n").into_bytes()
}

/// `docs/format/wal.md`.
fn mend_fragments(file: &mut [u8]) {
    for page in file.chunks_mut(32 << 10) {
        let mut rest = page;
        while let Some((header, body)) = rest.split_first_chunk_mut::<7>() {
            let len = usize::from(u16::from_be_bytes([header[1], header[2]]));
            if header[0] & 7 == 0 || body.len() < len {
                break;
            }
            let (data, next) = body.split_at_mut(len);
            header[3..].copy_from_slice(&crc32c::crc32c(data).to_be_bytes());
            rest = next;
        }
    }
}

/// `docs/format/head_chunks.md`.
fn mend_chunks(file: &mut [u8]) {
    let mut at = 8;
    loop {
        let Some(mut rest) = file.get(at + 25..) else { return };
        let Some(len) = varint::take_u64(&mut rest).and_then(|it| usize::try_from(it).ok()) else {
            return;
        };
        if rest.len() < 4 || rest.len() - 4 < len {
            return;
        }
        let end = file.len() - rest.len() + len;
        let sum = crc32c::crc32c(&file[at..end]).to_be_bytes();
        file[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
}

/// `docs/format/head-checkpoint.md`.
fn mend_sections(file: &mut [u8]) {
    let mut at = 8;
    while let Some(header) = file.get(at..at + 5) {
        let len = u32::from_le_bytes([header[1], header[2], header[3], header[4]]) as usize;
        let end = at + 5 + len;
        if file.len() < end + 4 {
            return;
        }
        let sum = crc32c::crc32c(&file[at..end]).to_le_bytes();
        file[end..end + 4].copy_from_slice(&sum);
        at = end + 4;
    }
}
