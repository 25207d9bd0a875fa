//! Selectors of Kubernetes' objects: by their labels, and by their fields.
//!
//! `label`: requirements separated by commas, all of which hold: `a`, `!a`, `a = b` (also `==`), `a != b`, `a in (b, c)`,
//! `a notin (b, c)`, `a > 1`, `a < 1`. The server is asked with the text as it stands; what it would refuse is refused
//! here, at load, in its words.

use model::quote;

/// Checks a label selector.
pub(super) fn check_labels(text: &str) -> Result<(), String> {
    let mut parser = Parser { tokens: tokens(text) };
    parser.requirements().map_err(|why| format!("unable to parse requirement: {why}"))
}

/// Checks a field selector: parts `a=b`, `a==b`, `a!=b`, separated by commas.
pub(super) fn check_fields(text: &str) -> Result<(), String> {
    match text.split(',').find(|part| !part.is_empty() && !part.contains('=')) {
        Some(part) => Err(format!("invalid selector: '{text}'; can't understand '{part}'")),
        None => Ok(()),
    }
}

/// Operators, names, commas and parentheses, the next one last.
fn tokens(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let is_end = |c: char| c.is_whitespace() || SPECIAL.contains(c);
        let len = match rest.find(is_end).unwrap_or(rest.len()) {
            0 => OPERATORS.iter().find(|it| rest.starts_with(**it)).map_or(1, |it| it.len()),
            len => len,
        };
        let (token, behind) = rest.split_at(len);
        found.push(token);
        rest = behind.trim_start();
    }
    found.reverse();
    found
}

const SPECIAL: &str = "=!(),><";
const OPERATORS: [&str; 2] = ["==", "!="];

struct Parser<'a> {
    tokens: Vec<&'a str>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &'a str {
        self.tokens.last().copied().unwrap_or_default()
    }

    fn next(&mut self) -> &'a str {
        self.tokens.pop().unwrap_or_default()
    }

    fn requirements(&mut self) -> Result<(), String> {
        if self.tokens.is_empty() {
            return Ok(());
        }
        loop {
            self.requirement()?;
            match self.next() {
                "" => return Ok(()),
                "," if self.peek() == "!" || is_name(self.peek()) => {}
                "," => {
                    return Err(format!("found '{}', expected: identifier after ','", self.peek()));
                }
                other => return Err(format!("found '{other}', expected: ',' or 'end of string'")),
            }
        }
    }

    fn requirement(&mut self) -> Result<(), String> {
        let is_absent = self.peek() == "!";
        if is_absent {
            self.next();
        }
        let key = self.next();
        if !is_name(key) {
            return Err(format!("found '{key}', expected: identifier"));
        }
        check_key(key)?;
        if is_absent || matches!(self.peek(), "" | ",") {
            return Ok(());
        }
        match self.next() {
            "in" | "notin" => self.values(key),
            "=" | "==" | "!=" => {
                // Nothing is a value too.
                let value = if is_name(self.peek()) { self.next() } else { "" };
                check_value(key, value)
            }
            operator @ (">" | "<") => {
                let value = self.next();
                value.parse::<i64>().map(drop).map_err(|_| {
                    let quoted = quote(value);
                    format!("values[0][{key}]: Invalid value: {quoted}: for '{operator}' operator, the value must be an integer")
                })
            }
            other => Err(format!("found '{other}', expected: in, notin, =, ==, !=, gt, lt")),
        }
    }

    /// Reads `(a, b)`.
    fn values(&mut self, key: &str) -> Result<(), String> {
        match self.next() {
            "(" => {}
            other => return Err(format!("found '{other}' expected: '('")),
        }
        loop {
            let value = if is_name(self.peek()) { self.next() } else { "" };
            check_value(key, value)?;
            match self.next() {
                ")" => return Ok(()),
                "," => {}
                other => return Err(format!("found '{other}', expected: ',', ')' or identifier")),
            }
        }
    }
}

fn is_name(token: &str) -> bool {
    !token.is_empty() && !token.starts_with(|c| SPECIAL.contains(c))
}

/// The longest name, and the longest value.
const NAME_BYTES_MAX: usize = 63;
/// The longest prefix of a name.
const PREFIX_BYTES_MAX: usize = 253;

/// Refuses what cannot be the name of a label: `name`, or `prefix/name`.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) =
        key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let why = if prefix.is_some_and(|it| !is_subdomain(it)) {
        "prefix part must be a lowercase RFC 1123 subdomain"
    } else if name.is_empty() {
        "name part must be non-empty"
    } else if NAME_BYTES_MAX < name.len() {
        "name part must be no more than 63 bytes"
    } else if !is_word(name) {
        "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    } else {
        return Ok(());
    };
    Err(format!("key: Invalid value: {}: {why}", quote(key)))
}

fn check_value(key: &str, value: &str) -> Result<(), String> {
    let why = if NAME_BYTES_MAX < value.len() {
        "must be no more than 63 bytes"
    } else if !value.is_empty() && !is_word(value) {
        "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
    } else {
        return Ok(());
    };
    Err(format!("values[0][{key}]: Invalid value: {}: {why}", quote(value)))
}

fn is_word(text: &str) -> bool {
    let is_outer = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(is_outer)
        && text.ends_with(is_outer)
        && text.chars().all(|c| is_outer(c) || matches!(c, '-' | '_' | '.'))
}

fn is_subdomain(text: &str) -> bool {
    let is_outer = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_label = |it: &str| {
        it.starts_with(is_outer)
            && it.ends_with(is_outer)
            && it.chars().all(|c| is_outer(c) || c == '-')
    };
    text.len() <= PREFIX_BYTES_MAX && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let found = check_labels(text).err().unwrap_or_default();
        let found = found.strip_prefix("unable to parse requirement: ").unwrap_or(&found);
        assert!(
            found.starts_with(expected) && found.is_empty() == expected.is_empty(),
            "{text}: {found}"
        );
    }

    #[test]
    fn reads_label_selectors() {
        for good in [
            "",
            " ",
            "a",
            "!a",
            "a=b",
            "a==b",
            "a!=b",
            "a=",
            "a = b,c",
            "a in (b, c)",
            "a notin(b),!c",
            "a in (b,,c)",
            "a>1,b<2",
            "x.org/a_b.c=D-e",
            "a in ()",
        ] {
            check(good, "");
        }
        check("a=b,", "found '', expected: identifier after ','");
        check(",a", "found ',', expected: identifier");
        check("a b", "found 'b', expected: in, notin, =, ==, !=, gt, lt");
        check("a=b c", "found 'c', expected: ',' or 'end of string'");
        check("a in b", "found 'b' expected: '('");
        check("a in (b", "found '', expected: ',', ')' or identifier");
        check("a=b=c", "found '=', expected: ',' or 'end of string'");
        check(
            "a>b",
            "values[0][a]: Invalid value: \"b\": for '>' operator, the value must be an integer",
        );
        check("-a", "key: Invalid value: \"-a\": name part must consist of");
        check("X/a", "key: Invalid value: \"X/a\": prefix part must be");
        check("x/", "key: Invalid value: \"x/\": name part must be non-empty");
        check("a=b_", "values[0][a]: Invalid value: \"b_\": a valid label must be");
        check(&format!("a={}", "b".repeat(64)), "values[0][a]: Invalid value: \"bbb");
        check("a=ü", "values[0][a]: Invalid value: \"ü\": a valid label must be");
    }
}
