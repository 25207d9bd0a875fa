//! Operators between two instant vectors.

use model::{Labels, METRIC_NAME};
use promql::ast::{Binary, BinaryOp, Cardinality, VectorMatching};

use super::{Outcome, of_points};
use crate::naive::notes::Notes;
use crate::naive::value::{Element, Point, Value, at, collect, without_metadata};
use crate::naive::{Decode, Grid, Naive, Order};

impl Naive<'_> {
    pub(super) fn vectors(&self, it: &Binary, grid: Grid, decode: Decode) -> Result<Value, String> {
        let matching = it.matching.as_ref().expect("both sides are vectors");
        let lhs = self.vector(&it.lhs, grid, decode)?;
        let rhs = self.vector(&it.rhs, grid, decode)?;
        let mut steps = Vec::new();
        for (step, t) in grid.times().into_iter().enumerate() {
            let (left, mut right) = (at(&lhs, t), at(&rhs, t));
            right.iter_mut().for_each(|it| it.rank += lhs.len());
            let mut out = if it.op.is_set() {
                set(it.op, matching, left, right)
            } else {
                let mut notes = Notes::default();
                let out = self.match_up(it, matching, &left, &right, &mut notes)?;
                self.notes.borrow_mut().append(notes.last());
                // Before what is wrong at later steps.
                collect(vec![(t, out.clone())])?;
                out
            };
            if self.settings.order == Order(1) {
                out.iter_mut().for_each(|it| it.rank += step << 40);
            }
            steps.push((t, out));
        }
        Ok(Value::Vector(collect(steps)?))
    }

    fn match_up(
        &self,
        it: &Binary,
        matching: &VectorMatching,
        left: &[Element],
        right: &[Element],
        notes: &mut Notes,
    ) -> Result<Vec<Element>, String> {
        let fill = matching.fill;
        // The side with several elements, and the side with one.
        let swapped = matching.card == Cardinality::OneToMany;
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        // Nothing can meet, and nothing stands in for what is missing.
        if many.is_empty() && fill.lhs.is_none() || one.is_empty() && fill.rhs.is_none() {
            return Ok(Vec::new());
        }
        let mut arranged = one.to_vec();
        self.settings.order.arrange(&mut arranged);
        check_unique(matching, &arranged, if swapped { "left" } else { "right" })?;
        let mut out = Vec::new();
        // Signatures that were answered, with the labels of the answers.
        let mut answered: Vec<(Labels, Labels)> = Vec::new();
        for element in many {
            let key = key(matching, &element.labels);
            let found = one.iter().find(|it| self::key(matching, &it.labels) == key);
            let partner = match (found, fill.rhs) {
                (Some(it), _) => it.clone(),
                (None, Some(v)) => filler(&key, v, element.rank),
                (None, None) => continue,
            };
            self.pair(it, matching, (element, &partner), swapped, &mut answered, notes, &mut out)?;
        }
        for element in one {
            let Some(v) = fill.lhs else { break };
            let key = key(matching, &element.labels);
            // A pair without a result has not met.
            if answered.iter().any(|it| it.0 == key) {
                continue;
            }
            // After all of the side with several.
            let partner = filler(&key, v, element.rank + (1 << 32));
            self.pair(it, matching, (&partner, element), swapped, &mut answered, notes, &mut out)?;
        }
        Ok(out)
    }

    #[expect(clippy::too_many_arguments, reason = "one step of a loop, which has two callers")]
    fn pair(
        &self,
        it: &Binary,
        matching: &VectorMatching,
        (many, one): (&Element, &Element),
        swapped: bool,
        answered: &mut Vec<(Labels, Labels)>,
        notes: &mut Notes,
        out: &mut Vec<Element>,
    ) -> Result<(), String> {
        let (lhs, rhs) = if swapped { (one, many) } else { (many, one) };
        let Outcome::Value(value, holds) = of_points(it, &lhs.point, &rhs.point, notes) else {
            return Ok(());
        };
        let labels = self.result_labels(it, matching, &many.labels, &one.labels);
        let key = key(matching, &many.labels);
        if matching.card == Cardinality::OneToOne {
            if answered.iter().any(|it| it.0 == key) {
                return Err("multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)".into());
            }
        } else if answered.contains(&(key.clone(), labels.clone())) {
            return Err(
                "multiple matches for labels: grouping labels must ensure unique matches".into()
            );
        }
        answered.push((key, labels.clone()));
        let rank = many.rank;
        if it.return_bool {
            let point = Point::Float(f64::from(u8::from(holds)));
            out.push(Element { labels, drops: self.settings.delayed_names, point, rank });
        } else if holds {
            out.push(Element { labels, drops: false, point: value, rank });
        }
        Ok(())
    }

    fn result_labels(
        &self,
        it: &Binary,
        matching: &VectorMatching,
        many: &Labels,
        one: &Labels,
    ) -> Labels {
        let keeps_name = it.op.is_comparison() || it.op.is_trim();
        let now = !keeps_name || it.return_bool && !self.settings.delayed_names;
        let labels = if now { without_metadata(many) } else { many.clone() };
        let listed = |name: &str| matching.labels.iter().any(|it| it == name);
        if matching.card == Cardinality::OneToOne {
            return labels.filter(|it| listed(it) == matching.on);
        }
        let mut labels = labels.to_builder();
        for name in &matching.include {
            labels.set(name, one.value(name));
        }
        labels.labels()
    }
}

/// The labels by which elements match.
fn key(matching: &VectorMatching, labels: &Labels) -> Labels {
    let listed = |name: &str| matching.labels.iter().any(|it| it == name);
    if matching.on {
        labels.filter(listed)
    } else {
        labels.filter(|it| it != METRIC_NAME && !listed(it))
    }
}

fn filler(key: &Labels, v: f64, rank: usize) -> Element {
    Element { labels: key.clone(), drops: false, point: Point::Float(v), rank }
}

fn check_unique(matching: &VectorMatching, one: &[Element], side: &str) -> Result<(), String> {
    for (at, it) in one.iter().enumerate() {
        let key = key(matching, &it.labels);
        let Some(other) = one[..at].iter().find(|it| self::key(matching, &it.labels) == key) else {
            continue;
        };
        let mut both = [it.labels.to_string(), other.labels.to_string()];
        both.sort();
        return Err(format!(
            "found duplicate series for the match group {key} on the {side} hand-side of the operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            both[0], both[1]
        ));
    }
    Ok(())
}

fn set(
    op: BinaryOp,
    matching: &VectorMatching,
    left: Vec<Element>,
    right: Vec<Element>,
) -> Vec<Element> {
    let among = |it: &Element, others: &[Element]| {
        let key = key(matching, &it.labels);
        others.iter().any(|it| self::key(matching, &it.labels) == key)
    };
    match op {
        BinaryOp::And => left.into_iter().filter(|it| among(it, &right)).collect(),
        BinaryOp::Unless => left.into_iter().filter(|it| !among(it, &right)).collect(),
        _ => {
            let added: Vec<Element> = right.into_iter().filter(|it| !among(it, &left)).collect();
            left.into_iter().chain(added).collect()
        }
    }
}
