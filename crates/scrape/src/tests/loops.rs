//! Loops in paused time, fed by pages of this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use client::Registry;
use exposition::TextFormat;
use model::{Labels, TargetGroup};

use super::fake::{Fake, PausedClock};
use crate::{Health, Job, Manager, Page, Parts, Source};

struct Rig {
    manager: Manager,
    fake: Fake,
    registry: Registry,
    job: Job,
}

const INTERVAL_MS: i64 = 10_000;

/// A job whose page counts its scrapes and turns bad while `bad` is not 0.
fn rig(bad: &Arc<AtomicUsize>) -> Rig {
    let (registry, fake) = (Registry::default(), Fake::default());
    let manager = Manager::new(Parts {
        appendable: Arc::new(fake.clone()),
        clock: Arc::new(PausedClock::new()),
        registry: &registry,
        user_agent: "test".into(),
        page_bytes: 0,
        alignment_ms_max: 2,
        runtime: tokio::runtime::Handle::current(),
    });
    let (n, bad) = (AtomicUsize::new(0), Arc::clone(bad));
    let page = Page::new(move |out| {
        let n = n.fetch_add(1, SeqCst);
        let text = if bad.load(SeqCst) == 0 { format!("n {n}\nm 1\n") } else { "n\n".into() };
        out.extend_from_slice(text.as_bytes());
        TextFormat::Prometheus
    });
    let job = Job { source: Source::Page(page), ..Job::new("j", INTERVAL_MS, INTERVAL_MS) };
    Rig { manager, fake, registry, job }
}

fn group(addresses: &[&str]) -> Vec<Arc<TargetGroup>> {
    let targets = addresses.iter().map(|it| Labels::from_pairs([("__address__", *it)])).collect();
    vec![Arc::new(TargetGroup { source: "s".into(), targets, labels: Labels::empty() })]
}

/// Lets `n` intervals pass.
async fn pass(n: u64) {
    tokio::time::sleep(Duration::from_millis(INTERVAL_MS.unsigned_abs() * n)).await;
}

fn values(samples: &[(i64, String)]) -> String {
    samples.iter().map(|it| it.1.as_str()).collect::<Vec<_>>().join(" ")
}

#[tokio::test(start_paused = true)]
async fn scrapes_at_ticks() {
    let bad = Arc::default();
    let rig = rig(&bad);
    assert_eq!(rig.manager.apply(vec![rig.job.clone()], 1), []);
    rig.manager.update("j", &group(&["h:1"]));
    assert_eq!(rig.manager.pools()[0].active[0].last.health, Health::Unknown);
    pass(3).await;
    let up = rig.fake.of("up");
    assert_eq!(values(&up), "1 1 1");
    assert!(up.windows(2).all(|it| it[1].0 - it[0].0 == INTERVAL_MS), "{up:?}");
    assert_eq!(values(&rig.fake.of("scrape_series_added")), "2 0 0");
    assert_eq!(values(&rig.fake.of("scrape_samples_scraped")), "2 2 2");
    assert_eq!(values(&rig.fake.of("scrape_samples_post_metric_relabeling")), "2 2 2");
    assert_eq!(rig.fake.of("n").last().map(|it| it.0), up.last().map(|it| it.0));

    bad.store(1, SeqCst);
    pass(1).await;
    let target = rig.manager.pools()[0].active[0].clone();
    assert_eq!((target.last.health, target.url.as_str()), (Health::Down, "http://h:1/metrics"));
    assert!(
        target.last.error.starts_with("expected value after metric, got "),
        "{}",
        target.last.error
    );
    bad.store(0, SeqCst);
    pass(1).await;
    assert_eq!(values(&rig.fake.of("up")), "1 1 1 0 1");
    assert_eq!(values(&rig.fake.of("m")), "1 1 1 stale 1");
    rig.manager.stop().await;
    let before = rig.fake.dump(|_| false);
    pass(5).await;
    assert_eq!(rig.fake.dump(|_| false), before, "nothing is marked at shutdown");
    let page = client::text_page(&rig.registry);
    assert!(page.contains("prometheus_target_scrape_pool_targets{scrape_job=\"j\"} 1\n"), "{page}");
    assert!(
        page.contains("prometheus_target_interval_length_seconds_count{interval=\"10s\"} 4\n"),
        "{page}"
    );
}

#[tokio::test(start_paused = true)]
async fn tells_how_it_goes() {
    let rig = rig(&Arc::default());
    let text = b"# HELP n how many\n# TYPE n counter\nn 1\n";
    let page = Page::new(move |out| {
        out.extend_from_slice(text);
        TextFormat::Prometheus
    });
    let job = Job { source: Source::Page(page), extra_metrics: true, ..rig.job };
    rig.manager.apply(vec![job], 1);
    rig.manager.update("j", &group(&["h:1", "h:2"]));
    pass(3).await;
    let page = client::text_page(&rig.registry);
    for expected in [
        "interval_length_seconds_count{interval=\"10s\"} 4",
        "interval_length_histogram_seconds_bucket{interval=\"10s\",le=\"1\"} 0",
        "interval_length_histogram_seconds_count{interval=\"10s\"} 4",
        "metadata_cache_bytes{scrape_job=\"j\"} 30",
        "metadata_cache_entries{scrape_job=\"j\"} 2",
        "scrape_duration_seconds_count 6",
        "scrape_pool_symboltable_items{scrape_job=\"j\"} 0",
        "scrapes_cache_flush_forced_total 0",
        "sync_length_histogram_seconds_bucket{scrape_job=\"j\",le=\"10\"} 1",
        "sync_length_histogram_seconds_count{scrape_job=\"j\"} 1",
    ] {
        assert!(page.contains(&format!("\nprometheus_target_{expected}\n")), "{expected}: {page}");
    }
    rig.manager.apply(Vec::new(), 1);
    let page = client::text_page(&rig.registry);
    assert!(!page.contains("scrape_job="), "{page}");
}

#[tokio::test(start_paused = true)]
async fn marks_the_end_of_a_lost_target() {
    let rig = rig(&Arc::default());
    rig.manager.apply(vec![rig.job.clone()], 1);
    rig.manager.update("j", &group(&["h:1"]));
    pass(2).await;
    rig.manager.update("j", &group(&[]));
    pass(1).await;
    assert_eq!(values(&rig.fake.of("m")), "1 1");
    pass(2).await;
    let up = rig.fake.of("up");
    assert_eq!((values(&up), values(&rig.fake.of("m"))), ("1 1 stale".into(), "1 1 stale".into()));
    assert!((up[2].0 - up[1].0 - INTERVAL_MS).abs() <= 1, "the first missed tick: {up:?}");
    // Never scraped: nothing to mark.
    rig.manager.update("j", &group(&["h:2"]));
    rig.manager.update("j", &group(&[]));
    pass(4).await;
    assert_eq!(values(&rig.fake.of("up")), "1 1 stale");
}

#[tokio::test(start_paused = true)]
async fn a_target_that_comes_back_is_not_hurt() {
    let rig = rig(&Arc::default());
    rig.manager.apply(vec![rig.job.clone()], 1);
    rig.manager.update("j", &group(&["h:1"]));
    pass(2).await;
    rig.manager.update("j", &group(&[]));
    rig.manager.update("j", &group(&["h:1"]));
    pass(5).await;
    let up = rig.fake.of("up");
    assert!(up.iter().all(|it| it.1 == "1"), "{up:?}");
    assert!(rig.fake.of("m").iter().all(|it| it.1 == "1"));
}

#[tokio::test(start_paused = true)]
async fn reloads_touch_what_changed() {
    let rig = rig(&Arc::default());
    rig.manager.apply(vec![rig.job.clone()], 1);
    rig.manager.update("j", &group(&["h:1"]));
    pass(2).await;
    // The same: the loop goes on.
    rig.manager.apply(vec![rig.job.clone()], 1);
    pass(1).await;
    let up = rig.fake.of("up");
    assert!(up.windows(2).all(|it| it[1].0 - it[0].0 == INTERVAL_MS), "{up:?}");
    // Another interval: the cache goes on.
    let faster = Job { interval_ms: INTERVAL_MS / 2, timeout_ms: 1000, ..rig.job.clone() };
    rig.manager.apply(vec![faster.clone()], 1);
    pass(4).await;
    assert_eq!(rig.manager.pools()[0].active[0].interval_ms, INTERVAL_MS / 2);
    let added = values(&rig.fake.of("scrape_series_added"));
    assert!(
        added.starts_with("2 0 0 0 0") && !added.contains("stale") && added.ends_with('0'),
        "{added}"
    );
    // Other labels: a fresh start, and an end for the old series.
    let rule = relabel::Rule {
        target_label: "zone".into(),
        replacement: "z".into(),
        ..Default::default()
    };
    rig.manager.apply(vec![Job { relabel: vec![rule], ..faster }], 1);
    pass(3).await;
    assert_eq!(values(&rig.fake.of("scrape_series_added")).matches('2').count(), 2);
    assert_eq!(rig.fake.of("m").iter().filter(|it| it.1 == "stale").count(), 1);
    // Gone.
    rig.manager.apply(vec![], 1);
    assert!(rig.manager.pools().is_empty());
    pass(3).await;
    assert_eq!(rig.fake.of("m").iter().filter(|it| it.1 == "stale").count(), 2);
}

#[tokio::test(start_paused = true)]
async fn says_when_there_are_too_many_targets() {
    let mut rig = rig(&Arc::default());
    rig.job.limits.targets = 1;
    rig.job.relabel = vec![relabel::Rule {
        source_labels: vec!["__address__".into()],
        regex: regexp::Regexp::anchored("drop.*").expect("an expression"),
        action: relabel::Action::Drop,
        ..Default::default()
    }];
    rig.job.limits.kept_dropped_targets = 1;
    rig.manager.apply(vec![rig.job.clone()], 1);
    rig.manager.update("j", &group(&["h:1", "h:2", "h:2", "drop:1", "drop:2", "a/b"]));
    pass(1).await;
    let pool = rig.manager.pools().remove(0);
    assert_eq!((pool.active.len(), pool.dropped.len(), pool.n_dropped), (2, 1, 2));
    let expected = "target_limit exceeded (number of targets: 2, limit: 1)";
    assert!(pool.active.iter().all(|it| it.last.error == expected), "{pool:?}");
    rig.manager.update("j", &group(&["h:1"]));
    pass(1).await;
    assert_eq!(rig.manager.pools()[0].active[0].last.health, Health::Up);
}

#[tokio::test(start_paused = true)]
async fn shows_no_passwords() {
    let rig = rig(&Arc::default());
    rig.manager.apply(vec![rig.job.clone()], 1);
    rig.manager.update("j", &group(&["user:secret@h:1"]));
    assert_eq!(rig.manager.pools()[0].active[0].url, "http://user:xxxxx@h:1/metrics");
}

#[tokio::test(start_paused = true)]
async fn a_reload_opens_logs_anew() {
    let (rig, folder) = (rig(&Arc::default()), tempfile::tempdir().expect("a folder"));
    let log = folder.path().join("failures");
    let job = Job { failure_log: Some(log.clone()), ..rig.job.clone() };
    rig.manager.apply(vec![job.clone()], 1);
    rig.manager.update("j", &group(&["h:1"]));
    pass(2).await;
    std::fs::rename(&log, folder.path().join("before")).expect("moved away");
    // The job is the same; its loops go on.
    rig.manager.apply(vec![job], 1);
    assert!(log.exists());
    pass(2).await;
    assert_eq!(values(&rig.fake.of("scrape_series_added")), "2 0 0 0");
}
