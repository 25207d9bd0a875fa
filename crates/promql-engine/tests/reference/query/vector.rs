//! Expressions that are instant vectors.

use super::Writer;

const OF_WINDOW: [&str; 27] = [
    "rate",
    "rate",
    "rate",
    "increase",
    "delta",
    "irate",
    "idelta",
    "changes",
    "resets",
    "deriv",
    "avg_over_time",
    "sum_over_time",
    "min_over_time",
    "max_over_time",
    "count_over_time",
    "present_over_time",
    "absent_over_time",
    "last_over_time",
    "first_over_time",
    "stddev_over_time",
    "stdvar_over_time",
    "mad_over_time",
    "ts_of_first_over_time",
    "ts_of_last_over_time",
    "ts_of_max_over_time",
    "ts_of_min_over_time",
    "sum_over_time",
];

const OF_FLOATS: [&str; 31] = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "deg",
    "exp",
    "floor",
    "ln",
    "log10",
    "log2",
    "rad",
    "sgn",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "day_of_month",
    "day_of_week",
    "day_of_year",
    "days_in_month",
    "hour",
    "minute",
    "month",
    "year",
];

impl Writer<'_> {
    pub(super) fn vector(&mut self) -> String {
        self.depth += 1;
        let out = if self.depth > 5 || self.random.percent(5) {
            self.leaf()
        } else {
            match self.random.below(100) {
                0..10 => self.leaf(),
                10..33 => self.of_window(),
                33..39 => self.of_floats(),
                39..45 => self.of_histograms(),
                45..53 => self.other_call(),
                53..72 => self.aggregate(),
                72..82 => self.with_scalar(),
                82..94 => self.pair(),
                94..97 => format!("{}({})", self.pick(&["-", "+", ""]), self.vector()),
                _ => self.labels(),
            }
        };
        self.depth -= 1;
        out
    }

    /// A vector to which modifiers and operators may be put.
    pub(super) fn operand(&mut self) -> String {
        if self.random.percent(40) { self.selector() } else { format!("({})", self.vector()) }
    }

    fn leaf(&mut self) -> String {
        let selector = self.selector();
        if self.random.percent(4) {
            return format!("{selector} smoothed{}", self.shift());
        }
        format!("{selector}{}", self.shift())
    }

    fn of_window(&mut self) -> String {
        if self.random.percent(10) {
            return self.extended();
        }
        let range = self.range();
        match self.random.below(20) {
            0 => format!("quantile_over_time({}, {range})", self.quantile()),
            1 => format!("predict_linear({range}, {})", self.scalar()),
            2 => {
                let factors = self
                    .pick(&["0.5, 0.5", "0.1, 0.9", "0.3, 0.3", "0.5, 0.2", "1, 0.5", "0.5, Inf"]);
                format!("double_exponential_smoothing({range}, {factors})")
            }
            _ => format!("{}({range})", self.random.pick(&OF_WINDOW)),
        }
    }

    fn extended(&mut self) -> String {
        let (word, functions): (&str, &[&str]) = if self.random.percent(50) {
            ("anchored", &["changes", "delta", "increase", "rate", "resets", "increase", "rate"])
        } else {
            ("smoothed", &["delta", "increase", "rate"])
        };
        let function =
            if self.random.percent(3) { "sum_over_time".to_owned() } else { self.pick(functions) };
        let (selector, range, shift) = (self.selector(), self.duration(), self.shift());
        format!("{function}({selector}[{range}] {word}{shift})")
    }

    fn of_floats(&mut self) -> String {
        let function = self.random.pick(&OF_FLOATS);
        if function.starts_with("day") && self.random.percent(20) {
            return format!("{function}()");
        }
        format!("{function}({})", self.vector())
    }

    fn of_histograms(&mut self) -> String {
        let input = if self.random.percent(75) { self.histograms() } else { self.vector() };
        match self.random.below(10) {
            0..3 => format!("histogram_quantile({}, {input})", self.quantile()),
            3 => {
                let quantiles =
                    self.pick(&["0.5", "0.5, 0.9", "0, 1, 0.25", "NaN", "2, -1", "Inf"]);
                format!("histogram_quantiles({input}, \"q\", {quantiles})")
            }
            4 | 5 => format!("histogram_fraction({}, {}, {input})", self.number(), self.number()),
            _ => {
                let function = self.pick(&[
                    "histogram_count",
                    "histogram_count",
                    "histogram_sum",
                    "histogram_avg",
                    "histogram_stddev",
                    "histogram_stdvar",
                ]);
                format!("{function}({input})")
            }
        }
    }

    /// A vector that is likely one of histograms.
    fn histograms(&mut self) -> String {
        let name =
            self.pick(&["h", "h", "n", "n", "hg", "m", "b_bucket", "b_bucket", "h{x=\"1\"}"]);
        let range = self.duration();
        match self.random.below(8) {
            0 => format!("rate({name}[{range}])"),
            1 => format!("sum by (x, le) (rate({name}[{range}]))"),
            2 => format!("sum_over_time({name}[{range}])"),
            3 => format!("sum({name})"),
            4 => format!("avg({name})"),
            5 => format!("avg_over_time({name}[{range}])"),
            6 => format!("({name} {} {})", self.pick(&["</", ">/"]), self.number()),
            _ => format!("{name}{}", self.shift()),
        }
    }

    fn other_call(&mut self) -> String {
        let vector = self.vector();
        match self.random.below(16) {
            0 => format!("clamp({vector}, {}, {})", self.scalar(), self.scalar()),
            1 => format!("clamp_min({vector}, {})", self.scalar()),
            2 => format!("clamp_max({vector}, {})", self.scalar()),
            3 => format!("round({vector})"),
            4 => format!("round({vector}, {})", self.scalar()),
            5 => format!("vector({})", self.scalar()),
            6 => format!("absent({vector})"),
            7 => format!("timestamp({vector})"),
            8 => {
                let (selector, shift) = (self.selector(), self.shift());
                format!("timestamp({selector}{shift})")
            }
            9 => format!("start_timestamp({})", self.selector()),
            10 => format!("start_timestamp({vector})"),
            11 => format!("{}({vector})", self.pick(&["sort", "sort_desc"])),
            12 => {
                let labels = self.pick(&["\"x\"", "\"y\", \"x\"", "\"__name__\""]);
                format!(
                    "{}({vector}, {labels})",
                    self.pick(&["sort_by_label", "sort_by_label_desc"])
                )
            }
            13 => format!("absent({})", self.selector()),
            _ => self.info(),
        }
    }

    fn info(&mut self) -> String {
        let base = if self.random.percent(60) {
            self.pick(&["k", "k_total", "rate(k_total[2m])"])
        } else {
            self.vector()
        };
        let selector = self.pick(&[
            "",
            "",
            ", {version=~\".+\"}",
            ", {version=\"1\"}",
            ", {__name__=\"build_info\"}",
            ", {__name__=~\".*_info\"}",
            ", {__name__!=\"target_info\"}",
            ", {nope=\"\", version!=\"2\"}",
        ]);
        format!("info({base}{selector})")
    }

    fn labels(&mut self) -> String {
        let vector = self.vector();
        match self.random.below(3) {
            0 => {
                let target = self.pick(&["\"z\"", "\"x\"", "\"y\"", "\"__name__\"", "\"é\""]);
                let template = self.pick(&["\"$1\"", "\"\"", "\"${1}1\"", "\"s\"", "\"$0$$\""]);
                let source = self.pick(&["\"x\"", "\"y\"", "\"\"", "\"__name__\""]);
                let pattern =
                    self.pick(&["\"(.*)\"", "\"(1|a)\"", "\"\"", "\"([a-z]).*\"", "\"(\""]);
                format!("label_replace({vector}, {target}, {template}, {source}, {pattern})")
            }
            1 => {
                let target = self.pick(&["\"z\"", "\"x\"", "\"__name__\""]);
                let sources =
                    self.pick(&["\"x\"", "\"x\", \"y\"", "\"y\", \"none\"", "\"__name__\", \"x\""]);
                format!("label_join({vector}, {target}, \"-\", {sources})")
            }
            _ => {
                let label = self.pick(&["\"v\"", "\"x\"", "\"v\""]);
                format!("count_values{} ({label}, {vector})", self.grouping())
            }
        }
    }

    fn grouping(&mut self) -> String {
        self.pick(&[
            "",
            "",
            " by (x)",
            " by (x)",
            " by (x, y)",
            " without (x)",
            " without (y)",
            " by (__name__)",
            " by ()",
            " without ()",
            " by (none, y)",
            " without (__name__, le)",
        ])
    }

    fn aggregate(&mut self) -> String {
        let grouping = self.grouping();
        let vector = self.vector();
        match self.random.below(20) {
            0..2 => {
                let op = self.pick(&["topk", "bottomk"]);
                let k = if self.random.percent(80) { self.small() } else { self.scalar() };
                format!("{op}{grouping} ({k}, {vector})")
            }
            2 => {
                let k = if self.random.percent(80) { self.small() } else { self.scalar() };
                format!("limitk{grouping} ({k}, {vector})")
            }
            3 => {
                let ratio = if self.random.percent(80) {
                    self.pick(&["0.5", "-0.5", "0.1", "1", "-1", "0", "1.5", "-3", "0.75", "-0.25"])
                } else {
                    self.scalar()
                };
                format!("limit_ratio{grouping} ({ratio}, {vector})")
            }
            4 | 5 => format!("quantile{grouping} ({}, {vector})", self.quantile()),
            _ => {
                let op = self.pick(&[
                    "sum", "sum", "sum", "avg", "avg", "min", "max", "count", "group", "stddev",
                    "stdvar",
                ]);
                format!("{op}{grouping} ({vector})")
            }
        }
    }

    fn with_scalar(&mut self) -> String {
        let op = self.pick(&[
            "+", "-", "*", "/", "*", "/", "%", "^", "atan2", "==", "!=", "<", "<=", ">", ">=",
            "== bool", "!= bool", "< bool", ">= bool", "</", ">/",
        ]);
        let vector = if op.ends_with('/') && self.random.percent(70) {
            format!("({})", self.histograms())
        } else {
            self.operand()
        };
        let scalar = self.scalar();
        if self.random.percent(30) {
            format!("({scalar}) {op} {vector}")
        } else {
            format!("{vector} {op} ({scalar})")
        }
    }

    fn pair(&mut self) -> String {
        let (lhs, rhs) = (self.operand(), self.operand());
        if self.random.percent(30) {
            let op = self.pick(&["and", "or", "unless", "or"]);
            let matching = self.pick(&["", "", " on (x)", " ignoring (y)", " on ()", " on (x, y)"]);
            return format!("{lhs} {op}{matching} {rhs}");
        }
        let op = self.pick(&[
            "+", "+", "-", "-", "*", "/", "%", "^", "atan2", "==", "!=", "<", "<=", ">", ">=",
            "== bool", "!= bool", "> bool", "</", ">/",
        ]);
        let matching = self.pick(&[
            "",
            "",
            " on (x)",
            " on (x, y)",
            " ignoring (y)",
            " on ()",
            " on (x) group_left",
            " on (x) group_left",
            " on (x) group_right",
            " on (x) group_left (y)",
            " on (x) group_right (y, version)",
            " ignoring (y, le) group_left",
            " on (instance, job) group_left (version)",
            " ignoring (y) group_right",
        ]);
        let fill = if self.random.percent(12) {
            self.pick(&[
                " fill (0)",
                " fill_left (1)",
                " fill_right (-2)",
                " fill_left (3) fill_right (4)",
            ])
        } else {
            String::new()
        };
        format!("{lhs} {op}{matching}{fill} {rhs}")
    }
}
