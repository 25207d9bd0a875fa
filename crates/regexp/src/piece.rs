//! A text in which some places may be one of a few characters: `foo`, `[Ff]oo`, `(?i)straße`.

use memchr::memmem;

/// How many characters a place may choose from. Every set of characters equal but for case fits.
pub(crate) const CHOICES_MAX: usize = 4;

/// One place: the characters that may stand there, the last repeated to fill the array.
type Place = [char; CHOICES_MAX];

/// A literal followed by places with a choice; either may be empty.
///
/// Every text that it matches has the same number of characters, not always of bytes: `k` equals the three
/// bytes of the Kelvin sign.
#[derive(Clone, Debug, Default)]
pub(crate) struct Piece {
    literal: String,
    places: Vec<Place>,
}

impl Piece {
    pub(crate) fn is_empty(&self) -> bool {
        self.literal.is_empty() && self.places.is_empty()
    }

    /// Returns what all matching texts begin with.
    pub(crate) fn literal(&self) -> &str {
        &self.literal
    }

    /// Appends a text.
    pub(crate) fn push_str(&mut self, text: &str) {
        if self.places.is_empty() {
            self.literal.push_str(text);
        } else {
            self.places.extend(text.chars().map(|c| [c; CHOICES_MAX]));
        }
    }

    /// Appends a place that may be one of `choices`: at least one, at most [`CHOICES_MAX`].
    pub(crate) fn push_choice(&mut self, choices: &[char]) {
        let last = choices.len() - 1;
        self.places.push(std::array::from_fn(|i| choices[i.min(last)]));
    }

    /// Returns what follows the piece in a text that starts with it.
    pub(crate) fn strip_prefix<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.strip_places(text.strip_prefix(self.literal.as_str())?)
    }

    /// Returns what precedes the piece in a text that ends with it.
    pub(crate) fn strip_suffix<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut chars = text.chars();
        let equal = self
            .places
            .iter()
            .rev()
            .all(|place| chars.next_back().is_some_and(|c| place.contains(&c)));
        if equal { chars.as_str().strip_suffix(self.literal.as_str()) } else { None }
    }

    /// Returns what follows the first occurrence of the piece.
    pub(crate) fn find_after<'t>(&self, mut text: &'t str) -> Option<&'t str> {
        if self.places.is_empty() {
            let start = memmem::find(text.as_bytes(), self.literal.as_bytes())?;
            return Some(&text[start + self.literal.len()..]);
        }
        loop {
            let start = memmem::find(text.as_bytes(), self.literal.as_bytes())?;
            if let Some(after) = self.strip_places(&text[start + self.literal.len()..]) {
                return Some(after);
            }
            let next = text[start..].chars().next()?;
            text = &text[start + next.len_utf8()..];
        }
    }

    fn strip_places<'t>(&self, text: &'t str) -> Option<&'t str> {
        let mut chars = text.chars();
        let equal =
            self.places.iter().all(|place| chars.next().is_some_and(|c| place.contains(&c)));
        equal.then_some(chars.as_str())
    }
}
