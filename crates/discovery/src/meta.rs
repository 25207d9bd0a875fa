//! Names of metadata labels.

/// Returns a name with `_` for whatever a label's name should not have: what follows a mechanism's prefix, such as
/// `__meta_docker_container_label_`, where others choose the names.
pub(crate) fn label_name(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().map(|c| if allowed(c) { c } else { '_' }).collect()
}

#[cfg(test)]
mod tests {
    use super::label_name;

    #[test]
    fn replaces_what_is_no_name() {
        assert_eq!(label_name("app.kubernetes.io/name"), "app_kubernetes_io_name");
        assert_eq!(label_name("größe-1_a"), "gr__e_1_a");
    }
}
