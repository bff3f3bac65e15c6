//! Proof of work: issues challenges, checks their solutions, and uses each one once.
//!
//! A challenge is kept nowhere: its id says all of it, under a MAC. A solution leaves a row when it is used, in the
//! transaction that makes the account, so that of many at once one wins; over the limit on sign-ups it is used for
//! the look at one address.

use std::{net::IpAddr, sync::Arc, time::Duration};

use crate::{
    crypto::{challenges, passwords::Passwords},
    domain::sign_up_rate::{SignUpRate, Thresholds},
    env::Env,
    error::{Error, Reason, Result},
    limits::Limits,
    metrics::Metrics,
    model::{
        account::Plan,
        pow::{self, Algorithm, Challenge, Purpose, Sha256Salt},
    },
    store::{Store, Tx},
};

/// Whose sign-ups must bring the solution of a challenge.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum WorkPolicy {
    /// Those that open a session of Mail.td's, as its document says.
    MailTd,
    /// All.
    All,
    /// Those of clients over their limit on sign-ups, for whom it is a way through.
    OverLimit,
}

/// What challenges ask for.
#[derive(Clone, Copy, Debug)]
pub struct WorkSettings {
    /// Whose sign-ups need it.
    pub policy: WorkPolicy,
    /// How the work is done.
    pub algorithm: Algorithm,
    /// The least number of leading zero bits.
    pub difficulty: u8,
    /// The most that it rises to.
    pub ceiling: u8,
    /// From how many sign-ups on it rises.
    pub thresholds: Thresholds,
    /// How long a challenge can be solved.
    pub lifetime: Duration,
}

/// The solution of a challenge, as it was sent.
#[derive(Clone, Debug)]
pub struct ProofOfWork {
    /// The id of the challenge.
    pub challenge_id: String,
    /// What makes the hash start with enough zero bits.
    pub nonce: String,
}

/// What is wrong with a solution, for the log.
#[derive(Clone, Copy, Debug, thiserror::Error)]
enum Flaw {
    #[error("the challenge was not made here, was changed since, or is for something else")]
    Forged,
    #[error("the challenge has expired")]
    Expired,
    #[error("the nonce does not solve the challenge")]
    Unsolved,
    #[error("the solution was used before")]
    Redeemed,
}

impl From<Flaw> for Error {
    fn from(flaw: Flaw) -> Self {
        Self::new(Reason::ChallengeInvalid).because(flaw)
    }
}

/// A solution that has passed the checks which cost next to nothing.
#[derive(Clone)]
pub(super) struct Candidate {
    challenge: Challenge,
    nonce: String,
}

/// Issues challenges, and checks their solutions.
pub struct Challenges {
    pub(super) env: Env,
    pub(super) store: Store,
    pub(super) passwords: Arc<Passwords>,
    pub(super) limits: Arc<Limits>,
    pub(super) metrics: Metrics,
    pub(super) key: [u8; 32],
    pub(super) work: WorkSettings,
    pub(super) sign_up_rate: SignUpRate,
}

impl Challenges {
    /// A new challenge for this client, and its id. Nothing is written.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn create(&self, purpose: Purpose, client: IpAddr) -> Result<(String, Challenge)> {
        let difficulty = self.difficulty(client);
        self.metrics.challenge_issued(difficulty.into());
        let challenge = Challenge {
            purpose,
            algorithm: self.work.algorithm,
            difficulty,
            expires_at: self.env.now().after(self.work.lifetime),
            random: self.env.random()?,
        };
        Ok((challenges::seal(&self.key, &challenge), challenge))
    }

    /// Counts a sign-up: the more there are, the harder challenges get.
    pub(super) fn count_sign_up(&self, client: IpAddr) {
        self.sign_up_rate.count(client);
    }

    /// The difficulty of a challenge that is issued to this client now.
    fn difficulty(&self, client: IpAddr) -> u8 {
        let work = &self.work;
        let extra = self.sign_up_rate.extra_bits(client);
        work.difficulty.saturating_add(extra).min(work.ceiling)
    }

    /// Whether work is a way through for clients over their limit on sign-ups.
    fn takes_work_over_the_limit(&self) -> bool {
        self.work.policy == WorkPolicy::OverLimit
    }

    /// Whether a client may sign up, which is asked before the call is read. Where work is a way through the limit,
    /// everybody may: the sign-up itself knows whether there is work.
    ///
    /// # Errors
    /// `RATE_LIMITED` with the time after which the same call passes.
    pub fn may_sign_up(&self, client: IpAddr) -> Result<()> {
        if self.takes_work_over_the_limit() {
            return Ok(());
        }
        self.limits.may_create(Plan::Free, false, client)
    }

    /// The limit on sign-ups that the client has reached, when work is a way through. Spends nothing: what is refused
    /// after this costs nobody at the same address a sign-up.
    pub(super) fn over_limit(&self, mail_td: bool, client: IpAddr) -> Result<Option<Error>> {
        match self.limits.may_create(Plan::Free, mail_td, client) {
            Ok(()) => Ok(None),
            Err(refusal) if self.takes_work_over_the_limit() => Ok(Some(refusal)),
            Err(refusal) => Err(refusal),
        }
    }

    /// Asks for work where the policy does, which of those who sign up with some clients is `strict`, or where a
    /// client is over its limit, and does the checks of it that cost next to nothing: they stand before everything
    /// else that a sign-up does.
    pub(super) fn examine(
        &self,
        sent: Option<ProofOfWork>,
        strict: bool,
        over_limit: Option<&Error>,
    ) -> Result<Option<Candidate>> {
        if let Some(sent) = sent {
            return self.candidate(sent).map(Some);
        }
        if let Some(refusal) = over_limit {
            return Err(work_instead_of(refusal));
        }
        let is_asked = match self.work.policy {
            WorkPolicy::MailTd => strict,
            WorkPolicy::All => true,
            WorkPolicy::OverLimit => false,
        };
        if is_asked {
            Err(Reason::ChallengeRequired.into())
        } else {
            Ok(None)
        }
    }

    /// Lets a sign-up that brought work through a limit, where work is a way through; asks for it otherwise.
    pub(super) fn let_through(&self, work: Option<&Candidate>, refusal: Error) -> Result<()> {
        let is_way_through =
            refusal.reason() == Reason::RateLimited && self.takes_work_over_the_limit();
        match work {
            Some(_) if is_way_through => Ok(()),
            None if is_way_through => Err(work_instead_of(&refusal)),
            _ => Err(refusal),
        }
    }

    fn candidate(&self, sent: ProofOfWork) -> Result<Candidate> {
        let challenge = challenges::open(&self.key, &sent.challenge_id).ok_or(Flaw::Forged)?;
        // A second purpose would have to be told apart here; until then this matches every one.
        let Purpose::SignUp = challenge.purpose;
        if self.env.now() >= challenge.expires_at {
            return Err(Flaw::Expired.into());
        }
        if challenge.algorithm == Algorithm::Sha256 {
            let puzzle = challenge.puzzle();
            let hash = Sha256Salt::new(&puzzle.salt).hash(&sent.nonce);
            solves(&hash, &challenge)?;
        }
        Ok(Candidate {
            challenge,
            nonce: sent.nonce,
        })
    }

    /// Uses a solution for nothing but an answer.
    pub(super) async fn spend(&self, work: Candidate) -> Result<()> {
        self.store
            .write(move |tx| Box::pin(async move { work.redeem(tx).await }))
            .await
    }

    /// The checks of a solution that cost something: whether it was used before, and Argon2id.
    pub(super) async fn prove(&self, candidate: &Candidate, client: IpAddr) -> Result<()> {
        let challenge = &candidate.challenge;
        // The insert decides in the end; this spares those who come later the hashing.
        if self.store.read().is_redeemed(challenge).await? {
            return Err(Flaw::Redeemed.into());
        }
        if let Algorithm::Argon2id(cost) = challenge.algorithm {
            let salt = challenge.puzzle().salt;
            let work = self
                .passwords
                .work(&candidate.nonce, &salt, cost, Some(client));
            let hash = work.await?;
            solves(&hash, challenge)?;
        }
        Ok(())
    }
}

impl Candidate {
    /// Uses the solution: together with what it is used for, or not at all.
    pub(super) async fn redeem(&self, tx: &Tx<'_>) -> Result<()> {
        if tx.redeem_challenge(&self.challenge).await? {
            Ok(())
        } else {
            Err(Flaw::Redeemed.into())
        }
    }
}

/// Asks for work, and says which limit it is a way through.
fn work_instead_of(refusal: &Error) -> Error {
    let mut asked = Error::new(Reason::ChallengeRequired);
    if let Some(limit) = refusal.limit() {
        asked = asked.limited_by(limit.clone());
    }
    if let Some(wait) = refusal.retry_delay() {
        asked = asked.retry_after(wait);
    }
    asked
}

fn solves(hash: &[u8; pow::HASH_BYTES], challenge: &Challenge) -> Result<()> {
    if pow::is_enough(hash, challenge.difficulty) {
        Ok(())
    } else {
        Err(Flaw::Unsolved.into())
    }
}
