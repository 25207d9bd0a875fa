//! Cuts what comes in pieces into lines of a bounded length.

use std::ops::Range;

/// A buffer of at most one line and a piece.
#[derive(Debug)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// What of the buffer was handed out already.
    start: usize,
    /// Up to where the buffer was searched for an end of a line.
    searched: usize,
    line_bytes_max: usize,
}

/// A line is longer than it may be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl Lines {
    pub(crate) fn new(line_bytes_max: usize) -> Self {
        Lines { buffer: Vec::new(), start: 0, searched: 0, line_bytes_max }
    }

    /// Takes a piece, once all lines before were taken out.
    pub(crate) fn push(&mut self, piece: &[u8]) {
        self.buffer.drain(..self.start);
        self.searched -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(piece);
    }

    /// Returns the next whole line that is not empty, without its end; `None`: more is to come.
    pub(crate) fn next(&mut self) -> Result<Option<&[u8]>, TooLong> {
        while let Some(line) = self.next_range()? {
            if !line.is_empty() {
                return Ok(Some(&self.buffer[line]));
            }
        }
        Ok(None)
    }

    fn next_range(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        let found = self.buffer[self.searched..].iter().position(|it| *it == b'\n');
        let end = found.map_or(self.buffer.len(), |it| self.searched + it);
        if self.line_bytes_max < end - self.start {
            return Err(TooLong);
        }
        self.searched = end;
        if found.is_none() {
            return Ok(None);
        }
        let line = self.start..end;
        (self.start, self.searched) = (end + 1, end + 1);
        Ok(Some(line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Pieces are separated by `|`; lines are shown behind each other, each in brackets.
    fn check(pieces: &str, expected: &str) {
        let mut lines = Lines::new(4);
        let mut found = String::new();
        for piece in pieces.split('|') {
            lines.push(piece.as_bytes());
            loop {
                match lines.next() {
                    Ok(Some(line)) => found += &format!("[{}]", String::from_utf8_lossy(line)),
                    Ok(None) => break,
                    Err(TooLong) => found += "!",
                }
                if found.ends_with('!') {
                    break;
                }
            }
        }
        assert_eq!(found, expected, "{pieces}");
    }

    #[test]
    fn cuts_lines() {
        check("a\nb\n", "[a][b]");
        check("a|b\nc|\n\n\nd", "[ab][c]");
        check("abcd\n|abc|d\n", "[abcd][abcd]");
        check("abcde\n", "!");
        check("abc|de", "!");
        check("a\nbcdef", "[a]!");
    }
}
