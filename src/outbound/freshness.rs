//! How long an answer may be kept.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{Request, response};
use http_cache_semantics::{CacheOptions, CachePolicy};

use crate::env::Timestamp;

/// Whatever its headers say, a document is kept so long, so that nobody makes this server fetch it with each
/// request; the draft of client metadata documents lets a server choose such bounds.
const SHORTEST: Duration = Duration::from_secs(5 * 60);
/// And no longer than this, so that a change is seen within a day.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// How long this answer, which came just now, may be kept.
pub(super) fn lifetime(head: &response::Parts, now: Timestamp) -> Duration {
    let now = system_time(now);
    let options = CacheOptions {
        // The server asks for itself and hands the answer to nobody.
        shared: false,
        ..CacheOptions::default()
    };
    let policy = CachePolicy::new_options(&Request::new(()), head, now, options);
    policy.time_to_live(now).clamp(SHORTEST, LONGEST)
}

fn system_time(moment: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(moment.millis()).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use http::Response;
    use proptest::prelude::*;

    use super::*;

    /// 2026-01-15T10:30:00Z.
    const NOW: Timestamp = Timestamp::from_seconds(1_768_473_000);

    fn kept_for(headers: &[(&str, &str)]) -> Duration {
        let mut answer = Response::builder();
        for (name, value) in headers {
            answer = answer.header(*name, *value);
        }
        lifetime(&answer.body(()).unwrap().into_parts().0, NOW)
    }

    #[test]
    fn an_answer_is_kept_as_long_as_it_says_within_bounds() {
        let hour = Duration::from_secs(60 * 60);
        let date = ("date", "Thu, 15 Jan 2026 10:30:00 GMT");
        for (headers, kept) in [
            (&[][..], SHORTEST),
            (&[("cache-control", "max-age=3600")], hour),
            (&[("cache-control", "private, max-age=3600")], hour),
            (
                &[("cache-control", "max-age=3600"), ("set-cookie", "a=b")],
                hour,
            ),
            (&[("cache-control", "max-age=4200"), ("age", "600")], hour),
            (&[date, ("expires", "Thu, 15 Jan 2026 11:30:00 GMT")], hour),
            // The clock of the other end goes wrong, its span is right.
            (
                &[
                    ("date", "Thu, 01 Jan 2015 00:00:00 GMT"),
                    ("expires", "Thu, 01 Jan 2015 01:00:00 GMT"),
                ],
                hour,
            ),
            (&[("cache-control", "max-age=0")], SHORTEST),
            (&[("cache-control", "no-store")], SHORTEST),
            (&[("cache-control", "no-cache, max-age=3600")], SHORTEST),
            (&[("cache-control", "max-age=60")], SHORTEST),
            (&[("expires", "0")], SHORTEST),
            (&[("expires", "Thu, 01 Jan 1970 00:00:00 GMT")], SHORTEST),
            (&[("cache-control", "max-age=604800")], LONGEST),
            (
                &[("cache-control", "max-age=18446744073709551615")],
                LONGEST,
            ),
            (
                &[("cache-control", "max-age=99999999999999999999999")],
                SHORTEST,
            ),
            (
                &[
                    ("cache-control", "max-age=1"),
                    ("age", "18446744073709551615"),
                ],
                SHORTEST,
            ),
            (&[("expires", "Fri, 31 Dec 9999 23:59:59 GMT")], LONGEST),
        ] {
            assert_eq!(kept_for(headers), kept, "{headers:?}");
        }
    }

    proptest! {
        /// What other servers write here is not theirs to stop this one with.
        #[test]
        fn any_headers_give_a_time_within_bounds(
            control in "[ -~]{0,40}",
            age in "[0-9]{0,22}|[ -~]{0,10}",
            date in "(Mon|Thu), [0-9]{2} (Jan|Feb) [0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|-[0-9]{4})",
            expires in "(Mon|Thu), [0-9]{2} (Jan|Dec) [0-9]{1,6} [0-9]{2}:[0-9]{2}:60 GMT|[ -~]{0,40}",
            vary in "[ -~]{0,10}",
        ) {
            let kept = kept_for(&[
                ("cache-control", &control),
                ("age", &age),
                ("date", &date),
                ("last-modified", &expires),
                ("expires", &expires),
                ("vary", &vary),
                ("pragma", &control),
            ]);
            prop_assert!((SHORTEST..=LONGEST).contains(&kept));
        }
    }
}
