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
