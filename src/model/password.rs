//! The password policy: what may become a password, and the form in which it is compared.

use std::{collections::HashSet, fmt, sync::LazyLock};

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The least number of code points.
pub const MIN_CHARS: usize = 8;
/// The greatest number of code points.
pub const MAX_CHARS: usize = 256;
/// The greatest number of bytes; longer text is refused before any other work.
pub const MAX_BYTES: usize = 1024;

/// The 3,000 most common passwords, the most common first, in lower case.
static COMMON: LazyLock<HashSet<&str>> =
    LazyLock::new(|| include_str!("password/common.txt").lines().collect());

/// A password in the form that is hashed: NFC (RFC 8265 section 4.2). Wiped when dropped, and never
/// shown.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

/// Why a text may not become a password.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PasswordRefused {
    /// Too few code points.
    #[error("must be at least {MIN_CHARS} characters long")]
    TooShort,
    /// Too many code points or bytes.
    #[error("must be at most {MAX_CHARS} characters and {MAX_BYTES} bytes long")]
    TooLong,
    /// A control character.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// One of the most common passwords.
    #[error("is one of the most common passwords")]
    TooCommon,
}

impl Password {
    /// A password to check against a stored one. Absent when no stored one can be equal to it.
    #[must_use]
    pub fn presented(text: &str) -> Option<Self> {
        (text.len() <= MAX_BYTES).then(|| Self(Zeroizing::new(text.nfc().collect())))
    }

    /// A password to store.
    ///
    /// # Errors
    /// The text breaks the policy.
    pub fn chosen(text: &str) -> Result<Self, PasswordRefused> {
        let password = Self::presented(text).ok_or(PasswordRefused::TooLong)?;
        let chars = password.0.chars().count();
        if chars < MIN_CHARS {
            Err(PasswordRefused::TooShort)
        } else if chars > MAX_CHARS || password.0.len() > MAX_BYTES {
            Err(PasswordRefused::TooLong)
        } else if password.0.chars().any(char::is_control) {
            Err(PasswordRefused::ControlCharacter)
        } else if COMMON.contains(password.0.to_lowercase().as_str()) {
            Err(PasswordRefused::TooCommon)
        } else {
            Ok(password)
        }
    }

    /// The bytes to hash.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_examples_are_accepted() {
        for text in [
            "secure_password_123",
            "supersecret",
            "propassword",
            "correct horse battery",
            "пароль длинный",
        ] {
            assert!(Password::chosen(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn weak_and_unwieldy_passwords_are_refused_with_the_reason() {
        let (many, wide) = ("x".repeat(257), "é".repeat(600));
        for (text, reason) in [
            ("short12", PasswordRefused::TooShort),
            ("", PasswordRefused::TooShort),
            (many.as_str(), PasswordRefused::TooLong),
            (wide.as_str(), PasswordRefused::TooLong),
            ("tab\tinside it", PasswordRefused::ControlCharacter),
            ("password1", PasswordRefused::TooCommon),
            ("PassWord1", PasswordRefused::TooCommon),
        ] {
            assert_eq!(Password::chosen(text).err(), Some(reason), "{text:?}");
        }
    }

    #[test]
    fn composed_and_decomposed_text_is_one_password() {
        let (composed, decomposed) = (
            Password::presented("caf\u{e9} au lait"),
            Password::presented("cafe\u{301} au lait"),
        );
        assert_eq!(composed.unwrap().as_bytes(), decomposed.unwrap().as_bytes());
    }

    #[test]
    fn the_list_holds_three_thousand() {
        assert_eq!(COMMON.len(), 3000);
    }
}
