//! What the parser accepts, how it prints it, and what it says about the rest.

use promql::{Options, parse, parse_metric, parse_selector};

/// Compares the printed expression, or the error.
#[track_caller]
fn check(input: &str, expected: &str) {
    let got = match parse(input, &Options::ALL) {
        Ok(expr) => {
            let printed = expr.to_string();
            let again = parse(&printed, &Options::ALL).map(|it| it.to_string());
            assert_eq!(again.as_deref(), Ok(printed.as_str()), "printed and parsed again: {input}");
            printed
        }
        Err(error) => error.to_string(),
    };
    assert_eq!(got, expected, "{input}");
}

#[track_caller]
fn same(input: &str) {
    check(input, input);
}

#[test]
fn prints_literals() {
    same("1");
    check("0x1F", "31");
    check("0755", "493");
    check("08", "8");
    check("1_000", "1000");
    check("1e3", "1000");
    check("1e-7", "0.0000001");
    check("-.5", "-0.5");
    check("+Inf", "+Inf");
    check("-iNf", "-Inf");
    same("NaN");
    check("300s", "5m");
    check("-1h30m", "-1h30m");
    check("'a\"\\n'", r#""a\"\n""#);
    check("`a\\n`", r#""a\\n""#);
}

#[test]
fn binds_operators() {
    same("-2 ^ 2");
    check("a+b*c^d^e", "a + b * c ^ d ^ e");
    same("-a * b");
    same("-a ^ b");
    same("2 ^ -1 * 3");
    same("a or b and c unless d");
    check("1 == bool 2 >= bool 3", "1 == bool 2 >= bool 3");
    same("a atan2 b % c");
    same("h </ 1");
    check("a>/b", "a >/ b");
    check("a == ON(b,c) GROUP_LEFT() b2", "a == on (b, c) group_left () b2");
    check("a * on(b) group_left b2", "a * on (b) group_left () b2");
    check("a * on() b", "a * on () b");
    check("a * ignoring() b", "a * b");
    check(
        "a / ignoring(x,\"y.z\",) group_right(q) b",
        "a / ignoring (x, \"y.z\") group_right (q) b",
    );
    check("a + fill(0) b", "a + fill (0) b");
    check(
        "a + on(x) fill_right(1e6) fill_left(-1) b",
        "a + on (x) fill_left (-1) fill_right (1e+06) b",
    );
    check("fill + b", "fill + b");
}

#[test]
fn prints_selectors() {
    same("a");
    check("a{}", "a");
    check("a:b{z='1',b!=\"2\",c=~'x.*',d!~''}", "a:b{b!=\"2\",c=~\"x.*\",d!~\"\",z=\"1\"}");
    check("{\"foo.bar\", \"a.b\"='c'}", "{\"a.b\"=\"c\",__name__=\"foo.bar\"}");
    same("sum{on=\"by\"}");
    same("and");
    check("x offset 5m @ 12.5", "x @ 12.500 offset 5m");
    same("x @ start() anchored offset -5m");
    check("x[5m] offset 300 anchored @ end()", "x[5m] anchored @ end() offset 5m");
    same("x smoothed offset 5m");
    same("x[1h:5m] @ 1.000 offset 1d");
    check("(a+b)[1h:]", "(a + b)[1h:]");
    check("x @ -1.5", "x @ -1.500");
    check("x @ 5m", "x @ 300.000");
}

#[test]
fn prints_durations() {
    check("x[300]", "x[5m]");
    check("x[60*5]", "x[60 * 5]");
    check("x[-5m+35m]", "x[-5m + 35m]");
    check("x[min_of( STEP(),5m )+1]", "x[min_of(step(), 5m) + 1]");
    same("x[(5m + range()) * 2:step() + 0] offset -(1m + 1m)");
    check("x offset (5)", "x offset (5)");
    check("x offset -step()", "x offset -step()");
    check("x offset step()*2", "x offset step() * 2");
    check("x offset 100 + 2", "x offset 1m40s + 2");
    check("x offset (5m)+60", "x offset (5m) + 60");
    check("x offset -(5m)+3", "x offset -(5m) + 3");
    check("x offset -2^2", "x offset -2s ^ 2");
    check("x[+5m]", "x[5m]");
}

#[test]
fn prints_aggregations_and_calls() {
    check("SUM(x)by(b,a)", "sum by (b, a) (x)");
    check("sum by () (x)", "sum(x)");
    check("sum without() (x)", "sum without () (x)");
    check("topk(5,x) without(a,)", "topk without (a) (5, x)");
    check("count_values('v', x)", "count_values(\"v\", x)");
    check(
        "sum by (on, bool, group_left, \"a.b\", sum, offset) (x)",
        "sum by (on, bool, group_left, \"a.b\", sum, offset) (x)",
    );
    same("round(x, 0.5)");
    same("time() - start() + step()");
    same("label_join(x, \"a\", \"b\", \"c\", \"d\")");
    same("info(x, {__name__=\"target_info\"})");
    same("info(x, {})");
}

#[test]
fn explains_syntax_errors() {
    check("", "unknown position: parse error: no expression found in input");
    check("# only a comment", "1:1: parse error: no expression found in input");
    check("a b", "1:3: parse error: unexpected identifier \"b\"");
    check("1 +", "1:4: parse error: unexpected end of input");
    check("*1", "1:1: parse error: unexpected <op:*>");
    check("a\n+ + \n}", "3:1: parse error: unexpected character: '}'");
    check("(1))", "1:5: parse error: unexpected right parenthesis ')'");
    check("sum(a b)", "1:7: parse error: unexpected identifier \"b\" in aggregation");
    check("sum(rate(a[5m]) by (b)", "1:17: parse error: unexpected <by> in aggregation");
    check("rate(a b)", "1:8: parse error: unexpected identifier \"b\"");
    check("sum a", "1:5: parse error: unexpected identifier \"a\"");
    check(
        "sum (a) by b",
        "1:12: parse error: unexpected identifier \"b\" in grouping opts, expected \"(\"",
    );
    check(
        "sum by (a b) (c)",
        "1:11: parse error: unexpected identifier \"b\" in grouping opts, expected \",\" or \")\"",
    );
    check(
        "sum by (without) (c)",
        "1:9: parse error: unexpected <without> in grouping opts, expected label",
    );
    check("sum by (a) (b) by (c)", "1:16: parse error: unexpected <by>");
    check("sum by (a) b", "1:12: parse error: unexpected identifier \"b\" in aggregation");
    check(
        "x offset y",
        "1:10: parse error: unexpected identifier \"y\" in offset, expected number, duration, step(), or range()",
    );
    check("x @ y", "1:5: parse error: unexpected identifier \"y\" in @, expected timestamp");
    check(
        "x[]",
        "1:3: parse error: unexpected \"]\" in subquery or range selector, expected number, duration, step(), or range()",
    );
    check(
        "x[5m 5m]",
        "1:6: parse error: unexpected duration \"5m\" in subquery or range, expected \":\" or \"]\"",
    );
    check(
        "x[5m+]",
        "1:6: parse error: unexpected \"]\" in subquery or range, expected \":\" or \"]\"",
    );
    check(
        "x[5m:+]",
        "1:7: parse error: unexpected \"]\" in subquery selector, expected number, duration, step(), range(), or \"]\"",
    );
    check(
        "x[5m:1m 1]",
        "1:9: parse error: unexpected number \"1\" in subquery selector, expected \"]\"",
    );
    check(
        "x{a}",
        "1:4: parse error: unexpected \"}\" in label matching, expected label matching operator",
    );
    check("x{a=1}", "1:5: parse error: unexpected character inside braces: '1'");
    check(
        "x{a=b}",
        "1:5: parse error: unexpected identifier \"b\" in label matching, expected string",
    );
    check(
        "x{,}",
        "1:3: parse error: unexpected \",\" in label matching, expected identifier or \"}\"",
    );
    check(
        "x{a='b' c='d'}",
        "1:9: parse error: unexpected identifier \"c\" in label matching, expected \",\" or \"}\"",
    );
    check("x = 1", "1:3: parse error: unexpected \"=\"");
    check("1 \"a string longer\"", "1:3: parse error: unexpected string \"\\\"a string \"...");
    check("a:b(x)", "1:4: parse error: unexpected \"(\"");
    check("rate(x[5m]", "1:11: parse error: unclosed left parenthesis");
    check("bool", "1:1: parse error: unexpected <bool>");
    check("x[5m::1m]", "1:7: parse error: unexpected repeated colon in duration expression");
}

#[test]
fn explains_meaning_errors() {
    check("foo(x)", "1:1: parse error: unknown function with name \"foo\"");
    check("Rate(x[5m])", "1:1: parse error: unknown function with name \"Rate\"");
    check("START()", "1:1: parse error: unknown function with name \"START\"");
    check("sum()", "1:1: parse error: no arguments for aggregate expression provided");
    check(
        "topk(x)",
        "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 2, got 1",
    );
    check(
        "sum(a,b)",
        "1:1: parse error: wrong number of arguments for aggregate expression provided, expected 1, got 2",
    );
    check("rate(x[5m],)", "1:11: parse error: trailing commas not allowed in function call args");
    check("sum(a,,b)", "1:6: parse error: trailing commas not allowed in function call args");
    check("(a+b)[5m]", "1:6: parse error: ranges only allowed for vector selectors");
    check("a offset 1m [5m]", "1:13: parse error: no offset modifiers allowed before range");
    check("a @ 5 [5m]", "1:7: parse error: no @ modifiers allowed before range");
    check("a offset 1m offset 2m", "1:1: parse error: offset may not be set multiple times");
    check("a @ 1 @ 2", "1:1: parse error: @ <timestamp> may not be set multiple times");
    check("a offset 0 offset 2m", "a offset 2m");
    check(
        "1 offset 1m",
        "1:1: parse error: offset modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    );
    check(
        "(a) @ 1",
        "1:1: parse error: @ modifier must be preceded by an instant vector selector or range vector selector or a subquery",
    );
    check("a @ Inf", "1:1: parse error: timestamp out of bounds for @ modifier: +Inf");
    check(
        "a @ 1e19",
        "1:1: parse error: timestamp out of bounds for @ modifier: 10000000000000000000.000000",
    );
    check(
        "a anchored smoothed",
        "1:1: parse error: anchored and smoothed modifiers cannot be used together",
    );
    check("a[5m:] anchored", "1:1: parse error: anchored modifier is not supported for subqueries");
    check("(a) smoothed", "1:1: parse error: smoothed modifier not implemented");
}

#[test]
fn explains_type_errors() {
    check(
        "rate(x)",
        "1:6: parse error: expected type range vector in call to function \"rate\", got instant vector",
    );
    check("rate(x[5m], 1)", "1:1: parse error: expected 1 argument(s) in call to \"rate\", got 2");
    check(
        "label_join(x, '')",
        "1:1: parse error: expected at least 3 argument(s) in call to \"label_join\", got 2",
    );
    check(
        "round(x, 1, 2)",
        "1:1: parse error: expected at most 2 argument(s) in call to \"round\", got 3",
    );
    check(
        "sum(x[5m])",
        "1:5: parse error: expected type instant vector in aggregation expression, got range vector",
    );
    check(
        "topk('a', x)",
        "1:6: parse error: expected type scalar in aggregation parameter, got string",
    );
    check("1 + bool 2", "1:3: parse error: bool modifier can only be used on comparison operators");
    check("1  > 2", "1:4: parse error: comparisons between scalars must use BOOL modifier");
    check(
        "a + on(b) group_left(b) c",
        "1:3: parse error: label \"b\" must not occur in ON and GROUP clause at once",
    );
    check(
        "a + 'b'",
        "1:5: parse error: binary expression must contain only scalar and instant vector types",
    );
    check("1 + on(a) b", "1:1: parse error: vector matching only allowed between instant vectors");
    check(
        "1 + fill(0) b",
        "1:1: parse error: filling in missing series only allowed between instant vectors",
    );
    check(
        "a and on(b) group_left() c",
        "1:1: parse error: no grouping allowed for \"and\" operation",
    );
    check(
        "a or fill(1) c",
        "1:1: parse error: filling in missing series not allowed for set operators",
    );
    check(
        "1 or a",
        "1:1: parse error: set operator \"or\" not allowed in binary scalar expression",
    );
    check(
        "-'a'",
        "1:1: parse error: unary expression only allowed on expressions of type scalar or instant vector, got \"string\"",
    );
    check(
        "x[5m][5m:]",
        "1:1: parse error: subquery is only allowed on instant vector, got matrix instead",
    );
    check("a{__name__='b'}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\"");
    check("a{\"b\"}", "1:1: parse error: metric name must not be set twice: \"a\" or \"b\"");
    check(
        "{a=''}",
        "1:1: parse error: vector selector must contain at least one non-empty matcher",
    );
    check("sum by (\"\") (a)", "1:9: parse error: invalid label name for grouping: \"\"");
    check(
        "info(a, b)",
        "1:9: parse error: expected label selectors only, got vector selector instead",
    );
    check("info(a, sum(b))", "1:9: parse error: expected label selectors only");
    check("x[0]", "1:3: parse error: duration must be greater than 0");
    check("x[-5m]", "1:3: parse error: duration must be greater than 0");
    check("x[5m/0]", "1:5: parse error: division by zero");
    check("x[5m%0]", "1:5: parse error: modulo by zero");
    check("x[1e10]", "1:3: parse error: duration out of range");
    check(
        "1e400",
        "1:1: parse error: error parsing number: strconv.ParseFloat: parsing \"1e400\": value out of range",
    );
    check("x[5m1m]", "1:3: parse error: not a valid duration string: \"5m1m\"");
    check("x[1y1hs]", "1:3: parse error: unknown unit \"hs\" in duration \"1y1hs\"");
    check("x{a=~'('}", "1:3: parse error: error parsing regexp: missing closing ): `(`");
}

#[test]
fn needs_switches() {
    let check = |input: &str, expected: &str| {
        let got = parse(input, &Options::default()).expect_err(input);
        assert_eq!(got.to_string(), expected);
    };
    check("mad_over_time(x[5m])", "1:1: parse error: function \"mad_over_time\" is not enabled");
    check(
        "limitk(1, x)",
        "1:1: parse error: limitk() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
    );
    check("x anchored", "1:1: parse error: anchored modifier is experimental and not enabled");
    check("x[5m] smoothed", "1:1: parse error: smoothed modifier is experimental and not enabled");
    check(
        "x + fill(1) y",
        "1:5: parse error: binop fill modifiers are experimental and not enabled",
    );
}

#[test]
fn splits_long_lines() {
    let input = "sum by (a_label, another_label) (rate(some_metric_with_a_long_name{a=\"b\"}[5m])) / on (a_label) \
                 topk(3, -some_other_metric_with_a_long_name{label=\"and a long value\", another_label=\"too!\"} offset 5m)";
    let pretty = parse(input, &Options::ALL).expect("parses").pretty();
    assert_eq!(
        pretty,
        "  sum by (a_label, another_label) (rate(some_metric_with_a_long_name{a=\"b\"}[5m]))\n\
         / on (a_label)\n\
         \x20 topk(\n    3,\n    \
         -some_other_metric_with_a_long_name{another_label=\"too!\",label=\"and a long value\"} offset 5m\n  )"
    );
    assert_eq!(parse("a+b", &Options::ALL).expect("parses").pretty(), "a + b");
}

#[test]
fn reads_selectors_and_metrics() {
    let selector = |input: &str| match parse_selector(input) {
        Ok(matchers) => matchers.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        Err(error) => error.to_string(),
    };
    assert_eq!(selector("up{job=\"a\"}"), "job=\"a\",__name__=\"up\"");
    assert_eq!(selector("{}"), "");
    assert_eq!(selector("up[5m]"), "1:3: parse error: unexpected \"[\"");
    assert_eq!(selector("1"), "1:1: parse error: unexpected number \"1\"");
    let metric = |input: &str| match parse_metric(input) {
        Ok(labels) => labels.to_string(),
        Err(error) => error.to_string(),
    };
    assert_eq!(metric("a{b=\"c\",}"), "{__name__=\"a\", b=\"c\"}");
    assert_eq!(metric("{\"a.b\", \"c.d\"='e'}"), "{__name__=\"a.b\", \"c.d\"=\"e\"}");
    assert_eq!(
        metric("a{b!=\"c\"}"),
        "1:4: parse error: unexpected <op:!=> in label set, expected \"=\""
    );
    assert_eq!(metric("a b"), "1:3: parse error: unexpected identifier \"b\"");
}

#[test]
fn bounds_depth() {
    let deep =
        |open: &str, close: &str, n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
    for (open, close) in
        [("(", ")"), ("-(", ")"), ("abs(", ")"), ("sum(", ")"), ("1+", ""), ("-", ""), ("2^", "")]
    {
        let error = parse(&deep(open, close, 100_000), &Options::ALL).expect_err("too deep");
        assert!(error.text.contains("nested too deeply"), "{open}: {error}");
    }
    let error =
        parse(&format!("x[{}1{}]", "(".repeat(100_000), ")".repeat(100_000)), &Options::ALL);
    assert!(error.is_err_and(|it| it.text.contains("nested too deeply")));
    let error = parse(&format!("x{}", "[1m:]".repeat(100_000)), &Options::ALL);
    assert!(error.is_err_and(|it| it.text.contains("nested too deeply")));
    let chain = "1 + ".repeat(240) + "1";
    assert_eq!(parse(&chain, &Options::ALL).expect("long enough").to_string(), chain);
    let accepted = parse(&deep("(", ")", 95), &Options::ALL).expect("deep enough");
    assert_eq!(accepted.to_string(), deep("(", ")", 95));
    assert!(accepted.pretty().len() > 190);
}

#[test]
fn prints_json() {
    let json = |input: &str| parse(input, &Options::ALL).expect(input).to_json().to_string();
    assert_eq!(
        json("rate(x{a!=\"b\"}[5m] offset 1m)"),
        r#"{"args":[{"anchored":false,"matchers":[{"name":"a","type":"!=","value":"b"},{"name":"__name__","type":"=","value":"x"}],"name":"x","offset":60000,"offsetExpr":null,"range":300000,"rangeExpr":null,"smoothed":false,"startOrEnd":null,"timestamp":null,"type":"matrixSelector"}],"func":{"argTypes":["matrix"],"name":"rate","returnType":"vector","variadic":0},"type":"call"}"#
    );
    assert_eq!(
        json("sum(1.5 * vector(-2))"),
        r#"{"expr":{"bool":false,"lhs":{"type":"numberLiteral","val":"1.5"},"matching":null,"op":"*","rhs":{"args":[{"type":"numberLiteral","val":"-2"}],"func":{"argTypes":["scalar"],"name":"vector","returnType":"vector","variadic":0},"type":"call"},"type":"binaryExpr"},"grouping":[],"op":"sum","param":null,"type":"aggregation","without":false}"#
    );
    let step = json("max_over_time(x[(1h):step()+0] @ end())");
    assert!(step.contains(r#""rangeExpr":{"lhs":null,"op":"+","rhs":{"type":"numberLiteral","val":"3600"},"type":"durationExpr","wrapped":true},"startOrEnd":"end","step":0"#), "{step}");
    let matching = json("a / on(b) group_left(c) d");
    assert!(matching.contains(r#""matching":{"card":"many-to-one","fillValues":{"lhs":null,"rhs":null},"include":["c"],"labels":["b"],"on":true}"#), "{matching}");
}
