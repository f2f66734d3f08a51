// The sky: an equirectangular HDR picture behind everything.

const PI = 3.14159265;

// Radiance just above the horizon in a direction (see sky-api).
fn horizon_color(dir: vec3f) -> vec3f {
    let at = fract(atan2(dir.x, -dir.z) / (2.0 * PI)) * 8.0;
    let i = min(u32(at), 7u);
    return mix(sky_light.horizon[i].rgb, sky_light.horizon[i + 1u].rgb, at - f32(i));
}

// The picture through a cubic B-spline made of four bilinear samples: a small picture stays smooth when it is
// stretched over a large screen.
fn smooth_sample(uv: vec2f, lod: f32) -> vec3f {
    let size = vec2f(textureDimensions(panorama)) / exp2(floor(lod));
    let at = uv * size - 0.5;
    let i = floor(at);
    let f = at - i;
    let g = 1.0 - f;
    let w0 = g * g * g / 6.0;
    let w1 = (4.0 - 6.0 * f * f + 3.0 * f * f * f) / 6.0;
    let w3 = f * f * f / 6.0;
    let w2 = 1.0 - w0 - w1 - w3;
    let a = w0 + w1;
    let b = w2 + w3;
    let p = (i - 0.5 + w1 / a) / size;
    let q = (i + 1.5 + w3 / b) / size;
    // Rows do not wrap: keep off the poles' edge.
    let rows = clamp(vec2f(p.y, q.y), vec2f(0.5 / size.y), vec2f(1.0 - 0.5 / size.y));
    return a.y * (a.x * picture(vec2f(p.x, rows.x), lod) + b.x * picture(vec2f(q.x, rows.x), lod))
        + b.y * (a.x * picture(vec2f(p.x, rows.y), lod) + b.x * picture(vec2f(q.x, rows.y), lod));
}

fn picture(uv: vec2f, lod: f32) -> vec3f {
    return textureSampleLevel(panorama, linear_repeat, uv, lod).rgb;
}

@fragment fn sky(in: Full) -> @location(0) vec4f {
    if camera.near <= 0.0 {
        return vec4f(0.0, 0.0, 0.0, 1.0);
    }
    let ndc = vec2f(in.uv.x * 2.0 - 1.0, 1.0 - in.uv.y * 2.0);
    let seen = vec3f(ndc * camera.tan_half_fov * vec2f(camera.aspect, 1.0), -1.0);
    let to_view = mat3x3f(camera.view[0].xyz, camera.view[1].xyz, camera.view[2].xyz);
    let dir = normalize(seen * to_view);
    let height = asin(clamp(dir.y, -1.0, 1.0));
    let uv = vec2f(atan2(dir.x, -dir.z) / (2.0 * PI) - params.rotation / 360.0, 0.5 - height / PI);
    let texels_per_pixel = f32(textureDimensions(panorama).y) / PI * 2.0 * camera.tan_half_fov / frame.screen.y;
    let lod = max(log2(texels_per_pixel), 0.0);
    let above = min(smooth_sample(uv, lod) * params.intensity, vec3f(params.peak));
    let clear = smoothstep(0.0, max(radians(params.haze), 1e-4), height);
    return vec4f(mix(horizon_color(dir), above, clear), 1.0);
}

// ---- What surfaces mirror ------------------------------------------------------------------------------------

// The upper half of `sky_mirror` is the sky as a mirror shows it, 256 x 128; below are four rougher ones, 128 x 64
// each, of roughness 0.25 and 0.5, 0.75 and 1. Columns go from north over east to north again, rows from straight up
// to straight down; the first and the last of both are the same directions.
const SAMPLES = 64u;

// Nothing is drawn unless it must be: when the sky changed, or after the picture was lost.
@vertex fn vs_mirror(@builtin(vertex_index) n: u32) -> @builtin(position) vec4f {
    let size = select(0.0, 1.0, due.mirror != 0u || frame.history_valid == 0u);
    return vec4f((f32(n & 1u) * 4.0 - 1.0) * size, (f32(n >> 1u) * 4.0 - 1.0) * size, 0.0, 1.0);
}

@fragment fn mirror(@builtin(position) position: vec4f) -> @location(0) vec4f {
    let px = floor(position.xy);
    let sharp = px.y < 128.0;
    let cell = floor(vec2f(px.x / 128.0, px.y / 64.0 - 2.0));
    let roughness = select(0.25 * (1.0 + cell.x + 2.0 * cell.y), 0.0, sharp);
    let size = select(vec2f(128.0, 64.0), vec2f(256.0, 128.0), sharp);
    let at = (px - select(cell * size + vec2f(0.0, 128.0), vec2f(0.0), sharp)) / (size - 1.0);
    let azimuth = at.x * 2.0 * PI;
    let height = (0.5 - at.y) * PI;
    let n = vec3f(sin(azimuth) * cos(height), sin(height), -cos(azimuth) * cos(height));
    if sharp {
        return vec4f(calm_sky(n, 0.0) * params.intensity, 1.0);
    }
    return vec4f(blurred(n, roughness * roughness) * params.intensity, 1.0);
}

fn calm_sky(dir: vec3f, lod: f32) -> vec3f {
    let height = asin(clamp(dir.y, -1.0, 1.0));
    let uv = vec2f(atan2(dir.x, -dir.z) / (2.0 * PI) - params.rotation / 360.0, 0.5 - height / PI);
    // Rows do not wrap: keep off the poles' edge.
    let rim = 0.5 * exp2(ceil(lod)) / f32(textureDimensions(calm).y);
    let v = clamp(uv.y, min(rim, 0.5), max(1.0 - rim, 0.5));
    return textureSampleLevel(calm, linear_repeat, vec2f(uv.x, v), lod).rgb;
}

// The sky as facets spread by GGX mirror it, for an eye and a surface that look the same way (Karis, "Real Shading in
// Unreal Engine 4", 2013); each sample takes a level of the picture as wide as it stands for (Colbert and Krivanek,
// "GPU-Based Importance Sampling", GPU Gems 3, 2007).
fn blurred(n: vec3f, a: f32) -> vec3f {
    let side = normalize(cross(select(vec3f(0.0, 1.0, 0.0), vec3f(1.0, 0.0, 0.0), abs(n.y) > 0.9), n));
    let up = cross(n, side);
    let a2 = a * a;
    let size = vec2f(textureDimensions(calm));
    let texel = 4.0 * PI / (size.x * size.y);
    var sum = vec4f(0.0);
    for (var i = 0u; i < SAMPLES; i++) {
        // Hammersley's points.
        let turn = 2.0 * PI * f32(reverseBits(i)) / 4294967296.0;
        let share = (f32(i) + 0.5) / f32(SAMPLES);
        let cos2 = (1.0 - share) / (1.0 + (a2 - 1.0) * share);
        let nh = sqrt(cos2);
        let h = (side * cos(turn) + up * sin(turn)) * sqrt(1.0 - cos2) + n * nh;
        let to = 2.0 * nh * h - n;
        let nl = dot(n, to);
        if nl > 0.0 {
            let d = cos2 * (a2 - 1.0) + 1.0;
            let density = a2 / (4.0 * PI * d * d);
            let lod = max(0.5 * log2(1.0 / (f32(SAMPLES) * density * texel)) + 1.0, 0.0);
            sum += vec4f(calm_sky(to, lod), 1.0) * nl;
        }
    }
    return sum.rgb / max(sum.a, 1e-4);
}
