//! Documents of other servers that are kept in memory for as long as their headers allow.

use std::time::Duration;

use url::Url;

use crate::{
    crypto::foreign::{ForeignKeys, ForeignToken, ForeignTokenError, MOST_BYTES},
    env::Timestamp,
    outbound::{Bounds, FetchError, FetchErrorKind, Outbound},
};

/// How long a document is not asked for again although it could not be had, or lacked something.
const PAUSE: Duration = Duration::from_secs(60);
/// How long the last good one does while there is no newer one to be had.
const LAST_GOOD: Duration = Duration::from_secs(24 * 60 * 60);

/// Somebody waits for keys.
const OF_KEYS: Bounds = Bounds {
    time: Duration::from_secs(5),
    bytes: MOST_BYTES,
};

/// What was read of a document, and when it was asked for.
pub(super) struct Remote<T> {
    found: Option<Found<T>>,
    asked_at: Option<Timestamp>,
}

struct Found<T> {
    document: T,
    at: Timestamp,
    until: Timestamp,
}

/// Why a document is not to be had, for the log alone: others could find out with it what this server reaches.
#[derive(Debug, thiserror::Error)]
pub(super) enum RemoteError {
    #[error("it cannot be fetched: {0}")]
    Unreachable(#[from] FetchError),
    #[error("what is there cannot be used: {0}")]
    Unusable(&'static str),
}

impl<T> Default for Remote<T> {
    fn default() -> Self {
        Self {
            found: None,
            asked_at: None,
        }
    }
}

impl<T> Remote<T> {
    /// What was found, while it may be kept.
    pub(super) fn fresh(&self, now: Timestamp) -> Option<&T> {
        let fresh = self.found.as_ref().filter(|found| now < found.until);
        fresh.map(|found| &found.document)
    }

    /// Whether it is time to ask again.
    pub(super) fn may_ask(&self, now: Timestamp) -> bool {
        self.asked_at.is_none_or(|asked| now >= asked.after(PAUSE))
    }

    /// Asks for the document, and keeps what `read` makes of it. The last good one goes on where there is no newer one.
    pub(super) async fn fetch(
        &mut self,
        url: &Url,
        outbound: &Outbound,
        bounds: Bounds,
        now: Timestamp,
        read: impl FnOnce(&[u8]) -> Result<T, &'static str>,
    ) -> Result<&T, RemoteError> {
        // Before the wait: a caller who goes away must not get another try.
        let asked_before = self.asked_at.replace(now);
        let answer = outbound.get(url, None, bounds).await;
        if let Err(error) = &answer
            && matches!(error.kind, FetchErrorKind::Busy)
        {
            self.asked_at = asked_before;
        }
        let fetched = answer.map_err(RemoteError::from).and_then(|answer| {
            let document = read(&answer.body).map_err(RemoteError::Unusable)?;
            Ok(Found {
                document,
                at: now,
                until: answer.fresh_until,
            })
        });
        let last_good = self
            .found
            .take()
            .filter(|last| now < last.at.after(LAST_GOOD));
        let found = match (fetched, last_good) {
            (Ok(found), _) => found,
            (Err(_), Some(last)) => Found {
                until: last.until.max(now.after(PAUSE)),
                ..last
            },
            (Err(error), None) => return Err(error),
        };
        Ok(&self.found.insert(found).document)
    }
}

impl Remote<ForeignKeys> {
    /// What the kept keys say of a token; none where they are to be asked for, since their owner may have a new one.
    pub(super) fn verify(
        &self,
        token: &ForeignToken<'_>,
        now: Timestamp,
    ) -> Option<Result<(), ForeignTokenError>> {
        let verified = self.fresh(now)?.verify(token);
        let may_be_new = verified == Err(ForeignTokenError::UnknownKey) && self.may_ask(now);
        (!may_be_new).then_some(verified)
    }

    /// Asks for the keys.
    pub(super) async fn fetch_keys(
        &mut self,
        url: &Url,
        outbound: &Outbound,
        now: Timestamp,
    ) -> Result<&ForeignKeys, RemoteError> {
        let read =
            |text: &[u8]| ForeignKeys::parse(text).map_err(|_| "it is no set of public keys");
        self.fetch(url, outbound, OF_KEYS, now, read).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;
    use crate::{env::Env, outbound::Options};

    const START: Timestamp = Timestamp::from_seconds(1_700_000_000);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    async fn outbound() -> Outbound {
        let options = Options {
            loopback: true,
            ..Options::default()
        };
        Outbound::new(options, Env::system()).await.unwrap()
    }

    async fn listener() -> (TcpListener, Url) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        (listener, url.parse().unwrap())
    }

    async fn fetch(remote: &mut Remote<Vec<u8>>, url: &Url, now: Timestamp) -> Option<Vec<u8>> {
        let read = |text: &[u8]| Ok(text.to_vec());
        let outbound = outbound().await;
        let fetched = remote.fetch(url, &outbound, Bounds::default(), now, read);
        fetched.await.ok().cloned()
    }

    #[tokio::test]
    async fn whoever_goes_away_does_not_get_another_try() {
        let (_listener, url) = listener().await;
        let (outbound, mut remote) = (outbound().await, Remote::default());
        let read = |text: &[u8]| Ok(text.to_vec());
        let fetched = remote.fetch(&url, &outbound, Bounds::default(), START, read);
        assert!(fetched.now_or_never().is_none());
        assert!(!remote.may_ask(START));
        assert!(remote.may_ask(START.after(PAUSE)));
    }

    #[tokio::test]
    async fn the_last_good_document_does_for_a_day() {
        let (listener, url) = listener().await;
        let once = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood";
            stream.write_all(answer).await.unwrap();
        });
        let mut remote = Remote::default();
        let good = Some(b"good".to_vec());
        assert_eq!(fetch(&mut remote, &url, START).await, good);
        once.await.unwrap();
        let later = START.after(DAY - PAUSE);
        assert_eq!(fetch(&mut remote, &url, later).await, good);
        assert_eq!(remote.fresh(later), good.as_ref());
        assert_eq!(fetch(&mut remote, &url, START.after(DAY)).await, None);
        assert_eq!(remote.fresh(START.after(DAY)), None);
    }
}
