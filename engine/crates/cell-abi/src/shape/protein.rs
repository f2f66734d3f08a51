//! The types that have a shape.
use super::{Node, Ref};

/// A type whose form on the wire and in saved state is known, so that it can be compared before it is read.
///
/// Derive it (`#[derive(cell::Protein)]`) for structs and enums. Numbers (but `usize` and `isize`, whose size is the
/// machine's), `bool`, `char`, `String`, `()`, arrays, tuples of at most 12, `Vec`, `Option`, `Result` and `Box`
/// have it. As the type of a field, `BTreeMap` and `BTreeSet` have it too: they are kept as sorted lists.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no shape: it cannot be sent or kept",
    label = "is no Protein",
    note = "a type of your own: put `#[derive(cell::Protein)]` on it",
    note = "a type of another crate: name a Protein that it converts from and into, \
            `#[protein(as = [f32; 3])]` on the field",
    note = "nothing to keep: `#[save(skip)]` on a field of a `#[derive(cell::Save)]` struct leaves it to `Default`"
)]
pub trait Protein {
    /// Its shape.
    const SHAPE: Ref;
}

macro_rules! plain {
    ($($ty:ident)*) => { $(impl Protein for $ty {
        const SHAPE: Ref = Ref::to(&Node::Plain(stringify!($ty)));
    })* };
}
plain!(bool u8 u16 u32 u64 u128 i8 i16 i32 i64 i128 f32 f64 char String);

macro_rules! generic {
    ($($name:ident<$($arg:ident),*>)*) => { $(impl<$($arg: Protein),*> Protein for $name<$($arg),*> {
        const SHAPE: Ref = Ref::to(&Node::Generic(stringify!($name), &[$($arg::SHAPE),*]));
    })* };
}
generic!(Vec<T> Option<T> Box<T> Result<T, E>);

impl<T: Protein, const N: usize> Protein for [T; N] {
    const SHAPE: Ref = Ref::to(&Node::Array(T::SHAPE, N));
}

macro_rules! tuples {
    ($(($($arg:ident)*))*) => { $(impl<$($arg: Protein),*> Protein for ($($arg,)*) {
        const SHAPE: Ref = Ref::to(&Node::Tuple(&[$($arg::SHAPE),*]));
    })* };
}
tuples!(() (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
    (A B C D E F G H I) (A B C D E F G H I J) (A B C D E F G H I J K) (A B C D E F G H I J K L));
