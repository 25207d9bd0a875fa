//! Which buckets a histogram has.

/// A run of neighbouring buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Gap to the end of the span before; for the first span the index of its first bucket.
    pub offset: i32,
    /// How many buckets follow.
    pub length: u32,
}

impl Span {
    /// The indexes of the buckets of all spans, in their order: ascending, if no span but the first has a
    /// negative offset.
    pub fn indexes(spans: &[Span]) -> impl Iterator<Item = i64> + '_ {
        let mut end = 0i64;
        spans.iter().flat_map(move |it| {
            let start = end + i64::from(it.offset);
            end = start + i64::from(it.length);
            start..end
        })
    }

    /// The spans of buckets with these indexes, which ascend. Neighbours share a span; indexes that do not
    /// fit into spans are left out.
    pub fn of(indexes: impl IntoIterator<Item = i64>) -> Vec<Span> {
        let (mut spans, mut end): (Vec<Span>, i64) = (Vec::new(), 0);
        for index in indexes {
            match spans.last_mut() {
                Some(last) if index == end && last.length < u32::MAX => last.length += 1,
                _ => {
                    let Ok(offset) = i32::try_from(index - end) else { continue };
                    spans.push(Span { offset, length: 1 });
                }
            }
            end = index + 1;
        }
        spans
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_indexes_and_back() {
        let span = |offset, length| Span { offset, length };
        let spans = [span(-2, 2), span(0, 1), span(3, 0), span(1, 2)];
        let indexes: Vec<i64> = Span::indexes(&spans).collect();
        assert_eq!(indexes, [-2, -1, 0, 5, 6]);
        assert_eq!(Span::of(indexes), [span(-2, 3), span(4, 2)]);
        assert_eq!(Span::of([i64::MAX - 1, 3]), [span(3, 1)]);
    }
}
