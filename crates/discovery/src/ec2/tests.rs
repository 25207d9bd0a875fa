//! Answers of the service, written by us after its documentation.

use std::sync::Arc;

use client::Registry;
use config::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::manager::Options as ManagerOptions;
use crate::metrics::Metrics;

const FULL: &str = "<item><instanceId>i-1</instanceId><imageId>ami-1</imageId>\
<instanceState><code>16</code><name>running</name></instanceState><privateDnsName>ip-1.internal</privateDnsName>\
<dnsName>ec2-1.example</dnsName><instanceType>t3.nano</instanceType>\
<placement><availabilityZone>mars-1a</availabilityZone></placement><platform>windows</platform>\
<subnetId>s-1</subnetId><vpcId>v-1</vpcId><privateIpAddress>10.0.0.1</privateIpAddress><ipAddress>203.0.113.1</ipAddress>\
<architecture>arm64</architecture><instanceLifecycle>spot</instanceLifecycle>\
<tagSet><item><key>Na-me</key><value>a &amp; b</value></item></tagSet>\
<networkInterfaceSet><item><subnetId>s-1</subnetId><attachment><deviceIndex>0</deviceIndex></attachment>\
<ipv6AddressesSet><item><ipv6Address>fd00::1</ipv6Address><isPrimaryIpv6>false</isPrimaryIpv6></item></ipv6AddressesSet></item>\
<item><subnetId>s-2</subnetId><attachment><deviceIndex>2</deviceIndex></attachment>\
<ipv6AddressesSet><item><ipv6Address>fd00::2</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item></ipv6AddressesSet></item>\
<item><subnetId>s-1</subnetId><attachment><deviceIndex>4000000000</deviceIndex></attachment>\
<ipv6AddressesSet><item><ipv6Address>fd00::3</ipv6Address><isPrimaryIpv6>true</isPrimaryIpv6></item></ipv6AddressesSet></item>\
</networkInterfaceSet></item>";

fn page(instances: &str, token: &str) -> String {
    format!(
        "<DescribeInstancesResponse xmlns=\"x\"><reservationSet><item><ownerId>o-1</ownerId><instancesSet>{instances}\
         </instancesSet></item></reservationSet><nextToken>{token}</nextToken></DescribeInstancesResponse>"
    )
}

fn check(instances: &str, expected: &[&str]) {
    let zones = HashMap::from([("mars-1a".to_owned(), "mrs1-az1".to_owned())]);
    let place = instance::Place { region: "mars-1", zones: Some(&zones), port: 80 };
    let root = xml::parse(&page(instances, "")).expect("a good page");
    let found = instance::targets(&root, &place);
    let found: Vec<String> =
        found.iter().map(|it| it.to_string().replace("__meta_ec2_", "")).collect();
    assert_eq!(found, expected);
}

#[test]
fn makes_labels_of_instances() {
    check(
        FULL,
        &[
            "{__address__=\"10.0.0.1:80\", ami=\"ami-1\", architecture=\"arm64\", availability_zone=\"mars-1a\", \
           availability_zone_id=\"mrs1-az1\", default_ipv6_address=\"fd00::2\", instance_id=\"i-1\", \
           instance_lifecycle=\"spot\", instance_state=\"running\", instance_type=\"t3.nano\", \
           ipv6_addresses=\",fd00::1,fd00::2,fd00::3,\", owner_id=\"o-1\", platform=\"windows\", \
           primary_ipv6_addresses=\",,,fd00::2,\", primary_subnet_id=\"s-1\", private_dns_name=\"ip-1.internal\", \
           private_ip=\"10.0.0.1\", public_dns_name=\"ec2-1.example\", public_ip=\"203.0.113.1\", region=\"mars-1\", \
           subnet_id=\",s-1,s-2,\", tag_Na_me=\"a & b\", vpc_id=\"v-1\"}",
        ],
    );
    let bare =
        "<item><instanceId>i-2</instanceId><privateIpAddress>10.0.0.2</privateIpAddress></item>";
    check(
        bare,
        &[
            "{__address__=\"10.0.0.2:80\", instance_id=\"i-2\", owner_id=\"o-1\", private_ip=\"10.0.0.2\", region=\"mars-1\"}",
        ],
    );
    let only_ipv6 = "<item><instanceId>i-3</instanceId><networkInterfaceSet><item><subnetId>s</subnetId><ipv6AddressesSet>\
                     <item><ipv6Address>fd00::4</ipv6Address></item></ipv6AddressesSet></item></networkInterfaceSet></item>";
    check(
        only_ipv6,
        &[
            "{__address__=\"[fd00::4]:80\", instance_id=\"i-3\", owner_id=\"o-1\", region=\"mars-1\"}",
        ],
    );
    check("<item><instanceId>i-4</instanceId></item>", &[]);
}

/// Answers each request by what `answer` says for its body. The requests go to the channel.
async fn serve(answer: fn(&str) -> (u16, String)) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("bound"));
    let (sender, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let sender = sender.clone();
            tokio::spawn(async move {
                let mut request = String::new();
                while let Ok(byte) = stream.read_u8().await {
                    request.push(char::from(byte));
                    let Some((head, body)) = request.split_once("\r\n\r\n") else { continue };
                    let len = head.lines().find_map(|it| it.strip_prefix("Content-Length: "));
                    if len.expect("a length").parse() != Ok(body.len()) {
                        continue;
                    }
                    let (status, body) = answer(body);
                    let reply = format!(
                        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    stream.write_all(reply.as_bytes()).await.expect("the client is there");
                    let _ = sender.send(std::mem::take(&mut request));
                }
            });
        }
    });
    (url, requests)
}

fn answer(body: &str) -> (u16, String) {
    let bare = |n: u32| {
        format!(
            "<item><instanceId>i-{n}</instanceId><privateIpAddress>10.0.0.{n}</privateIpAddress><placement><availabilityZone>z</availabilityZone></placement></item>"
        )
    };
    match body {
        it if it.contains("Action=DescribeAvailabilityZones") => (
            200,
            "<R><availabilityZoneInfo><item><zoneName>z</zoneName><zoneId>id</zoneId></item></availabilityZoneInfo></R>".into(),
        ),
        it if it.contains("NextToken=t%2B") => (200, page(&bare(2), "")),
        it if it.contains("Value.2=forbidden") => (
            403,
            "<Response><Errors><Error><Code>UnauthorizedOperation</Code><Message>no</Message></Error></Errors></Response>".into(),
        ),
        _ => (200, page(&bare(1), "t+")),
    }
}

fn lookup(keys: &str) -> Ec2Lookup {
    let text = format!("scrape_configs: [{{job_name: j, ec2_sd_configs: [{{{keys}}}]}}]");
    let config = Config::load(text.as_bytes(), &config::Options::default()).expect("good");
    let section = &config.scrape_configs[0].discovery.others["ec2_sd_configs"][0];
    let setup = Setup {
        name: "ec2",
        job: "j",
        section,
        http: &Options::default(),
        options: &ManagerOptions::new("scrape", "Pyrrha/1"),
        metrics: &Arc::new(Metrics::new(&Registry::default())),
    };
    let variables =
        [("AWS_ACCESS_KEY_ID", "AE"), ("AWS_SECRET_ACCESS_KEY", "s"), ("AWS_REGION", "mars-1")];
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Ec2Lookup::new(&setup, AwsEnvironment::new(environment)).expect("good options")
}

#[tokio::test]
async fn asks_page_by_page() {
    let (url, mut requests) = serve(answer).await;
    let keys = format!(
        "endpoint: '{url}', port: 9100, access_key: AK, secret_key: s, filters: [{{name: 'tag:a', values: [b, c]}}]"
    );
    let groups = lookup(&keys).look_up().await.unwrap_or_else(|why| panic!("{why}"));
    let [group] = &groups[..] else { panic!("one group") };
    assert_eq!(group.source, "mars-1");
    let show = |it: &Labels| {
        format!("{} {}", it.value("__address__"), it.value("__meta_ec2_availability_zone_id"))
    };
    assert_eq!(
        group.targets.iter().map(show).collect::<Vec<_>>(),
        ["10.0.0.1:9100 id", "10.0.0.2:9100 id"]
    );
    let zones = requests.recv().await.expect("a request");
    assert!(
        zones.contains("Credential=AK/") && zones.contains("/mars-1/ec2/aws4_request, "),
        "{zones}"
    );
    let first = requests.recv().await.expect("a request");
    let filters = "&Filter.1.Name=tag%3Aa&Filter.1.Value.1=b&Filter.1.Value.2=c";
    assert!(
        first.ends_with(&format!("Action=DescribeInstances&MaxResults=1000{filters}")),
        "{first}"
    );
    assert!(
        requests.recv().await.is_some_and(|it| it.ends_with(&format!("{filters}&NextToken=t%2B")))
    );
}

#[tokio::test]
async fn says_what_the_service_says() {
    let (url, mut requests) = serve(answer).await;
    let check = async |keys: &str, expected: &str| {
        let found = lookup(keys).look_up().await;
        assert_eq!(found.err().map(|it| it.to_string()).unwrap_or_default(), expected);
    };
    let forbidden = format!(
        "endpoint: '{url}', access_key: AK, filters: [{{name: a, values: [b, forbidden]}}]"
    );
    check(&forbidden, "could not describe instances: 403 Forbidden: UnauthorizedOperation: no")
        .await;
    let request = requests.recv().await.expect("a request");
    assert!(request.contains("Credential=AE/"), "half a key is none: {request}");
    check(
        "endpoint: '127.0.0.1:1'",
        "could not describe instances: Post \"https://127.0.0.1:1\": dial tcp 127.0.0.1:1: connect: connection refused",
    )
    .await;
}
