//! Writing what `export!` makes: the C table, and the sections of the port table and of the state's shape.
use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{
    Ident, LitInt, Path, Token,
    parse::{ParseStream, Parser},
};

/// Expands `export!`.
pub(crate) fn export(input: TokenStream) -> TokenStream {
    match read.parse2(input) {
        Ok((cell, rate)) => items(&cell, &rate),
        Err(e) => e.into_compile_error(),
    }
}

/// Reads `Bloom`, `Ears, rate: 30` or `Tool, rate: OnMail`: the cell and its rate as in the port table.
fn read(input: ParseStream<'_>) -> syn::Result<(Path, String)> {
    if input.is_empty() {
        return Err(syn::Error::new(Span::call_site(), "name the cell: `cell::export!(MyCell);`"));
    }
    let cell: Path = input.parse()?;
    let mut rate = "60".to_owned();
    if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
        let word: Ident = input.parse()?;
        if word != "rate" {
            return Err(syn::Error::new(
                word.span(),
                format!("`{word}` is not known here; did you mean `rate`?"),
            ));
        }
        input.parse::<Token![:]>()?;
        rate = read_rate(input)?;
        input.parse::<Option<Token![,]>>()?;
    }
    if !input.is_empty() {
        return Err(input.error("nothing is expected after the rate"));
    }
    Ok((cell, rate))
}

fn read_rate(input: ParseStream<'_>) -> syn::Result<String> {
    if input.peek(Ident) {
        let word: Ident = input.parse()?;
        return if word == "OnMail" {
            Ok("on_mail".to_owned())
        } else {
            Err(syn::Error::new(word.span(), "a rate is a number of ticks per second, or `OnMail`"))
        };
    }
    let n: LitInt = input.parse()?;
    match n.base10_parse::<u32>() {
        Ok(hz @ 1..=1000) => Ok(hz.to_string()),
        _ => Err(syn::Error::new(n.span(), "a rate is within 1 and 1000 ticks per second")),
    }
}

fn items(cell: &Path, rate: &str) -> TokenStream {
    let rate = format!("\nrate {rate}\n");
    // `Saves` has its constants from itself when the cell is `Save`, and else from this trait.
    let finds_save = quote! {
        #[allow(unused_imports, reason = "for cells without `Save`")]
        use ::cell::__private::SavesNothing as _;
    };
    // And so for what it serves.
    quote! {
        impl ::cell::__private::Plugin for #cell {
            type Contract = ThisContract;
            const ROUTES: &'static [::cell::__private::Served<Self>] = {
                #[allow(unused_imports, reason = "for cells that serve nothing")]
                use ::cell::__private::ServesNothing as _;
                ::cell::__private::Serves::<#cell>::ROUTES
            };
            fn load(
                &mut self,
                cx: &mut ::cell::Load<'_, ThisContract>,
            ) -> ::core::result::Result<(), ::cell::LoadError> {
                <Self as Cell>::load(self, cx)
            }
            fn tick(&mut self, cx: &mut ::cell::Cx<'_, ThisContract>) {
                <Self as Cell>::tick(self, cx);
            }
            fn passes(&self, p: &mut ::cell::Passes<'_, ThisContract>) {
                <Self as Cell>::passes(self, p);
            }
        }

        /// The functions that the engine calls.
        #[allow(unsafe_code, unreachable_pub, reason = "the one symbol that the engine looks for; made by export!")]
        #[unsafe(no_mangle)]
        pub static CELL_TABLE_V1: ::cell::__private::CellTable = {
            #finds_save
            ::cell::__private::CellTable {
                save: ::cell::__private::Saves::<#cell>::SAVE,
                restore: ::cell::__private::Saves::<#cell>::RESTORE,
                ..::cell::__private::table::<#cell>()
            }
        };

        /// The shape of the state that the cell keeps, which the engine reads before it loads the library. Empty
        /// when it keeps none.
        #[allow(
            unsafe_code,
            unreachable_pub,
            long_running_const_eval,
            reason = "a section of its own, kept by its symbol; made by export!"
        )]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".cell.shape")]
        pub static CELL_SHAPE_V1: [u8; {
            #finds_save
            ::cell::__private::shape::section_len(::cell::__private::Saves::<#cell>::STATE)
        }] = {
            #finds_save
            ::cell::__private::shape::section(::cell::__private::Saves::<#cell>::STATE)
        };

        /// The port table, which the engine reads before it loads the library.
        #[allow(unsafe_code, unreachable_pub, reason = "a section of its own, kept by its symbol; made by export!")]
        #[unsafe(no_mangle)]
        #[unsafe(link_section = ".cell.ports")]
        pub static CELL_PORTS_V1: [u8; ::cell::__private::Text::total(CELL_PORTS_TEXT)] =
            ::cell::__private::const_text(CELL_PORTS_TEXT);

        const CELL_PORTS_TEXT: &[::cell::__private::Text] = &[
            ::cell::__private::Text::All(::cell::__private::HEAD),
            ::cell::__private::Text::Str(<ThisContract as ::cell::Contract>::NAME),
            ::cell::__private::Text::Str(#rate),
            ::cell::__private::Text::All(<ThisContract as ::cell::Contract>::TEXT),
        ];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(input: TokenStream) -> Result<String, String> {
        read.parse2(input).map(|(_, r)| r).map_err(|e| e.to_string())
    }

    #[test]
    fn rates_are_read() {
        assert_eq!(rate(quote!(Bloom)), Ok("60".into()));
        assert_eq!(rate(quote!(Ears, rate: 30)), Ok("30".into()));
        assert_eq!(rate(quote!(deep::Tool, rate: OnMail,)), Ok("on_mail".into()));
    }

    #[test]
    fn faults_are_sentences() {
        for (input, says) in [
            (quote!(), "name the cell"),
            (quote!(A, rat: 3), "did you mean `rate`?"),
            (quote!(A, rate: 0), "within 1 and 1000"),
            (quote!(A, rate: Often), "or `OnMail`"),
        ] {
            let e = rate(input).unwrap_err();
            assert!(e.contains(says), "{e}");
        }
    }
}
