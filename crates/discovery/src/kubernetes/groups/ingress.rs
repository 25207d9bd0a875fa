//! Ingresses: a target for each path of each host.

use model::{Labels, LabelsBuilder};

use super::{ADDRESS, Made, add_meta, add_namespace, label};
use crate::kubernetes::cluster::Lookup;
use crate::kubernetes::object::{Ingress, IngressRule};

pub(super) fn group(ingress: &Ingress, lookup: &mut Lookup<'_>) -> Made {
    let mut shared = LabelsBuilder::default();
    add_namespace(&mut shared, &ingress.metadata.namespace, lookup);
    add_meta(&mut shared, "ingress", &ingress.metadata);
    let class = ingress.spec.ingress_class_name.as_deref();
    shared.set(&label("ingress", "class_name"), class.unwrap_or_default());
    let mut targets = Vec::new();
    for rule in &ingress.spec.rules {
        let scheme = if has_tls(ingress, &rule.host) { "https" } else { "http" };
        targets.extend(paths(rule).map(|path| target(&rule.host, scheme, path)));
    }
    Some((targets, shared))
}

/// The paths of a rule; one without any is about everything.
fn paths(rule: &IngressRule) -> impl Iterator<Item = &str> {
    let none = rule.http.paths.is_empty().then_some("/");
    let written = rule.http.paths.iter().map(|it| it.path.as_ref());
    none.into_iter().chain(written.map(|it| if it.is_empty() { "/" } else { it }))
}

fn target(host: &str, scheme: &str, path: &str) -> Labels {
    let pairs = [
        (ADDRESS.to_owned(), host),
        (label("ingress", "host"), host),
        (label("ingress", "scheme"), scheme),
        (label("ingress", "path"), path),
    ];
    Labels::from_pairs(pairs)
}

fn has_tls(ingress: &Ingress, host: &str) -> bool {
    let mut patterns = ingress.spec.tls.iter().flat_map(|it| &it.hosts);
    patterns.any(|pattern| is_match(pattern, host))
}

/// True if the host is the pattern, or, where that begins with `*.`, the same but for its first part.
fn is_match(pattern: &str, host: &str) -> bool {
    if pattern == host {
        return true;
    }
    let rest = host.split_once('.').filter(|it| !it.0.is_empty()).map(|it| it.1);
    pattern.strip_prefix("*.").is_some_and(|it| !it.is_empty() && Some(it) == rest)
}

#[cfg(test)]
mod tests {
    use super::is_match;

    #[test]
    fn a_star_is_one_part() {
        let yes = [("a.b", "a.b"), ("*.b.c", "a.b.c"), ("*.b", "*.b")];
        let no =
            [("*.b", "b"), ("*.b", ".b"), ("*.c", "a.b.c"), ("*", "a"), ("*.", "a."), ("", "a")];
        yes.iter().for_each(|it| assert!(is_match(it.0, it.1), "{it:?}"));
        no.iter().for_each(|it| assert!(!is_match(it.0, it.1), "{it:?}"));
    }
}
