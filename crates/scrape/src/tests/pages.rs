//! Pages, one after the other, against what a naive reader keeps.

use std::collections::{BTreeMap, BTreeSet};

use exposition::{Format, TextFormat};
use model::{Labels, TargetGroup};
use proptest::prelude::*;
use relabel::{Action, Rule};
use storage::Appendable;

use super::fake::Fake;
use crate::cache::Cache;
use crate::ingest::{Counts, Failure, Ingest};
use crate::job::Job;
use crate::metadata::Interner;
use crate::target::{self, Populated, Target};

pub(super) struct Rig {
    pub(super) job: Job,
    target: Target,
    cache: Cache,
    interner: Interner,
    pub(super) fake: Fake,
}

impl Rig {
    pub(super) fn new(job: Job) -> Self {
        let targets = vec![Labels::from_pairs([("__address__", "h:1")])];
        let group = TargetGroup { source: String::new(), targets, labels: Labels::empty() };
        let Ok(Populated::Target(target)) = target::from_group(&job, &group).remove(0) else {
            panic!("a target")
        };
        Self {
            job,
            target: *target,
            cache: Cache::default(),
            interner: Interner::default(),
            fake: Fake::default(),
        }
    }

    fn page(&mut self, page: &str, t: i64) -> (Counts, Result<(), Failure>) {
        self.page_as(page, TextFormat::Prometheus, t)
    }

    fn page_as(&mut self, page: &str, format: TextFormat, t: i64) -> (Counts, Result<(), Failure>) {
        self.page_of(page.as_bytes(), Format::Text(format), t)
    }

    pub(super) fn page_of(
        &mut self,
        page: &[u8],
        format: Format,
        t: i64,
    ) -> (Counts, Result<(), Failure>) {
        let mut appender = self.fake.appender();
        let mut ingest = Ingest::new(
            &self.job,
            &self.target,
            &mut self.cache,
            &self.interner,
            &mut *appender,
            t,
        );
        let read = ingest.page(page, format);
        let counts = ingest.counts;
        if read.is_err() {
            appender.rollback();
            appender = self.fake.appender();
            self.cache.end_all(&mut *appender, t);
        }
        appender.commit().expect("memory");
        assert!(self.cache.entries.iter().all(|it| !it.seen), "marks are gone");
        (counts, read)
    }

    pub(super) fn dump(&self) -> String {
        self.fake.dump(|_| false).replace(", instance=\"h:1\", job=\"j\"", "")
    }

    /// What came beside the samples of an OpenMetrics page.
    fn beside(&mut self, page: &str, t: i64) -> Vec<String> {
        let page = format!("{page}# EOF\n");
        self.page_as(&page, TextFormat::OpenMetrics, t).1.expect("is one");
        self.fake.take_beside()
    }

    fn families(&self) -> Vec<String> {
        let mut all: Vec<_> = self.cache.families().all();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all.iter()
            .map(|it| format!("{} {} {:?}", it.name, it.metadata.kind.as_str(), it.metadata.help))
            .collect()
    }
}

fn job() -> Job {
    Job::new("j", 1000, 1000)
}

fn counts(scraped: usize, kept: usize, added: usize) -> Counts {
    Counts { scraped, kept, added, ..Counts::default() }
}

#[test]
fn follows_pages_that_change() {
    let mut rig = Rig::new(job());
    assert_eq!(
        rig.page("# TYPE a counter\na 1\nb{x=\"y\"} 2\n\nc 3\n", 1000),
        (counts(3, 3, 3), Ok(()))
    );
    assert_eq!(
        rig.page("# TYPE a counter\na 2\nb{x=\"y\"} 2\n\nc 4.5\n", 2000),
        (counts(3, 3, 0), Ok(()))
    );
    // Moved, one gone, one new.
    assert_eq!(rig.page("c 5\nd 1\n# TYPE a counter\na 3\n", 3000), (counts(3, 3, 1), Ok(())));
    assert_eq!(rig.page("c 6\nd 1\n# TYPE a counter\na 4", 4000), (counts(3, 3, 0), Ok(())));
    let failed = rig.page("c 7\nd 2\nnonsense\n", 5000);
    assert!(matches!(failed, (_, Err(Failure::Page(_)))), "{failed:?}");
    assert_eq!(rig.page("c 8\nd 3\n# TYPE a counter\na 5\n", 6000), (counts(3, 3, 0), Ok(())));
    assert_eq!(rig.page("", 7000), (counts(0, 0, 0), Ok(())));
    assert_eq!(
        rig.dump(),
        "{__name__=\"a\"} 1@1000 2@2000 3@3000 4@4000 stale@5000 5@6000 stale@7000\n\
         {__name__=\"b\", x=\"y\"} 2@1000 2@2000 stale@3000\n\
         {__name__=\"c\"} 3@1000 4.5@2000 5@3000 6@4000 stale@5000 8@6000 stale@7000\n\
         {__name__=\"d\"} 1@3000 1@4000 stale@5000 3@6000 stale@7000\n"
    );
}

#[test]
fn starts_a_forgotten_series_again() {
    let mut rig = Rig::new(job());
    rig.page("a 1\nb 1\n", 1000).1.expect("read");
    rig.fake.forget("a");
    assert_eq!(rig.page("a 2\nb 2\n", 2000), (counts(2, 2, 0), Ok(())));
    assert_eq!(rig.page("a 3\n", 3000), (counts(1, 1, 0), Ok(())));
    assert_eq!(rig.fake.of("a"), [(2000, "2".into()), (3000, "3".into())]);
}

#[test]
fn a_last_line_may_lack_its_end() {
    for end in ["#", "# c", " # c", "# HELP b c", "# TYPE b counter"] {
        let mut rig = Rig::new(Job::new("j", 1000, 1000));
        for t in 1..3 {
            let (counts, read) = rig.page(&format!("a 1\n{end}"), t * 1000);
            assert_eq!((counts.scraped, read), (1, Ok(())), "{end}");
        }
        assert_eq!(rig.dump(), "{__name__=\"a\"} 1@1000 1@2000\n", "{end}");
    }
}

#[test]
fn a_refused_line_is_its_twins_first() {
    let mut rig = Rig::new(job());
    let page = "a 1 500\na 1\nb 1\n";
    rig.page("a 1\nb 1\n", 1000).1.expect("read");
    rig.page("b 1\n", 2000).1.expect("read");
    // Refused, so not known yet: the second line is the series' first.
    rig.page("a 1 500\nb 1\n", 3000).1.expect("read");
    rig.page(page, 4000).1.expect("read");
    // Now both lines are known, and the second is a duplicate of the first.
    let read = rig.page(page, 5000);
    assert_eq!(read, (Counts { duplicate: 1, out_of_order: 1, ..counts(3, 3, 0) }, Ok(())));
    rig.page("a 1\nb 1\n", 6000).1.expect("read");
    let a = ["1@1000", "stale@2000", "1@4000", "stale@5000", "1@6000"].join(" ");
    assert!(rig.dump().starts_with(&format!("{{__name__=\"a\"}} {a}\n")), "{}", rig.dump());
}

#[test]
fn drops_renames_and_limits() {
    let mut job = job();
    let drop_go = Rule {
        source_labels: vec!["__name__".into()],
        regex: regexp::Regexp::anchored("go_.*").expect("an expression"),
        action: Action::Drop,
        ..Rule::default()
    };
    job.metric_relabel = vec![drop_go];
    job.limits.samples = 2;
    let mut rig = Rig::new(job);
    for t in [1000, 2000] {
        let added = if t == 1000 { 2 } else { 0 };
        assert_eq!(rig.page("go_x 1\na{job=\"own\"} 1\nb 1\n", t), (counts(3, 2, added), Ok(())));
    }
    assert_eq!(
        rig.page("go_x 1\na{job=\"own\"} 1\nb 1\nc 1\n", 3000),
        (counts(4, 3, 0), Err(Failure::SampleLimit))
    );
    assert_eq!(
        rig.dump(),
        "{__name__=\"a\", exported_job=\"own\"} 1@1000 1@2000 stale@3000\n{__name__=\"b\"} 1@1000 1@2000 stale@3000\n"
    );
}

#[test]
fn goes_on_with_what_there_is_room_for() {
    let mut rig = Rig::new(job());
    rig.page("a 1\n", 1000).1.expect("read");
    rig.fake.set_room(1);
    let page = "a 2\nb 1\nc 1\nd{x=\"1\",x=\"2\"} 1\n";
    let read = rig.page("a 2\nb 1\nc 1\n", 2000);
    assert_eq!(read, (Counts { limited: 2, ..counts(3, 3, 0) }, Ok(())));
    let read = rig.page("a 3\nb 2\nc 2\n", 3000);
    assert_eq!(read, (Counts { limited: 2, ..counts(3, 3, 0) }, Ok(())));
    rig.fake.set_room(2);
    let read = rig.page("a 4\nb 3\nc 3\n", 4000);
    assert_eq!(read, (Counts { limited: 1, ..counts(3, 3, 1) }, Ok(())));
    rig.fake.set_room(9);
    assert_eq!(rig.page("a 5\nb 4\nc 4\n", 5000), (counts(3, 3, 1), Ok(())));
    // A line that is no series is one with room or without.
    rig.page(page, 6000).1.expect_err("twice the same name");
    assert_eq!(
        rig.dump(),
        "{__name__=\"a\"} 1@1000 2@2000 3@3000 4@4000 5@5000 stale@6000\n\
         {__name__=\"b\"} 3@4000 4@5000 stale@6000\n{__name__=\"c\"} 4@5000 stale@6000\n"
    );
}

#[test]
fn counts_what_storage_refuses() {
    let mut rig = Rig::new(job());
    let page = "a 1\na 2\nb 1 500\nb 2 600\nfar 1 9999999\n";
    let read = rig.page(page, 1000);
    assert_eq!(read, (Counts { duplicate: 1, out_of_bounds: 1, ..counts(5, 5, 2) }, Ok(())));
    let read = rig.page(page, 2000);
    assert_eq!(
        read.0,
        Counts { duplicate: 1, out_of_order: 1, out_of_bounds: 1, ..counts(5, 5, 0) }
    );
    rig.page("a 1\n", 3000).1.expect("read");
    // Own timestamps: no markers.
    assert_eq!(rig.fake.of("b"), [(500, "1".into()), (600, "2".into())]);
    assert_eq!(rig.fake.of("a"), [(1000, "1".into()), (2000, "1".into()), (3000, "1".into())]);
    let read = rig.page("a{x=\"1\",x=\"2\"} 1\n", 4000).1;
    assert_eq!(read, Err(Failure::Page("label name \"x\" is not unique: invalid sample".into())));
}

#[test]
fn keeps_metadata_for_a_while() {
    let mut rig = Rig::new(job());
    rig.page("# HELP a x\n# TYPE a gauge\na 1\n# TYPE b counter\nb 1\n", 1000).1.expect("read");
    assert_eq!(rig.families(), ["a gauge \"x\"", "b counter \"\""]);
    rig.page("# HELP a y\n# TYPE a gauge\na 1\n", 2000).1.expect("read");
    assert_eq!(rig.families(), ["a gauge \"y\"", "b counter \"\""]);
    for t in 3..12 {
        rig.page("# HELP a y\n# TYPE a gauge\na 1\n", t * 1000).1.expect("read");
        assert_eq!(rig.families().len(), 2, "{t}");
    }
    rig.page("# HELP a y\n# TYPE a gauge\na 1\n", 12_000).1.expect("read");
    assert_eq!(rig.families(), ["a gauge \"y\""]);
    rig.page("# TYPE c info\n# HELP a y\n# TYPE a gauge\na 1\n# EOF\n", 13_000)
        .1
        .expect_err("no such type");
    rig.page_as("# TYPE c info\nc_info 1\n# EOF\n", TextFormat::OpenMetrics, 14_000)
        .1
        .expect("read");
    assert_eq!(rig.families(), ["a gauge \"y\"", "c info \"\""]);
}

#[derive(Clone, Debug)]
struct Line {
    series: u8,
    value: u8,
    t: Option<u8>,
}

/// What a reader does that has all the time in the world.
#[derive(Default)]
struct Naive {
    samples: BTreeMap<u8, Vec<(i64, Option<u8>)>>,
    live: BTreeSet<u8>,
    known: BTreeSet<u8>,
}

impl Naive {
    fn append(&mut self, series: u8, t: i64, v: Option<u8>) -> Option<bool> {
        let samples = self.samples.entry(series).or_default();
        match samples.last() {
            Some((last, before)) if *last == t => Some(*before == v).filter(|it| *it),
            Some((last, _)) if t < *last => None,
            _ => {
                samples.push((t, v));
                Some(true)
            }
        }
    }

    /// Returns how many samples were of unknown series.
    fn page(&mut self, lines: &[Line], t: i64, fails: bool) -> usize {
        let (mut live, mut known, mut seen, mut added) =
            (BTreeSet::new(), BTreeSet::new(), BTreeSet::new(), 0);
        for line in if fails { &[] } else { lines } {
            if seen.contains(&line.series) && line.t.is_none() {
                continue;
            }
            let taken =
                self.append(line.series, line.t.map_or(t, i64::from), Some(line.value)).is_some();
            if taken {
                added += usize::from(!self.known.contains(&line.series));
                if line.t.is_none() {
                    live.insert(line.series);
                }
            }
            // One that was known stays so, also if its sample is refused.
            if taken || self.known.contains(&line.series) {
                known.insert(line.series);
                seen.insert(line.series);
            }
        }
        let ended: Vec<u8> = self.live.difference(&live).copied().collect();
        for series in ended {
            self.append(series, t, None);
        }
        self.live = live;
        if !fails && !lines.is_empty() {
            self.known = known;
        }
        added
    }

    fn dump(&self) -> BTreeMap<u8, Vec<(i64, String)>> {
        let text = |v: &Option<u8>| v.map_or("stale".to_owned(), |v| v.to_string());
        let one = |samples: &Vec<(i64, Option<u8>)>| {
            samples.iter().map(|(t, v)| (*t, text(v))).collect::<Vec<_>>()
        };
        self.samples
            .iter()
            .map(|(series, samples)| (*series, one(samples)))
            .filter(|it| !it.1.is_empty())
            .collect()
    }
}

fn line() -> impl Strategy<Value = Line> {
    (0u8..12, 0u8..3, prop::option::weighted(0.1, 0u8..9)).prop_map(|(series, value, t)| Line {
        series,
        value,
        t,
    })
}

/// A page, and how it differs from the one before it: mostly a little.
fn pages() -> impl Strategy<Value = Vec<(Vec<Line>, bool)>> {
    let edit = (
        0usize..20,
        0usize..3,
        prop::collection::vec(line(), 0..3),
        prop::bool::weighted(0.15),
        any::<u8>(),
    );
    (prop::collection::vec(line(), 0..12), prop::collection::vec(edit, 1..12)).prop_map(
        |(mut page, edits)| {
            let mut pages = vec![(page.clone(), false)];
            for (at, n, new, fails, value) in edits {
                if 64 < value {
                    let at = at.min(page.len());
                    let end = (at + n).min(page.len());
                    page.splice(at..end, new);
                }
                page.iter_mut().for_each(|it| it.value = it.value.wrapping_add(value) % 5);
                pages.push((page.clone(), fails));
            }
            pages
        },
    )
}

proptest! {
    #[test]
    fn keeps_what_a_naive_reader_keeps(pages in pages()) {
        let (mut rig, mut naive) = (Rig::new(job()), Naive::default());
        for (at, (lines, fails)) in pages.iter().enumerate() {
            let t = (at as i64 + 1) * 1000;
            let mut text = String::new();
            for line in lines {
                text += &format!("m{{s=\"{}\"}} {}", line.series, line.value);
                text += &line.t.map_or("\n".to_owned(), |t| format!(" {t}\n"));
            }
            text += if *fails { "m{\n" } else { "" };
            let (counts, read) = rig.page(&text, t);
            prop_assert_eq!(read.is_err(), *fails);
            let added = naive.page(lines, t, *fails);
            if !fails {
                prop_assert_eq!((counts.scraped, counts.kept), (lines.len(), lines.len()));
                let own_times = pages.iter().any(|it| it.0.iter().any(|it| it.t.is_some()));
                prop_assert!(own_times || counts.added == added, "{} {}", counts.added, added);
            }
        }
        let mut found = BTreeMap::new();
        for series in 0..12u8 {
            let name = format!("s=\"{series}\"}}");
            let dump = rig.fake.dump(|labels| !labels.to_string().ends_with(&name));
            let samples: Vec<(i64, String)> = dump.split_whitespace().filter_map(|it| {
                let (v, t) = it.split_once('@')?;
                Some((t.parse().ok()?, v.to_owned()))
            }).collect();
            if !samples.is_empty() {
                found.insert(series, samples);
            }
        }
        prop_assert_eq!(found, naive.dump());
    }
}

#[test]
fn hands_exemplars_on() {
    let mut rig = Rig::new(Job::new("j", 1000, 1000));
    let page =
        |v: i32| format!("a_total 1 # {{id=\"x\"}} {v}\nb_total 1 3.5 # {{id=\"y\"}} 2 1.5\nc 1\n");
    // New lines, then known ones.
    assert_eq!(
        rig.beside(&page(7), 1000),
        ["a_total {id=\"x\"} 7@1000", "b_total {id=\"y\"} 2@1500"]
    );
    assert_eq!(
        rig.beside(&page(8), 2000),
        ["a_total {id=\"x\"} 8@2000", "b_total {id=\"y\"} 2@1500"]
    );
    let late = page(-1) + "# EOF\n";
    let (counts, _) = rig.page_as(&late, TextFormat::OpenMetrics, 3000);
    assert_eq!((counts.exemplars_out_of_order, counts.kept), (1, 3));
}

#[test]
fn hands_metadata_on_when_it_is_new() {
    let job = Job { log_metadata: true, ..Job::new("j", 1000, 1000) };
    let mut rig = Rig::new(job);
    let page = |help: &str, more: &str| {
        format!(
            "# HELP a {help}\n# TYPE a counter\na_total 1\na_total{{x=\"1\"}} 1\nalien 1\n# TYPE b gauge\nb 1\n{more}"
        )
    };
    let nothing: [&str; 0] = [];
    let (a, b) = ("a_total counter \"one\"", "b gauge \"\"");
    assert_eq!(rig.beside(&page("one", ""), 1000), [a, a, b]);
    assert_eq!(rig.beside(&page("one", ""), 2000), nothing);
    assert_eq!(rig.beside(&page("one", "b{y=\"1\"} 1\n"), 3000), [b]);
    let changed = "a_total counter \"two\"";
    assert_eq!(rig.beside(&page("two", "b{y=\"1\"} 1\n"), 4000), [changed, changed]);
    assert_eq!(rig.beside(&page("two", "b{y=\"1\"} 1\n"), 5000), nothing);
    let job = Job::new("j", 1000, 1000);
    assert_eq!(Rig::new(job).beside(&page("one", ""), 1000), nothing, "unless told to");
}
