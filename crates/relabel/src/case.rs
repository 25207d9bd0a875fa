//! Case of whole texts as Go maps it: character by character, each to one character.

/// Maps a text to lower case.
pub(crate) fn lower(text: &str) -> String {
    // The only character whose full mapping is longer, and the only rule (final sigma) that looks
    // at neighbours, are not part of the simple mapping.
    text.chars()
        .map(|c| if c == '\u{130}' { 'i' } else { c.to_lowercase().next().unwrap_or(c) })
        .collect()
}

/// Maps a text to upper case.
pub(crate) fn upper(text: &str) -> String {
    text.chars().map(upper_char).collect()
}

fn upper_char(c: char) -> char {
    let mut full = c.to_uppercase();
    match (full.next(), full.next()) {
        (Some(upper), None) => upper,
        // Greek letters with iota below have a capital of their own; the others (ß, ŉ, ligatures)
        // have none.
        _ => iota_capital(c).unwrap_or(c),
    }
}

fn iota_capital(c: char) -> Option<char> {
    let shift = match u32::from(c) {
        0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7 => 8,
        0x1FB3 | 0x1FC3 | 0x1FF3 => 9,
        _ => return None,
    };
    char::from_u32(u32::from(c) + shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_each_character_to_one() {
        assert_eq!(lower("ÀΣİK\u{212a}ẞ1"), "àσikkß1");
        assert_eq!(upper("àςß\u{fb01}ᾳᾀŉſµ1"), "ÀΣß\u{fb01}ᾼᾈŉSΜ1");
    }
}
