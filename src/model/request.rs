//! What the transports tell the rest of the program about a call.

use std::{net::IpAddr, sync::Arc};

/// Where a call came from. Travels in the extensions of the HTTP request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RequestContext {
    /// Names the call in the log and in answers, `x-request-id`.
    pub request_id: Arc<str>,
    /// The address of the client.
    pub client_address: IpAddr,
}
