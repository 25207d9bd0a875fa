//! Start times of samples: when what a counter counts began.

/// Start time and time of a sample.
pub(crate) type Times = (i64, i64);

/// True if a counter started anew between two samples, as far as their start times say.
pub(crate) fn is_reset((before_st, before_t): Times, (st, t): Times) -> bool {
    if st == 0 || t <= st || st < before_t {
        return false;
    }
    if before_t < st {
        return true;
    }
    // It starts just where the one before stands: it goes on, unless the one before had a start of its own.
    before_st <= before_t && before_st != 0 && before_st != before_t
}

/// True if a sample claims a time that the one before has covered.
pub(crate) fn overlaps((before_st, before_t): Times, (st, _): Times) -> bool {
    st != 0 && st < before_t && st != before_st
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_resets() {
        let check = |before, now, reset, overlapping| {
            assert_eq!((is_reset(before, now), overlaps(before, now)), (reset, overlapping));
        };
        check((0, 10), (0, 20), false, false);
        check((5, 10), (5, 20), false, false);
        check((5, 10), (6, 20), false, true);
        check((5, 10), (12, 20), true, false);
        check((5, 10), (10, 20), true, false);
        check((0, 10), (10, 20), false, false);
        check((10, 10), (10, 20), false, false);
        check((15, 10), (10, 20), false, false);
        check((5, 10), (20, 20), false, false);
    }
}
