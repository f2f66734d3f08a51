//! Names that ports and parameters cannot have, and names made of names.
use proc_macro2::Span;
use quote::ToTokens as _;
use syn::Ident;

/// Words that WGSL keeps for itself: no variable, field or type can have them.
const WGSL: &[&str] = &[
    "alias",
    "break",
    "case",
    "const",
    "const_assert",
    "continue",
    "continuing",
    "default",
    "diagnostic",
    "discard",
    "else",
    "enable",
    "false",
    "fn",
    "for",
    "if",
    "let",
    "loop",
    "override",
    "requires",
    "return",
    "struct",
    "switch",
    "true",
    "var",
    "while",
    "NULL",
    "Self",
    "abstract",
    "active",
    "alignas",
    "alignof",
    "as",
    "asm",
    "asm_fragment",
    "async",
    "attribute",
    "auto",
    "await",
    "become",
    "cast",
    "catch",
    "class",
    "co_await",
    "co_return",
    "co_yield",
    "coherent",
    "column_major",
    "common",
    "compile",
    "compile_fragment",
    "concept",
    "const_cast",
    "consteval",
    "constexpr",
    "constinit",
    "crate",
    "debugger",
    "decltype",
    "delete",
    "demote",
    "demote_to_helper",
    "do",
    "dynamic_cast",
    "enum",
    "explicit",
    "export",
    "extends",
    "extern",
    "external",
    "fallthrough",
    "filter",
    "final",
    "finally",
    "friend",
    "from",
    "fxgroup",
    "get",
    "goto",
    "groupshared",
    "highp",
    "impl",
    "implements",
    "import",
    "inline",
    "instanceof",
    "interface",
    "layout",
    "lowp",
    "macro",
    "macro_rules",
    "match",
    "mediump",
    "meta",
    "mod",
    "module",
    "move",
    "mut",
    "mutable",
    "namespace",
    "new",
    "nil",
    "noexcept",
    "noinline",
    "nointerpolation",
    "non_coherent",
    "noncoherent",
    "noperspective",
    "null",
    "nullptr",
    "of",
    "operator",
    "package",
    "packoffset",
    "partition",
    "pass",
    "patch",
    "pixelfragment",
    "precise",
    "precision",
    "premerge",
    "priv",
    "protected",
    "pub",
    "public",
    "readonly",
    "ref",
    "regardless",
    "register",
    "reinterpret_cast",
    "require",
    "resource",
    "restrict",
    "self",
    "set",
    "shared",
    "sizeof",
    "smooth",
    "snorm",
    "static",
    "static_assert",
    "static_cast",
    "std",
    "subroutine",
    "super",
    "target",
    "template",
    "this",
    "thread_local",
    "throw",
    "trait",
    "try",
    "type",
    "typedef",
    "typeid",
    "typename",
    "typeof",
    "union",
    "unless",
    "unorm",
    "unsafe",
    "unsized",
    "use",
    "using",
    "varying",
    "virtual",
    "volatile",
    "wgsl",
    "where",
    "with",
    "writeonly",
    "yield",
];

/// What the shader header declares, or uses of WGSL's own types.
const IN_HEADER: &[&str] = &[
    "frame",
    "params",
    "linear_clamp",
    "nearest_clamp",
    "linear_repeat",
    "shadow_compare",
    "engine_full",
    "array",
    "bool",
    "f32",
    "i32",
    "u32",
    "sampler",
    "sampler_comparison",
    "texture_2d",
    "texture_depth_2d",
    "texture_storage_2d",
    "vec2f",
    "vec2u",
    "vec3f",
    "vec4f",
    "vec4u",
    "mat4x4f",
];

/// The methods of `cell::Cx`, which a port's method of the same name could not reach.
const IN_CX: &[&str] = &[
    "frame",
    "dt",
    "steps",
    "time",
    "seed",
    "screen_px",
    "input",
    "params",
    "params_changed",
    "mail",
    "send",
    "par_for",
    "resubmit_passes",
    "reload",
    "quit",
    "no_tick",
    "port_value",
    "port_array",
    "port_value_history",
    "port_array_history",
    "port_writer",
    "port_value_writer",
];

/// Returns whether an item can have the name: it is no word that Rust keeps for itself.
pub(crate) fn is_free_in_rust(name: &Ident) -> bool {
    syn::parse2::<Ident>(name.into_token_stream()).is_ok()
}

/// Returns why `name` cannot be a port's name.
pub(crate) fn port_fault(name: &Ident) -> Option<String> {
    let text = name.to_string();
    if WGSL.contains(&text.as_str()) || IN_HEADER.contains(&text.as_str()) {
        return Some(format!("a port cannot be called `{text}`: the word has a meaning in shaders"));
    }
    if !is_free_in_rust(name) {
        return Some(format!("a port cannot be called `{text}`: the word has a meaning in Rust"));
    }
    if IN_CX.contains(&text.as_str()) {
        return Some(format!("a port cannot be called `{text}`: `Cx` has a method of that name"));
    }
    snake_fault("port", &text)
}

/// Returns why `name` cannot be the name of a parameter or a group of parameters.
pub(crate) fn param_fault(name: &Ident) -> Option<String> {
    let text = name.to_string();
    if let Some(why) = field_fault(&text) {
        return Some(format!("a parameter {why}"));
    }
    if !is_free_in_rust(name) {
        return Some(format!("a parameter cannot be called `{text}`: the word has a meaning in Rust"));
    }
    snake_fault("parameter", &text)
}

/// Returns why `name` cannot be the name of a field in shaders.
pub(crate) fn field_fault(name: &str) -> Option<String> {
    WGSL.contains(&name).then(|| format!("cannot be called `{name}`: the word has a meaning in shaders"))
}

fn snake_fault(what: &str, text: &str) -> Option<String> {
    let snake = text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        && !text.starts_with('_')
        && text.len() <= 64;
    (!snake).then(|| format!("a {what}'s name has lower-case letters, digits and `_` only, not `{text}`"))
}

/// Returns why `name` cannot be a contract's name.
pub(crate) fn contract_fault(name: &Ident) -> Option<String> {
    let text = name.to_string();
    let version = text
        .rsplit_once("_v")
        .is_some_and(|(stem, n)| !stem.is_empty() && !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if version {
        snake_fault("contract", &text)
    } else {
        Some(format!("a contract's name ends in its version: `{text}_v1`"))
    }
}

/// Returns `BloomV1` for `bloom_v1`.
pub(crate) fn camel(name: &str) -> String {
    name.split('_')
        .flat_map(|part| {
            let mut c = part.chars();
            c.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(c)
        })
        .collect()
}

/// Returns `text` as an identifier at `span`.
pub(crate) fn ident(text: &str, span: Span) -> Ident {
    Ident::new(text, span)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(s: &str) -> Ident {
        Ident::new(s, Span::call_site())
    }

    #[test]
    fn names_with_a_meaning_elsewhere_are_refused() {
        assert_eq!(port_fault(&id("scene_color")), None);
        for bad in ["frame", "params", "target", "mail", "SceneColor", "_x"] {
            assert!(port_fault(&id(bad)).is_some(), "{bad}");
        }
    }

    #[test]
    fn a_contract_has_a_version() {
        assert_eq!(contract_fault(&id("bloom_v1")), None);
        assert_eq!(contract_fault(&id("debug_draw_v12")), None);
        for bad in ["bloom", "bloom_v", "_v1", "Bloom_v1"] {
            assert!(contract_fault(&id(bad)).is_some(), "{bad}");
        }
        assert_eq!(camel("debug_draw_v12"), "DebugDrawV12");
    }
}
