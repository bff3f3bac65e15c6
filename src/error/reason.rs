//! The closed list of reasons, and the table of what each one means on the wire.

use tonic::Code;
use tracing::Level;

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
    /// No such consent that the caller may see.
    ConsentNotFound = "CONSENT_NOT_FOUND", NotFound, 404, DEBUG, "There is no such consent.";
    /// No such identity provider.
    IdentityProviderNotFound = "IDENTITY_PROVIDER_NOT_FOUND", NotFound, 404, DEBUG, "There is no such identity provider.";
    /// The identity provider cannot be reached, or answers with what cannot be read.
    IdentityProviderUnavailable = "IDENTITY_PROVIDER_UNAVAILABLE", Unavailable, 503, WARN, "The identity provider does not answer; try again, or sign in another way.";
    /// The identity provider does not confirm who signs in.
    IdentityInvalid = "IDENTITY_INVALID", Unauthenticated, 401, DEBUG, "The identity provider does not confirm who this is; sign in there again.";
    /// The identity signs in to another account.
    IdentityAlreadyLinked = "IDENTITY_ALREADY_LINKED", AlreadyExists, 409, DEBUG, "This identity signs in to another account.";
    /// No such linked identity that the caller may see.
    LinkedIdentityNotFound = "LINKED_IDENTITY_NOT_FOUND", NotFound, 404, DEBUG, "There is no such linked identity.";
    /// Nobody could sign in to the account without it.
    LastSignInMethod = "LAST_SIGN_IN_METHOD", FailedPrecondition, 409, DEBUG, "The account has no password, and nobody could sign in to it without this identity; link another one first.";
    /// No client has this id.
    ClientNotFound = "CLIENT_NOT_FOUND", NotFound, 404, DEBUG, "There is no such client.";
    /// The OAuth client is unknown, was deleted, or did not show that it is the one.
    ClientAuthenticationFailed = "CLIENT_AUTHENTICATION_FAILED", Unauthenticated, 401, DEBUG, "The client is not known here or its secret is wrong; register it again.";
    /// The authorization code is unknown, used, expired, another client's, or does not go with what was sent beside it.
    AuthorizationCodeInvalid = "AUTHORIZATION_CODE_INVALID", InvalidArgument, 400, DEBUG, "The authorization code is invalid, used or expired; start a new authorization.";
    /// A scope goes beyond what was granted.
    ScopeInvalid = "SCOPE_INVALID", InvalidArgument, 400, DEBUG, "A scope goes beyond what was granted.";
    /// The resource is not one that this server issues tokens for.
    ResourceInvalid = "RESOURCE_INVALID", InvalidArgument, 400, DEBUG, "The resource is not one that tokens can be issued for here.";
    /// No such authorization, or it was decided or has expired.
    AuthorizationNotFound = "AUTHORIZATION_NOT_FOUND", NotFound, 404, DEBUG, "There is no such authorization, or it was decided or has expired; start again from the application.";
    /// The client wants a log-in that is newer than the caller's.
    LogInRequired = "LOG_IN_REQUIRED", Unauthenticated, 401, DEBUG, "The application wants a new log-in: log in again.";
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
