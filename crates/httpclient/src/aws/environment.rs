//! What the program's environment says to AWS clients.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::options::Proxy;

/// The variables that matter, as they were when this was made.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AwsEnvironment(BTreeMap<String, Shown>);

/// A value that may be a secret.
#[derive(Clone, PartialEq, Eq)]
struct Shown(String);

impl std::fmt::Debug for Shown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("<secret>")
    }
}

impl AwsEnvironment {
    /// The environment of this program.
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    /// An environment of these variables.
    pub fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let matters = |name: &str| {
            name.starts_with("AWS_")
                || name == "HOME"
                || name.to_ascii_uppercase().ends_with("_PROXY")
        };
        let variables = variables.into_iter().filter(|it| matters(&it.0));
        Self(variables.map(|(name, value)| (name, Shown(value))).collect())
    }

    /// The value of the first variable that has one.
    pub(super) fn first(&self, names: &[&str]) -> Option<&str> {
        names
            .iter()
            .filter_map(|it| self.0.get(*it))
            .map(|it| it.0.as_str())
            .find(|it| !it.is_empty())
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.first(&[name])
    }

    pub(super) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|it| it.eq_ignore_ascii_case("true"))
    }

    /// The user's file: where `variable` says, or `~/.aws/NAME`.
    pub(super) fn file(&self, variable: &str, name: &str) -> Option<PathBuf> {
        let given = self.get(variable).map(PathBuf::from);
        given.or_else(|| Some(PathBuf::from(self.get("HOME")?).join(".aws").join(name)))
    }

    pub(super) fn proxy(&self) -> Proxy {
        let text = |names: &[&str]| self.first(names).unwrap_or_default().to_owned();
        Proxy::Environment {
            http: text(&["HTTP_PROXY", "http_proxy"]),
            https: text(&["HTTPS_PROXY", "https_proxy"]),
            no_proxy: text(&["NO_PROXY", "no_proxy"]),
        }
    }
}
