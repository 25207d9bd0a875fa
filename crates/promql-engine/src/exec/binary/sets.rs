//! `and`, `unless`, `or`: elements by who else is there, whatever the values.

use std::collections::HashMap;

use promql::ast::{BinaryOp, VectorMatching};

use crate::account::Charge;
use crate::bitmap::Bitmap;
use crate::context::{Context, Worker};
use crate::exec::drive::{Materialized, after, for_each, hear, materialize};
use crate::exec::group::{index, series_bytes, signatures};
use crate::exec::{Operator, Series, check_at};
use crate::{Column, QueryError};

/// Opens a set operator.
pub(crate) fn open(
    context: &Context,
    op: BinaryOp,
    left: Box<dyn Operator>,
    right: Box<dyn Operator>,
    matching: &VectorMatching,
) -> Result<Box<dyn Operator>, QueryError> {
    let of = signatures(left.as_ref(), right.as_ref(), matching, context)?;
    if op == BinaryOp::Or {
        return open_or(context, left, right, &of.left, &of.right, of.n);
    }
    let present = presence(context, right.as_ref(), &of.right, of.n);
    let (present, charge) = after(context, left.as_ref(), present)?;
    let intersection = op == BinaryOp::And;
    let can_come_out = |at: usize| !intersection || present[of.left[at] as usize].is_some();
    let heard = hear(context, left.as_ref(), |at| !can_come_out(at));
    after(context, left.as_ref(), heard)?;
    let series = (0..left.len()).filter(|at| can_come_out(*at)).map(index).collect();
    Ok(Box::new(Masked {
        op: left,
        series,
        signature_of: of.left,
        present,
        intersection,
        _charge: charge,
    }))
}

/// For each signature the steps at which one of its series has a point; `None` if there is none.
type Presence = Vec<Option<Bitmap>>;

fn presence(
    context: &Context,
    op: &dyn Operator,
    signature_of: &[u32],
    n: usize,
) -> Result<(Presence, Charge), QueryError> {
    let mut charge = context.charge();
    charge.add_room::<Option<Bitmap>>(n)?;
    let mut present: Presence = vec![None; n];
    for_each(context, op, &mut |at, column| {
        if !column.is_empty() {
            let steps = column.steps();
            let bits = &mut present[signature_of[at] as usize];
            if bits.is_none() {
                charge.add(steps as u64 / 8 + 32, 0)?;
            }
            column.mark(bits.get_or_insert_with(|| Bitmap::new(steps)));
        }
        Ok(())
    })?;
    Ok((present, charge))
}

/// Series of one side, at steps where the other side has their signature, or has it not.
struct Masked {
    op: Box<dyn Operator>,
    /// The series of `op` that can come out.
    series: Vec<u32>,
    signature_of: Vec<u32>,
    present: Presence,
    /// `and` instead of `unless`.
    intersection: bool,
    _charge: Charge,
}

impl Operator for Masked {
    fn len(&self) -> usize {
        self.series.len()
    }

    fn steps(&self) -> usize {
        self.op.steps()
    }

    fn series(&self, at: usize) -> Series {
        self.op.series(self.series[at] as usize)
    }

    fn eval(&self, at: usize, worker: &mut Worker<'_>, out: &mut Column) -> Result<(), QueryError> {
        let at = self.series[at] as usize;
        self.op.eval(at, worker, out)?;
        match &self.present[self.signature_of[at] as usize] {
            Some(bits) => out.retain(|step| bits.get(step) == self.intersection),
            None if self.intersection => out.reset(self.steps()),
            None => {}
        }
        Ok(())
    }

    fn weight(&self) -> usize {
        self.op.weight()
    }

    fn is_quiet(&self) -> bool {
        self.op.is_quiet()
    }
}

/// `or`: the left side is kept whole, because its presence is needed before the right side.
fn open_or(
    context: &Context,
    left: Box<dyn Operator>,
    right: Box<dyn Operator>,
    left_of: &[u32],
    right_of: &[u32],
    n: usize,
) -> Result<Box<dyn Operator>, QueryError> {
    let left = materialize(context, left)?;
    let steps = left.steps();
    let (series, columns, mut charge) = left.into_parts(context)?;
    charge.add_room::<Option<Bitmap>>(n)?;
    let mut present: Presence = vec![None; n];
    let (by_labels, kept) = (HashMap::new(), Vec::new());
    let mut out = Union { by_labels, series: kept, columns: Vec::new(), charge };
    for (at, (series, column)) in series.into_iter().zip(columns).enumerate() {
        check_at(context, at)?;
        // Without a point it has no place in the order.
        if column.is_empty() {
            continue;
        }
        out.charge.add(series_bytes(&series) + steps as u64 / 8 + 32, 0)?;
        column.mark(present[left_of[at] as usize].get_or_insert_with(|| Bitmap::new(steps)));
        out.by_labels.insert(series.labels.clone(), out.columns.len());
        out.series.push(series);
        out.columns.push(column);
    }
    let united = for_each(context, right.as_ref(), &mut |at, column| {
        if let Some(bits) = &present[right_of[at] as usize] {
            column.retain(|step| !bits.get(step));
        }
        if column.is_empty() { Ok(()) } else { out.add(right.series(at), column) }
    });
    after(context, right.as_ref(), united)?;
    Ok(Box::new(Materialized::new(steps, out.series, out.columns, out.charge)))
}

/// The first step with a point; far away without any.
fn first_step(column: &Column) -> usize {
    let float = column.present().ones().next();
    let histogram = column.histograms().first().map(|(at, _)| *at as usize);
    float.into_iter().chain(histogram).min().unwrap_or(usize::MAX)
}

struct Union {
    by_labels: HashMap<model::Labels, usize>,
    series: Vec<Series>,
    columns: Vec<Column>,
    charge: Charge,
}

impl Union {
    fn add(&mut self, series: Series, column: &mut Column) -> Result<(), QueryError> {
        if let Some(known) = self.by_labels.get(&series.labels) {
            // Whether the name disappears is settled at the first step.
            if first_step(column) < first_step(&self.columns[*known]) {
                self.series[*known].drop_name = series.drop_name;
            }
            let fits = self.columns[*known].merge(column);
            return if fits { Ok(()) } else { Err(crate::exec::merge::same_labelset()) };
        }
        self.charge.add(2 * series_bytes(&series), 0)?;
        self.charge.add_column(column)?;
        self.by_labels.insert(series.labels.clone(), self.columns.len());
        self.series.push(series);
        self.columns.push(std::mem::take(column));
        Ok(())
    }
}
