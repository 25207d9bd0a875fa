//! Tests of the crate: pages against a naive model, loops in paused time, targets on loopback.

mod bad_input;
mod fake;
mod http;
mod kinds;
mod loops;
mod pages;
mod starts;
