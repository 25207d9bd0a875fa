//! `dns_sd_configs`: targets are what names resolve to.
//!
//! The resolver is our own, as upstream's is: the system's knows addresses only. It reads `resolv.conf` at each refresh,
//! asks its servers in turn and tries its search list. The messages are few and simple enough to be written here;
//! libraries for them bring a resolver's worth of dependencies.
//!
//! Each name is a group, looked up on its own. One that fails keeps its targets; one that does not exist has none. A
//! slow one delays nobody: it is reported at the refresh at which it is done.

mod exchange;
mod message;
mod resolver;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use model::{Labels, LabelsBuilder, TargetGroup};
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};
use tracing::{error, warn};

use self::message::{Kind, Record};
use self::resolver::Resolver;
use crate::address::host_and_port;
use crate::discoverer::{Discoverer, Failure};
use crate::mechanism::Setup;
use crate::metrics::Metrics;
use crate::refresh::Lookup;

const ADDRESS_LABEL: &str = "__address__";
const NAME_LABEL: &str = "__meta_dns_name";
const SRV_TARGET_LABEL: &str = "__meta_dns_srv_record_target";
const SRV_PORT_LABEL: &str = "__meta_dns_srv_record_port";
const MX_TARGET_LABEL: &str = "__meta_dns_mx_record_target";
const NS_TARGET_LABEL: &str = "__meta_dns_ns_record_target";

/// How many names are looked up at a time.
const LOOKUPS_MAX: usize = 32;

/// How long a refresh waits for its names. Those that take longer are taken in by the next.
const WAIT_MAX: Duration = Duration::from_secs(3);

/// How long a name is tried at most, whatever `resolv.conf` offers.
const NAME_TIME_MAX: Duration = Duration::from_secs(60);

struct DnsLookup {
    names: Vec<String>,
    kind: Kind,
    /// Of targets whose records have none.
    port: i64,
    resolv_conf: PathBuf,
    metrics: Arc<Metrics>,
    permits: Arc<Semaphore>,
    running: JoinSet<Result<Vec<Record>, Failure>>,
    /// The names that are being looked up.
    unfinished: HashMap<Id, String>,
}

pub(crate) fn build(setup: &Setup<'_>) -> Result<Box<dyn Discoverer>, Failure> {
    let section = setup.section;
    let kind = match section.text("type").to_ascii_uppercase().as_str() {
        "A" => Kind::A,
        "AAAA" => Kind::Aaaa,
        "MX" => Kind::Mx,
        "NS" => Kind::Ns,
        _ => Kind::Srv,
    };
    Ok(setup.refreshed(DnsLookup {
        names: section.texts("names").to_vec(),
        kind,
        port: section.int("port"),
        resolv_conf: setup.options.resolv_conf.clone(),
        metrics: Arc::clone(setup.metrics),
        permits: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        running: JoinSet::new(),
        unfinished: HashMap::new(),
    }))
}

impl Lookup for DnsLookup {
    async fn look_up(&mut self) -> Result<Vec<TargetGroup>, Failure> {
        self.start();
        let deadline = Instant::now() + WAIT_MAX;
        let mut groups = Vec::new();
        while let Ok(Some(ended)) = timeout_at(deadline, self.running.join_next_with_id()).await {
            let (id, found) = match ended {
                Ok((id, found)) => (id, found),
                Err(why) => (why.id(), Err(Failure(why.to_string()))),
            };
            let Some(name) = self.unfinished.remove(&id) else { continue };
            groups.extend(self.group(&name, found));
        }
        Ok(groups)
    }
}

impl DnsLookup {
    /// Starts to look up the names that are not being looked up still.
    fn start(&mut self) {
        let unfinished: HashSet<String> = self.unfinished.values().cloned().collect();
        for name in self.names.iter().filter(|it| !unfinished.contains(*it)) {
            let (name, path) = (name.clone(), self.resolv_conf.clone());
            let (kind, permits) = (self.kind, Arc::clone(&self.permits));
            let look_up = {
                let name = name.clone();
                async move {
                    let _permit = permits.acquire().await;
                    let found = timeout(NAME_TIME_MAX, look_up(&path, &name, kind)).await;
                    found.unwrap_or_else(|_| Err(Failure(format!("{name} took too long"))))
                }
            };
            self.unfinished.insert(self.running.spawn(look_up).id(), name);
        }
    }

    fn group(&self, name: &str, found: Result<Vec<Record>, Failure>) -> Option<TargetGroup> {
        self.metrics.dns_lookups.inc();
        match found {
            Ok(records) => {
                let targets = records.iter().filter_map(|it| target(it, name, self.port));
                // Servers give them in any order.
                let targets = targets.collect::<BTreeSet<_>>().into_iter().collect();
                Some(TargetGroup { source: name.to_owned(), targets, labels: Labels::empty() })
            }
            Err(why) => {
                self.metrics.dns_lookup_failures.inc();
                error!(err = %why, "Error refreshing DNS targets");
                None
            }
        }
    }
}

async fn look_up(resolv_conf: &Path, name: &str, kind: Kind) -> Result<Vec<Record>, Failure> {
    Resolver::read(resolv_conf).await?.look_up(name, kind).await
}

/// What a record of a name says; `None` if nothing.
fn target(record: &Record, name: &str, port: i64) -> Option<Labels> {
    let mut labels = LabelsBuilder::default();
    labels.set(NAME_LABEL, name);
    let found = match record {
        Record::A(ip) => address(&ip.to_string(), port),
        Record::Aaaa(ip) => address(&ip.to_string(), port),
        Record::Srv(target, port) => {
            labels.set(SRV_TARGET_LABEL, target).set(SRV_PORT_LABEL, &port.to_string());
            address(target, port)
        }
        Record::Mx(target) => {
            labels.set(MX_TARGET_LABEL, target);
            address(target, port)
        }
        Record::Ns(target) => {
            labels.set(NS_TARGET_LABEL, target);
            address(target, port)
        }
        Record::Alias => return None,
        Record::Other(kind) => {
            warn!(name, record = kind, "Invalid record");
            return None;
        }
    };
    Some(labels.set(ADDRESS_LABEL, &found).labels())
}

/// The host without the dot at its end, and the port.
fn address(name: &str, port: impl Display) -> String {
    host_and_port(name.trim_end_matches('.'), port)
}

/// Reads what follows the header and the question of an answer: first how many records there are said to be.
#[cfg(any(fuzzing, test))]
pub(crate) fn fuzz(body: &[u8]) {
    let question = message::Question::new(1, "a.example", Kind::Srv).expect("a good name");
    let mut message = question.encode(false);
    // It is an answer.
    message[2] |= 0x80;
    if let Some((n_records, records)) = body.split_first_chunk::<2>() {
        message[6..8].copy_from_slice(n_records);
        message.extend_from_slice(records);
    }
    let _ = question.decode(&message);
    let _ = question.decode(body);
}
