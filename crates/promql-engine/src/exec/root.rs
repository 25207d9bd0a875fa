//! Runs an open query to its end.

use model::{Labels, Sample};
use storage::Samples;

use crate::account::Charge;
use crate::column::PointRef;
use crate::context::Worker;
use crate::exec::drive::for_each;
use crate::exec::group::series_bytes;
use crate::exec::merge::{Overlap, unique};
use crate::exec::range::{RangeSource, SubquerySource};
use crate::exec::series::without_metadata;
use crate::exec::{Opener, Operator, Series, check_at, sort_checked};
use crate::function::extended;
use crate::function::window::Slide;
use crate::plan::{Op, Plan, RangeArg};
use crate::value::{Element, Matrix, Point, SeriesColumn, SeriesSamples, Value};
use crate::{Column, QueryError};

/// A value, and what it is charged with while it is being made.
pub(crate) struct Outcome {
    pub(crate) value: Value,
    pub(crate) charge: Charge,
}

/// Evaluates a plan with one step.
pub(crate) fn instant(opener: &Opener<'_>, plan: &Plan) -> Result<Outcome, QueryError> {
    let t = plan.grid.start;
    let mut charge = opener.context.charge();
    let value = match &plan.op {
        Op::Text(text) => Value::String { t, text: text.clone() },
        Op::Samples(range) => Value::Samples(samples(opener, range, plan, &mut charge)?),
        _ if plan.scalar => Value::Scalar(Sample { t, v: opener.scalars(plan)?.first() }),
        _ => Value::Vector { t, elements: elements(opener, plan, &mut charge)? },
    };
    Ok(Outcome { value, charge })
}

/// Evaluates a plan at all its steps. Series are not sorted yet.
pub(crate) fn range(opener: &Opener<'_>, plan: &Plan) -> Result<Outcome, QueryError> {
    let mut charge = opener.context.charge();
    let op = final_names(opener, opener.open(plan)?)?;
    let mut series = Vec::new();
    for_each(opener.context, op.as_ref(), &mut |at, column| {
        if column.is_empty() {
            return Ok(());
        }
        let labels = op.series(at).labels;
        charge.add((size_of::<SeriesColumn>() + labels.as_bytes().len() + 16) as u64, 0)?;
        charge.add_column(column)?;
        series.push(SeriesColumn { labels, column: std::mem::take(column) });
        Ok(())
    })?;
    Ok(Outcome { value: Value::Matrix(Matrix { grid: plan.grid, series }), charge })
}

fn elements(
    opener: &Opener<'_>,
    plan: &Plan,
    charge: &mut Charge,
) -> Result<Vec<Element>, QueryError> {
    let op = final_names(opener, opener.open(plan)?)?;
    let mut elements = Vec::new();
    for_each(opener.context, op.as_ref(), &mut |at, column| {
        let point = match column.point(0) {
            Some(PointRef::Float(v)) => Point::Float(v),
            Some(PointRef::Histogram(it)) => Point::Histogram(it.clone()),
            None => return Ok(()),
        };
        let labels = op.series(at).labels;
        let bytes = size_of::<Element>() + labels.as_bytes().len() + 16;
        match column.histogram_bytes() {
            0 => charge.add(bytes as u64, 1)?,
            more => charge.add(bytes as u64 + more, more / 16)?,
        }
        elements.push(Element { labels, point });
        Ok(())
    })?;
    Ok(elements)
}

/// The samples in the one window of a range selector.
fn samples(
    opener: &Opener<'_>,
    range: &RangeArg,
    plan: &Plan,
    charge: &mut Charge,
) -> Result<Vec<SeriesSamples>, QueryError> {
    let source = match opener.range(range)? {
        RangeSource::Subquery(it) => {
            RangeSource::Subquery(SubquerySource { op: final_names(opener, it.op)?, ..it })
        }
        source @ RangeSource::Select(_) => source,
    };
    let slide = Slide { grid: plan.grid, shift: range.shift, range_ms: range.range_ms };
    let wide = range.wide(&slide);
    let mut worker = Worker::new(opener.context);
    let mut all = Vec::new();
    for at in 0..source.len() {
        let mut samples = Samples::default();
        worker.with_samples(|worker, read| {
            source.read(at, worker, read)?;
            if let Some(wide) = &wide {
                if !read.histogram_t.is_empty() {
                    let modifier = if wide.smoothed { "smoothed" } else { "anchored" };
                    return Err(QueryError::Exec(format!(
                        "{modifier} modifier is not supported with histograms"
                    )));
                }
                return wide
                    .slide
                    .each(read, worker, |window| extended::clip(wide, &window, &mut samples));
            }
            slide.each(read, worker, |window| {
                samples.t = window.t.to_vec();
                samples.v = window.v.to_vec();
                samples.histogram_t = window.histogram_t.to_vec();
                samples.histogram = window.histograms.to_vec();
            })
        })?;
        if !samples.is_empty() {
            charge.add_samples(&samples)?;
            let series = source.series(at);
            charge.add(series_bytes(&series), 0)?;
            all.push(SeriesSamples { labels: series.labels, samples });
        }
    }
    sort_checked(opener.context, all, |a, b| a.labels.cmp(&b.labels))
}

/// Drops the names that were to disappear at the end.
fn final_names(
    opener: &Opener<'_>,
    op: Box<dyn Operator>,
) -> Result<Box<dyn Operator>, QueryError> {
    if !opener.context.delayed_names {
        return Ok(op);
    }
    for at in 0..op.len() {
        check_at(opener.context, at)?;
        if op.series(at).drop_name {
            return unique(opener.context, Box::new(FinalNames(op)), Overlap::NoStep);
        }
    }
    Ok(op)
}

fn final_labels(series: Series) -> Labels {
    if series.drop_name { without_metadata(&series.labels) } else { series.labels }
}

struct FinalNames(Box<dyn Operator>);

impl Operator for FinalNames {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn steps(&self) -> usize {
        self.0.steps()
    }

    fn series(&self, at: usize) -> Series {
        Series::new(final_labels(self.0.series(at)))
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        self.0.eval(at, worker, out)
    }

    fn weight(&self) -> usize {
        self.0.weight()
    }

    fn is_quiet(&self) -> bool {
        self.0.is_quiet()
    }
}
