//! Writing the canonical text, in `const` evaluation and at run time by the same functions.
//!
//! Work lists, no recursion: `const` evaluation ends at 128 frames, and a type may be nested deeper than that.
use super::{FORMAT, Field, Named, Node, Parts, Ref};
use crate::{Fingerprint, out::Out};

/// The most types that one shape may reach.
const MAX_TYPES: usize = 256;
/// The most pieces of one field's type that wait to be written.
const MAX_PIECES: usize = 128;

/// Returns the length in bytes of the canonical text of `root`.
///
/// # Panics
/// As [`text`].
#[must_use]
pub const fn text_len(root: Ref) -> usize {
    write(root, &mut [])
}

/// Returns the canonical text of `root`. `N` is [`text_len`] of it.
///
/// # Panics
/// When `N` is another number, when the shape reaches more than 256 types, or when a field's type is nested too
/// deep; in `const` evaluation that is a compile error.
#[must_use]
pub const fn text<const N: usize>(root: Ref) -> [u8; N] {
    let mut out = [0; N];
    let len = write(root, &mut out);
    assert!(len == N, "the length of a shape's text is `text_len` of it");
    out
}

/// The longest text of which [`fingerprint`] is found.
const MAX_TEXT: usize = 16 << 10;

/// Returns the fingerprint of the canonical text of `root`; in `const` evaluation of generic code too, where
/// [`text`] cannot be called.
///
/// # Panics
/// As [`text`], and when the text is longer than 16 KiB.
#[must_use]
pub const fn fingerprint(root: Ref) -> Fingerprint {
    let mut out = [0; MAX_TEXT];
    let len = write(root, &mut out);
    assert!(len <= MAX_TEXT, "the shape of a message is longer than 16 KiB: make it of fewer types");
    Fingerprint::of(out.split_at(len).0)
}

/// Returns the canonical text of `root`.
///
/// # Panics
/// As [`text`].
#[must_use]
pub fn to_text(root: Ref) -> String {
    let mut out = vec![0; text_len(root)];
    write(root, &mut out);
    String::from_utf8(out).expect("names are UTF-8, and the rest is ASCII")
}

/// Writes the text to `out` as far as it goes; returns its length.
const fn write(root: Ref, out: &mut [u8]) -> usize {
    let mut pieces = Pieces { all: [Piece::Str(""); MAX_PIECES], len: 0 };
    let pieces = &mut pieces;
    let types = Types::reached_from(root, pieces);
    let mut out = Out::new(out);
    out.str(FORMAT);
    out.str("\nshape ");
    types.write_type(&mut out, root, pieces);
    out.str("\n");
    let mut n = 0;
    while n < types.len {
        let Named { parts, .. } = types.get(n);
        out.str(match parts {
            Parts::Struct(_) => "struct ",
            Parts::Enum(_) => "enum ",
        });
        types.write_name(&mut out, n);
        out.str("\n");
        match parts {
            Parts::Struct(fields) => types.write_fields(&mut out, "  ", fields, pieces),
            Parts::Enum(variants) => {
                let mut v = 0;
                while v < variants.len() {
                    out.str("  ");
                    out.str(variants[v].name);
                    out.str("\n");
                    types.write_fields(&mut out, "    ", variants[v].fields, pieces);
                    v += 1;
                }
            }
        }
        n += 1;
    }
    out.len()
}

/// A piece of a type that waits to be written.
#[derive(Clone, Copy)]
enum Piece {
    Str(&'static str),
    Number(usize),
    Type(Ref),
}

/// Pieces, the next one on top. One list serves a whole text: in `const` evaluation, making it costs more than the
/// rest of a field.
struct Pieces {
    all: [Piece; MAX_PIECES],
    len: usize,
}

impl Pieces {
    const fn push(&mut self, piece: Piece) {
        assert!(self.len < MAX_PIECES, "the type of a field is nested too deep: name its inner types");
        self.all[self.len] = piece;
        self.len += 1;
    }

    /// Pushes types with commas between them, so that the first comes out first.
    const fn push_list(&mut self, list: &'static [Ref]) {
        let mut n = list.len();
        while n > 0 {
            n -= 1;
            self.push(Piece::Type(list[n]));
            if n > 0 {
                self.push(Piece::Str(", "));
            }
        }
    }

    const fn pop(&mut self) -> Option<Piece> {
        if self.len == 0 {
            return None;
        }
        self.len -= 1;
        Some(self.all[self.len])
    }
}

/// The structs and enums that a shape reaches, in the order in which they are met.
struct Types {
    all: [Option<&'static Named>; MAX_TYPES],
    len: usize,
}

impl Types {
    const fn reached_from(root: Ref, pieces: &mut Pieces) -> Self {
        let mut types = Self { all: [None; MAX_TYPES], len: 0 };
        types.add(root, pieces);
        let mut n = 0;
        while n < types.len {
            match types.get(n).parts {
                Parts::Struct(fields) => types.add_fields(fields, pieces),
                Parts::Enum(variants) => {
                    let mut v = 0;
                    while v < variants.len() {
                        types.add_fields(variants[v].fields, pieces);
                        v += 1;
                    }
                }
            }
            n += 1;
        }
        types
    }

    const fn get(&self, n: usize) -> &'static Named {
        self.all[n].expect("the first `len` are there")
    }

    const fn add_fields(&mut self, fields: &'static [Field], pieces: &mut Pieces) {
        let mut n = 0;
        while n < fields.len() {
            self.add(fields[n].ty, pieces);
            n += 1;
        }
    }

    /// Adds the structs and enums in a field's type, but not what they hold.
    const fn add(&mut self, ty: Ref, pieces: &mut Pieces) {
        pieces.push(Piece::Type(ty));
        while let Some(piece) = pieces.pop() {
            let Piece::Type(ty) = piece else { continue };
            match ty.node() {
                Node::Plain(_) => {}
                Node::Generic(_, list) | Node::Tuple(list) => pieces.push_list(list),
                Node::Array(of, _) => pieces.push(Piece::Type(*of)),
                Node::Named(named) => {
                    if self.find(named).is_none() {
                        assert!(self.len < MAX_TYPES, "a shape reaches more than 256 types: split it");
                        self.all[self.len] = Some(named);
                        self.len += 1;
                    }
                }
            }
        }
    }

    const fn find(&self, named: &Named) -> Option<usize> {
        let mut n = 0;
        while n < self.len {
            let other = self.get(n);
            if other.key == named.key && same(other.name, named.name) && same(other.place, named.place) {
                return Some(n);
            }
            n += 1;
        }
        None
    }

    const fn write_fields(
        &self,
        out: &mut Out<'_>,
        indent: &str,
        fields: &'static [Field],
        pieces: &mut Pieces,
    ) {
        let mut n = 0;
        while n < fields.len() {
            out.str(indent);
            out.str(fields[n].name);
            out.str(" ");
            self.write_type(out, fields[n].ty, pieces);
            out.str("\n");
            n += 1;
        }
    }

    const fn write_type(&self, out: &mut Out<'_>, ty: Ref, pieces: &mut Pieces) {
        pieces.push(Piece::Type(ty));
        while let Some(piece) = pieces.pop() {
            let ty = match piece {
                Piece::Str(s) => {
                    out.str(s);
                    continue;
                }
                Piece::Number(n) => {
                    out.number(n);
                    continue;
                }
                Piece::Type(ty) => ty,
            };
            match ty.node() {
                Node::Plain(name) => out.str(name),
                Node::Generic(name, list) => {
                    out.str(name);
                    out.str("<");
                    pieces.push(Piece::Str(">"));
                    pieces.push_list(list);
                }
                Node::Tuple(list) => {
                    out.str("(");
                    pieces.push(Piece::Str(if list.len() == 1 { ",)" } else { ")" }));
                    pieces.push_list(list);
                }
                Node::Array(of, len) => {
                    out.str("[");
                    pieces.push(Piece::Str("]"));
                    pieces.push(Piece::Number(*len));
                    pieces.push(Piece::Str("; "));
                    pieces.push(Piece::Type(*of));
                }
                Node::Named(named) => {
                    self.write_name(out, self.find(named).expect("`reached_from` has met each type"));
                }
            }
        }
    }

    /// Writes a type's name, with a number from the second type of that name on.
    const fn write_name(&self, out: &mut Out<'_>, at: usize) {
        let Named { name, key, .. } = self.get(at);
        out.str(name);
        let (mut count, mut n) = (1, 0);
        while n < at {
            if self.get(n).key == *key && same(self.get(n).name, name) {
                count += 1;
            }
            n += 1;
        }
        if count > 1 {
            out.str("#");
            out.number(count);
        }
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut n = 0;
    while n < a.len() {
        if a[n] != b[n] {
            return false;
        }
        n += 1;
    }
    true
}

#[cfg(test)]
#[expect(unsafe_code, reason = "the node of a recursive type is named by pointer")]
mod tests {
    use super::*;
    use crate::shape::{Protein, Variant};

    struct Tree;
    static TREE: Node = Node::Named(Named::new(
        "Tree",
        "here",
        Parts::Struct(&[
            Field { name: "kids", ty: <Vec<Tree> as Protein>::SHAPE },
            Field { name: "leaf", ty: <Option<Leaf> as Protein>::SHAPE },
        ]),
    ));
    impl Protein for Tree {
        // SAFETY: a static.
        const SHAPE: Ref = unsafe { Ref::to_static(&raw const TREE) };
    }

    struct Leaf;
    static LEAF: Node = Node::Named(Named::new(
        "Leaf",
        "here",
        Parts::Enum(&[
            Variant { name: "Bare", fields: &[] },
            Variant { name: "Of", fields: &[Field { name: "0", ty: <Box<Tree> as Protein>::SHAPE }] },
        ]),
    ));
    impl Protein for Leaf {
        // SAFETY: a static.
        const SHAPE: Ref = unsafe { Ref::to_static(&raw const LEAF) };
    }

    const fn leaf(place: &'static str, field: &'static [Field]) -> Node {
        Node::Named(Named::new("Leaf", place, Parts::Struct(field)))
    }

    #[test]
    fn types_that_need_each_other_are_described_once() {
        const N: usize = text_len(Tree::SHAPE);
        const TEXT: [u8; N] = text(Tree::SHAPE);
        let expected = "rkyv-0.8 le aligned ptr32\nshape Tree\nstruct Tree\n  kids Vec<Tree>\n  leaf Option<Leaf>\n\
                        enum Leaf\n  Bare\n  Of\n    0 Box<Tree>\n";
        assert_eq!(core::str::from_utf8(&TEXT), Ok(expected));
        assert_eq!(to_text(Tree::SHAPE), expected);
        const FINGERPRINT: Fingerprint = fingerprint(Tree::SHAPE);
        assert_eq!(FINGERPRINT, Fingerprint::of(expected.as_bytes()));
    }

    #[test]
    fn every_form_of_a_type_is_written_as_rust_writes_it() {
        type All = Result<[(u8, Box<f32>, (), (i64,)); 1205], Vec<Option<[String; 0]>>>;
        let expected = "shape Result<[(u8, Box<f32>, (), (i64,)); 1205], Vec<Option<[String; 0]>>>\n";
        assert_eq!(to_text(All::SHAPE), format!("{FORMAT}\n{expected}"));
    }

    #[test]
    fn two_types_of_one_name_are_two_types() {
        static A: Node = leaf("a", &[Field { name: "x", ty: f32::SHAPE }]);
        static B: Node = leaf("b", &[Field { name: "y", ty: f32::SHAPE }]);
        let of = |list| {
            let node: &'static Node = Box::leak(Box::new(Node::Tuple(list)));
            to_text(Ref::to(node))
        };
        static AB: [Ref; 3] = [Ref::to(&A), Ref::to(&B), Ref::to(&A)];
        let text = of(&AB);
        assert!(
            text.contains("shape (Leaf, Leaf#2, Leaf)\nstruct Leaf\n  x f32\nstruct Leaf#2\n  y f32\n"),
            "{text}"
        );
        static AA: [Ref; 3] = [Ref::to(&A), Ref::to(&A), Ref::to(&A)];
        assert!(!of(&AA).contains('#'));
    }

    #[test]
    fn types_nested_as_deep_as_the_limit_allows_need_no_stack() {
        let nested = |depth: usize| {
            let first = *<f32 as Protein>::SHAPE.node();
            let node = (0..depth).fold(first, |inner, _| {
                let inner: &'static Node = Box::leak(Box::new(inner));
                Node::Generic("Box", Box::leak(Box::new([Ref::to(inner)])))
            });
            Ref::to(Box::leak(Box::new(node)))
        };
        let text = to_text(nested(MAX_PIECES - 2));
        assert!(text.ends_with(&(">".repeat(MAX_PIECES - 2) + "\n")), "{text}");
        let too_deep = std::panic::catch_unwind(|| to_text(nested(MAX_PIECES + 1)));
        assert!(too_deep.is_err());
    }
}
