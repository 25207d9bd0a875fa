//! What tests share: real programs as peers, and a small HTTP client to ask them.
//!
//! [`Program`] is a child process that dies with its test; [`peer`] finds a peer's program and says in plain
//! words when it is missing; [`http`] asks a server on loopback. For tests only.

pub mod http;
mod program;

pub use program::{Program, free_port, peer, wait_for};
