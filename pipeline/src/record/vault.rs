//! Encrypts what is noted about unfinished statements: their texts stand there as they came, and no
//! secret may reach the disk.
//!
//! Takes bytes and the thread that they are of, gives them encrypted, and back. The key is in the kernel's
//! memory alone, beside the ring, and ends with it.

use std::fmt;

use chacha20poly1305::{
    Key, KeyInit as _, XChaCha20Poly1305, XNonce,
    aead::{Aead as _, Generate as _, Payload},
};

/// Bytes of a key.
const KEY_BYTES: usize = 32;

/// Bytes before each ciphertext, drawn at random.
const NONCE_BYTES: usize = 24;

/// Why something cannot be encrypted or read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VaultError {
    /// The system gives no random bytes.
    #[error("the system gives no random bytes")]
    Random,
    /// The key is not one.
    #[error("the key beside the ring is damaged")]
    Key,
    /// It was not encrypted with this key, or is of another thread.
    #[error("the notes about unfinished statements are not of this ring")]
    Foreign,
    /// It is too long.
    #[error("the notes about an unfinished statement are too long")]
    TooLong,
}

/// A new key, hexadecimal.
pub(super) fn new_key() -> Result<String, VaultError> {
    let key = Key::try_generate().map_err(|_| VaultError::Random)?;
    Ok(key.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Encrypts with one key.
pub(super) struct Vault(XChaCha20Poly1305);

impl fmt::Debug for Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vault").finish_non_exhaustive()
    }
}

impl Vault {
    /// With a key that [`new_key`] gave.
    pub(super) fn new(key: &str) -> Result<Self, VaultError> {
        let digits = |at: usize| key.get(2 * at..2 * at + 2);
        let bytes: Option<Vec<u8>> = (0..KEY_BYTES)
            .map(|at| u8::from_str_radix(digits(at)?, 16).ok())
            .collect();
        let bytes = bytes.filter(|_| key.len() == 2 * KEY_BYTES);
        let key = Key::try_from(bytes.ok_or(VaultError::Key)?.as_slice());
        Ok(Self(XChaCha20Poly1305::new(
            &key.map_err(|_| VaultError::Key)?,
        )))
    }

    pub(super) fn close(&self, thread: u64, state: &[u8]) -> Result<Vec<u8>, VaultError> {
        let nonce = XNonce::try_generate().map_err(|_| VaultError::Random)?;
        let payload = Payload {
            msg: state,
            aad: &thread.to_ne_bytes(),
        };
        let sealed = self.0.encrypt(&nonce, payload);
        let mut closed = nonce.to_vec();
        closed.extend(sealed.map_err(|_| VaultError::TooLong)?);
        Ok(closed)
    }

    pub(super) fn open(&self, thread: u64, closed: &[u8]) -> Result<Vec<u8>, VaultError> {
        let (nonce, sealed) = closed
            .split_at_checked(NONCE_BYTES)
            .ok_or(VaultError::Foreign)?;
        let nonce = XNonce::try_from(nonce).map_err(|_| VaultError::Foreign)?;
        let payload = Payload {
            msg: sealed,
            aad: &thread.to_ne_bytes(),
        };
        self.0
            .decrypt(&nonce, payload)
            .map_err(|_| VaultError::Foreign)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_opens_and_only_for_the_thread() {
        let key = new_key().unwrap();
        let vault = Vault::new(&key).unwrap();
        let closed = vault.close(7, b"alter user a password 'secret'").unwrap();
        assert!(!closed.windows(6).any(|bytes| bytes == b"secret"));
        let same = Vault::new(&key).unwrap();
        assert_eq!(
            same.open(7, &closed).unwrap(),
            b"alter user a password 'secret'"
        );
        assert_eq!(same.open(8, &closed), Err(VaultError::Foreign));
        assert_eq!(same.open(7, &closed[..20]), Err(VaultError::Foreign));
        let other = Vault::new(&new_key().unwrap()).unwrap();
        assert_eq!(other.open(7, &closed), Err(VaultError::Foreign));
    }

    #[test]
    fn a_damaged_key_is_none() {
        for key in ["", "00", "zz", &"0".repeat(63), &"0".repeat(66)] {
            assert_eq!(Vault::new(key).err(), Some(VaultError::Key), "{key}");
        }
    }
}
