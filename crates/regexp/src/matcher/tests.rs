//! Shortcuts against the plain engine.

use proptest::prelude::*;

use super::*;

/// Names how a pattern is decided: `set a b`, `shape`, `shape+engine`, `engine`.
fn decision(matcher: &Matcher) -> String {
    match &matcher.0.decision {
        Decision::Few(strings) | Decision::Many(strings, _) => format!("set {}", strings.join(" ")),
        Decision::Shape(_) => "shape".to_owned(),
        Decision::ShapeAndEngine(..) => "shape+engine".to_owned(),
        Decision::Engine(_) => "engine".to_owned(),
    }
}

fn check(pattern: &str, expected: &str, prefix: &str) {
    let matcher = Matcher::new(pattern).expect(pattern);
    assert_eq!(decision(&matcher), expected, "{pattern}");
    assert_eq!(matcher.prefix().unwrap_or(""), prefix, "{pattern}");
}

#[test]
fn lists_few_strings() {
    check("", "set ", "");
    check("foo", "set foo", "foo");
    check("^foo$", "set foo", "foo");
    check("GET|POST|GET", "set GET POST", "");
    check("foo1|foo2|foo30", "set foo1 foo2 foo30", "foo");
    check("(a|b)-[xy]", "set a-x a-y b-x b-y", "");
    check("^(?:a|b)$|^c$", "set a b c", "");
    check("x{2,3}y?", "set xx xxy xxx xxxy", "xx");
    check("(?i)ab", "set AB Ab aB ab", "");
    check("a\\.b\\Q.*\\E", "set a.b.*", "a.b.*");
    check("[^\\x00-\\x{10FFFF}]", "set ", "");
}

#[test]
fn decides_by_shape() {
    check(".*", "shape", "");
    check("foo.*", "shape", "foo");
    check(".*foo", "shape", "");
    check(".*(foo|bar).+", "shape", "");
    check("foo.+bar.*baz", "shape", "foo");
    check("(?i)prometheus-server", "shape", "");
    check("5..", "shape", "5");
    check("foo|bar.*", "shape", "");
    check("foo-(a.*|b)", "shape", "foo-");
}

#[test]
fn runs_the_engine_last() {
    check("foo-[0-9]+", "shape+engine", "foo-");
    check(".*-[0-9]+\\.log", "shape+engine", "");
    check("a.b.*", "shape+engine", "a");
    check("[0-9]+", "engine", "");
    check("(?-s).+", "engine", "");
    check("\\bfoo\\b", "shape+engine", "foo");
}

#[test]
fn knows_the_patterns_that_say_little() {
    let all = |pattern| Matcher::new(pattern).expect(pattern).matches_everything();
    let all_but_empty = |pattern| Matcher::new(pattern).expect(pattern).matches_all_but_empty();
    assert!(all(".*") && all("^.*$") && all("(.*)") && all(".*?") && all(".*.*"));
    assert!(!all(".+") && !all(".*a") && !all("(?-s).*") && !all(".?"));
    assert!(all_but_empty(".+") && all_but_empty("..*") && all_but_empty("(.+)"));
    assert!(!all_but_empty(".*") && !all_but_empty("..+") && !all_but_empty("."));
}

#[test]
fn finds_one_of_many_strings() {
    let names: Vec<String> = (0..5000).map(|i| format!("host-{i}")).collect();
    let matcher = Matcher::new(&names.join("|")).expect("a pattern");
    assert_eq!(matcher.set_matches(), names);
    assert!(matcher.is_match("host-4999") && !matcher.is_match("host-5000"));
}

#[test]
fn is_cheap_to_share() {
    fn shared<T: Clone + Send + Sync + PartialEq + std::fmt::Debug>(_: &T) {}
    let matcher = Matcher::new("a.*").expect("a pattern");
    shared(&matcher);
    assert_eq!(matcher, Matcher::new("a.*").expect("a pattern"));
    assert_eq!(format!("{matcher:?}"), "Matcher(\"a.*\")");
}

/// Parts of patterns that give the shortcuts something to do.
const PARTS: [&str; 34] = [
    "a",
    "b",
    "k",
    "s",
    "foo",
    "bar",
    "é",
    "\n",
    ".",
    ".*",
    ".+",
    ".?",
    ".*?",
    ".{2}",
    ".{1,2}",
    "[ab]",
    "[a-f]",
    "[^a]",
    "a?",
    "(?:foo)?",
    "a{2}",
    "a{1,3}",
    "b*",
    "(foo|bar)",
    "(?:a|b.*|)",
    "(.*a|.+b)",
    "(?i)",
    "(?-i)",
    "(?-s)",
    "|",
    "^",
    "$",
    "\\b",
    "\\d",
];

fn plain(pattern: &str) -> Engine {
    let full = format!("^(?s:{pattern})$");
    let parsed = parse::parse(&full, Options { dot_all: false, captures: false }).expect(pattern);
    Engine::new(&parsed, &full).expect(pattern)
}

proptest! {
    #[test]
    fn agrees_with_the_plain_engine(
        parts in prop::collection::vec(prop::sample::select(PARTS.as_slice()), 0..8),
        texts in prop::collection::vec("[abfokrsKS\u{212a}ſ1é\n]{0,6}", 30),
    ) {
        let pattern = parts.concat();
        let matcher = Matcher::new(&pattern).expect("all parts can stand together");
        let engine = plain(&pattern);
        let known = matcher.set_matches();
        for text in texts.iter().map(String::as_str).chain(["", "foo", "bar", "foobar", "aa"]) {
            let expected = engine.is_match(text);
            prop_assert_eq!(matcher.is_match(text), expected, "{:?} on {:?}", pattern, text);
            prop_assert!(!expected || text.starts_with(matcher.prefix().unwrap_or("")), "{:?} on {:?}", pattern, text);
            prop_assert!(!expected || known.is_empty() || known.iter().any(|it| it == text), "{:?} on {:?}", pattern, text);
        }
        for text in known {
            prop_assert!(engine.is_match(text), "{:?} lists {:?}", pattern, text);
        }
    }
}
