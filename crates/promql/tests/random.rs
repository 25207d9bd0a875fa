//! No text makes the parser panic, and what parses prints to what parses.

use promql::{Options, parse, parse_metric, parse_selector, series};
use proptest::prelude::*;

/// Text made of pieces of queries.
fn queries() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(vec![
            "a", "b:c", "sum", "by", "(", ")", "(", ")", "[5m]", "[", "]", ":", "{", "}", "a=\"b\"", "=~", "!=", "==", "1", "0x1e",
            "1_0", "5m", "+", "-", "*", "^", "</", "offset", "@", "start()", "end()", "step()", "range()", "min_of(1,2)", ",",
            "on(a)", "group_left", "fill(0)", "bool", "and", "anchored", "smoothed", "rate", "topk", "\"s\"", "'\\x41'", "`r`", "#",
            "\n", "x{l!~'v'}[1h:5m] offset -1h", "NaN", "-Inf", "without (a)", "stale", "_x3", "{{", "}}", "sum:1", "1+1x3"
        ]).prop_map(str::to_owned),
        1 => ".{0,3}",
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    #[test]
    fn never_panics(input in queries()) {
        let _ = parse_selector(&input);
        let _ = parse_metric(&input);
        let _ = series::parse(&input);
        let _ = series::parse(&format!("m {input}"));
        match parse(&input, &Options::ALL) {
            Ok(expr) => {
                let printed = expr.to_string();
                let again = parse(&printed, &Options::ALL);
                let again = again.map_err(|error| TestCaseError::fail(format!("{printed}: {error}")))?;
                prop_assert_eq!(again.to_string(), printed);
                prop_assert!(parse(&expr.pretty(), &Options::ALL).is_ok());
            }
            Err(error) => prop_assert!(error.to_string().contains("parse error: ")),
        }
    }
}
