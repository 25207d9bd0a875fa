//! What Go says to patterns and texts: every expectation was printed by Go 1.26.

use regexp::{Matcher, Regexp};

/// Checks the error of a pattern, without the words that all begin with.
fn check_error(pattern: &str, expected: &str) {
    let error = Regexp::new(pattern).expect_err(pattern).to_string();
    assert_eq!(error, format!("error parsing regexp: {expected}"), "{pattern}");
}

/// Checks the groups of the first match: `foo|-|b`, a dash for a group that took no part.
fn check(pattern: &str, text: &str, expected: &str) {
    let regexp = Regexp::new(pattern).expect(pattern);
    let found = regexp.find_submatches(text);
    let groups = |it: regexp::Captures<'_>| {
        (0..it.n_groups())
            .map(|i| it.get(i).unwrap_or("-").to_owned())
            .collect::<Vec<_>>()
            .join("|")
    };
    assert_eq!(found.map(groups).as_deref().unwrap_or("no match"), expected, "{pattern} on {text}");
}

#[test]
fn refuses_with_the_texts_of_go() {
    check_error("a(b", "missing closing ): `a(b`");
    check_error("a)", "unexpected ): `a)`");
    check_error("(?i", "invalid or unsupported Perl syntax: `(?i`");
    check_error("(?z)", "invalid or unsupported Perl syntax: `(?z`");
    check_error("(?i-)", "invalid or unsupported Perl syntax: `(?i-)`");
    check_error("x(?=y)", "invalid or unsupported Perl syntax: `(?=`");
    check_error("(?<n", "invalid named capture: `(?<n`");
    check_error("(?P<a b>x)", "invalid named capture: `(?P<a b>`");
    check_error("*a", "missing argument to repetition operator: `*`");
    check_error("a|+?", "missing argument to repetition operator: `+?`");
    check_error("a**", "invalid nested repetition operator: `**`");
    check_error("a+?{2}", "invalid nested repetition operator: `+?{2}`");
    check_error("a{1001}", "invalid repeat count: `{1001}`");
    check_error("a{3,2}", "invalid repeat count: `{3,2}`");
    check_error("(a{10}){101}", "invalid repeat count: `{101}`");
    check_error("x[a", "missing closing ]: `[a`");
    check_error("[b-a]", "invalid character class range: `b-a`");
    check_error("[[:foo:]]", "invalid character class range: `[:foo:]`");
    check_error("\\p{Nothing}", "invalid character class range: `\\p{Nothing}`");
    check_error("\\p{Script=Greek}", "invalid character class range: `\\p{Script=Greek}`");
    check_error("[a-\\d]", "invalid escape sequence: `\\d`");
    check_error("\\1", "invalid escape sequence: `\\1`");
    check_error("\\x{110000}", "invalid escape sequence: `\\x{110000`");
    check_error("a\\", "trailing backslash at end of expression: ``");
}

#[test]
fn shows_what_the_anchored_forms_parse() {
    let error =
        |result: Result<Regexp, regexp::Error>| result.expect_err("a bad pattern").to_string();
    assert_eq!(
        error(Regexp::anchored("a(")),
        "error parsing regexp: missing closing ): `^(?s:a()$`"
    );
    let matcher = Matcher::new("a(").expect_err("a bad pattern").to_string();
    assert_eq!(matcher, "error parsing regexp: missing closing ): `a(`");
    assert!(Regexp::anchored("a)(b").expect("the parentheses pair up").is_match("ab"));
}

#[test]
fn reads_the_syntax_of_go() {
    check("\\d", "٣", "no match");
    check("\\w", "é", "no match");
    check("\\s", "\u{0b}", "no match");
    check("\\Qa.b\\E+", "a.bb", "a.bb");
    check("[[a]", "[", "[");
    check("[a&&b]", "&", "&");
    check("[]a]+", "]a", "]a");
    check("\\07\\12\\x41\\x{e9}", "\x07\nAé", "\x07\nAé");
    check("(?i)k+", "kK\u{212a}", "kK\u{212a}");
    check("(?i)\\w", "ſ", "ſ");
    check("\\p{greek}\\p{^Lu}\\PL", "αb1", "αb1");
    check("a{,2}", "a{,2}", "a{,2}");
    check("(?m)^b$", "a\nb", "b");
    check("a.b", "a\nb", "no match");
    check("(?U)a+", "aa", "a");
    check("(?:a(?i)b)b", "aBB", "no match");
    check("\\x{D800}", "\u{fffd}", "no match");
}

#[test]
fn finds_groups() {
    check("(foo|foobar)(bar)?", "foobar", "foobar|foo|bar");
    check("(a)|(b)", "b", "b|-|b");
    check("(a){0}(b)", "b", "b|-|b");
    check("(a*)*", "b", "|");
    check("(|a)*", "aa", "|");
    check("(|a)+", "aa", "|");
}

#[test]
fn expands_templates() {
    let check = |template: &str, expected: &str| {
        let regexp = Regexp::anchored("(?P<host>[^:]*):([0-9]+)(x)?").expect("a pattern");
        let groups = regexp.find_submatches("db:90").expect("a match");
        let mut output = "=".to_owned();
        regexp.expand(template, &groups, &mut output);
        assert_eq!(output, format!("={expected}"), "{template}");
    };
    check("$1-$2", "db-90");
    check("${1}x$1x", "dbx");
    check("$host ${host} $hosts", "db db ");
    check("$$1 $0 $3 $9", "$1 db:90  ");
    check("$ $-${ ${1 ${} $", "$ $-${ ${1 ${} $");
    check("$01$1_y${2}", "90");
}

#[test]
fn uses_the_first_group_of_a_name_that_matched() {
    let regexp = Regexp::new("(?P<n>a)|(?P<n>b)").expect("names may be used twice");
    assert_eq!(regexp.replace_all("ab", "<$n>"), "<a><b>");
}

#[test]
fn replaces_all() {
    let check = |pattern: &str, text: &str, expected: &str| {
        assert_eq!(
            Regexp::new(pattern).expect(pattern).replace_all(text, "<$0>"),
            expected,
            "{pattern} on {text}"
        );
    };
    check("a*", "baac", "<>b<aa>c<>");
    check("", "日本", "<>日<>本<>");
    check("b|", "ab", "<>a<b>");
    check("^a", "aa", "<a>a");
}

#[test]
fn refuses_what_is_too_deep_or_too_large() {
    let nested = |n: usize| format!("{}a{}", "(".repeat(n), ")".repeat(n));
    assert!(Regexp::new(&nested(999)).expect("deep, but allowed").is_match("a"));
    assert!(Matcher::new(&nested(999)).expect("deep, but allowed").is_match("a"));
    check_error(&nested(1000), &format!("expression nests too deeply: `{}`", nested(1000)));
    check_error(&"(".repeat(100_000), &format!("missing closing ): `{}`", "(".repeat(100_000)));
    let large = "\\pL{1000}".repeat(100);
    check_error(&large, &format!("expression too large: `{large}`"));
}
