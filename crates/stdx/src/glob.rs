//! File name patterns as Go matches them.

/// Reports whether a name matches a pattern: `*` any text, `?` any character, `[a-z]` and `[^a-z]` one
/// character, `\` takes the next character as it is. A malformed pattern matches nothing.
pub fn is_match(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on if the text taken by the last `*` was too short.
    let mut retry = None;
    loop {
        if pattern.get(p) == Some(&'*') {
            p += 1;
            retry = Some((p, n + 1));
        } else if p == pattern.len() && n == name.len() {
            return true;
        } else if let Some(after) = name.get(n).and_then(|c| match_one(&pattern[p..], *c)) {
            p += after;
            n += 1;
        } else {
            match retry {
                Some((star, next)) if next <= name.len() => {
                    (p, n) = (star, next);
                    retry = Some((star, next + 1));
                }
                _ => return false,
            }
        }
    }
}

/// Returns how much of the pattern matches one character.
fn match_one(pattern: &[char], c: char) -> Option<usize> {
    match *pattern.first()? {
        '?' => Some(1),
        '\\' => (*pattern.get(1)? == c).then_some(2),
        '[' => match_class(pattern, c),
        literal => (literal == c).then_some(1),
    }
}

fn match_class(pattern: &[char], c: char) -> Option<usize> {
    let negated = pattern.get(1) == Some(&'^');
    let mut at = if negated { 2 } else { 1 };
    let first = at;
    let mut found = false;
    while at == first || *pattern.get(at)? != ']' {
        let low = class_char(pattern, &mut at)?;
        let mut high = low;
        if pattern.get(at) == Some(&'-') {
            at += 1;
            high = class_char(pattern, &mut at)?;
        }
        found |= (low..=high).contains(&c);
    }
    (found != negated).then_some(at + 1)
}

fn class_char(pattern: &[char], at: &mut usize) -> Option<char> {
    let mut c = *pattern.get(*at)?;
    if c == '-' || c == ']' {
        return None;
    }
    if c == '\\' {
        *at += 1;
        c = *pattern.get(*at)?;
    }
    *at += 1;
    Some(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_as_go_does() {
        let check = |pattern, name, expected| {
            assert_eq!(is_match(pattern, name), expected, "{pattern} on {name}")
        };
        check("*.json", "a.json", true);
        check("*.json", ".json", true);
        check("*.json", "a.json.bak", false);
        check("a*b*c", "aXbYbZc", true);
        check("a*b*c", "aXbYbZ", false);
        check("t?.yml", "té.yml", true);
        check("t[0-9a].yml", "t5.yml", true);
        check("t[^0-9].yml", "t5.yml", false);
        check("t\\*.yml", "t*.yml", true);
        check("t\\*.yml", "tx.yml", false);
        check("[", "[", false);
        check("[]a]", "a", false);
        check("*", "", true);
        check("", "", true);
        check(&"*a".repeat(50), &"a".repeat(49), false);
    }
}
