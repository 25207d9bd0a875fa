//! Where targets come from: `static_configs` and the `*_sd_configs`.

use std::collections::BTreeMap;

use model::{Labels, TargetGroup, quote};
use yaml::{Decode, Decoder, Fatal, Node, Value};

use super::mechanisms::MECHANISMS;
use super::relabel::no_nulls;
use crate::echo::Echo;
use crate::names::ValidationScheme;
use crate::paths::join;
use crate::scalar::duration;
use crate::section::{Section, read_sections};

/// The mechanisms of one job.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Discovery {
    /// Targets in the file itself.
    pub static_configs: Vec<StaticConfig>,
    /// Targets in other files.
    pub file: Vec<FileDiscovery>,
    /// All others by the key they were written under, such as `consul_sd_configs`.
    pub others: BTreeMap<&'static str, Vec<Section>>,
}

/// One group of targets written in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StaticConfig {
    /// Addresses.
    pub targets: Vec<String>,
    /// Labels of all of them.
    pub labels: BTreeMap<String, String>,
}

/// One entry of `file_sd_configs`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDiscovery {
    /// Patterns with `*` only in the last part.
    pub files: Vec<String>,
    /// Time after which the files are read again in any case.
    pub refresh_interval_ms: i64,
}

impl Discovery {
    /// The static targets as groups; the source is the place in the list.
    pub fn static_groups(&self) -> Vec<TargetGroup> {
        let groups = self.static_configs.iter().enumerate();
        groups.map(|(i, group)| group.to_group(i.to_string())).collect()
    }

    /// Reads one key if it is one of this block.
    pub(crate) fn field(
        &mut self,
        decoder: &mut Decoder,
        key: &str,
        value: Node<'_>,
    ) -> Result<bool, Fatal> {
        let null_text = format!("empty or null section in {key}");
        match key {
            "static_configs" => {
                let mut groups = Vec::new();
                decoder.set(value, &mut groups)?;
                self.static_configs = no_nulls(groups, &null_text)?;
            }
            "file_sd_configs" => {
                let mut files = Vec::new();
                decoder.set(value, &mut files)?;
                self.file = no_nulls(files, &null_text)?;
            }
            _ => {
                let Some((name, schema)) = MECHANISMS.iter().find(|it| it.0 == key) else {
                    return Ok(false);
                };
                self.others.insert(name, read_sections(decoder, value, schema, &null_text)?);
            }
        }
        Ok(true)
    }

    /// Refuses URLs where addresses belong.
    pub(crate) fn check_static_targets(&self) -> Result<(), Fatal> {
        let mut targets = self.static_configs.iter().flat_map(|it| &it.targets);
        match targets.find(|it| it.contains('/')) {
            Some(target) => Err(Fatal(format!("{} is not a valid hostname", quote(target)))),
            None => Ok(()),
        }
    }

    pub(crate) fn set_dir(&mut self, dir: &str) {
        self.file.iter_mut().flat_map(|it| &mut it.files).for_each(|it| join(dir, it));
        self.others.values_mut().flatten().for_each(|it| it.set_dir(dir));
    }

    pub(crate) fn echo(&self) -> Echo {
        let mut lists: Vec<(&str, Vec<Value>)> = self
            .others
            .iter()
            .map(|(name, it)| (*name, it.iter().map(Section::echo).collect()))
            .collect();
        lists
            .push(("static_configs", self.static_configs.iter().map(StaticConfig::echo).collect()));
        lists.push(("file_sd_configs", self.file.iter().map(FileDiscovery::echo).collect()));
        lists.sort_by_key(|it| it.0);
        let mut echo = Echo::default();
        lists.into_iter().for_each(|(name, list)| echo.list(name, list));
        echo
    }
}

impl StaticConfig {
    /// The group as discovery hands it on.
    pub fn to_group(&self, source: String) -> TargetGroup {
        let targets =
            self.targets.iter().map(|it| Labels::from_pairs([("__address__", it)])).collect();
        TargetGroup { source, targets, labels: Labels::from_pairs(&self.labels) }
    }

    fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.put("targets", Value::Seq(self.targets.iter().map(Value::str).collect()));
        let labels = self.labels.iter().map(|(name, value)| (name.clone(), Value::str(value)));
        echo.section("labels", Value::Map(labels.collect()));
        echo.value()
    }
}

impl Decode for StaticConfig {
    fn go_type() -> String {
        "targetgroup.Group".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let go_type = r#"struct { Targets []string "yaml:\"targets\""; Labels model.LabelSet "yaml:\"labels\"" }"#;
        let clean = decoder.fields(node, go_type, |decoder, key, value| {
            match key {
                "targets" => decoder.set(value, &mut self.targets)?,
                "labels" => decoder.set(value, &mut self.labels)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let bad = self.labels.keys().find(|it| !ValidationScheme::Utf8.is_label_name(it));
        match bad.filter(|_| clean) {
            Some(name) => Err(Fatal(format!("{} is not a valid label name", quote(name)))),
            None => Ok(()),
        }
    }
}

impl FileDiscovery {
    fn echo(&self) -> Value {
        let mut echo = Echo::default();
        echo.put("files", Value::Seq(self.files.iter().map(Value::str).collect()));
        echo.duration("refresh_interval", self.refresh_interval_ms);
        echo.value()
    }

    fn check(&self) -> Result<(), Fatal> {
        if self.files.is_empty() {
            let text = "file service discovery config must contain at least one path name";
            return Err(Fatal(text.into()));
        }
        match self.files.iter().find(|it| !is_file_pattern(it)) {
            Some(name) => {
                Err(Fatal(format!("path name {} is not valid for file discovery", quote(name))))
            }
            None => Ok(()),
        }
    }
}

impl Default for FileDiscovery {
    fn default() -> Self {
        Self { files: Vec::new(), refresh_interval_ms: 300_000 }
    }
}

impl Decode for FileDiscovery {
    fn go_type() -> String {
        "file.SDConfig".into()
    }

    fn decode(&mut self, node: Node<'_>, decoder: &mut Decoder) -> Result<(), Fatal> {
        let clean = decoder.fields(node, "file.plain", |decoder, key, value| {
            match key {
                "files" => decoder.set(value, &mut self.files)?,
                "refresh_interval" => duration(decoder, value, &mut self.refresh_interval_ms)?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        if clean { self.check() } else { Ok(()) }
    }
}

/// `*` only in the last part, and a known ending.
fn is_file_pattern(text: &str) -> bool {
    let ending = text.rsplit_once('.').map_or("", |it| it.1);
    matches!(ending, "json" | "yml" | "yaml" | "JSON" | "YML" | "YAML")
        && crate::paths::is_pattern(text)
}
