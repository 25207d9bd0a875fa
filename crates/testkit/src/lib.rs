//! What tests share: a disk that crashes, time that stands still, real programs as peers.
//!
//! - [`CrashingDirectory`]: a directory in memory that loses what a crash loses, decided by a seed.
//! - [`SettableClock`]: time that a test moves. [`Random`]: numbers that a seed decides.
//! - [`Program`]: a child process that dies with its test; [`peer`] finds a peer's program and says in
//!   plain words when it is missing; [`http`] asks a server on loopback; [`WriteRequest`] is what it is sent
//!   by remote write.
//! - [`stub`]: servers that a test makes up; [`Consul`] and [`Kubernetes`] are two that keep what is put in.
//!
//! For tests only.

mod clock;
mod consul;
mod crashing;
pub mod http;
mod kubernetes;
mod program;
mod random;
mod remote_write;
pub mod stub;

pub use clock::SettableClock;
pub use consul::Consul;
pub use crashing::CrashingDirectory;
pub use kubernetes::Kubernetes;
pub use program::{Program, free_port, peer, wait_for};
pub use random::Random;
pub use remote_write::{Value, WriteRequest};
