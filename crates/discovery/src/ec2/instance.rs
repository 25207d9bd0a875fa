//! From what the service says about an instance to a target's labels.

use std::collections::HashMap;

use model::{Labels, LabelsBuilder};
use stdx::xml::Element;

use crate::meta::label_name;

/// Network interfaces of one instance; the place of one with a higher number is not kept.
const DEVICES_MAX: usize = 256;

/// What the instances of a page share.
pub(super) struct Place<'a> {
    pub(super) region: &'a str,
    /// The ids of zones by name, if they are known.
    pub(super) zones: Option<&'a HashMap<String, String>>,
    pub(super) port: i64,
}

/// The targets of a page of reservations.
pub(super) fn targets(page: &Element, place: &Place<'_>) -> Vec<Labels> {
    let reservations = page.items("reservationSet").iter();
    let instances = reservations.flat_map(|reservation| {
        let owner = reservation.text_at(&["ownerId"]);
        reservation.items("instancesSet").iter().map(move |it| (owner, it))
    });
    instances.filter_map(|(owner, it)| target(it, owner, place)).collect()
}

/// Labels whose text stands in the answer as it is.
const PLAIN: [(&str, &[&str]); 9] = [
    ("instance_id", &["instanceId"]),
    ("private_ip", &["privateIpAddress"]),
    ("private_dns_name", &["privateDnsName"]),
    ("platform", &["platform"]),
    ("ami", &["imageId"]),
    ("instance_state", &["instanceState", "name"]),
    ("instance_type", &["instanceType"]),
    ("instance_lifecycle", &["instanceLifecycle"]),
    ("architecture", &["architecture"]),
];

/// An instance's labels; `None` if it has no address.
fn target(instance: &Element, owner: &str, place: &Place<'_>) -> Option<Labels> {
    let mut labels = LabelsBuilder::default();
    let networks = Networks::of(instance);
    let address = match instance.text_at(&["privateIpAddress"]) {
        "" => format!("[{}]", networks.default_ipv6()?),
        private => private.to_owned(),
    };
    labels.set("__address__", &format!("{address}:{}", place.port));
    let mut set = |name: &str, value: &str| _ = labels.set(&format!("__meta_ec2_{name}"), value);
    set("region", place.region);
    set("owner_id", owner);
    for (name, path) in PLAIN {
        set(name, instance.text_at(path));
    }
    if !instance.text_at(&["ipAddress"]).is_empty() {
        set("public_ip", instance.text_at(&["ipAddress"]));
        set("public_dns_name", instance.text_at(&["dnsName"]));
    }
    let zone = instance.text_at(&["placement", "availabilityZone"]);
    set("availability_zone", zone);
    set("availability_zone_id", place.zones.and_then(|it| it.get(zone)).map_or("", String::as_str));
    if !instance.text_at(&["vpcId"]).is_empty() {
        set("vpc_id", instance.text_at(&["vpcId"]));
        set("primary_subnet_id", instance.text_at(&["subnetId"]));
        networks.set_labels(&mut set);
    }
    for tag in instance.items("tagSet") {
        set(&format!("tag_{}", label_name(tag.text_at(&["key"]))), tag.text_at(&["value"]));
    }
    Some(labels.labels())
}

/// What an instance's network interfaces have.
#[derive(Default)]
struct Networks<'a> {
    subnets: Vec<&'a str>,
    ipv6: Vec<&'a str>,
    /// Primary addresses at the place of their interface; empty for those that have none.
    primary_ipv6: Vec<&'a str>,
}

impl<'a> Networks<'a> {
    fn of(instance: &'a Element) -> Self {
        let mut found = Self::default();
        for interface in instance.items("networkInterfaceSet") {
            let subnet = interface.text_at(&["subnetId"]);
            if subnet.is_empty() {
                continue;
            }
            if !found.subnets.contains(&subnet) {
                found.subnets.push(subnet);
            }
            let place = interface.text_at(&["attachment", "deviceIndex"]).parse().unwrap_or(0);
            for address in interface.items("ipv6AddressesSet") {
                let text = address.text_at(&["ipv6Address"]);
                found.ipv6.push(text);
                if address.text_at(&["isPrimaryIpv6"]) == "true" && place < DEVICES_MAX {
                    let len = found.primary_ipv6.len().max(place + 1);
                    found.primary_ipv6.resize(len, "");
                    found.primary_ipv6[place] = text;
                }
            }
        }
        found
    }

    /// The first primary address, else the first of all.
    fn default_ipv6(&self) -> Option<&'a str> {
        let primary = self.primary_ipv6.iter().find(|it| !it.is_empty());
        primary.or(self.ipv6.first()).copied()
    }

    fn set_labels(&self, set: &mut impl FnMut(&str, &str)) {
        set("default_ipv6_address", self.default_ipv6().unwrap_or_default());
        let lists = [
            ("subnet_id", &self.subnets),
            ("ipv6_addresses", &self.ipv6),
            ("primary_ipv6_addresses", &self.primary_ipv6),
        ];
        for (name, list) in lists.iter().filter(|it| !it.1.is_empty()) {
            set(name, &format!(",{},", list.join(",")));
        }
    }
}
