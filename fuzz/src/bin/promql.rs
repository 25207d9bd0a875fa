//! Any text as a query: what parses prints as something that parses to the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &str| {
    let _ = promql::parse_selector(input);
    let _ = promql::parse_metric(input);
    let _ = promql::series::parse(input);
    let options = promql::Options::ALL;
    if let Ok(expr) = promql::parse(input, &options) {
        let printed = expr.to_string();
        let again = promql::parse(&printed, &options).unwrap_or_else(|error| panic!("{input:?} {printed:?}: {error}"));
        assert_eq!(again.to_string(), printed);
        assert!(promql::parse(&expr.pretty(), &options).is_ok());
        let _ = expr.to_json().to_string();
    }
});
