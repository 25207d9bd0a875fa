//! Descriptions of series and the values they stand for.

use super::*;

/// Compares `labels: values`, where `_` is nothing, or the text of the error.
#[track_caller]
fn check(input: &str, expected: &str) {
    let got = match parse(input) {
        Ok(series) => {
            let values: Vec<String> = series.values.iter().map(print).collect();
            format!("{}: {}", series.labels, values.join(" "))
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(got, expected, "{input}");
}

fn print(value: &Value) -> String {
    match value {
        Value::Omitted => "_".into(),
        Value::Float(v) if model::is_stale_nan(*v) => "stale".into(),
        Value::Float(v) => v.to_string(),
        Value::Histogram(it) => {
            format!("h{}{}", it.first.count, if it.has_hint { "!" } else { "" })
        }
    }
}

#[test]
fn reads_values() {
    check("m", "{__name__=\"m\"}: ");
    check("{} 1", "{}: 1");
    check(
        "m{a=\"b\"} 1 -2 +3 1.5e1 stale NaN -Inf",
        "{__name__=\"m\", a=\"b\"}: 1 -2 3 15 stale NaN -inf",
    );
    check("{\"a.b\",c=\"d\"} _ _x2 1x2", "{__name__=\"a.b\", c=\"d\"}: _ _ _ 1 1 1");
    check("m 0+10x3 1-1x2 -1+.5x1  ", "{__name__=\"m\"}: 0 10 20 30 1 0 -1 -1 -0.5");
    check("m 0x10", "{__name__=\"m\"}: 0 0 0 0 0 0 0 0 0 0 0");
    check("sum 1", "{__name__=\"sum\"}: 1");
}

#[test]
fn reads_histograms() {
    check(
        "m {{}} {{count:3 sum:-1 schema:1 buckets:[1 2 NaN] offset:-2}}x1",
        "{__name__=\"m\"}: h0 h3 h3",
    );
    check("m {{count:3}}+{{count:1 counter_reset_hint:gauge}}x2", "{__name__=\"m\"}: h3! h3! h3!");
    check(
        "m {{schema:1}}+{{}}x2",
        "1:3: parse error: error combining histograms: cannot merge from schema 0 to 1",
    );
    check("m {{sum:1 sum:2}}", "1:11: parse error: duplicate key \"sum\" in histogram");
    check("m {{foo:1}}", "1:5: parse error: bad histogram descriptor found: \"foo\"");
    check("m {{buckets:[]}}", "1:14: parse error: invalid character in buckets description: ']'");
}

#[test]
fn names_errors() {
    check(
        "m 1 foo",
        "1:5: parse error: unexpected identifier \"foo\" in series values, expected number or \"stale\"",
    );
    check(
        "m stalex3",
        "1:3: parse error: unexpected identifier \"stalex3\" in series values, expected number or \"stale\"",
    );
    check("m 1+1", "1:6: parse error: unexpected end of input in series values");
    check("m 1 ?", "1:5: parse error: unexpected character in series sequence: '?'");
    check("m {a=\"b\"} 1", "1:3: parse error: unexpected character in series sequence: '{'");
    check("m 1x10000000000", "1:16: parse error: a series may have 1000000 values");
}
