//! Target groups: what service discovery finds.

use crate::Labels;

/// Targets from one source that share labels. A group without targets says that its source is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TargetGroup {
    /// Names the group among all groups of its mechanism; a later group of the same source replaces it.
    pub source: String,
    /// Labels of each target; `__address__` names it.
    pub targets: Vec<Labels>,
    /// Labels that all targets share; a target's own win.
    pub labels: Labels,
}
