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
/// further. The extensions of the answer hold what was found; sent along with the call itself, they save
/// authorizing it again. Nothing that arrives over the network can carry any of this, for an extension is no part
/// of a message.
#[derive(Clone, Copy, Debug)]
pub struct AuthorizeOnly;

/// The longest that a client's name for itself is kept, in characters.
const USER_AGENT_CHARS: usize = 200;

/// Where a request to sign in or up comes from.
#[derive(Clone, Debug)]
pub struct RequestOrigin {
    /// The address of the client.
    pub address: IpAddr,
    /// The program, as it named itself: of that, what is printable and short.
    pub user_agent: String,
    /// What an earlier log-in handed out to know the device by, when it was sent.
    pub device: Option<String>,
}

impl RequestOrigin {
    /// A client at this address that names itself so, and its device, when that was sent.
    #[must_use]
    pub fn new(address: IpAddr, user_agent: &str, device: Option<String>) -> Self {
        let printable = user_agent.chars().filter(|char| !char.is_control());
        Self {
            address,
            user_agent: printable.take(USER_AGENT_CHARS).collect(),
            device,
        }
    }
}

impl PartialEq for RequestContext {
    fn eq(&self, other: &Self) -> bool {
        (&self.request_id, self.client_address) == (&other.request_id, other.client_address)
    }
}

impl Eq for RequestContext {}
