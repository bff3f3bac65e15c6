//! What can go wrong, once: a closed list of reasons, and the table of what each one means on the wire.
//!
//! An [`Error`] is one value from where it happens to the outermost layer, which logs it and renders it in the dialect
//! of the call.

mod carried;
mod details;
mod field;

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};
use tonic::Code;
use tracing::Level;

pub use self::{
    carried::fill,
    details::Detail,
    field::{FieldReason, FieldViolation},
};

use crate::env::RandomnessUnavailable;

/// What a reason means to callers and operators.
#[derive(Clone, Copy, Debug)]
pub struct Meaning {
    /// The name on the wire: `ErrorReason` in the contract without its prefix.
    pub name: &'static str,
    /// The gRPC status.
    pub grpc: Code,
    /// The HTTP status on the contract's own REST paths; faces may document another.
    pub http: u16,
    /// How loud the log is.
    pub level: Level,
    /// What a caller reads when nothing more exact is known.
    pub message: &'static str,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $grpc:ident, $http:literal, $level:ident, $message:literal;)+) => {
        /// Why a call was refused. Equals `ErrorReason` in the contract, which a test holds it to.
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        pub enum Reason {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Reason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The row of the table for this reason.
            #[must_use]
            pub const fn meaning(self) -> Meaning {
                match self {
                    $(Self::$variant => Meaning {
                        name: $name, grpc: Code::$grpc, http: $http, level: Level::$level, message: $message,
                    },)+
                }
            }
        }
    };
}

reasons! {
    /// A field breaks a rule of the contract.
    InvalidField = "INVALID_FIELD", InvalidArgument, 400, DEBUG, "A field is not valid.";
    /// The message could not be read.
    MalformedRequest = "MALFORMED_REQUEST", InvalidArgument, 400, DEBUG, "The request could not be read.";
    /// The message is larger than the server accepts.
    MessageTooLarge = "MESSAGE_TOO_LARGE", ResourceExhausted, 413, DEBUG, "The request is larger than 64 KiB.";
    /// The content type is not accepted here.
    UnsupportedMediaType = "UNSUPPORTED_MEDIA_TYPE", Unimplemented, 415, DEBUG, "This content type is not accepted here.";
    /// No rpc or path has this name.
    MethodNotFound = "METHOD_NOT_FOUND", Unimplemented, 404, DEBUG, "There is nothing under this name.";
    /// The path exists, but not with this HTTP method.
    HttpMethodNotAllowed = "HTTP_METHOD_NOT_ALLOWED", Unimplemented, 405, DEBUG, "This path does not take this HTTP method.";
    /// The password is one of the most common ones.
    PasswordTooCommon = "PASSWORD_TOO_COMMON", InvalidArgument, 400, DEBUG, "This password is too common; choose another.";
    /// Another account has this e-mail address.
    EmailAlreadyExists = "EMAIL_ALREADY_EXISTS", AlreadyExists, 409, DEBUG, "An account with this e-mail address exists; log in instead.";
    /// The e-mail address or the password is wrong.
    InvalidCredentials = "INVALID_CREDENTIALS", Unauthenticated, 401, DEBUG, "The e-mail address or the password is wrong.";
    /// The call needs a credential and carried none.
    CredentialMissing = "CREDENTIAL_MISSING", Unauthenticated, 401, DEBUG, "This call needs a credential: send `authorization: Bearer …`.";
    /// The credential is malformed, unknown, expired or revoked.
    CredentialInvalid = "CREDENTIAL_INVALID", Unauthenticated, 401, DEBUG, "The credential is invalid or has expired; log in again.";
    /// The authorization header names no scheme before the credential, or one that is not accepted.
    CredentialSchemeInvalid = "CREDENTIAL_SCHEME_INVALID", Unauthenticated, 401, DEBUG, "The scheme before the credential is missing or not accepted: send `authorization: Bearer …`.";
    /// The refresh token is malformed, unknown, expired, revoked or used.
    RefreshTokenInvalid = "REFRESH_TOKEN_INVALID", Unauthenticated, 401, DEBUG, "The refresh token is invalid or has expired; log in again.";
    /// The credential is live but may not do this.
    PermissionDenied = "PERMISSION_DENIED", PermissionDenied, 403, DEBUG, "This credential may not do this.";
    /// The call came over plain HTTP, and the server has a public name.
    HttpsRequired = "HTTPS_REQUIRED", PermissionDenied, 403, DEBUG, "This service answers over https alone.";
    /// No such account that the caller may see.
    AccountNotFound = "ACCOUNT_NOT_FOUND", NotFound, 404, DEBUG, "There is no such account.";
    /// The sign-up needs the solution of a challenge, and carried none.
    ChallengeRequired = "CHALLENGE_REQUIRED", FailedPrecondition, 400, DEBUG, "This call needs the solution of a challenge: ask for one, solve it and send its id and nonce.";
    /// The challenge is forged, expired, used, for another purpose, or not solved by this nonce.
    ChallengeInvalid = "CHALLENGE_INVALID", InvalidArgument, 400, DEBUG, "The challenge is invalid, used or expired, or not solved by this nonce; ask for a new one.";
    /// No such organization that the caller may see.
    OrganizationNotFound = "ORGANIZATION_NOT_FOUND", NotFound, 404, DEBUG, "There is no such organization.";
    /// The account owns an organization that other accounts belong to.
    OrganizationNotEmpty = "ORGANIZATION_NOT_EMPTY", FailedPrecondition, 409, DEBUG, "The account owns an organization that others are in; delete their accounts first.";
    /// No such session that the caller may see.
    SessionNotFound = "SESSION_NOT_FOUND", NotFound, 404, DEBUG, "There is no such session.";
    /// No such grant that the caller may see.
    GrantNotFound = "GRANT_NOT_FOUND", NotFound, 404, DEBUG, "There is no such grant.";
    /// No client has this id.
    ClientNotFound = "CLIENT_NOT_FOUND", NotFound, 404, DEBUG, "There is no such client.";
    /// No such API key that the caller may see.
    ApiKeyNotFound = "API_KEY_NOT_FOUND", NotFound, 404, DEBUG, "There is no such API key.";
    /// The resource changed since the etag that was sent.
    EtagMismatch = "ETAG_MISMATCH", Aborted, 409, DEBUG, "The resource has changed; read it again and repeat the change.";
    /// A list is full.
    QuotaExceeded = "QUOTA_EXCEEDED", ResourceExhausted, 429, DEBUG, "There are too many of these; remove one first.";
    /// Too many calls.
    RateLimited = "RATE_LIMITED", ResourceExhausted, 429, DEBUG, "Too many calls; wait and try again.";
    /// The server has more work than it can do in time.
    Overloaded = "OVERLOADED", ResourceExhausted, 503, WARN, "The server is busy; wait and try again.";
    /// A deadline ended first.
    DeadlineExceeded = "DEADLINE_EXCEEDED", DeadlineExceeded, 504, INFO, "The call took longer than its deadline.";
    /// The database does not answer.
    StorageUnavailable = "STORAGE_UNAVAILABLE", Unavailable, 503, ERROR, "The service cannot reach its database; try again.";
    /// Something broke on the server.
    Internal = "INTERNAL", Internal, 500, ERROR, "Something broke on our side; the request id finds it in our log.";
}

impl Reason {
    /// The reason with this name on the wire.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|reason| reason.meaning().name == name)
    }
}

/// A limit that a call ran into: so many calls in a window of time.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limit {
    /// Its name in `google.rpc.ErrorInfo` and in the `RateLimit` headers.
    pub name: Cow<'static, str>,
    /// How many calls pass in a window.
    pub calls: u32,
    /// How long the window is, in whole seconds.
    pub window_seconds: u64,
}

/// Why a call fails: the reason for the caller, and the cause for the operator.
#[derive(Clone, Debug)]
pub struct Error {
    reason: Reason,
    violations: Vec<FieldViolation>,
    retry_after: Option<Duration>,
    limit: Option<Arc<Limit>>,
    takes_forms: bool,
    cause: Option<Arc<dyn StdError + Send + Sync>>,
    message: Option<Cow<'static, str>>,
    code: Option<Code>,
    http_status: Option<StatusCode>,
    headers: Option<Arc<[(HeaderName, HeaderValue)]>>,
}

/// What a use case gives back.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A refusal for this reason.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self {
            reason,
            violations: Vec::new(),
            retry_after: None,
            limit: None,
            takes_forms: false,
            cause: None,
            message: None,
            code: None,
            http_status: None,
            headers: None,
        }
    }

    /// Fields that break rules of the contract.
    #[must_use]
    pub fn invalid(violations: Vec<FieldViolation>) -> Self {
        Self {
            violations,
            ..Self::new(Reason::InvalidField)
        }
    }

    /// One field that breaks a rule.
    pub fn invalid_field(
        field: &'static str,
        reason: FieldReason,
        description: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self::invalid(vec![FieldViolation::new(field, reason, description)])
    }

    /// Something broke; the cause is for the log alone.
    pub fn internal(cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self::new(Reason::Internal).because(cause)
    }

    /// The same refusal, naming a field.
    #[must_use]
    pub fn on_field(self, field: &'static str) -> Self {
        let message = self.reason.meaning().message;
        self.on_field_because(field, message)
    }

    /// The same refusal, naming a field and what is wrong with it.
    #[must_use]
    pub fn on_field_because(mut self, field: &'static str, description: &'static str) -> Self {
        self.violations.push(FieldViolation {
            field: field.into(),
            reason: self.reason.meaning().name.into(),
            description: description.into(),
        });
        self
    }

    /// The same refusal, naming a field and what it must be.
    #[must_use]
    pub fn violating(mut self, violation: FieldViolation) -> Self {
        self.violations.push(violation);
        self
    }

    /// The same refusal, with the time after which the call will pass.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The same refusal, whose wait, if it has one, is at least so long.
    #[must_use]
    pub fn waiting_at_least(mut self, wait: Duration) -> Self {
        self.retry_after = self.retry_after.map(|stated| stated.max(wait));
        self
    }

    /// The same refusal, naming the limit that was reached.
    #[must_use]
    pub fn limited_by(mut self, limit: Limit) -> Self {
        self.limit = Some(Arc::new(limit));
        self
    }

    /// The same refusal of a media type, where a form would have done as well as JSON.
    #[must_use]
    pub fn or_a_form(mut self, takes_forms: bool) -> Self {
        self.takes_forms = takes_forms;
        self
    }

    /// The same refusal, with its cause for the log.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(Arc::from(cause.into()));
        self
    }

    /// The same refusal, in other words than those of its reason.
    #[must_use]
    pub fn with_message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// The same refusal, under the gRPC status that a specification asks for instead of that of its reason.
    #[must_use]
    pub fn with_code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// The same refusal by HTTP itself, before there is an rpc: every dialect answers it with this status.
    #[must_use]
    pub fn with_http_status(mut self, status: StatusCode) -> Self {
        self.http_status = Some(status);
        self
    }

    /// The same refusal, whose answer has this header in every dialect.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let headers = self.headers.iter().flat_map(|headers| headers.iter());
        self.headers = Some(headers.cloned().chain([(name, value)]).collect());
        self
    }

    /// The same refusal with the fields under the names that a face gives them, `(contract, face)`.
    #[must_use]
    pub fn renamed(mut self, names: &[(&str, &'static str)]) -> Self {
        for violation in &mut self.violations {
            if let Some((_, name)) = names.iter().find(|(field, _)| violation.field == *field) {
                violation.field = (*name).into();
            }
        }
        self
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// The fields at fault.
    #[must_use]
    pub fn violations(&self) -> &[FieldViolation] {
        &self.violations
    }

    /// What the caller reads: the first field at fault and its rule, else the words of the reason.
    #[must_use]
    pub fn message(&self) -> String {
        if let Some(message) = &self.message {
            return message.clone().into_owned();
        }
        match self.violations() {
            [violation, ..]
                if matches!(
                    self.reason,
                    Reason::InvalidField | Reason::MalformedRequest | Reason::UnsupportedMediaType
                ) =>
            {
                format!("{} {}.", violation.field, violation.description)
            }
            _ => self.reason.meaning().message.to_owned(),
        }
    }

    /// The cause and what lies behind it, for the log; empty when there is none.
    #[must_use]
    pub fn cause(&self) -> String {
        let causes = std::iter::successors(self.source(), |cause| (*cause).source());
        causes
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join(": ")
    }

    /// Whether a form would have been accepted, where another media type was refused.
    #[must_use]
    pub fn takes_forms(&self) -> bool {
        self.takes_forms
    }

    /// The limit that was reached.
    #[must_use]
    pub fn limit(&self) -> Option<&Limit> {
        self.limit.as_deref()
    }

    /// How long to wait before trying again, where waiting helps.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The gRPC status.
    #[must_use]
    pub fn code(&self) -> Code {
        self.code.unwrap_or(self.reason.meaning().grpc)
    }

    /// The HTTP status on the contract's own REST paths; faces may document another.
    #[must_use]
    pub fn http_status(&self) -> StatusCode {
        self.stated_http_status().unwrap_or_else(|| {
            StatusCode::from_u16(self.reason.meaning().http)
                .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
        })
    }

    /// The HTTP status of a refusal by HTTP itself.
    #[must_use]
    pub fn stated_http_status(&self) -> Option<StatusCode> {
        self.http_status
    }

    /// Writes it into the log, with its cause, as loud as its reason is.
    pub fn log(&self) {
        let meaning = self.reason.meaning();
        let cause = self.cause();
        match meaning.level {
            Level::ERROR => tracing::error!(reason = meaning.name, cause, "refused"),
            Level::WARN => tracing::warn!(reason = meaning.name, cause, "refused"),
            Level::INFO => tracing::info!(reason = meaning.name, cause, "refused"),
            _ => tracing::debug!(reason = meaning.name, cause, "refused"),
        }
    }
}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

impl From<RandomnessUnavailable> for Error {
    fn from(cause: RandomnessUnavailable) -> Self {
        Self::internal(cause)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason.meaning().message)
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}
