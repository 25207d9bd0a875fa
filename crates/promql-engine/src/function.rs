//! What the functions compute, a module for each family.
//!
//! A function of a range vector is a [`RangeFunction`]; it fills a column from the samples of one
//! series, window by window ([`window`]). A function of instant vectors that maps numbers is a plain
//! `fn` ([`math`], [`date`]).

pub(crate) mod date;
pub(crate) mod even;
pub(crate) mod extended;
pub(crate) mod extended_histogram;
pub(crate) mod found;
pub(crate) mod histogram;
pub(crate) mod histogram_rate;
pub(crate) mod label;
pub(crate) mod math;
pub(crate) mod over_time;
pub(crate) mod quantile;
pub(crate) mod rate;
pub(crate) mod regression;
pub(crate) mod starts;
pub(crate) mod sum;
pub(crate) mod window;

/// A function of a range vector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RangeFunction {
    Rate,
    Increase,
    Delta,
    Irate,
    Idelta,
    Changes,
    Resets,
    Deriv,
    PredictLinear,
    DoubleExponentialSmoothing,
    Avg,
    Sum,
    Count,
    Present,
    Min,
    Max,
    First,
    Last,
    Stddev,
    Stdvar,
    Mad,
    Quantile,
    TsOfFirst,
    TsOfLast,
    TsOfMax,
    TsOfMin,
}

impl RangeFunction {
    /// True if there is never anything to say about a window.
    pub(crate) fn is_quiet(self) -> bool {
        matches!(
            self,
            Self::Changes
                | Self::Resets
                | Self::Count
                | Self::Present
                | Self::First
                | Self::Last
                | Self::TsOfFirst
                | Self::TsOfLast
        )
    }

    /// Finds a function by its name in PromQL.
    ///
    /// # Panics
    /// If it takes no range vector.
    pub(crate) fn get(name: &str) -> Self {
        match name {
            "rate" => Self::Rate,
            "increase" => Self::Increase,
            "delta" => Self::Delta,
            "irate" => Self::Irate,
            "idelta" => Self::Idelta,
            "changes" => Self::Changes,
            "resets" => Self::Resets,
            "deriv" => Self::Deriv,
            "predict_linear" => Self::PredictLinear,
            "double_exponential_smoothing" => Self::DoubleExponentialSmoothing,
            "avg_over_time" => Self::Avg,
            "sum_over_time" => Self::Sum,
            "count_over_time" => Self::Count,
            "present_over_time" => Self::Present,
            "min_over_time" => Self::Min,
            "max_over_time" => Self::Max,
            "first_over_time" => Self::First,
            "last_over_time" => Self::Last,
            "stddev_over_time" => Self::Stddev,
            "stdvar_over_time" => Self::Stdvar,
            "mad_over_time" => Self::Mad,
            "quantile_over_time" => Self::Quantile,
            "ts_of_first_over_time" => Self::TsOfFirst,
            "ts_of_last_over_time" => Self::TsOfLast,
            "ts_of_max_over_time" => Self::TsOfMax,
            "ts_of_min_over_time" => Self::TsOfMin,
            _ => unreachable!("the function table has no other function of a range vector: {name}"),
        }
    }

    /// True if the result is still a value of the metric.
    pub(crate) fn keeps_name(self) -> bool {
        matches!(self, Self::First | Self::Last)
    }
}
