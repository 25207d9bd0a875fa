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

/// What pinned histories differ from.
const PLAIN: Setting = Setting {
    disk: 0,
    compression: wal::Compression::Snappy,
    segment_bytes: 96 << 10,
    retention_ms: 0,
    retention_bytes: 0,
    head_checkpoint_bytes: 1,
    window_ms: 0,
    stale_threshold: 0.0,
    histograms: false,
    exemplars: false,
    float_xor2: false,
    starts: false,
};

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
        segment_bytes: 32 << 10,
        retention_ms: 400_000,
        histograms: true,
        ..PLAIN
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
        stale_threshold: 0.3,
        histograms: true,
        ..PLAIN
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

/// A head checkpoint has the beginning of a chunk that blocks hold, and `chunks_head` the one that follows it: that is
/// its series' all the same.
#[test]
fn takes_a_chunk_behind_one_that_blocks_hold() {
    let setting = Setting {
        disk: 4_402_451_675_950_875_069,
        compression: wal::Compression::Zstd,
        histograms: true,
        ..PLAIN
    };
    let scrape = |from, n, later, by_ref, keep| Step::Scrape { from, n, later, by_ref, keep };
    let fail = |after, step| Step::Fail { after, step: Box::new(step) };
    let mut world = World::new(setting);
    for step in [
        scrape(36, 1, 5256, false, true),
        Step::Restart,
        fail(0, scrape(9, 31, 1401, true, true)),
        fail(127, Step::Maintain),
        scrape(21, 35, 2191, true, true),
        Step::Restart,
        scrape(15, 29, 39_207, false, true),
        scrape(29, 32, 1159, false, true),
        Step::Crash(Crash::Kill),
        Step::Crash(Crash::Power),
        scrape(17, 7, 7111, true, false),
        scrape(6, 12, 7484, false, true),
        Step::Late { series: 35, earlier: 20_686, n: 35, apart: 808 },
        fail(0, scrape(15, 39, 34_545, true, true)),
        fail(9, Step::Crash(Crash::Kill)),
        scrape(31, 27, 6008, true, true),
        fail(1, scrape(29, 24, 7199, false, true)),
        scrape(3, 9, 7556, true, true),
        scrape(21, 13, 4825, false, true),
        fail(1, scrape(12, 19, 1637, false, true)),
        Step::Full { room: 57_965 },
        fail(15, Step::Restart),
        Step::Crash(Crash::Power),
        scrape(16, 15, 36_869, true, true),
        fail(246, Step::Maintain),
    ] {
        world.step(&step);
    }
    world.end_well();
}

/// Late samples became blocks, and their chunks are in a file still when a start does not read it: what is deleted
/// of them stays so for who reads it.
#[test]
fn deletes_late_samples_that_only_a_file_has() {
    let setting = Setting {
        disk: 7_397_962_675_215_046_816,
        compression: wal::Compression::None,
        segment_bytes: 32 << 10,
        window_ms: 300_000,
        ..PLAIN
    };
    let mut world = World::new(setting);
    for step in [
        Step::Scrape { from: 20, n: 39, later: 3579, by_ref: true, keep: true },
        Step::Late { series: 17, earlier: 199_193, n: 25, apart: 554 },
        Step::Late { series: 21, earlier: 46_540, n: 1, apart: 1031 },
        Step::Crash(Crash::Kill),
        Step::Maintain,
        Step::Restart,
        Step::Delete { kind: 1, pattern: 6, ago: 203_025, len: 183_737 },
        Step::ReadOnly,
    ] {
        world.step(&step);
    }
    world.end_well();
}

/// A power cut takes the record of series, and leaves histograms of theirs: no other series has their references.
#[test]
fn gives_nothing_of_lost_series_to_others() {
    let setting = Setting {
        disk: 12_437_059_682_068_394_866,
        compression: wal::Compression::None,
        segment_bytes: 32 << 10,
        window_ms: 25_000,
        stale_threshold: 0.3,
        histograms: true,
        ..PLAIN
    };
    let mut world = World::new(setting);
    for step in [
        Step::Scrape { from: 1, n: 3, later: 2880, by_ref: true, keep: true },
        Step::Maintain,
        Step::Scrape { from: 4, n: 27, later: 1329, by_ref: true, keep: true },
        Step::Crash(Crash::Power),
        Step::Scrape { from: 13, n: 39, later: 4415, by_ref: false, keep: true },
    ] {
        world.step(&step);
    }
    world.end_well();
}

/// A block that was just written cannot be opened, for once: the head keeps what is in it.
#[test]
fn keeps_what_is_in_a_block_that_cannot_be_opened() {
    let setting = Setting {
        disk: 3_376_560_653_400_389_479,
        compression: wal::Compression::Zstd,
        window_ms: 100_000,
        ..PLAIN
    };
    let scrape = |from, n, later, by_ref, keep| Step::Scrape { from, n, later, by_ref, keep };
    let burst = |from, scrapes, interval| Step::Burst { from, n: 12, scrapes, interval };
    let mut world = World::new(setting);
    for step in [
        Step::Late { series: 15, earlier: 22_835, n: 1, apart: 1203 },
        scrape(1, 19, 6492, true, true),
        scrape(34, 7, 39_221, false, true),
        Step::Batch { slot: 1, from: 9, n: 2, later: 3440 },
        scrape(11, 5, 3865, false, true),
        scrape(17, 39, 4523, false, false),
        Step::Full { room: 34_254 },
        Step::Window { window_ms: 300_000 },
        scrape(39, 26, 3970, true, true),
        scrape(25, 39, 7514, false, true),
        burst(32, 47, 355),
        burst(12, 133, 312),
        Step::Late { series: 31, earlier: 118_275, n: 39, apart: 848 },
        Step::Fail { after: 32, step: Box::new(Step::Maintain) },
    ] {
        world.step(&step);
    }
    world.end_well();
}

/// A late sample is the only one of its series, which leaves the head with it; then it is deleted in its block. The
/// log has it still, and must know.
#[test]
fn deletes_late_samples_that_only_the_log_has() {
    let setting = Setting {
        disk: 7_033_195_648_930_176_324,
        compression: wal::Compression::Zstd,
        retention_ms: 400_000,
        head_checkpoint_bytes: 0,
        window_ms: 100_000,
        stale_threshold: 0.3,
        histograms: true,
        ..PLAIN
    };
    let mut world = World::new(setting);
    for step in [
        Step::Late { series: 15, earlier: 292_510, n: 1, apart: 1632 },
        Step::Scrape { from: 27, n: 37, later: 6486, by_ref: true, keep: true },
        Step::Late { series: 13, earlier: 59_016, n: 1, apart: 1407 },
        Step::Maintain,
        Step::Delete { kind: 2, pattern: 3, ago: 62_485, len: 203_555 },
    ] {
        world.step(&step);
    }
    world.end_well();
}

/// Two blocks become one, and the disk refuses to list what there is: then the two serve on.
#[test]
fn keeps_merged_blocks_until_what_they_became_is_open() {
    let setting = Setting {
        disk: 2_876_847_513_328_200_154,
        compression: wal::Compression::Zstd,
        segment_bytes: 32 << 10,
        head_checkpoint_bytes: 1,
        stale_threshold: 0.3,
        float_xor2: true,
        ..PLAIN
    };
    let fail = |after, step| Step::Fail { after, step: Box::new(step) };
    let mut world = World::new(setting);
    for step in [
        Step::Scrape { from: 39, n: 28, later: 7980, by_ref: false, keep: true },
        fail(200, Step::Maintain),
        fail(3, Step::Restart),
        fail(1, Step::Burst { from: 1, n: 1, scrapes: 141, interval: 460 }),
        Step::Crash(Crash::Kill),
        Step::Late { series: 8, earlier: 40_248, n: 24, apart: 544 },
        fail(0, Step::Restart),
        Step::Restart,
        Step::EndSeries { from: 3, n: 32 },
        fail(46, Step::Maintain),
        fail(88, Step::Maintain),
    ] {
        world.step(&step);
    }
    world.end_well();
}

/// A power cut takes the record of a deletion, and that of a late sample it concerned. The log has the sample as well:
/// a start passes it over, for a head checkpoint is behind it, and the next, which cannot read that, finds it.
#[test]
fn a_deletion_that_was_lost_hides_nothing_for_good() {
    let setting = Setting {
        disk: 1_877_642_173_007_114_430,
        segment_bytes: 32 << 10,
        head_checkpoint_bytes: 1,
        window_ms: 300_000,
        histograms: true,
        ..PLAIN
    };
    let mut world = World::new(setting);
    for step in [
        Step::Scrape { from: 15, n: 18, later: 1512, by_ref: false, keep: true },
        Step::Late { series: 0, earlier: 52_406, n: 1, apart: 1965 },
        Step::Maintain,
        Step::Delete { kind: 3, pattern: 4, ago: 107_733, len: 214_682 },
        Step::Crash(Crash::Power),
        Step::FailAtStart { crash: Crash::Kill, after: 15 },
    ] {
        world.step(&step);
    }
    world.end_well();
}
