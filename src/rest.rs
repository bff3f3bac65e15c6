//! REST: a translator in front of the contract's services, never a second API.

mod challenge;
pub mod channel;
pub mod connect;
mod contract;
pub mod faces;
pub mod fault;
pub mod forward;
pub mod json;
pub mod openapi;
mod pace;
mod percent;
pub mod probes;
mod proto_json;
#[cfg(test)]
mod testing;
pub mod transcode;
mod unary;
pub mod well_known;

pub use contract::ContractError;
