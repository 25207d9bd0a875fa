//! Opens a plan: from what is to be computed to operators that compute it.

use std::cell::{OnceCell, RefCell};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use model::Matcher;
use promql::ast::AggregateOp;
use storage::{Querier, SelectHints, SeriesSet};

use crate::account::Charge;
use crate::context::Context;
use crate::counts::Counting;
use crate::exec::binary::{elements::Side, matching, sets, with_scalar};
use crate::exec::call::{self, Map, MapOp};
use crate::exec::classic::{Ask, Classic};
use crate::exec::drive::{Materialized, after, hear, materialize};
use crate::exec::merge::{Overlap, unique};
use crate::exec::range::{OverOp, RangeSource, SelectSource, SmoothedSelect, SubquerySource};
use crate::exec::scalar::{ScalarSeries, Scalars, times};
use crate::exec::select::{Answer, InstantSelect, pinned_name};
use crate::exec::series::{TYPE, UNIT};
use crate::exec::{Operator, Series, aggregate, check_at, group, info, topk};
use crate::function::label::{Rewrite, is_label_name};
use crate::function::window::Slide;
use crate::function::{date, math};
use crate::plan::{self, Aggregate, Binary, Call, Info, Op, Over, Plan, RangeArg, Select, Source};
use crate::{Column, Grid, QueryError, native};

/// Opens the plans of one query. Equal selections and equal aggregations of the query are done once.
pub(crate) struct Opener<'q> {
    pub(crate) context: &'q Context,
    querier: &'q dyn Querier,
    selections: RefCell<Vec<Selection>>,
    /// Some series has its type or unit as a label.
    has_metadata: OnceCell<bool>,
    /// Aggregations that occur more than once.
    shared: RefCell<Vec<Shared<'q>>>,
}

/// Series that were found.
struct Selection {
    matchers: Vec<Matcher>,
    range: (i64, i64),
    set: Arc<dyn SeriesSet>,
    _charge: Charge,
}

/// A part of the plan that occurs more than once, and its value once it is known.
type Shared<'q> = (&'q Plan, Option<Arc<Materialized>>);

impl<'q> Opener<'q> {
    pub(crate) fn new(context: &'q Context, querier: &'q dyn Querier, root: &'q Plan) -> Self {
        let shared = plan::repeated_aggregations(root).into_iter().map(|it| (it, None)).collect();
        Self {
            context,
            querier,
            selections: RefCell::default(),
            has_metadata: OnceCell::new(),
            shared: RefCell::new(shared),
        }
    }

    /// Opens a vector or a scalar; a scalar is one series without labels.
    pub(crate) fn open(&self, plan: &Plan) -> Result<Box<dyn Operator>, QueryError> {
        self.probe(plan)?;
        let grid = plan.grid;
        match &plan.op {
            _ if plan.scalar => {
                Ok(Box::new(ScalarSeries { scalars: self.scalars(plan)?, steps: grid.len }))
            }
            Op::Select(select) => self.select(select, plan, Answer::Value),
            Op::SelectTime(select) => self
                .select(select, plan, Answer::Time)
                .and_then(|op| self.unnamed(op, Map::Plain(|v| v))),
            Op::SelectStart(_) if !self.context.start_timestamps => {
                Ok(Box::new(self.nothing(grid)))
            }
            Op::SelectStart(select) => self
                .select(select, plan, Answer::Start)
                .and_then(|op| self.unnamed(op, Map::Plain(|v| v))),
            Op::Once(operand) => self.once(operand, grid),
            Op::Same(operand) => self.open(operand),
            Op::Negate(operand) => self.unnamed(self.open(operand)?, Map::Negate),
            Op::Binary(binary) => self.binary(binary, plan),
            Op::Aggregate(it) => self.aggregate(it, plan),
            Op::Over(over) if over.function.keeps_name() => Ok(Box::new(self.over(over, grid)?)),
            Op::Over(over) if self.stays_distinct(&over.range) => {
                Ok(Box::new(self.over(over, grid)?))
            }
            Op::Over(over) => self.unique(Box::new(self.over(over, grid)?), Overlap::Nothing),
            Op::Refused(error) => Err(error.clone()),
            Op::Info(it) => self.info(it, plan),
            Op::Call(call) => self.call(call, plan),
            Op::Number(_) | Op::Text(_) | Op::Samples(_) => {
                unreachable!("the parser puts no such expression where a vector is needed")
            }
        }
    }

    /// Fails if the query has to end, or if it has so many steps that a column of them is too much.
    fn probe(&self, plan: &Plan) -> Result<(), QueryError> {
        self.context.check()?;
        self.context.charge().add_columns(2, plan.grid.len)
    }

    /// Evaluates a scalar at all steps.
    pub(crate) fn scalars(&self, plan: &Plan) -> Result<Scalars, QueryError> {
        self.probe(plan)?;
        let grid = plan.grid;
        Ok(match &plan.op {
            Op::Number(v) => Scalars::Constant(*v),
            Op::Once(operand) => {
                let counting = Counting::Every(grid.len);
                let once = self.context.with_counting(counting, || self.scalars(operand));
                Scalars::Constant(once?.first())
            }
            Op::Same(operand) => self.scalars(operand)?,
            Op::Negate(operand) => self.scalars(operand)?.map(|v| -v),
            Op::Binary(it) => {
                let (left, right) = (self.scalars(&it.left)?, self.scalars(&it.right)?);
                with_scalar::scalars(self.context, it.op, (&left, &right), grid.len)?
            }
            Op::Call(it) => match it.function {
                "pi" => Scalars::Constant(std::f64::consts::PI),
                "time" => times(grid, self.context)?,
                "scalar" => call::scalar(self.context, self.open(&it.args[0])?.as_ref())?,
                "min_of" | "max_of" => {
                    let (a, b) = (self.scalars(&it.args[0])?, self.scalars(&it.args[1])?);
                    let pick = if it.function == "min_of" { math::min } else { math::max };
                    a.zip(&b, grid.len, self.context, pick)?
                }
                name => unreachable!("the function table has no other scalar function: {name}"),
            },
            _ => unreachable!("the parser has checked that this is a scalar"),
        })
    }

    /// Opens the samples of a range vector.
    pub(crate) fn range(&self, range: &RangeArg) -> Result<RangeSource, QueryError> {
        Ok(match &range.source {
            Source::Select(select) => {
                RangeSource::Select(SelectSource::new(self.find(select)?, select))
            }
            Source::Subquery(operand) => RangeSource::Subquery(SubquerySource {
                op: self.context.with_counting(Counting::Read, || self.open(operand))?,
                grid: operand.grid,
            }),
        })
    }

    /// Finds series, once for each selection.
    fn find(&self, select: &Select) -> Result<Arc<dyn SeriesSet>, QueryError> {
        let range = (select.mint, select.maxt);
        let known = self
            .selections
            .borrow()
            .iter()
            .find(|it| it.range == range && it.matchers == select.matchers)
            .map(|it| it.set.clone());
        if let Some(known) = known {
            return Ok(known);
        }
        let (mint, maxt) = range;
        let guard = self.context.guard();
        let hints = SelectHints { mint, maxt, guard, ..SelectHints::default() };
        let found = self.querier.select(&hints, &select.matchers);
        let found = found.map_err(|error| self.context.storage_error(error))?;
        let set: Arc<dyn SeriesSet> = Arc::from(found);
        let mut charge = self.context.charge();
        charge.add(set.bytes() as u64, 0)?;
        self.selections.borrow_mut().push(Selection {
            matchers: select.matchers.clone(),
            range,
            set: set.clone(),
            _charge: charge,
        });
        Ok(set)
    }

    fn select(
        &self,
        select: &Select,
        plan: &Plan,
        answer: Answer,
    ) -> Result<Box<dyn Operator>, QueryError> {
        if select.smoothed && answer == Answer::Value {
            let source = SelectSource::new(self.find(select)?, select);
            return Ok(Box::new(SmoothedSelect::new(
                RangeSource::Select(source),
                plan.grid,
                select,
                plan.place,
            )));
        }
        Ok(Box::new(InstantSelect::new(self.find(select)?, plan.grid, select, answer)))
    }

    /// A vector without elements.
    fn nothing(&self, grid: Grid) -> Materialized {
        Materialized::new(grid.len, Vec::new(), Vec::new(), self.context.charge())
    }

    /// Applies a function to each float and drops the name.
    fn unnamed(&self, op: Box<dyn Operator>, map: Map) -> Result<Box<dyn Operator>, QueryError> {
        let delayed_names = self.context.delayed_names;
        self.unique(Box::new(MapOp { op, map, delayed_names }), Overlap::NoStep)
    }

    /// Joins series that became equal when names were dropped. If that happens at the end only, there is
    /// nothing to do yet.
    fn unique(
        &self,
        op: Box<dyn Operator>,
        overlap: Overlap,
    ) -> Result<Box<dyn Operator>, QueryError> {
        if self.context.delayed_names { Ok(op) } else { unique(self.context, op, overlap) }
    }

    /// True if selected series are distinct without their name, type and unit: they have one name, and nothing
    /// that is stored has the others.
    fn stays_distinct(&self, range: &RangeArg) -> bool {
        let is_stored = |name: &&str| self.querier.n_listed(Some(name)) != 0;
        match &range.source {
            Source::Select(select) if pinned_name(&select.matchers).is_some() => {
                !*self.has_metadata.get_or_init(|| [TYPE, UNIT].iter().any(is_stored))
            }
            _ => false,
        }
    }

    fn once(&self, operand: &Plan, grid: Grid) -> Result<Box<dyn Operator>, QueryError> {
        let counting = Counting::Every(grid.len);
        let op = self.context.with_counting(counting, || self.open(operand))?;
        Ok(Box::new(Repeated { op, steps: grid.len }))
    }

    fn binary(&self, it: &Binary, plan: &Plan) -> Result<Box<dyn Operator>, QueryError> {
        let side = match (it.left.scalar, it.right.scalar) {
            (false, false) => return self.vectors(it, plan),
            (true, _) => Side::Right,
            (_, true) => Side::Left,
        };
        let (scalar, vector) =
            if side == Side::Right { (&it.left, &it.right) } else { (&it.right, &it.left) };
        // The operands are evaluated from left to right.
        let (scalars, vector) = if side == Side::Right {
            let scalars = self.scalars(scalar)?;
            (scalars, self.open(vector)?)
        } else {
            let vector = self.open(vector)?;
            (after(self.context, vector.as_ref(), self.scalars(scalar))?, vector)
        };
        let op = with_scalar::WithScalar {
            op: it.op,
            return_bool: it.return_bool,
            vector,
            scalars,
            side,
            delayed_names: self.context.delayed_names,
            place: plan.place,
        };
        let drops_name = op.drops_name();
        let op: Box<dyn Operator> = Box::new(op);
        if drops_name { self.unique(op, Overlap::NoStep) } else { Ok(op) }
    }

    fn vectors(&self, it: &Binary, plan: &Plan) -> Result<Box<dyn Operator>, QueryError> {
        let left = self.open(&it.left)?;
        let right = after(self.context, left.as_ref(), self.open(&it.right))?;
        let matching = it.matching.as_ref().expect("vectors are joined by a matching");
        if it.op.is_set() {
            return sets::open(self.context, it.op, left, right, matching);
        }
        let spec =
            matching::Spec { op: it.op, return_bool: it.return_bool, matching, place: plan.place };
        matching::open(self.context, left, right, spec)
    }

    fn aggregate(&self, it: &Aggregate, plan: &Plan) -> Result<Box<dyn Operator>, QueryError> {
        let known = self.shared.borrow().iter().position(|(shared, _)| *shared == plan);
        if let Some(at) = known
            && let Some(done) = &self.shared.borrow()[at].1
        {
            return Ok(Box::new(done.clone()));
        }
        let done = self.aggregate_anew(it, plan)?;
        let Some(at) = known else { return Ok(Box::new(done)) };
        let done = Arc::new(done);
        self.shared.borrow_mut()[at].1 = Some(done.clone());
        Ok(Box::new(done))
    }

    fn aggregate_anew(&self, it: &Aggregate, plan: &Plan) -> Result<Materialized, QueryError> {
        let context = self.context;
        let groups = |op: &dyn Operator| group::group(op, &it.grouping, context);
        if it.op == AggregateOp::CountValues {
            return self.count_values(it);
        }
        // The parameter is evaluated first.
        let param = it.param.as_ref().map(|it| self.scalars(it)).transpose()?;
        let param_place = it.param.as_ref().map_or(plan.place, |it| it.place);
        let op = self.open(&it.operand)?;
        match (it.op, param) {
            (AggregateOp::Quantile, Some(phi)) => {
                let groups = groups(op.as_ref())?;
                aggregate::quantiles(context, op, groups, &phi, it.operand.place, param_place)
            }
            (AggregateOp::Topk | AggregateOp::Bottomk, Some(k)) => {
                topk::top(context, it.op, op.as_ref(), &groups(op.as_ref())?, &k, plan.place)
            }
            (AggregateOp::Limitk, Some(k)) => {
                let groups = groups(op.as_ref())?;
                topk::limit(context, op, &groups, &k)
            }
            (AggregateOp::LimitRatio, Some(ratio)) => {
                topk::limit_ratio(context, op, &ratio, param_place)
            }
            _ => {
                let groups = groups(op.as_ref())?;
                aggregate::fold(context, it.op, op.as_ref(), groups, it.operand.place)
            }
        }
    }

    fn count_values(&self, it: &Aggregate) -> Result<Materialized, QueryError> {
        let label = match it.param.as_ref().map(|it| &it.op) {
            Some(Op::Text(label)) => label,
            _ => unreachable!("the parser has checked that the parameter is a text"),
        };
        if !is_label_name(label) {
            return Err(QueryError::Exec(format!("invalid label name {}", model::quote(label))));
        }
        let mut grouping = it.grouping.clone();
        if !grouping.without && !grouping.labels.contains(label) {
            grouping.labels.push(label.clone());
            grouping.labels.sort_unstable();
        }
        let op = self.open(&it.operand)?;
        topk::count_values(self.context, op, label, |op| group::group(op, &grouping, self.context))
    }

    fn over(&self, over: &Over, grid: Grid) -> Result<OverOp, QueryError> {
        let range = &over.range;
        let source = self.range(range)?;
        let params = over.params.iter().map(|it| self.scalars(it)).collect();
        let params = source.after(params, self.context)?;
        let slide = Slide { grid, shift: range.shift, range_ms: range.range_ms };
        Ok(OverOp {
            function: over.function,
            source,
            slide,
            wide: range.wide(&slide),
            params,
            place: range.place,
            args_place: over.args_place,
            delayed_names: self.context.delayed_names,
            starts: self.context.start_timestamps,
            checked: Mutex::default(),
            is_checked: AtomicBool::new(false),
        })
    }

    fn info(&self, it: &Info, plan: &Plan) -> Result<Box<dyn Operator>, QueryError> {
        let base = materialize(self.context, self.open(&it.operand)?)?;
        let conditions = info::Conditions::new(&it.select.matchers);
        let select =
            conditions.matchers(&base).map(|matchers| Select { matchers, ..it.select.clone() });
        let kept = |answer| match &select {
            Some(select) => materialize(self.context, self.select(select, plan, answer)?),
            None => Ok(self.nothing(plan.grid)),
        };
        let series = info::InfoSeries { values: kept(Answer::Value)?, times: kept(Answer::Time)? };
        Ok(Box::new(info::join(self.context, &base, &series, &conditions)?))
    }

    fn call(&self, it: &Call, plan: &Plan) -> Result<Box<dyn Operator>, QueryError> {
        let name = it.function;
        if let Some(f) = math::get(name) {
            return self.unnamed(self.open(&it.args[0])?, Map::Plain(f));
        }
        if let Some(f) = date::get(name) {
            let op = match it.args.first() {
                Some(arg) => self.open(arg)?,
                None => Box::new(ScalarSeries {
                    scalars: times(plan.grid, self.context)?,
                    steps: plan.grid.len,
                }),
            };
            return self.unnamed(op, Map::Plain(f));
        }
        match name {
            "absent" | "absent_over_time" => {
                let op = match &it.args[0].op {
                    // Nobody sees these series, so none of them can be in the way of another.
                    Op::Over(over) if name == "absent_over_time" => {
                        Box::new(self.over(over, plan.grid)?)
                    }
                    _ => self.open(&it.args[0])?,
                };
                Ok(Box::new(call::absent(self.context, op.as_ref(), &it.matchers)?))
            }
            "vector" => Ok(Box::new(ScalarSeries {
                scalars: self.scalars(&it.args[0])?,
                steps: plan.grid.len,
            })),
            "timestamp" => self.unnamed(self.open(&it.args[0])?, Map::Time(plan.grid)),
            "round" | "clamp" | "clamp_min" | "clamp_max" => self.clamp(it),
            "sort" | "sort_desc" | "sort_by_label" | "sort_by_label_desc" => self.sort(it, plan),
            "label_replace" | "label_join" => self.relabel(it),
            "histogram_quantile" | "histogram_quantiles" | "histogram_fraction" => {
                self.classic(it, plan)
            }
            // Only samples have start times.
            "start_timestamp" => {
                hear(self.context, self.open(&it.args[0])?.as_ref(), |_| true)?;
                Ok(Box::new(self.nothing(plan.grid)))
            }
            _ => match native::get(name) {
                Some(f) => self.unnamed(self.open(&it.args[0])?, Map::Histograms(f)),
                None => unreachable!("the function table has no other function: {name}"),
            },
        }
    }

    fn clamp(&self, it: &Call) -> Result<Box<dyn Operator>, QueryError> {
        let op = self.open(&it.args[0])?;
        let number = |at: usize| match it.args.get(at) {
            Some(arg) => after(self.context, op.as_ref(), self.scalars(arg)),
            None => Ok(Scalars::Constant(1.0)),
        };
        let map = match it.function {
            "round" => Map::Round(number(1)?),
            "clamp" => Map::Clamp { min: number(1)?, max: number(2)? },
            "clamp_min" => Map::ClampMin(number(1)?),
            _ => Map::ClampMax(number(1)?),
        };
        self.unnamed(op, map)
    }

    fn sort(&self, it: &Call, plan: &Plan) -> Result<Box<dyn Operator>, QueryError> {
        let op = self.open(&it.args[0])?;
        let descending = it.function.ends_with("_desc");
        let by_label = it.function.starts_with("sort_by_label");
        if !it.instant {
            self.context.note(|notes| {
                let text = "sort is ineffective for range queries since results are always ordered by labels";
                notes.warn(plan.place, text);
            });
            return Ok(if by_label { op } else { Box::new(call::FloatsOnly(op)) });
        }
        if by_label {
            let labels = texts(&it.args[1..]);
            return Ok(Box::new(call::sort_by_label(self.context, op, &labels, descending)?));
        }
        Ok(Box::new(call::sort(self.context, op, descending)?))
    }

    fn relabel(&self, it: &Call) -> Result<Box<dyn Operator>, QueryError> {
        let mut texts = texts(&it.args[1..]);
        let rewrite = if it.function == "label_replace" {
            let texts: [String; 4] = texts.try_into().expect("label_replace has four texts");
            Rewrite::replace(texts)?
        } else {
            let sources = texts.split_off(2);
            let [target, separator]: [String; 2] =
                texts.try_into().expect("label_join has two texts first");
            Rewrite::join(target, separator, sources)?
        };
        let op = self.open(&it.args[0])?;
        let mut charge = self.context.charge();
        let mut series = Vec::new();
        for at in 0..op.len() {
            check_at(self.context, at)?;
            let rewritten = rewrite.apply(&op.series(at), &charge)?;
            charge.add(group::series_bytes(&rewritten), 0)?;
            series.push(rewritten);
        }
        unique(
            self.context,
            Box::new(call::Relabelled { op, series, _charge: charge }),
            Overlap::NoStep,
        )
    }

    fn classic(&self, it: &Call, plan: &Plan) -> Result<Box<dyn Operator>, QueryError> {
        let scalar = |at: usize| self.scalars(&it.args[at]);
        let (vector, ask) = match it.function {
            "histogram_quantile" => (1, Ask::Quantile { phi: scalar(0)?, place: it.args[0].place }),
            "histogram_fraction" => (2, Ask::Fraction { lower: scalar(0)?, upper: scalar(1)? }),
            _ => {
                let label = texts(&it.args[1..2]).remove(0);
                let phis = it.args[2..].iter().map(|arg| Ok((self.scalars(arg)?, arg.place)));
                (0, Ask::Quantiles { label, phis: phis.collect::<Result<_, QueryError>>()? })
            }
        };
        let mut op = self.open(&it.args[vector])?;
        if matches!(&ask, Ask::Quantiles { phis, .. } if 1 < phis.len()) {
            // Each quantile asks for all columns.
            op = Box::new(materialize(self.context, op)?);
        }
        let op = Classic::new(op, ask, plan.grid, it.args[vector].place, self.context)?;
        self.unique(Box::new(op), Overlap::NoStep)
    }
}

fn texts(args: &[Plan]) -> Vec<String> {
    let text = |arg: &Plan| match &arg.op {
        Op::Text(text) => text.clone(),
        _ => unreachable!("the parser has checked that this is a text"),
    };
    args.iter().map(text).collect()
}

/// The value of an operator with one step, at all steps.
struct Repeated {
    op: Box<dyn Operator>,
    steps: usize,
}

impl Operator for Repeated {
    fn len(&self) -> usize {
        self.op.len()
    }

    fn steps(&self) -> usize {
        self.steps
    }

    fn series(&self, at: usize) -> Series {
        self.op.series(at)
    }

    fn eval(
        &self,
        at: usize,
        worker: &mut crate::context::Worker<'_>,
        out: &mut Column,
    ) -> Result<(), QueryError> {
        worker.with_column(1, |worker, column| {
            let counting = Counting::Every(self.steps);
            worker.with_counting(counting, |worker| self.op.eval(at, worker, column))?;
            out.reset(self.steps);
            match (column.float(0), column.histogram(0)) {
                (Some(v), _) => out.fill(v),
                (None, Some(it)) => {
                    (0..self.steps).for_each(|step| out.push_histogram(step, it.clone()))
                }
                (None, None) => {}
            }
            Ok(())
        })
    }

    fn is_quiet(&self) -> bool {
        self.op.is_quiet()
    }
}
