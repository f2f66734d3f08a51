// Tone mapping: linear HDR to linear display colours (the target encodes sRGB).
// Curve: AgX by Troy Sobotka, as fitted by Benjamin Wrensch, "Minimal AgX Implementation", 2023 (MIT),
// https://iolite-engine.com/blog_posts/minimal_agx_implementation

const MIN_EV = -12.47393;
const MAX_EV = 4.026069;

fn agx(c: vec3f) -> vec3f {
    let inset = mat3x3f(
        0.842479062253094, 0.0423282422610123, 0.0423756549057051,
        0.0784335999999992, 0.878468636469772, 0.0784336,
        0.0792237451477643, 0.0791661274605434, 0.879142973793104,
    );
    let ev = clamp(log2(max(inset * c, vec3f(1e-10))), vec3f(MIN_EV), vec3f(MAX_EV));
    let x = (ev - MIN_EV) / (MAX_EV - MIN_EV);
    let x2 = x * x;
    let x4 = x2 * x2;
    return 15.5 * x4 * x2 - 40.14 * x4 * x + 31.96 * x4 - 6.868 * x2 * x + 0.4298 * x2 + 0.1191 * x - 0.00232;
}

// AgX's "punchy" look, adjustable.
fn graded(c: vec3f) -> vec3f {
    let v = pow(max(c, vec3f(0.0)), vec3f(params.contrast));
    let grey = dot(v, vec3f(0.2126, 0.7152, 0.0722));
    return vec3f(grey) + params.saturation * (v - grey);
}

fn from_agx(c: vec3f) -> vec3f {
    let outset = mat3x3f(
        1.19687900512017, -0.0528968517574562, -0.0529716355144438,
        -0.0980208811401368, 1.15190312990417, -0.0980434501171241,
        -0.0990297440797205, -0.0989611768448433, 1.15107367264116,
    );
    return clamp(outset * c, vec3f(0.0), vec3f(1.0));
}

// Interleaved gradient noise, -0.5 to 0.5 (Jimenez 2014): hides the steps of an 8-bit sky.
fn noise(px: vec2f) -> f32 {
    return fract(52.9829189 * fract(dot(px, vec2f(0.06711056, 0.00583715)))) - 0.5;
}

@fragment fn tonemap(in: Full) -> @location(0) vec4f {
    let px = vec2i(in.position.xy);
    let scene = textureLoad(scene_color, px, 0).rgb + textureLoad(bloom_result, px, 0).rgb;
    let from_middle = (in.uv - 0.5) * vec2f(1.0, frame.screen.y / frame.screen.x) * 2.0;
    let shade = 1.0 - params.vignette * smoothstep(0.3, 1.6, dot(from_middle, from_middle));
    let light = clamp(scene, vec3f(0.0), vec3f(65000.0)) * (params.exposure * shade);
    let encoded = from_agx(graded(agx(light))) + noise(in.position.xy) / 255.0;
    return vec4f(pow(clamp(encoded, vec3f(0.0), vec3f(1.0)), vec3f(2.2)), 1.0);
}
