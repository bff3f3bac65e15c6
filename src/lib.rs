//! Countersign: a gRPC-first identity service.
//!
//! A request enters at the top and falls straight down; nothing calls upwards.
//!
//! ```text
//! connection ─ server ─ layers ─┬─ grpc ──────────────┐
//!                               ├─ rest, faces ─ (clients of) grpc
//!                               └─ pages ─────────────┴─ domain ─┬─ limits
//!                                                                ├─ crypto
//!                                                                └─ store ─ SQLite | Postgres
//! ```
//!
//! The pages of `pages` ask the domain nothing so far; those that do come with OAuth.
//!
//! Who may import whom is a table in `docs/ARCHITECTURE.md`, which `tests/it/layering.rs` holds the code to.

// The futures of a sign-in through another provider are nested deeper than the compiler's default allows.
#![recursion_limit = "256"]

pub mod app;
pub mod capped;
pub mod cli;
pub mod config;
pub mod crypto;
pub mod domain;
pub mod env;
pub mod error;
pub mod faces;
pub mod grpc;
pub mod jobs;
pub mod layers;
pub mod limits;
pub mod log;
pub mod mail;
pub mod metrics;
pub mod model;
pub mod outbound;
pub mod pages;
pub mod pb;
pub mod rest;
pub mod server;
pub mod store;
pub mod telemetry;
