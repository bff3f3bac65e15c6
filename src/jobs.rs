//! What happens without a request: mail is sent, keys are rotated, what has ended is removed, and which API
//! keys were used is written down.

use std::{sync::Arc, time::Duration};

use tokio::time::MissedTickBehavior;

use crate::{
    domain::Domain,
    env::{Env, Timestamp},
    error::Result,
    mail::{MailError, Mailer},
    model::mail::OutboxMail,
    store::{BoxFuture, Store, Tx},
};

/// How often mail is looked for.
const MAIL_EVERY: Duration = Duration::from_secs(5);
/// How often keys are looked at, and other nodes are heard: how late this one learns what they have revoked.
const OTHER_NODES_EVERY: Duration = Duration::from_millis(500);
/// How often keys are looked at where nobody else changes them.
const KEYS_EVERY: Duration = Duration::from_secs(2);
/// How often what has ended is removed.
const PURGE_EVERY: Duration = Duration::from_secs(3600);
/// How often what was deleted is purged.
const PURGE_DELETED_EVERY: Duration = Duration::from_secs(5);
/// The time between two pieces of what is removed: SQLite moves what one wrote out of its log before the log gets large.
const PIECE_EVERY: Duration = Duration::from_millis(20);
/// How often the uses of API keys are written down: how late a reader learns of one.
const KEY_USES_EVERY: Duration = Duration::from_secs(60);
/// How long what has ended is kept, for questions about yesterday.
const KEPT_AFTER_END: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long an OAuth client that registered itself is kept when nobody signs in with it.
const UNUSED_CLIENTS_KEPT: Duration = Duration::from_secs(180 * 24 * 3600);
/// And one with which nobody has ever signed in.
const NEVER_USED_CLIENTS_KEPT: Duration = Duration::from_secs(30 * 24 * 3600);
/// How long a client's document is kept when nothing is granted to the client.
const UNUSED_DOCUMENTS_KEPT: Duration = Duration::from_secs(2 * 24 * 3600);
/// The most mails that are sent in one go.
const MAIL_BATCH: u64 = 50;
/// How often sending a mail is tried.
const MAIL_ATTEMPTS: i64 = 10;

/// What there is to do.
#[derive(Clone, Copy, Debug)]
enum Job {
    Mail,
    Keys,
    OtherNodes,
    KeyUses,
    Purge,
    PurgeDeleted,
}

/// The jobs of one server.
pub struct Jobs {
    domain: Arc<Domain>,
    store: Store,
    env: Env,
    mailer: Option<Mailer>,
}

impl Jobs {
    /// The jobs over these parts; without a mailer no mail is sent.
    #[must_use]
    pub fn new(domain: Arc<Domain>, store: Store, env: Env, mailer: Option<Mailer>) -> Self {
        Self {
            domain,
            store,
            env,
            mailer,
        }
    }

    /// Runs every job at its interval until the future is dropped, none waiting for another. A job that
    /// fails is logged and tried again at its next turn.
    pub async fn run(&self) {
        let keys_every = if self.store.is_multi_node() {
            OTHER_NODES_EVERY
        } else {
            KEYS_EVERY
        };
        tokio::join!(
            self.repeat(Job::Mail, MAIL_EVERY),
            self.repeat(Job::Keys, keys_every),
            self.hear_other_nodes(),
            self.repeat(Job::KeyUses, KEY_USES_EVERY),
            self.repeat(Job::Purge, PURGE_EVERY),
            self.repeat(Job::PurgeDeleted, PURGE_DELETED_EVERY),
        );
    }

    async fn hear_other_nodes(&self) {
        if self.store.is_multi_node() {
            self.repeat(Job::OtherNodes, OTHER_NODES_EVERY).await;
        }
    }

    async fn repeat(&self, job: Job, interval: Duration) {
        let mut ticks = tokio::time::interval(interval);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.try_once(job).await;
        }
    }

    async fn try_once(&self, job: Job) {
        if let Err(error) = self.run_once(job).await {
            let (reason, cause) = (error.reason().meaning().name, error.cause());
            tracing::warn!(?job, reason, cause, "a job failed and will be tried again");
        }
    }

    /// Does what cannot wait for the next start, when the server has stopped.
    pub async fn finish(&self) {
        self.try_once(Job::KeyUses).await;
    }

    async fn run_once(&self, job: Job) -> Result<()> {
        match job {
            Job::Mail => self.send_mail().await,
            Job::Keys => self.domain.signing_keys.refresh().await,
            Job::OtherNodes => self.domain.credentials.hear_other_nodes().await,
            Job::KeyUses => self.domain.credentials.write_key_uses().await,
            Job::Purge => self.purge().await,
            Job::PurgeDeleted => self.purge_deleted().await,
        }
    }

    /// Runs every job once, now.
    ///
    /// # Errors
    /// The first job that failed.
    pub async fn run_pending(&self) -> Result<()> {
        for job in [
            Job::OtherNodes,
            Job::Keys,
            Job::KeyUses,
            Job::Purge,
            Job::PurgeDeleted,
            Job::Mail,
        ] {
            self.run_once(job).await?;
        }
        Ok(())
    }

    async fn purge(&self) -> Result<()> {
        let now = self.env.now();
        let ended_before = now.before(KEPT_AFTER_END);
        let removed = self
            .in_pieces(move |tx| Box::pin(tx.purge(ended_before)))
            .await?;
        if removed > 0 {
            tracing::info!(removed, "removed what ended a week ago");
        }
        self.purge_clients(now).await?;
        self.purge_throttles(now).await
    }

    /// What anybody can have written, and what nobody has used, goes early.
    async fn purge_clients(&self, now: Timestamp) -> Result<()> {
        self.in_pieces(move |tx| Box::pin(tx.delete_undecided_authorizations(now)))
            .await?;
        let fetched_before = now.before(UNUSED_DOCUMENTS_KEPT);
        self.in_pieces(move |tx| Box::pin(tx.delete_unused_client_documents(fetched_before)))
            .await?;
        let registered_before = now.before(NEVER_USED_CLIENTS_KEPT);
        self.in_pieces(move |tx| Box::pin(tx.delete_clients_never_used(registered_before)))
            .await?;
        let unused_since = now.before(UNUSED_CLIENTS_KEPT);
        let unused = self
            .in_pieces(move |tx| Box::pin(tx.delete_unused_clients(unused_since, now)))
            .await?;
        if unused > 0 {
            tracing::info!(
                unused,
                "looked at OAuth clients that nobody has signed in with for half a year"
            );
        }
        Ok(())
    }

    /// What is deleted is gone already; its rows go in pieces, so that nobody waits long for the writer, and
    /// wherever a stop leaves it the next start goes on.
    async fn purge_deleted(&self) -> Result<()> {
        // Asked first: a write that finds nothing is a write all the same.
        if !self.store.read().has_deleted().await? {
            return Ok(());
        }
        self.in_pieces(|tx| Box::pin(tx.purge_deleted())).await?;
        Ok(())
    }

    /// Removes piece after piece until none is left, with room for other writers in between; how many rows went.
    async fn in_pieces<F>(&self, piece: F) -> Result<u64>
    where
        F: for<'t> Fn(&'t Tx<'t>) -> BoxFuture<'t, Result<u64>> + Copy + Send + 'static,
    {
        let mut pace = tokio::time::interval(PIECE_EVERY);
        pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut removed = 0;
        loop {
            pace.tick().await;
            match self.store.write(piece).await? {
                0 => return Ok(removed),
                rows => removed += rows,
            }
        }
    }

    /// What was counted of sign-ups and log-ins is kept in the database only where several nodes share them.
    async fn purge_throttles(&self, now: Timestamp) -> Result<()> {
        if self.store.is_multi_node() {
            self.in_pieces(move |tx| Box::pin(tx.purge_throttles(now)))
                .await?;
        }
        Ok(())
    }

    async fn send_mail(&self) -> Result<()> {
        let Some(mailer) = &self.mailer else {
            return Ok(());
        };
        for mail in self
            .store
            .read()
            .due_mail(self.env.now(), MAIL_BATCH)
            .await?
        {
            self.deliver(mailer, mail).await?;
        }
        Ok(())
    }

    async fn deliver(&self, mailer: &Mailer, mail: OutboxMail) -> Result<()> {
        let (id, attempts) = (mail.id, mail.attempts + 1);
        let next_try = self.env.now().after(backoff(attempts));
        // Postponed before it is sent, so that no other node sends it too.
        let claimed = self
            .store
            .write(move |tx| {
                Box::pin(async move { tx.postpone_mail(id, attempts, next_try).await })
            })
            .await?;
        if !claimed {
            return Ok(());
        }
        match mailer.send(&mail).await {
            Ok(()) => self.remove(&mail).await,
            Err(MailError::Refused(cause)) if attempts < MAIL_ATTEMPTS => {
                tracing::warn!(mail = %id, attempts, %cause, "a mail was not sent and will be tried again");
                Ok(())
            }
            Err(cause) => {
                tracing::error!(mail = %id, attempts, %cause, "a mail was given up");
                self.remove(&mail).await
            }
        }
    }

    async fn remove(&self, mail: &OutboxMail) -> Result<()> {
        let id = mail.id;
        self.store
            .write(move |tx| Box::pin(async move { tx.delete_mail(id).await }))
            .await?;
        Ok(())
    }
}

/// Doubles from two minutes, which is longer than a server may take to answer, to about four hours.
fn backoff(attempts: i64) -> Duration {
    Duration::from_secs(120 << attempts.clamp(1, 8).saturating_sub(1).unsigned_abs())
}
