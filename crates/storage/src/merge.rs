//! Joins views of several storages (head and blocks, local and remote) into one.

use model::{Labels, Matcher};

use crate::query::Mark;
use crate::{Querier, ReadError, Samples, SelectHints, SeriesSet};

/// Series whose labels are made before it is asked whether to go on.
const SERIES_PER_CHECK: usize = 1024;

/// A view over several views. Earlier ones win where two hold the same timestamp of a series.
pub struct MergeQuerier {
    parts: Vec<Box<dyn Querier>>,
}

impl MergeQuerier {
    /// Joins `parts`, best in time order of what they hold.
    pub fn new(parts: Vec<Box<dyn Querier>>) -> Self {
        Self { parts }
    }

    fn merge_lists(
        &self,
        limit: usize,
        list: impl Fn(&dyn Querier) -> Result<Vec<String>, ReadError>,
    ) -> Result<Vec<String>, ReadError> {
        let mut all = Vec::new();
        for part in &self.parts {
            all.extend(list(part.as_ref())?);
        }
        if 1 < self.parts.len() {
            all.sort_unstable();
            all.dedup();
        }
        if 0 < limit {
            all.truncate(limit);
        }
        Ok(all)
    }
}

impl Querier for MergeQuerier {
    fn select(
        &self,
        hints: &SelectHints,
        matchers: &[Matcher],
    ) -> Result<Box<dyn SeriesSet>, ReadError> {
        if let [only] = &self.parts[..] {
            return only.select(hints, matchers);
        }
        let sorted = SelectHints { sorted: true, ..hints.clone() };
        let mut sets = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let set = part.select(&sorted, matchers)?;
            if !set.is_empty() {
                sets.push(set);
            }
        }
        if sets.len() == 1 {
            return Ok(sets.remove(0));
        }
        Ok(Box::new(MergedSet::new(sets, hints)?))
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        limit: usize,
    ) -> Result<Vec<String>, ReadError> {
        self.merge_lists(limit, |part| part.label_values(name, matchers, limit))
    }

    fn label_names(&self, matchers: &[Matcher], limit: usize) -> Result<Vec<String>, ReadError> {
        self.merge_lists(limit, |part| part.label_names(matchers, limit))
    }
}

/// Series of several sets, equal label sets joined.
struct MergedSet {
    sets: Vec<Box<dyn SeriesSet>>,
    series: Vec<Merged>,
    /// `(set, position)` of every part, grouped by series, in the order of the sets.
    parts: Vec<(u32, u32)>,
    bytes: usize,
}

struct Merged {
    labels: Labels,
    /// Where the series' parts end in `MergedSet::parts`.
    parts_end: usize,
}

impl MergedSet {
    fn new(sets: Vec<Box<dyn SeriesSet>>, hints: &SelectHints) -> Result<Self, ReadError> {
        let (limit, guard) = (hints.limit, &hints.guard);
        let mut all: Vec<(Labels, u32, u32)> = Vec::new();
        let mut bytes = 0;
        for (i, set) in sets.iter().enumerate() {
            let set_at = u32::try_from(i).expect("a view has few parts");
            for at in 0..set.len() {
                if at % SERIES_PER_CHECK == SERIES_PER_CHECK - 1 {
                    guard.check(bytes)?;
                }
                let labels = set.labels(at);
                bytes += labels.as_bytes().len() + 2 * size_of::<(Labels, u32, u32)>() + 16;
                let at = u32::try_from(at).expect("a set has less than 2^32 series");
                all.push((labels, set_at, at));
            }
        }
        let all = stdx::sort::try_sort_by(all, Ord::cmp, || guard.check(bytes))?;
        let mut merged =
            Self { sets, series: Vec::new(), parts: Vec::with_capacity(all.len()), bytes };
        for (labels, set, at) in all {
            if merged.series.last().is_none_or(|last| last.labels != labels) {
                if 0 < limit && merged.series.len() == limit {
                    break;
                }
                merged.series.push(Merged { labels, parts_end: 0 });
            }
            merged.parts.push((set, at));
            merged.series.last_mut().expect("just pushed").parts_end = merged.parts.len();
        }
        Ok(merged)
    }

    fn parts_of(&self, at: usize) -> &[(u32, u32)] {
        let start = if at == 0 { 0 } else { self.series[at - 1].parts_end };
        &self.parts[start..self.series[at].parts_end]
    }
}

impl SeriesSet for MergedSet {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn bytes(&self) -> usize {
        self.bytes + self.sets.iter().map(|it| it.bytes()).sum::<usize>()
    }

    fn labels(&self, at: usize) -> Labels {
        self.series[at].labels.clone()
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        for &(set, part_at) in self.parts_of(at) {
            let floats = out.t.len();
            let histograms = out.histogram_t.len();
            self.sets[set as usize].read(part_at as usize, mint, maxt, out)?;
            join_tail(&mut out.st, &mut out.t, &mut out.v, floats);
            join_tail(&mut out.histogram_st, &mut out.histogram_t, &mut out.histogram, histograms);
        }
        Ok(())
    }
}

/// Makes `t` ascend again after a part was appended at `from`; of equal times the earlier entry stays.
fn join_tail<V: Clone>(st: &mut Vec<i64>, t: &mut Vec<i64>, v: &mut Vec<V>, from: usize) {
    if !st.is_empty() {
        // A part without start times says nothing about them.
        st.resize(t.len(), 0);
    }
    if 0 < from && from < t.len() && t[from] <= t[from - 1] {
        sort_tail(st, t, v, 0);
    }
}

/// Makes the times of `out` ascend from `mark` on, where samples were added in any order; of equal times the
/// one added first stays. Start times may be missing at the end.
pub fn sort_since(out: &mut Samples, mark: Mark) {
    let Samples { st, t, v, histogram_st, histogram_t, histogram } = out;
    for (st, t) in [(&mut *st, &*t), (&mut *histogram_st, &*histogram_t)] {
        if !st.is_empty() {
            st.resize(t.len(), 0);
        }
    }
    sort_tail(st, t, v, mark.floats);
    sort_tail(histogram_st, histogram_t, histogram, mark.histograms);
}

fn sort_tail<V: Clone>(st: &mut Vec<i64>, t: &mut Vec<i64>, v: &mut Vec<V>, from: usize) {
    if t[from..].is_sorted_by(|a, b| a < b) {
        return;
    }
    let mut order: Vec<usize> = (from..t.len()).collect();
    order.sort_by_key(|at| t[*at]);
    order.dedup_by_key(|at| t[*at]);
    if !st.is_empty() {
        arrange(st, from, &order);
    }
    arrange(v, from, &order);
    arrange(t, from, &order);
}

/// Replaces all entries from `from` on by those in `order`.
fn arrange<V: Clone>(column: &mut Vec<V>, from: usize, order: &[usize]) {
    let arranged: Vec<V> = order.iter().map(|at| column[*at].clone()).collect();
    column.truncate(from);
    column.extend(arranged);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joins_overlapping_columns() {
        let mut t = vec![1, 3, 5, 2, 3, 6];
        let mut v = vec!["a1", "a3", "a5", "b2", "b3", "b6"];
        let mut st = vec![0, 2, 4];
        join_tail(&mut st, &mut t, &mut v, 3);
        assert_eq!((t, v), (vec![1, 2, 3, 5, 6], vec!["a1", "b2", "a3", "a5", "b6"]));
        assert_eq!(st, [0, 0, 2, 4, 0]);
    }

    #[test]
    fn sorts_what_was_added_in_any_order() {
        let mut t = vec![9, 1, 4, 3, 4, 2, 1];
        let mut st = vec![0; 7];
        let mut v = vec!["x9", "a1", "a4", "b3", "b4", "c2", "c1"];
        sort_tail(&mut st, &mut t, &mut v, 1);
        assert_eq!((t, v), (vec![9, 1, 2, 3, 4], vec!["x9", "a1", "c2", "b3", "a4"]));
    }
}
