//! What the transports tell the rest of the program about a call.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Where a call came from. Travels in the extensions of the HTTP request; clones are of the same call.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// Names the call in the log and in answers, `x-request-id`.
    pub request_id: Arc<str>,
    /// The address of the client.
    pub client_address: IpAddr,
    counted: Arc<AtomicBool>,
}

impl RequestContext {
    /// A call of this name from this address, which no limit has counted yet.
    #[must_use]
    pub fn new(request_id: Arc<str>, client_address: IpAddr) -> Self {
        Self {
            request_id,
            client_address,
            counted: Arc::default(),
        }
    }

    /// Notes that a limit counts the call. False when one has counted it before.
    #[must_use]
    pub fn count(&self) -> bool {
        !self.counted.swap(true, Ordering::Relaxed)
    }

    /// Whether a limit has counted the call.
    #[must_use]
    pub fn is_counted(&self) -> bool {
        self.counted.load(Ordering::Relaxed)
    }
}

/// Marks a call in process that asks only whether its rpc may be called: it is authorized and counted, and goes no
/// further. Nothing that arrives over the network can carry it, for an extension is no part of a message.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionOnly;

impl PartialEq for RequestContext {
    fn eq(&self, other: &Self) -> bool {
        (&self.request_id, self.client_address) == (&other.request_id, other.client_address)
    }
}

impl Eq for RequestContext {}
