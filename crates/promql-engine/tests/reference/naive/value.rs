//! Samples and the values of expressions.

use std::collections::BTreeMap;

use model::{Labels, METRIC_NAME};

use super::histogram::Hist;

/// A float or a native histogram.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Point {
    Float(f64),
    Hist(Hist),
}

impl Point {
    pub(crate) fn float(&self) -> Option<f64> {
        if let Self::Float(v) = self { Some(*v) } else { None }
    }

    pub(crate) fn hist(&self) -> Option<&Hist> {
        if let Self::Hist(it) = self { Some(it) } else { None }
    }

    /// True for the float zero, whatever its sign.
    pub(crate) fn is_zero(&self) -> bool {
        self.float() == Some(0.0)
    }

    pub(crate) fn is_stale(&self) -> bool {
        match self {
            Self::Float(v) => model::is_stale_nan(*v),
            Self::Hist(it) => it.is_stale(),
        }
    }
}

/// A stored sample.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sample {
    pub(crate) t: i64,
    /// When its counting began; 0 if unknown.
    pub(crate) start: i64,
    pub(crate) point: Point,
}

/// A stored series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stored {
    pub(crate) labels: Labels,
    pub(crate) samples: Vec<Sample>,
}

/// An element of an instant vector.
#[derive(Clone, Debug)]
pub(crate) struct Element {
    pub(crate) labels: Labels,
    /// The name disappears at the end of the evaluation.
    pub(crate) drops: bool,
    pub(crate) point: Point,
    /// Its position among the inputs it was made of, which orders the series of the result.
    pub(crate) rank: usize,
}

/// A series of points at the steps of an evaluation, by time.
#[derive(Clone, Debug)]
pub(crate) struct Series {
    pub(crate) labels: Labels,
    pub(crate) drops: bool,
    pub(crate) points: BTreeMap<i64, Point>,
}

/// What an expression evaluates to.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    Scalar(BTreeMap<i64, f64>),
    Text(String),
    Vector(Vec<Series>),
    /// Samples of the one window of a range selector at the top of an instant query.
    Samples(Vec<Stored>),
}

/// The instant vector at the time `t`.
pub(crate) fn at(series: &[Series], t: i64) -> Vec<Element> {
    let element = |(rank, it): (usize, &Series)| {
        let point = it.points.get(&t)?.clone();
        Some(Element { labels: it.labels.clone(), drops: it.drops, point, rank })
    };
    series.iter().enumerate().filter_map(element).collect()
}

pub(crate) const SAME_LABELSET: &str = "vector cannot contain metrics with the same labelset";

/// Series of instant vectors at several times.
pub(crate) fn collect(steps: Vec<(i64, Vec<Element>)>) -> Result<Vec<Series>, String> {
    let mut all: Vec<(usize, Series)> = Vec::new();
    for (t, elements) in steps {
        for it in elements {
            let known = all.iter_mut().find(|(_, series)| series.labels == it.labels);
            let Some((rank, series)) = known else {
                let points = BTreeMap::from([(t, it.point)]);
                all.push((it.rank, Series { labels: it.labels, drops: it.drops, points }));
                continue;
            };
            *rank = (*rank).min(it.rank);
            if series.points.insert(t, it.point).is_some() {
                return Err(SAME_LABELSET.into());
            }
        }
    }
    all.sort_by_key(|(rank, _)| *rank);
    Ok(all.into_iter().map(|(_, series)| series).collect())
}

/// Joins series of equal labels whose points lie at different times.
pub(crate) fn merge(all: Vec<Series>) -> Result<Vec<Series>, String> {
    let mut merged: Vec<Series> = Vec::new();
    for it in all.into_iter().filter(|it| !it.points.is_empty()) {
        match merged.iter_mut().find(|known| known.labels == it.labels) {
            None => merged.push(it),
            Some(known) => {
                for (t, point) in it.points {
                    if known.points.insert(t, point).is_some() {
                        return Err(SAME_LABELSET.into());
                    }
                }
            }
        }
    }
    Ok(merged)
}

/// Refuses series of equal labels, whatever their times.
pub(crate) fn unique(all: Vec<Series>) -> Result<Vec<Series>, String> {
    for (at, it) in all.iter().enumerate() {
        if all[..at].iter().any(|before| before.labels == it.labels) {
            return Err(SAME_LABELSET.into());
        }
    }
    Ok(all)
}

/// The labels without name, type and unit.
pub(crate) fn without_metadata(labels: &Labels) -> Labels {
    labels.filter(|it| ![METRIC_NAME, "__type__", "__unit__"].contains(&it))
}
