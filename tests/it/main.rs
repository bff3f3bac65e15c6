//! The tests that need more than one module: one binary, so that it links once.

#![cfg(test)]

mod admin;
mod admin_disabling;
mod admin_races;
mod admin_search;
mod api_key_life;
mod assets;
mod authz;
mod cli;
mod client_address;
mod contract;
mod database_outages;
mod database_properties;
mod faces_mailkite;
mod faces_mailtd;
mod faces_momail;
mod faces_smtpd;
mod grpc_accounts;
mod grpc_api_keys;
mod grpc_refresh;
mod grpc_sessions;
mod health;
mod hostile_text;
mod https_only;
mod keys;
mod layering;
mod limits;
mod limits_nodes;
mod log_in_limits;
mod mailboxes;
mod metrics;
mod openapi;
mod organization_accounts;
mod poolers;
mod pow_vectors;
mod proof_of_work;
mod reflection;
mod rest_transcode;
mod server;
mod session_cap;
mod shapes;
mod store_contract;
mod support;
mod unread_bodies;
mod wire;
