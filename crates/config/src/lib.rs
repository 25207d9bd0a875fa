//! Every YAML file, as its writer meant it: defaults, checks, secrets.
//!
//! # Design
//!
//! Each section is a plain struct that others translate into options of their own; nobody but this crate
//! knows YAML. Reading is [`yaml::Decode`]: a section reads its keys in the order of the text, notes what
//! has the wrong shape, and then checks itself, so messages and their order are upstream's. What depends
//! on several sections (the jobs inherit from `global`) is done last.
//!
//! ```text
//! bytes ─yaml▶ nodes ─Decode▶ sections ─inherit, check▶ Config ─to_yaml▶ what took effect, secrets hidden
//! ```
//!
//! Sections for parts that do not run yet are read by tables ([`Section`]) with the same strictness;
//! [`Config::not_acted_upon`] names those that are in use. Discovery mechanisms have tables for another reason: there
//! are many, and `discovery` takes their sections as they are.
//!
//! Files are reached through a [`stdx::Directory`], the environment through [`Options::env`].
//!
//! - [`Config`] is `prometheus.yml`.
//! - [`rules`] has rule files.
//! - [`target_file`] has files with targets.
//! - [`WebConfig`] is the file of `--web.config.file`.
//! - [`check`] is what `promtool check config` and `check rules` say.
//!
//! Not here: opening certificates and secret files, looking at target files, running anything.

pub mod check;
mod echo;
mod error;
mod names;
mod paths;
pub mod rules;
mod scalar;
mod secret;
mod section;
mod server;
pub mod size;
pub mod target_file;
mod web;

pub use error::Error;
pub use names::{EscapingScheme, ScrapeProtocol, ValidationScheme};
pub use paths::glob as files_of;
pub use secret::Secret;
pub use section::{Item, Section};
pub use server::{
    Alerting, Alertmanagers, Authorization, BasicAuth, Config, DEFAULT_MAX_EXEMPLARS,
    DEFAULT_RETENTION_MS, Discovery, FileDiscovery, FloatEncoding, Global, Header, HttpClient,
    Limits, OAuth2, Options, Proxy, RelabelConfig, Retention, ScrapeConfig, StaticConfig, Storage,
    Switches, Tls, TlsVersion, Tsdb,
};
pub use web::{ClientAuth, RateLimit, WebConfig, WebTls};
