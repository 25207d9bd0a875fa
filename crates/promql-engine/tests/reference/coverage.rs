//! Which parts of the language the queries contained.

use std::collections::BTreeMap;
use std::fmt;

use promql::Expr;
use promql::ast::{AggregateOp, BinaryOp};

/// How many answered queries contained each function, aggregation, operator and modifier.
#[derive(Default)]
pub(crate) struct Coverage(BTreeMap<String, u64>);

impl Coverage {
    pub(crate) fn add(&mut self, query: &str) {
        let Ok(expr) = promql::parse(query, &promql::Options::ALL) else { return };
        let mut found = std::collections::BTreeSet::new();
        expr.walk(&mut |it| {
            match it {
                Expr::Call(it) => found.insert(it.function.name.to_owned()),
                Expr::Aggregate(it) => found.insert(it.op.as_str().to_owned()),
                Expr::Binary(it) => found.insert(it.op.as_str().to_owned()),
                Expr::Subquery(_) => found.insert("subquery".to_owned()),
                Expr::Matrix(_) => found.insert("range".to_owned()),
                Expr::Unary(_) => found.insert("sign".to_owned()),
                _ => false,
            };
        });
        for it in found {
            *self.0.entry(it).or_insert(0) += 1;
        }
    }

    pub(crate) fn join(&mut self, other: Self) {
        for (name, n) in other.0 {
            *self.0.entry(name).or_insert(0) += n;
        }
    }

    /// What never occurred.
    pub(crate) fn missing(&self) -> Vec<&'static str> {
        let functions = promql::function::all().iter().map(|it| it.name);
        let aggregations = AggregateOp::ALL.iter().map(|it| it.as_str());
        let operators = BinaryOp::ALL.iter().map(|it| it.as_str());
        let all = functions.chain(aggregations).chain(operators);
        all.filter(|it| !self.0.contains_key(*it)).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(name, n)| writeln!(f, "{n:8} {name}"))
    }
}
