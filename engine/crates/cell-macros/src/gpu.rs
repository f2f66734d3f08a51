//! Writing what `#[derive(Gpu)]` makes.
use crate::names;
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, Ident, Type, spanned::Spanned};

/// Expands the derive.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    match syn::parse2(input)
        .and_then(|input: DeriveInput| check(&input).map(|fields| items(&input.ident, &fields)))
    {
        Ok(items) => items,
        Err(e) => e.into_compile_error(),
    }
}

fn check(input: &DeriveInput) -> syn::Result<Vec<(Ident, Type)>> {
    let name = &input.ident;
    let fail = |what: &str| Err(syn::Error::new(name.span(), format!("`{name}` cannot be `Gpu`: {what}")));
    let Data::Struct(data) = &input.data else { return fail("only structs with named fields can") };
    let Fields::Named(fields) = &data.fields else { return fail("its fields need names, which shaders use") };
    if !input.generics.params.is_empty() {
        return fail("it has generic parameters, which shaders do not know");
    }
    if fields.named.is_empty() {
        return fail("it has no fields");
    }
    if !is_repr_c(input)? {
        return fail("add `#[repr(C)]`, so that its fields stay in order");
    }
    let fields: Vec<(Ident, Type)> =
        fields.named.iter().filter_map(|f| Some((f.ident.clone()?, f.ty.clone()))).collect();
    for (field, _) in &fields {
        if let Some(why) = names::field_fault(&field.to_string()) {
            return Err(syn::Error::new(field.span(), format!("a field of a `Gpu` struct {why}")));
        }
    }
    Ok(fields)
}

fn is_repr_c(input: &DeriveInput) -> syn::Result<bool> {
    let mut c = false;
    for attr in input.attrs.iter().filter(|a| a.path().is_ident("repr")) {
        attr.parse_nested_meta(|meta| {
            c |= meta.path.is_ident("C");
            if meta.input.peek(syn::token::Paren) {
                meta.input.parse::<proc_macro2::TokenTree>()?;
            }
            Ok(())
        })?;
    }
    Ok(c)
}

fn items(name: &Ident, fields: &[(Ident, Type)]) -> TokenStream {
    let text = name.to_string();
    let padding = format!(
        "`{text}` has padding bytes, which shaders and other processes would read: fill them with fields of their \
         own (`pad: f32`), and leave out `align`"
    );
    let too_short = format!(
        "`{text}` is shorter than WGSL makes it in a `Uniform` or `Buffer`: add fields at its end (`pad: f32`) up \
         to a multiple of 16 bytes"
    );
    let lines = fields.iter().map(|(f, ty)| {
        let head = format!("field {text} {f} ");
        quote! {
            ::cell::__private::Text::Str(#head),
            ::cell::__private::Text::Str(<#ty as ::cell::GpuField>::KIND.name()),
            ::cell::__private::Text::Str(" "),
            ::cell::__private::Text::U32(::core::mem::offset_of!(#name, #f) as u32),
            ::cell::__private::Text::Str("\n"),
        }
    });
    let facts = fields.iter().map(|(f, ty)| {
        let head = format!("  {f}: ");
        quote! {
            ::cell::__private::Text::Str(#head),
            ::cell::__private::Text::Str(<#ty as ::cell::GpuField>::KIND.name()),
            ::cell::__private::Text::Str(" at "),
            ::cell::__private::Text::U32(::core::mem::offset_of!(#name, #f) as u32),
            ::cell::__private::Text::Str("\n"),
        }
    });
    let checks = fields.iter().map(|(f, ty)| {
        let misplaced = format!(
            "the field `{f}` of `{text}` lies elsewhere in WGSL than in Rust, so the type cannot be used in a \
             `Uniform` or `Buffer`: WGSL starts [f32; 2] at multiples of 8 bytes, and [f32; 3], [f32; 4] and \
             matrices at multiples of 16; put a `pad: f32` (or more) before it, or move it to the front"
        );
        let vertex_only = format!(
            "the field `{f}` of `{text}` is [u8; 4], which only vertex and instance buffers can hold: use a u32 \
             and unpack4x8unorm in the shader"
        );
        quote! {
            ::cell::__private::FieldCheck {
                kind: <#ty as ::cell::GpuField>::KIND,
                offset: ::core::mem::offset_of!(#name, #f),
                misplaced: #misplaced,
                vertex_only: #vertex_only,
            }
        }
    });
    let zeros = fields.iter().map(|(f, ty)| quote!(#f: <#ty as ::cell::GpuField>::ZERO));
    let sizes = fields.iter().map(|(_, ty)| {
        let span = ty.span();
        quote::quote_spanned!(span=> ::core::mem::size_of::<#ty>())
    });
    let head = format!("type {text} ");
    quote! {
        const _: () = ::core::assert!(
            ::core::mem::size_of::<#name>() == 0 #(+ #sizes)* && ::core::mem::align_of::<#name>() <= 16,
            #padding
        );
        #[automatically_derived]
        #[allow(
            unsafe_code,
            clippy::undocumented_unsafe_blocks,
            reason = "the derive checks what the trait asks for: repr(C), no padding, fields of plain numbers"
        )]
        unsafe impl ::cell::Gpu for #name {
            const NAME: &'static str = #text;
            const TEXT: &'static [::cell::__private::Text] = &[
                ::cell::__private::Text::Str(#head),
                ::cell::__private::Text::U32(::core::mem::size_of::<#name>() as u32),
                ::cell::__private::Text::Str("\n"),
                #(#lines)*
            ];
            const FIELDS: &'static [::cell::__private::Text] = &[#(#facts)*];
            const LAYOUT_FAULT: &'static str = ::cell::__private::layout_fault(
                &[#(#checks),*],
                ::core::mem::size_of::<#name>(),
                #too_short,
            );
            const ZEROED: &'static Self = &Self { #(#zeros),* };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(input: TokenStream) -> Option<String> {
        let input: DeriveInput = syn::parse2(input).unwrap();
        check(&input).err().map(|e| e.to_string())
    }

    #[test]
    fn plain_structs_pass_and_the_rest_is_told_why() {
        assert_eq!(
            fault(quote!(
                #[repr(C)]
                struct A {
                    a: f32,
                }
            )),
            None
        );
        assert_eq!(
            fault(quote!(
                #[repr(C, align(16))]
                struct A {
                    a: f32,
                }
            )),
            None,
            "padding is found by its size"
        );
        for (input, says) in [
            (
                quote!(
                    struct A {
                        a: f32,
                    }
                ),
                "add `#[repr(C)]`",
            ),
            (
                quote!(
                    #[repr(C)]
                    struct A(f32);
                ),
                "fields need names",
            ),
            (
                quote!(
                    #[repr(C)]
                    struct A<T> {
                        a: T,
                    }
                ),
                "generic",
            ),
            (
                quote!(
                    #[repr(C)]
                    struct A {}
                ),
                "no fields",
            ),
            (
                quote!(
                    enum A {
                        B,
                    }
                ),
                "only structs",
            ),
            (
                quote!(
                    #[repr(C)]
                    struct A {
                        target: f32,
                    }
                ),
                "meaning in shaders",
            ),
        ] {
            let e = fault(input).unwrap();
            assert!(e.contains(says), "{e}");
        }
    }

    #[test]
    fn the_output_is_items() {
        let out = derive(quote!(
            #[repr(C)]
            struct Pose {
                at: [f32; 3],
                scale: f32,
            }
        ));
        let file: syn::File = syn::parse2(out).unwrap();
        assert_eq!(file.items.len(), 2);
    }
}
