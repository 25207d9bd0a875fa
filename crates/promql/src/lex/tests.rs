//! Tokens of queries, and what is none.

use super::*;

/// Compares the texts of all tokens, blank-separated; an error ends them as `position:text`.
#[track_caller]
fn check(input: &str, expected: &str) {
    let mut lexer = Lexer::new(input);
    let mut got = Vec::new();
    loop {
        let token = lexer.next_token();
        match token.kind {
            Kind::Eof => break,
            Kind::Error => {
                got.push(format!("{}:{}", token.start, lexer.error()));
                break;
            }
            _ => got.push(input[token.start..token.end].to_owned()),
        }
    }
    assert_eq!(got.join(" "), expected, "{input}");
}

#[test]
fn splits_queries() {
    check(
        "sum by(a:b)(rate(x{a=~\"b\",c!='d'}[5m:]))>/ 1",
        "sum by ( a:b ) ( rate ( x { a =~ \"b\" , c != 'd' } [ 5m : ] ) ) >/ 1",
    );
    check("a</b <c # comment\n+ d", "a </ b < c + d");
    check("x[min_of(STEP(), 5m)+1]", "x [ min_of ( STEP ( ) , 5m ) + 1 ]");
    check("{ # c }\n a=\"#\"}", "{ a = \"#\" }");
}

#[test]
fn reads_numbers() {
    check(
        "1 2. .2 1e3 1E-3 0x1f 0X_f 1_000 08 5m 1h30m 10ms",
        "1 2. .2 1e3 1E-3 0x1f 0X_f 1_000 08 5m 1h30m 10ms",
    );
    check("0xabe 0x1e + 1", "0xabe 0x1e + 1");
    for bad in ["0x1e", "0xbeef", "1_", "1__0", "1_.5", "1e", "1..2", "5mm", "0b1", "1e.", "0x1.2"]
    {
        let mut lexer = Lexer::new(bad);
        assert_eq!(lexer.next_token().kind, Kind::Error, "{bad}");
        assert!(
            lexer.error().starts_with("bad number or duration syntax: "),
            "{bad}: {}",
            lexer.error()
        );
    }
    check("1mm", "0:bad number or duration syntax: \"1mm\"");
}

#[test]
fn names_errors() {
    check("(a", "( a 2:unclosed left parenthesis");
    check("a)", "a 2:unexpected right parenthesis ')'");
    check("a]", "a 1:unexpected right bracket ']'");
    check("{a", "{ a 2:unexpected end of input inside braces");
    check("{{", "{ 1:unexpected left brace '{'");
    check("{a>", "{ a 2:unexpected character inside braces: '>'");
    check("{a!b", "{ a 2:unexpected character after '!' inside braces: 'b'");
    check("a=~b", "a 1:unexpected character after '=': '~'");
    check("a!", "a 1:unexpected character after '!': '\u{fffd}'");
    check("a é", "a 2:unexpected character: 'é'");
    check("a[", "a [ 2:unexpected end of input in duration expression");
    check("a[b]", "a [ 2:unexpected character in duration expression: 'b'");
    check("x[step():5m]", "x [ step ( ) 9:unexpected colon before duration in duration expression");
    check("y[1m] x[step():5m]", "y [ 1m ] x [ step ( ) : 5m ]");
    check("x[5m::]", "x [ 5m : 6:unexpected repeated colon in duration expression");
}

#[test]
fn reads_strings() {
    let text = |token: &str| {
        check(token, token);
        unquote(token)
    };
    assert_eq!(text(r#""a\n\x41\u00e9\U0001f600\101\"'""#), "a\nAé😀A\"'");
    assert_eq!(text(r#"'\'"\xe2\x82\xac'"#), "'\"€");
    assert_eq!(text("`a\\n\n\"`"), "a\\n\n\"");
    assert_eq!(text(r#""\xff""#), "\u{fffd}");
    check("\"a", "0:unterminated quoted string");
    check("\"a\nb\"", "0:unterminated quoted string");
    check("`a", "0:unterminated raw string");
    check(r#""\c""#, "0:unknown escape sequence U+0063 'c'");
    check(r#""\'""#, "0:unknown escape sequence U+0027 '''");
    check(r#""\xz1""#, "0:illegal character U+007A 'z' in escape sequence");
    check("\"\\x\x01\"", "0:illegal character U+0001 in escape sequence");
    check(r#""\ud800""#, "0:escape sequence is an invalid Unicode code point");
    check(r#""\400""#, "0:escape sequence is an invalid Unicode code point");
    check(r#""\"#, "0:escape sequence not terminated");
    check("\"\u{fffd}\"", "0:invalid UTF-8 rune");
}
