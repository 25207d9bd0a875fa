//! Labels of what a Docker engine knows.

use std::collections::{BTreeMap, HashMap};

use model::Labels;

use super::api::Network;
use crate::discoverer::Failure;
use crate::meta;

/// All labels of all targets: some 100 MB.
const LABELS_MAX: usize = 2_000_000;

/// Names without the mechanism's prefix, and values.
pub(crate) type Pairs = BTreeMap<String, String>;

/// Targets as they are made: there may be as many as ports in all networks, each with all labels.
pub(crate) struct Targets {
    prefix: &'static str,
    n_labels: usize,
    all: Vec<Labels>,
}

impl Targets {
    pub(crate) fn new(prefix: &'static str) -> Self {
        Self { prefix, n_labels: 0, all: Vec::new() }
    }

    /// Adds one; of equal names the last wins.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn push(&mut self, address: &str, sets: &[&Pairs]) -> Result<(), Failure> {
        self.n_labels += sets.iter().map(|it| it.len()).sum::<usize>() + 1;
        if LABELS_MAX < self.n_labels {
            return Err(Failure(format!("more than {LABELS_MAX} labels")));
        }
        let pairs: BTreeMap<&String, &String> = sets.iter().copied().flatten().collect();
        let named: Vec<(String, &String)> = pairs
            .into_iter()
            .map(|(name, value)| (format!("{}{name}", self.prefix), value))
            .collect();
        let named = named.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        self.all.push(Labels::from_sorted([("__address__", address)].into_iter().chain(named)));
        Ok(())
    }

    pub(crate) fn finish(self) -> Vec<Labels> {
        self.all
    }
}

/// The labels of all networks, by id.
pub(crate) fn of_networks(networks: Vec<Network>) -> HashMap<String, Pairs> {
    networks.into_iter().map(|it| (it.id.clone(), of_network(it))).collect()
}

fn of_network(it: Network) -> Pairs {
    let mut pairs = pairs([
        ("network_id", it.id),
        ("network_name", it.name),
        ("network_scope", it.scope),
        ("network_internal", it.internal.to_string()),
        ("network_ingress", it.ingress.to_string()),
    ]);
    pairs.extend(prefixed("network_label_", it.labels.iter().flatten()));
    pairs
}

pub(crate) fn pairs<const N: usize>(pairs: [(&str, String); N]) -> Pairs {
    pairs.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Labels that others named.
pub(crate) fn prefixed<'a>(
    prefix: &'static str,
    labels: impl Iterator<Item = (&'a String, &'a String)>,
) -> impl Iterator<Item = (String, String)> {
    labels.map(move |(name, value)| (format!("{prefix}{}", meta::label_name(name)), value.clone()))
}
