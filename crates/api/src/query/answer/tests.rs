//! Answers are the same whatever the pieces.

use std::sync::Arc;

use model::Matcher;
use promql_engine::{Engine, Options, QueryOptions};
use storage::{ListHints, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};

use super::*;
use crate::query::{Origin, When};

/// Two series: one of floats and a histogram, one of floats with `<` in a label.
#[derive(Clone)]
struct Two;

impl Queryable for Two {
    fn querier(&self, _: i64, _: i64) -> Result<Box<dyn Querier>, ReadError> {
        Ok(Box::new(self.clone()))
    }
}

impl Querier for Two {
    fn select(&self, _: &SelectHints, _: &[Matcher]) -> Result<Box<dyn SeriesSet>, ReadError> {
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

impl SeriesSet for Two {
    fn len(&self) -> usize {
        2
    }

    fn labels(&self, at: usize) -> Labels {
        Labels::from_pairs([("__name__", "m"), ("a", ["<", "x"][at])])
    }

    fn read(&self, at: usize, _: i64, _: i64, out: &mut Samples) -> Result<(), ReadError> {
        out.push(0, 1.0);
        out.push(60_500, f64::NAN);
        if at == 1 {
            out.histogram_t.push(120_000);
            out.histogram.push(FloatHistogram {
                count: 1.0,
                sum: 2.5,
                ..FloatHistogram::default()
            });
        }
        Ok(())
    }
}

fn answer(query: &str, when: When, limit: usize) -> Answer {
    let engine = Engine::new(Options::default(), Arc::new(stdx::SystemClock::default()));
    let options = QueryOptions::default();
    let result = match when {
        When::At(t) => engine.instant(&Two, query, t, &options),
        When::Range { start, end, step } => engine.range(&Two, query, (start, end, step), &options),
    };
    let request = Request {
        query: query.to_owned(),
        when,
        lookback_ms: None,
        timeout: Duration::ZERO,
        limit,
        stats: StatsWanted::No,
        origin: Origin::default(),
    };
    let times = Times { queued: Duration::ZERO, total: Duration::ZERO };
    Answer::new(result.expect("the query is well"), &request, times)
}

fn check(query: &str, when: When, limit: usize, expected: &str) {
    for bytes_max in [1, 10, PIECE_BYTES] {
        let mut answer = answer(query, when, limit);
        let mut all = Vec::new();
        loop {
            let mut piece = Vec::new();
            let done = answer.write(&mut piece, bytes_max);
            assert!(!piece.is_empty(), "{query}");
            all.append(&mut piece);
            if done {
                break;
            }
        }
        let expected = format!("{{\"status\":\"success\",\"data\":{expected}}}");
        assert_eq!(String::from_utf8(all).unwrap(), expected, "{query}");
    }
}

#[test]
fn writes_every_kind_of_value() {
    let at = When::At(121_000);
    check("1e-7", at, 0, r#"{"resultType":"scalar","result":[121,"0.0000001"]}"#);
    check("'a<b'", at, 0, r#"{"resultType":"string","result":[121,"a\u003cb"]}"#);
    let element = r#"{"metric":{"__name__":"m","a":"<"},"value":[121,"NaN"]}"#;
    let histogram = concat!(
        r#"{"metric":{"__name__":"m","a":"x"},"#,
        r#""histogram":[121,{"count":"1","sum":"2.5"}]}"#
    );
    check("m", at, 0, &format!(r#"{{"resultType":"vector","result":[{element},{histogram}]}}"#));
    let cut =
        format!(r#"{{"resultType":"vector","result":[{element}]}},"warnings":["{TRUNCATED}"]"#);
    check("m", at, 1, &cut);
    check("vector(1) == 7", at, 0, r#"{"resultType":"vector","result":[]}"#);
    let matrix = concat!(
        r#"{"resultType":"matrix","result":[{"metric":{"__name__":"m","a":"<"},"#,
        r#""values":[[0,"1"],[60.500,"NaN"]]},{"metric":{"__name__":"m","a":"x"},"#,
        r#""values":[[0,"1"],[60.500,"NaN"]],"histograms":[[120,{"count":"1","sum":"2.5"}]]}]}"#
    );
    check("m[5m]", at, 0, matrix);
    let range = When::Range { start: 0, end: 120_000, step: 60_000 };
    let matrix = concat!(
        r#"{"resultType":"matrix","result":[{"metric":{"__name__":"m","a":"<"},"#,
        r#""values":[[0,"1"],[60,"1"],[120,"NaN"]]},{"metric":{"__name__":"m","a":"x"},"#,
        r#""values":[[0,"1"],[60,"1"]],"histograms":[[120,{"count":"1","sum":"2.5"}]]}]}"#
    );
    check("m", range, 0, matrix);
    let range = When::Range { start: 120_000, end: 120_000, step: 1 };
    let matrix = concat!(
        r#"{"resultType":"matrix","result":[{"metric":{"__name__":"m","a":"<"},"#,
        r#""values":[[120,"NaN"]]},{"metric":{"__name__":"m","a":"x"},"#,
        r#""histograms":[[120,{"count":"1","sum":"2.5"}]]}]}"#
    );
    check("m", range, 0, matrix);
}

#[test]
fn writes_counts_of_each_step() {
    let check = |when: When, expected: &str| {
        let mut out = Vec::new();
        per_step(&mut out, when, [3, 0].into_iter());
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    };
    check(When::Range { start: 60_000, end: 90_000, step: 500 }, "[[60,3],[60.5,0]]");
    check(When::Range { start: -1500, end: 0, step: 1000 }, "[[-1.5,3],[-0.5,0]]");
}

#[test]
fn only_some_values_ask_for_statistics() {
    let check = |text: &str, expected: StatsWanted, warning: Option<&str>| {
        let wanted = StatsWanted::read(text);
        assert_eq!(wanted.deprecation().as_deref(), warning);
        assert_eq!(wanted, expected);
    };
    check("", StatsWanted::No, None);
    check("true", StatsWanted::Some(None), None);
    check("all", StatsWanted::All, None);
    let warning = r#"value "1" for parameter "stats" is deprecated and will be rejected in the next major release, use "true" or "all""#;
    check("1", StatsWanted::Some(Some("1".to_owned())), Some(warning));
}
