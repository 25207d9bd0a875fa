//! Start times that pages do not have, and labels for what families are.

use exposition::{Format, TextFormat};
use model::{Histogram, Span};

use super::kinds::native_page;
use super::pages::Rig;
use crate::job::{Histograms, Job, Starts};

const TEXT: Format = Format::Text(TextFormat::Prometheus);

fn rig(job: Job) -> Rig {
    let starts = Starts { stored: true, synthesised: true, ..job.starts };
    Rig::new(Job { starts, ..job })
}

fn job() -> Job {
    Job::new("j", 1000, 1000)
}

/// Reads a page of text at `t`, in seconds; says what came to storage with a start time.
fn read(rig: &mut Rig, page: &str, t: i64) -> Vec<String> {
    rig.page_of(page.as_bytes(), TEXT, t * 1000).1.expect("is one");
    rig.fake.take_beside()
}

#[test]
fn counters_count_from_when_they_were_seen() {
    let mut rig = rig(job());
    let page = |v: i32| format!("# TYPE c counter\nc {v}\n# TYPE g gauge\ng {v}\nu_total {v}\n");
    let (counts, _) = rig.page_of(page(10).as_bytes(), TEXT, 1000);
    assert_eq!((counts.scraped, counts.kept), (3, 3), "the first value is counted as a sample");
    assert!(rig.fake.take_beside().is_empty());
    assert_eq!(read(&mut rig, &page(12), 2), ["c 2 since 1000 @2000"]);
    assert_eq!(read(&mut rig, &page(12), 3), ["c 2 since 1000 @3000"]);
    // It fell: it has started anew just now.
    assert_eq!(read(&mut rig, &page(4), 4), ["c 4 since 3999 @4000"]);
    assert_eq!(read(&mut rig, &page(5), 5), ["c 5 since 3999 @5000"]);
    // A failed scrape changes nothing.
    assert!(rig.page_of(b"c\n", TEXT, 6000).1.is_err());
    assert_eq!(read(&mut rig, &page(6), 7), ["c 6 since 3999 @7000"]);
    // What was missing in a page is begun again.
    assert!(read(&mut rig, "# TYPE g gauge\ng 1\n", 8).is_empty());
    assert!(read(&mut rig, &page(9), 9).is_empty());
    assert_eq!(read(&mut rig, &page(10), 10), ["c 1 since 9000 @10000"]);
    let dump = rig.dump();
    assert!(dump.contains("{__name__=\"u_total\"} 10@1000 12@2000"), "without a type: {dump}");
    let expected =
        "{__name__=\"c\"} 2@2000 2@3000 4@4000 5@5000 stale@6000 6@7000 stale@8000 1@10000\n";
    assert!(dump.contains(expected), "{dump}");
}

#[test]
fn what_is_refused_is_begun_again() {
    let mut rig = rig(job());
    let page = |v: i32, t: i32| format!("# TYPE c counter\nc {v} {t}\n");
    assert!(read(&mut rig, &page(10, 5000), 1).is_empty());
    assert_eq!(read(&mut rig, &page(12, 6000), 2), ["c 2 since 5000 @6000"]);
    let (counts, _) = rig.page_of(page(13, 5500).as_bytes(), TEXT, 3000);
    assert_eq!(counts.out_of_order, 1);
    assert!(read(&mut rig, &page(14, 7000), 4).is_empty());
    assert_eq!(read(&mut rig, &page(16, 8000), 5), ["c 2 since 7000 @8000"]);
    // Forgotten by the database: also begun again.
    rig.fake.forget("c");
    assert!(read(&mut rig, &page(17, 9000), 6).is_empty());
    assert_eq!(read(&mut rig, &page(20, 10000), 7), ["c 3 since 9000 @10000"]);
}

#[test]
fn of_equal_lines_the_first_counts() {
    let mut rig = rig(job());
    let page = |v: i32| format!("# TYPE c counter\nc {v}\nc 100\n");
    for (v, expected) in
        [(1, vec![]), (3, vec!["c 2 since 1000 @2000"]), (4, vec!["c 3 since 1000 @3000"])]
    {
        let t = if v == 1 { 1 } else { i64::from(v) - 1 };
        assert_eq!(read(&mut rig, &page(v), t), expected);
    }
}

#[test]
fn summaries_and_histograms_count_too() {
    let mut classic = rig(job());
    let page = |n: i32| {
        format!(
            "# TYPE s summary\ns{{quantile=\"0.5\"}} 1\ns_sum {n}\ns_count {n}\n\
             # TYPE h histogram\nh_bucket{{le=\"+Inf\"}} {n}\nh_count {n}\n"
        )
    };
    assert!(read(&mut classic, &page(3), 1).is_empty());
    let names = ["s_sum", "s_count", "h_bucket", "h_count"];
    let expected = names.map(|it| format!("{it} 4 since 1000 @2000"));
    assert_eq!(read(&mut classic, &page(7), 2), expected);

    let histograms = Histograms { native: true, ..Histograms::default() };
    let mut native = rig(Job { histograms, ..job() });
    let histogram = |schema, deltas: &[i64], count| Histogram {
        schema,
        count,
        positive_spans: vec![Span { offset: 1, length: u32::try_from(deltas.len()).expect("few") }],
        positive_deltas: deltas.to_vec(),
        ..Histogram::default()
    };
    let mut read = |t: i64, it: Histogram| {
        native.page_of(&native_page("n", &it), Format::Protobuf, t * 1000).1.expect("is one");
        native.fake.take_beside()
    };
    assert!(read(1, histogram(1, &[1, 1], 3)).is_empty());
    assert_eq!(read(2, histogram(1, &[1, 2], 4)), ["n integer 1 1 [1] since 1000 @2000"]);
    // Of a coarser one, what was there before is taken off in its buckets.
    assert_eq!(read(3, histogram(0, &[6], 6)), ["n integer 0 3 [3] since 1000 @3000"]);
    assert_eq!(read(4, histogram(0, &[5], 5)), ["n integer 0 5 [5] since 3999 @4000"]);
}

#[test]
fn a_zero_stands_where_counting_began() {
    let starts = Starts { zero: true, ..Starts::default() };
    let mut rig = rig(Job { starts, ..job() });
    let page = |v: i32| format!("# TYPE c counter\nc {v}\n");
    assert!(read(&mut rig, &page(1), 1).is_empty());
    assert_eq!(read(&mut rig, &page(3), 2), ["c zero @1000", "c 2 since 1000 @2000"]);
}

#[test]
fn series_have_the_type_and_unit_of_their_family() {
    let mut rig = Rig::new(Job { type_and_unit_labels: true, ..job() });
    let page = |kind: &str| format!("# TYPE a {kind}\na{{x=\"1\"}} 1\nb 1\n");
    let mut read = |page: String, t: i64| rig.page_of(page.as_bytes(), TEXT, t * 1000).0;
    assert_eq!(read(page("gauge"), 1).added, 2);
    assert_eq!(read(page("gauge"), 2).added, 0);
    // Of another type it is another series, and the first one ends.
    assert_eq!(read(page("counter"), 3).added, 1);
    assert_eq!(read("a{x=\"1\"} 1\nb 1\n".into(), 4).added, 1);
    assert_eq!(
        rig.dump(),
        "{__name__=\"a\", __type__=\"counter\", x=\"1\"} 1@3000 stale@4000\n\
         {__name__=\"a\", __type__=\"gauge\", x=\"1\"} 1@1000 1@2000 stale@3000\n\
         {__name__=\"a\", x=\"1\"} 1@4000\n\
         {__name__=\"b\"} 1@1000 1@2000 1@3000 1@4000\n"
    );
}
