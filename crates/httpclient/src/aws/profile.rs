//! The user's files `credentials` and `config`.

use std::collections::BTreeMap;

use super::{AwsEnvironment, AwsKeys};

/// The keys and values of one profile, from both files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile(BTreeMap<String, String>);

impl Profile {
    /// Reads a profile; one that is nowhere, or files that cannot be read, are an empty one.
    pub(super) fn load(environment: &AwsEnvironment, name: &str) -> Self {
        let read = |variable: &str, file: &str| {
            let path = environment.file(variable, file);
            path.and_then(|it| std::fs::read_to_string(it).ok()).unwrap_or_default()
        };
        let mut profile = Self::default();
        let in_config = if name == "default" { name.to_owned() } else { format!("profile {name}") };
        profile.extend(&read("AWS_CONFIG_FILE", "config"), &in_config);
        // What stands in both files counts here.
        profile.extend(&read("AWS_SHARED_CREDENTIALS_FILE", "credentials"), name);
        profile
    }

    fn extend(&mut self, text: &str, section: &str) {
        let mut inside = false;
        for line in text.lines() {
            // Indented lines belong to a key whose values nobody here asks for.
            if line.starts_with([' ', '\t', '#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[') {
                let name = name.split(']').next().unwrap_or_default();
                inside = name.split_ascii_whitespace().eq(section.split_ascii_whitespace());
            } else if inside && let Some((key, value)) = line.split_once('=') {
                let value = value.split(" #").next().unwrap_or_default();
                self.0.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
            }
        }
    }

    /// The value of a key; empty if there is none.
    pub(super) fn get(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    /// Its keys, if it has them.
    pub(super) fn keys(&self) -> Option<AwsKeys> {
        let keys = AwsKeys {
            access_key: self.get("aws_access_key_id").to_owned(),
            secret_key: self.get("aws_secret_access_key").to_owned(),
            session_token: self.get("aws_session_token").to_owned(),
        };
        (!keys.access_key.is_empty() && !keys.secret_key.is_empty()).then_some(keys)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_both_files() {
        let mut profile = Profile::default();
        let config = "[default]\nregion=x\n\n[profile  p]\n# c\nregion = eu-west-1 # here\ns3 =\n  region = y\nrole_arn=r\n[profile q]\nregion=z\n";
        profile.extend(config, "profile p");
        profile.extend(
            "[p]\naws_access_key_id = A\nAWS_SECRET_ACCESS_KEY=s=\n[p2]\naws_session_token=t",
            "p",
        );
        assert_eq!((profile.get("region"), profile.get("role_arn")), ("eu-west-1", "r"));
        let keys = profile.keys().expect("both keys");
        assert_eq!(
            (&keys.access_key[..], &keys.secret_key[..], &keys.session_token[..]),
            ("A", "s=", "")
        );
        assert_eq!(format!("{keys:?}"), "AwsKeys { access_key: \"A\", .. }");
    }
}
