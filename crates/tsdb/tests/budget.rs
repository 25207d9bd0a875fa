//! A series costs no more memory than the budget says.

mod support;

use model::Labels;
use storage::Appendable;
use tsdb::Options;

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const N_SERIES: usize = 100_000;
/// Half of a chunk, so that none is finished.
const N_SAMPLES: usize = 60;
/// See the table in the documentation of the crate: the whole, resident, with what is lost between
/// allocations; and the pages alone.
const RESIDENT_MAX: usize = 350;
const PAGES_MAX: usize = 280;

/// Resident bytes of this process that no file backs; it has one test only.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|it| it.starts_with("RssAnon:")).expect("is there");
    let kib: usize =
        line.split_whitespace().nth(1).and_then(|it| it.parse().ok()).expect("a number");
    kib * 1024
}

fn labels(i: usize) -> Labels {
    let (target, i) = (i / 1000, i % 1000);
    Labels::from_pairs([
        (
            "__name__",
            ["http_request_duration_seconds_bucket", "node_cpu_seconds_total"][i % 2].to_owned(),
        ),
        ("cluster", "prod-eu-west-1".to_owned()),
        ("handler", format!("/api/v1/orders/{}", i / 30)),
        ("instance", format!("10.0.0.{target}:9100")),
        ("job", format!("app-{}", target % 10)),
        ("le", format!("{}", i % 15)),
        ("method", ["GET", "POST", "PUT"][i % 3].to_owned()),
        ("namespace", ["payments", "checkout", "search"][target % 3].to_owned()),
        ("service", format!("service-{}", target % 40)),
        ("version", format!("v2.0.{}-5f7c9d00", target % 7)),
    ])
}

/// 40 % constant, 42 % integers, 10 % with two decimals, 8 % with all digits, as measured loads are.
fn value(i: usize, round: usize) -> f64 {
    let small = |n: usize| f64::from(u32::try_from(n).expect("small"));
    let step = (i * 7919 + round * 104_729) % 97;
    match i % 100 {
        0..40 => 0.0,
        40..82 => small(round * 50 + step),
        82..92 => small(100 + step) / 100.0,
        _ => 1.0 / (small(step) + 1.1),
    }
}

/// The allocator gives back at once what is free, so that what is resident is what is used. It is told so
/// by the environment, at the start of a process.
const NO_RESERVE: (&str, &str) = ("_RJEM_MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0");

#[test]
fn a_series_stays_within_its_budget() {
    if std::env::var_os(NO_RESERVE.0).is_none() {
        let program = std::env::current_exe().expect("this test");
        let mut again = std::process::Command::new(program);
        let status =
            again.env(NO_RESERVE.0, NO_RESERVE.1).arg("--nocapture").status().expect("starts");
        assert!(status.success(), "see above");
        return;
    }
    let dir = tempfile::tempdir().expect("a temporary folder");
    let db = support::open(dir.path(), Options::default());
    let mut refs = Vec::with_capacity(N_SERIES);
    let before = resident();
    for round in 0..N_SAMPLES {
        let t = 1_700_006_400_000 + i64::try_from(round).expect("small") * 15_000;
        for target in 0..N_SERIES / 1000 {
            let mut appender = db.appender();
            for i in target * 1000..(target + 1) * 1000 {
                let v = value(i, round);
                if round == 0 {
                    refs.push(appender.append(&labels(i), t, v).expect("takes"));
                } else {
                    appender.append_ref(refs[i], t, v).expect("takes");
                }
            }
            appender.commit().expect("commits");
        }
    }
    let bytes = (resident() - before) / N_SERIES;
    let on_pages = usize::try_from(db.series_bytes()).expect("fits") / N_SERIES;
    println!("{bytes} bytes a series, {on_pages} of them on pages");
    assert!(
        bytes <= RESIDENT_MAX && on_pages <= PAGES_MAX,
        "{bytes} bytes a series, {on_pages} on pages"
    );
    assert_eq!(db.stats(1).n_series, N_SERIES as u64);
}
