//! From a name as it was written to an answer: which names are tried, and which servers are asked.

use std::net::SocketAddr;
use std::path::Path;

use tokio::net::lookup_host;
use tracing::warn;

use super::exchange::ask;
use super::message::{Answer, Code, Kind, Record};
use crate::discoverer::Failure;

/// How many servers and search domains are taken; more are passed over.
const SERVERS_MAX: usize = 16;
const DOMAINS_MAX: usize = 32;

/// The part of `resolv.conf` that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resolver {
    /// In the order in which they are asked: `host` or, as on OpenBSD, `[host]:port`.
    servers: Vec<String>,
    /// Domains that are tried behind a name.
    search: Vec<String>,
    /// From how many dots on a name is tried as it is before the domains.
    dots_min: usize,
}

impl Resolver {
    /// Reads the file anew: it changes when a machine moves.
    pub(super) async fn read(path: &Path) -> Result<Self, Failure> {
        let failed = |why: std::io::Error| {
            let why = why.to_string().to_lowercase();
            let why = why.split(" (os error").next().unwrap_or_default();
            Failure(format!("could not load resolv.conf: open {}: {why}", path.display()))
        };
        let text = tokio::fs::read(path).await.map_err(failed)?;
        Ok(Self::parse(&String::from_utf8_lossy(&text)))
    }

    fn parse(text: &str) -> Self {
        let mut it = Self { servers: Vec::new(), search: Vec::new(), dots_min: 1 };
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            match words.next() {
                Some("nameserver") => it.servers.extend(words.next().map(str::to_owned)),
                Some("domain") => it.search = words.take(1).map(str::to_owned).collect(),
                Some("search") => it.search = words.map(str::to_owned).collect(),
                Some("options") => {
                    let mut dots = words.filter_map(|it| it.strip_prefix("ndots:")?.parse().ok());
                    it.dots_min = dots.next_back().unwrap_or(it.dots_min).min(15);
                }
                _ => {}
            }
        }
        it.servers.truncate(SERVERS_MAX);
        it.search.truncate(DOMAINS_MAX);
        it
    }

    /// Returns the records of a name, none if it does not exist.
    ///
    /// The names that the search list makes of it are tried in turn until one exists.
    ///
    /// # Errors
    /// No name exists, and it is not sure of all of them that they do not.
    pub(super) async fn look_up(&self, name: &str, kind: Kind) -> Result<Vec<Record>, Failure> {
        let mut all_answered = true;
        for full in self.names(name) {
            match self.ask_servers(&full, kind).await {
                Ok(Answer { code: Code::Success, records, .. }) => return Ok(records),
                Ok(_) => {}
                Err(why) => {
                    all_answered = false;
                    warn!(name = full, err = %why, "DNS resolution failed");
                }
            }
        }
        if all_answered {
            return Ok(Vec::new());
        }
        let name = model::quote(name);
        Err(Failure(format!(
            "could not resolve {name}: all servers responded with errors to at least one search domain"
        )))
    }

    /// The full names to try.
    fn names(&self, name: &str) -> Vec<String> {
        if name.ends_with('.') {
            return vec![name.to_owned()];
        }
        let mut names: Vec<String> = self
            .search
            .iter()
            .map(|domain| format!("{name}.{}.", domain.trim_matches('.')))
            .map(|it| it.trim_end_matches('.').to_owned() + ".")
            .collect();
        let has_dots = self.dots_min <= name.matches('.').count();
        names.insert(if has_dots { 0 } else { names.len() }, format!("{name}."));
        names
    }

    /// Asks one server after the other until one says that the name exists, or that it does not.
    async fn ask_servers(&self, name: &str, kind: Kind) -> Result<Answer, Failure> {
        for server in &self.servers {
            let answer = match address(server).await {
                Ok(address) => ask(address, name, kind).await,
                Err(why) => Err(why),
            };
            match answer {
                Ok(answer) if matches!(answer.code, Code::Success | Code::NoSuchName) => {
                    return Ok(answer);
                }
                Ok(answer) => warn!(server, name, code = ?answer.code, "DNS resolution failed"),
                Err(why) => warn!(server, name, err = %why, "DNS resolution failed"),
            }
        }
        Err(Failure(format!("could not resolve {name}: no servers returned a viable answer")))
    }
}

/// Where a server listens.
async fn address(server: &str) -> Result<SocketAddr, Failure> {
    let (host, port) = match server.strip_prefix('[').and_then(|it| it.split_once("]:")) {
        Some((host, port)) => (host, port.parse().unwrap_or(0)),
        None => (server, 53),
    };
    // Numbers only, with the name of an interface maybe; that takes no server.
    let mut found = lookup_host((host, port)).await.map_err(|it| Failure(it.to_string()))?;
    found.next().ok_or_else(|| Failure(format!("{server} has no address")))
}

#[cfg(test)]
mod tests {
    use super::Resolver;

    fn check(resolv_conf: &str, name: &str, expected: &str) {
        assert_eq!(Resolver::parse(resolv_conf).names(name).join(" "), expected, "{resolv_conf}");
    }

    #[test]
    fn tries_names_as_the_search_list_says() {
        check("search a b.", "x", "x.a. x.b. x.");
        check("search a b", "x.y", "x.y. x.y.a. x.y.b.");
        check("search a\noptions timeout:1 ndots:2", "x.y", "x.y.a. x.y.");
        check("search a", "x.", "x.");
        check("search .", "x", "x. x.");
        check("search a\ndomain b c", "x", "x.b. x.");
        check("# search a\n;\noptions ndots:x", "x", "x.");
    }
}
