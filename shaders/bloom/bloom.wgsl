// Bloom: bright parts, halved five times, blurred on the way back up.
// Filters: Jimenez, "Next Generation Post Processing in Call of Duty: Advanced Warfare", SIGGRAPH 2014.

fn luminance(c: vec3f) -> f32 {
    return dot(c, vec3f(0.2126, 0.7152, 0.0722));
}

// One pixel of the scene; negative, infinite and not-a-number values would spread over the whole chain.
fn scene_at(uv: vec2f) -> vec3f {
    return clamp(textureSampleLevel(scene_color, linear_clamp, uv, 0.0).rgb, vec3f(0.0), vec3f(4096.0));
}

// What is above the threshold, fading in over the knee.
fn bright(c: vec3f) -> vec3f {
    let level = max(c.r, max(c.g, c.b));
    let soft = clamp(level - params.threshold + params.knee, 0.0, 2.0 * params.knee);
    let eased = soft * soft / (4.0 * params.knee + 1e-4);
    return c * max(eased, level - params.threshold) / max(level, 1e-4);
}

// A weight that keeps single bright pixels from flickering (Karis average).
fn karis(c: vec3f) -> vec4f {
    return vec4f(c, 1.0) / (1.0 + luminance(c));
}

// First way down: 13 taps as five overlapping boxes, each weighted by its brightness.
@fragment fn threshold(in: Full) -> @location(0) vec4f {
    let px = 1.0 / vec2f(textureDimensions(scene_color));
    let a = scene_at(in.uv + px * vec2f(-2.0, -2.0));
    let b = scene_at(in.uv + px * vec2f(0.0, -2.0));
    let c = scene_at(in.uv + px * vec2f(2.0, -2.0));
    let d = scene_at(in.uv + px * vec2f(-2.0, 0.0));
    let e = scene_at(in.uv);
    let f = scene_at(in.uv + px * vec2f(2.0, 0.0));
    let g = scene_at(in.uv + px * vec2f(-2.0, 2.0));
    let h = scene_at(in.uv + px * vec2f(0.0, 2.0));
    let i = scene_at(in.uv + px * vec2f(2.0, 2.0));
    let j = scene_at(in.uv + px * vec2f(-1.0, -1.0));
    let k = scene_at(in.uv + px * vec2f(1.0, -1.0));
    let l = scene_at(in.uv + px * vec2f(-1.0, 1.0));
    let m = scene_at(in.uv + px * vec2f(1.0, 1.0));
    var sum = 0.5 * karis(bright((j + k + l + m) * 0.25));
    sum += 0.125 * karis(bright((a + b + d + e) * 0.25));
    sum += 0.125 * karis(bright((b + c + e + f) * 0.25));
    sum += 0.125 * karis(bright((d + e + g + h) * 0.25));
    sum += 0.125 * karis(bright((e + f + h + i) * 0.25));
    return vec4f(sum.rgb / max(sum.a, 1e-4), 1.0);
}

fn mip_at(uv: vec2f) -> vec3f {
    return textureSampleLevel(mips, linear_clamp, uv, 0.0).rgb;
}

// Each further way down: the same 13 taps, plainly weighted.
@fragment fn down(in: Full) -> @location(0) vec4f {
    let px = 1.0 / vec2f(textureDimensions(mips));
    var sum = 0.125 * mip_at(in.uv);
    sum += 0.125 * mip_at(in.uv + px * vec2f(-1.0, -1.0));
    sum += 0.125 * mip_at(in.uv + px * vec2f(1.0, -1.0));
    sum += 0.125 * mip_at(in.uv + px * vec2f(-1.0, 1.0));
    sum += 0.125 * mip_at(in.uv + px * vec2f(1.0, 1.0));
    sum += 0.0625 * mip_at(in.uv + px * vec2f(0.0, -2.0));
    sum += 0.0625 * mip_at(in.uv + px * vec2f(-2.0, 0.0));
    sum += 0.0625 * mip_at(in.uv + px * vec2f(2.0, 0.0));
    sum += 0.0625 * mip_at(in.uv + px * vec2f(0.0, 2.0));
    sum += 0.03125 * mip_at(in.uv + px * vec2f(-2.0, -2.0));
    sum += 0.03125 * mip_at(in.uv + px * vec2f(2.0, -2.0));
    sum += 0.03125 * mip_at(in.uv + px * vec2f(-2.0, 2.0));
    sum += 0.03125 * mip_at(in.uv + px * vec2f(2.0, 2.0));
    return vec4f(sum, 1.0);
}

// The way up: a 3x3 tent over the smaller level, added to the larger one.
@fragment fn up(in: Full) -> @location(0) vec4f {
    let px = 1.0 / vec2f(textureDimensions(mips));
    var sum = 0.25 * mip_at(in.uv);
    sum += 0.125 * mip_at(in.uv + px * vec2f(-1.0, 0.0));
    sum += 0.125 * mip_at(in.uv + px * vec2f(1.0, 0.0));
    sum += 0.125 * mip_at(in.uv + px * vec2f(0.0, -1.0));
    sum += 0.125 * mip_at(in.uv + px * vec2f(0.0, 1.0));
    sum += 0.0625 * mip_at(in.uv + px * vec2f(-1.0, -1.0));
    sum += 0.0625 * mip_at(in.uv + px * vec2f(1.0, -1.0));
    sum += 0.0625 * mip_at(in.uv + px * vec2f(-1.0, 1.0));
    sum += 0.0625 * mip_at(in.uv + px * vec2f(1.0, 1.0));
    return vec4f(sum, 1.0);
}

// What the tone mapper adds to the scene.
@fragment fn composite(in: Full) -> @location(0) vec4f {
    return vec4f(params.strength * mip_at(in.uv), 1.0);
}
