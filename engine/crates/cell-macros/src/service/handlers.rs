//! The handlers of a cell: plain functions of the author's, and what leads to them.
use super::{cfg_of, docs};
use crate::faults::Faults;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, Path, ReturnType, Type, spanned::Spanned as _};

/// Expands an `impl` whose functions with `#[cell::handler]` serve the interface `of`.
pub(super) fn expand(mut block: ItemImpl, of: &Path) -> TokenStream {
    let mut faults = Faults::default();
    if let Some((_, name, _)) = &block.trait_ {
        faults.add(name.span(), "handlers stand in an `impl` of the cell alone: `impl Button { .. }`");
    }
    if !block.generics.params.is_empty() {
        faults.add(block.generics.span(), "a cell is one type: it cannot be generic");
    }
    let (mut methods, mut names) = (Vec::new(), Vec::<Ident>::new());
    for item in &mut block.items {
        let ImplItem::Fn(f) = item else { continue };
        let before = f.attrs.len();
        f.attrs.retain(|a| !is_handler(a.path()));
        if f.attrs.len() == before {
            continue;
        }
        let name = f.sig.ident.clone();
        if names.contains(&name) {
            faults.add(name.span(), format!("there are two handlers called `{name}`"));
            continue;
        }
        methods.extend(method(f, &mut faults));
        names.push(name);
    }
    let faults = faults.into_tokens();
    if !faults.is_empty() {
        return quote!(#block #faults);
    }
    let cell = &block.self_ty;
    let handlers = quote_spanned!(cell.span()=> #of::Handlers);
    quote! {
        #block

        impl #handlers for #cell {
            #(#methods)*
        }

        impl ::cell::__private::Server for #cell {
            const ROUTES: &'static [::cell::__private::Served<Self>] = &#of::served::<Self>();
        }
    }
}

fn is_handler(path: &Path) -> bool {
    let mut names = path.segments.iter().map(|s| s.ident.to_string());
    match (names.next().as_deref(), names.next().as_deref()) {
        (Some("handler"), None) => true,
        (Some("cell"), Some("handler")) => names.next().is_none(),
        _ => false,
    }
}

/// Writes the method of the trait that calls a handler. Types are the author's own, so that the compiler compares them
/// with the interface's where the author wrote them.
fn method(f: &ImplItemFn, faults: &mut Faults) -> Option<TokenStream> {
    let sig = &f.sig;
    let name = &sig.ident;
    if let Some(cfg) = cfg_of(&f.attrs) {
        faults.add(cfg.span(), "a handler that is there only sometimes leaves its interface open");
    }
    if !sig.generics.params.is_empty() {
        faults.add(sig.generics.span(), format!("`{name}` is generic, but an interface is not"));
        return None;
    }
    let mut args = Vec::new();
    let mut state = None;
    for arg in &sig.inputs {
        match arg {
            FnArg::Receiver(this) => state = Some(this),
            FnArg::Typed(arg) => args.push(&*arg.ty),
        }
    }
    let context = match (&sig.asyncness, state) {
        (None, None) => {
            faults
                .add(name.span(), format!("a handler works on the cell's state: `fn {name}(&mut self, ..)`"));
            return None;
        }
        (None, Some(this)) if this.reference.is_none() => {
            faults.add(this.span(), "a handler borrows the cell's state: `&mut self`");
            return None;
        }
        (Some(_), Some(this)) => {
            let message = "nothing may be borrowed while an async handler waits: take `cx: TaskCx<Self>` in place of \
                           `self`, and reach the state by `cx.state(|s| ..)`";
            faults.add(this.span(), message);
            return None;
        }
        (Some(_), None) => {
            let Some(_) = args.first().filter(|ty| named(ty, "TaskCx")) else {
                faults.add(
                    name.span(),
                    format!(
                        "an async handler begins with its context: `async fn {name}(cx: TaskCx<Self>, ..)`"
                    ),
                );
                return None;
            };
            args.remove(0);
            quote!(__cx.task::<Self>())
        }
        (None, Some(_)) => {
            let with_cx = args.first().is_some_and(|ty| matches!(ty, Type::Reference(_)));
            if with_cx {
                args.remove(0);
            }
            if with_cx { quote!(self, __cx) } else { quote!(self) }
        }
    };
    let returned = match &sig.output {
        ReturnType::Default => quote_spanned!(name.span()=> ()),
        ReturnType::Type(_, ty) => quote!(#ty),
    };
    let values: Vec<Ident> = (0..args.len()).map(|n| format_ident!("__arg_{n}")).collect();
    let docs = docs(&f.attrs);
    let answer = if sig.asyncness.is_some() {
        quote!(::cell::__private::Answer::Later(::std::boxed::Box::pin(Self::#name(#context, #(#values),*))))
    } else {
        quote!(::cell::__private::Answer::Now(Self::#name(#context, #(#values),*)))
    };
    let answers = quote_spanned!(returned.span()=> ::cell::__private::Answer<#returned>);
    Some(quote! {
        #(#docs)*
        fn #name(
            &mut self,
            __cx: &mut ::cell::Cx<'_, <Self as ::cell::__private::Plugin>::Contract>,
            #(#values: #args),*
        ) -> #answers {
            #answer
        }
    })
}

fn named(ty: &Type, name: &str) -> bool {
    matches!(ty, Type::Path(path) if path.path.segments.last().is_some_and(|s| s.ident == name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(input: TokenStream) -> String {
        expand(syn::parse2(input).unwrap(), &syn::parse_quote!(button_service)).to_string()
    }

    #[test]
    fn handlers_stay_plain_functions() {
        let out = expanded(quote! {
            impl Button {
                #[cell::handler]
                fn press(&mut self, cx: &mut Cx<button_v1>, id: String) -> u32 { 1 }
                #[handler]
                async fn wait(cx: TaskCx<Self>, n: u32) {}
                fn own(&self) {}
            }
        });
        let file: syn::File = syn::parse_str(&out).unwrap();
        assert_eq!(file.items.len(), 3);
        assert!(
            !out.contains("handler]") && out.contains("Now (Self :: press (self , __cx , __arg_0))"),
            "{out}"
        );
        assert!(out.contains("Later") && !out.contains("fn own (& mut self"), "{out}");
    }

    #[test]
    fn faults_are_sentences() {
        for (input, says) in [
            (quote!(impl A { #[cell::handler] fn f(id: String) {} }), "works on the cell's state"),
            (quote!(impl A { #[cell::handler] fn f(self) {} }), "borrows the cell's state"),
            (quote!(impl A { #[cell::handler] async fn f(&mut self) {} }), "while an async handler waits"),
            (quote!(impl A { #[cell::handler] async fn f(n: u8) {} }), "begins with its context"),
            (quote!(impl A { #[cell::handler] fn f<T>(&mut self) {} }), "is generic"),
            (
                quote!(impl A { #[cell::handler] fn f(&self) {} #[cell::handler] fn f(&self) {} }),
                "two handlers called `f`",
            ),
            (quote!(impl S for A {}), "of the cell alone"),
        ] {
            let out = expanded(input);
            assert!(out.contains(says), "{out}");
        }
    }
}
