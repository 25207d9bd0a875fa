//! The database against a map, on a disk that crashes: random histories of appends, batches side by side,
//! queries, maintenance, restarts, kills, power cuts, full disks, failing operations and flipped bits.
//!
//! A history is decided by its seed. `HISTORIES` says how many are lived (300), `HISTORIES_FROM` the seed
//! of the first one (0; `now` takes the time). One that fails is said with its seed and its steps, as few
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

const HISTORIES: u64 = 300;

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
