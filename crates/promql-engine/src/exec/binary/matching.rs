//! Operators between two vectors whose matching is settled by labels alone.

use std::collections::HashSet;

use model::{Labels, LabelsBuilder};
use promql::ast::{BinaryOp, Cardinality, VectorMatching};

use super::elements::{Joined, columns, incompatible, join};
use super::stepwise::Stepwise;
use super::with_scalar::drops_name;
use crate::account::Charge;
use crate::annotation::{Level, Place};
use crate::context::{Context, Worker};
use crate::exec::drive::{after, hear, materialize};
use crate::exec::group::{Signatures, index, series_bytes, signatures, sorted};
use crate::exec::series::without_metadata;
use crate::exec::{Operator, Series, check_at};
use crate::{Column, Point, PointRef, QueryError};

/// What is to be done with two vectors.
#[derive(Clone, Copy)]
pub(crate) struct Spec<'m> {
    pub(crate) op: BinaryOp,
    pub(crate) return_bool: bool,
    pub(crate) matching: &'m VectorMatching,
    pub(crate) place: Place,
}

/// Opens an operator between two vectors.
///
/// If every match group has at most one series on the "one" side (and on the other, unless grouped),
/// and all results have labels of their own, each output series is made of two input series and
/// needs nothing else. Otherwise which elements meet depends on the step: then it is done stepwise, at
/// once.
pub(crate) fn open(
    context: &Context,
    left: Box<dyn Operator>,
    right: Box<dyn Operator>,
    spec: Spec<'_>,
) -> Result<Box<dyn Operator>, QueryError> {
    let signatures = signatures(left.as_ref(), right.as_ref(), spec.matching, context)?;
    let fill = spec.matching.fill;
    let mut charge = context.charge();
    let pairs = match fill.lhs.or(fill.rhs) {
        Some(_) => None,
        None => pairs(left.as_ref(), right.as_ref(), &signatures, spec, &mut charge, context)?,
    };
    let Some(pairs) = pairs else {
        let (left, right) = (materialize(context, left)?, materialize(context, right)?);
        return Ok(Box::new(Stepwise::new(&left, &right, &signatures, spec).run(context)?));
    };
    let card = spec.matching.card;
    let met = pairs.iter().map(|it| it.left);
    let left = prepared(context, left, card == Cardinality::OneToMany, met)?;
    let met = pairs.iter().map(|it| it.right);
    let right = prepared(context, right, card == Cardinality::ManyToOne, met);
    let right = after(context, left.as_ref(), right)?;
    let (op, return_bool, place) = (spec.op, spec.return_bool, spec.place);
    Ok(Box::new(Matched { left, right, pairs, op, return_bool, place, _charge: charge }))
}

/// Two series that belong together, and what they become.
struct Pair {
    left: u32,
    right: u32,
    series: Series,
}

/// Evaluates one side as far as that has to be done at once: all of a "one" side with a series that meets several
/// others, so that it is decoded once; of other sides what meets no other.
fn prepared(
    context: &Context,
    op: Box<dyn Operator>,
    is_one: bool,
    met: impl Iterator<Item = u32> + Clone,
) -> Result<Box<dyn Operator>, QueryError> {
    if is_one && is_repeated(met.clone()) {
        return Ok(Box::new(materialize(context, op)?));
    }
    hear_unmatched(context, op.as_ref(), met)?;
    Ok(op)
}

/// Evaluates series that meet no other for what there is to say about them.
fn hear_unmatched(
    context: &Context,
    op: &dyn Operator,
    met: impl Iterator<Item = u32>,
) -> Result<(), QueryError> {
    if op.is_quiet() {
        return Ok(());
    }
    let mut charge = context.charge();
    charge.add_room::<bool>(op.len())?;
    let mut is_met = vec![false; op.len()];
    met.for_each(|at| is_met[at as usize] = true);
    after(context, op, hear(context, op, |at| !is_met[at]))
}

fn is_repeated(indices: impl Iterator<Item = u32>) -> bool {
    let mut seen = HashSet::new();
    indices.into_iter().any(|at| !seen.insert(at))
}

/// Pairs of series, in order of the "many" side; `None` if labels do not settle the matching.
fn pairs(
    left: &dyn Operator,
    right: &dyn Operator,
    signatures: &Signatures,
    spec: Spec<'_>,
    charge: &mut Charge,
    context: &Context,
) -> Result<Option<Vec<Pair>>, QueryError> {
    const NONE: u32 = u32::MAX;
    let swapped = spec.matching.card == Cardinality::OneToMany;
    let (many, one, many_of, one_of) = if swapped {
        (right, left, &signatures.right, &signatures.left)
    } else {
        (left, right, &signatures.left, &signatures.right)
    };
    charge.add_room::<(u32, bool)>(signatures.n)?;
    let mut partner = vec![NONE; signatures.n];
    for (at, signature) in one_of.iter().enumerate() {
        if std::mem::replace(&mut partner[*signature as usize], index(at)) != NONE {
            return Ok(None);
        }
    }
    let rule = ResultLabels::new(spec, context.delayed_names);
    let mut pairs = Vec::new();
    let mut taken = vec![false; signatures.n];
    let mut labels = HashSet::new();
    for (at, signature) in many_of.iter().enumerate() {
        check_at(context, at)?;
        let other = partner[*signature as usize];
        if other == NONE {
            continue;
        }
        let again = std::mem::replace(&mut taken[*signature as usize], true);
        if again && spec.matching.card == Cardinality::OneToOne {
            return Ok(None);
        }
        let series = rule.of(&many.series(at), &one.series(other as usize).labels);
        charge.add(2 * series_bytes(&series), 0)?;
        if !labels.insert(series.labels.clone()) {
            return Ok(None);
        }
        let at = index(at);
        let (left, right) = if swapped { (other, at) } else { (at, other) };
        pairs.push(Pair { left, right, series });
    }
    Ok(Some(pairs))
}

/// How the labels of a result follow from those of the two elements.
pub(crate) struct ResultLabels<'m> {
    matching: &'m VectorMatching,
    /// The labels of `on` or `ignoring`, sorted.
    match_labels: Vec<String>,
    /// The metric name goes at once, in either mode.
    arithmetic: bool,
    return_bool: bool,
    delayed_names: bool,
}

impl<'m> ResultLabels<'m> {
    pub(crate) fn new(spec: Spec<'m>, delayed_names: bool) -> Self {
        Self {
            matching: spec.matching,
            match_labels: sorted(&spec.matching.labels),
            arithmetic: drops_name(spec.op, false),
            return_bool: spec.return_bool,
            delayed_names,
        }
    }

    /// The result of an element of the "many" side (the left one, if both are "one") and of one of the
    /// "one" side.
    pub(crate) fn of(&self, many: &Series, one: &Labels) -> Series {
        let mut labels = many.labels.clone();
        if self.arithmetic || self.return_bool && !self.delayed_names {
            labels = without_metadata(&labels);
        }
        if self.matching.card == Cardinality::OneToOne {
            let on = self.matching.on;
            labels = labels.filter_bytes(|name| {
                self.match_labels.binary_search_by(|it| it.as_bytes().cmp(name)).is_ok() == on
            });
        }
        if !self.matching.include.is_empty() {
            let mut builder: LabelsBuilder = labels.to_builder();
            for name in &self.matching.include {
                builder.set(name, one.value(name));
            }
            labels = builder.labels();
        }
        Series { labels, drop_name: self.return_bool && self.delayed_names }
    }
}

/// Series that meet one other each.
struct Matched {
    left: Box<dyn Operator>,
    right: Box<dyn Operator>,
    pairs: Vec<Pair>,
    op: BinaryOp,
    return_bool: bool,
    place: Place,
    _charge: Charge,
}

impl Operator for Matched {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn steps(&self) -> usize {
        self.left.steps()
    }

    fn series(&self, at: usize) -> Series {
        self.pairs[at].series.clone()
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        let pair = &self.pairs[at];
        let (left, right) = (self.left.as_ref(), self.right.as_ref());
        let filled = left.eval(pair.left as usize, worker, out);
        after(worker.context, left, filled)?;
        if out.is_empty() && right.is_quiet() {
            return Ok(());
        }
        worker.with_column(self.steps(), |worker, column| {
            let filled = right.eval(pair.right as usize, worker, column);
            after(worker.context, left, after(worker.context, right, filled))?;
            let right = column;
            if out.is_empty() {
                return Ok(());
            }
            if self.op.is_trim() {
                let both = |step: &usize| right.present().get(*step);
                for step in out.present().ones().filter(both) {
                    let text = incompatible(self.op, "float", "float");
                    self.note(step, at, Level::Info, text, worker);
                }
            }
            if out.histograms().is_empty() && right.histograms().is_empty() {
                columns(self.op, self.return_bool, out, right);
            } else {
                worker.charge_histograms(out)?;
                worker.charge_histograms(right)?;
                self.join(at, out, right, worker);
            }
            worker.spend(self.steps())
        })
    }

    fn weight(&self) -> usize {
        self.left.weight() + self.right.weight()
    }
}

impl Matched {
    /// Joins two columns that hold histograms at some steps.
    fn join(&self, series: usize, out: &mut Column, right: &Column, worker: &Worker<'_>) {
        let left = out.take_histograms();
        let mut pairs: Vec<(usize, Joined)> = Vec::new();
        for (step, it) in &left {
            let step = *step as usize;
            if let Some(right) = right.point(step) {
                let left = PointRef::Histogram(it);
                pairs.push((step, join(self.op, self.return_bool, left, right)));
            }
        }
        for (step, it) in right.histograms() {
            let step = *step as usize;
            if let Some(left) = out.float(step) {
                let (left, right) = (PointRef::Float(left), PointRef::Histogram(it));
                pairs.push((step, join(self.op, self.return_bool, left, right)));
            }
        }
        pairs.sort_by_key(|(step, _)| *step);
        columns(self.op, self.return_bool, out, right);
        for (step, joined) in pairs {
            if let Some((level, text)) = joined.note {
                self.note(step, series, level, text, worker);
            }
            match joined.point {
                Some(Point::Float(v)) => out.set(step, v),
                Some(Point::Histogram(it)) => out.push_histogram(step, it),
                None => {}
            }
        }
    }

    fn note(&self, step: usize, series: usize, level: Level, text: String, worker: &Worker<'_>) {
        worker.context.note(|notes| notes.last(self.place, (step, series), level, text));
    }
}
