//! The closed sets of what a label can say.

macro_rules! labels {
    ($($(#[doc = $doc:literal])+ pub enum $name:ident { $($(#[doc = $value_doc:literal])+ $value:ident = $text:literal,)+ })+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum $name {
            $($(#[doc = $value_doc])+ $value,)+
        }

        impl $name {
            /// Every one, in the order of their numbers.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$value),+];

            /// What stands in the label.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$value => $text,)+
                }
            }
        }
    )+};
}

labels! {
    /// The language of a request.
    pub enum Dialect {
        /// gRPC over HTTP/2.
        Grpc = "grpc",
        /// grpc-web.
        GrpcWeb = "grpc-web",
        /// Connect.
        Connect = "connect",
        /// REST, the faces among it.
        Rest = "rest",
    }

    /// How a request ended: the class of its HTTP status, or of the HTTP status that its gRPC status means.
    pub enum Status {
        /// It was done.
        Success = "2xx",
        /// The answer is elsewhere, or has not changed.
        Redirection = "3xx",
        /// It could not be done, and the caller can change that.
        ClientError = "4xx",
        /// It could not be done, and only the server can change that.
        ServerError = "5xx",
        /// The client went away before its answer began.
        Abandoned = "abandoned",
    }

    /// A limit on calls, by the name that its refusals tell.
    pub enum Limit {
        /// Calls without a credential.
        Public = "public",
        /// Calls with a credential, on the free plan.
        Free = "free",
        /// Calls with a credential, on the paid plan.
        Pro = "pro",
        /// Sign-ups.
        AccountCreation = "account-creation",
        /// Accounts made by callers on the paid plan.
        ProAccountCreation = "pro-account-creation",
        /// Invalid credentials.
        FailedCredentials = "failed-credentials",
        /// Credentials in a form of ours, while the tries of the network are spent.
        WellFormedCredentials = "well-formed-credentials",
        /// Log-ins of devices that their account knows.
        KnownDevice = "known-device",
        /// Questions to health and reflection.
        Probes = "probes",
        /// Calls of OAuth clients for tokens, by address.
        Token = "token",
        /// The same, by client and address.
        TokenClient = "token-client",
        /// Registrations of OAuth clients.
        ClientRegistration = "client-registration",
        /// Attempts to log in.
        LogIn = "log-in",
    }

    /// What became of an attempt to log in with a password.
    pub enum LogIn {
        /// It opened a session.
        Succeeded = "succeeded",
        /// The address or the password was wrong.
        Refused = "refused",
        /// A limit refused it before the password was checked.
        Limited = "limited",
        /// There was no time to check the password.
        Overloaded = "overloaded",
        /// Something broke.
        Failed = "failed",
    }
}

impl Status {
    /// The class of an HTTP status. Those below 200 are never an answer's last.
    #[must_use]
    pub const fn of_http(status: u16) -> Self {
        match status {
            ..300 => Self::Success,
            300..400 => Self::Redirection,
            400..500 => Self::ClientError,
            500.. => Self::ServerError,
        }
    }

    /// The class of the HTTP status that a gRPC status means (google/rpc/code.proto). `UNIMPLEMENTED` is the
    /// caller's: here it is the answer to what does not exist.
    #[must_use]
    pub const fn of_grpc(status: i32) -> Self {
        match status {
            0 => Self::Success,
            // UNKNOWN, DEADLINE_EXCEEDED, INTERNAL, UNAVAILABLE, DATA_LOSS.
            2 | 4 | 13 | 14 | 15 => Self::ServerError,
            _ => Self::ClientError,
        }
    }
}
