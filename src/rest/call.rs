//! What of an HTTP request travels on into the contract.

use http::{
    Extensions, HeaderMap, HeaderName, HeaderValue,
    header::{AUTHORIZATION, USER_AGENT},
    request::Parts,
};
use tonic::metadata::MetadataMap;

use super::unary;
use crate::{
    error::{Reason, Result},
    model::request::RequestContext,
};

/// The services read credentials of every kind from `authorization`, Basic included.
const FORWARDED: [HeaderName; 2] = [AUTHORIZATION, USER_AGENT];

/// Who calls, as the transport saw it.
#[derive(Clone)]
pub struct Call {
    headers: HeaderMap,
    context: Option<RequestContext>,
    /// What was found when an rpc of it was authorized.
    authorized: Extensions,
}

impl Call {
    /// The caller of this request.
    pub fn of(parts: &Parts) -> Self {
        let mut headers = HeaderMap::new();
        for name in FORWARDED {
            for value in parts.headers.get_all(&name) {
                headers.append(name.clone(), value.clone());
            }
        }
        unary::forward_device(&parts.headers, &mut headers);
        Self {
            headers,
            context: parts.extensions.get().cloned(),
            authorized: Extensions::new(),
        }
    }

    /// The same caller, who was authorized to call an rpc: these extensions of the answer say so.
    pub fn authorized_by(self, authorized: Extensions) -> Self {
        Self { authorized, ..self }
    }

    /// The same caller without the credential, where that is a client's own or none of the contract's.
    pub fn without_credential(&self) -> Self {
        let mut call = self.clone();
        call.headers.remove(AUTHORIZATION);
        call
    }

    /// The same caller with a token that did not come in the header.
    pub fn with_bearer(&self, token: &str) -> Result<Self> {
        let header = HeaderValue::try_from(format!("Bearer {token}"));
        let mut header = header.map_err(|_| Reason::CredentialInvalid)?;
        header.set_sensitive(true);
        let mut call = self.clone();
        call.headers.insert(AUTHORIZATION, header);
        Ok(call)
    }

    /// What came in the header for credentials.
    pub fn authorization(&self) -> Option<&[u8]> {
        self.headers.get(AUTHORIZATION).map(HeaderValue::as_bytes)
    }

    /// Whether a credential came along, good or bad.
    pub fn has_credential(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    /// The message as this caller's rpc.
    pub fn request<M>(&self, message: M) -> tonic::Request<M> {
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(self.headers.clone());
        request.extensions_mut().extend(self.authorized.clone());
        if let Some(context) = &self.context {
            request.extensions_mut().insert(context.clone());
        }
        request
    }
}
