//! Reading `#[cell::service]`, which stands on an interface (a module of functions without bodies) or on the handlers
//! that serve one (an `impl` of a cell).
mod handlers;
mod interface;

use proc_macro2::{Span, TokenStream};
use syn::{Attribute, Item, Path, spanned::Spanned as _};

/// Expands the attribute.
pub(crate) fn expand(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let of = match (!attribute.is_empty()).then(|| syn::parse2::<Path>(attribute)).transpose() {
        Ok(of) => of,
        Err(e) => {
            return syn::Error::new(e.span(), "name one interface: `#[cell::service(button_service)]`")
                .into_compile_error();
        }
    };
    let error = match (syn::parse2::<Item>(item), of) {
        (Ok(Item::Mod(module)), None) => return interface::expand(module),
        (Ok(Item::Impl(block)), Some(of)) => return handlers::expand(block, &of),
        (Ok(Item::Mod(_)), Some(of)) => {
            syn::Error::new(of.span(), "an interface is named by its module: leave this out")
        }
        (Ok(Item::Impl(block)), None) => syn::Error::new(
            block.self_ty.span(),
            "which interface do these handlers serve? `#[cell::service(button_service)]`",
        ),
        (Ok(other), _) => syn::Error::new(other.span(), WHERE),
        (Err(e), _) => e,
    };
    error.into_compile_error()
}

/// Expands `#[cell::handler]` where no `#[cell::service]` has taken it.
pub(crate) fn stray_handler() -> TokenStream {
    let message = "`#[cell::handler]` stands on a function inside of `#[cell::service(..)] impl ..`";
    syn::Error::new(Span::call_site(), message).into_compile_error()
}

const WHERE: &str = "`#[cell::service]` stands on `pub mod name { .. }`, an interface, or on `impl Cell { .. }`, its handlers";

/// Returns the first `#[cfg]` of these attributes.
fn cfg_of(attrs: &[Attribute]) -> Option<&Attribute> {
    attrs.iter().find(|a| a.path().is_ident("cfg") || a.path().is_ident("cfg_attr"))
}

/// Returns the attributes that are documentation.
fn docs(attrs: &[Attribute]) -> impl Iterator<Item = &Attribute> {
    attrs.iter().filter(|a| a.path().is_ident("doc"))
}
