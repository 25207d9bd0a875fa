//! A query that is given up ends soon, wherever it is just then.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use model::{Labels, Matcher};
use promql_engine::{Cancel, Engine, Options, QueryError, QueryOptions};
use storage::{Guard, ListHints, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};

const MINUTE: i64 = 60_000;

/// How much of the processor it may take from then on, all threads together: a machine that is busy otherwise
/// changes nothing. Without optimisation all takes about ten times as long.
const LIMIT: Duration = Duration::from_millis(if cfg!(debug_assertions) { 250 } else { 50 });

const N_SERIES: usize = 6000;
const N_SAMPLES: i64 = 30;

/// Makes its series up, and gives the query up at a chosen call.
#[derive(Clone)]
struct Many {
    cancel: Cancel,
    at: Moment,
    calls: Arc<AtomicUsize>,
    since: Arc<OnceLock<Duration>>,
}

/// What this process, which has one test only, has taken of the processor.
fn worked() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).expect("it is not negative")
}

/// When the query is given up: at which call of what.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Moment {
    Select,
    Labels(usize),
    Read(usize),
}

impl Many {
    fn pass(&self, is_counted: bool, n: usize) {
        if is_counted && self.calls.fetch_add(1, Relaxed) == n {
            self.since.get_or_init(worked);
            self.cancel.cancel();
        }
    }
}

impl Queryable for Many {
    fn querier(&self, _: i64, _: i64) -> Result<Box<dyn Querier>, ReadError> {
        Ok(Box::new(self.clone()))
    }
}

impl Querier for Many {
    fn select(&self, hints: &SelectHints, _: &[Matcher]) -> Result<Box<dyn SeriesSet>, ReadError> {
        self.pass(self.at == Moment::Select, 0);
        look(&hints.guard)?;
        Ok(Box::new(self.clone()))
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_names(&self, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }
}

/// A long search, which looks now and then whether to go on.
fn look(guard: &Guard) -> Result<(), ReadError> {
    (0..1000).try_for_each(|_| guard.check(0))
}

impl SeriesSet for Many {
    fn len(&self) -> usize {
        N_SERIES
    }

    fn labels(&self, at: usize) -> Labels {
        if let Moment::Labels(n) = self.at {
            self.pass(true, n);
        }
        let (i, le) = ((at * 7919) % N_SERIES, at % 10);
        Labels::from_pairs([
            ("__name__", "m".to_owned()),
            ("i", i.to_string()),
            ("le", le.to_string()),
        ])
    }

    fn read(&self, at: usize, _: i64, _: i64, out: &mut Samples) -> Result<(), ReadError> {
        if let Moment::Read(n) = self.at {
            self.pass(true, n);
        }
        let v = f64::from(u32::try_from(at % 997).expect("small"));
        (0..N_SAMPLES).for_each(|t| out.push(t * MINUTE, v));
        Ok(())
    }
}

const QUERIES: [&str; 18] = [
    "m",
    "sum(m)",
    "sum by (i) (m)",
    "quantile(0.5, m)",
    "topk(1000, m)",
    "count_values(\"v\", m)",
    "m + on(i, le) m",
    "m or m",
    "m and m",
    "m unless m * 2",
    "m + on(i) fill(0) m",
    "rate(m[5m])",
    "max_over_time(m[10m:1m])",
    "label_replace(m, \"a\", \"$1\", \"i\", \"(.*)\")",
    "histogram_quantile(0.9, m)",
    "sort_by_label(m, \"i\")",
    "sort(m)",
    "absent(m)",
];

fn give_up(query: &str, at: Moment, is_range: bool) {
    let cancel = Cancel::default();
    let since = Arc::default();
    let many =
        Many { cancel: cancel.clone(), at, calls: Arc::default(), since: Arc::clone(&since) };
    let parser = promql::Options {
        experimental_functions: true,
        extended_range_selectors: true,
        fill_modifiers: true,
    };
    let options = Options { threads: 2, parser, ..Options::default() };
    let engine = Engine::new(options, Arc::new(stdx::SystemClock::default()));
    let options = QueryOptions { cancel, ..QueryOptions::default() };
    let end = N_SAMPLES * MINUTE;
    let result = if is_range {
        engine.range(&many, query, (0, end, MINUTE), &options)
    } else {
        engine.instant(&many, query, end, &options)
    };
    let Some(since) = since.get() else { return };
    let took = worked() - *since;
    assert!(took < LIMIT, "{query}, given up at {at:?}: {took:?}");
    // At the last call there may be nothing left to look.
    if let Err(error) = &result {
        assert_eq!(error, &QueryError::Canceled, "{query}, given up at {at:?}");
    }
    drop(result);
    assert_eq!(engine.pool().held(), 0, "{query}");
}

#[test]
fn ends_soon_wherever_it_is() {
    let moments = [
        Moment::Select,
        Moment::Labels(N_SERIES / 2),
        Moment::Labels(N_SERIES - 1),
        Moment::Labels(2 * N_SERIES - 1),
        Moment::Read(0),
        Moment::Read(N_SERIES / 2),
        Moment::Read(N_SERIES - 1),
    ];
    for query in QUERIES {
        for at in moments {
            give_up(query, at, false);
            give_up(query, at, true);
        }
    }
}
