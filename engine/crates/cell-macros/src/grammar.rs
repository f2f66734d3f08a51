//! Reading `signal_receptor!` into a tree. Every fault is noted and reading goes on.
use crate::{
    faults::{Faults, did_you_mean},
    names,
    params::{self, ParamItem},
    ports::{self, Direction, Port},
};
use proc_macro2::{Span, TokenStream};
use syn::{
    Ident, LitStr, Token, braced,
    parse::{ParseStream, Parser},
    token::Brace,
};

const SECTIONS: [&str; 6] = ["name", "shader", "params", "input", "own", "output"];

/// What the author declared.
pub(crate) struct Receptor {
    pub(crate) name: Ident,
    pub(crate) shader: Option<LitStr>,
    pub(crate) params: Vec<ParamItem>,
    pub(crate) groups: Vec<PortGroup>,
    /// All ports, in order; a port's index is its id.
    pub(crate) ports: Vec<Port>,
}

/// `BloomDraw { ... }`: which ports have which group name.
pub(crate) struct PortGroup {
    pub(crate) name: Ident,
    pub(crate) first: usize,
    pub(crate) count: usize,
}

/// Reads the macro's input. `None` when not even the name can be had; the faults say why.
pub(crate) fn read(input: TokenStream, faults: &mut Faults) -> Option<Receptor> {
    let mut out = None;
    let parsed = (|stream: ParseStream<'_>| {
        out = receptor(stream, faults)?;
        Ok(())
    })
    .parse2(input);
    if let Err(e) = parsed {
        faults.push(e);
    }
    out
}

fn receptor(input: ParseStream<'_>, faults: &mut Faults) -> syn::Result<Option<Receptor>> {
    let (mut name, mut shader, mut params) = (None, None, Vec::new());
    let (mut groups, mut all_ports): (Vec<PortGroup>, Vec<Port>) = (Vec::new(), Vec::new());
    let mut seen: Vec<String> = Vec::new();
    while !input.is_empty() {
        let section: Ident = input.call(syn::ext::IdentExt::parse_any)?;
        input.parse::<Token![:]>()?;
        let word = section.to_string();
        if seen.contains(&word) {
            faults.add(section.span(), format!("the section `{word}` is there twice"));
        }
        match word.as_str() {
            "name" => {
                let ident: Ident = input.parse()?;
                if let Some(fault) = names::contract_fault(&ident) {
                    faults.add(ident.span(), fault);
                }
                name = Some(ident);
            }
            "shader" => shader = Some(shader_file(input, faults)?),
            "params" => {
                let body;
                braced!(body in input);
                params = params::read(&body, faults)?;
            }
            "input" => port_group(input, Direction::Input, &mut groups, &mut all_ports, faults)?,
            "own" => port_group(input, Direction::Own, &mut groups, &mut all_ports, faults)?,
            "output" => port_group(input, Direction::Output, &mut groups, &mut all_ports, faults)?,
            _ => {
                let hint = did_you_mean(&word, SECTIONS);
                faults.add(section.span(), format!("there is no section `{word}`{hint}"));
                skip_value(input)?;
            }
        }
        seen.push(word);
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
    }
    if all_ports.len() > ports::MAX_PORTS {
        let span = all_ports[ports::MAX_PORTS].name.span();
        faults.add(span, format!("a cell has at most {} ports; this is one more", ports::MAX_PORTS));
    }
    let Some(name) = name else {
        faults.add(Span::call_site(), "the contract has no name: begin with `name: my_cell_v1,`");
        return Ok(None);
    };
    Ok(Some(Receptor { name, shader, params, groups, ports: all_ports }))
}

fn shader_file(input: ParseStream<'_>, faults: &mut Faults) -> syn::Result<LitStr> {
    let file: LitStr = input.parse()?;
    let text = file.value();
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./".contains(&b));
    if !plain || !text.ends_with(".wgsl") || text.starts_with('/') || text.split('/').any(|p| p == "..") {
        faults.add(
            file.span(),
            format!("`{text}` is no shader: name a `.wgsl` file in the folder `shaders/` of this cell"),
        );
    }
    Ok(file)
}

fn port_group(
    input: ParseStream<'_>,
    direction: Direction,
    groups: &mut Vec<PortGroup>,
    all: &mut Vec<Port>,
    faults: &mut Faults,
) -> syn::Result<()> {
    if input.peek(Brace) {
        return Err(
            input.error("the ports need a name of their own before the braces: `input: MyReads { ... }`")
        );
    }
    let name: Ident = input.parse()?;
    let body;
    braced!(body in input);
    let first = all.len();
    while !body.is_empty() {
        let port: Ident = body.parse()?;
        body.parse::<Token![:]>()?;
        if let Some(fault) = names::port_fault(&port) {
            faults.add(port.span(), fault);
        }
        if all.iter().any(|p| p.name == port) {
            faults.add(port.span(), format!("the port `{port}` is declared twice"));
            ports::read(port, direction, &body, &mut Faults::default())?;
        } else if let Some(port) = ports::read(port, direction, &body, faults)? {
            all.push(port);
        }
        if !body.is_empty() {
            body.parse::<Token![,]>()?;
        }
    }
    groups.push(PortGroup { name, first, count: all.len() - first });
    Ok(())
}

/// Skips the value of a section that does not exist, so that what follows is read.
fn skip_value(input: ParseStream<'_>) -> syn::Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<proc_macro2::TokenTree>()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn faults_of(input: TokenStream) -> Vec<String> {
        let mut faults = Faults::default();
        read(input, &mut faults);
        faults.messages()
    }

    #[test]
    fn sections_come_in_any_order_and_ports_are_numbered_through() {
        let mut faults = Faults::default();
        let r = read(
            quote! {
                output: Out { picture: Backbuffer },
                name: demo_v1,
                input: In { a: Screen<Rgba16Float, 1, 2>, cam: now history Uniform<View> },
            },
            &mut faults,
        )
        .unwrap();
        assert_eq!(faults.messages(), Vec::<String>::new());
        let names: Vec<String> = r.ports.iter().map(|p| p.name.to_string()).collect();
        assert_eq!(names, ["picture", "a", "cam"]);
        assert_eq!((r.groups[1].first, r.groups[1].count), (1, 2));
        assert!(r.ports[2].now && r.ports[2].history);
    }

    #[test]
    fn every_fault_is_found_in_one_go() {
        let f = faults_of(quote! {
            name: demo,
            inptu: In { a: Backbuffer },
            shader: "../evil.wgsl",
            own: Mine { a: Scren<Rgba16Float, 1, 1>, b: Screen<Rgba17Float, 1, 1>, c: Buffer<T>, frame: Indices<3> },
            output: Out { c: Backbuffer, c: Backbuffer, d: SealedTexture },
            output: Out2 { },
        });
        for says in [
            "ends in its version: `demo_v1`",
            "no section `inptu`; did you mean `input`?",
            "is no shader",
            "no port type `Scren`; did you mean `Screen`?",
            "no pixel format `Rgba17Float`; did you mean `Rgba16Float`?",
            "`Buffer` is written `Buffer<T, N>`",
            "called `frame`",
            "`c` is declared twice",
            "only `own` ports can be sealed",
            "`output` is there twice",
        ] {
            assert!(f.iter().any(|m| m.contains(says)), "nobody says {says:?}: {f:#?}");
        }
        assert_eq!(f.len(), 10, "{f:#?}");
    }

    #[test]
    fn a_contract_without_a_name_says_how_to_begin() {
        assert_eq!(faults_of(quote! {}).len(), 1);
    }
}
