//! Writing what `signal_receptor!` makes.
use crate::{
    faults::Faults,
    grammar::{self, PortGroup, Receptor},
    lock::{self, Terms},
    names::{camel, ident},
    params,
    ports::Port,
};
use proc_macro2::TokenStream;
use quote::{ToTokens as _, quote};

/// Expands `signal_receptor!`. With faults, what is sound is made all the same, so that only the faults show.
pub(crate) fn signal_receptor(input: TokenStream, terms: &Terms) -> TokenStream {
    let mut faults = Faults::default();
    let receptor = grammar::read(input, &mut faults);
    let items = receptor.as_ref().map(items);
    // What is wrong in itself is not compared.
    let checks = receptor.filter(|_| faults.is_empty()).map(|r| lock::checks(&r, terms, &mut faults));
    let faults = faults.into_tokens();
    quote!(#faults #items #checks)
}

/// Lints that mean nothing in generated items: authors use what they need of them.
fn allow() -> TokenStream {
    quote! {
        #[allow(
            dead_code,
            non_camel_case_types,
            private_bounds,
            private_interfaces,
            unnameable_types,
            unreachable_pub,
            reason = "made by signal_receptor!"
        )]
    }
}

fn items(r: &Receptor) -> TokenStream {
    let (contract, allow) = (&r.name, allow());
    let params = params::items(&r.params, contract, &allow);
    let handles = r.ports.iter().enumerate().map(|(n, p)| handle(contract, n as u16, p, &allow));
    let groups = r.groups.iter().map(|g| group(g, &r.ports, &allow));
    let contract_items = contract_items(r, &allow);
    let accessors = accessors(r, &allow);
    let cell = cell_trait(r, &allow);
    let checks = r.ports.iter().filter_map(Port::layout_check);
    quote! { #params #contract_items #(#handles)* #(#groups)* #accessors #cell #(#checks)* }
}

fn contract_items(r: &Receptor, allow: &TokenStream) -> TokenStream {
    let (contract, name) = (&r.name, r.name.to_string());
    let doc = format!("The contract `{name}`: its ports as typed constants.");
    let port_names = r.ports.iter().map(|p| p.name.to_string());
    let (text, interface) = (text(r), lock::text(r));
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug)]
        #allow
        pub struct #contract;
        impl ::cell::Contract for #contract {
            type Params = Params;
            const NAME: &'static str = #name;
            const PORTS: &'static [&'static str] = &[#(#port_names),*];
            const TEXT: &'static [::cell::__private::Text] = &[#(#text),*];
            const INTERFACE: &'static [::cell::__private::Text] = &[#(#interface),*];
        }
        /// The contract of this module, for `cell::export!`.
        #[doc(hidden)]
        #allow
        pub type ThisContract = #contract;
    }
}

/// Returns the pieces of the port table from the shader on.
fn text(r: &Receptor) -> Vec<TokenStream> {
    let str = |s: &str| quote!(::cell::__private::Text::Str(#s));
    let mut out = Vec::new();
    if let Some(shader) = &r.shader {
        out.push(str(&format!("shader {}\n", shader.value())));
    }
    let params = params::text(&r.params);
    if !params.is_empty() {
        out.push(str(&params));
    }
    out.extend(r.ports.iter().flat_map(Port::text));
    let mut seen = Vec::new();
    for element in r.ports.iter().filter_map(Port::element) {
        let tokens = element.to_token_stream().to_string();
        if !seen.contains(&tokens) {
            seen.push(tokens);
            out.push(quote!(::cell::__private::Text::All(<#element as ::cell::Gpu>::TEXT)));
        }
    }
    out.push(str("end\n"));
    out
}

fn handle(contract: &syn::Ident, index: u16, port: &Port, allow: &TokenStream) -> TokenStream {
    let (name, ty) = (&port.name, port.handle());
    let constant = ident(&name.to_string().to_uppercase(), name.span());
    let doc = format!("The port `{name}`, {index} in the table.");
    quote! {
        impl #contract {
            #[doc = #doc]
            #allow
            pub const #constant: #ty = ::cell::Port::at(#index);
        }
        #[doc = #doc]
        #allow
        pub(crate) fn #name() -> #ty {
            #contract::#constant
        }
    }
}

fn group(g: &PortGroup, ports: &[Port], allow: &TokenStream) -> TokenStream {
    let name = &g.name;
    let members = &ports[g.first..g.first + g.count];
    let names = members.iter().map(|p| p.name.to_string());
    let layout = members.iter().enumerate().filter_map(|(n, p)| {
        let (group, binding, name) = (p.bind_group()?, (g.first + n) as u32, p.name.to_string());
        Some(quote!(::cell::Binding { name: #name, group: #group, binding: #binding }))
    });
    let doc = format!("The port group `{name}`.");
    quote! {
        #[doc = #doc]
        #[derive(Clone, Copy, Debug)]
        #allow
        pub struct #name;
        impl #name {
            /// The names of its ports.
            #allow
            pub const PORTS: &'static [&'static str] = &[#(#names),*];
            /// Where shaders find those that they see.
            #allow
            pub const LAYOUT: &'static [::cell::Binding] = &[#(#layout),*];
        }
    }
}

fn accessors(r: &Receptor, allow: &TokenStream) -> TokenStream {
    let contract = &r.name;
    let ext = ident(&format!("{}Ports", camel(&contract.to_string())), contract.span());
    let (mut declared, mut defined) = (Vec::new(), Vec::new());
    for (n, port) in r.ports.iter().enumerate() {
        if let Some((ty, body)) = port.accessor(n as u16) {
            let name = &port.name;
            let what = if port.readback { "pixels" } else { "elements" };
            let doc = format!("The {what} of the port `{name}`.");
            declared.push(quote!(#[doc = #doc] fn #name(&self) -> #ty;));
            defined.push(quote!(fn #name(&self) -> #ty { #body }));
        }
    }
    if declared.is_empty() {
        return TokenStream::new();
    }
    let doc = format!("The ports of `{contract}` that its ticks see, as methods of `Cx`.");
    quote! {
        #[doc = #doc]
        #allow
        pub(crate) trait #ext<'r> { #(#declared)* }
        impl<'r> #ext<'r> for ::cell::Cx<'r, #contract> { #(#defined)* }
    }
}

fn cell_trait(r: &Receptor, allow: &TokenStream) -> TokenStream {
    let contract = &r.name;
    let doc = format!("A cell with the contract `{contract}`.");
    quote! {
        #[doc = #doc]
        #allow
        pub(crate) trait Cell: ::core::default::Default + ::core::marker::Send + 'static {
            /// Reads assets and seals resources: at start, and again when one of them changed.
            ///
            /// # Errors
            /// Why the cell cannot start; shown in the engine's log.
            fn load(
                &mut self,
                cx: &mut ::cell::Load<'_, #contract>,
            ) -> ::core::result::Result<(), ::cell::LoadError> {
                let _ = cx;
                ::core::result::Result::Ok(())
            }
            /// One tick: from the state and what `cx` shows to what is written.
            fn tick(&mut self, cx: &mut ::cell::Cx<'_, #contract>) {
                cx.no_tick();
            }
            /// Lists the passes: after a load, and when a size or a parameter changed.
            fn passes(&self, p: &mut ::cell::Passes<'_, #contract>) {
                let _ = p;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_is_items() {
        let out = signal_receptor(
            quote! {
                name: bloom_v1, shader: "bloom.wgsl",
                params: { threshold: f32 = 1.0, sun: { height: f32 }, fly?: { at: Vec3 = [0.0, 0.0, 0.0] } },
                input: A { scene_color: Screen<Rgba16Float, 1, 1>, poses: history Instances<Pose, 10> },
                own: B { mips: ScreenMips<Rgba16Float, 1, 2, 6>, out: Uniform<Pose> },
                output: C { bloom_result: Screen<Rgba16Float, 1, 1> = clear(0.0, 0.0, 0.0, 1.0) },
            },
            &Terms::default(),
        );
        let file: syn::File = syn::parse2(out).unwrap();
        let text = quote!(#file).to_string();
        for has in
            ["struct bloom_v1", "fn scene_color", "struct SunParams", "trait BloomV1Ports", "trait Cell"]
        {
            assert!(text.contains(has), "no {has}");
        }
        assert!(!text.contains("compile_error"));
    }

    #[test]
    fn a_faulty_port_leaves_the_rest_in_place() {
        let out = signal_receptor(
            quote! {
                name: bloom_v1, output: C { a: Scren<Rgba16Float, 1, 1>, b: Backbuffer },
            },
            &Terms::default(),
        )
        .to_string();
        assert!(out.contains("compile_error") && out.contains("fn b") && out.contains("trait Cell"));
    }
}
