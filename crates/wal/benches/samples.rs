//! Bytes and nanoseconds a sample of records as scrapes leave them: what the order of the samples and the
//! compression do.
//!
//! A commit is one scrape of 1,000 series: 38 % are constant, 41 % integers that move, 12 % have two
//! decimals and the rest are full-precision doubles, as in `xtask bench ingest`.

use std::cmp::Reverse;
use std::time::Instant;

use model::SeriesRef;
use wal::record::{self, RefSample};

const T: i64 = 1_700_000_000_000;
const N_SERIES: u64 = 1000;
const N_COMMITS: u64 = 40;

type Order = (&'static str, fn(&mut Vec<RefSample>));

/// Integers are floats with zeros behind: the last zeros are told apart by bytes.
const ORDERS: [Order; 5] = [
    ("as scraped", |_| ()),
    ("zero bytes", |all| all.sort_by_key(|it| Reverse(it.v.to_bits().trailing_zeros() / 8))),
    ("exponent", |all| all.sort_by_key(|it| it.v.to_bits() >> 52)),
    ("value", |all| all.sort_unstable_by_key(|it| it.v.to_bits())),
    ("value, last byte first", |all| {
        all.sort_unstable_by_key(|it| it.v.to_bits().swap_bytes());
    }),
];

fn main() {
    let commits: Vec<Vec<RefSample>> = (0..N_COMMITS).map(|i| commit(i, 68_000 + i / 7)).collect();
    println!("                                        snappy        zstd 1        zstd 3");
    println!("order                   sort ns  raw B  B     ns      B     ns      B     ns");
    for (name, order) in ORDERS {
        let mut ordered = commits.clone();
        let sort_ns = best_ns(|i| {
            ordered[i].clone_from(&commits[i]);
            order(&mut ordered[i]);
        });
        let records: Vec<Vec<u8>> = ordered
            .iter()
            .map(|it| {
                let mut out = Vec::new();
                record::put_samples(&mut out, it.iter().copied());
                out
            })
            .collect();
        print!("{name:<24} {sort_ns:>5.1} ");
        compress(&records);
    }
    let mut records = vec![Vec::new(); commits.len()];
    for (record, commit) in records.iter_mut().zip(&commits) {
        record::put_samples_v2(record, commit.iter().map(|it| (*it, 0)));
    }
    print!("{:<24} {:>5.1} ", "with start times", 0.0);
    compress(&records);
    let mut out = Vec::new();
    let put_ns = best_ns(|i| record::put_samples(&mut out, commits[i].iter().copied()));
    println!("encoding: {put_ns:.1} ns");
}

fn compress(records: &[Vec<u8>]) {
    let per_sample = |n: usize| n as f64 / (N_SERIES * N_COMMITS) as f64;
    print!("{:>6.2}", per_sample(records.iter().map(Vec::len).sum()));
    let mut sizes = vec![0; records.len()];
    let mut snappy = snap::raw::Encoder::new();
    let mut packed = vec![0; 1 << 20];
    let ns = best_ns(|i| sizes[i] = snappy.compress(&records[i], &mut packed).expect("has room"));
    print!("  {:.2}  {ns:.1}", per_sample(sizes.iter().sum()));
    for level in [1, 3] {
        let mut zstd = zstd::bulk::Compressor::new(level).expect("a level");
        let ns = best_ns(|i| {
            sizes[i] = zstd.compress_to_buffer(&records[i], &mut packed).expect("has room");
        });
        print!("  {:.2}  {ns:.1}", per_sample(sizes.iter().sum()));
    }
    println!();
}

fn commit(target: u64, tick: u64) -> Vec<RefSample> {
    let t = T + i64::try_from(tick).expect("small") * 5000;
    let series = |at| SeriesRef(1 + target * N_SERIES + at);
    (0..N_SERIES)
        .map(|at| RefSample { series: series(at), t, v: value(target, at, tick) })
        .collect()
}

fn value(target: u64, at: u64, tick: u64) -> f64 {
    let seed = mix(target * 1_000_003 + at);
    let noise = mix(seed ^ tick);
    match at % 100 {
        0..38 => (seed % 1000) as f64,
        38..79 => (tick * (seed % 50) + noise % (seed % 50 + 1)) as f64,
        79..91 => (noise % 100_000) as f64 / 100.0,
        _ => noise as f64 / 1e13,
    }
}

/// `splitmix64`: spreads a number over all bits.
fn mix(seed: u64) -> u64 {
    let mut z = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

/// The best time a sample of several runs of `work`, commit by commit.
fn best_ns(mut work: impl FnMut(usize)) -> f64 {
    let mut best = [f64::MAX; N_COMMITS as usize];
    for _ in 0..20 {
        for (at, best) in best.iter_mut().enumerate() {
            let start = Instant::now();
            work(at);
            *best = best.min(start.elapsed().as_nanos() as f64);
        }
    }
    best.iter().sum::<f64>() / (N_SERIES * N_COMMITS) as f64
}
