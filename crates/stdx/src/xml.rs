//! Small XML documents, read into a tree.
//!
//! For answers of services: elements and text. Attributes are passed over, prefixes of names are dropped, entities
//! of its own a document cannot have. A tree takes up to some 30 times the memory of its text.

use std::fmt;

/// Elements within elements; deeper ones are refused.
const DEPTH_MAX: usize = 100;

/// An element with what is in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Element {
    /// Its name, without a prefix.
    pub name: String,
    /// All text directly in it.
    pub text: String,
    /// The elements directly in it.
    pub children: Vec<Element>,
}

/// What is wrong with a document, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Bytes before the place.
    pub offset: usize,
    /// What is wrong.
    pub message: &'static str,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "xml: {} at byte {}", self.message, self.offset)
    }
}

impl std::error::Error for Error {}

impl Element {
    /// The first child of that name.
    pub fn child(&self, name: &str) -> Option<&Self> {
        self.children.iter().find(|it| it.name == name)
    }

    /// The text of the element that is reached by these names; empty if there is none.
    pub fn text_at(&self, path: &[&str]) -> &str {
        let found = path.iter().try_fold(self, |at, name| at.child(name));
        found.map_or("", |it| it.text.trim())
    }

    /// The elements in the child of that name: the items of a list.
    pub fn items(&self, name: &str) -> &[Self] {
        self.child(name).map_or(&[], |it| &it.children)
    }
}

/// Reads a document and returns its root.
///
/// # Errors
/// The first thing that is wrong.
pub fn parse(text: &str) -> Result<Element, Error> {
    let mut reader = Reader { text, at: 0 };
    // The document itself is the element around the root.
    let mut open = vec![Element::default()];
    while !reader.rest().is_empty() {
        reader.step(&mut open)?;
    }
    let document = open.pop().filter(|_| open.is_empty());
    let mut document = document.ok_or_else(|| reader.error("an element is not closed"))?;
    if document.children.len() != 1 {
        return Err(reader.error("there must be one root"));
    }
    Ok(document.children.remove(0))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, message: &'static str) -> Error {
        Error { offset: self.at, message }
    }

    /// Takes one piece of markup, or the text up to the next one.
    fn step(&mut self, open: &mut Vec<Element>) -> Result<(), Error> {
        let rest = self.rest();
        if let Some(inside) = rest.strip_prefix("<![CDATA[") {
            let end = inside.find("]]>").ok_or_else(|| self.error("CDATA without an end"))?;
            if let Some(element) = open.last_mut() {
                element.text.push_str(&inside[..end]);
            }
            self.at += "<![CDATA[".len() + end + "]]>".len();
            return Ok(());
        }
        if rest.starts_with("<!--") {
            return self.skip("-->");
        }
        if rest.starts_with("<?") {
            return self.skip("?>");
        }
        if rest.starts_with("<!") {
            return Err(self.error("document types are not read"));
        }
        if rest.starts_with("</") {
            return self.close(open);
        }
        if rest.starts_with('<') {
            return self.open(open);
        }
        let end = rest.find('<').unwrap_or(rest.len());
        if let Some(element) = open.last_mut() {
            self.unescape(&rest[..end], &mut element.text)?;
        }
        self.at += end;
        Ok(())
    }

    /// Goes behind `end`.
    fn skip(&mut self, end: &str) -> Result<(), Error> {
        let len = self.rest().find(end).ok_or_else(|| self.error("markup without an end"))?;
        self.at += len + end.len();
        Ok(())
    }

    fn open(&mut self, open: &mut Vec<Element>) -> Result<(), Error> {
        let inside = &self.rest()[1..];
        let end = tag_end(inside).ok_or_else(|| self.error("a tag without an end"))?;
        let tag = &inside[..end];
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |it| (it, true));
        let name = local_name(tag);
        if name.is_empty() {
            return Err(self.error("a tag without a name"));
        }
        if DEPTH_MAX <= open.len() {
            return Err(self.error("too many elements in one another"));
        }
        open.push(Element { name: name.to_owned(), ..Element::default() });
        self.at += 1 + end + 1;
        if is_empty {
            end_element(open);
        }
        Ok(())
    }

    fn close(&mut self, open: &mut Vec<Element>) -> Result<(), Error> {
        let inside = &self.rest()[2..];
        let end = inside.find('>').ok_or_else(|| self.error("a tag without an end"))?;
        let fits = open.last().is_some_and(|it| it.name == local_name(&inside[..end]));
        if open.len() < 2 || !fits {
            return Err(self.error("an end without its beginning"));
        }
        self.at += 2 + end + 1;
        end_element(open);
        Ok(())
    }

    /// Appends text with its entities resolved.
    fn unescape(&self, mut text: &str, out: &mut String) -> Result<(), Error> {
        while let Some((before, after)) = text.split_once('&') {
            out.push_str(before);
            let entity = after.split_once(';').and_then(|(name, rest)| Some((entity(name)?, rest)));
            let (c, rest) = entity.ok_or_else(|| self.error("an unknown entity"))?;
            out.push(c);
            text = rest;
        }
        out.push_str(text);
        Ok(())
    }
}

/// Puts the innermost open element into the one around it.
fn end_element(open: &mut Vec<Element>) {
    if let Some(element) = open.pop()
        && let Some(parent) = open.last_mut()
    {
        parent.children.push(element);
    }
}

/// The place of the `>` that is in no quotes.
fn tag_end(text: &str) -> Option<usize> {
    let mut quote = None;
    text.bytes().position(|byte| {
        match (quote, byte) {
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(it), _) if it == byte => quote = None,
            _ => {}
        }
        quote.is_none() && byte == b'>'
    })
}

/// The name in front of a tag's attributes, without its prefix.
fn local_name(tag: &str) -> &str {
    let name = tag.split(|c: char| c.is_ascii_whitespace()).next().unwrap_or_default();
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn entity(name: &str) -> Option<char> {
    match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a tree as `name=text(child, child)`.
    fn show(element: &Element) -> String {
        let children: Vec<_> = element.children.iter().map(show).collect();
        let children =
            if children.is_empty() { String::new() } else { format!("({})", children.join(" ")) };
        format!("{}={:?}{children}", element.name, element.text)
    }

    fn check(text: &str, expected: &str) {
        let found = parse(text).map_or_else(|error| error.to_string(), |it| show(&it));
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn reads_documents() {
        check("<a/>", "a=\"\"");
        check(
            "<?xml version=\"1.0\"?>\n<!-- x > -->\n<n:a b='>' c=\"/\"><b>1</b><b />2</n:a>\n",
            "a=\"2\"(b=\"1\" b=\"\")",
        );
        check("<a>&lt;&#65;&#x42;&amp;amp;<![CDATA[<&>]]></a>", "a=\"<AB&amp;<&>\"");
        check("<a><b>1</a></b>", "xml: an end without its beginning at byte 7");
        check("<a", "xml: a tag without an end at byte 0");
        check("<a>", "xml: an element is not closed at byte 3");
        check("</a>", "xml: an end without its beginning at byte 0");
        check("</>", "xml: an end without its beginning at byte 0");
        check("<a/><b/>", "xml: there must be one root at byte 8");
        check("", "xml: there must be one root at byte 0");
        check("<a>&b;</a>", "xml: an unknown entity at byte 3");
        check("<a>&#55555555;</a>", "xml: an unknown entity at byte 3");
        check("<!DOCTYPE a><a/>", "xml: document types are not read at byte 0");
        check(&"<a>".repeat(101), "xml: too many elements in one another at byte 297");
        check("<>", "xml: a tag without a name at byte 0");
        check("<![CDATA[", "xml: CDATA without an end at byte 0");
    }

    #[test]
    fn finds_what_is_inside() {
        let root = parse("<a><b><c> x </c></b><l><item>1</item><item>2</item></l></a>").unwrap();
        assert_eq!((root.text_at(&["b", "c"]), root.text_at(&["b", "d"])), ("x", ""));
        assert_eq!(root.items("l").len(), 2);
        assert!(root.items("m").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(<[ab/?!> ]|<a>|</a>|<!--|-->|<!\\[CDATA\\[|]]>|&[a-z#x0-9]{0,4};|[a\"'é&;>]){0,20}") {
            let _ = parse(&text);
        }
    }
}
