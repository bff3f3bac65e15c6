//! A client sends somebody to sign out (OpenID Connect RP-Initiated Logout 1.0). Who they are is for the page to know, which
//! ends their session.

use super::OAuth;
use crate::{
    error::{Error, FieldReason, Reason, Result},
    model::{client::Client, id::AccountId, oauth::redirect},
};

/// The parameters of a log-out request (section 2). What is empty was not said.
#[derive(Clone, Copy)]
pub struct LogOutRequest<'r> {
    /// An ID token of this server.
    pub id_token_hint: &'r str,
    /// Who asks.
    pub client_id: &'r str,
    /// Where the person goes afterwards.
    pub post_logout_redirect_uri: &'r str,
    /// What comes back as it is.
    pub state: &'r str,
}

/// What a log-out request comes to.
pub struct LogOut {
    /// Who asks, if the request says so.
    pub client: Option<Client>,
    /// The account that is meant, if the request says so.
    pub account_id: Option<AccountId>,
    /// Where the person goes afterwards, with the state; empty for nowhere.
    pub redirect_uri: String,
}

impl OAuth {
    /// Reads a log-out request, and ends nothing.
    ///
    /// # Errors
    /// `CLIENT_NOT_FOUND`; `INVALID_FIELD` for a hint that is no ID token of this server or is another client's, and for a
    /// redirect URI that nobody or not this client has registered: nobody is sent anywhere then (section 3).
    pub async fn resolve_log_out(&self, request: LogOutRequest<'_>) -> Result<LogOut> {
        let (account_id, client_id) = self.who_asks(request)?;
        let client = match client_id.as_str() {
            "" => None,
            id => Some(
                self.client(id)
                    .await?
                    .ok_or_else(|| Error::from(Reason::ClientNotFound).on_field("client_id"))?,
            ),
        };
        Ok(LogOut {
            redirect_uri: redirect_uri(request, client.as_ref())?,
            client,
            account_id,
        })
    }

    /// The account that the request means, and its client; either may be unsaid. An ID token whose key has gone says neither:
    /// what did not validate is not used (section 4).
    fn who_asks(&self, request: LogOutRequest<'_>) -> Result<(Option<AccountId>, String)> {
        let client_id = request.client_id.to_owned();
        if request.id_token_hint.is_empty() {
            return Ok((None, client_id));
        }
        let hint = self.hint(request.id_token_hint);
        let rule = "must be an ID token of this server";
        let Some((account_id, audience)) = hint.map_err(|_| wrong("id_token_hint", rule))? else {
            return Ok((None, client_id));
        };
        if !client_id.is_empty() && client_id != audience {
            return Err(wrong(
                "client_id",
                "must be the client that the ID token is for",
            ));
        }
        Ok((Some(account_id), audience))
    }
}

/// Where the person goes afterwards, with the state; empty for nowhere.
fn redirect_uri(request: LogOutRequest<'_>, client: Option<&Client>) -> Result<String> {
    const URI: &str = "post_logout_redirect_uri";
    let uri = request.post_logout_redirect_uri;
    if uri.is_empty() {
        return Ok(String::new());
    }
    let Some(client) = client else {
        if request.id_token_hint.is_empty() {
            return Err(wrong(URI, "must come with client_id or id_token_hint"));
        }
        // The key of the ID token that named the client has gone.
        return Ok(String::new());
    };
    if !client.is_post_logout_redirect_uri(uri) {
        return Err(wrong(URI, "must be one that the client has registered"));
    }
    Ok(match request.state {
        "" => uri.to_owned(),
        state => redirect::with_parameters(uri, &[("state", state)]),
    })
}

fn wrong(field: &'static str, rule: &'static str) -> Error {
    Error::invalid_field(field, FieldReason::InvalidValue, rule)
}
