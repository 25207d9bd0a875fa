//! Asks both evaluators, and makes what differs smaller.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use promql::Expr;
use promql::ast::VectorSelector;
use promql_engine::{Engine, Options, QueryOptions};

use crate::compare::{Rules, Shape, difference, notes_differ};
use crate::data::make::World;
use crate::data::{Memory, print};
use crate::naive::value::Stored;
use crate::naive::{Order, Settings, When, answer};
use crate::query::{Query, ill_typed};
use crate::random::Random;

/// How many queries are asked of the same data.
pub(crate) const QUERIES_A_WORLD: u64 = 16;

/// How a query of the given seed ended.
pub(crate) enum Ended {
    Answered(Query),
    Refused,
}

/// The data that several queries are asked of.
pub(crate) struct Stage {
    number: u64,
    world: World,
    memory: Memory,
}

impl Stage {
    /// The data for the query with this number.
    pub(crate) fn of(seed: u64) -> Self {
        let number = seed / QUERIES_A_WORLD;
        let world = World::random(&mut Random::new(number));
        Self { number, memory: Memory::new(&world.data), world }
    }

    pub(crate) fn is_of(&self, seed: u64) -> bool {
        self.number == seed / QUERIES_A_WORLD
    }
}

/// Asks the query with this number.
///
/// # Errors
/// What differs, with all that is needed to see it again.
pub(crate) fn run(seed: u64, Stage { world, memory, .. }: &Stage) -> Result<Ended, String> {
    let mut random = Random::new(seed.wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x5EED);
    if random.percent(3) {
        check_ill_typed(&mut random, world)?;
    }
    let query = Query::random(&mut random, world);
    match differs(&query, &world.data, memory) {
        Ok(true) => Ok(Ended::Answered(query)),
        Ok(false) => Ok(Ended::Refused),
        Err(_) => Err(explain(seed, query, world.data.clone())),
    }
}

fn check_ill_typed(random: &mut Random, world: &World) -> Result<(), String> {
    let (text, expected) = ill_typed(random, world);
    match promql::parse(&text, &promql::Options::ALL) {
        Err(error) if error.to_string() == expected => Ok(()),
        Err(error) => Err(format!("{text}\n  engine:   {error}\n  expected: {expected}")),
        Ok(_) => Err(format!("{text}\n  is taken, expected: {expected}")),
    }
}

fn engine(query: &Query) -> Engine {
    let options = Options {
        lookback_ms: query.settings.lookback_ms,
        subquery_step_ms: query.settings.subquery_step_ms,
        threads: query.threads,
        parser: promql::Options::ALL,
        delayed_name_removal: query.settings.delayed_names,
        type_and_unit_labels: query.settings.type_and_unit,
        start_timestamps: query.settings.start_timestamps,
        ..Options::default()
    };
    Engine::new(options, Arc::new(stdx::SystemClock::default()))
}

/// Says what differs; else true if there was an answer, false if both refuse. A panic differs from anything.
fn differs(query: &Query, data: &[Stored], memory: &Memory) -> Result<bool, String> {
    let compared = |query: &Query| {
        catch_unwind(AssertUnwindSafe(|| compared(query, data, memory)))
            .unwrap_or_else(|_| Err(PANIC.into()))
    };
    compared(query).or_else(|what| {
        let is_free = ORDERED.iter().any(|it| query.text.contains(it));
        if !is_free && !what.contains("found duplicate series for the match group") {
            return Err(what);
        }
        let another = |order: u64| {
            let settings = Settings { order: Order(order), ..query.settings };
            compared(&Query { settings, ..query.clone() }).ok()
        };
        (1..=ORDERS).find_map(another).ok_or(what)
    })
}

const PANIC: &str = "an evaluator panics, as said above";

/// Aggregations to which the order of elements matters.
const ORDERED: [&str; 8] =
    ["topk", "bottomk", "limitk", "count_values", "sum", "avg", "stdvar", "stddev"];

/// So many orders are tried where the order is free.
const ORDERS: u64 = 1000;

fn compared(query: &Query, data: &[Stored], memory: &Memory) -> Result<bool, String> {
    let options = QueryOptions::default();
    let engine = engine(query);
    let result = match query.when {
        When::Instant(t) => engine.instant(memory, &query.text, t, &options),
        When::Range { start, end, step } => {
            engine.range(memory, &query.text, (start, end, step), &options)
        }
    };
    let naive = answer(data, &query.settings, &query.text, query.when);
    let shapes = (Shape::of_engine(&result), Shape::of_naive(&naive, query.when));
    let both = |what: String| {
        let (engine, naive) = (shapes.0.print(), shapes.1.print());
        format!("{what}\nengine:\n{engine}naive:\n{naive}")
    };
    if let Some(what) = difference(&shapes.0, &shapes.1, rules(query, data)) {
        return Err(both(what));
    }
    let (Ok(result), Ok((_, notes))) = (result, naive) else { return Ok(false) };
    notes_differ(&result, &notes).map_or(Ok(true), |what| Err(both(what)))
}

fn rules(query: &Query, data: &[Stored]) -> Rules {
    let mut histograms = false;
    if let Ok(expr) = promql::parse(&query.text, &promql::Options::ALL) {
        let is_read = |it: &&Stored, selector: &VectorSelector| {
            selector.matchers.iter().all(|m| m.matches(it.labels.value(m.name())))
        };
        let has = |it: &Stored| it.samples.iter().any(|it| it.point.hist().is_some());
        expr.walk_selectors(&mut |selector| {
            histograms |= data.iter().filter(|it| is_read(it, selector)).any(has);
        });
    }
    let calls = |names: &[&str]| names.iter().any(|it| query.text.contains(it));
    Rules {
        ordered: is_ordered(query),
        histograms,
        counts: histograms && calls(&["resets(", "changes("]) && query.text.contains(':'),
        shown: histograms && calls(&["count_values"]),
        signs: calls(&["quantile"]),
    }
}

/// True if the order of the answer means something.
fn is_ordered(query: &Query) -> bool {
    let Ok(expr) = promql::parse(&query.text, &promql::Options::ALL) else { return false };
    // With labels missing, the order by labels depends on how it is sorted.
    if query.text.contains("sort_by_label") {
        return false;
    }
    let ordered = match expr.unwrap_parens() {
        Expr::Call(it) => ["sort", "sort_desc"].contains(&it.function.name),
        Expr::Aggregate(it) => ["topk", "bottomk"].contains(&it.op.as_str()),
        _ => false,
    };
    ordered && matches!(query.when, When::Instant(_))
}

/// All about a difference, after making it small.
fn explain(seed: u64, mut query: Query, mut data: Vec<Stored>) -> String {
    let panics = does_panic(&query, &data) == Some(true);
    while let Some((smaller, fewer)) = shrink(&query, &data, panics) {
        (query, data) = (smaller, fewer);
    }
    let Err(what) = differs(&query, &data, &Memory::new(&data)) else {
        unreachable!("it still differs")
    };
    format!(
        "EXPRESSION={seed}\nquery: {}\n{:?}\n{:?}\ndata:\n{}{what}",
        query.text,
        query.when,
        query.settings,
        print(&data)
    )
}

/// Whether it is a panic in which a case differs; `None` if it does not differ.
fn does_panic(query: &Query, data: &[Stored]) -> Option<bool> {
    differs(query, data, &Memory::new(data)).err().map(|what| what == PANIC)
}

/// A smaller case that still differs, in a panic or else.
fn shrink(query: &Query, data: &[Stored], panics: bool) -> Option<(Query, Vec<Stored>)> {
    let still_differs = |query: &Query, data: &[Stored]| does_panic(query, data) == Some(panics);
    for text in smaller_texts(&query.text) {
        let smaller = Query { text, ..query.clone() };
        if still_differs(&smaller, data) {
            return Some((smaller, data.to_vec()));
        }
    }
    if let When::Range { start, end, step } = query.when {
        let last = start + (end - start) / step * step;
        for (start, end) in [(start + step, end), (start, last - step), (start, last)] {
            let when = When::Range { start, end, step };
            if start <= end && when != query.when {
                let smaller = Query { when, ..query.clone() };
                if still_differs(&smaller, data) {
                    return Some((smaller, data.to_vec()));
                }
            }
        }
    }
    for at in 0..data.len() {
        let mut fewer = data.to_vec();
        fewer.remove(at);
        if still_differs(query, &fewer) {
            return Some((query.clone(), fewer));
        }
    }
    for at in 0..data.len() {
        let n = data[at].samples.len();
        for cut in [0..n / 2, n / 2..n, 0..1, n - 1..n] {
            let mut fewer = data.to_vec();
            fewer[at].samples.drain(cut.clone());
            if !cut.is_empty() && !fewer[at].samples.is_empty() && still_differs(query, &fewer) {
                return Some((query.clone(), fewer));
            }
        }
    }
    None
}

/// The query with a part of it in the place of a larger part.
fn smaller_texts(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    if let Ok(expr) = promql::parse(text, &promql::Options::ALL) {
        expr.walk(&mut |part| {
            part.walk(&mut |inner| {
                let (outer, inner) = (part.pos(), inner.pos());
                if inner.end - inner.start < outer.end - outer.start {
                    let (before, after) = (&text[..outer.start], &text[outer.end..]);
                    all.push(format!("{before}{}{after}", &text[inner.start..inner.end]));
                }
            });
        });
    }
    all.sort_by_key(String::len);
    all
}
