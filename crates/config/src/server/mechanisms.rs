//! All discovery mechanisms but `static` and `file`, and what their tables share.

use super::{clouds, kubernetes, services};
use crate::section::Http::{self, Client};
use crate::section::Kind::{Bool, File, Int, Text, Texts};
use crate::section::{Field, Kind, Preset, Schema, field, kept, no_check, preset};

/// Every mechanism by its key.
pub(crate) static MECHANISMS: [(&str, &Schema); 35] = [
    ("aws_sd_configs", &clouds::AWS),
    ("azure_sd_configs", &clouds::AZURE),
    ("consul_sd_configs", &services::CONSUL),
    ("digitalocean_sd_configs", &clouds::DIGITALOCEAN),
    ("dns_sd_configs", &services::DNS),
    ("docker_sd_configs", &services::DOCKER),
    ("dockerswarm_sd_configs", &services::DOCKERSWARM),
    ("ec2_sd_configs", &clouds::EC2),
    ("ecs_sd_configs", &clouds::AWS_CLUSTERS),
    ("elasticache_sd_configs", &clouds::AWS_CLUSTERS),
    ("eureka_sd_configs", &services::EUREKA),
    ("gce_sd_configs", &clouds::GCE),
    ("hetzner_sd_configs", &clouds::HETZNER),
    ("http_sd_configs", &services::HTTP),
    ("ionos_sd_configs", &clouds::IONOS),
    ("kubernetes_sd_configs", &kubernetes::KUBERNETES),
    ("kuma_sd_configs", &services::KUMA),
    ("lightsail_sd_configs", &clouds::LIGHTSAIL),
    ("linode_sd_configs", &clouds::LINODE),
    ("marathon_sd_configs", &services::MARATHON),
    ("msk_sd_configs", &clouds::AWS_CLUSTERS),
    ("nerve_sd_configs", &services::ZOOKEEPER),
    ("nomad_sd_configs", &services::NOMAD),
    ("oci_sd_configs", &clouds::OCI),
    ("openstack_sd_configs", &clouds::OPENSTACK),
    ("outscale_sd_configs", &clouds::OUTSCALE),
    ("ovhcloud_sd_configs", &clouds::OVHCLOUD),
    ("puppetdb_sd_configs", &services::PUPPETDB),
    ("rds_sd_configs", &clouds::AWS_CLUSTERS),
    ("scaleway_sd_configs", &clouds::SCALEWAY),
    ("serverset_sd_configs", &services::ZOOKEEPER),
    ("stackit_sd_configs", &clouds::STACKIT),
    ("triton_sd_configs", &clouds::TRITON),
    ("uyuni_sd_configs", &services::UYUNI),
    ("vultr_sd_configs", &clouds::VULTR),
];

pub(super) const HTTP_CLIENT: Http = Client { http2: true };
pub(super) const PORT: Field = preset("port", Int, Preset::Int(80));
pub(super) const REFRESH: Field = refresh(60);

pub(super) const fn refresh(seconds: i64) -> Field {
    preset("refresh_interval", Kind::Duration, Preset::Int(seconds * 1000))
}

pub(super) const fn tls() -> Field {
    preset("tls_config", Kind::Section(&TLS), Preset::Zero)
}

pub(super) static TLS: Schema = Schema {
    go_type: "config.plain",
    fields: &[
        field("ca", Text),
        field("cert", Text),
        field("key", Kind::Secret),
        field("ca_file", File),
        field("cert_file", File),
        field("key_file", File),
        field("server_name", Text),
        kept("insecure_skip_verify", Bool, Preset::Zero),
        field("min_version", Text),
        field("max_version", Text),
    ],
    http: Http::None,
    check: no_check,
};

/// A filter of EC2 and of Docker.
pub(super) static FILTER: Schema = Schema {
    go_type: "moby.Filter",
    fields: &[field("name", Text), field("values", Texts)],
    http: Http::None,
    check: no_check,
};

/// Refuses with `text` unless `condition` holds.
pub(crate) fn require(condition: bool, text: &str) -> Result<(), String> {
    if condition { Ok(()) } else { Err(text.to_owned()) }
}
