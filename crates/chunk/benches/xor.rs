//! Nanoseconds a sample to append to, and to decode, XOR chunks of usual series.

use std::hint::black_box;
use std::time::Instant;

use chunk::{OpenChunk, xor};

const T: i64 = 1_700_000_000_000;
const N_SAMPLES: usize = 120;
const N_CHUNKS: usize = 2000;
/// Chunks timed at once: few, so that the best of several runs is free of interruptions.
const BATCH: usize = 50;

fn main() {
    let mut random = Random(7);
    println!("                                  on time                        one in eight late");
    println!(
        "series            bytes/sample  append ns  decode ns  bytes/sample  append ns  decode ns"
    );
    run("constant", &mut random, |_, _| 1.0);
    run("counter, whole", &mut random, |r, last| last + r.below(40));
    run("counter, seconds", &mut random, |r, last| last + r.below(1_000_000) / 1e6);
    run("gauge, decimal", &mut random, |r, _| r.below(10_000) / 100.0);
    run("gauge, bytes", &mut random, |r, last| (last + (r.below(9) - 4.0) * 4096.0).max(4096.0));
    run("random", &mut random, |r, _| f64::from_bits(r.next() >> 2));
}

fn run(name: &str, random: &mut Random, mut value: impl FnMut(&mut Random, f64) -> f64) {
    print!("{name:<17}");
    for late in [u64::MAX, 8] {
        let series: Vec<_> = (0..N_CHUNKS).map(|_| samples(random, late, &mut value)).collect();
        let mut chunks: Vec<_> = series.iter().map(|it| encode(it)).collect();
        let append_ns = best_ns(|from| {
            for at in from..from + BATCH {
                chunks[at] = encode(&series[at]);
            }
        });
        let (mut t, mut v) = (Vec::new(), Vec::new());
        let decode_ns = best_ns(|from| {
            for chunk in &chunks[from..from + BATCH] {
                t.clear();
                v.clear();
                xor::decode_into(black_box(&chunk.data), &mut t, &mut v).expect("just written");
                black_box((&t, &v));
            }
        });
        let bytes: usize = chunks.iter().map(|it| it.data.len()).sum();
        let bytes = bytes as f64 / (N_CHUNKS * N_SAMPLES) as f64;
        print!(" {bytes:>12.2} {append_ns:>10.1} {decode_ns:>10.2} ");
    }
    println!();
}

/// Samples 15 s apart; one in `late` is a millisecond late.
fn samples(
    random: &mut Random,
    late: u64,
    value: &mut impl FnMut(&mut Random, f64) -> f64,
) -> Vec<(i64, f64)> {
    let (mut t, mut v) = (T, random.below(1_000_000));
    let mut next = || {
        t += 15_000;
        v = value(random, v);
        (t + i64::from(random.next().is_multiple_of(late)), v)
    };
    (0..N_SAMPLES).map(|_| next()).collect()
}

/// Returns the best time a sample of several runs of `work`, batch by batch.
fn best_ns(mut work: impl FnMut(usize)) -> f64 {
    let mut best = [f64::MAX; N_CHUNKS / BATCH];
    for _ in 0..20 {
        for (at, best) in best.iter_mut().enumerate() {
            let start = Instant::now();
            work(at * BATCH);
            *best = best.min(start.elapsed().as_nanos() as f64);
        }
    }
    best.iter().sum::<f64>() / (N_CHUNKS * N_SAMPLES) as f64
}

fn encode(samples: &[(i64, f64)]) -> chunk::Chunk {
    let mut open = OpenChunk::start(samples[0].0, samples[0].1);
    for &(t, v) in &samples[1..] {
        open.append(t, v);
    }
    open.finish()
}

/// A small generator, the same on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ x >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ x >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        x ^ x >> 31
    }

    fn below(&mut self, n: u64) -> f64 {
        (self.next() % n) as f64
    }
}
