//! REST: a translator in front of the contract's services, never a second API.

pub mod call;
pub mod challenge;
pub mod channel;
pub mod connect;
mod contract;
pub(crate) mod error_headers;
pub mod form;
pub mod forward;
pub mod json;
pub mod openapi;
mod percent;
pub mod probes;
mod proto_json;
#[cfg(test)]
mod testing;
pub mod transcode;
pub(crate) mod unary;
pub mod well_known;

pub use contract::ContractError;
