//! Groups of series by some of their labels: for aggregations and for matching.

use foldhash::HashMap;
use foldhash::HashMapExt;
use model::{Labels, LabelsRef, METRIC_NAME};
use promql::ast::VectorMatching;

use crate::QueryError;
use crate::account::Charge;
use crate::context::Context;
use crate::exec::{Operator, Series, SeriesRef, try_each_series};
use crate::plan::Grouping;

/// Which labels decide.
#[derive(Clone, Copy)]
pub(crate) struct Keep<'k> {
    /// Sorted.
    labels: &'k [String],
    /// Those named, or all but those named and the metric name.
    named: bool,
}

impl<'k> Keep<'k> {
    /// Only labels out of `labels`, which are sorted.
    pub(crate) fn only(labels: &'k [String]) -> Self {
        Self { labels, named: true }
    }

    /// All but `labels`, which are sorted, and the metric name.
    pub(crate) fn without(labels: &'k [String]) -> Self {
        Self { labels, named: false }
    }

    fn keeps(&self, name: &[u8]) -> bool {
        let found = self.labels.binary_search_by(|it| it.as_bytes().cmp(name)).is_ok();
        if self.named { found } else { !found && name != METRIC_NAME.as_bytes() }
    }

    /// Replaces `key` by an encoding of the labels of a set that decide: equal for equal ones.
    pub(crate) fn encode(&self, labels: LabelsRef<'_>, key: &mut Vec<u8>) {
        key.clear();
        if !self.named {
            labels.iter_bytes().filter(|it| self.keeps(it.0)).for_each(|it| put(key, it));
            return;
        }
        // Both ascend, and mostly those named are found before the end.
        let mut named = self.labels.iter().map(String::as_bytes).peekable();
        for label in labels.iter_bytes() {
            while named.next_if(|it| *it < label.0).is_some() {}
            match named.peek() {
                Some(it) if *it == label.0 => put(key, label),
                Some(_) => {}
                None => return,
            }
        }
    }

    /// The labels that decide.
    pub(crate) fn of(&self, labels: &Labels) -> Labels {
        labels.filter_bytes(|name| self.keeps(name))
    }
}

/// Appends a label to a key.
fn put(key: &mut Vec<u8>, (name, value): (&[u8], &[u8])) {
    // No text contains this byte.
    key.extend_from_slice(name);
    key.push(0xFF);
    key.extend_from_slice(value);
    key.push(0xFF);
}

/// The series of an operator in groups.
pub(crate) struct Groups {
    /// For each series its group.
    pub(crate) of: Vec<u32>,
    /// The groups, in order of their first series. Whether their names disappear depends on who has points.
    pub(crate) series: Vec<Series>,
    /// For each series whether its name is to disappear; empty if groups have no labels.
    drops: Vec<bool>,
    charge: Charge,
}

impl Groups {
    /// True if the name of series `at` is to disappear.
    pub(crate) fn drops(&self, at: usize) -> bool {
        self.drops.get(at) == Some(&true)
    }
}

/// Groups the series of `op` for an aggregation. Looks at no label if all are one group.
pub(crate) fn group(
    op: &dyn Operator,
    grouping: &Grouping,
    context: &Context,
) -> Result<Groups, QueryError> {
    let (of, series, drops) = (Vec::new(), Vec::new(), Vec::new());
    let mut groups = Groups { of, series, drops, charge: context.charge() };
    if op.len() == 0 {
        return Ok(groups);
    }
    if !grouping.without && grouping.labels.is_empty() {
        groups.charge.add(4 * op.len() as u64, 0)?;
        groups.of = vec![0; op.len()];
        groups.series.push(Series::new(Labels::empty()));
        return Ok(groups);
    }
    let keep = if grouping.without {
        Keep::without(&grouping.labels)
    } else {
        Keep::only(&grouping.labels)
    };
    groups.charge.add(5 * op.len() as u64, 0)?;
    groups.of.reserve_exact(op.len());
    groups.drops.reserve_exact(op.len());
    let mut grouper = Grouper { keep, known: HashMap::new(), key: Vec::new(), groups };
    try_each_series(context, op, |series| grouper.add(series))?;
    Ok(grouper.groups)
}

/// Groups that series are added to.
struct Grouper<'k> {
    keep: Keep<'k>,
    known: HashMap<Vec<u8>, u32>,
    key: Vec<u8>,
    groups: Groups,
}

impl Grouper<'_> {
    fn add(&mut self, series: SeriesRef<'_>) -> Result<(), QueryError> {
        let Self { keep, known, key, groups } = self;
        keep.encode(series.labels, key);
        let group = match known.get(key) {
            Some(group) => *group,
            None => {
                let new = Series::new(keep.of(&series.labels.to_labels()));
                groups.charge.add(key_bytes(key) + series_bytes(&new), 0)?;
                let group = index(groups.series.len());
                known.insert(key.clone(), group);
                groups.series.push(new);
                group
            }
        };
        groups.of.push(group);
        groups.drops.push(series.drop_name);
        Ok(())
    }
}

/// The series of both sides of an operator in groups of equal match labels.
pub(crate) struct Signatures {
    pub(crate) left: Vec<u32>,
    pub(crate) right: Vec<u32>,
    /// How many there are.
    pub(crate) n: usize,
    _charge: Charge,
}

/// Groups the series of `left` and `right` by their match labels.
pub(crate) fn signatures(
    left: &dyn Operator,
    right: &dyn Operator,
    matching: &VectorMatching,
    context: &Context,
) -> Result<Signatures, QueryError> {
    let labels = sorted(&matching.labels);
    let keep = if matching.on { Keep::only(&labels) } else { Keep::without(&labels) };
    let mut known: HashMap<Vec<u8>, u32> = HashMap::new();
    let mut key = Vec::new();
    let mut charge = context.charge();
    charge.add(4 * (left.len() + right.len()) as u64, 0)?;
    let mut of = |op: &dyn Operator| {
        let mut all = Vec::with_capacity(op.len());
        try_each_series(context, op, |series| {
            keep.encode(series.labels, &mut key);
            let signature = match known.get(&key) {
                Some(signature) => *signature,
                None => {
                    charge.add(key_bytes(&key), 0)?;
                    let new = index(known.len());
                    *known.entry(key.clone()).or_insert(new)
                }
            };
            all.push(signature);
            Ok(())
        })?;
        Ok::<_, QueryError>(all)
    };
    let left = of(left)?;
    let right = of(right)?;
    Ok(Signatures { left, right, n: known.len(), _charge: charge })
}

/// What a key takes in a map.
fn key_bytes(key: &[u8]) -> u64 {
    (key.len() + size_of::<(Vec<u8>, u32)>() + 16) as u64
}

/// What the labels of a series take.
pub(crate) fn series_bytes(series: &Series) -> u64 {
    (series.labels.as_bytes().len() + size_of::<Series>() + 16) as u64
}

/// A sorted copy.
pub(crate) fn sorted(labels: &[String]) -> Vec<String> {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    labels
}

/// Positions of series are kept in 32 bits.
pub(crate) fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a query has less than 2^32 series")
}
