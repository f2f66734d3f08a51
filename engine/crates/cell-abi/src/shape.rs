//! Shapes: what a type looks like on the wire and in saved state, as canonical text.
//!
//! `#[derive(cell::Protein)]` writes a [`Node`] for each type. From the nodes that a type reaches,
//! [`text`] makes one text in `const` evaluation, whose hash ([`crate::Fingerprint`]) changes with each name, each
//! type and the order of all fields, also in types of other crates, and with nothing else:
//!
//! ```text
//! rkyv-0.8 le aligned ptr32
//! shape Physics
//! struct Physics
//!   bodies Vec<Body>
//!   lucky Option<(u8, String)>
//! struct Body
//!   at [f32; 3]
//!   what What
//! enum What
//!   Rock
//!   Ship
//!     name String
//! ```
//!
//! The first line names the form of the bytes, the second the shape; then all types that it reaches, in the order
//! in which they are met. A second type of the same name is called `Body#2`.
mod difference;
mod parse;
mod protein;
mod section;
mod write;

pub use difference::difference;
pub use parse::{Body, FieldShape, Shape, ShapeError, TypeShape, VariantShape};
pub use protein::Protein;
pub use section::{ShapeSection, StateShape, section, section_len};
pub use write::{fingerprint, text, text_len, to_text};

/// The first line of each canonical text: the form of the bytes. It names the version of rkyv and the features
/// that are pinned in the workspace.
pub const FORMAT: &str = "rkyv-0.8 le aligned ptr32";

/// What a type is made of. Written by `#[derive(Protein)]` and by this crate.
#[derive(Clone, Copy, Debug)]
pub enum Node {
    /// A type without parts: `f32`, `String`.
    Plain(&'static str),
    /// A type with types as arguments: `Vec<T>`, `Result<T, E>`.
    Generic(&'static str, &'static [Ref]),
    /// `[T; N]`.
    Array(Ref, usize),
    /// `(A, B)`, and `()`.
    Tuple(&'static [Ref]),
    /// A struct or an enum, described once in a text.
    Named(Named),
}

/// A struct or an enum.
#[derive(Clone, Copy, Debug)]
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// Where it is declared. Not part of the text: it tells types of the same name apart.
    pub place: &'static str,
    /// Its parts.
    pub parts: Parts,
    /// A number made of the name: comparing names letter by letter is what `const` evaluation is slow at.
    key: u64,
}

impl Named {
    /// Describes the type of this name that is declared at this place.
    #[must_use]
    pub const fn new(name: &'static str, place: &'static str, parts: Parts) -> Self {
        let (bytes, mut key, mut n) = (name.as_bytes(), 0xcbf2_9ce4_8422_2325_u64, 0);
        while n < bytes.len() {
            key = (key ^ bytes[n] as u64).wrapping_mul(0x100_0000_01b3);
            n += 1;
        }
        Self { name, place, parts, key }
    }
}

/// What a struct or an enum is made of.
#[derive(Clone, Copy, Debug)]
pub enum Parts {
    /// A struct's fields in the order of declaration.
    Struct(&'static [Field]),
    /// An enum's variants in the order of declaration.
    Enum(&'static [Variant]),
}

/// A field of a struct or of a variant.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name; its number in a tuple.
    pub name: &'static str,
    /// Its type.
    pub ty: Ref,
}

/// A variant of an enum.
#[derive(Clone, Copy, Debug)]
pub struct Variant {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub fields: &'static [Field],
}

/// Where the [`Node`] of a type lies.
///
/// It is a pointer, not a reference: the compiler follows references when it checks a constant, and would find that a
/// `Tree { kids: Vec<Tree> }` needs itself.
#[derive(Clone, Copy, Debug)]
pub struct Ref(*const Node);

// SAFETY: it points to a node that is never written and lives as long as the program (the constructors' promise).
#[expect(unsafe_code, reason = "a pointer to a constant is shared between threads")]
unsafe impl Sync for Ref {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "a pointer to a constant moves between threads")]
unsafe impl Send for Ref {}

impl Ref {
    /// Points to a node.
    #[must_use]
    pub const fn to(node: &'static Node) -> Self {
        Self(node)
    }

    /// Points to a node that may reach itself.
    ///
    /// # Safety
    /// `node` is a static.
    #[expect(unsafe_code, reason = "a recursive type's node cannot be reached by reference in constants")]
    #[must_use]
    pub const unsafe fn to_static(node: *const Node) -> Self {
        Self(node)
    }

    /// Returns the node.
    #[expect(unsafe_code, reason = "reads through the pointer")]
    const fn node(self) -> &'static Node {
        // SAFETY: both constructors promise a node that lives as long as the program.
        unsafe { &*self.0 }
    }
}
