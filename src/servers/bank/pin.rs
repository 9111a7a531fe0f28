//! PINs and their hashes.
//!
//! Invariant: a PIN can only be hashed and compared. It has no `Display`, and its `Debug` hides it. The number of
//! attempts is limited by the ledger.

use std::fmt;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// A PIN as plain text: 4 to 12 digits.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Pin(Box<[u8]>);

impl Pin {
    /// Parses a PIN. Returns `None` unless it is 4 to 12 digits.
    pub(super) fn parse(text: &str) -> Option<Pin> {
        let is_pin = (4..=12).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
        is_pin.then(|| Pin(text.as_bytes().into()))
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(hidden)")
    }
}

/// The hash of a PIN with its salt and its cost, as a PHC string (`$argon2id$v=19$m=...`). A known hash allows any
/// number of attempts offline, so its `Debug` hides it too.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Hash(pub(super) Box<str>);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hash(hidden)")
    }
}

impl Hash {
    /// Whether this is the hash of `pin`. Takes as long as hashing. A damaged hash matches no PIN.
    pub(super) fn matches(&self, pin: &Pin) -> bool {
        let Ok(hash) = PasswordHash::new(&self.0) else { return false };
        // The algorithm and its cost are read from the hash.
        Argon2::default().verify_password(&pin.0, &hash).is_ok()
    }
}

/// The cost of a hash (Argon2id, RFC 9106).
#[derive(Clone, Debug)]
pub(super) struct Cost(Params);

impl Default for Cost {
    /// Returns the first choice of OWASP's Password Storage Cheat Sheet: 19 MiB, two passes, one lane.
    fn default() -> Self {
        Cost(Params::default())
    }
}

impl Cost {
    /// Returns the lowest cost that the algorithm allows. For simulations, where PINs protect nothing.
    pub(super) fn least() -> Self {
        Cost(Params::new(Params::MIN_M_COST, 1, 1, None).expect("the least that is allowed"))
    }

    /// Hashes a PIN, with a salt from the operating system.
    ///
    /// # Errors
    /// Fails if the operating system provides no randomness.
    pub(super) fn hash(&self, pin: &Pin) -> Result<Hash, String> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.0.clone());
        let hash = argon2.hash_password(&pin.0).map_err(|error| format!("the PIN could not be hashed: {error}"))?;
        Ok(Hash(hash.to_string().into()))
    }

    /// Returns a hash of this cost that matches no PIN. For unknown names, whose login must cost as much as any other.
    pub(super) fn unmatchable_hash(&self) -> Hash {
        let (memory, passes, lanes) = (self.0.m_cost(), self.0.t_cost(), self.0.p_cost());
        // A salt of 16 and a hash of 32 zero bytes. No input with this hash is known.
        let (salt, hash) = ("A".repeat(22), "A".repeat(43));
        Hash(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${hash}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(text: &str) -> Pin {
        Pin::parse(text).expect("a good PIN")
    }

    #[test]
    fn a_pin_is_4_to_12_digits() {
        for text in ["1234", "0000", "123456789012"] {
            assert!(Pin::parse(text).is_some(), "{text}");
        }
        for text in ["", "123", "1234567890123", "12a4", "-123", "12 4", "١٢٣٤"] {
            assert!(Pin::parse(text).is_none(), "{text:?}");
        }
    }

    #[test]
    fn neither_a_pin_nor_its_hash_is_shown() {
        assert_eq!(format!("{:?}", pin("9173")), "Pin(hidden)");
        assert_eq!(format!("{:?}", Cost::least().hash(&pin("9173"))), "Ok(Hash(hidden))");
    }

    #[test]
    fn its_own_hash_and_no_other_matches() {
        for cost in [Cost::least(), Cost::default()] {
            let hash = cost.hash(&pin("1234")).expect("randomness");
            assert!(hash.matches(&pin("1234")) && !hash.matches(&pin("1235")));
            assert_ne!(cost.hash(&pin("1234")), Ok(hash), "another salt");
        }
    }

    #[test]
    fn the_default_is_what_the_page_says() {
        let hash = Cost::default().hash(&pin("1234")).expect("randomness").0;
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
    }

    #[test]
    fn the_hash_of_no_account_costs_the_same_and_never_matches() {
        for cost in [Cost::least(), Cost::default()] {
            let (unmatchable, usual) = (cost.unmatchable_hash(), cost.hash(&pin("1234")).expect("randomness"));
            let shape = |hash: &Hash| {
                let parsed = PasswordHash::new(&hash.0).expect("well-formed");
                let (salt, output) = (parsed.salt.expect("a salt"), parsed.hash.expect("a hash"));
                (parsed.algorithm, parsed.version, parsed.params, salt.as_ref().len(), output.len())
            };
            assert_eq!(shape(&unmatchable), shape(&usual));
            assert!(!unmatchable.matches(&pin("1234")));
        }
    }

    #[test]
    fn a_damaged_hash_matches_nothing() {
        for text in ["", "$argon2id$", "1234", "$argon2id$v=19$m=8,t=1,p=1$AAAA"] {
            assert!(!Hash(text.into()).matches(&pin("1234")), "{text}");
        }
    }
}
