//! Relabelling: rules that change a label set, or drop it.
//!
//! # Design
//!
//! A [`Rule`] is the typed form of one item of `relabel_configs` and its relatives, with its expression
//! compiled. [`process`] runs rules over a set; [`process_in_place`] does the same in a builder that the
//! caller keeps, without building the set; [`steps`] shows what each rule does. Rules see what the rules before them did; a drop ends the row.
//!
//! # Costs
//!
//! A rule without `$` in its templates only asks whether the expression matches, which mostly does
//! not run the engine; the default expression `(.*)` never does. A value is copied once when it is
//! written, and once more where several source labels are joined.
//!
//! # What it does not do
//!
//! Read YAML: `config` does, with its defaults; [`Rule::validate`] has the texts for rules whose fields do
//! not go together.

mod case;
mod md5;
mod process;
mod rule;

pub use process::{process, process_in_place, steps};
pub use rule::{Action, InvalidRule, Rule};
