//! `node_uname_info`: what kernel this is.

use client::Sink;
use model::MetricType;
use stdx::Clock;

use crate::source::{Error, Paths};

pub(crate) fn collect(_: &Paths, _: &dyn Clock, sink: &mut dyn Sink) -> Result<(), Error> {
    let uname = rustix::system::uname();
    let (sysname, release, version) = (
        uname.sysname().to_string_lossy(),
        uname.release().to_string_lossy(),
        uname.version().to_string_lossy(),
    );
    let (machine, nodename, domainname) = (
        uname.machine().to_string_lossy(),
        uname.nodename().to_string_lossy(),
        uname.domainname().to_string_lossy(),
    );
    sink.family(
        "node_uname_info",
        "Labeled system information as provided by the uname system call.",
        MetricType::Gauge,
    );
    let labels: [(&str, &str); 6] = [
        ("domainname", &domainname),
        ("machine", &machine),
        ("nodename", &nodename),
        ("release", &release),
        ("sysname", &sysname),
        ("version", &version),
    ];
    sink.sample(&labels, 1.0);
    Ok(())
}
