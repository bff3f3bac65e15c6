//! People and programs that use the service, in sentences.

use std::{future::poll_fn, task::Poll};

use countersign::pb::v1::{
    CreateAccountRequest, CreateAccountResponse, CreateSessionRequest, CreateSessionResponse,
    GetAccountRequest, RefreshSessionRequest, SessionTokens,
};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::TestApp;

/// A password that nobody else uses.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Somebody with an account.
pub(crate) struct Person<'a> {
    app: &'a TestApp,
    pub email: String,
    pub account: String,
}

/// Somebody who is logged in.
pub(crate) struct LoggedIn<'a> {
    pub(super) app: &'a TestApp,
    pub session: String,
    pub tokens: SessionTokens,
}

impl TestApp {
    /// Ann signs up as `ann@example.com`.
    pub(crate) async fn sign_up(&self, name: &str) -> Person<'_> {
        let email = format!("{name}@example.com");
        let made = self.try_sign_up(&email, PASSWORD).await.unwrap();
        Person {
            app: self,
            email,
            account: made.account.unwrap().name,
        }
    }

    pub(crate) async fn try_sign_up(
        &self,
        email: &str,
        password: &str,
    ) -> Result<CreateAccountResponse, Status> {
        let request = CreateAccountRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            ..CreateAccountRequest::default()
        };
        self.accounts()
            .create_account(request)
            .await
            .map(tonic::Response::into_inner)
    }

    pub(crate) async fn try_log_in(
        &self,
        email: &str,
        password: &str,
    ) -> Result<CreateSessionResponse, Status> {
        let request = CreateSessionRequest {
            email: email.to_owned(),
            password: password.to_owned(),
            client_id: String::new(),
            ..CreateSessionRequest::default()
        };
        self.sessions()
            .create_session(request)
            .await
            .map(tonic::Response::into_inner)
    }

    pub(crate) async fn try_refresh(&self, token: &str) -> Result<SessionTokens, Status> {
        let request = RefreshSessionRequest {
            refresh_token: token.to_owned(),
            keep_refresh_token: false,
        };
        let answer = self.sessions().refresh_session(request).await;
        answer.map(|answer| answer.into_inner().tokens.unwrap())
    }

    /// Whether a credential opens an account.
    pub(crate) async fn opens(&self, credential: &str) -> bool {
        let request = GetAccountRequest {
            name: "accounts/me".to_owned(),
        };
        match self
            .accounts()
            .get_account(with_bearer(request, credential))
            .await
        {
            Ok(_) => true,
            Err(status) => {
                assert_eq!(reason(&status), "CREDENTIAL_INVALID");
                false
            }
        }
    }
}

impl<'a> Person<'a> {
    pub(crate) async fn logs_in(&self) -> LoggedIn<'a> {
        let answer = self.app.try_log_in(&self.email, PASSWORD).await.unwrap();
        LoggedIn {
            app: self.app,
            session: answer.session.unwrap().name,
            tokens: answer.tokens.unwrap(),
        }
    }
}

impl LoggedIn<'_> {
    /// A request in the name of this person.
    pub(crate) fn asks<T>(&self, message: T) -> Request<T> {
        with_bearer(message, &self.tokens.access_token)
    }

    pub(crate) async fn is_in(&self) -> bool {
        self.app.opens(&self.tokens.access_token).await
    }
}

/// A request with a credential.
pub(crate) fn with_bearer<T>(message: T, credential: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert(
        "authorization",
        format!("Bearer {credential}").parse().unwrap(),
    );
    request
}

/// The reason in a refusal.
#[track_caller]
pub(crate) fn reason(status: &Status) -> String {
    let info = status
        .get_details_error_info()
        .unwrap_or_else(|| panic!("no reason in {status:?}"));
    assert_eq!(info.domain, "countersign");
    info.reason
}

/// Asserts a refusal, and gives the fields at fault.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    answer: Result<T, Status>,
    code: Code,
    why: &str,
) -> Vec<String> {
    let status = answer.expect_err("this should be refused");
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (code, why),
        "{status:?}"
    );
    let violations = status
        .get_details_bad_request()
        .map(|details| details.field_violations)
        .unwrap_or_default();
    violations
        .into_iter()
        .map(|violation| violation.field)
        .collect()
}

/// What all of these come to, begun at once.
pub(crate) async fn all_at_once<F: Future>(calls: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = calls.into_iter().map(Box::pin).collect();
    let mut done = Vec::new();
    poll_fn(|cx| {
        waiting.retain_mut(|call| match call.as_mut().poll(cx) {
            Poll::Ready(outcome) => {
                done.push(outcome);
                false
            }
            Poll::Pending => true,
        });
        if waiting.is_empty() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    done
}
