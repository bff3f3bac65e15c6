//! What can go wrong. An [`Error`] is one value from where it happens to the outermost layer, which logs it and renders it
//! in the dialect of the call.

mod carried;
mod details;
mod field;
mod reason;

use std::{borrow::Cow, error::Error as StdError, fmt, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue, StatusCode};
use tonic::Code;
use tracing::Level;

pub use self::{
    carried::fill,
    details::Detail,
    field::{FieldReason, FieldViolation},
    reason::{Meaning, Reason},
};

use crate::env::RandomnessUnavailable;

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
    lacks_scope: bool,
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
            lacks_scope: false,
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

    /// The same refusal, of a credential that another scope would have made good.
    #[must_use]
    pub fn for_want_of_scope(mut self) -> Self {
        self.lacks_scope = true;
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

    /// The same refusal with the fields of a message as if they stood by themselves.
    #[must_use]
    pub fn without_prefix(mut self, prefix: &str) -> Self {
        for violation in &mut self.violations {
            if let Some(field) = violation.field.strip_prefix(prefix) {
                violation.field = field.to_owned().into();
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

    /// Whether another scope would have let the call through.
    #[must_use]
    pub fn lacks_scope(&self) -> bool {
        self.lacks_scope
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
