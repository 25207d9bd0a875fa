//! Series as nearly all pages write them: without blanks, escapes or quoted names.

use memchr::memchr3;

/// Measures the series at the start of `page` if it is plain: a name, and labels in braces or none. `None` says
/// nothing about it: it may be written in another way, or wrong.
pub(crate) fn series_len(page: &[u8]) -> Option<usize> {
    let mut at = name_len(page, IN_METRIC_NAME)?;
    if page.get(at) != Some(&b'{') {
        return Some(at);
    }
    loop {
        at += 1;
        at += name_len(&page[at..], IN_LABEL_NAME)?;
        let value = page[at..].strip_prefix(b"=\"")?;
        let len = memchr3(b'"', b'\\', b'\n', value).filter(|it| value[*it] == b'"')?;
        at += 2 + len + 1;
        match page.get(at)? {
            b',' => {}
            b'}' => break,
            _ => return None,
        }
    }
    at += 1;
    std::str::from_utf8(&page[..at]).is_ok().then_some(at)
}

/// The length of the name at the start; `None` without one.
#[inline]
pub(crate) fn name_len(text: &[u8], kind: u8) -> Option<usize> {
    let len = text.iter().position(|it| BYTES[usize::from(*it)] & kind == 0)?;
    (0 < len && !text[0].is_ascii_digit()).then_some(len)
}

pub(crate) const IN_LABEL_NAME: u8 = 1;
const IN_METRIC_NAME: u8 = 2;

/// In which names each byte may stand.
const BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut at = 0u8;
    while at < 128 {
        bytes[at as usize] = match at {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => IN_LABEL_NAME | IN_METRIC_NAME,
            b':' => IN_METRIC_NAME,
            _ => 0,
        };
        at += 1;
    }
    bytes
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_what_is_plain() {
        for (page, expected) in [
            ("a 1\n", Some("a")),
            ("a{} 1\n", None),
            ("a:b{c=\"d\"} 1\n", Some("a:b{c=\"d\"}")),
            ("a{b=\"}{,=#\",c=\"é\"}\t1\n", Some("a{b=\"}{,=#\",c=\"é\"}")),
            ("a{b=\"\"} 1", Some("a{b=\"\"}")),
            ("a {b=\"c\"} 1", Some("a")),
            ("a{b=\"c\",} 1", None),
            ("a{b =\"c\"} 1", None),
            ("a{b=\"c\" } 1", None),
            ("a{b=\"\\n\"} 1", None),
            ("a{b=\"\n\"} 1", None),
            ("a{b:c=\"d\"} 1", None),
            ("a{\"b\"=\"c\"} 1", None),
            ("{\"a\"} 1", None),
            ("1a 1", None),
            ("a{1b=\"c\"} 1", None),
            (" a 1", None),
            ("# a", None),
            ("a", None),
            ("a{b=\"c", None),
            ("a{b=\"c\"", None),
            ("", None),
        ] {
            let len = series_len(page.as_bytes());
            assert_eq!(len.map(|it| &page[..it]), expected, "{page:?}");
        }
        assert_eq!(series_len(b"a{b=\"\xff\"} 1"), None);
    }
}
