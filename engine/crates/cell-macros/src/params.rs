//! Parameters: reading their declarations, writing their lines, structs and decoders.
use crate::{
    faults::{Faults, did_you_mean},
    grammar::{colon, comma},
    lock::Fact,
    names,
    ports::float,
};
use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote};
use std::fmt::Display;
use syn::{
    Expr, ExprArray, ExprLit, ExprUnary, Ident, Lit, Token, Type, UnOp, braced, ext::IdentExt as _,
    parse::ParseStream, spanned::Spanned,
};

/// `threshold: f32 = 1.0`, or `sun: { ... }`, or `fly?: { ... }`.
pub(crate) enum ParamItem {
    One(Param),
    Group { name: Ident, optional: bool, members: Vec<Param> },
}

/// A parameter.
pub(crate) struct Param {
    name: Ident,
    kind: &'static ParamType,
    /// The default as in the port table.
    default: Option<String>,
}

/// A type that a parameter can have.
struct ParamType {
    /// As authors write it.
    word: &'static str,
    /// As the port table writes it.
    text: &'static str,
    /// The number of floats.
    floats: usize,
}

static TYPES: [ParamType; 9] = [
    ParamType { word: "f32", text: "f32", floats: 1 },
    ParamType { word: "u32", text: "u32", floats: 0 },
    ParamType { word: "i32", text: "i32", floats: 0 },
    ParamType { word: "bool", text: "bool", floats: 0 },
    ParamType { word: "Vec2", text: "vec2f", floats: 2 },
    ParamType { word: "Vec3", text: "vec3f", floats: 3 },
    ParamType { word: "Vec4", text: "vec4f", floats: 4 },
    ParamType { word: "Text", text: "text", floats: 0 },
    ParamType { word: "Asset", text: "asset", floats: 0 },
];

/// Reads the inside of `params: { ... }`.
pub(crate) fn read(input: ParseStream<'_>, faults: &mut Faults) -> syn::Result<Vec<ParamItem>> {
    let (mut out, mut seen): (Vec<ParamItem>, Vec<Ident>) = (Vec::new(), Vec::new());
    while !input.is_empty() {
        let name: Ident = input.call(Ident::parse_any)?;
        let sound = check_name(&name, &mut seen, faults);
        let question: Option<Token![?]> = input.parse()?;
        colon(input, &name)?;
        if input.peek(syn::token::Brace) {
            let body;
            braced!(body in input);
            let optional = question.is_some();
            let members = members(&body, &name, optional, faults)?;
            if sound {
                out.push(ParamItem::Group { name, optional, members });
            }
        } else {
            if let Some(q) = question {
                faults.add(
                    q.span(),
                    "only a group of parameters can be optional; give this one a default instead",
                );
            }
            let param = one(name, input, faults)?;
            out.extend(param.filter(|_| sound).map(ParamItem::One));
        }
        comma(input)?;
    }
    Ok(out)
}

fn members(
    input: ParseStream<'_>,
    group: &Ident,
    optional: bool,
    faults: &mut Faults,
) -> syn::Result<Vec<Param>> {
    let (mut out, mut seen): (Vec<Param>, Vec<Ident>) = (Vec::new(), Vec::new());
    while !input.is_empty() {
        let name: Ident = input.call(Ident::parse_any)?;
        let sound = check_name(&name, &mut seen, faults);
        colon(input, &name)?;
        if input.peek(syn::token::Brace) {
            return Err(input.error("groups of parameters do not nest"));
        }
        let span = name.span();
        if let Some(p) = one(name, input, faults)? {
            if optional && p.default.is_none() {
                faults.add(
                    span,
                    format!("`{}` needs a default: a scene may leave out all of `{group}`", p.name),
                );
            }
            out.extend(Some(p).filter(|_| sound));
        }
        comma(input)?;
    }
    if seen.is_empty() {
        faults.add(group.span(), format!("the group `{group}` has no members"));
    }
    Ok(out)
}

/// Returns whether an item can have the name.
fn check_name(name: &Ident, seen: &mut Vec<Ident>, faults: &mut Faults) -> bool {
    if let Some(fault) = names::param_fault(name) {
        faults.add(name.span(), fault);
    }
    let is_new = !seen.contains(name);
    if !is_new {
        faults.add(name.span(), format!("the parameter `{name}` is declared twice"));
    }
    seen.push(name.clone());
    is_new && names::is_free_in_rust(name)
}

fn one(name: Ident, input: ParseStream<'_>, faults: &mut Faults) -> syn::Result<Option<Param>> {
    let ty: Type = input.parse()?;
    let default =
        if input.parse::<Option<Token![=]>>()?.is_some() { Some(input.parse::<Expr>()?) } else { None };
    let Some(kind) = faults.take(param_type(&ty)) else { return Ok(None) };
    let default = match default {
        None => None,
        Some(e) => match faults.take(default_text(kind, &e)) {
            // Without its default it would be called one that a scene has to give.
            None => return Ok(None),
            sound => sound,
        },
    };
    Ok(Some(Param { name, kind, default }))
}

fn param_type(ty: &Type) -> syn::Result<&'static ParamType> {
    let written = ty.to_token_stream().to_string();
    let word = match ty {
        Type::Path(path) => path.path.segments.last().map_or_else(String::new, |s| s.ident.to_string()),
        _ => written.clone(),
    };
    if let Some(kind) = TYPES.iter().find(|t| t.word == word) {
        return Ok(kind);
    }
    // What Rust calls them.
    let hint = match written.replace(' ', "").as_str() {
        "String" | "str" | "&str" => "; write `Text`".to_owned(),
        "[f32;2]" => "; write `Vec2`".to_owned(),
        "[f32;3]" => "; write `Vec3`".to_owned(),
        "[f32;4]" => "; write `Vec4`".to_owned(),
        _ => did_you_mean(&word, TYPES.iter().map(|t| t.word)),
    };
    Err(syn::Error::new(ty.span(), format!("there is no parameter type `{written}`{hint}")))
}

fn default_text(kind: &ParamType, e: &Expr) -> syn::Result<String> {
    let wrong = || {
        let like = match kind.word {
            "f32" => "`1.0`",
            "u32" | "i32" => "`1`",
            "bool" => "`true`",
            "Vec2" => "`[0.0, 1.0]`",
            "Vec3" => "`[0.0, 1.0, 0.0]`",
            "Vec4" => "`[0.0, 1.0, 0.0, 1.0]`",
            _ => "`\"text\"`",
        };
        syn::Error::new(e.span(), format!("the default of a `{}` is written like {like}", kind.word))
    };
    let words = |v: Vec<f32>| v.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    match (kind.word, e) {
        ("f32", _) => number(e).map(|n| words(vec![n])).map_err(|_| wrong()),
        ("Vec2" | "Vec3" | "Vec4", Expr::Array(ExprArray { elems, .. })) => {
            let v = elems.iter().map(number).collect::<syn::Result<Vec<_>>>().map_err(|_| wrong())?;
            if v.len() == kind.floats { Ok(words(v)) } else { Err(wrong()) }
        }
        ("u32", _) => whole::<u32>(e, u32::MIN, u32::MAX).unwrap_or_else(|| Err(wrong())),
        ("i32", _) => whole::<i32>(e, i32::MIN, i32::MAX).unwrap_or_else(|| Err(wrong())),
        ("bool", Expr::Lit(ExprLit { lit: Lit::Bool(b), .. })) => Ok(b.value.to_string()),
        ("Text" | "Asset", Expr::Lit(ExprLit { lit: Lit::Str(s), .. })) => {
            let text = s.value();
            if text.chars().any(|c| c.is_control() || c == '"' || c == '\\') {
                let fault = "a default text cannot hold quotes, backslashes or line breaks";
                return Err(syn::Error::new(s.span(), fault));
            }
            Ok(format!("\"{text}\""))
        }
        _ => Err(wrong()),
    }
}

/// Returns a whole number as text, or that it is out of range; `None` if it is no whole number.
fn whole<N: TryFrom<i128> + Display>(e: &Expr, least: N, most: N) -> Option<syn::Result<String>> {
    let n = integer(e)?.and_then(|n| N::try_from(n).ok()).map(|n| n.to_string());
    Some(n.ok_or_else(|| syn::Error::new(e.span(), format!("the default is within {least} and {most}"))))
}

/// Returns the value of a whole number with an optional minus: no value if it is beyond any range.
fn integer(e: &Expr) -> Option<Option<i128>> {
    match e {
        Expr::Lit(ExprLit { lit: Lit::Int(n), .. }) => Some(n.base10_parse().ok()),
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => Some(integer(expr)?.map(|n| -n)),
        _ => None,
    }
}

/// Returns the value of a number with an optional minus.
pub(crate) fn number(e: &Expr) -> syn::Result<f32> {
    let wrong = || syn::Error::new(e.span(), "a number like `1.0` is expected here");
    match e {
        Expr::Lit(ExprLit { lit, .. }) => {
            let n = float(lit).ok_or_else(wrong)??;
            if n.is_finite() { Ok(n) } else { Err(wrong()) }
        }
        Expr::Unary(ExprUnary { op: UnOp::Neg(_), expr, .. }) => number(expr).map(|n| -n),
        _ => Err(wrong()),
    }
}

impl Param {
    fn line(&self, group: Option<&Ident>) -> String {
        let full = group.map_or_else(|| self.name.to_string(), |g| format!("{g}.{}", self.name));
        let default = self.default.as_ref().map(|d| format!(" = {d}")).unwrap_or_default();
        format!("param {} {full}{default}\n", self.kind.text)
    }

    fn rust_type(&self) -> TokenStream {
        match (self.kind.word, self.kind.floats) {
            ("f32", _) => quote!(f32),
            ("u32", _) => quote!(u32),
            ("i32", _) => quote!(i32),
            ("bool", _) => quote!(bool),
            (_, 0) => quote!(::std::string::String),
            (_, n) => quote!([f32; #n]),
        }
    }

    fn decode(&self) -> TokenStream {
        let name = &self.name;
        match (self.kind.word, self.kind.floats) {
            ("f32", _) => quote!(#name: from.f32()?),
            ("u32", _) => quote!(#name: from.u32()?),
            ("i32", _) => quote!(#name: from.i32()?),
            ("bool", _) => quote!(#name: from.bool()?),
            (_, 0) => quote!(#name: from.text()?),
            (_, n) => quote!(#name: from.floats::<#n>()?),
        }
    }

    fn field(&self) -> TokenStream {
        let (name, ty) = (&self.name, self.rust_type());
        let doc = self.default.as_ref().map_or_else(
            || format!("`{}`; a scene has to give it.", self.name),
            |d| format!("`{}`; {d} where a scene does not give it.", self.name),
        );
        quote!(#[doc = #doc] pub #name: #ty)
    }
}

/// Returns the lines of all parameters and optional groups.
pub(crate) fn text(items: &[ParamItem]) -> String {
    let mut out = String::new();
    for item in items {
        match item {
            ParamItem::One(p) => out.push_str(&p.line(None)),
            ParamItem::Group { name, members, .. } => {
                members.iter().for_each(|p| out.push_str(&p.line(Some(name))))
            }
        }
    }
    for item in items {
        if let ParamItem::Group { name, optional: true, .. } = item {
            out.push_str(&format!("group? {name}\n"));
        }
    }
    out
}

/// Returns what others see of the parameters.
pub(crate) fn facts(items: &[ParamItem]) -> Vec<Fact> {
    let fact = |kind: &'static str, name: String, span: Span, what: &str| {
        let line = format!("{kind} {name}: {what}\n");
        Fact { kind, name, span, text: vec![quote!(::cell::__private::Text::Str(#line))] }
    };
    let param = |p: &Param, name: String| {
        let required = if p.default.is_none() { ", required" } else { "" };
        fact("param", name, p.name.span(), &format!("{}{required}", p.kind.text))
    };
    let mut out = Vec::new();
    for item in items {
        match item {
            ParamItem::One(p) => out.push(param(p, p.name.to_string())),
            ParamItem::Group { name, optional, members } => {
                out.extend(members.iter().map(|p| param(p, format!("{name}.{}", p.name))));
                if *optional {
                    out.push(fact("group", name.to_string(), name.span(), "optional"));
                }
            }
        }
    }
    out
}

/// Returns the structs `Params` and `SunParams`, and their decoder.
pub(crate) fn items(items: &[ParamItem], contract: &Ident, allow: &TokenStream) -> TokenStream {
    let (mut structs, mut fields, mut reads) = (Vec::new(), Vec::new(), Vec::new());
    for item in items {
        match item {
            ParamItem::One(p) => {
                fields.push(p.field());
                reads.push(p.decode());
            }
            ParamItem::Group { name, optional, members } => {
                let ty = names::ident(&format!("{}Params", names::camel(&name.to_string())), name.span());
                let doc = format!("The parameters `{name}` of `{contract}`.");
                let (members_fields, members_reads) =
                    (members.iter().map(Param::field), members.iter().map(Param::decode));
                structs.push(quote! {
                    #[doc = #doc]
                    #[derive(Clone, Debug, PartialEq)]
                    #allow
                    pub struct #ty { #(#members_fields),* }
                });
                let all = quote!(#ty { #(#members_reads),* });
                if *optional {
                    let doc = format!("`{name}`, if the scene gives it.");
                    fields.push(quote!(#[doc = #doc] pub #name: ::core::option::Option<#ty>));
                    reads.push(quote!(#name: {
                        let given = from.bool()?;
                        let all = #all;
                        given.then_some(all)
                    }));
                } else {
                    let doc = format!("`{name}`.");
                    fields.push(quote!(#[doc = #doc] pub #name: #ty));
                    reads.push(quote!(#name: #all));
                }
            }
        }
    }
    let doc = format!("The parameters of `{contract}`, as a scene gives them.");
    quote! {
        #(#structs)*
        #[doc = #doc]
        #[derive(Clone, Debug, PartialEq)]
        #allow
        pub struct Params { #(#fields),* }
        impl ::cell::__private::DecodeParams for Params {
            fn decode(
                from: &mut ::cell::__private::Decoder<'_>,
            ) -> ::core::result::Result<Self, ::cell::__private::ParamsFault> {
                let _ = &from;
                ::core::result::Result::Ok(Self { #(#reads),* })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use syn::parse::Parser;

    fn parse(input: TokenStream) -> (Vec<ParamItem>, Vec<String>) {
        let mut faults = Faults::default();
        let items = (|s: ParseStream<'_>| read(s, &mut faults)).parse2(input).unwrap();
        (items, faults.messages())
    }

    #[test]
    fn lines_are_canonical() {
        let (items, faults) = parse(quote! {
            threshold: f32 = 1.50, gltf: Asset, title: Text = "a = b", on: bool = true, n: i32 = -3,
            sun: { azimuth: f32 = 230.0 }, fly?: { at: Vec3 = [0.0, -30.5, 80], count: u32 = 1_000 },
        });
        assert_eq!(faults, Vec::<String>::new());
        assert_eq!(
            text(&items),
            "param f32 threshold = 1.5\nparam asset gltf\nparam text title = \"a = b\"\nparam bool on = true\n\
             param i32 n = -3\nparam f32 sun.azimuth = 230\nparam vec3f fly.at = 0 -30.5 80\n\
             param u32 fly.count = 1000\ngroup? fly\n"
        );
    }

    #[test]
    fn faults_say_what_is_expected() {
        let (_, faults) = parse(quote! {
            a: f23 = 1.0, b: f32 = "x", c: Vec3 = [0.0, 1.0], d: u32 = 1, d: u32 = 2, e?: f32,
            f?: { g: Asset, n: f32 = true }, h: {}, i: Text = "a\"b", j: i32 = 3000000000, k: u32 = -1,
            l: [f32; 3] = [0.0, 0.0, 0.0], m: String, o: u32 = 99999999999999999999999999999999999999999999,
        });
        for says in [
            "no parameter type `f23`; did you mean `f32`?",
            "the default of a `f32` is written like `1.0`",
            "the default of a `Vec3` is written like",
            "`d` is declared twice",
            "only a group of parameters can be optional",
            "`g` needs a default",
            "the group `h` has no members",
            "cannot hold quotes",
            "the default is within -2147483648 and 2147483647",
            "the default is within 0 and 4294967295",
            "no parameter type `[f32 ; 3]`; write `Vec3`",
            "no parameter type `String`; write `Text`",
        ] {
            assert!(faults.iter().any(|m| m.contains(says)), "nobody says {says:?}: {faults:#?}");
        }
        assert_eq!(faults.len(), 14, "{faults:#?}");
    }
}
