//! The zero-config start: what it scrapes, and the six lines it prints.

use std::net::SocketAddr;

use scrape::{Job, Page, Source};

use super::settings::Settings;

/// The configuration of the zero-config start. Both jobs are read in this process, without HTTP. The interval is
/// short, so that the first graph comes soon.
pub(super) const CONFIG: &[u8] = b"\
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
- job_name: prometheus
  static_configs:
  - targets: ['localhost:9090']
- job_name: node
  static_configs:
  - targets: ['localhost:9100']
";

/// Lets the jobs of [`CONFIG`] read pages of this process.
pub(super) fn set_sources(jobs: &mut [Job], own: &Page, host: &Page) {
    for job in jobs {
        job.source = Source::Page(if job.name == "node" { host.clone() } else { own.clone() });
    }
}

/// Says what is where.
pub(super) fn print(addresses: &[SocketAddr], settings: &Settings) {
    let at = addresses.first().map_or_else(String::new, |it| format!("http://{it}"));
    let data = std::path::absolute(&settings.data).unwrap_or_else(|_| settings.data.clone());
    println!(
        "Pyrrha {}: this host and the server itself are being scraped every second.",
        crate::VERSION
    );
    println!("  graphs    {at}/query");
    println!("  targets   {at}/targets");
    println!("  API       {at}/api/v1/query?query=up");
    println!("  data      {}", data.display());
    println!(
        "  stop      Ctrl-C; with a configuration of your own: pyrrha server --config.file=prometheus.yml"
    );
}
