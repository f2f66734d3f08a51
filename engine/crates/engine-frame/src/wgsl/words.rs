//! Words that a contract cannot use in WGSL.

/// The keywords and reserved words of WGSL (W3C candidate recommendation draft of 2025-08-09, "Keyword
/// Summary" and "Reserved Words"), sorted.
#[rustfmt::skip]
const RESERVED: &[&str] = &[
    "NULL", "Self", "abstract", "active", "alias", "alignas", "alignof", "as", "asm", "asm_fragment",
    "async", "attribute", "auto", "await", "become", "break", "case", "cast", "catch", "class",
    "co_await", "co_return", "co_yield", "coherent", "column_major", "common", "compile",
    "compile_fragment", "concept", "const", "const_assert", "const_cast", "consteval", "constexpr",
    "constinit", "continue", "continuing", "crate", "debugger", "decltype", "default", "delete",
    "demote", "demote_to_helper", "diagnostic", "discard", "do", "dynamic_cast", "else", "enable",
    "enum", "explicit", "export", "extends", "extern", "external", "fallthrough", "false", "filter",
    "final", "finally", "fn", "for", "friend", "from", "fxgroup", "get", "goto", "groupshared", "highp",
    "if", "impl", "implements", "import", "inline", "instanceof", "interface", "layout", "let", "loop",
    "lowp", "macro", "macro_rules", "match", "mediump", "meta", "mod", "module", "move", "mut",
    "mutable", "namespace", "new", "nil", "noexcept", "noinline", "nointerpolation", "non_coherent",
    "noncoherent", "noperspective", "null", "nullptr", "of", "operator", "override", "package",
    "packoffset", "partition", "pass", "patch", "pixelfragment", "precise", "precision", "premerge",
    "priv", "protected", "pub", "public", "readonly", "ref", "regardless", "register",
    "reinterpret_cast", "require", "requires", "resource", "restrict", "return", "self", "set",
    "shared", "sizeof", "smooth", "snorm", "static", "static_assert", "static_cast", "std", "struct",
    "subroutine", "super", "switch", "target", "template", "this", "thread_local", "throw", "trait",
    "true", "try", "type", "typedef", "typeid", "typename", "typeof", "union", "unless", "unorm",
    "unsafe", "unsized", "use", "using", "var", "varying", "virtual", "volatile", "wgsl", "where",
    "while", "with", "writeonly", "yield",
];

/// What the engine's declarations are called, and the built-in types they use.
const ENGINE: &[&str] = &[
    "Frame",
    "Full",
    "Params",
    "array",
    "engine_full",
    "f32",
    "frame",
    "i32",
    "linear_clamp",
    "linear_repeat",
    "mat4x4f",
    "nearest_clamp",
    "params",
    "sampler",
    "sampler_comparison",
    "shadow_compare",
    "texture_2d",
    "texture_depth_2d",
    "texture_storage_2d",
    "u32",
    "vec2f",
    "vec2u",
    "vec3f",
    "vec4f",
    "vec4u",
];

/// Returns whether `name` is no name at all in WGSL.
pub(super) fn is_reserved(name: &str) -> bool {
    name == "_" || name.starts_with("__") || RESERVED.binary_search(&name).is_ok()
}

/// Returns whether `name` cannot be the name of a port or type.
pub(super) fn is_taken(name: &str) -> bool {
    is_reserved(name) || ENGINE.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_sorted_and_complete() {
        assert!(RESERVED.is_sorted());
        for word in naga::keywords::wgsl::RESERVED {
            assert!(is_reserved(word), "{word}");
        }
        assert!(is_taken("frame") && !is_reserved("frame") && !is_taken("scene_color"));
    }
}
