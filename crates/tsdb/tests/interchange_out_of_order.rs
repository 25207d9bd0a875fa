//! Samples out of order go to Debian's `prometheus` and come from it: log, `wbl`, marked chunks of the head,
//! and blocks.

mod support;

use std::path::Path;

use model::Labels;
use support::turns::{Batch, World, Writer};
use testkit::Value;

const MINUTE: i64 = 60_000;
/// A multiple of two hours.
const START: i64 = 1_699_999_200_000;
const WINDOW: i64 = 90 * MINUTE;
/// Of these, the second makes that the head is cut, at 180 minutes.
const TURN: i64 = 100;

/// What is sent in a minute: a sample of each series; of every other one also some that come late; and one
/// series has nothing but samples later than a new one may come without a window.
fn batch(minute: i64) -> Batch {
    let now = START + minute * MINUTE;
    let mut all = Vec::new();
    for i in 0..6 {
        all.push((labels(i), samples(i, &[now])));
        if i % 2 == 1 {
            let late = now - (1 + minute * 37 % 80) * MINUTE;
            all.push((labels(i), samples(i, &[late + 7_000, late, late + 3_000])));
        }
    }
    all.push((labels(6), samples(6, &[now - 70 * MINUTE, now - 80 * MINUTE + 1])));
    all
}

/// The same value whenever a sample comes, so it does not matter which of two is kept.
fn samples(i: i32, times: &[i64]) -> Vec<(i64, Value)> {
    let small = |t: i64| f64::from(i32::try_from(t / 1000 % 1000).expect("is small"));
    times.iter().map(|t| (*t, Value::Float(small(*t) / 8.0 + f64::from(i)))).collect()
}

fn labels(i: i32) -> Labels {
    Labels::from_pairs([("__name__", "m".to_owned()), ("i", i.to_string())])
}

fn turn(n: i64) -> Vec<Batch> {
    (n * TURN..(n + 1) * TURN).map(batch).collect()
}

/// The first of the log of late samples.
fn first_segment(data: &Path) -> Option<std::ffi::OsString> {
    let segments = std::fs::read_dir(data.join("wbl")).ok()?;
    segments.map(|it| it.expect("lists").file_name()).min()
}

/// `first` and `second` take turns.
fn take_turns(first: Writer, second: Writer) {
    let Some(mut world) = World::new(WINDOW) else { return };
    world.turn(first, &turn(0), |_| true);
    assert!(world.has("wbl/00000000") && world.has("chunks_head/000001"));
    assert!(world.blocks().is_empty());
    // Late samples become blocks last, and then their log begins anew.
    world.turn(second, &turn(1), |data| first_segment(data) != Some("00000000".into()));
    let blocks = world.blocks();
    assert!(!blocks.is_empty() && blocks.iter().any(|it| it.mint < START), "late ones, too");
    assert!(!world.has("wbl/00000000"));
    world.turn(first, &turn(2), |_| true);
}

#[test]
fn prometheus_compacts_what_we_wrote() {
    take_turns(Writer::Us, Writer::Prometheus);
}

#[test]
fn we_compact_what_prometheus_wrote() {
    take_turns(Writer::Prometheus, Writer::Us);
}
