//! Names from a real server (`dnsmasq`), and servers that misbehave.

use std::fs;
use std::net::TcpStream;
use std::time::Duration;

use client::Registry;
use testkit::{Program, free_port, peer, wait_for};
use tokio::net::UdpSocket;

use super::*;

const LONG: Duration = Duration::from_secs(20);

/// What `dnsmasq` knows. Names of `test` that are not here do not exist, others it refuses.
const RECORDS: [&str; 11] = [
    "--local=/test/",
    "--host-record=one.test,127.0.0.1,::1",
    "--host-record=two.sub.test,127.0.0.2",
    "--cname=other.test,one.test",
    "--srv-host=_web._tcp.test,one.test,9090,1,2",
    "--srv-host=_web._tcp.test,two.sub.test,9091",
    "--mx-host=test,mail.test,10",
    // Name servers, as bytes of a record: the name `ns.test.`
    "--dns-rr=test,2,02:6e:73:04:74:65:73:74:00",
    "--dns-rr=odd.test,99,00",
    "--dns-rr=empty.test,16,00",
    "--edns-packet-max=1232",
];

/// A server and a folder, in which `resolv.conf` is.
struct Fixture {
    folder: tempfile::TempDir,
    /// Held so that it runs.
    _server: Option<Program>,
    port: u16,
}

impl Fixture {
    /// Starts `dnsmasq`; `None` if it is not installed.
    fn start() -> Option<Self> {
        let dnsmasq = peer("dnsmasq")?;
        let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
        let listen = format!("--port={port}");
        let many: Vec<String> =
            (0..200).map(|it| format!("--host-record=many.test,10.0.0.{it}")).collect();
        let mut args =
            vec!["--no-daemon", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", &listen];
        args.extend(["--listen-address=127.0.0.1", "--bind-interfaces"]);
        args.extend(RECORDS);
        args.extend(many.iter().map(String::as_str));
        let server = Program::start(&dnsmasq, &args, folder.path(), &folder.path().join("log"));
        wait_for("dnsmasq", LONG, || TcpStream::connect(("127.0.0.1", port)).ok());
        Some(Self { folder, _server: Some(server), port })
    }

    /// Without a server.
    fn alone() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), _server: None, port: 0 }
    }

    /// Looks names up; `SERVER` in `resolv.conf` is where the server listens. Groups are printed as
    /// `name: address {other labels} …`, failures as `N failed`.
    async fn look_up(&self, resolv_conf: &str, kind: Kind, names: &[&str]) -> String {
        let path = self.folder.path().join("resolv.conf");
        let server = format!("[127.0.0.1]:{}", self.port);
        fs::write(&path, resolv_conf.replace("SERVER", &server)).expect("a file");
        let registry = Registry::default();
        let mut lookup = lookup(kind, names, path, &registry);
        let mut groups = Vec::new();
        while groups.is_empty() || !lookup.unfinished.is_empty() {
            let found = lookup.look_up().await.expect("names fail on their own");
            groups.extend(found);
            if lookup.metrics.dns_lookup_failures.value() != 0.0 {
                break;
            }
        }
        groups.sort_by(|a, b| a.source.cmp(&b.source));
        let mut lines: Vec<String> = groups.iter().map(print).collect();
        let n_failed = lookup.metrics.dns_lookup_failures.value();
        if n_failed != 0.0 {
            lines.push(format!("{n_failed} failed"));
        }
        lines.join("; ")
    }
}

fn lookup(kind: Kind, names: &[&str], resolv_conf: PathBuf, registry: &Registry) -> DnsLookup {
    DnsLookup {
        names: names.iter().map(|it| (*it).to_owned()).collect(),
        kind,
        port: 80,
        resolv_conf,
        metrics: Arc::new(Metrics::new(registry)),
        permits: Arc::new(Semaphore::new(LOOKUPS_MAX)),
        running: JoinSet::new(),
        unfinished: HashMap::new(),
    }
}

fn print(group: &TargetGroup) -> String {
    let print = |target: &Labels| {
        assert_eq!(target.value(NAME_LABEL), group.source);
        let others = target.filter(|it| it != ADDRESS_LABEL && it != NAME_LABEL);
        format!(" {} {others}", target.value(ADDRESS_LABEL))
    };
    let targets: String = group.targets.iter().map(print).collect();
    format!("{}:{targets}", group.source)
}

#[tokio::test]
async fn finds_records_of_all_kinds() {
    let Some(it) = Fixture::start() else { return };
    let check = async |kind: Kind, name: &str, expected: &str| {
        let found = it.look_up("nameserver SERVER", kind, &[name]).await;
        assert_eq!(found, format!("{name}:{expected}"));
    };
    check(Kind::A, "one.test", " 127.0.0.1:80 {}").await;
    check(Kind::A, "one.test.", " 127.0.0.1:80 {}").await;
    check(Kind::A, "other.test", " 127.0.0.1:80 {}").await;
    check(Kind::Aaaa, "one.test", " [::1]:80 {}").await;
    check(
        Kind::Srv,
        "_web._tcp.test",
        " one.test:9090 {__meta_dns_srv_record_port=\"9090\", __meta_dns_srv_record_target=\"one.test.\"} two.sub.test:9091 {__meta_dns_srv_record_port=\"9091\", __meta_dns_srv_record_target=\"two.sub.test.\"}",
    )
    .await;
    check(Kind::Mx, "test", " mail.test:80 {__meta_dns_mx_record_target=\"mail.test.\"}").await;
    check(Kind::Ns, "test", " ns.test:80 {__meta_dns_ns_record_target=\"ns.test.\"}").await;
    // There is no such name, and there is no such record.
    check(Kind::A, "none.test", "").await;
    check(Kind::A, "empty.test", "").await;
}

#[tokio::test]
async fn asks_again_over_tcp_what_is_too_long() {
    let Some(it) = Fixture::start() else { return };
    let found = it.look_up("nameserver SERVER", Kind::A, &["many.test"]).await;
    assert_eq!(found.matches(":80 {}").count(), 200, "{found}");
}

#[tokio::test]
async fn keeps_to_resolv_conf() {
    let Some(it) = Fixture::start() else { return };
    let check = async |resolv_conf: &str, names: &[&str], expected: &str| {
        assert_eq!(it.look_up(resolv_conf, Kind::A, names).await, expected, "{resolv_conf}");
    };
    let found = "two: 127.0.0.2:80 {}";
    check("nameserver SERVER\nsearch x.test sub.test", &["two"], found).await;
    check("nameserver SERVER\nsearch x.test\ndomain sub.test", &["two"], found).await;
    // Not all could say that there is no such name; others are none the worse for it.
    let search = "nameserver SERVER\nsearch elsewhere";
    check(search, &["none.test", "one.test"], "one.test: 127.0.0.1:80 {}; 1 failed").await;
    check("nameserver SERVER\noptions ndots:2\nsearch sub.test", &["none.test"], "none.test:")
        .await;
    check("search test", &["one"], "1 failed").await;
    // A dead server, one that is none, and one that answers.
    let dead = free_port();
    let servers = format!("nameserver [127.0.0.1]:{dead}\nnameserver x\nnameserver SERVER");
    check(&servers, &["one.test"], "one.test: 127.0.0.1:80 {}").await;
    let gone = it.folder.path().join("none");
    let why = look_up(&gone, "one.test", Kind::A).await.expect_err("there is no file").to_string();
    let expected =
        format!("could not load resolv.conf: open {}: no such file or directory", gone.display());
    assert_eq!(why, expected);
}

/// A server over UDP that answers each message with what `answer` makes of it.
async fn stub(answer: fn(&[u8]) -> Vec<Vec<u8>>) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let port = socket.local_addr().expect("bound").port();
    tokio::spawn(async move {
        let mut message = [0; 512];
        while let Ok((len, from)) = socket.recv_from(&mut message).await {
            for reply in answer(&message[..len]) {
                let _ = socket.send_to(&reply, from).await;
            }
        }
    });
    port
}

/// The question, marked as answered with a code.
fn with_code(question: &[u8], code: u8) -> Vec<u8> {
    let mut reply = question.to_vec();
    (reply[2], reply[3]) = (0x80, code);
    reply
}

async fn check_stub(answer: fn(&[u8]) -> Vec<Vec<u8>>, expected: &str) {
    let it = Fixture { port: stub(answer).await, ..Fixture::alone() };
    assert_eq!(it.look_up("nameserver SERVER", Kind::A, &["a.test"]).await, expected);
}

#[tokio::test]
async fn bears_servers_that_misbehave() {
    check_stub(|it| vec![with_code(it, 2)], "1 failed").await;
    check_stub(|it| vec![with_code(it, 5)], "1 failed").await;
    check_stub(|_| Vec::new(), "1 failed").await;
    check_stub(|_| vec![b"garbage".to_vec(), vec![0xff; 60_000]], "1 failed").await;
    // The answer to another question is passed over.
    let forged = |it: &[u8]| {
        let mut other = with_code(it, 2);
        other[0] ^= 1;
        vec![other, with_code(it, 3)]
    };
    check_stub(forged, "a.test:").await;
    // Who does not know EDNS (the last count of the header) is asked without.
    check_stub(|it| vec![with_code(it, if it[11] == 1 { 1 } else { 3 })], "a.test:").await;
    // Truncated, and nobody listens on TCP.
    let truncated = |it: &[u8]| {
        let mut reply = with_code(it, 0);
        reply[2] |= 2;
        vec![reply]
    };
    check_stub(truncated, "1 failed").await;
}

#[tokio::test]
async fn waits_for_slow_names_beside_the_others() {
    let Some(it) = Fixture::start() else { return };
    // It listens and never says anything: a name takes the full time of an exchange with each.
    let silent = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let silent = format!("nameserver [127.0.0.1]:{}\n", silent.local_addr().expect("bound").port());
    let path = it.folder.path().join("slow");
    fs::write(&path, silent.repeat(2)).expect("a file");
    let registry = Registry::default();
    let mut slow = lookup(Kind::A, &["one.test"], path.clone(), &registry);
    assert_eq!(slow.look_up().await, Ok(Vec::new()), "nothing yet");
    assert_eq!(slow.unfinished.len(), 1);
    // It is not started a second time, and its end is taken in later.
    slow.start();
    assert_eq!(slow.running.len(), 1);
    fs::write(&path, format!("nameserver [127.0.0.1]:{}", it.port)).expect("a file");
    while slow.metrics.dns_lookups.value() == 0.0 {
        slow.look_up().await.expect("names fail on their own");
    }
    let found = slow.look_up().await.expect("names fail on their own");
    assert_eq!(found.iter().map(print).collect::<String>(), "one.test: 127.0.0.1:80 {}");
}
