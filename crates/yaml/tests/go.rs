//! Each expected text is what Go's libraries answer to the same input.

use std::collections::BTreeMap;

use proptest::prelude::*;
use yaml::{Decode, Decoder, Dialect, Document, Fatal, Node, Options, Value};

/// One field of each kind.
#[derive(Debug, Default, PartialEq)]
struct Inner {
    a: String,
    b: bool,
    i: i64,
    u: usize,
    f: f64,
    l: Vec<String>,
    m: BTreeMap<String, String>,
    p: Option<Box<Inner>>,
    q: Vec<Option<Inner>>,
    x: Value,
}

impl Decode for Inner {
    fn go_type() -> String {
        "main.Inner".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        decoder.fields(node, "main.Inner", |decoder, key, value| {
            match key {
                "a" => decoder.set(value, &mut self.a)?,
                "b" => decoder.set(value, &mut self.b)?,
                "i" => decoder.set(value, &mut self.i)?,
                "u" => decoder.set(value, &mut self.u)?,
                "f" => decoder.set(value, &mut self.f)?,
                "l" => decoder.set(value, &mut self.l)?,
                "m" => decoder.set(value, &mut self.m)?,
                "p" => decoder.set(value, &mut self.p)?,
                "q" => decoder.set(value, &mut self.q)?,
                "x" => decoder.set(value, &mut self.x)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        Ok(())
    }
}

fn read(text: &str, dialect: Dialect) -> Result<Inner, yaml::Error> {
    yaml::from_slice(text.as_bytes(), Options { dialect, strict: true })
}

fn check_error(text: &str, v2: &str, v3: &str) {
    let error = |dialect| read(text, dialect).map_or_else(|it| it.to_string(), |_| String::new());
    assert_eq!(error(Dialect::V2), v2, "{text}");
    assert_eq!(error(Dialect::V3), v3, "{text}");
}

fn check_problems(text: &str, expected: &str) {
    let expected = format!("yaml: unmarshal errors:\n  {expected}");
    check_error(text, &expected, &expected);
}

fn check_value(text: &str, expected: Inner) {
    assert_eq!(read(text, Dialect::V2), Ok(expected), "{text}");
}

#[test]
fn says_what_is_wrong_with_the_syntax() {
    let check = |text, expected| check_error(text, expected, expected);
    check("a: b: c", "yaml: mapping values are not allowed in this context");
    check("\na: b: c", "yaml: line 2: mapping values are not allowed in this context");
    check("a:\n  - b\n c", "yaml: line 2: did not find expected key");
    check("a: \"abc", "yaml: found unexpected end of stream");
    check("{{{", "yaml: line 1: did not find expected node content");
    check("\ta: b", "yaml: found character that cannot start any token");
    check("a: \"\\q\"", "yaml: found unknown escape character");
    check("q: *y", "yaml: unknown anchor 'y' referenced");
    check("p: &p\n p: *p", "yaml: anchor 'p' value contains itself");
    check("a: !!binary a$", "yaml: !!binary value contains invalid base64 data");
    check("p: {<<: 1}", "yaml: map merge requires map or sequence of maps as the value");
    check_error(
        "a: b\nl: \"abc\n def\n",
        "yaml: line 4: found unexpected end of stream",
        "yaml: line 2: found unexpected end of stream",
    );
    check_error(
        "a: b\nc\n",
        "yaml: line 3: could not find expected ':'",
        "yaml: line 2: could not find expected ':'",
    );
    check_error("b: !!bool \"yes\"", "", "yaml: cannot decode !!str `yes` as a !!bool");
}

#[test]
fn collects_wrong_shapes() {
    check_problems("- a", "line 1: cannot unmarshal !!seq into main.Inner");
    check_problems(
        "a: [1]\nb: foo",
        "line 1: cannot unmarshal !!seq into string\n  line 2: cannot unmarshal !!str `foo` into bool",
    );
    check_problems(
        "u: -1\nf: x",
        "line 1: cannot unmarshal !!int `-1` into uint\n  line 2: cannot unmarshal !!str `x` into float64",
    );
    check_problems(
        "l: a\nm: [1]",
        "line 1: cannot unmarshal !!str `a` into []string\n  line 2: cannot unmarshal !!seq into map[string]string",
    );
    check_problems(
        "p: 3\nq: {}\nzz: 1",
        "line 1: cannot unmarshal !!int `3` into main.Inner\n  line 2: cannot unmarshal !!map into []*main.Inner\n  line 3: field zz not found in type main.Inner",
    );
    check_problems(
        "i: 99999999999999999999",
        "line 1: cannot unmarshal !!float `9999999...` into int",
    );
    check_problems("i: \"3\"", "line 1: cannot unmarshal !!str `3` into int");
    check_problems("i: 2001-01-01", "line 1: cannot unmarshal !!timestamp `2001-01-01` into int");
    check_problems("i: 0b102", "line 1: cannot unmarshal !!str `0b102` into int");
    check_problems(
        "1: a\n[1]: c",
        "line 1: field 1 not found in type main.Inner\n  line 2: cannot unmarshal !!seq into string",
    );
}

#[test]
fn refuses_repeated_keys() {
    check_error(
        "a: x\na: y",
        "yaml: unmarshal errors:\n  line 2: field a already set in type main.Inner",
        "yaml: unmarshal errors:\n  line 2: mapping key \"a\" already defined at line 1",
    );
    check_error(
        "m:\n  a: b\n  \"a\": c",
        "yaml: unmarshal errors:\n  line 3: key \"a\" already set in map",
        "yaml: unmarshal errors:\n  line 3: mapping key \"a\" already defined at line 2",
    );
    check_error(
        "m: {<<: {a: b}, a: c}",
        "yaml: unmarshal errors:\n  line 1: key \"a\" already set in map",
        "",
    );
}

#[test]
fn reads_scalars_as_go_does() {
    let s = |text: &str| text.to_owned();
    check_value(
        "a: 10_000\ni: 10_000\nu: 0x10",
        Inner { a: s("10_000"), i: 10_000, u: 16, ..Inner::default() },
    );
    check_value("i: 1.0\nu: 3.7\nf: 1e3", Inner { i: 1, u: 3, f: 1000.0, ..Inner::default() });
    check_value(
        "i: -9223372036854775808\nf: .5",
        Inner { i: i64::MIN, f: 0.5, ..Inner::default() },
    );
    check_value("b: on\na: on", Inner { a: s("on"), b: true, ..Inner::default() });
    check_value("a: ~\nb:\nl: null\np:", Inner::default());
    check_value(
        "l: [a, 1, true, ~]",
        Inner { l: vec![s("a"), s("1"), s("true"), s("")], ..Inner::default() },
    );
    check_value("x: 0777", Inner { x: Value::Int(511), ..Inner::default() });
    check_value("x: 1:30", Inner { x: Value::str("1:30"), ..Inner::default() });
    check_value("a: 1\n---\na: [", Inner { a: s("1"), ..Inner::default() });
    check_value("", Inner::default());
}

#[test]
fn merges_mappings() {
    let inner = |a: &str| Inner { a: a.into(), b: true, ..Inner::default() };
    let text = "p: &x {a: x, b: on}\nq:\n- *x\n- <<: *x\n  a: y\n- <<: [{a: z}, *x]";
    let items = vec![Some(inner("x")), Some(inner("y")), Some(inner("z"))];
    check_value(text, Inner { p: Some(Box::new(inner("x"))), q: items, ..Inner::default() });
    let late = read("p: {a: x, <<: {a: y, b: true}}", Dialect::V3).expect("good");
    assert_eq!(late.p, Some(Box::new(inner("x"))));
}

#[track_caller]
fn check_written(value: &Value, expected: &str) {
    assert_eq!(yaml::to_string(value), expected);
}

#[test]
fn writes_as_go_does() {
    let strings = |items: &[&str]| Value::Seq(items.iter().map(|it| Value::str(*it)).collect());
    check_written(
        &strings(&["a: b", "'a'", "-", "a#b", "(.*)some-[regex]"]),
        "- 'a: b'\n- '''a'''\n- '-'\n- a#b\n- (.*)some-[regex]\n",
    );
    check_written(
        &strings(&["y", "~", "0x1F", "12:30", "2001-12-14", "", "1.2.3"]),
        "- \"y\"\n- \"~\"\n- \"0x1F\"\n- \"12:30\"\n- \"2001-12-14\"\n- \"\"\n- 1.2.3\n",
    );
    check_written(
        &strings(&["line1\nline2", "a\n", " lead\nx", "tab\tx", "測試"]),
        "- |-\n  line1\n  line2\n- |\n  a\n- |2-\n   lead\n  x\n- \"tab\\tx\"\n- 測試\n",
    );
    let long = "a very long string with many blanks, that must be folded somewhere after eighty columns, shouldn't it";
    check_written(
        &strings(&[long]),
        "- a very long string with many blanks, that must be folded somewhere after eighty\n  columns, shouldn't it\n",
    );
    let text =
        "a: []\nb: {}\nc:\n- - 1\n  - 2\n- - 3\nd:\n- a: 1\n  b: 2\ne: null\nf: 1e+21\ng: \"\"\n";
    let value: Value = yaml::from_slice(text.as_bytes(), Options::default()).expect("good");
    check_written(&value, text);
    check_written(&Value::FlowSeq(vec![Value::str("a"), Value::Int(1)]), "[a, 1]\n");
    check_written(&Value::Map(Vec::new()), "{}\n");
}

#[test]
fn stops_at_bombs_and_depth() {
    let error = |text: &str| {
        yaml::from_slice::<Value>(text.as_bytes(), Options::default()).unwrap_err().to_string()
    };
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for i in 1..9 {
        let refs = vec![format!("*a{}", i - 1); 9].join(", ");
        bomb.push_str(&format!("a{i}: &a{i} [{refs}]\n"));
    }
    assert_eq!(error(&bomb), "yaml: document contains excessive aliasing");
    assert_eq!(error(&"[".repeat(100_000)), "yaml: exceeded max depth of 1000");
    assert_eq!(error(&"- ".repeat(100_000)), "yaml: exceeded max depth of 1000");
    let mut chain = String::from("- &a0 x\n");
    (1..2000).for_each(|i| chain.push_str(&format!("- &a{i} [*a{}]\n", i - 1)));
    assert_eq!(error(&chain), "yaml: document contains excessive aliasing");
}

proptest! {
    #[test]
    fn any_bytes_are_safe(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        _ = yaml::from_slice::<Inner>(&text, Options::default());
        _ = yaml::from_slice::<Value>(&text, Options::default());
    }

    #[test]
    fn any_yaml_like_text_is_safe(text in "[-a1\\[\\]{}:,&*!|>'\"#%? \n\t~<.]{0,80}") {
        for dialect in [Dialect::V2, Dialect::V3] {
            _ = yaml::from_slice::<Value>(text.as_bytes(), Options { dialect, strict: true });
            _ = Document::parse(text.as_bytes(), dialect);
        }
    }

    #[test]
    fn written_text_reads_back(text in "[ -~\n\té\u{2028}]{0,120}") {
        let value = Value::Seq(vec![Value::Map(vec![("k".into(), Value::str(&text))])]);
        let written = yaml::to_string(&value);
        let read: Value = yaml::from_slice(written.as_bytes(), Options::default()).expect("ours");
        prop_assert_eq!(read, value);
    }
}
