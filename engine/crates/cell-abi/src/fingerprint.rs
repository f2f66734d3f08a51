//! The name of a canonical text: its BLAKE3 hash.
mod blake3;

use core::fmt;

/// The BLAKE3 hash of a canonical text. Two shapes are the same exactly when their fingerprints are.
///
/// It is shown as the first 64 bits (`0x8a37f2c491b37204`), and kept and compared as all 256.
///
/// ```
/// # use cell_abi::Fingerprint;
/// const EMPTY: Fingerprint = Fingerprint::of(b"");
/// assert_eq!(EMPTY.to_string(), "0xa6a1f9f5b94913af");
/// assert_eq!(Fingerprint::from_hex(&EMPTY.to_hex()), Some(EMPTY));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Returns the fingerprint of `text`; in `const` evaluation too, at about 15 ms for each KiB.
    #[must_use]
    pub const fn of(text: &[u8]) -> Self {
        Self(blake3::hash(text))
    }

    /// Takes the 32 bytes of a hash.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns all 256 bits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Returns the first 64 bits, which people read.
    #[must_use]
    pub const fn short(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }

    /// Returns the first 128 bits: what a message says of its route ([`crate::MessageHead`]).
    #[must_use]
    pub const fn key(&self) -> [u8; 16] {
        let (mut key, mut n) = ([0; 16], 0);
        while n < key.len() {
            key[n] = self.0[n];
            n += 1;
        }
        key
    }

    /// Returns all 256 bits as 64 hexadecimal digits, in the order of the bytes.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(DIGITS[usize::from(n)])).collect()
    }

    /// Reads what [`Fingerprint::to_hex`] writes.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        let digit = |b: u8| DIGITS.iter().position(|d| *d == b).map(|n| n as u8);
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else { return None };
        let bytes: Option<Vec<u8>> =
            pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect();
        bytes?.try_into().ok().map(Self)
    }

    /// Returns the digits of [`Fingerprint::to_hex`], in `const` evaluation.
    pub(crate) const fn hex_digits(&self) -> [u8; 64] {
        let (mut out, mut i) = ([0; 64], 0);
        while i < 32 {
            out[2 * i] = DIGITS[(self.0[i] >> 4) as usize];
            out[2 * i + 1] = DIGITS[(self.0[i] & 15) as usize];
            i += 1;
        }
        out
    }
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#018x}", self.short())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.to_hex())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_bits_are_kept_and_the_first_64_are_shown() {
        let f = Fingerprint::from_bytes(core::array::from_fn(|n| n as u8));
        assert_eq!(f.to_string(), "0x0706050403020100");
        assert_eq!(f.to_hex(), "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        assert_eq!(f.hex_digits().as_slice(), f.to_hex().as_bytes());
        assert_eq!(Fingerprint::from_hex(&f.to_hex()), Some(f));
        let mut other = *f.as_bytes();
        other[31] ^= 1;
        assert_ne!(Fingerprint::from_bytes(other), f, "the bits that are not shown count too");
    }

    #[test]
    fn what_is_no_64_digits_is_no_fingerprint() {
        let good = Fingerprint::of(b"").to_hex();
        for bad in [&good[1..], "", &good.to_uppercase(), &good.replace('a', "g"), &format!("{good}0")] {
            assert_eq!(Fingerprint::from_hex(bad), None, "{bad}");
        }
    }
}
