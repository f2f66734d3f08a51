//! Writing what `#[derive(Protein)]` makes: the node of the shape, and rkyv's traits.
//!
//! rkyv's own derives are used, on a second type with the parts that are kept: a derive cannot put another derive on
//! its own input. They are told to bound no field, so that types may reach themselves by any way; the bounds that
//! all fields of all Proteins need stand on the impls.
use crate::kept::{self, Derive, Field, Form, Kept, Part, Parts, Style};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::{ext::IdentExt as _, spanned::Spanned as _};

/// Expands the derive.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    match kept::read(input, Derive::Protein) {
        Ok(kept) => items(&kept, &TokenStream::new()),
        Err(faults) => faults,
    }
}

/// Returns the items that make `kept` a Protein, with `more` beside them.
pub(crate) fn items(kept: &Kept, more: &TokenStream) -> TokenStream {
    let (node, archive, from) = (node(kept), archive(kept), from_parts(kept));
    quote! {
        #[automatically_derived]
        #[allow(
            unsafe_code,
            dead_code,
            missing_docs,
            unreachable_pub,
            non_camel_case_types,
            long_running_const_eval,
            clippy::all,
            clippy::pedantic,
            clippy::undocumented_unsafe_blocks,
            clippy::allow_attributes_without_reason,
            reason = "made by a derive: the archived form of the type, checked before it is read"
        )]
        const _: () = {
            #node
            #archive
            #from
            #more
        };
    }
}

/// Writes the shape.
fn node(kept: &Kept) -> TokenStream {
    let name = &kept.name;
    let text = name.unraw().to_string();
    let shapes = kept.fields().map(shape);
    let parts = match &kept.parts {
        Parts::Struct(part) => {
            let fields = part.fields.iter().map(shape_field);
            quote!(Struct(&[#(#fields),*]))
        }
        Parts::Enum(variants) => {
            let variants = variants.iter().map(|(name, part)| {
                let name = name.unraw().to_string();
                let fields = part.fields.iter().map(shape_field);
                quote!(::cell::__private::shape::Variant { name: #name, fields: &[#(#fields),*] })
            });
            quote!(Enum(&[#(#variants),*]))
        }
    };
    quote! {
        #(#shapes)*
        static __NODE: ::cell::__private::shape::Node =
            ::cell::__private::shape::Node::Named(::cell::__private::shape::Named::new(
                #text,
                ::core::concat!(
                    ::core::module_path!(), " ", ::core::file!(), " ", ::core::line!(), " ", ::core::column!()
                ),
                ::cell::__private::shape::Parts::#parts,
            ));
        impl ::cell::Protein for #name {
            // SAFETY: a static.
            const SHAPE: ::cell::__private::shape::Ref =
                unsafe { ::cell::__private::shape::Ref::to_static(&raw const __NODE) };
        }
    }
}

fn shape_field(field: &Field) -> TokenStream {
    let (name, shape) = (field.name(), shape_name(field));
    quote!(::cell::__private::shape::Field { name: #name, ty: #shape })
}

fn shape_name(field: &Field) -> Ident {
    format_ident!("__SHAPE_{}", field.number)
}

/// Writes the shape of a field's type as a constant: the one place where a type that is no Protein is an error.
fn shape(field: &Field) -> TokenStream {
    let of = |ty: &syn::Type| {
        let span = ty.span();
        quote_spanned!(span=> <#ty as ::cell::Protein>::SHAPE)
    };
    let list = |name: &str, args: &[TokenStream]| {
        quote! {
            ::cell::__private::shape::Ref::to(
                &::cell::__private::shape::Node::Generic(#name, &[#(#args),*])
            )
        }
    };
    let name = shape_name(field);
    let ty = match &field.form {
        Form::Own => of(&field.ty),
        Form::As(other) => of(other),
        Form::Map(pair) => list("BTreeMap", &[of(&pair.0), of(&pair.1)]),
        Form::Set(item) => list("BTreeSet", &[of(item)]),
    };
    quote!(const #name: ::cell::__private::shape::Ref = #ty;)
}

/// Returns the name of the second type.
pub(crate) fn parts_name(kept: &Kept) -> Ident {
    format_ident!("__{}Parts", kept.name.unraw())
}

/// Writes the second type with rkyv's derives, and forwards from the first to it.
fn archive(kept: &Kept) -> TokenStream {
    let Kept { name, vis, .. } = kept;
    let (parts, archived) = (parts_name(kept), format_ident!("__Archived{}", name.unraw()));
    let item = match &kept.parts {
        Parts::Struct(part) => {
            let fields = declared(part);
            let end = (part.style != Style::Named).then(|| quote!(;));
            quote!(struct #parts #fields #end)
        }
        Parts::Enum(variants) => {
            let variants = variants.iter().map(|(name, part)| {
                let fields = declared(part);
                quote!(#name #fields)
            });
            quote!(enum #parts { #(#variants),* })
        }
    };
    quote! {
        use ::cell::__private::rkyv as __rkyv;

        #[derive(__rkyv::Archive, __rkyv::Serialize, __rkyv::Deserialize)]
        #[rkyv(
            crate = ::cell::__private::rkyv,
            remote = #name,
            archived = #archived,
            serialize_bounds(
                __S: __rkyv::ser::Writer + __rkyv::ser::Allocator,
                <__S as __rkyv::rancor::Fallible>::Error: __rkyv::rancor::Source,
            ),
            deserialize_bounds(<__D as __rkyv::rancor::Fallible>::Error: __rkyv::rancor::Source),
            bytecheck(bounds(
                __C: __rkyv::validation::ArchiveContext,
                <__C as __rkyv::rancor::Fallible>::Error: __rkyv::rancor::Source,
            ))
        )]
        #vis #item

        impl __rkyv::Archive for #name {
            type Archived = #archived;
            type Resolver = <#parts as __rkyv::with::ArchiveWith<#name>>::Resolver;
            fn resolve(&self, resolver: Self::Resolver, out: __rkyv::Place<#archived>) {
                <#parts as __rkyv::with::ArchiveWith<#name>>::resolve_with(self, resolver, out);
            }
        }
        impl<__S> __rkyv::Serialize<__S> for #name
        where
            __S: __rkyv::rancor::Fallible + __rkyv::ser::Writer + __rkyv::ser::Allocator + ?Sized,
            <__S as __rkyv::rancor::Fallible>::Error: __rkyv::rancor::Source,
        {
            fn serialize(
                &self,
                serializer: &mut __S,
            ) -> ::core::result::Result<Self::Resolver, <__S as __rkyv::rancor::Fallible>::Error> {
                <#parts as __rkyv::with::SerializeWith<#name, __S>>::serialize_with(self, serializer)
            }
        }
        impl<__D> __rkyv::Deserialize<#name, __D> for #archived
        where
            __D: __rkyv::rancor::Fallible + ?Sized,
            <__D as __rkyv::rancor::Fallible>::Error: __rkyv::rancor::Source,
        {
            fn deserialize(
                &self,
                deserializer: &mut __D,
            ) -> ::core::result::Result<#name, <__D as __rkyv::rancor::Fallible>::Error> {
                <#parts as __rkyv::with::DeserializeWith<#archived, #name, __D>>::deserialize_with(
                    self,
                    deserializer,
                )
            }
        }
    }
}

/// Writes the fields of the second type.
fn declared(part: &Part) -> TokenStream {
    let fields = part.fields.iter().map(|field| {
        let Field { member, ty, form, .. } = field;
        let shape = shape_name(field);
        let checked = quote!({ ::cell::__private::checked(#shape) });
        let with = match form {
            Form::Own => quote!(::cell::__private::Own<#checked>),
            Form::Map(_) | Form::Set(_) => quote!(::cell::__private::Sorted<#checked>),
            Form::As(other) => quote!(::cell::__private::As<#other, #checked>),
        };
        let name = match member {
            syn::Member::Named(name) => quote!(#name:),
            syn::Member::Unnamed(_) => TokenStream::new(),
        };
        quote!(#[rkyv(omit_bounds, with = #with)] #name #ty)
    });
    match part.style {
        Style::Named => quote!({ #(#fields),* }),
        Style::Tuple => quote!((#(#fields),*)),
        Style::Unit => TokenStream::new(),
    }
}

/// Writes how the type is made from what was kept of it.
fn from_parts(kept: &Kept) -> TokenStream {
    let (name, parts) = (&kept.name, parts_name(kept));
    let body = match &kept.parts {
        Parts::Struct(part) if part.leaves_out => {
            let members = part.fields.iter().map(|f| &f.member);
            quote! {
                let mut all = <Self as ::core::default::Default>::default();
                #(all.#members = parts.#members;)*
                all
            }
        }
        Parts::Struct(part) => {
            let members = part.fields.iter().map(|f| &f.member);
            quote!(Self { #(#members: parts.#members),* })
        }
        Parts::Enum(variants) => {
            let arms = variants.iter().map(|(variant, part)| {
                let members: Vec<_> = part.fields.iter().map(|f| f.member.to_token_stream()).collect();
                let values: Vec<_> = (0..members.len()).map(|n| format_ident!("value_{n}")).collect();
                quote! {
                    #parts::#variant { #(#members: #values),* } => Self::#variant { #(#members: #values),* }
                }
            });
            quote!(match parts { #(#arms),* })
        }
    };
    quote! {
        impl ::core::convert::From<#parts> for #name {
            fn from(parts: #parts) -> Self {
                #body
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(input: TokenStream) -> String {
        let out = derive(input);
        let file: syn::File = syn::parse2(out.clone()).unwrap();
        assert_eq!(file.items.len(), 1, "one item, so that no name can clash");
        out.to_string()
    }

    #[test]
    fn comments_spaces_and_other_derives_change_nothing() {
        let plain: TokenStream = "struct Ship { hull: f32, crew: Vec<u8> }".parse().unwrap();
        let dressed: TokenStream =
            "/// A ship.\n#[derive(Clone)]\npub(crate) struct Ship {\n\n/** How whole. */ pub hull :f32,/* x */ crew: Vec< u8 >, }"
                .parse()
                .unwrap();
        let node = |tokens| node(&kept::read(tokens, Derive::Protein).ok().unwrap()).to_string();
        assert_eq!(node(plain), node(dressed));
    }

    #[test]
    fn the_output_is_one_item_for_each_kind_of_type() {
        for input in [
            quote!(
                struct A;
            ),
            quote!(
                struct A(f32, r#type);
            ),
            quote!(
                enum A {
                    B,
                    C(u8, Self),
                    D {
                        map: BTreeMap<u8, u8>,
                        #[protein(as = [f32; 3])]
                        at: Vec3,
                    },
                }
            ),
        ] {
            written(input);
        }
        assert!(
            written(quote!(
                struct A(Vec<Self>);
            ))
            .contains("Vec < A >"),
            "`Self` is not the second type"
        );
    }

    #[test]
    fn with_a_fault_there_are_only_errors() {
        let out = derive(quote!(
            struct A {
                a: usize,
            }
        ))
        .to_string();
        assert!(out.contains("compile_error") && !out.contains("impl"), "{out}");
    }
}
