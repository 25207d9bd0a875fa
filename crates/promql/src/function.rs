//! The table of functions: what each takes and returns.

use std::fmt;

use crate::ast::ValueType;
use ValueType::{Matrix, Scalar, String, Vector};

/// A function's signature.
#[derive(PartialEq)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// Types of the arguments. If variadic, the last one may be left out or repeated.
    pub args: &'static [ValueType],
    /// How often the last argument may occur: 0 exactly once, n up to n times, -1 without limit.
    pub variadic: i32,
    /// What it returns.
    pub returns: ValueType,
    /// A feature switch guards it.
    pub experimental: bool,
}

/// Prints the name: the rest follows from it.
impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Finds a function by its exact name.
pub fn get(name: &str) -> Option<&'static Function> {
    let at = FUNCTIONS.binary_search_by(|it| it.name.cmp(name)).ok()?;
    Some(&FUNCTIONS[at])
}

/// All functions, sorted by name.
pub fn all() -> &'static [Function] {
    &FUNCTIONS
}

const fn vector(name: &'static str, args: &'static [ValueType], variadic: i32) -> Function {
    Function { name, args, variadic, returns: Vector, experimental: false }
}

const fn scalar(name: &'static str, args: &'static [ValueType]) -> Function {
    Function { name, args, variadic: 0, returns: Scalar, experimental: false }
}

const fn experimental(function: Function) -> Function {
    Function { experimental: true, ..function }
}

static FUNCTIONS: [Function; 90] = [
    vector("abs", &[Vector], 0),
    vector("absent", &[Vector], 0),
    vector("absent_over_time", &[Matrix], 0),
    vector("acos", &[Vector], 0),
    vector("acosh", &[Vector], 0),
    vector("asin", &[Vector], 0),
    vector("asinh", &[Vector], 0),
    vector("atan", &[Vector], 0),
    vector("atanh", &[Vector], 0),
    vector("avg_over_time", &[Matrix], 0),
    vector("ceil", &[Vector], 0),
    vector("changes", &[Matrix], 0),
    vector("clamp", &[Vector, Scalar, Scalar], 0),
    vector("clamp_max", &[Vector, Scalar], 0),
    vector("clamp_min", &[Vector, Scalar], 0),
    vector("cos", &[Vector], 0),
    vector("cosh", &[Vector], 0),
    vector("count_over_time", &[Matrix], 0),
    vector("day_of_month", &[Vector], 1),
    vector("day_of_week", &[Vector], 1),
    vector("day_of_year", &[Vector], 1),
    vector("days_in_month", &[Vector], 1),
    vector("deg", &[Vector], 0),
    vector("delta", &[Matrix], 0),
    vector("deriv", &[Matrix], 0),
    experimental(vector("double_exponential_smoothing", &[Matrix, Scalar, Scalar], 0)),
    experimental(scalar("end", &[])),
    vector("exp", &[Vector], 0),
    vector("first_over_time", &[Matrix], 0),
    vector("floor", &[Vector], 0),
    vector("histogram_avg", &[Vector], 0),
    vector("histogram_count", &[Vector], 0),
    vector("histogram_fraction", &[Scalar, Scalar, Vector], 0),
    vector("histogram_quantile", &[Scalar, Vector], 0),
    experimental(vector("histogram_quantiles", &[Vector, String, Scalar, Scalar], 9)),
    vector("histogram_stddev", &[Vector], 0),
    vector("histogram_stdvar", &[Vector], 0),
    vector("histogram_sum", &[Vector], 0),
    vector("hour", &[Vector], 1),
    vector("idelta", &[Matrix], 0),
    vector("increase", &[Matrix], 0),
    experimental(vector("info", &[Vector, Vector], 1)),
    vector("irate", &[Matrix], 0),
    vector("label_join", &[Vector, String, String, String], -1),
    vector("label_replace", &[Vector, String, String, String, String], 0),
    vector("last_over_time", &[Matrix], 0),
    vector("ln", &[Vector], 0),
    vector("log10", &[Vector], 0),
    vector("log2", &[Vector], 0),
    experimental(vector("mad_over_time", &[Matrix], 0)),
    experimental(scalar("max_of", &[Scalar, Scalar])),
    vector("max_over_time", &[Matrix], 0),
    experimental(scalar("min_of", &[Scalar, Scalar])),
    vector("min_over_time", &[Matrix], 0),
    vector("minute", &[Vector], 1),
    vector("month", &[Vector], 1),
    scalar("pi", &[]),
    vector("predict_linear", &[Matrix, Scalar], 0),
    vector("present_over_time", &[Matrix], 0),
    vector("quantile_over_time", &[Scalar, Matrix], 0),
    vector("rad", &[Vector], 0),
    experimental(scalar("range", &[])),
    vector("rate", &[Matrix], 0),
    vector("resets", &[Matrix], 0),
    vector("round", &[Vector, Scalar], 1),
    scalar("scalar", &[Vector]),
    vector("sgn", &[Vector], 0),
    vector("sin", &[Vector], 0),
    vector("sinh", &[Vector], 0),
    vector("sort", &[Vector], 0),
    experimental(vector("sort_by_label", &[Vector, String], -1)),
    experimental(vector("sort_by_label_desc", &[Vector, String], -1)),
    vector("sort_desc", &[Vector], 0),
    vector("sqrt", &[Vector], 0),
    experimental(scalar("start", &[])),
    experimental(vector("start_timestamp", &[Vector], 0)),
    vector("stddev_over_time", &[Matrix], 0),
    vector("stdvar_over_time", &[Matrix], 0),
    experimental(scalar("step", &[])),
    vector("sum_over_time", &[Matrix], 0),
    vector("tan", &[Vector], 0),
    vector("tanh", &[Vector], 0),
    scalar("time", &[]),
    vector("timestamp", &[Vector], 0),
    experimental(vector("ts_of_first_over_time", &[Matrix], 0)),
    experimental(vector("ts_of_last_over_time", &[Matrix], 0)),
    experimental(vector("ts_of_max_over_time", &[Matrix], 0)),
    experimental(vector("ts_of_min_over_time", &[Matrix], 0)),
    vector("vector", &[Scalar], 0),
    vector("year", &[Vector], 1),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_sorted_and_finds_its_entries() {
        assert!(FUNCTIONS.is_sorted_by_key(|it| it.name));
        for it in all() {
            assert_eq!(get(it.name), Some(it));
        }
        assert_eq!(get("holt_winters"), None);
        assert!(get("rate").is_some_and(|it| it.args == [Matrix] && !it.experimental));
    }
}
