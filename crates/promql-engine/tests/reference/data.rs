//! Stored series: for the engine as a storage, for the naive evaluator and for people as they are.

pub(crate) mod make;
mod notation;

use std::sync::Arc;

use model::{Labels, Matcher};
use storage::{ListHints, Querier, Queryable, ReadError, Samples, SelectHints, SeriesSet};

use crate::naive::value::{Point, Stored};

pub(crate) use notation::print;

/// The series as a storage. It answers nothing from outside the times that a querier was asked for.
pub(crate) struct Memory(Arc<Vec<(Labels, Samples)>>);

impl Memory {
    pub(crate) fn new(data: &[Stored]) -> Self {
        Self(Arc::new(data.iter().map(|it| (it.labels.clone(), samples(it))).collect()))
    }
}

/// The columns of a series.
fn samples(stored: &Stored) -> Samples {
    let mut out = Samples::default();
    for it in &stored.samples {
        match &it.point {
            Point::Float(v) => {
                out.st.push(it.start);
                out.t.push(it.t);
                out.v.push(*v);
            }
            Point::Hist(hist) => {
                out.histogram_st.push(it.start);
                out.histogram_t.push(it.t);
                out.histogram.push(hist.write());
            }
        }
    }
    for starts in [&mut out.st, &mut out.histogram_st] {
        if starts.iter().all(|it| *it == 0) {
            starts.clear();
        }
    }
    out
}

impl Queryable for Memory {
    fn querier(&self, mint: i64, maxt: i64) -> Result<Box<dyn Querier>, ReadError> {
        Ok(Box::new(View { all: self.0.clone(), mint, maxt }))
    }
}

struct View {
    all: Arc<Vec<(Labels, Samples)>>,
    mint: i64,
    maxt: i64,
}

impl Querier for View {
    fn select(
        &self,
        hints: &SelectHints,
        matchers: &[Matcher],
    ) -> Result<Box<dyn SeriesSet>, ReadError> {
        let fits = |labels: &Labels| matchers.iter().all(|it| it.matches(labels.value(it.name())));
        let found = (0..self.all.len()).filter(|at| fits(&self.all[*at].0)).collect();
        Ok(Box::new(Found {
            all: self.all.clone(),
            found,
            mint: self.mint.max(hints.mint),
            maxt: self.maxt.min(hints.maxt),
        }))
    }

    fn label_values(
        &self,
        _: &str,
        _: &[Matcher],
        _: &ListHints,
    ) -> Result<Vec<String>, ReadError> {
        Err(ReadError::Unavailable("no query asks for label values".into()))
    }

    fn label_names(&self, _: &[Matcher], _: &ListHints) -> Result<Vec<String>, ReadError> {
        Err(ReadError::Unavailable("no query asks for label names".into()))
    }

    fn n_listed(&self, name: Option<&str>) -> usize {
        let name = name.expect("queries ask about one label");
        self.all.iter().filter(|it| it.0.get(name).is_some()).count()
    }
}

struct Found {
    all: Arc<Vec<(Labels, Samples)>>,
    found: Vec<usize>,
    mint: i64,
    maxt: i64,
}

impl SeriesSet for Found {
    fn len(&self) -> usize {
        self.found.len()
    }

    fn labels(&self, at: usize) -> Labels {
        self.all[self.found[at]].0.clone()
    }

    fn read(&self, at: usize, mint: i64, maxt: i64, out: &mut Samples) -> Result<(), ReadError> {
        let Samples { st, t, v, histogram_st, histogram_t, histogram } =
            &self.all[self.found[at]].1;
        let (mint, maxt) = (mint.max(self.mint), maxt.min(self.maxt));
        let within = |times: &[i64]| {
            let start = times.partition_point(|it| *it < mint);
            start..times.partition_point(|it| *it <= maxt).max(start)
        };
        let (floats, histograms) = (within(t), within(histogram_t));
        out.st.extend_from_slice(st.get(floats.clone()).unwrap_or_default());
        out.t.extend_from_slice(&t[floats.clone()]);
        out.v.extend_from_slice(&v[floats]);
        let starts = histogram_st.get(histograms.clone()).unwrap_or_default();
        out.histogram_st.extend_from_slice(starts);
        out.histogram_t.extend_from_slice(&histogram_t[histograms.clone()]);
        out.histogram.extend_from_slice(&histogram[histograms]);
        Ok(())
    }
}
