//! The keys that sign tokens, and the one that seals them.

use std::{path::PathBuf, time::Duration};

use base64::{
    Engine, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::{
    duration::{days, hours},
    rule::{Broken, require, within},
    setting::settings,
};

settings! {
    /// The keys that sign tokens, and the master key that seals them in the database.
    pub struct Keys {
        /// The file of the master key, mode 0600; made at the first start. Keep a copy: without it the
        /// signing keys are lost. Empty: `master.key` in the data folder.
        key_file: Option<PathBuf> = None,
        /// The master key itself instead of a file: 32 bytes in base64, as `openssl rand -base64 32`
        /// makes them.
        master_key: SecretString = SecretString::default(),
        /// The age at which a signing key gets a successor, 1d to 3650d.
        rotation_age: Duration = days(90),
        /// The time for which a key is published before it signs, 0s to 30d; longer than clients keep
        /// the published set.
        publish_before: Duration = hours(24),
    }
}

impl Keys {
    /// The master key, when it is given itself.
    #[must_use]
    pub fn given_master_key(&self) -> Option<Zeroizing<[u8; 32]>> {
        decode_master_key(self.master_key.expose_secret())
    }

    pub(super) fn check(&self) -> Result<(), Broken> {
        let given = !self.master_key.expose_secret().is_empty();
        require(
            !given || self.given_master_key().is_some(),
            "keys.master_key",
            "it must be 32 bytes in base64: make one with `openssl rand -base64 32`",
        )?;
        require(
            !given || self.key_file.is_none(),
            "keys.key_file",
            "it must be unset when `keys.master_key` is set",
        )?;
        within(
            "keys.rotation_age",
            &self.rotation_age,
            days(1)..=days(3_650),
        )?;
        within(
            "keys.publish_before",
            &self.publish_before,
            Duration::ZERO..=days(30),
        )?;
        require(
            self.publish_before < self.rotation_age,
            "keys.publish_before",
            "it must be shorter than `keys.rotation_age`",
        )
    }
}

/// The master key that a text means: 32 bytes in base64 of either alphabet (RFC 4648 sections 4 and 5).
#[must_use]
pub fn decode_master_key(text: &str) -> Option<Zeroizing<[u8; 32]>> {
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    [alphabet::STANDARD, alphabet::URL_SAFE]
        .iter()
        .find_map(|alphabet| {
            let engine = GeneralPurpose::new(alphabet, config);
            let bytes = Zeroizing::new(engine.decode(text.trim()).ok()?);
            <[u8; 32]>::try_from(bytes.as_slice())
                .ok()
                .map(Zeroizing::new)
        })
}

/// The text that means this master key.
#[must_use]
pub fn encode_master_key(key: &[u8; 32]) -> Zeroizing<String> {
    Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_read_in_each_spelling() {
        let key = [0xfb; 32];
        let text = encode_master_key(&key);
        for spelling in [
            text.to_string(),
            format!("{}\n", *text),
            text.trim_end_matches('=').to_owned(),
            text.replace('+', "-").replace('/', "_"),
        ] {
            assert_eq!(decode_master_key(&spelling).map(|key| *key), Some(key));
        }
    }

    #[test]
    fn a_key_of_another_length_is_refused() {
        for text in ["", "secret", "AAAA", &"A".repeat(44), &"é".repeat(32)] {
            assert!(decode_master_key(text).is_none());
        }
    }
}
