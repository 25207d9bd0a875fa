//! Tests of the whole program: started as users start it, asked over HTTP, with real programs as peers.

mod admin;
mod agent;
mod api;
mod backfill;
mod bad_input;
mod clients;
mod crash;
mod discovery;
mod features;
mod heavy_queries;
mod interchange;
mod pages;
mod promtool;
mod promtool_peer;
mod queries;
mod registries;
mod reload;
mod sample_app;
mod server;
mod start;
mod web_config;
mod zero;
