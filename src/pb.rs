//! The generated contract: messages, services, the descriptor, and the checks of its field rules.

#[cfg(test)]
mod generate;
pub mod validate;

use std::sync::OnceLock;

use prost_reflect::{DescriptorError, DescriptorPool, MethodDescriptor};

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

/// What operators do.
pub mod admin {
    /// Messages, clients and servers of `countersign.admin.v1`.
    #[expect(
        clippy::allow_attributes,
        clippy::allow_attributes_without_reason,
        clippy::too_many_lines,
        reason = "generated; the comments stand in the proto files"
    )]
    pub mod v1 {
        tonic::include_proto!("countersign.admin.v1");
    }
}

/// What the names of the contract's packages start with.
pub const PACKAGES: &str = "countersign.";

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

/// The extension that holds the policy of an rpc.
const POLICY: &str = "countersign.v1.policy";

/// The policies of the contract cannot be read; no build that starts has such ones.
#[derive(Debug, thiserror::Error)]
pub enum PolicyError {
    /// The descriptor does not hold together.
    #[error("the contract's descriptor cannot be read: {0}")]
    Descriptor(#[from] DescriptorError),
    /// The contract does not define what a policy is.
    #[error("the contract does not define {POLICY}")]
    Undefined,
    /// The policy is not one.
    #[error("the policy of an rpc cannot be read: {0}")]
    Unreadable(#[from] prost::DecodeError),
}

/// The policy that an rpc states. One that states none gets the empty policy, which nobody passes.
///
/// # Errors
/// The contract does not hold together.
pub fn policy(rpc: &MethodDescriptor) -> Result<v1::RpcPolicy, PolicyError> {
    let extension = rpc.parent_pool().get_extension_by_name(POLICY);
    let options = rpc.options();
    match options
        .get_extension(&extension.ok_or(PolicyError::Undefined)?)
        .as_message()
    {
        Some(policy) => Ok(policy.transcode_to()?),
        None => Ok(v1::RpcPolicy::default()),
    }
}

/// The domain of every `google.rpc.ErrorInfo` that this service sends (AIP-193).
pub const ERROR_DOMAIN: &str = "countersign";

/// The metadata of `google.rpc.ErrorInfo` that names the limit which a call ran into.
pub const LIMIT: &str = "limit";
/// The metadata that says how many calls pass in a window.
pub const LIMIT_CALLS: &str = "limit_calls";
/// The metadata that says how long a window is.
pub const LIMIT_WINDOW_SECONDS: &str = "limit_window_seconds";

/// The metadata from which gRPC's own retries learn how long to wait (gRPC A6).
pub const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";
