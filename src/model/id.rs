//! Typed ids: UUIDv7, so that they sort by the time they were made and none can stand for another.

use std::{fmt, str::FromStr};

use uuid::Uuid;

macro_rules! ids {
    ($($(#[doc = $doc:literal])+ $name:ident, $collection:literal;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        pub struct $name(Uuid);

        impl $name {
            /// The collection that the resource name starts with (AIP-122).
            pub const COLLECTION: &str = $collection;

            /// The id as the database keeps it.
            #[must_use]
            pub const fn uuid(self) -> Uuid {
                self.0
            }

            /// The resource name, `collection/{id}` (AIP-122).
            #[must_use]
            pub fn resource_name(self) -> String {
                format!(concat!($collection, "/{}"), self.0)
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::try_parse(text).map(Self)
            }
        }
    )+};
}

ids! {
    /// An account: a principal that signs in.
    AccountId, "accounts";
    /// An organization: the tenant.
    OrganizationId, "organizations";
    /// A session: one sign-in of a person or a program.
    SessionId, "sessions";
    /// A grant: what one client may do in a session.
    GrantId, "grants";
    /// A client's request that waits for a person to decide.
    AuthorizationId, "authorizations";
    /// What an account has allowed a client.
    ConsentId, "consents";
    /// An identity at another provider.
    LinkedIdentityId, "linkedIdentities";
    /// An API key.
    ApiKeyId, "apiKeys";
}
