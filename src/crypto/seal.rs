//! The master key, which seals private keys at rest and from which the server's other keys derive. Where
//! it is kept is not decided here.

use std::fmt;

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use hkdf::Hkdf;
use hmac::Mac;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{
    crypto::secrets::keyed,
    env::Env,
    error::{self, Error},
};

/// What every sealed value starts with, so that another cipher can follow one day.
const VERSION: u8 = 1;
/// Long enough to be drawn at random without a count of how many were drawn.
const NONCE_BYTES: usize = 24;
const TAG_BYTES: usize = 16;
/// Names the program (RFC 5869 section 3.1: a fixed salt is as good as none, and better than one that moves).
const SALT: &[u8] = b"countersign/v1";

/// The key of all keys: 256 bits. Wiped when dropped, and never shown.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// The value was sealed with another key or for another purpose, or it was changed since.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "the value does not open with this master key: it was sealed with another one, or changed since"
)]
pub struct WrongKey;

impl MasterKey {
    /// The key of these bytes. The configuration reads them from where they are kept.
    #[must_use]
    pub fn new(bytes: Zeroizing<[u8; 32]>) -> Self {
        Self(bytes)
    }

    /// Encrypts bytes so that they open with this key and this context alone: XChaCha20-Poly1305
    /// (draft-irtf-cfrg-xchacha-03) with the context as associated data.
    ///
    /// # Errors
    /// The system has no randomness to give.
    pub fn seal(&self, env: &Env, context: &str, plain: &[u8]) -> error::Result<Vec<u8>> {
        let nonce = env.random::<NONCE_BYTES>()?;
        let mut body = Vec::with_capacity(plain.len() + TAG_BYTES);
        body.extend_from_slice(plain);
        self.cipher()
            .encrypt_in_place(&XNonce::from(nonce), &associated(context), &mut body)
            .map_err(|cause| Error::internal(cause.to_string()))?;
        Ok([&[VERSION], &nonce[..], &body].concat())
    }

    /// Decrypts what `seal` made with the same key and context.
    ///
    /// # Errors
    /// It was sealed with another key or context, or it is not whole.
    pub fn open(&self, context: &str, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, WrongKey> {
        let rest = sealed.strip_prefix(&[VERSION]).ok_or(WrongKey)?;
        let (&nonce, body) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(WrongKey)?;
        let mut plain = Zeroizing::new(body.to_vec());
        self.cipher()
            .decrypt_in_place(&XNonce::from(nonce), &associated(context), &mut *plain)
            .map_err(|_| WrongKey)?;
        Ok(plain)
    }

    /// A key for one purpose, from which nobody learns the master key or the key of another purpose:
    /// HKDF-SHA256 (RFC 5869).
    #[must_use]
    pub fn derive(&self, label: &str) -> [u8; 32] {
        self.expand("derive", label)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        let key = Zeroizing::new(self.expand("seal", ""));
        XChaCha20Poly1305::new((&*key).into())
    }

    /// The two uses of the master key never meet: their `info` differs before its first `/`. The one block
    /// of HKDF-Expand that 32 bytes take is written out (RFC 5869 section 2.3), since it cannot fail.
    fn expand(&self, family: &str, label: &str) -> [u8; 32] {
        let (pseudorandom, _) = Hkdf::<Sha256>::extract(Some(SALT), &*self.0);
        keyed(&pseudorandom.into())
            .chain_update([family, "/", label].concat())
            .chain_update([1])
            .finalize()
            .into_bytes()
            .into()
    }
}

fn associated(context: &str) -> Vec<u8> {
    [&[VERSION], context.as_bytes()].concat()
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::test_env;

    fn key(byte: u8) -> MasterKey {
        MasterKey(Zeroizing::new([byte; 32]))
    }

    #[test]
    fn what_is_sealed_opens_with_its_key_and_context_alone() {
        let env = test_env::still();
        let sealed = key(1).seal(&env, "signing-key/a", b"private").unwrap();
        assert_eq!(
            &key(1).open("signing-key/a", &sealed).unwrap()[..],
            b"private"
        );
        assert_eq!(key(1).open("signing-key/b", &sealed).err(), Some(WrongKey));
        assert_eq!(key(2).open("signing-key/a", &sealed).err(), Some(WrongKey));
    }

    #[test]
    fn sealing_twice_gives_nothing_to_compare() {
        let env = test_env::still();
        let seal = || key(1).seal(&env, "c", b"private").unwrap();
        assert_ne!(seal(), seal());
    }

    #[test]
    fn every_damaged_value_is_refused() {
        let sealed = key(1).seal(&test_env::still(), "c", b"private").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut damaged = sealed.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            assert!(key(1).open("c", &damaged).is_err(), "bit {bit}");
        }
        for end in 0..sealed.len() {
            assert!(key(1).open("c", &sealed[..end]).is_err(), "{end} bytes");
        }
        assert!(key(1).open("c", &[&sealed[..], b"x"].concat()).is_err());
    }

    #[test]
    fn derived_keys_are_those_of_hkdf() {
        let mut expected = [0; 32];
        Hkdf::<Sha256>::new(Some(SALT), &[1; 32])
            .expand(b"derive/cursors", &mut expected)
            .unwrap();
        assert_eq!(key(1).derive("cursors"), expected);
    }

    #[test]
    fn each_purpose_has_its_own_key() {
        assert_ne!(key(1).derive("cursors"), key(1).derive("refresh"));
        assert_ne!(key(1).derive("cursors"), key(2).derive("cursors"));
        assert_ne!(key(1).derive(""), key(1).expand("seal", ""));
    }

    #[test]
    fn nothing_shows_the_key() {
        assert_eq!(
            format!("{:?} {:#?}", key(1), key(1)),
            "MasterKey(…) MasterKey(…)"
        );
    }
}
