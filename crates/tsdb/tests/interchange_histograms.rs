//! Histogram chunks: Debian's `prometheus` is sent histograms, and writes the chunks that we write, byte for
//! byte; and it reads ours.

mod support;

use std::path::Path;

use block::index::SeriesEntry;
use block::{Block, Meta, Ulid};
use chunk::{Encoding, HistogramRef, OpenHistogram};
use model::{FloatHistogram, Histogram, Labels, METRIC_NAME, Span, stale_nan};
use stdx::SystemDirectory;
use support::server::Server;
use testkit::{Value, WriteRequest};
use tsdb::compact::write_block;
use tsdb::source::{SeriesSource, SourceSeries};

const T: i64 = 1_700_000_000_000;
/// At 30 samples version 2.42 would foretell the end of the chunk.
const N_SAMPLES: usize = 29;

/// What the server is told beside its folder.
const FLAGS: &[&str] = &[
    "--enable-feature=native-histograms",
    "--web.enable-admin-api",
    "--web.enable-remote-write-receiver",
];

fn start(program: &Path, data: &Path) -> Server {
    Server::start(program, data, "global: {}\n", FLAGS)
}

/// A small generator, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ x >> 31) % n
    }
}

/// Counters that grow, get buckets, are reset, and go stale.
fn series(seed: u64) -> Vec<(i64, Histogram)> {
    let mut random = Random(seed);
    let mut buckets = [vec![0u64; 12], vec![0; 12]];
    // Some empty buckets are listed, and stay so: 2.42 starts a chunk when one is gone.
    let mut listed = [vec![false; 12], vec![false; 12]];
    let (mut zero_count, mut schema, mut t) = (0, 1, T);
    let mut all = Vec::new();
    for _ in 0..N_SAMPLES {
        t += if random.below(3) == 0 { 1 + random.below(60_000).cast_signed() } else { 15_000 };
        match random.below(40) {
            0 => buckets = [vec![0; 12], vec![0; 12]],
            2 => schema = 3 - schema,
            3 => zero_count = 0,
            4 => {
                all.push((t, Histogram { sum: stale_nan(), ..Histogram::default() }));
                continue;
            }
            5 => listed[0][random.below(12) as usize] = true,
            _ => {}
        }
        zero_count += random.below(3);
        for _ in 0..random.below(4) {
            let (side, at) = (random.below(2) as usize, random.below(12) as usize);
            buckets[side][at] += 1 + random.below(100);
        }
        let mut sides = (0..2).map(|side| {
            let at = (0..12usize).filter(|at| 0 < buckets[side][*at] || listed[side][*at]);
            let at: Vec<usize> = at.collect();
            let mut before = 0;
            let delta = |at: &usize| {
                let count = buckets[side][*at].cast_signed();
                count - std::mem::replace(&mut before, count)
            };
            (Span::of(at.iter().map(|it| *it as i64 - 3)), at.iter().map(delta).collect())
        });
        let (positive_spans, positive_deltas) = sides.next().unwrap();
        let (negative_spans, negative_deltas) = sides.next().unwrap();
        let histogram = Histogram {
            schema,
            zero_threshold: 2f64.powi(-128),
            zero_count,
            count: zero_count + buckets.iter().flatten().sum::<u64>(),
            sum: random.below(10_000) as f64 / 8.0,
            positive_spans,
            positive_deltas,
            negative_spans,
            negative_deltas,
            ..Histogram::default()
        };
        histogram.validate().unwrap();
        all.push((t, histogram));
    }
    all
}

/// Encoding, times and data of the chunks of a series.
type Chunks = Vec<(Encoding, i64, i64, Vec<u8>)>;

fn encode<'a>(samples: impl Iterator<Item = (i64, HistogramRef<'a>)>) -> Chunks {
    let mut open: Option<OpenHistogram> = None;
    let mut full = Vec::new();
    for (t, histogram) in samples {
        let next = match &mut open {
            Some(open) => open.append(0, t, histogram),
            None => Some(OpenHistogram::start(false, 0, t, histogram)),
        };
        if let Some(next) = next {
            full.extend(open.replace(next));
        }
    }
    full.extend(open);
    full.iter().map(|it| (it.encoding(), it.first_t(), it.last_t(), it.data().to_vec())).collect()
}

fn ours(samples: &[(i64, Histogram)], floats: bool) -> Chunks {
    let as_floats: Vec<(i64, FloatHistogram)> =
        samples.iter().map(|(t, it)| (*t, it.to_float())).collect();
    match floats {
        true => encode(as_floats.iter().map(|(t, it)| (*t, it.into()))),
        false => encode(samples.iter().map(|(t, it)| (*t, it.into()))),
    }
}

/// False for a float histogram that version 2.42 cannot tell from one of integers: without observations.
fn can_be_sent(histogram: &Histogram, as_float: bool) -> bool {
    !as_float || 0 < histogram.count
}

/// The series of a block by name.
fn read(data: &Path, ulid: &str) -> Vec<(String, Chunks)> {
    let block = Block::open(&SystemDirectory::new(data), Path::new(ulid)).unwrap();
    let mut all = Vec::new();
    for number in block.index().all_postings().unwrap().iter() {
        let mut entry = SeriesEntry::default();
        block.index().read_series(number, &mut entry).unwrap();
        let name = block.index().labels(&entry).unwrap().metric_name().to_owned();
        let chunks = entry.chunks.iter().map(|it| {
            let chunk = block.chunk(it.reference).unwrap();
            (chunk.encoding, it.mint, it.maxt, chunk.data.to_vec())
        });
        all.push((name, chunks.collect()));
    }
    all
}

#[test]
fn writes_the_bytes_that_prometheus_writes() {
    let Some(program) = testkit::peer("prometheus") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = start(&program, &data);
    let all: Vec<_> =
        (0..48).map(|seed| (format!("h{seed:02}"), series(seed), seed % 2 == 1)).collect();
    for (name, samples, floats) in &all {
        for (t, it) in samples {
            if !can_be_sent(it, *floats) {
                continue;
            }
            let it = match floats {
                true => Value::FloatHistogram(it.to_float()),
                false => Value::Histogram(it.clone()),
            };
            let labels = Labels::from_pairs([(METRIC_NAME, &name[..])]);
            server.write(WriteRequest::default().add(&labels, [(*t, &it)]));
        }
    }
    let (status, text) = server.ask("POST", "/api/v1/admin/tsdb/snapshot", &[]).unwrap();
    assert_eq!(status, 200, "{text}");
    let text: serde_json::Value = serde_json::from_str(&text).unwrap();
    let snapshot = data.join("snapshots").join(text["data"]["name"].as_str().unwrap());
    let block = std::fs::read_dir(&snapshot).unwrap().next().unwrap().unwrap().file_name();
    let theirs = read(&snapshot, block.to_str().unwrap());
    assert_eq!(theirs.len(), all.len());
    for ((name, samples, floats), (their_name, theirs)) in all.into_iter().zip(theirs) {
        assert_eq!(name, their_name);
        let samples: Vec<_> = samples.into_iter().filter(|it| can_be_sent(&it.1, floats)).collect();
        let mut ours = ours(&samples, floats);
        let mut theirs = theirs;
        for ((.., ours), (.., theirs)) in ours.iter_mut().zip(&mut theirs) {
            // Versions before 3.0 leave a byte too many at times.
            if theirs.len() == ours.len() + 1 && theirs.last() == Some(&0) {
                theirs.pop();
            }
            // 2.42 forgets what is known about a reset when it writes a chunk anew for more buckets.
            if theirs[2] == 0 {
                ours[2] = 0;
            }
        }
        let times = |all: &Chunks| all.iter().map(|it| (it.1 - T, it.2 - T)).collect::<Vec<_>>();
        assert_eq!(times(&ours), times(&theirs), "{name}");
        for (ours, theirs) in ours.iter().zip(&theirs) {
            assert_eq!(ours, theirs, "{name}");
        }
    }
}

/// Series in name order.
struct ListSource {
    names: Vec<String>,
    series: std::vec::IntoIter<Chunks>,
    at: u32,
}

impl SeriesSource for ListSource {
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        Box::new(
            std::iter::once(METRIC_NAME.as_bytes())
                .chain(self.names.iter().map(|it| it.as_bytes())),
        )
    }

    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, block::Error> {
        let Some(chunks) = self.series.next() else { return Ok(false) };
        self.at += 1;
        out.labels.push((0, self.at));
        for (encoding, mint, maxt, data) in &chunks {
            out.push_chunk(*mint, *maxt, chunk::ChunkData { encoding: *encoding, data });
        }
        Ok(true)
    }
}

#[test]
fn prometheus_reads_our_histograms() {
    let Some(program) = testkit::peer("prometheus") else { return };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let all: Vec<_> =
        (20..24).map(|seed| (format!("h{seed}"), series(seed), seed % 2 == 1)).collect();
    let names = all.iter().map(|it| it.0.clone()).collect();
    let chunks: Vec<Chunks> =
        all.iter().map(|(_, samples, floats)| ours(samples, *floats)).collect();
    let mut meta = Meta::new(Ulid::new(1, 1), T, T + 7_200_000);
    meta.compaction.level = 1;
    meta.compaction.sources = vec![meta.ulid];
    let source = ListSource { names, series: chunks.into_iter(), at: 0 };
    let mut sources: [Box<dyn SeriesSource>; 1] = [Box::new(source)];
    write_block(&SystemDirectory::new(&data), meta, 1 << 20, &mut sources).unwrap().unwrap();
    let server = start(&program, &data);
    for (name, samples, _) in all {
        let path = format!("/api/v1/query?query={name}[2h]&time={}", (T + 7_200_000) / 1000);
        let (status, text) = server.ask("GET", &path, &[]).unwrap();
        assert_eq!(status, 200, "{text}");
        let text: serde_json::Value = serde_json::from_str(&text).unwrap();
        let found = text["data"]["result"][0]["histograms"].as_array().expect("has histograms");
        let shown: Vec<_> = samples.iter().filter(|it| !it.1.is_stale()).collect();
        assert_eq!(found.len(), shown.len(), "{name}");
        for (found, (t, histogram)) in found.iter().zip(shown) {
            assert_eq!(found[0].as_f64().map(|it| (it * 1000.0).round()), Some(*t as f64));
            let number = |it: &serde_json::Value| it.as_str().and_then(|it| it.parse::<f64>().ok());
            assert_eq!(number(&found[1]["count"]), Some(histogram.count as f64));
            assert_eq!(number(&found[1]["sum"]), Some(histogram.sum));
            let buckets = found[1]["buckets"].as_array().map_or(0, Vec::len);
            let float = histogram.to_float();
            let filled = float.positive_buckets.iter().chain(&float.negative_buckets);
            let filled = filled.chain([&float.zero_count]).filter(|it| 0.0 < **it).count();
            assert_eq!(buckets, filled, "{name} {t}");
        }
    }
}
