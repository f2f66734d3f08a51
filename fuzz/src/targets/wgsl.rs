//! Shaders: the scan before naga, and naga.
use super::{Target, assert_shown, texts};
use engine_render::ShaderOrigin;

pub(super) const TARGET: Target =
    Target { name: "wgsl", run: shader, seeds: || texts(&[WGSL]), words: WGSL_WORDS };

const WGSL: &str = "struct V { @builtin(position) at: vec4f, @location(0) uv: vec2f }\n\
    @group(1) @binding(0) var t: texture_2d<f32>;\nconst N: u32 = 4u; // four\n\
    fn f(x: f32) -> f32 { if x > 1.0 { return x; } else if x < 0.0 { return -x; } else { return x * 0.5; } }\n\
    @vertex fn vs(@builtin(vertex_index) n: u32) -> V { var v: V; v.at = vec4f(f32(n), 0, 0, 1); return v; }\n\
    @fragment fn fs(v: V) -> @location(0) vec4f { var s = vec4f(); for (var i = 0u; i < N; i++) {\n\
    s += textureLoad(t, vec2i(v.uv), 0) * f(s.x); } return s; }\n";

const WGSL_WORDS: &[&[u8]] = &[
    b"(",
    b")",
    b"{",
    b"}",
    b"[",
    b"]",
    b";",
    b"<",
    b">",
    b"+x",
    b"-",
    b"*",
    b"&",
    b"else if x {",
    b"if ",
    b"loop {",
    b"vec4f(",
    b"/*",
    b"*/",
    b"//",
    b"array<",
    b"ptr<function, ",
    b"@location(",
    b"0x",
    b"1e99",
    b"fn ",
    b"var ",
    b"const ",
    b"switch ",
    b"((((((((((((((((",
    b"x+x+x+x+x+x+x+x+x+x+",
    b"\xe2\x80\xa8",
    b"alias a = ",
    b"@must_use ",
    b"enable f16;",
    b"_ = ",
];

fn shader(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let check = |origin| engine_render::check_shader("s.wgsl", "", text, origin);
    let (own, theirs) = (check(ShaderOrigin::Own), check(ShaderOrigin::Untrusted));
    for message in [&own, &theirs].into_iter().filter_map(|checked| checked.as_ref().err()) {
        assert_shown(message);
        assert!(message.contains("s.wgsl"), "{message}");
    }
    assert!(own.is_ok() || theirs.is_err(), "a stranger's shader may not do more");
    own.is_ok()
}
