//! What can be sent, and by which route.
use crate::Protein;
use cell_abi::Fingerprint;
use rkyv::{
    Archive, Deserialize, Serialize,
    api::high::{HighDeserializer, HighSerializer, HighValidator},
    bytecheck::CheckBytes,
    rancor::Error,
    ser::allocator::ArenaHandle,
    util::AlignedVec,
};

/// What can be sent: each [`Protein`], with a checked form in bytes. Nothing is to be written for it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent",
    note = "put `#[derive(cell::Protein)]` on all types of your own in it"
)]
pub trait Message:
    Protein
    + Sized
    + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>
    + Archive<
        Archived: for<'a> CheckBytes<HighValidator<'a, Error>> + Deserialize<Self, HighDeserializer<Error>>,
    >
{
}

#[diagnostic::do_not_recommend]
impl<T> Message for T where
    T: Protein
        + for<'a> Serialize<HighSerializer<AlignedVec, ArenaHandle<'a>, Error>>
        + Archive<
            Archived: for<'a> CheckBytes<HighValidator<'a, Error>> + Deserialize<T, HighDeserializer<Error>>,
        >
{
}

/// A function of a service, as its caller and the cell that serves it know it. Made by `#[cell::service]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// The name of the function.
    pub name: &'static str,
    /// The hash of its name, its arguments and what it returns, with all types that these reach. A call is handed to
    /// a handler of the same fingerprint, or not at all.
    pub fingerprint: Fingerprint,
}
