//! Operators between two vectors, step by step: which elements meet depends on who is present.

use std::collections::HashMap;

use model::Labels;
use promql::ast::Cardinality;

use super::elements::{Joined, Outcome, floats, incompatible, join, kind};
use super::matching::{ResultLabels, Spec};
use crate::account::Charge;
use crate::annotation::Level;
use crate::context::Context;
use crate::exec::drive::Materialized;
use crate::exec::group::{Keep, Signatures, index, series_bytes, sorted};
use crate::exec::merge::same_labelset;
use crate::exec::{Operator, Series, check_at};
use crate::{Column, Point, PointRef, QueryError};

/// What the tables hold of a pair, its labels aside.
const PAIR_BYTES: u64 = 64;

/// No element: a fill value stands for it.
const FILLED: u32 = u32::MAX;

/// An operator between two vectors of which all columns are known.
pub(crate) struct Stepwise<'a> {
    left: &'a Materialized,
    right: &'a Materialized,
    signatures: &'a Signatures,
    spec: Spec<'a>,
    /// The "one" side is the left one.
    swapped: bool,
}

/// What is built while walking the steps.
struct Output<'c> {
    context: &'c Context,
    rule: ResultLabels<'c>,
    charge: Charge,
    /// Where the result of a pair (many, one) or of a fill (with its signature) goes.
    known: HashMap<(u32, u32, u32), usize>,
    by_labels: HashMap<Labels, usize>,
    series: Vec<Series>,
    columns: Vec<Column>,
    /// Two elements of a step have the same labels.
    clashes: bool,
}

/// The elements of one side at one step.
#[derive(Default)]
struct Elements {
    /// Series, in order.
    all: Vec<u32>,
}

impl<'a> Stepwise<'a> {
    pub(crate) fn new(
        left: &'a Materialized,
        right: &'a Materialized,
        signatures: &'a Signatures,
        spec: Spec<'a>,
    ) -> Self {
        let swapped = spec.matching.card == Cardinality::OneToMany;
        Self { left, right, signatures, spec, swapped }
    }

    /// Walks all steps.
    pub(crate) fn run(&self, context: &Context) -> Result<Materialized, QueryError> {
        let steps = self.left.steps();
        let mut out = Output {
            context,
            rule: ResultLabels::new(self.spec, context.delayed_names),
            charge: context.charge(),
            known: HashMap::new(),
            by_labels: HashMap::new(),
            series: Vec::new(),
            columns: Vec::new(),
            clashes: false,
        };
        for step in 0..steps {
            context.check()?;
            self.step(step, &mut out)?;
            // That labels clash shows once all elements are there.
            if out.clashes {
                return Err(same_labelset());
            }
        }
        Ok(Materialized::new(steps, out.series, out.columns, out.charge))
    }

    fn many(&self) -> (&'a Materialized, &'a [u32]) {
        if self.swapped {
            (self.right, &self.signatures.right)
        } else {
            (self.left, &self.signatures.left)
        }
    }

    fn one(&self) -> (&'a Materialized, &'a [u32]) {
        if self.swapped {
            (self.left, &self.signatures.left)
        } else {
            (self.right, &self.signatures.right)
        }
    }

    fn step(&self, step: usize, out: &mut Output<'a>) -> Result<(), QueryError>
    where
        'a: 'a,
    {
        let many = present(self.many().0, step);
        let one = present(self.one().0, step);
        let fill = self.spec.matching.fill;
        if (many.all.is_empty() && fill.lhs.is_none()) || (one.all.is_empty() && fill.rhs.is_none())
        {
            return Ok(());
        }
        let partners = self.partners(&one)?;
        let mut matched: HashMap<u32, Vec<usize>> = HashMap::new();
        for (i, at) in many.all.into_iter().enumerate() {
            check_at(out.context, i)?;
            let signature = self.many().1[at as usize];
            let partner = partners.get(&signature).copied();
            let other = match partner {
                Some(other) => self.one().0.columns[other as usize].point(step),
                None => fill.rhs.map(PointRef::Float),
            };
            let Some(other) = other else { continue };
            let point = self.many().0.columns[at as usize].point(step).expect("it is present");
            let pair = (at, partner.unwrap_or(FILLED), signature);
            self.join(step, pair, (point, other), &mut matched, out)?;
        }
        let Some(missing) = fill.lhs else { return Ok(()) };
        for at in one.all {
            let signature = self.one().1[at as usize];
            if !matched.contains_key(&signature) {
                let point = self.one().0.columns[at as usize].point(step).expect("it is present");
                let pair = (FILLED, at, signature);
                self.join(step, pair, (PointRef::Float(missing), point), &mut matched, out)?;
            }
        }
        Ok(())
    }

    /// The element of the "one" side for each signature.
    fn partners(&self, one: &Elements) -> Result<HashMap<u32, u32>, QueryError> {
        let mut partners = HashMap::with_capacity(one.all.len());
        for at in &one.all {
            let signature = self.one().1[*at as usize];
            if let Some(known) = partners.insert(signature, *at) {
                return Err(self.duplicate(known, *at));
            }
        }
        Ok(partners)
    }

    fn duplicate(&self, a: u32, b: u32) -> QueryError {
        let (one, _) = self.one();
        let side = if self.swapped { "left" } else { "right" };
        let group = self.match_labels(&one.series(b as usize).labels);
        let mut both = [a, b].map(|at| one.series(at as usize).labels.to_string());
        both.sort_unstable();
        QueryError::Exec(format!(
            "found duplicate series for the match group {group} on the {side} hand-side of the operation: \
             [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            both[0], both[1]
        ))
    }

    fn match_labels(&self, labels: &Labels) -> Labels {
        let names = sorted(&self.spec.matching.labels);
        if self.spec.matching.on {
            Keep::only(&names).of(labels)
        } else {
            Keep::without(&names).of(labels)
        }
    }

    /// Joins an element of the "many" side and one of the "one" side.
    fn join(
        &self,
        step: usize,
        (many, one, signature): (u32, u32, u32),
        points: (PointRef<'_>, PointRef<'_>),
        matched: &mut HashMap<u32, Vec<usize>>,
        out: &mut Output<'a>,
    ) -> Result<(), QueryError> {
        let (left, right) = if self.swapped { (points.1, points.0) } else { points };
        let joined = self.apply(left, right);
        if let Some((level, text)) = joined.note {
            // Elements come in order, so each is the last one.
            let series = usize::MAX;
            out.context.note(|notes| notes.last(self.spec.place, (step, series), level, text));
        }
        if !joined.defined {
            return Ok(());
        }
        let earlier = matched.entry(signature).or_default();
        if self.spec.matching.card == Cardinality::OneToOne && !earlier.is_empty() {
            return Err(QueryError::Exec(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                    .into(),
            ));
        }
        let target = out.target((many, one, signature), self)?;
        if self.spec.matching.card != Cardinality::OneToOne && earlier.contains(&target) {
            return Err(QueryError::Exec(
                "multiple matches for labels: grouping labels must ensure unique matches".into(),
            ));
        }
        earlier.push(target);
        let Some(point) = joined.point else { return Ok(()) };
        if out.columns[target].point(step).is_some() {
            out.clashes = true;
            return Ok(());
        }
        match point {
            Point::Float(v) => out.columns[target].set(step, v),
            Point::Histogram(it) => out.columns[target].push_histogram(step, it),
        }
        Ok(())
    }

    fn apply(&self, left: PointRef<'_>, right: PointRef<'_>) -> Joined {
        let (PointRef::Float(a), PointRef::Float(b)) = (left, right) else {
            return join(self.spec.op, self.spec.return_bool, left, right);
        };
        match floats(self.spec.op, self.spec.return_bool, a, b) {
            Outcome::Value(v) => Joined { point: Some(Point::Float(v)), defined: true, note: None },
            Outcome::Filtered => Joined { point: None, defined: true, note: None },
            Outcome::Incompatible => {
                let text = incompatible(self.spec.op, kind(left), kind(right));
                Joined { point: None, defined: false, note: Some((Level::Info, text)) }
            }
        }
    }

    /// Labels of the element that a fill value stands for.
    fn filled(&self, labels: &Labels) -> Series {
        Series::new(self.match_labels(labels))
    }
}

impl<'c> Output<'c> {
    /// The column for the result of a pair.
    fn target(&mut self, pair: (u32, u32, u32), from: &Stepwise<'_>) -> Result<usize, QueryError> {
        if let Some(target) = self.known.get(&pair) {
            return Ok(*target);
        }
        let (many, one, _) = pair;
        let series_of = |op: &Materialized, at: u32| (at != FILLED).then(|| op.series(at as usize));
        let (many, one) = (series_of(from.many().0, many), series_of(from.one().0, one));
        let series = match (many, one) {
            (Some(many), Some(one)) => self.rule.of(&many, &one.labels),
            (Some(many), None) => self.rule.of(&many, &from.filled(&many.labels).labels),
            (None, Some(one)) => self.rule.of(&from.filled(&one.labels), &one.labels),
            (None, None) => unreachable!("a pair has an element"),
        };
        let new = self.series.len();
        let target = *self.by_labels.entry(series.labels.clone()).or_insert(new);
        if target == new {
            let steps = from.left.steps();
            self.charge.add(3 * series_bytes(&series) + PAIR_BYTES, 0)?;
            self.charge.add_columns(1, steps)?;
            self.series.push(series);
            self.columns.push(Column::default());
            self.columns[new].reset(steps);
        }
        self.known.insert(pair, target);
        Ok(target)
    }
}

fn present(side: &Materialized, step: usize) -> Elements {
    let there = |at: &usize| side.columns[*at].point(step).is_some();
    Elements { all: (0..side.columns.len()).filter(there).map(index).collect() }
}
