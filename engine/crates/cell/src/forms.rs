//! The forms in which the fields of a Protein are kept, as rkyv's wrappers.
//!
//! Each takes a number that the compiler gets by evaluating the shape of the field's type. Where that type is no
//! Protein, the number is an error, which was told once and in our words; and the compiler says no more about
//! whatever depends on it. Without the number, rkyv's code has two dozen errors of its own for it.
use cell_abi::shape::Ref;
use core::marker::PhantomData;
use rkyv::{
    Archive, Deserialize, Place, Serialize,
    rancor::Fallible,
    with::{ArchiveWith, AsVec, DeserializeWith, SerializeWith},
};

/// The number of a type that has a shape.
#[must_use]
pub const fn checked(_: Ref) -> usize {
    0
}

/// Keeps a field as its type is.
pub struct Own<const CHECKED: usize>;

impl<F: Archive, const CHECKED: usize> ArchiveWith<F> for Own<CHECKED> {
    type Archived = F::Archived;
    type Resolver = F::Resolver;
    fn resolve_with(field: &F, resolver: Self::Resolver, out: Place<Self::Archived>) {
        field.resolve(resolver, out);
    }
}

impl<F: Serialize<S>, S: Fallible + ?Sized, const CHECKED: usize> SerializeWith<F, S> for Own<CHECKED> {
    fn serialize_with(field: &F, serializer: &mut S) -> Result<Self::Resolver, S::Error> {
        field.serialize(serializer)
    }
}

impl<F: Archive, D: Fallible + ?Sized, const CHECKED: usize> DeserializeWith<F::Archived, F, D>
    for Own<CHECKED>
where
    F::Archived: Deserialize<F, D>,
{
    fn deserialize_with(field: &F::Archived, deserializer: &mut D) -> Result<F, D::Error> {
        field.deserialize(deserializer)
    }
}

/// Keeps a `BTreeMap` or a `BTreeSet` as a sorted list.
pub struct Sorted<const CHECKED: usize>;

impl<F, const CHECKED: usize> ArchiveWith<F> for Sorted<CHECKED>
where
    AsVec: ArchiveWith<F>,
{
    type Archived = <AsVec as ArchiveWith<F>>::Archived;
    type Resolver = <AsVec as ArchiveWith<F>>::Resolver;
    fn resolve_with(field: &F, resolver: Self::Resolver, out: Place<Self::Archived>) {
        AsVec::resolve_with(field, resolver, out);
    }
}

impl<F, S: Fallible + ?Sized, const CHECKED: usize> SerializeWith<F, S> for Sorted<CHECKED>
where
    AsVec: SerializeWith<F, S>,
{
    fn serialize_with(field: &F, serializer: &mut S) -> Result<Self::Resolver, S::Error> {
        AsVec::serialize_with(field, serializer)
    }
}

impl<A, F, D: Fallible + ?Sized, const CHECKED: usize> DeserializeWith<A, F, D> for Sorted<CHECKED>
where
    AsVec: DeserializeWith<A, F, D>,
{
    fn deserialize_with(field: &A, deserializer: &mut D) -> Result<F, D::Error> {
        AsVec::deserialize_with(field, deserializer)
    }
}

/// Keeps a field as `A`, which its type converts into and from.
pub struct As<A, const CHECKED: usize>(PhantomData<A>);

impl<A: Archive, F: Clone + Into<A>, const CHECKED: usize> ArchiveWith<F> for As<A, CHECKED> {
    type Archived = A::Archived;
    type Resolver = A::Resolver;
    fn resolve_with(field: &F, resolver: Self::Resolver, out: Place<Self::Archived>) {
        field.clone().into().resolve(resolver, out);
    }
}

impl<A, F, S, const CHECKED: usize> SerializeWith<F, S> for As<A, CHECKED>
where
    A: Serialize<S>,
    F: Clone + Into<A>,
    S: Fallible + ?Sized,
{
    fn serialize_with(field: &F, serializer: &mut S) -> Result<Self::Resolver, S::Error> {
        field.clone().into().serialize(serializer)
    }
}

impl<A, F, D, const CHECKED: usize> DeserializeWith<A::Archived, F, D> for As<A, CHECKED>
where
    A: Archive,
    A::Archived: Deserialize<A, D>,
    F: From<A>,
    D: Fallible + ?Sized,
{
    fn deserialize_with(field: &A::Archived, deserializer: &mut D) -> Result<F, D::Error> {
        field.deserialize(deserializer).map(F::from)
    }
}
