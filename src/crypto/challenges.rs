//! The ids of challenges: all that a challenge says, sealed so that nobody else can have written it.

use crate::{
    crypto::secrets::{sign_value, verify_value},
    model::pow::Challenge,
};

const PURPOSE: &str = "challenge";

/// The id of a challenge. It is not hidden what it says, but only this key's holder can have made it.
#[must_use]
pub fn seal(key: &[u8; 32], challenge: &Challenge) -> String {
    sign_value(key, PURPOSE, &challenge.to_bytes())
}

/// The challenge with this id; none when the id was not made with this key, or was changed since.
#[must_use]
pub fn open(key: &[u8; 32], id: &str) -> Option<Challenge> {
    Challenge::from_bytes(&verify_value(key, PURPOSE, id)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        env::Timestamp,
        model::pow::{Algorithm, Purpose},
    };

    const KEY: &[u8; 32] = &[7; 32];

    fn challenge() -> Challenge {
        Challenge {
            purpose: Purpose::SignUp,
            algorithm: Algorithm::Sha256,
            difficulty: 20,
            expires_at: Timestamp::from_millis(1_768_473_300_000),
            random: [3; 16],
        }
    }

    #[test]
    fn an_id_opens_with_its_own_key_alone() {
        let id = seal(KEY, &challenge());
        assert_eq!(open(KEY, &id), Some(challenge()));
        assert_eq!(open(&[8; 32], &id), None);
        assert!(id.len() <= 128 && id.bytes().all(|byte| byte.is_ascii_graphic()));
    }

    #[test]
    fn what_the_key_sealed_for_another_use_is_no_challenge() {
        let page_token = sign_value(KEY, "page of sessions", &challenge().to_bytes());
        assert_eq!(open(KEY, &page_token), None);
    }

    #[test]
    fn an_id_with_any_character_changed_opens_no_more() {
        let id = seal(KEY, &challenge());
        for at in 0..id.len() {
            for new in "Aa0-_ é".chars() {
                let changed = format!("{}{new}{}", &id[..at], &id[at + 1..]);
                assert!(changed == id || open(KEY, &changed).is_none(), "{at} {new}");
            }
        }
    }
}
