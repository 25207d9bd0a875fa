//! Which proxy a request goes through, and which hosts are reached without one.

use std::net::IpAddr;
use std::sync::Arc;

use percent_encoding::percent_decode_str;
use url::Url;

use crate::auth::basic;
use crate::options::Proxy;

/// What is spoken with a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Http,
    /// HTTP over TLS.
    Https,
    /// It looks names up, with `socks5` as with `socks5h`.
    Socks5,
}

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    pub(crate) kind: Kind,
    /// Without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<(String, String)>,
}

/// Shows no user and no password.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({})", self.kind, self.address())
    }
}

impl Server {
    fn parse(text: &str) -> Result<Self, String> {
        let invalid = |error| format!("invalid proxy address {text:?}: {error}");
        let url = match Url::parse(text) {
            Ok(url) if url.has_host() => url,
            Err(error) if text.contains("://") => return Err(invalid(error)),
            // Without a scheme it is meant to be HTTP.
            _ => Url::parse(&format!("http://{text}")).map_err(invalid)?,
        };
        let (kind, port) = match url.scheme() {
            "http" => (Kind::Http, 80),
            "https" => (Kind::Https, 443),
            "socks5" | "socks5h" => (Kind::Socks5, 1080),
            other => return Err(format!("proxy: unknown scheme: {other}")),
        };
        let decode = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = (decode(url.username()), decode(url.password().unwrap_or_default()));
        let host = url.host_str().unwrap_or_default();
        Ok(Self {
            kind,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port().unwrap_or(port),
            user: Some(user).filter(|it| !it.0.is_empty()),
        })
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The value of `Proxy-Authorization`, if the URL named a user.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.user.as_ref().map(|(name, password)| basic(name, password))
    }
}

/// The proxies of a client. One whose URL is wrong fails the requests that need it.
#[derive(Debug)]
pub(crate) struct Proxies {
    http: Option<Result<Arc<Server>, String>>,
    https: Option<Result<Arc<Server>, String>>,
    bypass: Vec<Rule>,
    /// This machine is reached directly, as always where a `NO_PROXY` list is in play.
    direct_to_loopback: bool,
}

impl Proxies {
    pub(crate) fn new(proxy: &Proxy) -> Self {
        let parse = |url: &str| (!url.is_empty()).then(|| Server::parse(url).map(Arc::new));
        let (http, https, no_proxy, direct_to_loopback) = match proxy {
            Proxy::None => (None, None, "", false),
            Proxy::Fixed { url, no_proxy } => {
                (parse(url), parse(url), no_proxy.as_str(), !no_proxy.is_empty())
            }
            Proxy::Environment { http, https, no_proxy } => {
                (parse(http), parse(https), no_proxy.as_str(), true)
            }
        };
        Self { http, https, bypass: rules(no_proxy), direct_to_loopback }
    }

    /// The proxy on the way to `host`, which has no brackets.
    ///
    /// # Errors
    /// What is wrong with the proxy's URL.
    pub(crate) fn of(
        &self,
        https: bool,
        host: &str,
        port: u16,
    ) -> Result<Option<Arc<Server>>, String> {
        let Some(proxy) = (if https { &self.https } else { &self.http }) else { return Ok(None) };
        let ip: Option<IpAddr> = host.parse().ok();
        let is_loopback =
            host.eq_ignore_ascii_case("localhost") || ip.is_some_and(|it| it.is_loopback());
        let is_direct = self.direct_to_loopback && is_loopback
            || self.bypass.iter().any(|it| it.matches(&host.to_ascii_lowercase(), ip, port));
        if is_direct { Ok(None) } else { proxy.clone().map(Some) }
    }
}

/// One entry of a `NO_PROXY` list.
#[derive(Debug, PartialEq, Eq)]
enum Rule {
    Everything,
    Network {
        address: IpAddr,
        bits: u32,
    },
    Address {
        address: IpAddr,
        port: Option<u16>,
    },
    /// `suffix` starts with a dot; `itself`: the name without that dot is meant too.
    Domain {
        suffix: String,
        itself: bool,
        port: Option<u16>,
    },
}

/// Reads a list; what makes no sense in it is passed over, as upstream does.
fn rules(list: &str) -> Vec<Rule> {
    list.split(',').filter_map(|it| rule(it.trim().to_ascii_lowercase().as_str())).collect()
}

fn rule(text: &str) -> Option<Rule> {
    if text == "*" {
        return Some(Rule::Everything);
    }
    if let Some((address, bits)) = text.split_once('/') {
        let (address, bits) = (address.parse().ok()?, bits.parse().ok()?);
        let width = if matches!(address, IpAddr::V4(_)) { 32 } else { 128 };
        return (bits <= width).then_some(Rule::Network { address, bits });
    }
    if let Ok(address) = text.trim_start_matches('[').trim_end_matches(']').parse() {
        return Some(Rule::Address { address, port: None });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port.parse().ok()?)),
        None => (text, None),
    };
    if let Ok(address) = host.trim_start_matches('[').trim_end_matches(']').parse() {
        return Some(Rule::Address { address, port });
    }
    let host = host.strip_prefix('*').filter(|it| it.starts_with('.')).unwrap_or(host);
    let itself = !host.starts_with('.');
    let suffix = if itself { format!(".{host}") } else { host.to_owned() };
    (1 < suffix.len()).then_some(Rule::Domain { suffix, itself, port })
}

impl Rule {
    fn matches(&self, host: &str, ip: Option<IpAddr>, at: u16) -> bool {
        let port_fits = |port: &Option<u16>| port.is_none_or(|it| it == at);
        match self {
            Self::Everything => true,
            Self::Network { address, bits } => ip.is_some_and(|it| shares(*address, it, *bits)),
            Self::Address { address, port } => ip == Some(*address) && port_fits(port),
            Self::Domain { suffix, itself, port } => {
                (host.ends_with(suffix) || *itself && *host == suffix[1..]) && port_fits(port)
            }
        }
    }
}

/// True if the first `bits` bits are the same.
fn shares(a: IpAddr, b: IpAddr, bits: u32) -> bool {
    let difference = match (a, b) {
        (IpAddr::V4(a), IpAddr::V4(b)) => u128::from(a.to_bits() ^ b.to_bits()) << 96,
        (IpAddr::V6(a), IpAddr::V6(b)) => a.to_bits() ^ b.to_bits(),
        _ => return false,
    };
    bits <= difference.leading_zeros()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bypass(list: &str, url: &str, expected: bool) {
        let proxy = Proxy::Fixed { url: "http://proxy".into(), no_proxy: list.into() };
        let (host, port) = url.rsplit_once(':').expect("a port");
        let port = port.parse().expect("a number");
        let found = Proxies::new(&proxy).of(false, host, port).expect("a good URL");
        assert_eq!(found.is_none(), expected, "{list:?} {url}");
    }

    #[test]
    fn passes_by_for_listed_hosts() {
        check_bypass("", "localhost:80", false);
        check_bypass("x", "localhost:80", true);
        check_bypass("x", "127.8.0.1:80", true);
        check_bypass("x", "::1:80", true);
        check_bypass("a.org", "a.org:80", true);
        check_bypass("a.org", "B.A.org:80", true);
        check_bypass("a.org", "ba.org:80", false);
        check_bypass(".a.org", "a.org:80", false);
        check_bypass("*.a.org", "b.a.org:80", true);
        check_bypass("*.a.org", "a.org:80", false);
        check_bypass(" x , a.org:81 ", "a.org:81", true);
        check_bypass("a.org:81", "a.org:80", false);
        check_bypass("10.0.0.0/8", "10.1.2.3:80", true);
        check_bypass("10.0.0.0/8", "11.1.2.3:80", false);
        check_bypass("10.0.0.0/33,/,a/b,:,[", "11.1.2.3:80", false);
        check_bypass("0.0.0.0/0", "11.1.2.3:80", true);
        check_bypass("fd00::/8", "fd12::1:80", true);
        check_bypass("fd00::/8", "10.1.2.3:80", false);
        check_bypass("10.1.2.3:81,[fd00::1]:82", "10.1.2.3:80", false);
        check_bypass("10.1.2.3:81,[fd00::1]:82", "fd00::1:82", true);
        check_bypass("*", "a.org:80", true);
    }

    fn check_url(text: &str, expected: Result<&str, &str>) {
        let found = Server::parse(text).map(|it| format!("{it:?} {:?}", it.user));
        assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
    }

    #[test]
    fn reads_proxy_urls() {
        check_url("http://proxy:3128/", Ok("Http(proxy:3128) None"));
        check_url("proxy:3128", Ok("Http(proxy:3128) None"));
        check_url("proxy", Ok("Http(proxy:80) None"));
        check_url("https://[::1]", Ok("Https([::1]:443) None"));
        check_url("socks5h://u%40:p@s", Ok("Socks5(s:1080) Some((\"u@\", \"p\"))"));
        check_url("ftp://proxy", Err("proxy: unknown scheme: ftp"));
        check_url("http://", Err("invalid proxy address \"http://\": empty host"));
    }
}
