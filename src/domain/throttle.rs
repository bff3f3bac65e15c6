//! Holds back whoever guesses passwords or signs up too often: the rules of [`model::throttle`], over the
//! memory of this node, or over a table where several nodes use one Postgres.
//!
//! [`model::throttle`]: crate::model::throttle

mod attempt;
pub mod memory;
mod sign_ups;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub(super) use self::attempt::Attempt;
use self::memory::{Keys, Memory, Refused};
use crate::{
    crypto::secrets,
    domain::devices::{Device, Devices},
    env::{Env, Timestamp},
    error::{Error, Limit, Reason, Result},
    limits::Limits,
    metrics::{self, Metrics},
    model::{
        account::Plan,
        email::Email,
        id::SessionId,
        network::Network,
        request::RequestOrigin,
        throttle::{
            AttemptStates, Decision, Origin, Outcome, Reservation, RowKey, Rules, Tier, decide,
            refund,
        },
    },
    store::Store,
};

/// The name of the limit on log-ins in answers.
pub const LOG_IN: &str = "log-in";

/// Who tries an account: its password, or whether there is one.
pub(super) struct Guess<'a> {
    /// The e-mail address of the account, normalized. There need be no such account.
    pub(super) address: &'a str,
    /// Where the call comes from.
    pub(super) origin: &'a RequestOrigin,
    /// The session that the call is made in.
    pub(super) session: Option<SessionId>,
}

impl<'a> Guess<'a> {
    /// A guess at the account with this address, made in no session.
    pub(super) fn at(email: &'a Email, origin: &'a RequestOrigin) -> Self {
        Self {
            address: email.normalized(),
            origin,
            session: None,
        }
    }
}

/// Counts attempts, for a whole domain.
pub(super) struct Throttle {
    limits: Arc<Limits>,
    metrics: Metrics,
    devices: Devices,
    key: [u8; 32],
    env: Env,
    origin: (Timestamp, Instant),
    store: Store,
    /// Whether other nodes count with us, in the database.
    multi_node: bool,
    memory: Mutex<Memory>,
    /// With other nodes: until when we know somebody to be refused, which saves asking again.
    refused: Mutex<Refused>,
}

impl Throttle {
    pub(super) fn new(
        (limits, metrics): (Arc<Limits>, Metrics),
        devices: Devices,
        key: [u8; 32],
        (env, store): (Env, Store),
        multi_node: bool,
    ) -> Self {
        Self {
            limits,
            metrics,
            devices,
            key,
            origin: (env.now(), env.monotonic()),
            env,
            store,
            multi_node,
            memory: Mutex::new(Memory::new()),
            refused: Mutex::new(Refused::new()),
        }
    }

    /// A time that other nodes have too, where there are some.
    fn now(&self) -> Timestamp {
        if self.multi_node {
            self.env.now()
        } else {
            self.here()
        }
    }

    /// A time of this node alone, which is never set back.
    fn here(&self) -> Timestamp {
        let (start, origin) = self.origin;
        start.after(self.env.monotonic().duration_since(origin))
    }

    fn number(&self, label: &str, parts: &[u128]) -> u128 {
        let bytes: Vec<u8> = parts.iter().flat_map(|part| part.to_be_bytes()).collect();
        secrets::fingerprint(&self.key, label, &bytes)
    }

    /// The number under which the attempts at an account are counted, known or not.
    pub(super) fn account(&self, normalized: &str) -> u128 {
        secrets::fingerprint(&self.key, "account", normalized.as_bytes())
    }

    fn keys(&self, account: u128, network: Network, device: Option<u128>) -> Keys {
        let at_account = |label, number| self.number(label, &[account, number]);
        [
            device.map(|device| at_account("device", device)),
            Some(at_account("network", network.client())),
            Some(account),
            Some(self.number("client", &[network.client()])),
            network.site().map(|site| self.number("site", &[site])),
        ]
    }

    async fn let_through(
        self: &Arc<Self>,
        guess: &Guess<'_>,
        device: Option<u128>,
    ) -> Result<Attempt> {
        let network = Network::of(guess.origin.address);
        let account = self.account(guess.address);
        let keys = self.keys(account, network, device);
        let mut attempt = Attempt {
            throttle: Arc::clone(self),
            keys,
            reservation: None,
        };
        let Some(rules) = self.limits.log_in() else {
            return Ok(attempt);
        };
        let mut origin = Origin {
            device: device.is_some(),
            session_here: None,
        };
        loop {
            match self.decide(keys, origin, rules).await? {
                Decision::Pass(reservation) => {
                    attempt.reservation = Some(reservation);
                    return Ok(attempt);
                }
                Decision::Wait(wait) => {
                    // The call itself was spent, too, and the next one waits for that.
                    let wait = wait.max(self.limits.call_refill(Plan::Free));
                    return Err(refusal(&rules, wait));
                }
                Decision::LookForSession => {
                    let had = self
                        .store
                        .read()
                        .had_session(guess.address, network)
                        .await?;
                    origin.session_here = Some(had);
                }
            }
        }
    }

    async fn decide(&self, keys: Keys, origin: Origin, rules: Rules) -> Result<Decision> {
        let now = self.now();
        if !self.multi_node {
            let mut memory = self.memory();
            return Ok(self.change(&mut memory, &keys, now, &rules, |states| {
                decide(states, origin, now, &rules)
            }));
        }
        let [device, network, ..] = keys;
        let primary = device.or(network).unwrap_or_default();
        if let Some(wait) = self.refused().wait(primary, self.here()) {
            return Ok(Decision::Wait(wait));
        }
        let change = move |states: &mut AttemptStates| decide(states, origin, now, &rules);
        let decision = self.change_stored(keys, rules, now, change).await?;
        if let Decision::Wait(wait) = decision {
            self.refused().note(primary, wait, self.here());
        }
        Ok(decision)
    }

    fn change<T>(
        &self,
        memory: &mut Memory,
        keys: &Keys,
        now: Timestamp,
        rules: &Rules,
        change: impl FnOnce(&mut AttemptStates) -> T,
    ) -> T {
        let before = memory.states(keys, now, rules);
        let mut states = before;
        let outcome = change(&mut states);
        memory.keep(keys, &before, &states);
        outcome
    }

    /// Changes the states that all nodes share, in one short transaction that holds their rows.
    async fn change_stored<T: Send + 'static>(
        &self,
        keys: Keys,
        rules: Rules,
        now: Timestamp,
        change: impl FnOnce(&mut AttemptStates) -> T + Clone + Send + 'static,
    ) -> Result<T> {
        let rows = rows(&keys);
        let use_case = async move |tx: &crate::store::Tx<'_>| {
            let sorted: Vec<RowKey> = rows.iter().map(|(key, _)| *key).collect();
            let stored = tx.lock_attempts(&sorted, now).await?;
            let mut states = AttemptStates::default();
            for ((_, tier), state) in rows.iter().zip(&stored) {
                states[*tier as usize] = *state;
            }
            let before = states;
            let outcome = change(&mut states);
            let changed: Vec<_> = rows
                .iter()
                .map(|(key, tier)| (key, *tier as usize))
                .filter(|(_, at)| states[*at] != before[*at])
                .map(|(key, at)| (*key, states[at], rules.expiry(&states[at])))
                .collect();
            if !changed.is_empty() {
                tx.put_attempts(&changed).await?;
            }
            Ok(outcome)
        };
        self.store
            .write(move |tx| Box::pin(async move { use_case(tx).await }))
            .await
    }

    /// Refunds what a right attempt, or one without an end, was counted for.
    async fn refund(&self, keys: Keys, reservation: Reservation, outcome: Outcome) -> Result<()> {
        let Some(rules) = self.limits.log_in().filter(|_| self.multi_node) else {
            self.refund_here(&keys, &reservation, outcome);
            return Ok(());
        };
        let now = self.now();
        let change =
            move |states: &mut AttemptStates| refund(states, &reservation, outcome, &rules);
        self.change_stored(keys, rules, now, change).await
    }

    fn refund_here(&self, keys: &Keys, reservation: &Reservation, outcome: Outcome) {
        if let Some(rules) = self.limits.log_in() {
            let mut memory = self.memory();
            self.change(&mut memory, keys, self.now(), &rules, |states| {
                refund(states, reservation, outcome, &rules);
            });
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self) -> MutexGuard<'_, Refused> {
        self.refused.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The rows of the states that are counted, in the order in which they are locked.
fn rows(keys: &Keys) -> Vec<(RowKey, Tier)> {
    let row = |tier: Tier| Some((row_key(tier as u8, keys[tier as usize]?), tier));
    let mut rows: Vec<_> = Tier::ALL.into_iter().filter_map(row).collect();
    rows.sort_unstable_by_key(|(key, _)| *key);
    rows
}

fn row_key(kind: u8, number: u128) -> RowKey {
    let mut key = [kind; 17];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}

fn refusal(rules: &Rules, wait: Duration) -> Error {
    let window = rules.longest_delay.saturating_mul(rules.free);
    limited(LOG_IN, rules.free, window).retry_after(wait)
}

fn limited(name: &'static str, calls: u32, window: Duration) -> Error {
    Error::new(Reason::RateLimited).limited_by(Limit {
        name: name.into(),
        calls,
        // Rounded up: the window in which so many are sure to pass.
        window_seconds: window.as_secs() + u64::from(window.subsec_nanos() > 0),
    })
}

impl Throttle {
    /// Lets an attempt at a password through, or says when the same attempt will be. Costs the same whether
    /// or not there is such an account.
    pub(super) async fn admit(self: &Arc<Self>, guess: &Guess<'_>) -> Result<Attempt> {
        let device = match guess.session {
            Some(session) => Some(session.uuid().as_u128()),
            None => self.device_of(guess).map(|device| device.id),
        };
        let admitted = self.let_through(guess, device).await;
        let is_limited = |refusal: &Error| refusal.reason() == Reason::RateLimited;
        if self.limits.log_in().is_some() && admitted.as_ref().err().is_none_or(is_limited) {
            let counts = self.metrics.limit(metrics::Limit::LogIn);
            counts.count(admitted.is_ok());
        }
        admitted
    }

    /// The device that an attempt comes from, when the account knows it.
    fn device_of(&self, guess: &Guess<'_>) -> Option<Device> {
        let device = self.devices.open(guess.origin.device.as_deref()?)?;
        (device.account == self.account(guess.address)).then_some(device)
    }

    /// What the device of a right attempt is known by from now on.
    pub(super) fn know_device(&self, guess: &Guess<'_>) -> String {
        let known = self.device_of(guess).map(|device| device.id);
        let account = self.account(guess.address);
        let network = Network::of(guess.origin.address);
        self.devices.seal(account, known, network.client())
    }
}
