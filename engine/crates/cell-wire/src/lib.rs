//! Messages that cross the seam as rkyv bytes: pass lists, and the form of all others.
//!
//! A cell builds a [`PassList`] through `cell::Passes`; the host decodes it with [`decode`], which checks every
//! byte, and copies it before use. A pass names ports by their index in the cell's own port table and sealed
//! resources by id, never bytes: a list stays small whatever its buffers hold, and a forged index can at most
//! name another port of the forger.
//!
//! The format is rkyv 0.8, little endian, aligned, 32-bit offsets (pinned in the workspace).
#[allow(missing_docs, reason = "rkyv does not copy the docs of a variant's fields to the types it makes")]
pub mod pass;

pub use pass::{
    Blend, ColorTarget, Compare, Compute, Count, Cull, DepthTarget, Draw, Pass, PassList, Raster, Read,
    SealedBind, Store, Topology, ViewOf, Work,
};

use core::num::NonZeroUsize;
use rkyv::{
    Archive, Deserialize, Serialize,
    api::{
        access_with_context, deserialize_using,
        high::{HighDeserializer, HighSerializer, HighValidator},
    },
    bytecheck::CheckBytes,
    de::Pool,
    rancor::Error,
    ser::allocator::ArenaHandle,
    util::AlignedVec,
    validation::{Validator, archive::ArchiveValidator, shared::SharedValidator},
};

// The wire format of rkyv is set by cargo features, which any crate could flip: pin what we rely on.
const _: () =
    assert!(size_of::<rkyv::string::ArchivedString>() == 8 && align_of::<rkyv::rend::u64_le>() == 8);

/// Why bytes are no message.
#[derive(Debug)]
pub struct DecodeError(Error);

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "the bytes are no such message ({})", self.0)
    }
}

impl core::error::Error for DecodeError {}

/// Returns the bytes of `message`, aligned to 16.
///
/// # Panics
/// Never for the types of this crate: they hold only plain values, strings and vectors.
#[must_use]
pub fn encode<T>(message: &T) -> AlignedVec
where
    T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>,
{
    encode_after(&[], message)
}

/// Returns `head` and the bytes of `message` behind it, aligned to 16. `head` is a whole number of 16 bytes long.
///
/// # Panics
/// As [`encode`].
#[must_use]
pub fn encode_after<T>(head: &[u8], message: &T) -> AlignedVec
where
    T: for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>,
{
    debug_assert!(head.len().is_multiple_of(16), "what follows is aligned to 16");
    let mut out = AlignedVec::with_capacity(head.len() + size_of_val(message));
    out.extend_from_slice(head);
    rkyv::api::high::to_bytes_in::<_, Error>(message, out)
        .expect("plain values, strings and vectors always serialise")
}

/// Lists and boxes inside one another that are still read: each takes stack, which a forged message must not exhaust.
/// Plain types need 150 to 250 bytes a level, and threads have 2 MiB at least.
pub const MAX_DEPTH: usize = 2048;

/// Returns the message in `bytes`, which may come from anyone and lie anywhere: they are copied, then checked.
///
/// # Errors
/// [`DecodeError`] when the bytes are not exactly such a message, or it is nested deeper than [`MAX_DEPTH`].
pub fn decode<T>(bytes: &[u8]) -> Result<T, DecodeError>
where
    T: Archive,
    T::Archived: for<'a> CheckBytes<HighValidator<'a, Error>> + Deserialize<T, HighDeserializer<Error>>,
{
    let mut own: AlignedVec = AlignedVec::with_capacity(bytes.len());
    own.extend_from_slice(bytes);
    let depth = ArchiveValidator::with_max_depth(&own, NonZeroUsize::new(MAX_DEPTH));
    let mut checker = Validator::new(depth, SharedValidator::new());
    let archived = access_with_context::<T::Archived, _, Error>(&own, &mut checker).map_err(DecodeError)?;
    deserialize_using::<T, _, Error>(archived, &mut Pool::new()).map_err(DecodeError)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PassList {
        PassList {
            passes: vec![Pass {
                label: "threshold".into(),
                work: Work::Raster(Raster {
                    fragment: Some("threshold".into()),
                    color: vec![ColorTarget { port: 1, level: 0, blend: Blend::Replace }],
                    draws: vec![Draw::triangle()],
                    ..Raster::default()
                }),
                reads: vec![Read { port: 0, view: ViewOf::Whole }],
                sealed: vec![SealedBind { port: 3, id: 77 }],
            }],
        }
    }

    #[test]
    fn a_list_survives_the_wire() {
        let bytes = encode(&sample());
        assert_eq!(decode::<PassList>(&bytes).expect("own bytes"), sample());
    }

    #[test]
    fn garbage_and_cut_lists_are_errors() {
        let bytes = encode(&sample());
        for n in 0..bytes.len() {
            // A cut list may only be refused; it must never panic or read as another list of passes.
            if let Ok(list) = decode::<PassList>(&bytes[..n]) {
                assert!(list.passes.is_empty(), "cut at {n}");
            }
        }
        assert!(decode::<PassList>(&[0xff; 64]).is_err());
    }

    #[test]
    fn a_pass_over_a_huge_buffer_stays_below_a_kibibyte() {
        assert!(encode(&sample()).len() < 1024);
    }
}
