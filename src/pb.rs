//! The generated contract: messages, services, the descriptor, and the checks of its field rules.

pub mod validate;

use std::sync::OnceLock;

use prost_reflect::{DescriptorError, DescriptorPool};

/// Messages, clients and servers of `countersign.v1`.
#[expect(
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated; the comments stand in the proto files"
)]
pub mod v1 {
    tonic::include_proto!("countersign.v1");
}

/// The contract as an encoded `google.protobuf.FileDescriptorSet`, with options and comments.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/countersign.binpb"));

/// The contract's descriptor, decoded once and shared.
///
/// # Errors
/// The descriptor does not hold together; no build that starts has such a one.
pub fn pool() -> Result<DescriptorPool, DescriptorError> {
    static POOL: OnceLock<DescriptorPool> = OnceLock::new();
    if let Some(pool) = POOL.get() {
        return Ok(pool.clone());
    }
    let pool = DescriptorPool::decode(DESCRIPTORS)?;
    Ok(POOL.get_or_init(|| pool).clone())
}

/// The domain of every `google.rpc.ErrorInfo` that this service sends (AIP-193).
pub const ERROR_DOMAIN: &str = "countersign";

/// The metadata of `google.rpc.ErrorInfo` that names the limit which a call ran into.
pub const LIMIT: &str = "limit";
/// The metadata that says how many calls pass in a window.
pub const LIMIT_CALLS: &str = "limit_calls";
/// The metadata that says how long a window is.
pub const LIMIT_WINDOW_SECONDS: &str = "limit_window_seconds";
