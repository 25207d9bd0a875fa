//! Queries with one part of a wrong type, and what is said about them.

use super::Writer;
use crate::data::make::World;
use crate::random::Random;

/// A query that is none, and the error it must give.
pub(crate) fn ill_typed(random: &mut Random, world: &World) -> (String, String) {
    let mut writer = Writer { random, world, depth: 2 };
    let (before, wrong, after, text) = writer.ill_typed();
    let column = before.len() + 1;
    (format!("{before}{wrong}{after}"), format!("1:{column}: parse error: {text}"))
}

impl Writer<'_> {
    /// What stands before the wrong part, that part, what stands behind it, and what is said.
    fn ill_typed(&mut self) -> (String, String, String, String) {
        let call = |name: &str, wants: &str, got: &str| {
            format!("expected type {wants} in call to function \"{name}\", got {got}")
        };
        let (vector, scalar, range) = (self.call_of_vector(), self.number(), self.plain_range());
        let after = |text: &str| text.to_owned();
        match self.random.below(10) {
            0 => {
                let name =
                    self.pick(&["rate", "sum_over_time", "changes", "deriv", "absent_over_time"]);
                let text = call(&name, "range vector", "instant vector");
                (format!("{name}("), vector, after(")"), text)
            }
            1 => {
                let name = self.pick(&["abs", "sort", "absent", "histogram_count", "scalar"]);
                let text = call(&name, "instant vector", "range vector");
                (format!("{name}("), range, after(")"), text)
            }
            2 => {
                let text = call("vector", "scalar", "instant vector");
                (after("vector("), vector, after(")"), text)
            }
            3 => {
                let text = call("clamp_min", "scalar", "string");
                (format!("clamp_min({vector}, "), after("\"1\""), after(")"), text)
            }
            4 => {
                let op = self.pick(&["sum", "avg", "count", "stddev"]);
                let text = "expected type instant vector in aggregation expression, got scalar";
                (format!("{op}("), scalar, after(")"), after(text))
            }
            5 => {
                let op = self.pick(&["topk", "quantile", "limitk"]);
                let text = "expected type scalar in aggregation parameter, got instant vector";
                (format!("{op}("), vector.clone(), format!(", {vector})"), after(text))
            }
            6 => {
                let text = "set operator \"or\" not allowed in binary scalar expression";
                (String::new(), scalar.replace('-', ""), after(" or 1"), after(text))
            }
            7 => {
                let text = "binary expression must contain only scalar and instant vector types";
                (format!("{vector} + "), range, String::new(), after(text))
            }
            8 => {
                let text = "subquery is only allowed on instant vector, got scalar instead";
                (String::new(), after("(1)[5m:1m]"), String::new(), after(text))
            }
            _ => {
                let name = self.pick(&["abs", "rate", "hour2", "vector"]);
                if name == "hour2" {
                    let text = "unknown function with name \"hour2\"";
                    return (
                        String::new(),
                        format!("{name}({vector})"),
                        String::new(),
                        after(text),
                    );
                }
                let text = format!("expected 1 argument(s) in call to \"{name}\", got 2");
                (String::new(), format!("{name}({vector}, 1)"), String::new(), text)
            }
        }
    }

    fn call_of_vector(&mut self) -> String {
        let selector = self.selector();
        if self.random.percent(50) { selector } else { format!("sum({selector})") }
    }

    fn plain_range(&mut self) -> String {
        format!("{}[1m]", self.selector())
    }
}
