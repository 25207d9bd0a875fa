//! Pyrrha: Prometheus, whole, in one program.
//!
//! `pyrrha SUBCOMMAND` is one of the programs it takes the place of; called through a link of such a program's
//! name it is that program. Without a subcommand it is the zero-config start.

mod flag;
mod host;
mod log;
mod promtool;
mod server;

use std::process::ExitCode;

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// What the allocator is told: give back after a second what is free, from a thread of its own. Its default of ten
/// seconds keeps as much again in reserve while the open chunks of all series grow in step. And look through a
/// thread's cache each 4 MiB that it takes, not each 64 KiB: one page of a target is more than that; buffers of
/// up to 128 KiB are kept there.
#[cfg(feature = "jemalloc")]
#[expect(unsafe_code, reason = "jemalloc finds its settings by the name of a symbol")]
// SAFETY: the name and the type, a pointer to text that ends in 0, are what jemalloc documents; nothing else has it.
#[unsafe(export_name = "_rjem_malloc_conf")]
pub static MALLOC_CONF: &[u8; 107] =
    b"background_thread:true,dirty_decay_ms:1000,muzzy_decay_ms:0,tcache_gc_incr_bytes:4194304,tcache_max:131072\0";

/// The version, as `--version` and the API show it.
const VERSION: &str = env!("CARGO_PKG_VERSION");

const USAGE: &str = "\
Pyrrha: Prometheus, whole, in one program.

  pyrrha                     scrape this host and itself, show them at http://127.0.0.1:9090
  pyrrha server [FLAGS]      in place of prometheus
  pyrrha promtool COMMAND    in place of promtool

pyrrha server --help lists the flags; a link named prometheus or promtool is that program.
";

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().collect();
    let called = args.first().map_or("", String::as_str);
    let name = called.rsplit('/').next().unwrap_or("").to_owned();
    match name.as_str() {
        "prometheus" => return server::main(args, false),
        "promtool" => return promtool::main(args),
        _ => {}
    }
    match args.get(1).map(String::as_str) {
        Some("server") => server::main(args.split_off(1), false),
        Some("promtool") => promtool::main(args.split_off(1)),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            ExitCode::SUCCESS
        }
        Some("version" | "--version") => {
            println!("pyrrha, version {VERSION}");
            ExitCode::SUCCESS
        }
        Some(other) if !other.starts_with('-') => {
            eprint!("pyrrha: there is no {other}\n\n{USAGE}");
            ExitCode::from(2)
        }
        _ => server::main(args, true),
    }
}
