//! An interface: what there is to call. It becomes a client, a trait for handlers, and the table that leads to them.
use super::{cfg_of, docs};
use crate::{faults::Faults, kept::types};
use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::{
    Attribute, Fields, FnArg, GenericArgument, Item, ItemMod, Pat, PathArguments, ReturnType, Signature,
    Type,
    ext::IdentExt as _,
    parse::{Parse, ParseStream},
    spanned::Spanned as _,
};

/// As many as the longest tuple.
const MAX_ARGS: usize = 12;
/// What a client has besides.
const TAKEN: &[&str] = &["within", "cell", "clone", "over"];

/// A function of an interface.
struct Function {
    docs: Vec<Attribute>,
    name: Ident,
    args: Vec<(Ident, Type)>,
    answer: Returned,
}

/// What a function returns, and the two types of it if it is a `Result`.
struct Returned {
    all: Type,
    parts: Option<Box<(Type, Type)>>,
}

/// `fn name(..) -> ..;`, which is no item of Rust outside of a trait.
struct Bodiless {
    attrs: Vec<Attribute>,
    sig: Signature,
}

impl Parse for Bodiless {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let _: syn::Visibility = input.parse()?;
        let sig = input.parse()?;
        input.parse::<syn::Token![;]>()?;
        Ok(Self { attrs, sig })
    }
}

/// Expands an interface. With faults, what is sound is made all the same, so that only the faults show.
pub(super) fn expand(module: ItemMod) -> TokenStream {
    let mut faults = Faults::default();
    let ItemMod { attrs, vis, ident: name, content, .. } = module;
    let Some((_, items)) = content else {
        return syn::Error::new(name.span(), "write the interface where its name is: `pub mod name { .. }`")
            .into_compile_error();
    };
    let (mut functions, mut others) = (Vec::<Function>::new(), Vec::new());
    for item in items {
        match item {
            Item::Fn(f) => faults.add(
                f.block.span(),
                format!(
                    "an interface only says what there is: end `{}` with `;`, its body stands in the cell",
                    f.sig.ident
                ),
            ),
            Item::Verbatim(tokens) => {
                let read = syn::parse2::<Bodiless>(tokens);
                let Some(function) = faults.take(read).and_then(|f| function(&f, &mut faults)) else {
                    continue;
                };
                if functions.iter().any(|f| f.name == function.name) {
                    let message =
                        format!("there are two functions called `{}`: choose another name", function.name);
                    faults.add(function.name.span(), message);
                } else {
                    functions.push(function);
                }
            }
            other => {
                check_fields(&other, &mut faults);
                others.push(other);
            }
        }
    }
    let faults = faults.into_tokens();
    let items = items_of(&name, &functions);
    quote! {
        #(#attrs)*
        #vis mod #name {
            #(#others)*
            #faults
            #items
        }
    }
}

/// Notes fields that are there only sometimes: this is the one place that still sees it.
fn check_fields(item: &Item, faults: &mut Faults) {
    let mut check = |fields: &Fields| {
        for field in fields {
            if let Some(cfg) = cfg_of(&field.attrs) {
                faults.add(cfg.span(), "a field that is there only sometimes makes two messages of one name");
            }
        }
    };
    match item {
        Item::Struct(item) => check(&item.fields),
        Item::Enum(item) => item.variants.iter().for_each(|v| check(&v.fields)),
        _ => {}
    }
}

fn function(f: &Bodiless, faults: &mut Faults) -> Option<Function> {
    let sig = &f.sig;
    let name = &sig.ident;
    if let Some(cfg) = cfg_of(&f.attrs) {
        faults.add(
            cfg.span(),
            format!("`{name}` is there only sometimes: an interface is the same for all who know it"),
        );
    }
    if let Some(token) = &sig.asyncness {
        faults.add(token.span, "how long its handler takes is no part of an interface: leave `async` out");
    }
    if !sig.generics.params.is_empty() {
        let message =
            format!("`{name}` is generic, so its messages have many shapes: write one function for each use");
        faults.add(sig.generics.span(), message);
        return None;
    }
    if TAKEN.contains(&name.to_string().as_str()) {
        faults.add(name.span(), format!("each client has a `{name}` of its own: choose another name"));
        return None;
    }
    let (mut args, mut of_types) = (Vec::new(), Faults::default());
    for arg in &sig.inputs {
        match arg {
            FnArg::Receiver(this) => faults.add(this.span(), "an interface has no state: leave `self` out"),
            FnArg::Typed(arg) => {
                if let Some(cfg) = cfg_of(&arg.attrs) {
                    faults.add(
                        cfg.span(),
                        "an argument that is there only sometimes makes two messages of one name",
                    );
                }
                types::check(&arg.ty, &mut of_types);
                match &*arg.pat {
                    Pat::Ident(pat) if pat.subpat.is_none() => {
                        args.push((pat.ident.clone(), (*arg.ty).clone()))
                    }
                    other => {
                        faults.add(other.span(), "an argument has a name, which is part of the interface")
                    }
                }
            }
        }
    }
    if args.len() > MAX_ARGS {
        faults.add(sig.inputs.span(), format!("more than {MAX_ARGS} arguments: make a struct of them"));
        return None;
    }
    let answer = match &sig.output {
        ReturnType::Default => Returned { all: syn::parse_quote_spanned!(name.span()=> ()), parts: None },
        ReturnType::Type(_, ty) => {
            types::check(ty, &mut of_types);
            returned(ty, faults)?
        }
    };
    // One that cannot be sent would be told of again by each use.
    if !faults.append(of_types) {
        return None;
    }
    Some(Function { docs: docs(&f.attrs).cloned().collect(), name: name.clone(), args, answer })
}

/// Tells a `Result` from the rest, by how it is written.
fn returned(ty: &Type, faults: &mut Faults) -> Option<Returned> {
    let plain = || Some(Returned { all: ty.clone(), parts: None });
    let Type::Path(path) = ty else { return plain() };
    let last = path.path.segments.last()?;
    if last.ident != "Result" {
        return plain();
    }
    let args: Vec<&Type> = match &last.arguments {
        PathArguments::AngleBracketed(args) => {
            let types = args
                .args
                .iter()
                .filter_map(|a| if let GenericArgument::Type(ty) = a { Some(ty) } else { None });
            types.collect()
        }
        _ => Vec::new(),
    };
    let [value, error] = args[..] else {
        faults.add(ty.span(), "write the `Result` in full: `Result<State, NoSuchButton>`");
        return None;
    };
    Some(Returned { all: ty.clone(), parts: Some(Box::new((value.clone(), error.clone()))) })
}

impl Function {
    /// Returns the name of its route's constant.
    fn route(&self) -> Ident {
        format_ident!("{}", self.name.unraw().to_string().to_uppercase(), span = self.name.span())
    }

    /// Returns the name of its shape's constant.
    fn shape(&self) -> Ident {
        format_ident!("__SHAPE_OF_{}", self.route())
    }

    /// Returns where its arguments stand.
    fn span(&self) -> Span {
        self.args.first().map_or(self.name.span(), |(_, ty)| ty.span())
    }
}

fn items_of(name: &Ident, functions: &[Function]) -> TokenStream {
    let text = name.unraw().to_string();
    let (routes, shapes) = (functions.iter().map(route), functions.iter().map(shape));
    let calls = functions.iter().map(call);
    let methods = functions.iter().map(method);
    let served = functions.iter().map(served);
    let number = functions.len();
    let client_doc = format!(
        "Calls the functions of `{text}` of another cell: `cx.synapse::<{text}::Client>(\"its name\")`."
    );
    let handlers_doc =
        format!("What a cell has that serves `{text}`; `#[cell::service({text})]` on its handlers makes it.");
    quote! {
        /// The routes of the functions, with their fingerprints.
        #[allow(long_running_const_eval, reason = "made by cell::service: hashes of types")]
        pub mod routes {
            #(#routes)*
        }
        #(#shapes)*

        #[doc = #client_doc]
        #[derive(Clone, Debug)]
        pub struct Client(::cell::Synapse);

        impl ::cell::Service for Client {
            const NAME: &'static str = #text;
            fn over(synapse: ::cell::Synapse) -> Self {
                Self(synapse)
            }
        }

        impl Client {
            /// Returns the same client, whose calls end after this many frames without an answer: 60 usually.
            #[must_use]
            pub fn within(self, frames: u16) -> Self {
                Self(self.0.within(frames))
            }

            /// Returns the name of the cell that it calls.
            #[must_use]
            pub fn cell(&self) -> &str {
                self.0.cell()
            }

            #(#calls)*
        }

        #[doc = #handlers_doc]
        #[doc(hidden)]
        pub trait Handlers: ::cell::__private::Plugin {
            #(#methods)*
        }

        #[doc(hidden)]
        #[must_use]
        pub const fn served<__T: Handlers>() -> [::cell::__private::Served<__T>; #number] {
            [#(#served),*]
        }
    }
}

/// Writes the constant of a route.
fn route(f: &Function) -> TokenStream {
    let (constant, shape, name) = (f.route(), f.shape(), f.name.unraw().to_string());
    let doc = format!("The route of `{name}`.");
    quote! {
        #[doc = #doc]
        pub const #constant: ::cell::Route = ::cell::Route {
            name: #name,
            fingerprint: ::cell::__private::shape::fingerprint(super::#shape),
        };
    }
}

/// Writes the shape of a route, where the author's names mean what they mean to the author.
fn shape(f: &Function) -> TokenStream {
    let (constant, name) = (f.shape(), f.name.unraw().to_string());
    let field = |name: &str, ty: &Type| {
        let span = ty.span();
        let shape = quote_spanned!(span=> <#ty as ::cell::Protein>::SHAPE);
        quote!(::cell::__private::shape::Field { name: #name, ty: #shape })
    };
    let args = f.args.iter().map(|(name, ty)| field(&name.unraw().to_string(), ty));
    // No argument can have that name.
    let answer = field("->", &f.answer.all);
    quote! {
        const #constant: ::cell::__private::shape::Ref = ::cell::__private::shape::Ref::to(
            &::cell::__private::shape::Node::Named(::cell::__private::shape::Named::new(
                #name,
                "",
                ::cell::__private::shape::Parts::Struct(&[#(#args,)* #answer]),
            )),
        );
    }
}

/// Writes a method of the client.
fn call(f: &Function) -> TokenStream {
    let Function { docs, name, args, answer } = f;
    let constant = f.route();
    let params = args.iter().map(|(name, ty)| {
        if is_string(ty) { quote!(#name: impl ::core::convert::Into<#ty>) } else { quote!(#name: #ty) }
    });
    let values =
        args.iter().map(|(name, ty)| if is_string(ty) { quote!(#name.into()) } else { quote!(#name) });
    let types = args.iter().map(|(_, ty)| ty);
    let (call, send) = match (&answer.parts, &answer.all) {
        (None, ty) => (quote!(::cell::Call<#ty>), quote!(call::<#ty>)),
        (Some(parts), _) => {
            let (value, error) = &**parts;
            (quote!(::cell::Call<#value, #error>), quote!(try_call::<#value, #error>))
        }
    };
    let span = f.span();
    let sent = quote_spanned!(span=> &args);
    quote! {
        #(#docs)*
        pub fn #name(&self, #(#params),*) -> #call {
            let args: (#(#types,)*) = (#(#values,)*);
            self.0.#send(&routes::#constant, #sent)
        }
    }
}

fn is_string(ty: &Type) -> bool {
    ty.to_token_stream().to_string() == "String"
}

/// Writes a method of the trait for handlers.
fn method(f: &Function) -> TokenStream {
    let Function { docs, name, args, answer } = f;
    let params = args.iter().map(|(name, ty)| quote!(#name: #ty));
    let all = &answer.all;
    quote! {
        #(#docs)*
        fn #name(
            &mut self,
            __cx: &mut ::cell::Cx<'_, <Self as ::cell::__private::Plugin>::Contract>,
            #(#params),*
        ) -> ::cell::__private::Answer<#all>;
    }
}

/// Writes what leads from a route to its handler.
fn served(f: &Function) -> TokenStream {
    let Function { name, args, .. } = f;
    let constant = f.route();
    let (names, types) = (args.iter().map(|(name, _)| name), args.iter().map(|(_, ty)| ty));
    let values = args.iter().map(|(name, _)| name);
    let span = f.span();
    let args_type = quote_spanned!(span=> (#(#types,)*));
    quote! {
        ::cell::__private::Served {
            route: routes::#constant,
            run: |__cell, __cx, __args| {
                let (#(#names,)*) = ::cell::__private::arguments::<#args_type>(__args)?;
                ::core::result::Result::Ok(::cell::__private::Reply::of(
                    <__T as Handlers>::#name(__cell, __cx, #(#values),*),
                ))
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(input: TokenStream) -> String {
        expand(syn::parse2(input).unwrap()).to_string()
    }

    #[test]
    fn an_interface_becomes_a_client_and_a_trait_for_handlers() {
        let out = expanded(quote! {
            pub mod button_service {
                use super::*;
                /// Presses.
                fn press(id: String, times: u32) -> Result<u32, NoSuchButton>;
                fn reset();
            }
        });
        let _: syn::File = syn::parse_str(&out).unwrap();
        for has in [
            "Call < u32 , NoSuchButton >",
            "Call < () >",
            "impl :: core :: convert :: Into < String >",
            "PRESS",
            "\"->\"",
        ] {
            assert!(out.contains(has), "no {has}: {out}");
        }
        assert!(!out.contains("compile_error"), "{out}");
    }

    #[test]
    fn a_faulty_function_leaves_the_rest_in_place() {
        let out = expanded(quote! {
            mod m { fn a<T>(x: T); fn b(n: usize); fn c() {} fn d() -> Result<u8>; fn e(); fn e(x: u8); fn within(); }
        });
        for says in [
            "is generic",
            "cannot be kept",
            "end `c` with",
            "in full",
            "two functions called `e`",
            "each client has",
        ] {
            assert!(out.contains(says), "no {says}: {out}");
        }
        assert!(out.contains("fn e"), "{out}");
    }
}
