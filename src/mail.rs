//! Sends mail over SMTP (RFC 5321).

use std::time::{Duration, UNIX_EPOCH};

use lettre::{
    AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor,
    message::{Mailbox, header::ContentType},
};

use crate::model::mail::OutboxMail;

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
pub enum MailError {
    /// The setting `mail.smtp_url` or `mail.from` cannot be used.
    #[error("{0}")]
    Setting(String),
    /// The server greets, and then does not do what every mail server does.
    #[error("it refuses NOOP")]
    Unsettled,
    /// The mail can never be sent as it is.
    #[error("the mail cannot be written: {0}")]
    Unsendable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The server did not take it; it may take it later.
    #[error("the mail server did not take it: {0}")]
    Refused(#[source] lettre::transport::smtp::Error),
}

/// A connection pool to the mail server.
pub struct Mailer {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
}

impl Mailer {
    /// A mailer to the server behind this URL (`smtp://user:password@host:587?tls=required`), which
    /// sends in this name.
    ///
    /// # Errors
    /// One of the two cannot be read. The error does not repeat the URL, which holds a password.
    pub fn new(smtp_url: &str, from: &str) -> Result<Self, MailError> {
        let transport = AsyncSmtpTransport::<Tokio1Executor>::from_url(smtp_url)
            .map_err(|_| MailError::Setting("mail.smtp_url is not an SMTP URL".to_owned()))?
            .build();
        let from = from.parse().map_err(|_| {
            MailError::Setting(
                "mail.from is not a mailbox like `Name <name@example.com>`".to_owned(),
            )
        })?;
        Ok(Self { transport, from })
    }

    /// Greets the server, logs in where the URL has a user, and goes.
    ///
    /// # Errors
    /// It does not answer, or does not let this user in.
    pub async fn test(&self) -> Result<(), MailError> {
        match self.transport.test_connection().await {
            Ok(true) => Ok(()),
            Ok(false) => Err(MailError::Unsettled),
            Err(cause) => Err(MailError::Refused(cause)),
        }
    }

    /// Sends a mail.
    ///
    /// # Errors
    /// It can never be sent, or not now.
    pub async fn send(&self, mail: &OutboxMail) -> Result<(), MailError> {
        let message = self.message(mail)?;
        self.transport
            .send(message)
            .await
            .map(|_| ())
            .map_err(MailError::Refused)
    }

    fn message(&self, mail: &OutboxMail) -> Result<Message, MailError> {
        let written = UNIX_EPOCH
            + Duration::from_millis(u64::try_from(mail.created_at.millis()).unwrap_or(0));
        let recipient = mail
            .recipient
            .parse()
            .map_err(|cause| MailError::Unsendable(Box::new(cause)))?;
        Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient))
            .subject(mail.subject.clone())
            .date(written)
            // The same mail keeps its id when it is sent again, so that receivers can see the double.
            .message_id(Some(format!("<{}@{}>", mail.id, self.from.email.domain())))
            .header(ContentType::TEXT_PLAIN)
            .body(mail.body.clone())
            .map_err(|cause| MailError::Unsendable(Box::new(cause)))
    }
}
