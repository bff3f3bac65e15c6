//! Mail that waits to be sent.

use uuid::Uuid;

use crate::env::Timestamp;

/// A mail in the outbox. It is written in the transaction that causes it, and sent afterwards.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OutboxMail {
    /// Its id, also the local part of its Message-ID.
    pub id: Uuid,
    /// The address that it goes to.
    pub recipient: String,
    /// Its subject.
    pub subject: String,
    /// Its text.
    pub body: String,
    /// When it was written.
    pub created_at: Timestamp,
    /// How often sending it has failed.
    pub attempts: i64,
    /// When to try next.
    pub due_at: Timestamp,
}
