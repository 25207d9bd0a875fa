//! Joins views of several storages (head and blocks, local and remote) into one.

use std::hash::BuildHasher;
use std::ops::ControlFlow;

use foldhash::fast::RandomState;
use hashbrown::HashTable;
use model::{LabelList, Labels, LabelsRef, Matcher};

use crate::query::{Mark, TEXTS_PER_CHECK};
use crate::{Guard, ListHints, Querier, ReadError, Samples, SelectHints, SeriesSet, list_bytes};

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
        hints: &ListHints,
        list: impl Fn(&dyn Querier, &ListHints) -> Result<Vec<String>, ReadError>,
    ) -> Result<Vec<String>, ReadError> {
        let mut all: Vec<String> = Vec::new();
        for part in &self.parts {
            let held = all.iter().map(|it| list_bytes(it)).sum();
            let hints = ListHints { guard: hints.guard.holding(held), ..hints.clone() };
            all = merge_sorted(all, list(part.as_ref(), &hints)?, &hints.guard)?;
        }
        if 0 < hints.limit {
            all.truncate(hints.limit);
        }
        Ok(all)
    }
}

/// Joins two lists that ascend into one. What is in both comes once.
fn merge_sorted(
    first: Vec<String>,
    second: Vec<String>,
    guard: &Guard,
) -> Result<Vec<String>, ReadError> {
    let mut all = Vec::with_capacity(first.len().max(second.len()));
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    loop {
        let next = match (first.peek(), second.peek()) {
            (Some(a), Some(b)) if a == b => {
                second.next();
                first.next()
            }
            (Some(a), Some(b)) if b < a => second.next(),
            (Some(_), _) => first.next(),
            (None, _) => second.next(),
        };
        let Some(next) = next else { return Ok(all) };
        all.push(next);
        if all.len() % TEXTS_PER_CHECK == 0 {
            guard.check(size_of_val(&all[..]))?;
        }
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
        // The first ones in the order of labels are those that stay if not all may.
        let sorted = hints.sorted || 0 < hints.limit;
        let hints = SelectHints { sorted, ..hints.clone() };
        let mut sets = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let set = part.select(&hints, matchers)?;
            if !set.is_empty() {
                sets.push(set);
            }
        }
        if sets.len() == 1 {
            return Ok(sets.remove(0));
        }
        Ok(Box::new(MergedSet::new(sets, &hints)?))
    }

    fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        self.merge_lists(hints, |part, hints| part.label_values(name, matchers, hints))
    }

    fn label_names(
        &self,
        matchers: &[Matcher],
        hints: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        self.merge_lists(hints, |part, hints| part.label_names(matchers, hints))
    }

    fn n_listed(&self, name: Option<&str>) -> usize {
        self.parts.iter().fold(0, |n, part| n.saturating_add(part.n_listed(name)))
    }
}

/// Series of several sets, equal label sets joined.
struct MergedSet {
    sets: Vec<Box<dyn SeriesSet>>,
    /// The distinct label sets, as they were found.
    labels: LabelList,
    series: Vec<Merged>,
    /// `(set, position)` of every part, grouped by series, in the order of the sets.
    parts: Vec<(u32, u32)>,
    bytes: usize,
}

struct Merged {
    /// Which of the label sets.
    labels: u32,
    /// Where the series' parts end in `MergedSet::parts`.
    parts_end: usize,
}

/// A part of a series.
struct Part {
    /// Which of the label sets.
    labels: u32,
    set: u32,
    at: u32,
}

impl MergedSet {
    /// Joins the series with equal labels. They come out in the order of the first set and what each of the
    /// others adds, or sorted by labels; at most `hints.limit` of them then, if it is not 0.
    fn new(sets: Vec<Box<dyn SeriesSet>>, hints: &SelectHints) -> Result<Self, ReadError> {
        let most = sets.iter().map(|it| it.len()).max().unwrap_or(0);
        let (mut known, mut all) = (Known::default(), Vec::new());
        known.table.reserve(most, |_| 0);
        for (set, set_at) in sets.iter().zip(0..) {
            let mut ended = Ok(());
            set.each_labels(&mut |at, labels| {
                // A series that is gone in the meantime has none.
                if !labels.is_empty() {
                    all.push(Part {
                        labels: known.find_or_add(labels),
                        set: set_at,
                        at: index(at),
                    });
                }
                if at % SERIES_PER_CHECK == SERIES_PER_CHECK - 1 {
                    ended = hints.guard.check(known.bytes() + 2 * size_of_val(&all[..]));
                }
                if ended.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            ended?;
        }
        let bytes = known.bytes() + 2 * size_of_val(&all[..]);
        let (parts, ends) = by_labels(&all, known.labels.len());
        let series = ends.into_iter().zip(0..);
        let series = series.map(|(parts_end, labels)| Merged { labels, parts_end }).collect();
        let mut merged = Self { sets, labels: known.labels, series, parts, bytes };
        if hints.sorted {
            merged.sort(hints)?;
        }
        Ok(merged)
    }

    fn sort(&mut self, hints: &SelectHints) -> Result<(), ReadError> {
        let order = (0..self.series.len()).collect();
        let compare =
            |a: &usize, b: &usize| self.borrowed_labels(*a).cmp(&self.borrowed_labels(*b));
        let mut order = stdx::sort::try_sort_by(order, compare, || hints.guard.check(self.bytes))?;
        if 0 < hints.limit {
            order.truncate(hints.limit);
        }
        let mut parts = Vec::with_capacity(self.parts.len());
        let series = order.into_iter().map(|at| {
            parts.extend_from_slice(self.parts_of(at));
            Merged { labels: self.series[at].labels, parts_end: parts.len() }
        });
        self.series = series.collect();
        self.parts = parts;
        Ok(())
    }

    fn parts_of(&self, at: usize) -> &[(u32, u32)] {
        let start = if at == 0 { 0 } else { self.series[at - 1].parts_end };
        &self.parts[start..self.series[at].parts_end]
    }

    fn borrowed_labels(&self, at: usize) -> LabelsRef<'_> {
        self.labels.get(self.series[at].labels as usize)
    }

    /// Joins what `read` appends of each part.
    fn read_parts(
        &self,
        at: usize,
        out: &mut Samples,
        read: impl Fn(&dyn SeriesSet, usize, &mut Samples) -> Result<(), ReadError>,
    ) -> Result<(), ReadError> {
        for &(set, part_at) in self.parts_of(at) {
            let mark = out.mark();
            read(self.sets[set as usize].as_ref(), part_at as usize, out)?;
            drop_known_since(out, mark);
            let Mark { floats, histograms } = mark;
            join_tail(&mut out.st, &mut out.t, &mut out.v, floats);
            join_tail(&mut out.histogram_st, &mut out.histogram_t, &mut out.histogram, histograms);
        }
        Ok(())
    }
}

/// Groups the parts by their labels, of which there are `n`, and leaves those of one series in their order. Returns
/// each with its set, and where those of each series end.
fn by_labels(all: &[Part], n: usize) -> (Vec<(u32, u32)>, Vec<usize>) {
    let mut ends = vec![0; n];
    all.iter().for_each(|it| ends[it.labels as usize] += 1);
    let mut before = 0;
    for it in &mut ends {
        before += std::mem::replace(it, before);
    }
    // These are where they start, and move on as the parts are put in.
    let mut parts = vec![(0, 0); all.len()];
    for it in all {
        let end: &mut usize = &mut ends[it.labels as usize];
        parts[*end] = (it.set, it.at);
        *end += 1;
    }
    (parts, ends)
}

/// Distinct label sets.
#[derive(Default)]
struct Known {
    labels: LabelList,
    table: HashTable<u32>,
    hasher: RandomState,
}

impl Known {
    /// Bytes that they take.
    fn bytes(&self) -> usize {
        self.labels.bytes() + 5 * self.table.capacity()
    }

    /// The place of a label set in the list, behind all others if it is new.
    fn find_or_add(&mut self, labels: LabelsRef<'_>) -> u32 {
        let Self { labels: all, table, hasher } = self;
        let hash = hasher.hash_one(labels.as_bytes());
        if let Some(known) = table.find(hash, |it| all.get(*it as usize) == labels) {
            return *known;
        }
        let new = index(all.len());
        all.push(labels);
        table.insert_unique(hash, new, |it| hasher.hash_one(all.get(*it as usize).as_bytes()));
        new
    }
}

/// Positions of series are kept in 32 bits.
fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a set has less than 2^32 series")
}

impl SeriesSet for MergedSet {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn bytes(&self) -> usize {
        self.bytes + self.sets.iter().map(|it| it.bytes()).sum::<usize>()
    }

    fn labels(&self, at: usize) -> Labels {
        self.borrowed_labels(at).to_labels()
    }

    fn each_labels(&self, each: &mut dyn FnMut(usize, LabelsRef<'_>) -> ControlFlow<()>) {
        let _ = (0..self.len()).try_for_each(|at| each(at, self.borrowed_labels(at)));
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        self.read_parts(at, out, |set, at, out| set.read(at, mint, maxt, out))
    }

    fn read_newest(
        &self,
        at: usize,
        mint: i64,
        maxt: i64,
        out: &mut Samples,
    ) -> Result<(), ReadError> {
        self.read_parts(at, out, |set, at, out| set.read_newest(at, mint, maxt, out))
    }
}

/// Removes those added since `mark` whose time has one of the other kind before it, where times ascend.
fn drop_known_since(out: &mut Samples, mark: Mark) {
    let Mark { floats, histograms } = mark;
    if 0 < histograms && floats < out.t.len() {
        let known = std::mem::take(&mut out.histogram_t);
        out.retain_floats(floats, |t, _| known[..histograms].binary_search(&t).is_err());
        out.histogram_t = known;
    }
    if 0 < floats && histograms < out.histogram_t.len() {
        let known = std::mem::take(&mut out.t);
        out.retain_histograms(histograms, |t, _| known[..floats].binary_search(&t).is_err());
        out.t = known;
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
/// one added first stays, and of two kinds the histogram. Start times may be missing at the end.
pub fn sort_since(out: &mut Samples, mark: Mark) {
    let Samples { st, t, v, histogram_st, histogram_t, histogram } = out;
    for (st, t) in [(&mut *st, &*t), (&mut *histogram_st, &*histogram_t)] {
        if !st.is_empty() {
            st.resize(t.len(), 0);
        }
    }
    sort_tail(st, t, v, mark.floats);
    sort_tail(histogram_st, histogram_t, histogram, mark.histograms);
    if mark.histograms < out.histogram_t.len() {
        let known = std::mem::take(&mut out.histogram_t);
        out.retain_floats(mark.floats, |t, _| known[mark.histograms..].binary_search(&t).is_err());
        out.histogram_t = known;
    }
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
    use model::FloatHistogram;

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

    /// Samples as `f1 h2`: a float at 1 and a histogram at 2.
    fn samples(text: &str) -> Samples {
        let mut all = Samples::default();
        for it in text.split_whitespace() {
            add(&mut all, it);
        }
        all
    }

    fn add(all: &mut Samples, it: &str) {
        let t = it[1..].parse().expect("a time");
        if it.starts_with('f') {
            all.t.push(t);
            all.v.push(0.0);
        } else {
            all.histogram_t.push(t);
            all.histogram.push(FloatHistogram::default());
        }
    }

    #[test]
    fn a_time_is_of_one_kind() {
        let check = |first: &str, second: &str, expected: &str| {
            let mut all = samples(first);
            let mark = all.mark();
            second.split_whitespace().for_each(|it| add(&mut all, it));
            drop_known_since(&mut all, mark);
            assert_eq!(all, samples(expected), "{first} and {second}");
        };
        check("f1 f2", "h2 h3", "f1 f2 h3");
        check("h1 h2", "f2 f3", "h1 h2 f3");
        check("f1 h2", "h1 f2 f3", "f1 h2 f3");
        check("f1 h2", "f1 h2", "f1 f1 h2 h2");
        check("", "f1 h2", "f1 h2");

        let mut all = samples("h1 f1 f4 h3 f3 h2 f2 f5");
        sort_since(&mut all, Mark { floats: 1, histograms: 1 });
        assert_eq!(all, samples("h1 f1 h2 h3 f4 f5"));
    }

    #[test]
    fn groups_parts() {
        let part = |(labels, set, at)| Part { labels, set, at };
        let all = [(0, 0, 0), (1, 0, 1), (2, 0, 2), (1, 1, 0), (3, 1, 1), (0, 2, 4)].map(part);
        let parts = vec![(0, 0), (2, 4), (0, 1), (1, 0), (0, 2), (1, 1)];
        assert_eq!(by_labels(&all, 4), (parts, vec![2, 4, 5, 6]));
        assert_eq!(by_labels(&[], 0), (vec![], vec![]));
    }

    #[test]
    fn merges_lists() {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let check = |first: &str, second: &str, expected: &str| {
            let merged = merge_sorted(list(first), list(second), &Guard::default());
            assert_eq!(merged, Ok(list(expected)), "{first} and {second}");
        };
        check("a c d", "b c e f", "a b c d e f");
        check("", "a b", "a b");
        check("b", "a", "a b");
        check("a b", "", "a b");
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
