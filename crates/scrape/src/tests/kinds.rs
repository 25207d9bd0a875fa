//! Protobuf pages, start times and converted histograms, page after page.

use exposition::{FamilyHead, Format, HistogramParts, MetricHead, Native, TextFormat, put_family};
use model::{Histogram, MetricType, Span};

use super::pages::Rig;
use crate::ingest::Failure;
use crate::job::{HistogramLimits, Histograms, Job, Starts};

const OPEN_METRICS: Format = Format::Text(TextFormat::OpenMetrics);

fn rig(histograms: Histograms, starts: Starts, limits: HistogramLimits) -> Rig {
    let job = Job { histograms, starts, histogram_limits: limits, ..Job::new("j", 1000, 1000) };
    Rig::new(job)
}

/// Reads pages a second apart; returns what came to storage that is no plain number, page by page.
fn read(rig: &mut Rig, pages: &[&[u8]], format: Format) -> Vec<String> {
    let mut all = Vec::new();
    for (t, page) in (1..).zip(pages) {
        rig.page_of(page, format, t * 1000).1.expect("is one");
        all.extend(rig.fake.take_beside());
    }
    all
}

fn native(count: u64) -> Histogram {
    Histogram {
        schema: 3,
        count: 2 * count,
        positive_spans: vec![Span { offset: 1, length: 2 }],
        positive_deltas: vec![count.cast_signed(), 0],
        ..Histogram::default()
    }
}

fn proto(count: u64) -> Vec<u8> {
    let mut page = Vec::new();
    let family = |name, kind| FamilyHead { name, kind, help: "h", ..FamilyHead::default() };
    put_family(&mut page, family("c", MetricType::Counter), |it| {
        it.number(MetricHead { st: 500, ..MetricHead::default() }, 7.0);
    });
    page.extend(native_page("n", &native(count)));
    page
}

/// A family with one native histogram.
pub(super) fn native_page(name: &str, it: &Histogram) -> Vec<u8> {
    let mut page = Vec::new();
    let head = FamilyHead { name, kind: MetricType::Histogram, help: "h", ..FamilyHead::default() };
    put_family(&mut page, head, |family| {
        let native = Some(Native::Integer(it));
        let parts = HistogramParts { native, ..HistogramParts::default() };
        family.histogram(MetricHead::default(), parts);
    });
    page
}

#[test]
fn protobuf_pages_are_known_again() {
    let native = Histograms { native: true, ..Histograms::default() };
    let mut rig = rig(native, Starts::default(), HistogramLimits::default());
    let pages = [proto(1), proto(2)];
    let seen = read(&mut rig, &pages.each_ref().map(|it| &it[..]), Format::Protobuf);
    assert_eq!(seen, ["n integer 3 2 [1, 0] since 0 @1000", "n integer 3 4 [2, 0] since 0 @2000"]);
    let (counts, _) = rig.page_of(&pages[1], Format::Protobuf, 3000);
    assert_eq!((counts.scraped, counts.added), (2, 0));
    // In another format the same names are read anew, and what is gone ends.
    let text = rig.page_of(b"c 8\n", Format::Text(TextFormat::Prometheus), 4000).0;
    assert_eq!((text.scraped, text.added), (1, 1));
    let dump = rig.dump();
    assert_eq!(
        dump,
        "{__name__=\"c\"} 7@1000 7@2000 7@3000 8@4000\n{__name__=\"n\"} NaN@1000 NaN@2000 NaN@3000 stale@4000\n"
    );
}

#[test]
fn start_times_are_stored_or_become_zeros() {
    let both = Starts { stored: true, zero: true, synthesised: false };
    let mut with = rig(Histograms::default(), both, HistogramLimits::default());
    let page = b"# TYPE c counter\nc_total 1\nc_created 0.5\n# TYPE g gauge\ng 2\n# EOF\n";
    let seen = read(&mut with, &[page, page], OPEN_METRICS);
    let expected = [
        "c_total zero @500",
        "c_total 1 since 500 @1000",
        "c_total zero @500",
        "c_total 1 since 500 @2000",
    ];
    assert_eq!(seen, expected);
    let mut without = rig(Histograms::default(), Starts::default(), HistogramLimits::default());
    assert!(read(&mut without, &[page], OPEN_METRICS).is_empty());
    assert!(without.dump().contains("c_created"));
    // A start that is not before its sample is none.
    let late = b"# TYPE c counter\nc_total 1 3\nc_created 3\n# EOF\n";
    let zero = Starts { zero: true, ..Starts::default() };
    let seen = read(
        &mut rig(Histograms::default(), zero, HistogramLimits::default()),
        &[late],
        OPEN_METRICS,
    );
    assert_eq!(seen, ["c_total 1 since 0 @3000"]);
}

#[test]
fn classic_histograms_are_converted() {
    let page = b"# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 3\nh_sum 5\nh_count 3\n# EOF\n";
    let convert = Histograms { convert: true, ..Histograms::default() };
    let mut only = rig(convert, Starts::default(), HistogramLimits::default());
    let seen = read(&mut only, &[page, page], OPEN_METRICS);
    assert_eq!(
        seen,
        ["h integer -53 3 [1, 1] since 0 @1000", "h integer -53 3 [1, 1] since 0 @2000"]
    );
    assert_eq!(only.dump(), "{__name__=\"h\"} NaN@1000 NaN@2000\n");
    let both = Histograms { classic: true, ..convert };
    let mut both = rig(both, Starts::default(), HistogramLimits::default());
    let (counts, _) = both.page_of(page, OPEN_METRICS, 1000);
    assert_eq!((counts.scraped, counts.added), (5, 5));
}

#[test]
fn histograms_are_brought_down_to_the_limits() {
    let native = Histograms { native: true, ..Histograms::default() };
    let page = proto(1);
    let check = |limits, expected: Result<&str, Failure>| {
        let mut rig = rig(native, Starts::default(), limits);
        let read = rig.page_of(&page, Format::Protobuf, 1000).1;
        let seen = rig.fake.take_beside();
        assert_eq!(read.map(|()| &seen[0][..]), expected, "{limits:?}");
    };
    let limits = HistogramLimits::default();
    check(HistogramLimits { buckets: 2, ..limits }, Ok("n integer 3 2 [1, 0] since 0 @1000"));
    check(HistogramLimits { buckets: 1, ..limits }, Ok("n integer 2 2 [2] since 0 @1000"));
    check(HistogramLimits { schema_max: 0, ..limits }, Ok("n integer 0 2 [2] since 0 @1000"));
    let spread = Histogram {
        count: 2,
        positive_spans: vec![Span { offset: -100, length: 1 }, Span { offset: 200, length: 1 }],
        positive_deltas: vec![1, 0],
        ..Histogram::default()
    };
    let page = native_page("n", &spread);
    let mut rig = rig(native, Starts::default(), HistogramLimits { buckets: 1, ..limits });
    let failed = rig.page_of(&page, Format::Protobuf, 1000).1;
    assert_eq!(failed, Err(Failure::BucketLimit));
}
