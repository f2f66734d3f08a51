//! Writing what `#[derive(Save)]` makes: a Protein, and how the state is saved and restored.
use crate::{
    kept::{self, Derive, Kept},
    protein,
};
use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::spanned::Spanned as _;

/// Expands the derive.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    match kept::read(input, Derive::Save) {
        Ok(kept) => protein::items(&kept, &save(&kept)),
        Err(faults) => faults,
    }
}

fn save(kept: &Kept) -> TokenStream {
    let name = &kept.name;
    let shape = quote!(<#name as ::cell::Protein>::SHAPE);
    let (past, of_past) = match &kept.past {
        None => (quote!(::core::option::Option::None), quote!(::core::option::Option::None)),
        Some(past) => {
            let state = quote_spanned!(past.span()=> <#past as ::cell::Save>::STATE);
            let read = quote_spanned!(past.span()=> <#past as ::cell::Save>::of_saved(saved));
            let from = quote_spanned!(past.span()=> <#name as ::core::convert::From<#past>>::from);
            (quote!(::core::option::Option::Some(#state)), quote!(#read.map(|past| past.map(#from))))
        }
    };
    quote! {
        const __TEXT: &[u8] =
            &::cell::__private::shape::text::<{ ::cell::__private::shape::text_len(#shape) }>(#shape);
        impl ::cell::Save for #name {
            const STATE: &'static ::cell::__private::shape::StateShape =
                &::cell::__private::shape::StateShape::of(__TEXT, #past);
            fn payload(&self) -> ::cell::__private::rkyv::util::AlignedVec {
                ::cell::__private::encode(self)
            }
            fn of_payload(
                payload: &[u8],
            ) -> ::core::result::Result<Self, ::cell::__private::DecodeError> {
                ::cell::__private::decode(payload)
            }
            fn of_past(
                saved: &::cell::__private::Saved<'_>,
            ) -> ::core::option::Option<::core::result::Result<Self, ::cell::__private::DecodeError>> {
                #of_past
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_comes_from_the_types_default() {
        let out = derive(quote!(
            struct Physics {
                bodies: Vec<Body>,
                #[save(skip)]
                grid: Grid,
            }
        ))
        .to_string();
        assert!(out.contains("default") && out.contains("all . bodies = parts . bodies"), "{out}");
        assert!(!out.contains("Grid"), "what is left out is named nowhere: {out}");
        let all = derive(quote!(
            struct Physics {
                bodies: Vec<Body>,
            }
        ))
        .to_string();
        assert!(!all.contains("default"), "nothing is rebuilt: {all}");
    }

    #[test]
    fn an_older_state_is_asked_when_the_shape_is_another() {
        let out = derive(quote!(
            #[save(from = past::Physics)]
            struct Physics {
                a: f32,
            }
        ))
        .to_string();
        assert!(out.contains("From < past :: Physics >"), "{out}");
        let file: syn::File = syn::parse_str(&out).unwrap();
        assert_eq!(file.items.len(), 1);
    }
}
