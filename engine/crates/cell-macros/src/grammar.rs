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
    ext::IdentExt as _,
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
        let section: Ident = input.call(Ident::parse_any)?;
        colon(input, &section)?;
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
        comma(input)?;
    }
    check_group_names(&groups, faults);
    check_shader_names(&all_ports, faults);
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
        let port: Ident = body.call(Ident::parse_any)?;
        colon(&body, &port)?;
        if let Some(fault) = names::port_fault(&port) {
            faults.add(port.span(), fault);
        }
        if !names::is_free_in_rust(&port) {
            ports::read(port, direction, &body, faults)?;
        } else if all.iter().any(|p| p.name == port) {
            faults.add(port.span(), format!("the port `{port}` is declared twice"));
            ports::read(port, direction, &body, &mut Faults::default())?;
        } else if let Some(port) = ports::read(port, direction, &body, faults)? {
            all.push(port);
        }
        comma(&body)?;
    }
    groups.push(PortGroup { name, first, count: all.len() - first });
    Ok(())
}

/// Reads the `:` behind `name`.
pub(crate) fn colon(input: ParseStream<'_>, name: &Ident) -> syn::Result<()> {
    if input.parse::<Option<Token![:]>>()?.is_none() {
        return Err(syn::Error::new(name.span(), format!("write a `:` behind `{name}`")));
    }
    Ok(())
}

/// Reads the `,` between two entries, if there is another one.
pub(crate) fn comma(input: ParseStream<'_>) -> syn::Result<()> {
    if !input.is_empty() && input.parse::<Option<Token![,]>>()?.is_none() {
        return Err(input.error("a `,` is missing in front of this"));
    }
    Ok(())
}

/// Each port group becomes a struct.
fn check_group_names(groups: &[PortGroup], faults: &mut Faults) {
    for (n, group) in groups.iter().enumerate() {
        let name = &group.name;
        if groups[..n].iter().any(|g| g.name == *name) {
            faults
                .add(name.span(), format!("two groups of ports are called `{name}`; each becomes a struct"));
        }
    }
}

/// The shader sees more than one variable of some ports.
fn check_shader_names(all: &[Port], faults: &mut Faults) {
    for port in all {
        let name = port.name.to_string();
        for (suffix, what) in [("_prev", "as of the last frame"), ("_out", "for storing")] {
            let stem = name.strip_suffix(suffix).filter(|s| all.iter().any(|p| p.name == s));
            if let Some(stem) = stem {
                let says = format!("shaders know `{stem}` {what} as `{name}`: call this port something else");
                faults.add(port.name.span(), says);
            }
        }
    }
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
            input: More { e: readback Screen<R32Float, 1, 1>, f: readbak TextureRef<R32Float, 1, 1> },
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
            "`readback` is for textures of a fixed size",
            "a port is not `readbak`; did you mean `readback`?",
        ] {
            assert!(f.iter().any(|m| m.contains(says)), "nobody says {says:?}: {f:#?}");
        }
        assert_eq!(f.len(), 12, "{f:#?}");
    }

    #[test]
    fn punctuation_that_is_missing_is_named() {
        for (input, says) in [
            (quote!(name: demo_v1 output: Out { a: Backbuffer }), "a `,` is missing in front of this"),
            (quote!(name: demo_v1, output: Out { a: Backbuffer b: Backbuffer }), "a `,` is missing"),
            (quote!(name: demo_v1, params: { a: f32 = 1.0 b: f32 }), "a `,` is missing"),
            (quote!(name: demo_v1, params: { sun: { a: f32 = 1.0 b: f32 } }), "a `,` is missing"),
            (quote!(name demo_v1), "write a `:` behind `name`"),
            (quote!(name: demo_v1, output: Out { a Backbuffer }), "write a `:` behind `a`"),
            (quote!(name: demo_v1, params: { a f32 }), "write a `:` behind `a`"),
        ] {
            let f = faults_of(input);
            assert!(f.len() == 1 && f[0].contains(says), "{f:?}");
        }
    }

    #[test]
    fn names_that_rust_or_the_shader_has_taken_are_refused_and_do_not_spoil_the_rest() {
        let f = faults_of(quote! {
            name: demo_v1,
            params: { type: u32 = 1, in: f32 = 0.0 },
            own: Mine { loop: Indices<3>, dyn: Indices<3>, a: Screen<Rgba16Float, 1, 1>, a_out: Indices<3> },
            output: Mine { a_prev: Backbuffer, b: Scren<Rgba16Float, 1, 1> },
        });
        for says in [
            "a parameter cannot be called `type`",
            "a parameter cannot be called `in`",
            "a port cannot be called `loop`: the word has a meaning in shaders",
            "a port cannot be called `dyn`: the word has a meaning in Rust",
            "shaders know `a` for storing as `a_out`",
            "shaders know `a` as of the last frame as `a_prev`",
            "two groups of ports are called `Mine`",
            "no port type `Scren`",
        ] {
            assert!(f.iter().any(|m| m.contains(says)), "nobody says {says:?}: {f:#?}");
        }
        assert_eq!(f.len(), 8, "{f:#?}");
    }

    #[test]
    fn a_contract_without_a_name_says_how_to_begin() {
        assert_eq!(faults_of(quote! {}).len(), 1);
    }
}
