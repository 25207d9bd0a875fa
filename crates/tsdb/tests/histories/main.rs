//! The database against a map, on a disk that crashes: random histories of appends, batches side by side,
//! queries, maintenance, restarts, kills, power cuts, full disks, failing operations and flipped bits.
//!
//! A history is decided by its seed. `HISTORIES` says how many are lived (2,000: 130 s of CPU in a debug build),
//! `HISTORIES_FROM` the seed of the first one (0; `now` takes the time). One that fails is said with its seed and its steps, as few
//! as still fail; `HISTORY=<seed> cargo test -p pyrrha-tsdb --test histories` lives it again.

mod flip;
mod history;
mod naive;
mod run;
mod steps;
#[path = "../support/mod.rs"]
mod support;
mod values;
mod world;

use std::time::{SystemTime, UNIX_EPOCH};

use history::Setting;
use steps::{Crash, Step};
use world::World;

const HISTORIES: u64 = 2000;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn keeps_what_a_map_keeps() {
    if let Some(seed) = number("HISTORY") {
        return run::run(seed..seed + 1);
    }
    let first = match std::env::var("HISTORIES_FROM").as_deref() {
        Ok("now") => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
            u64::try_from(now.as_millis()).expect("before the year 500 million")
        }
        _ => number("HISTORIES_FROM").unwrap_or(0),
    };
    let n = number("HISTORIES").unwrap_or(HISTORIES);
    println!("{n} histories from seed {first} on");
    run::run(first..first + n);
}

/// A head checkpoint holds a series that the log gave up later; when it comes again, the log must know it.
#[test]
fn the_log_knows_a_series_of_a_head_checkpoint() {
    let setting = Setting {
        disk: 14_544_585_458_039_916_826,
        compression: wal::Compression::Snappy,
        segment_bytes: 32 << 10,
        retention_ms: 400_000,
        retention_bytes: 0,
        head_checkpoint_bytes: 1,
        window_ms: 0,
        stale_threshold: 0.0,
        histograms: true,
        exemplars: false,
        float_xor2: false,
        starts: false,
    };
    let mut world = World::new(setting);
    let maintain = || Box::new(Step::Maintain);
    for step in [
        Step::Late { series: 27, earlier: 251_213, n: 22, apart: 1336 },
        Step::CrashWithin { crash: Crash::Power, after: 152, step: maintain() },
        Step::Late { series: 3, earlier: 8938, n: 1, apart: 470 },
        Step::Fail { after: 14, step: maintain() },
        Step::Maintain,
        Step::Scrape { from: 2, n: 39, later: 2817, by_ref: false, keep: true },
        Step::CrashWithin { crash: Crash::Kill, after: 7, step: Box::new(Step::Restart) },
        Step::Scrape { from: 22, n: 23, later: 34_255, by_ref: false, keep: true },
    ] {
        world.step(&step);
    }
    world.end_well();
}

/// A power cut takes samples from the log, but not the later segment that says that they were deleted: what comes
/// in their place is not deleted.
#[test]
fn deletes_nothing_in_the_place_of_what_was_lost() {
    let setting = Setting {
        disk: 11_218_314_161_419_557_266,
        compression: wal::Compression::Zstd,
        segment_bytes: 96 << 10,
        retention_ms: 0,
        retention_bytes: 0,
        head_checkpoint_bytes: 1,
        window_ms: 0,
        stale_threshold: 0.3,
        histograms: true,
        exemplars: false,
        float_xor2: false,
        starts: false,
    };
    let scrape = |from, n, later| Step::Scrape { from, n, later, by_ref: false, keep: true };
    let within = |crash, after, step| Step::CrashWithin { crash, after, step: Box::new(step) };
    let mut world = World::new(setting);
    for step in [
        scrape(15, 27, 2586),
        Step::Maintain,
        scrape(17, 13, 1635),
        Step::Restart,
        Step::Crash(Crash::Power),
        within(Crash::Kill, 1, scrape(8, 28, 21_089)),
        Step::Delete { kind: 1, pattern: 3, ago: 145_976, len: 275_366 },
        within(Crash::Power, 0, scrape(33, 25, 2446)),
        Step::Late { series: 22, earlier: 18_184, n: 26, apart: 299 },
    ] {
        world.step(&step);
    }
    world.end_well();
}
