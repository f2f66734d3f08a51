//! Writing what `#[derive(Builder)]` makes: a builder whose type says which fields were given.
use crate::{faults::Faults, names::camel};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens as _, format_ident, quote};
use syn::{
    Data, DeriveInput, Fields, GenericArgument, PathArguments, Type, ext::IdentExt as _,
    spanned::Spanned as _,
};

struct Field {
    docs: Vec<syn::Attribute>,
    name: Ident,
    ty: Type,
    /// Of an `Option<T>`, the `T`: it need not be given.
    optional: Option<Type>,
}

impl Field {
    /// Returns the type parameter that says whether it was given.
    fn param(&self) -> Ident {
        format_ident!("__{}", camel(&self.name.unraw().to_string()))
    }
}

/// Expands the derive.
pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let mut faults = Faults::default();
    let items = faults.take(syn::parse2::<DeriveInput>(input)).and_then(|input| {
        let fields = fields(&input, &mut faults)?;
        Some(items(&input, &fields))
    });
    let faults = faults.into_tokens();
    quote!(#items #faults)
}

fn fields(input: &DeriveInput, faults: &mut Faults) -> Option<Vec<Field>> {
    if !input.generics.params.is_empty() {
        faults.add(input.generics.span(), format!("`{}` is generic: a builder is of one type", input.ident));
        return None;
    }
    let Data::Struct(syn::DataStruct { fields: Fields::Named(named), .. }) = &input.data else {
        faults.add(
            input.ident.span(),
            "a builder gives fields by their names: it is of a struct that has some",
        );
        return None;
    };
    let mut out = Vec::new();
    for field in &named.named {
        let name = field.ident.clone()?;
        if name == "build" {
            faults.add(name.span(), "a builder has a `build` of its own: choose another name");
        }
        let docs = field.attrs.iter().filter(|a| a.path().is_ident("doc")).cloned().collect();
        out.push(Field { docs, name, ty: field.ty.clone(), optional: optional(&field.ty) });
    }
    Some(out)
}

fn optional(ty: &Type) -> Option<Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|s| s.ident == "Option")?;
    match &last.arguments {
        PathArguments::AngleBracketed(args) => match args.args.first()? {
            GenericArgument::Type(ty) => Some(ty.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn items(input: &DeriveInput, fields: &[Field]) -> TokenStream {
    let (name, vis) = (&input.ident, &input.vis);
    let builder = format_ident!("{}Builder", name.unraw());
    let missing = format_ident!("__missing_of_{}", name.unraw());
    let names: Vec<&Ident> = fields.iter().map(|f| &f.name).collect();
    let types: Vec<&Type> = fields.iter().map(|f| &f.ty).collect();
    let params: Vec<Ident> = fields.iter().map(Field::param).collect();
    let begin = fields.iter().map(|f| {
        let Field { name, ty, optional, .. } = f;
        if optional.is_some() { quote!(::cell::__private::Given<#ty>) } else { quote!(#missing::#name) }
    });
    let first = fields.iter().map(|f| {
        let name = &f.name;
        if f.optional.is_some() {
            quote!(#name: ::cell::__private::Given(::core::option::Option::None))
        } else {
            quote!(#name: #missing::#name)
        }
    });
    let markers = fields.iter().filter(|f| f.optional.is_none()).map(|f| &f.name);
    let setters = fields.iter().enumerate().map(|(n, f)| {
        let Field { docs, name, ty, optional } = f;
        let given = params
            .iter()
            .enumerate()
            .map(|(m, p)| if m == n { quote!(::cell::__private::Given<#ty>) } else { quote!(#p) });
        let others = names.iter().enumerate().filter(|(m, _)| *m != n).map(|(_, name)| name);
        let takes = optional.as_ref().unwrap_or(ty);
        let is_string = takes.to_token_stream().to_string() == "String";
        let value = if is_string { quote!(value.into()) } else { quote!(value) };
        let value = if optional.is_some() { quote!(::core::option::Option::Some(#value)) } else { value };
        let takes =
            if is_string { quote!(impl ::core::convert::Into<#takes>) } else { takes.to_token_stream() };
        quote! {
            #(#docs)*
            #vis fn #name(self, value: #takes) -> #builder<#(#given),*> {
                #builder { #name: ::cell::__private::Given(#value), #(#others: self.#others),* }
            }
        }
    });
    let doc = format!("Makes a `{name}` field by field; `build` is there once all that must be are given.");
    quote! {
        #[doc(hidden)]
        #[allow(non_snake_case, non_camel_case_types, missing_docs, reason = "made by a derive")]
        #vis mod #missing {
            #(
                #[derive(Clone, Copy, Debug)]
                pub struct #markers;
            )*
        }

        #[doc = #doc]
        #[derive(Clone, Debug)]
        #[must_use = "`build` makes something of it"]
        #vis struct #builder<#(#params),*> {
            #(#names: #params),*
        }

        impl #name {
            /// Begins one, without any field.
            #vis fn builder() -> #builder<#(#begin),*> {
                #builder { #(#first),* }
            }
        }

        impl<#(#params),*> #builder<#(#params),*> {
            #(#setters)*

            /// Returns what was made.
            #[must_use]
            #vis fn build(self) -> #name
            where
                #(#params: ::cell::__private::IsGiven<#types>,)*
            {
                #name { #(#names: ::cell::__private::IsGiven::take(self.#names)),* }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn required_fields_have_a_mark_and_optional_ones_a_value() {
        let out = derive(quote! {
            pub struct Order { pub id: String, pub count: u32, pub note: Option<String> }
        })
        .to_string();
        let file: syn::File = syn::parse_str(&out).unwrap();
        assert_eq!(file.items.len(), 4);
        assert!(out.contains("pub struct count") && !out.contains("pub struct note"), "{out}");
    }

    #[test]
    fn what_has_no_fields_by_name_is_told() {
        for (input, says) in [
            (
                quote!(
                    enum A {
                        B,
                    }
                ),
                "a struct that has some",
            ),
            (
                quote!(
                    struct A(u8);
                ),
                "a struct that has some",
            ),
            (
                quote!(
                    struct A<T> {
                        t: T,
                    }
                ),
                "is generic",
            ),
            (
                quote!(
                    struct A {
                        build: u8,
                    }
                ),
                "a `build` of its own",
            ),
        ] {
            let out = derive(input).to_string();
            assert!(out.contains(says), "{out}");
        }
    }
}
