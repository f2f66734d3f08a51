//! Reading a struct or enum that is to be sent or kept: its fields, and every reason against it.
use crate::faults::{Faults, did_you_mean};
use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use quote::ToTokens as _;
use syn::{
    Attribute, Data, DeriveInput, Fields, GenericArgument, Generics, Member, Path, PathArguments,
    PathSegment, Type, Visibility, ext::IdentExt as _, meta::ParseNestedMeta, spanned::Spanned as _,
};

/// Which derive reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Derive {
    Protein,
    Save,
}

impl Derive {
    /// The name of its attribute.
    fn attribute(self) -> &'static str {
        match self {
            Self::Protein => "protein",
            Self::Save => "save",
        }
    }
}

/// A struct or an enum.
pub(crate) struct Kept {
    pub(crate) name: Ident,
    pub(crate) vis: Visibility,
    pub(crate) parts: Parts,
    /// The type of the older state that it is made from.
    pub(crate) past: Option<Path>,
}

pub(crate) enum Parts {
    Struct(Part),
    Enum(Vec<(Ident, Part)>),
}

/// The fields of a struct or of a variant.
pub(crate) struct Part {
    pub(crate) style: Style,
    /// Without those that are left out.
    pub(crate) fields: Vec<Field>,
    pub(crate) leaves_out: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Named,
    Tuple,
    Unit,
}

pub(crate) struct Field {
    /// Counts all fields of the type.
    pub(crate) number: usize,
    pub(crate) member: Member,
    pub(crate) ty: Type,
    pub(crate) form: Form,
}

/// The form in which a field is kept.
pub(crate) enum Form {
    /// As its type is.
    Own,
    /// A sorted list of pairs.
    Map(Box<(Type, Type)>),
    /// A sorted list.
    Set(Type),
    /// As another type, which it converts into and from.
    As(Type),
}

impl Kept {
    /// Returns the fields of all parts.
    pub(crate) fn fields(&self) -> impl Iterator<Item = &Field> {
        let parts: Vec<&Part> = match &self.parts {
            Parts::Struct(part) => vec![part],
            Parts::Enum(variants) => variants.iter().map(|(_, part)| part).collect(),
        };
        parts.into_iter().flat_map(|part| &part.fields)
    }
}

impl Field {
    /// Returns its name in the shape.
    pub(crate) fn name(&self) -> String {
        match &self.member {
            Member::Named(name) => name.unraw().to_string(),
            Member::Unnamed(index) => index.index.to_string(),
        }
    }
}

const MAX_VARIANTS: usize = 256;
const MAX_TUPLE: usize = 12;
/// Names of types without parts, which a shape writes without saying more.
const PLAIN: &[&str] = &[
    "bool", "u8", "u16", "u32", "u64", "u128", "i8", "i16", "i32", "i64", "i128", "f32", "f64", "char",
    "String",
];

/// Reads the input of a derive, or returns all faults as compile errors.
pub(crate) fn read(input: TokenStream, derive: Derive) -> Result<Kept, TokenStream> {
    let input: DeriveInput = syn::parse2(input).map_err(syn::Error::into_compile_error)?;
    let mut faults = Faults::default();
    let kept = Reader::new(derive, &input.ident, &mut faults).read(&input);
    match (kept, faults.into_tokens()) {
        (Some(kept), none) if none.is_empty() => Ok(kept),
        (_, faults) => Err(faults),
    }
}

struct Reader<'a> {
    derive: Derive,
    name: &'a Ident,
    faults: &'a mut Faults,
    /// How many fields were read.
    count: usize,
}

impl<'a> Reader<'a> {
    fn new(derive: Derive, name: &'a Ident, faults: &'a mut Faults) -> Self {
        Self { derive, name, faults, count: 0 }
    }

    fn read(mut self, input: &DeriveInput) -> Option<Kept> {
        let name = self.name.unraw().to_string();
        if PLAIN.contains(&name.as_str()) {
            self.faults
                .add(self.name.span(), format!("`{name}` is the name of a type of Rust: choose another"));
        }
        self.check_generics(&input.generics);
        let past = self.past(&input.attrs);
        let parts = match &input.data {
            Data::Struct(data) => Parts::Struct(self.part(&data.fields, true)),
            Data::Enum(data) => {
                if data.variants.is_empty() {
                    self.faults
                        .add(self.name.span(), format!("`{name}` has no variants, so no value to keep"));
                }
                if let Some(beyond) = data.variants.iter().nth(MAX_VARIANTS) {
                    let message = format!(
                        "`{name}` has more than {MAX_VARIANTS} variants: put some into an enum inside"
                    );
                    self.faults.add(beyond.span(), message);
                }
                let variants = data.variants.iter().map(|v| (v.ident.clone(), self.part(&v.fields, false)));
                Parts::Enum(variants.collect())
            }
            Data::Union(data) => {
                let message =
                    format!("`{name}` is a union, whose bytes do not say what they are: use an enum");
                self.faults.add(data.union_token.span, message);
                return None;
            }
        };
        Some(Kept { name: self.name.clone(), vis: input.vis.clone(), parts, past })
    }

    fn check_generics(&mut self, generics: &Generics) {
        for lifetime in generics.lifetimes() {
            let message = format!("`{}` borrows what it holds: own it (`String`, `Vec`, `Box`)", self.name);
            self.faults.add(lifetime.span(), message);
        }
        if let Some(param) = generics.params.iter().find(|p| !matches!(p, syn::GenericParam::Lifetime(_))) {
            let message =
                format!("`{}` is generic, so it has many shapes: write one type for each use", self.name);
            self.faults.add(param.span(), message);
        }
    }

    /// Reads the attributes of the type: `#[save(from = past::Physics)]`.
    fn past(&mut self, attrs: &[Attribute]) -> Option<Path> {
        let mut past = None;
        let known: &[&str] = if self.derive == Derive::Save { &["from"] } else { &[] };
        self.attributes(attrs, known, "the type", |meta| {
            past = Some(meta.value()?.parse()?);
            Ok(())
        });
        past
    }

    fn attributes(
        &mut self,
        attrs: &[Attribute],
        known: &[&str],
        place: &str,
        mut read: impl FnMut(&ParseNestedMeta<'_>) -> syn::Result<()>,
    ) {
        let name = self.derive.attribute();
        for attr in attrs.iter().filter(|a| a.path().is_ident(name)) {
            let read = attr.parse_nested_meta(|meta| {
                let word = meta.path.to_token_stream().to_string();
                if known.contains(&word.as_str()) {
                    return read(&meta);
                }
                let hint = if known.is_empty() {
                    "; it knows nothing here".to_owned()
                } else {
                    did_you_mean(&word, known.iter().copied())
                };
                Err(meta.error(format!("`{word}` has no meaning for `{name}` on {place}{hint}")))
            });
            self.faults.take(read);
        }
    }

    fn part(&mut self, fields: &Fields, of_struct: bool) -> Part {
        let style = match fields {
            Fields::Named(_) => Style::Named,
            Fields::Unnamed(_) => Style::Tuple,
            Fields::Unit => Style::Unit,
        };
        let mut part = Part { style, fields: Vec::new(), leaves_out: false };
        for (field, member) in fields.iter().zip(fields.members()) {
            let (skip, other) = self.field_attributes(&field.attrs);
            if let Some(span) = skip {
                part.leaves_out = true;
                if !of_struct || style != Style::Named {
                    self.faults.add(span, "only a field with a name in a struct can be left out");
                }
                continue;
            }
            let ty = without_self(&field.ty, self.name);
            let form = match other {
                Some(other) => {
                    self.check(&other);
                    Form::As(other)
                }
                None => self.form(&ty),
            };
            part.fields.push(Field { number: self.count, member, ty, form });
            self.count += 1;
        }
        part
    }

    /// Reads the attributes of a field: where it is said to be left out, and as what it is kept.
    fn field_attributes(&mut self, attrs: &[Attribute]) -> (Option<Span>, Option<Type>) {
        let (mut skip, mut other) = (None, None);
        let known: &[&str] = if self.derive == Derive::Save { &["skip", "as"] } else { &["as"] };
        self.attributes(attrs, known, "a field", |meta| {
            if meta.path.is_ident("skip") {
                skip = Some(meta.path.span());
            } else {
                other = Some(meta.value()?.parse()?);
            }
            Ok(())
        });
        (skip, other.map(|ty| without_self(&ty, self.name)))
    }

    /// Returns the form of a field's type, and notes what cannot be kept.
    fn form(&mut self, ty: &Type) -> Form {
        if let Some((last, args)) = last_segment(ty).map(|s| (s, types_of(s))) {
            match (last.ident.to_string().as_str(), args.as_slice()) {
                ("BTreeMap", [key, value]) => {
                    self.check(key);
                    self.check(value);
                    return Form::Map(Box::new(((*key).clone(), (*value).clone())));
                }
                ("BTreeSet", [of]) => {
                    self.check(of);
                    return Form::Set((*of).clone());
                }
                _ => {}
            }
        }
        self.check(ty);
        Form::Own
    }

    /// Notes everything in a type that cannot be kept.
    fn check(&mut self, ty: &Type) {
        let why = match ty {
            Type::Array(array) => return self.check(&array.elem),
            Type::Paren(paren) => return self.check(&paren.elem),
            Type::Group(group) => return self.check(&group.elem),
            Type::Tuple(tuple) => {
                tuple.elems.iter().for_each(|ty| self.check(ty));
                if tuple.elems.len() <= MAX_TUPLE {
                    return;
                }
                "a tuple of more than 12: use a struct with names"
            }
            Type::Path(path) => {
                let Some(last) = path.path.segments.last() else { return };
                match name_fault(&last.ident.to_string(), !last.arguments.is_empty()) {
                    Some(why) => why,
                    None => return types_of(last).into_iter().for_each(|ty| self.check(ty)),
                }
            }
            Type::Reference(_) => "a borrow does not outlive the turn: own it (`String`, `Vec`, `Box`)",
            Type::Slice(_) => "a slice has no length of its own: use a `Vec`",
            Type::TraitObject(_) | Type::ImplTrait(_) => {
                "its bytes do not say which type it is: use an enum of the types that there are"
            }
            Type::BareFn(_) | Type::Ptr(_) => "an address means nothing elsewhere: keep what it stands for",
            _ => "only named types, arrays and tuples can be kept",
        };
        self.faults.push(syn::Error::new_spanned(ty, format!("`{}` cannot be kept: {why}", shown(ty))));
    }
}

/// Returns why a type of this name cannot be kept. A name without arguments may be a type of the author's own; where
/// it is not, the compiler finds that it is no Protein.
fn name_fault(name: &str, has_args: bool) -> Option<&'static str> {
    Some(match name {
        "usize" => "its size is the machine's; use `u32` or `u64`",
        "isize" => "its size is the machine's; use `i32` or `i64`",
        "str" => "it has no size of its own; use a `String`",
        _ if !has_args => return None,
        "HashMap" | "IndexMap" => {
            "its order differs from run to run, so the same state would have many forms; use a `BTreeMap`, which \
             is kept as sorted pairs"
        }
        "HashSet" | "IndexSet" => {
            "its order differs from run to run, so the same state would have many forms; use a `BTreeSet`, which \
             is kept as a sorted list"
        }
        "BTreeMap" | "BTreeSet" => {
            "it is kept as a sorted list only where it is the whole type of a field; put it into a struct of its own"
        }
        "VecDeque" | "LinkedList" | "BinaryHeap" => "use a `Vec`",
        "Rc" | "Arc" | "Weak" => "what is shared would be kept once for each owner; use a `Box`, or indices",
        "Cell" | "RefCell" | "OnceCell" | "OnceLock" | "Mutex" | "RwLock" => {
            "keep the value itself: one turn at a time reaches a cell's state"
        }
        "Cow" => "own it (`String`, `Vec`)",
        _ => return None,
    })
}

fn last_segment(ty: &Type) -> Option<&PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// Returns the types in `<..>` of a path's segment.
fn types_of(segment: &PathSegment) -> Vec<&Type> {
    let PathArguments::AngleBracketed(args) = &segment.arguments else { return Vec::new() };
    args.args
        .iter()
        .filter_map(|arg| match arg {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
        .collect()
}

/// Returns a type as people write it.
fn shown(ty: &Type) -> String {
    let text = ty.to_token_stream().to_string();
    let tight =
        [(" < ", "<"), ("< ", "<"), (" >", ">"), (" ,", ","), (" :: ", "::"), ("& ", "&"), (" ;", ";")];
    tight.iter().fold(text, |text, (from, to)| text.replace(from, to))
}

/// Returns a type with `Self` replaced by the name that it stands for: the derive uses it in other items.
fn without_self(ty: &Type, name: &Ident) -> Type {
    fn replaced(tokens: TokenStream, name: &Ident) -> TokenStream {
        tokens
            .into_iter()
            .map(|token| match token {
                TokenTree::Ident(word) if word == "Self" => Ident::new(&name.to_string(), word.span()).into(),
                TokenTree::Group(group) => {
                    let mut inner = Group::new(group.delimiter(), replaced(group.stream(), name));
                    inner.set_span(group.span());
                    TokenTree::Group(inner)
                }
                other => other,
            })
            .collect()
    }
    syn::parse2(replaced(ty.to_token_stream(), name)).unwrap_or_else(|_| ty.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn faults(input: TokenStream, derive: Derive) -> Vec<String> {
        let input: DeriveInput = syn::parse2(input).unwrap();
        let mut faults = Faults::default();
        let _ = Reader::new(derive, &input.ident, &mut faults).read(&input);
        faults.messages()
    }

    #[test]
    fn what_can_be_kept_passes() {
        for input in [
            quote!(
                struct A;
            ),
            quote!(
                struct A(f32, [u8; N], Box<Self>);
            ),
            quote!(
                struct A {
                    r#type: Option<Vec<(u8, String)>>,
                    map: std::collections::BTreeMap<u32, Vec<B>>,
                    set: BTreeSet<char>,
                }
            ),
            quote!(
                struct A {
                    #[protein(as = [f32; 3])]
                    at: glam::Vec3,
                    b: other::B,
                    r: Result<(), E>,
                }
            ),
            quote!(
                enum A {
                    B = 4,
                    C(f32),
                    D { e: u8 },
                }
            ),
        ] {
            assert_eq!(faults(input.clone(), Derive::Protein), [""; 0], "{input}");
        }
        let state = quote!(
            #[save(from = past::A)]
            struct A {
                #[save(skip)]
                tree: Rc<dyn Any>,
                #[save(as = u64)]
                n: usize,
            }
        );
        assert_eq!(faults(state, Derive::Save), [""; 0]);
    }

    #[test]
    fn what_cannot_be_kept_is_told_with_the_fix() {
        for (ty, says) in [
            (quote!(usize), "`usize` cannot be kept: its size is the machine's; use `u32` or `u64`"),
            (
                quote!(Vec<Option<isize>>),
                "`isize` cannot be kept: its size is the machine's; use `i32` or `i64`",
            ),
            (quote!(std::rc::Rc<f32>), "`std::rc::Rc<f32>` cannot be kept: what is shared"),
            (quote!(Arc<f32>), "use a `Box`, or indices"),
            (quote!(std::collections::HashMap<u32, f32>), "use a `BTreeMap`"),
            (quote!(HashSet<u32>), "use a `BTreeSet`"),
            (quote!(Vec<BTreeMap<u32, f32>>), "put it into a struct of its own"),
            (quote!(BTreeMap<u32, usize>), "`usize` cannot"),
            (quote!(Box<dyn Fn()>), "`dyn Fn ()` cannot be kept: its bytes do not say which type it is"),
            (quote!(&'static str), "own it"),
            (quote!(Box<[f32]>), "use a `Vec`"),
            (quote!(Box<str>), "use a `String`"),
            (quote!(fn(u8)), "keep what it stands for"),
            (quote!(Mutex<f32>), "keep the value itself"),
            (quote!((u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8, u8)), "a struct with names"),
            (quote!(some_macro!()), "only named types"),
        ] {
            for input in
                [quote!(struct A { a: u8, b: #ty }), quote!(struct A(#ty);), quote!(enum A { B { c: #ty } })]
            {
                for derive in [Derive::Protein, Derive::Save] {
                    let found = faults(input.clone(), derive);
                    assert!(found.len() == 1 && found[0].contains(says), "{ty}: {found:?}");
                }
            }
        }
    }

    #[test]
    fn what_a_type_is_as_a_whole_is_checked_too() {
        let many: TokenStream =
            (0..257).map(|n| Ident::new(&format!("V{n}"), Span::call_site())).map(|v| quote!(#v,)).collect();
        for (input, says) in [
            (
                quote!(
                    struct A<T> {
                        a: T,
                    }
                ),
                "`A` is generic",
            ),
            (
                quote!(
                    struct A<const N: usize> {
                        a: [u8; N],
                    }
                ),
                "`A` is generic",
            ),
            (
                quote!(
                    struct A<'a> {
                        a: B<'a>,
                    }
                ),
                "`A` borrows what it holds",
            ),
            (quote!(union A { a: u8 }), "use an enum"),
            (
                quote!(
                    enum A {}
                ),
                "no variants",
            ),
            (quote!(enum A { #many }), "more than 256 variants"),
            (
                quote!(
                    struct String {
                        a: u8,
                    }
                ),
                "the name of a type of Rust",
            ),
            (
                quote!(
                    struct A {
                        #[protein(skip)]
                        a: u8,
                    }
                ),
                "`skip` has no meaning for `protein` on a field; known are `as`",
            ),
            (
                quote!(
                    #[protein(from = B)]
                    struct A;
                ),
                "`from` has no meaning for `protein` on the type; it knows nothing here",
            ),
        ] {
            let found = faults(input, Derive::Protein);
            assert!(found.len() == 1 && found[0].contains(says), "{says}: {found:?}");
        }
        for (input, says) in [
            (
                quote!(
                    struct A {
                        #[save(skipp)]
                        a: u8,
                    }
                ),
                "did you mean `skip`?",
            ),
            (
                quote!(
                    struct A(#[save(skip)] u8);
                ),
                "only a field with a name in a struct can be left out",
            ),
            (
                quote!(
                    enum A {
                        B {
                            #[save(skip)]
                            a: u8,
                        },
                    }
                ),
                "only a field with a name in a struct can be left out",
            ),
        ] {
            let found = faults(input, Derive::Save);
            assert!(found.len() == 1 && found[0].contains(says), "{says}: {found:?}");
        }
        let all = faults(
            quote!(
                struct A {
                    a: usize,
                    b: Rc<u8>,
                    c: &'static str,
                }
            ),
            Derive::Protein,
        );
        assert_eq!(all.len(), 3, "all faults are shown at once: {all:?}");
    }
}
