//! How a client says who it is (OAuth 2.1 section 2.4): in a header or in the form, by a secret or by what it signs, and in
//! one of these ways alone.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use percent_encoding::percent_decode_str;

use super::super::body::{self, Members};
use crate::{
    error::{Error, FieldReason, Reason, Result},
    rest::call::Call,
};

/// Who a client says it is.
#[derive(Default)]
pub(super) struct Credentials {
    pub(super) id: String,
    /// Empty when none was sent.
    pub(super) secret: String,
    /// What the client has signed of itself; empty when nothing was sent.
    pub(super) assertion: String,
    pub(super) assertion_type: String,
}

impl Credentials {
    /// Whether the call says who its client is. Basic without a password is SMTPD's way to send a key.
    pub(super) fn are_sent(call: &Call, members: &Members) -> bool {
        let basic = call.authorization().and_then(basic);
        body::text(members, "client_id").is_some()
            || body::text(members, "client_assertion").is_some()
            || basic.is_some_and(|basic| !basic.secret.is_empty())
    }

    /// Who calls, from the header of the call or from its form.
    ///
    /// # Errors
    /// `CLIENT_AUTHENTICATION_FAILED` for a header that is not Basic, `INVALID_FIELD` for two ways at once, or no id.
    pub(super) fn of(call: &Call, members: &Members) -> Result<Self> {
        let sent = |name| body::text(members, name).unwrap_or_default();
        let (id, secret) = (sent("client_id"), sent("client_secret"));
        let (assertion, assertion_type) = (sent("client_assertion"), sent("client_assertion_type"));
        let Some(header) = call.authorization() else {
            if id.is_empty() && assertion.is_empty() {
                return Err(invalid("client_id", FieldReason::Required, "is required"));
            }
            return Ok(Self {
                id: id.to_owned(),
                secret: secret.to_owned(),
                assertion: assertion.to_owned(),
                assertion_type: assertion_type.to_owned(),
            });
        };
        let basic = basic(header).ok_or(Reason::ClientAuthenticationFailed)?;
        if !secret.is_empty() {
            let rule = "must not come beside Basic";
            return Err(invalid("client_secret", FieldReason::NotAllowed, rule));
        }
        if !assertion.is_empty() {
            let rule = "must not come beside Basic";
            return Err(invalid("client_assertion", FieldReason::NotAllowed, rule));
        }
        // Some clients repeat their id in the form.
        if !id.is_empty() && id != basic.id {
            let rule = "must be the one that Basic names";
            return Err(invalid("client_id", FieldReason::NotAllowed, rule));
        }
        Ok(basic)
    }
}

/// RFC 6749 section 2.3.1: both parts are encoded as in a form. Ids and secrets of this server have nothing in them that
/// this changes, so that clients which forget it are understood, too.
fn basic(header: &[u8]) -> Option<Credentials> {
    let header = std::str::from_utf8(header).ok()?;
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain = |part: &str| {
        percent_decode_str(part)
            .decode_utf8()
            .ok()
            .map(|part| part.into_owned())
    };
    Some(Credentials {
        id: plain(id)?,
        secret: plain(secret)?,
        ..Credentials::default()
    })
}

fn invalid(field: &'static str, reason: FieldReason, rule: &'static str) -> Error {
    Error::invalid_field(field, reason, rule)
}
