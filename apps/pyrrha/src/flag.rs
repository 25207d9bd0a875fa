//! Command lines as upstream's programs take them: long flags, `--no-…` twins of switches, exit 2 on a
//! mistake.

use std::collections::BTreeMap;

use clap::{Arg, ArgAction, ArgMatches, Command};

/// One flag: a row of a program's table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flag {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What holds if the flag is not given; `""` for nothing.
    pub(crate) default: &'static str,
    pub(crate) help: &'static str,
}

/// What a flag takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing: on or off. `--no-NAME` turns it off.
    Switch,
    /// One value; the last one wins.
    Value,
    /// One value each time it is given.
    List,
    /// As `Value`, not shown in the help.
    Hidden,
    /// As `Switch`, not shown in the help.
    HiddenSwitch,
}

/// Adds the flags of a table to a command.
pub(crate) fn add(mut command: Command, table: &'static [Flag]) -> Command {
    for flag in table {
        let arg = Arg::new(flag.name).long(flag.name).help(flag.help);
        command = match flag.kind {
            Kind::Switch | Kind::HiddenSwitch => {
                let arg = arg.hide(flag.kind == Kind::HiddenSwitch);
                let no = format!("no-{}", flag.name);
                let twin =
                    Arg::new(no.clone()).long(no.clone()).hide(true).action(ArgAction::SetTrue);
                command
                    .arg(arg.action(ArgAction::SetTrue).overrides_with(&no))
                    .arg(twin.overrides_with(flag.name))
            }
            Kind::Value => command.arg(with_default(arg.action(ArgAction::Set), flag)),
            Kind::Hidden => command.arg(with_default(arg.action(ArgAction::Set), flag).hide(true)),
            Kind::List => command.arg(with_default(arg.action(ArgAction::Append), flag)),
        };
    }
    command.args_override_self(true)
}

fn with_default(arg: Arg, flag: &Flag) -> Arg {
    let arg = arg.value_name("VALUE").allow_hyphen_values(true);
    if flag.default.is_empty() { arg } else { arg.default_value(flag.default) }
}

/// The values of a parsed command line.
pub(crate) struct Values<'a> {
    matches: &'a ArgMatches,
    table: &'static [Flag],
}

impl<'a> Values<'a> {
    pub(crate) fn new(matches: &'a ArgMatches, table: &'static [Flag]) -> Self {
        Self { matches, table }
    }

    /// The value of a flag that takes one; `""` if there is none.
    pub(crate) fn text(&self, name: &str) -> &'a str {
        self.matches.get_one::<String>(name).map_or("", String::as_str)
    }

    /// All values of a repeatable flag.
    pub(crate) fn list(&self, name: &str) -> Vec<String> {
        self.matches.get_many::<String>(name).map_or_else(Vec::new, |it| it.cloned().collect())
    }

    /// Whether a switch is on.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        let default = self.table.iter().any(|it| it.name == name && it.default == "true");
        let no = format!("no-{name}");
        let is_off = self.matches.try_get_one::<bool>(&no).ok().flatten() == Some(&true);
        (default || self.matches.get_flag(name)) && !is_off
    }

    /// Flags that were given on the command line.
    pub(crate) fn given(&self) -> Vec<&'static str> {
        let is_given = |it: &&Flag| {
            self.matches.value_source(it.name) == Some(clap::parser::ValueSource::CommandLine)
        };
        self.table.iter().filter(is_given).map(|it| it.name).collect()
    }

    /// Every flag with its value as text, as `/api/v1/status/flags` shows them.
    pub(crate) fn all(&self) -> BTreeMap<String, String> {
        let value = |flag: &Flag| match flag.kind {
            Kind::Switch | Kind::HiddenSwitch => self.is_on(flag.name).to_string(),
            Kind::Value | Kind::Hidden => self.text(flag.name).to_owned(),
            Kind::List => self.list(flag.name).join(","),
        };
        self.table.iter().map(|it| (it.name.to_owned(), value(it))).collect()
    }
}
