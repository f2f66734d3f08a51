//! Reading a struct or enum that is to be sent or kept: its fields, and every reason against it.
pub(crate) mod types;

use crate::faults::{Faults, did_you_mean};
use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens as _;
use syn::{
    Attribute, Data, DeriveInput, Fields, Generics, Member, Path, Type, Visibility, ext::IdentExt as _,
    meta::ParseNestedMeta, spanned::Spanned as _,
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
            let ty = types::without_self(&field.ty, self.name);
            let form = match other {
                Some(other) => {
                    types::check(&other, self.faults);
                    Form::As(other)
                }
                None => types::form(&ty, self.faults),
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
        (skip, other.map(|ty| types::without_self(&ty, self.name)))
    }
}

#[cfg(test)]
mod tests;
