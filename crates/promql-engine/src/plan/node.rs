//! The plan of a query: its syntax tree with everything settled that needs no data.

use model::Matcher;
use promql::ast::{AggregateOp, BinaryOp, VectorMatching};

use crate::annotation::Place;
use crate::function::RangeFunction;
use crate::function::extended::Wide;
use crate::function::window::Slide;
use crate::{Grid, QueryError};

/// A node of the plan.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Plan {
    pub(crate) op: Op,
    /// The steps at which the node has values.
    pub(crate) grid: Grid,
    /// Where it stands in the query.
    pub(crate) place: Place,
    /// True if its value is a number at each step, not a vector.
    pub(crate) scalar: bool,
}

/// What a node does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Op {
    Number(f64),
    Text(String),
    /// Newest samples.
    Select(Select),
    /// `timestamp(selector)`: the times of the newest samples.
    SelectTime(Select),
    /// `start_timestamp(selector)`: the start times of the newest samples.
    SelectStart(Select),
    /// A range selector that is the whole query.
    Samples(RangeArg),
    /// The operand has one step; its value holds at all steps.
    Once(Box<Plan>),
    Negate(Box<Plan>),
    /// `+operand`: notes about it stand at the sign.
    Same(Box<Plan>),
    Binary(Box<Binary>),
    Aggregate(Box<Aggregate>),
    /// What fails as soon as its turn comes.
    Refused(QueryError),
    /// A function of a range vector.
    Over(Box<Over>),
    /// `info(operand, {…})`
    Info(Box<Info>),
    /// Any other function.
    Call(Call),
}

/// Which series, at what time.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Select {
    pub(crate) matchers: Vec<Matcher>,
    pub(crate) shift: Shift,
    /// How far to look back: samples in `(t - lookback, t]`.
    pub(crate) lookback_ms: i64,
    /// Interpolates between the samples around `t`.
    pub(crate) smoothed: bool,
    /// Of native histograms only counts and sums are asked for.
    pub(crate) counts_only: bool,
    /// First and last sample that can be needed.
    pub(crate) mint: i64,
    pub(crate) maxt: i64,
}

/// What `@` and `offset` do to the time of evaluation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shift {
    pub(crate) at: Option<i64>,
    pub(crate) offset_ms: i64,
}

impl Shift {
    /// The time to look at when the evaluation is at `t`.
    #[inline]
    pub(crate) fn apply(self, t: i64) -> i64 {
        self.at.unwrap_or(t).saturating_sub(self.offset_ms)
    }
}

/// A range vector: a source of samples and the windows to look at.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RangeArg {
    pub(crate) source: Source,
    pub(crate) range_ms: i64,
    pub(crate) shift: Shift,
    pub(crate) extended: Extended,
    pub(crate) place: Place,
}

/// Where the samples of a range vector come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Source {
    Select(Select),
    /// The steps of another evaluation.
    Subquery(Box<Plan>),
}

/// How windows treat samples at and beyond their borders.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Extended {
    #[default]
    No,
    /// The sample at or before the left border stands on it.
    Anchored,
    /// Values on both borders are interpolated.
    Smoothed,
}

/// A function of a range vector.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Over {
    pub(crate) function: RangeFunction,
    pub(crate) range: RangeArg,
    /// The other arguments: all scalars.
    pub(crate) params: Vec<Plan>,
    /// Where the argument list starts.
    pub(crate) args_place: Place,
}

/// `info(…)`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Info {
    pub(crate) operand: Plan,
    /// The info series, with the matchers as written: to be completed once the operand's targets are
    /// known.
    pub(crate) select: Select,
}

/// Any other function.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// As in the function table; the argument of `absent_over_time` is [`RangeFunction::Present`].
    pub(crate) function: &'static str,
    pub(crate) args: Vec<Plan>,
    /// For `absent`: the matchers of the selector that is the argument.
    pub(crate) matchers: Vec<Matcher>,
    /// The evaluation has one time by definition, not by chance: order of elements is visible.
    pub(crate) instant: bool,
}

/// An operator between two operands.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Binary {
    pub(crate) op: BinaryOp,
    pub(crate) left: Plan,
    pub(crate) right: Plan,
    /// A comparison answers 0 or 1 instead of filtering.
    pub(crate) return_bool: bool,
    /// Present if both sides are vectors.
    pub(crate) matching: Option<VectorMatching>,
}

/// An aggregation.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Aggregate {
    pub(crate) op: AggregateOp,
    pub(crate) operand: Plan,
    pub(crate) param: Option<Plan>,
    pub(crate) grouping: Grouping,
}

/// What makes a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grouping {
    /// `without(labels)` if true, `by(labels)` otherwise.
    pub(crate) without: bool,
    /// Sorted, unique.
    pub(crate) labels: Vec<String>,
}

impl Plan {
    /// The nodes directly below.
    fn children(&self) -> Vec<&Self> {
        match &self.op {
            Op::Number(_)
            | Op::Text(_)
            | Op::Select(_)
            | Op::SelectTime(_)
            | Op::SelectStart(_)
            | Op::Refused(_) => Vec::new(),
            Op::Samples(range) => range.operand().into_iter().collect(),
            Op::Once(operand) | Op::Negate(operand) | Op::Same(operand) => vec![operand],
            Op::Binary(it) => vec![&it.left, &it.right],
            Op::Aggregate(it) => std::iter::once(&it.operand).chain(&it.param).collect(),
            Op::Over(it) => it.range.operand().into_iter().chain(&it.params).collect(),
            Op::Info(it) => vec![&it.operand],
            Op::Call(it) => it.args.iter().collect(),
        }
    }

    /// Calls `visit` with this node and all below.
    pub(crate) fn walk<'p>(&'p self, visit: &mut impl FnMut(&'p Self)) {
        visit(self);
        self.children().into_iter().for_each(|child| child.walk(visit));
    }

    /// The time range that all selectors together read; `None` without selectors.
    pub(crate) fn read_range(&self) -> Option<(i64, i64)> {
        let mut range: Option<(i64, i64)> = None;
        let mut join = |select: &Select| {
            let known = range.get_or_insert((select.mint, select.maxt));
            *known = (known.0.min(select.mint), known.1.max(select.maxt));
        };
        self.walk(&mut |node| match &node.op {
            Op::Select(select) | Op::SelectTime(select) | Op::SelectStart(select) => join(select),
            Op::Info(info) => join(&info.select),
            Op::Samples(RangeArg { source: Source::Select(select), .. }) => join(select),
            Op::Over(over) => {
                if let Source::Select(select) = &over.range.source {
                    join(select);
                }
            }
            _ => {}
        });
        range
    }
}

impl RangeArg {
    /// The windows of `slide` with what lies around them, if their borders need it.
    pub(crate) fn wide(&self, slide: &Slide) -> Option<Wide> {
        match (&self.source, self.extended) {
            (_, Extended::No) | (Source::Subquery(_), _) => None,
            (Source::Select(select), extended) => {
                Some(Wide::new(slide, extended, select.lookback_ms))
            }
        }
    }

    fn operand(&self) -> Option<&Plan> {
        match &self.source {
            Source::Select(_) => None,
            Source::Subquery(operand) => Some(operand),
        }
    }
}

/// Aggregations that occur more than once in a plan, each once.
pub(crate) fn repeated_aggregations(root: &Plan) -> Vec<&Plan> {
    let mut all: Vec<&Plan> = Vec::new();
    root.walk(&mut |node| {
        if matches!(node.op, Op::Aggregate(_)) {
            all.push(node);
        }
    });
    let mut repeated: Vec<&Plan> = Vec::new();
    for (i, node) in all.iter().enumerate() {
        if all[..i].contains(node) && !repeated.contains(node) {
            repeated.push(node);
        }
    }
    repeated
}
