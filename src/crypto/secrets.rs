//! Secrets that callers carry: refresh tokens and API keys, and values that the server gives out and must
//! recognize as its own.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::env::{Env, RandomnessUnavailable};

/// How many characters the 256 random bits take.
const BODY_CHARS: usize = 43;
/// How many characters the CRC-32 takes.
const CHECK_CHARS: usize = 6;
/// How many characters of the random part a hint shows: 24 of 256 bits.
const HINT_CHARS: usize = 4;
/// How many bytes of an HMAC a cursor carries (RFC 2104 section 5: at least half of it).
const MAC_BYTES: usize = 16;

const DIGITS: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A secret as it is handed out once, and the hash that stays. Wiped when dropped, and never shown.
///
/// It reads `prefix`, 43 base62 digits of 256 bits, then 6 base62 digits of the CRC-32 of all that: a typo
/// is refused without a look-up, a double click selects the whole, and scanners for leaked secrets can be
/// sure of what they found. There is no time-ordered part in it: what the database indexes is the hash,
/// whose order no part of the text could influence.
pub struct SecretToken {
    /// The whole text, for its owner alone.
    pub text: Zeroizing<String>,
    /// Its SHA-256, for the database. 256 random bits need no slow hash.
    pub hash: [u8; 32],
}

impl SecretToken {
    fn from_bits(prefix: &str, bits: &[u8; 32]) -> Self {
        // Exactly as large as needed: growing would leave a copy behind, unwiped.
        let mut text = String::with_capacity(prefix.len() + BODY_CHARS + CHECK_CHARS);
        text.push_str(prefix);
        push_base62::<BODY_CHARS>(&mut text, bits);
        let check = crc32fast::hash(text.as_bytes()).to_be_bytes();
        push_base62::<CHECK_CHARS>(&mut text, &check);
        Self {
            hash: hash(&text),
            text: Zeroizing::new(text),
        }
    }
}

impl std::fmt::Debug for SecretToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretToken(…)")
    }
}

/// A new secret of 256 random bits.
///
/// # Errors
/// The system has no randomness to give.
pub fn generate(prefix: &str, env: &Env) -> Result<SecretToken, RandomnessUnavailable> {
    let bits = Zeroizing::new(env.random::<32>()?);
    Ok(SecretToken::from_bits(prefix, &bits))
}

/// The secret that this key, label and material always give: HMAC-SHA256 in the place of randomness. A
/// refresh that is repeated gets the same successor this way, although only hashes are stored.
#[must_use]
pub fn derive(prefix: &str, key: &[u8; 32], label: &str, material: &[u8]) -> SecretToken {
    let bits = Zeroizing::new(mac(key, label, material));
    SecretToken::from_bits(prefix, &bits)
}

/// The SHA-256 by which a secret is stored and found.
#[must_use]
pub fn hash(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

/// Whether a text could be a secret with this prefix: length, alphabet and checksum. It tells a typo from
/// a key, not whose it is.
#[must_use]
pub fn well_formed(text: &str, prefix: &str) -> bool {
    let Some(rest) = text.strip_prefix(prefix) else {
        return false;
    };
    if rest.len() != BODY_CHARS + CHECK_CHARS || !rest.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    let (checked, check) = text.split_at(text.len() - CHECK_CHARS);
    let mut expected = String::with_capacity(CHECK_CHARS);
    push_base62::<CHECK_CHARS>(
        &mut expected,
        &crc32fast::hash(checked.as_bytes()).to_be_bytes(),
    );
    check == expected
}

/// The start of a secret, by which its owner recognizes it: the prefix (up to its last `_`) and the four
/// characters after it.
#[must_use]
pub fn hint(text: &str) -> String {
    let prefix = text.rfind('_').map_or(0, |end| end + 1);
    let (prefix, body) = text.split_at(prefix);
    prefix
        .chars()
        .chain(body.chars().take(HINT_CHARS))
        .collect()
}

/// A value that only this key's holder can have made, for this purpose, as base64url. Its bytes are not
/// hidden.
#[must_use]
pub fn sign_value(key: &[u8; 32], purpose: &str, bytes: &[u8]) -> String {
    let tag = mac(key, purpose, bytes);
    BASE64_URL_SAFE_NO_PAD.encode([bytes, &tag[..MAC_BYTES]].concat())
}

/// The bytes of a value that `sign_value` made with the same key and purpose; none of any other text.
#[must_use]
pub fn verify_value(key: &[u8; 32], purpose: &str, text: &str) -> Option<Vec<u8>> {
    let mut bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
    let tag = bytes.split_off(bytes.len().checked_sub(MAC_BYTES)?);
    let whole = hmac(key, purpose, &bytes);
    // Compares in constant time.
    whole.verify_truncated_left(&tag).ok()?;
    Some(bytes)
}

/// A number that stands for these bytes, for this purpose: nobody without the key can tell which bytes, or
/// find two with the same number.
#[must_use]
pub fn fingerprint(key: &[u8; 32], purpose: &str, bytes: &[u8]) -> u128 {
    mac(key, purpose, bytes)
        .first_chunk()
        .map_or(0, |half| u128::from_be_bytes(*half))
}

fn mac(key: &[u8; 32], label: &str, bytes: &[u8]) -> [u8; 32] {
    hmac(key, label, bytes).finalize().into_bytes().into()
}

/// The label goes in with its length, so that no pair of label and bytes reads like another.
fn hmac(key: &[u8; 32], label: &str, bytes: &[u8]) -> Hmac<Sha256> {
    keyed(key)
        .chain_update((label.len() as u64).to_be_bytes())
        .chain_update(label)
        .chain_update(bytes)
}

/// HMAC-SHA256 with a key of 32 bytes, which cannot fail: the key is padded with zeros to a whole block
/// here, as RFC 2104 section 2 does with it anyway.
pub(super) fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    block[..32].copy_from_slice(key);
    Hmac::new((&*block).into())
}

/// Writes a number as exactly `N` base62 digits, the most significant first.
fn push_base62<const N: usize>(text: &mut String, big_endian: &[u8]) {
    let mut number = Zeroizing::new([0; 32]);
    let number = &mut number[..big_endian.len()];
    number.copy_from_slice(big_endian);
    let mut digits = [0; N];
    for digit in digits.iter_mut().rev() {
        *digit = divide_by_62(number);
    }
    text.extend(
        digits
            .iter()
            .map(|&digit| char::from(DIGITS[usize::from(digit)])),
    );
    digits.zeroize();
}

/// Divides in place and gives the remainder.
fn divide_by_62(number: &mut [u8]) -> u8 {
    let mut remainder = 0_u16;
    for byte in number {
        let dividend = remainder << 8 | u16::from(*byte);
        // A remainder is below 62, so the quotient is below 256.
        *byte = (dividend / 62) as u8;
        remainder = dividend % 62;
    }
    remainder as u8
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::crypto::test_env;
    use proptest::prelude::*;

    const PREFIX: &str = "cs_live_";
    const KEY: &[u8; 32] = &[7; 32];

    fn tokens(count: usize) -> Vec<String> {
        let env = test_env::still();
        (0..count)
            .map(|_| generate(PREFIX, &env).unwrap().text.to_string())
            .collect()
    }

    #[test]
    fn a_secret_has_one_shape() {
        for text in tokens(100) {
            assert!(well_formed(&text, PREFIX), "{text}");
            assert_eq!(text.len(), PREFIX.len() + 49);
        }
        let distinct: HashSet<_> = tokens(100).into_iter().collect();
        assert_eq!(distinct.len(), 100);
    }

    #[test]
    fn all_256_bits_are_in_the_text() {
        let text = |bits| {
            let token = SecretToken::from_bits("", &bits);
            token.text[..BODY_CHARS].to_owned()
        };
        let distinct: HashSet<_> = (0..256)
            .map(|bit| {
                let mut bits = [0; 32];
                bits[bit / 8] = 1 << (bit % 8);
                text(bits)
            })
            .collect();
        assert_eq!(distinct.len(), 256);
        // 2^256 - 1 in base 62, by another program.
        assert_eq!(text([255; 32]), MAX_BASE62);
        assert_eq!(text([0; 32]), "0".repeat(BODY_CHARS));
    }

    const MAX_BASE62: &str = "yhjskwdA6OZ1AL1YmHWZWm8LLG7HjnuCA2j5rOw8Xp1";

    #[test]
    fn every_damaged_secret_is_refused() {
        for text in tokens(100) {
            for damaged in damage(&text) {
                assert!(!well_formed(&damaged, PREFIX), "{text} → {damaged}");
            }
        }
    }

    fn damage(text: &str) -> Vec<String> {
        let mut all: Vec<String> = (0..text.len()).map(|end| text[..end].to_owned()).collect();
        all.extend(["0", "=", " ", "\n", "\0", "é"].map(|suffix| format!("{text}{suffix}")));
        all.extend([" ", "0", "\t"].map(|start| format!("{start}{text}")));
        all.extend([text.to_uppercase(), text.to_lowercase(), text.repeat(2)]);
        for (at, old) in text.char_indices() {
            let others = (b' '..=b'~').map(char::from).filter(|&new| new != old);
            all.extend(others.map(|new| format!("{}{new}{}", &text[..at], &text[at + 1..])));
        }
        all
    }

    #[test]
    fn a_right_checksum_does_not_save_a_wrong_shape() {
        let good = "A".repeat(BODY_CHARS);
        let bodies = [
            "",
            "A",
            &good[1..],
            &good.repeat(2),
            &good.replacen('A', "-", 1),
            &good.replace("AA", "é"),
        ];
        let checked = |body: &str| {
            let mut text = format!("{PREFIX}{body}");
            let check = crc32fast::hash(text.as_bytes()).to_be_bytes();
            push_base62::<CHECK_CHARS>(&mut text, &check);
            text
        };
        assert!(well_formed(&checked(&good), PREFIX));
        for body in bodies {
            assert!(!well_formed(&checked(body), PREFIX), "{body}");
        }
    }

    #[test]
    fn a_secret_of_one_kind_is_none_of_another() {
        let text = &tokens(1)[0];
        for prefix in ["mk_live_", "cs_live", "cs_live_0", "CS_LIVE_", "cs_"] {
            assert!(!well_formed(text, prefix), "{prefix}");
        }
    }

    #[test]
    fn the_same_key_label_and_material_derive_the_same_secret() {
        let text = |key, label, material: &[u8]| {
            let token = derive("cs_rt_", key, label, material);
            assert!(well_formed(&token.text, "cs_rt_"));
            assert_eq!(token.hash, hash(&token.text));
            token.hash
        };
        let base = text(KEY, "refresh", b"one");
        assert_eq!(base, text(KEY, "refresh", b"one"));
        assert_ne!(base, text(&[8; 32], "refresh", b"one"));
        assert_ne!(base, text(KEY, "refresho", b"ne"));
        assert_ne!(base, text(KEY, "refresh", b"two"));
    }

    #[test]
    fn a_hint_shows_the_prefix_and_four_characters() {
        assert_eq!(hint("mk_live_AbCdEfGh"), "mk_live_AbCd");
        assert_eq!(hint("naïveté"), "naïv");
        assert_eq!(hint(""), "");
    }

    #[test]
    fn nothing_shows_the_secret() {
        let token = generate(PREFIX, &test_env::still()).unwrap();
        assert_eq!(
            format!("{token:?} {token:#?}"),
            "SecretToken(…) SecretToken(…)"
        );
    }

    #[test]
    fn a_cursor_opens_with_its_key_and_purpose_alone() {
        let text = sign_value(KEY, "accounts", b"after 7");
        assert_eq!(verify_value(KEY, "accounts", &text).unwrap(), b"after 7");
        assert_eq!(verify_value(KEY, "sessions", &text), None);
        assert_eq!(verify_value(&[8; 32], "accounts", &text), None);
        let empty = sign_value(KEY, "p", b"");
        assert_eq!(verify_value(KEY, "p", &empty).unwrap(), b"");
    }

    #[test]
    fn purpose_and_bytes_cannot_run_into_each_other() {
        let text = sign_value(KEY, "ab", b"c");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
        let moved = BASE64_URL_SAFE_NO_PAD.encode([b"b", &bytes[..]].concat());
        assert_eq!(verify_value(KEY, "a", &moved), None);
    }

    #[test]
    fn every_damaged_cursor_is_refused() {
        for length in 0..6 {
            let text = sign_value(KEY, "p", &[42; 6][..length]);
            for damaged in damage(&text) {
                assert_eq!(verify_value(KEY, "p", &damaged), None, "{text} → {damaged}");
            }
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_reader(text in ".*", prefix in "[a-z_]{0,4}") {
            let _ = well_formed(&text, &prefix);
            prop_assert!(hint(&text).chars().count() <= text.chars().count());
            prop_assert_eq!(verify_value(KEY, "p", &text), None);
        }

        #[test]
        fn cursors_come_back(bytes: Vec<u8>, purpose: String) {
            let text = sign_value(KEY, &purpose, &bytes);
            prop_assert_eq!(verify_value(KEY, &purpose, &text), Some(bytes));
        }
    }
}
