//! Seconds of CPU and bytes of memory to merge a day of samples: twelve blocks of two hours, 10,000 series,
//! 15 s apart, 57.6 million samples; first by threes, as the planner does, then all at once.

use std::path::Path;
use std::time::Instant;

use block::{Block, Error, Meta, Ulid};
use chunk::OpenChunk;
use stdx::{Directory, SystemDirectory};
use tsdb::compact::{compact, write_block};
use tsdb::source::{SeriesSource, SourceSeries};

const N_SERIES: u32 = 10_000;
const BLOCK_MS: i64 = 7_200_000;
const STEP_MS: i64 = 15_000;
const N_BLOCKS: i64 = 12;
const SAMPLES_PER_CHUNK: i64 = 120;

fn main() {
    let folder = std::env::temp_dir().join(format!("pyrrha-bench-compact-{}", std::process::id()));
    let dir = SystemDirectory::new(&folder);
    dir.create_dir_all(Path::new("")).expect("the disk takes a folder");
    println!(
        "what                       samples   MB out  CPU s  CPU s/M samples  wall s  peak MB"
    );
    let day: Vec<Meta> = (0..N_BLOCKS)
        .map(|at| {
            measure(&dir, "write 2 h", || {
                write_block(&dir, meta(at), 512 << 20, &mut [Box::new(Source::new(at))])
            })
        })
        .collect();
    let mut merged: Vec<Meta> = Vec::new();
    for three in day.chunks(3) {
        let parents: Vec<&Meta> = three.iter().collect();
        let ulid = Ulid::new(three[0].mint, 1 << 40);
        merged.push(measure(&dir, "merge 3 x 2 h", || compact(&dir, ulid, 512 << 20, &parents)));
    }
    let parents: Vec<&Meta> = merged[..3].iter().collect();
    measure(&dir, "merge 3 x 6 h", || compact(&dir, Ulid::new(0, 1 << 50), 512 << 20, &parents));
    let parents: Vec<&Meta> = day.iter().collect();
    measure(&dir, "merge 12 x 2 h", || compact(&dir, Ulid::new(0, 1 << 60), 512 << 20, &parents));
    std::fs::remove_dir_all(&folder).expect("the disk removes a folder");
}

fn meta(at: i64) -> Meta {
    let mut meta = Meta::new(Ulid::new(at * BLOCK_MS, 7), at * BLOCK_MS, (at + 1) * BLOCK_MS);
    meta.compaction.level = 1;
    meta.compaction.sources = vec![meta.ulid];
    meta
}

fn measure(
    dir: &SystemDirectory,
    what: &str,
    work: impl FnOnce() -> Result<Option<Meta>, Error>,
) -> Meta {
    reset_peak();
    let (wall, cpu) = (Instant::now(), cpu_seconds());
    let meta = work().expect("the disk takes a block").expect("there are samples");
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let samples = meta.stats.n_samples as f64 / 1e6;
    let (peak, per_million) = (peak_mb(), cpu / samples);
    let block = Block::open(dir, Path::new(&meta.ulid.to_string())).expect("just written");
    let written = block.n_bytes() as f64 / 1e6;
    println!(
        "{what:<24} {samples:>7.1} M {written:>8.1} {cpu:>6.2} {per_million:>16.4} {wall:>7.2} {peak:>8.1}"
    );
    meta
}

/// Series `m{instance="…",job="…"}` of counters, in label order.
struct Source {
    symbols: Vec<String>,
    at: u32,
    mint: i64,
}

impl Source {
    fn new(block: i64) -> Self {
        let instances = (0..N_SERIES).map(|it| format!("instance-{it:06}"));
        let mut symbols: Vec<String> =
            ["", "__name__", "instance", "job", "m", "node"].map(str::to_owned).to_vec();
        symbols.extend(instances);
        symbols.sort();
        Self { symbols, at: 0, mint: block * BLOCK_MS }
    }

    fn number(&self, text: &str) -> u32 {
        let at = self.symbols.binary_search_by(|it| it.as_str().cmp(text)).expect("it is a symbol");
        u32::try_from(at).expect("few symbols")
    }
}

impl SeriesSource for Source {
    fn symbols(&self) -> Box<dyn Iterator<Item = &[u8]> + '_> {
        Box::new(self.symbols.iter().map(String::as_bytes))
    }

    fn next_series(&mut self, out: &mut SourceSeries) -> Result<bool, Error> {
        if self.at == N_SERIES {
            return Ok(false);
        }
        let instance = format!("instance-{:06}", self.at);
        let pairs = [("__name__", "m"), ("instance", &instance), ("job", "node")];
        out.labels.extend(pairs.map(|(name, value)| (self.number(name), self.number(value))));
        let (mut v, mut random) = (1.0, u64::from(self.at) + 1);
        for chunk in 0..BLOCK_MS / STEP_MS / SAMPLES_PER_CHUNK {
            let mut open: Option<OpenChunk> = None;
            for i in 0..SAMPLES_PER_CHUNK {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                v += (random >> 59) as f64;
                let t = self.mint + (chunk * SAMPLES_PER_CHUNK + i) * STEP_MS;
                match &mut open {
                    Some(open) => open.append(t, v),
                    None => open = Some(OpenChunk::start(t, v)),
                }
            }
            let open = open.expect("a chunk has samples");
            out.push_chunk(open.first_t(), open.last_t(), open.as_data());
        }
        self.at += 1;
        Ok(true)
    }
}

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|it| it.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}

fn reset_peak() {
    // Refused inside some containers; the peak is then that of all work so far.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

fn peak_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("this is Linux");
    let line = status.lines().find(|it| it.starts_with("VmHWM:")).unwrap_or("");
    let kib: f64 = line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}
