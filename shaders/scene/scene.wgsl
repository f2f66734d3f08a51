// The world: a sun with a shadow map, light from the sky, street lamps, lit windows, haze.

const PI = 3.14159265;
const WALL = 1u;
const GROUND = 2u;
const EMISSION_MAP = 4u;

// ---- Vertices ------------------------------------------------------------------------------------------------

struct Corner {
    @builtin(position) @invariant position: vec4f,
    @location(0) world: vec3f,
    @location(1) normal: vec3f,
    @location(2) uv: vec2f,
    @location(3) @interpolate(flat) material: u32,
}

fn in_world(i: Instance, p: vec3f) -> vec3f {
    let at = vec4f(p, 1.0);
    return vec3f(dot(i.row0, at), dot(i.row1, at), dot(i.row2, at));
}

@vertex fn vs(v: Vertex, i: Instance) -> Corner {
    let a = i.row0.xyz;
    let b = i.row1.xyz;
    let c = i.row2.xyz;
    var out: Corner;
    out.world = in_world(i, v.position);
    out.position = camera.view_proj * vec4f(out.world, 1.0);
    out.normal = vec3f(dot(cross(b, c), v.normal), dot(cross(c, a), v.normal), dot(cross(a, b), v.normal));
    out.uv = v.uv;
    out.material = v.material;
    return out;
}

@vertex fn vs_shadow(v: Vertex, i: Instance) -> @builtin(position) vec4f {
    return sun_light.shadow_proj * vec4f(in_world(i, v.position), 1.0);
}

// Empties the shadow map.
@vertex fn vs_empty(@builtin(vertex_index) n: u32) -> @builtin(position) vec4f {
    return vec4f(f32(n & 1u) * 4.0 - 1.0, f32(n >> 1u) * 4.0 - 1.0, 0.0, 1.0);
}

// ---- Small tools ---------------------------------------------------------------------------------------------

// Three numbers from 0 to 1 for three integers (pcg3d of Jarzynski and Olano, "Hash Functions for GPU Rendering",
// JCGT 2020).
fn hash3(seed: vec3u) -> vec3f {
    var v = seed * 1664525u + 1013904223u;
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    v ^= v >> vec3u(16u);
    v.x += v.y * v.z;
    v.y += v.z * v.x;
    v.z += v.x * v.y;
    return vec3f(v >> vec3u(8u)) / 16777216.0;
}

// How much of the interval of width `w` around `x` lies in [begin, begin + size] of each whole number: an evenly
// spaced pattern, filtered so that it never flickers.
fn pattern(x: f32, w: f32, begin: f32, size: f32) -> f32 {
    let width = max(w, 0.002);
    let low = fract(x) - 0.5 * width;
    let high = low + width;
    let below = vec2f(floor(low), floor(high));
    let inside = clamp(vec2f(low, high) - below - begin, vec2f(0.0), vec2f(size));
    let sum = below * size + inside;
    return (sum.y - sum.x) / width;
}

// ---- Light ---------------------------------------------------------------------------------------------------

// Irradiance from the sky on a surface with normal `n` (see sky-api).
fn sky_irradiance(n: vec3f) -> vec3f {
    var e = sky_light.irradiance[0].rgb;
    e += sky_light.irradiance[1].rgb * n.y + sky_light.irradiance[2].rgb * n.z + sky_light.irradiance[3].rgb * n.x;
    e += sky_light.irradiance[4].rgb * (n.x * n.y) + sky_light.irradiance[5].rgb * (n.y * n.z);
    e += sky_light.irradiance[6].rgb * (3.0 * n.z * n.z - 1.0);
    e += sky_light.irradiance[7].rgb * (n.x * n.z) + sky_light.irradiance[8].rgb * (n.x * n.x - n.y * n.y);
    return max(e, vec3f(0.0));
}

// Radiance just above the horizon in a direction.
fn horizon_color(dir: vec3f) -> vec3f {
    let at = fract(atan2(dir.x, -dir.z) / (2.0 * PI)) * 8.0;
    let i = min(u32(at), 7u);
    return mix(sky_light.horizon[i].rgb, sky_light.horizon[i + 1u].rgb, at - f32(i));
}

// Radiance of the sky in a direction, blurred: what a smooth surface mirrors. Below the horizon it is the ground's.
fn sky_radiance(dir: vec3f) -> vec3f {
    let high = sky_irradiance(dir) / PI;
    let up = mix(horizon_color(dir), high, smoothstep(0.0, 0.6, dir.y));
    return up * mix(0.35, 1.0, smoothstep(-0.2, 0.05, dir.y));
}

// How much of the sun reaches a point: 3x3 pixels in four samples (Ignacio Castano, "Shadow Mapping Summary", 2013).
fn sunlit(world: vec3f, n: vec3f) -> f32 {
    let p = sun_light.shadow_proj * vec4f(world + n * (1.5 * sun_light.texel), 1.0);
    let at = vec2f(0.5 + 0.5 * p.x, 0.5 - 0.5 * p.y);
    if any(at < vec2f(0.002)) || any(at > vec2f(0.998)) {
        return 1.0;
    }
    let depth = clamp(p.z, 0.0, 1.0);
    let size = vec2f(textureDimensions(shadow));
    let grid = at * size;
    let i = floor(grid + 0.5);
    let f = grid + 0.5 - i;
    let base = (i - 0.5) / size;
    let w0 = 3.0 - 2.0 * f;
    let w1 = 1.0 + 2.0 * f;
    let o0 = ((2.0 - f) / w0 - 1.0) / size;
    let o1 = (f / w1 + 1.0) / size;
    var sum = w0.x * w0.y * textureSampleCompareLevel(shadow, shadow_compare, base + o0, depth);
    sum += w1.x * w0.y * textureSampleCompareLevel(shadow, shadow_compare, base + vec2f(o1.x, o0.y), depth);
    sum += w0.x * w1.y * textureSampleCompareLevel(shadow, shadow_compare, base + vec2f(o0.x, o1.y), depth);
    sum += w1.x * w1.y * textureSampleCompareLevel(shadow, shadow_compare, base + o1, depth);
    return sum / 16.0;
}

// A sun's reflection: GGX with Smith's height-correlated visibility (Heitz 2014) and Schlick's Fresnel.
fn sun_glint(n: vec3f, v: vec3f, l: vec3f, roughness: f32, f0: vec3f) -> vec3f {
    let h = normalize(v + l);
    let a = max(roughness * roughness, 0.02);
    let a2 = a * a;
    let nh = max(dot(n, h), 0.0);
    let nv = max(dot(n, v), 1e-3);
    let nl = max(dot(n, l), 0.0);
    let d = nh * nh * (a2 - 1.0) + 1.0;
    let spread = a2 / (PI * d * d);
    let seen = 0.5 / (nl * sqrt(nv * nv * (1.0 - a2) + a2) + nv * sqrt(nl * nl * (1.0 - a2) + a2) + 1e-5);
    let fresnel = f0 + (1.0 - f0) * pow(1.0 - max(dot(h, v), 0.0), 5.0);
    return fresnel * min(spread * seen * nl, 8.0);
}

// How much of its surroundings a surface mirrors (Karis, "Physically Based Shading on Mobile", 2014).
fn mirrored(f0: vec3f, roughness: f32, nv: f32) -> vec3f {
    let r = roughness * vec4f(-1.0, -0.0275, -0.572, 0.022) + vec4f(1.0, 0.0425, 1.04, -0.04);
    let a = min(r.x * r.x, exp2(-9.28 * nv)) * r.x + r.y;
    let ab = vec2f(-1.04, 1.04) * a + r.zw;
    return f0 * ab.x + ab.y;
}

// ---- Street lamps --------------------------------------------------------------------------------------------

const LAMP_COLOR = vec3f(1.0, 0.55, 0.20);

// Where the lamp of a square stands: not quite in its middle.
fn lamp_at(square: vec2i) -> vec3f {
    let h = hash3(vec3u(bitcast<vec2u>(square), 77u));
    let xz = sun_light.lamps_at + (vec2f(square) + 0.25 + 0.5 * h.xy) * params.lamps_spacing;
    return vec3f(xz.x, params.lamps_height, xz.y);
}

fn lamp_strength() -> f32 {
    return params.lamps_strength * sun_light.dusk;
}

// What the lamp of a square adds, before colour and strength.
fn lamp_part(square: vec2i, world: vec3f, n: vec3f) -> f32 {
    let there = all(square >= vec2i(0)) && all(square < vec2i(sun_light.lamps));
    let to = lamp_at(square) - world;
    let d2 = dot(to, to);
    let reach = 0.75 * params.lamps_spacing;
    let fade = max(1.0 - d2 / (reach * reach), 0.0);
    return select(0.0, max(dot(n, to), 0.0) * inverseSqrt(d2 + 1e-4) * fade * fade / (d2 + 1.0), there);
}

// Irradiance from the four lamps around. `lamps_strength` is what lies right below one.
fn lamp_light(world: vec3f, n: vec3f) -> vec3f {
    let height = params.lamps_height;
    if params.lamps_spacing <= 0.0 || world.y > 3.0 * height {
        return vec3f(0.0);
    }
    let first = vec2i(floor((world.xz - sun_light.lamps_at) / params.lamps_spacing - 0.5));
    let sum = lamp_part(first, world, n)
        + lamp_part(first + vec2i(1, 0), world, n)
        + lamp_part(first + vec2i(0, 1), world, n)
        + lamp_part(first + vec2i(1, 1), world, n);
    return LAMP_COLOR * (sum * height * height * lamp_strength());
}

struct Lamp {
    @builtin(position) position: vec4f,
    @location(0) at: vec2f,
    @location(1) world: vec3f,
    @location(2) strength: f32,
}

// A disc that faces the eye, never smaller than a pixel: then its brightness falls instead.
@vertex fn vs_lamp(@builtin(vertex_index) n: u32, @builtin(instance_index) i: u32) -> Lamp {
    let columns = max(sun_light.lamps.x, 1u);
    let middle = lamp_at(vec2i(i32(i % columns), i32(i / columns)));
    let corner = vec2f(f32((0x16u >> n) & 1u), f32((0x34u >> n) & 1u)) * 2.0 - 1.0;
    let far = distance(middle, camera.position);
    let pixel = far * camera.tan_half_fov * 2.0 / frame.screen.y;
    let radius = max(0.22, 0.8 * pixel);
    let right = vec3f(camera.view[0].x, camera.view[1].x, camera.view[2].x);
    let up = vec3f(camera.view[0].y, camera.view[1].y, camera.view[2].y);
    var out: Lamp;
    out.at = corner;
    out.world = middle + (right * corner.x + up * corner.y) * radius;
    out.position = camera.view_proj * vec4f(out.world, 1.0);
    out.strength = 0.22 * 0.22 / (radius * radius);
    return out;
}

@fragment fn fs_lamp(in: Lamp) -> @location(0) vec4f {
    let inside = smoothstep(1.0, 0.5, length(in.at));
    if inside <= 0.0 {
        discard;
    }
    let glow = LAMP_COLOR * (9.0 * lamp_strength() * in.strength);
    return vec4f(hazed(glow, in.world) * inside, inside);
}

// ---- Facades -------------------------------------------------------------------------------------------------

struct Facade {
    // How much of the pixel is pane, and how much is the frame around it.
    pane: f32,
    frame: f32,
    // How much darker the wall is: sills, ledges, the shade below the lintel.
    shade: f32,
    light: vec3f,
}

fn lamplight(h: vec3f) -> vec3f {
    let warm = mix(vec3f(1.0, 0.40, 0.11), vec3f(1.0, 0.66, 0.32), h.x);
    return select(warm, vec3f(0.45, 0.62, 0.95), h.y > 0.96);
}

// The windows of a wall at (u, v) metres; `w` is the size of a pixel there.
fn facade(uv: vec2f, w: vec2f, seed: u32) -> Facade {
    let bay = vec2f(params.windows_bay, params.windows_storey);
    let at = uv / bay;
    let px = w / bay;
    let cell = vec2i(floor(at));
    let f = fract(at);
    // The ground floor has wide shop windows.
    let shop = cell.y <= 0;
    let begin = select(vec2f(0.30, 0.27), vec2f(0.12, 0.10), shop);
    let size = select(vec2f(0.40, 0.52), vec2f(0.76, 0.66), shop);
    let rim = vec2f(0.14) / bay;
    let open = pattern(at.x, px.x, begin.x, size.x) * pattern(at.y, px.y, begin.y, size.y);
    let outer = pattern(at.x, px.x, begin.x - rim.x, size.x + 2.0 * rim.x)
        * pattern(at.y, px.y, begin.y - rim.y, size.y + 2.0 * rim.y);
    // Bars: one upright in the middle, one across; shops have three uprights.
    let inner = (f - begin) / size;
    let inner_px = px / size;
    let uprights = select(2.0, 4.0, shop);
    let bar = max(
        pattern(inner.x * uprights + 0.5, inner_px.x * uprights, 0.47, 0.06),
        pattern(inner.y + select(0.30, 0.22, shop), inner_px.y, 0.94, 0.05),
    );

    let h = hash3(vec3u(bitcast<vec2u>(cell), seed));
    let g = hash3(vec3u(bitcast<vec2u>(cell), seed + 1000u));
    let share = clamp(select(params.windows_lit, params.windows_lit + params.windows_street, shop), 0.0, 1.0) * sun_light.dusk;
    // Curtains and lampshades: brighter above, uneven from side to side.
    let inside = mix(0.55, 1.15, smoothstep(0.0, 1.0, inner.y)) * mix(1.0, 0.45 + 0.9 * abs(inner.x - g.z), 0.6);
    let one = select(0.0, 1.0, h.z < share) * lamplight(h) * mix(0.22, 1.0, g.x * g.x) * inside;
    let many = share * vec3f(1.0, 0.54, 0.23) * 0.45;
    let far = smoothstep(0.6, 1.6, max(px.x, px.y));
    let boost = params.windows_strength * select(1.0, 1.6, shop);

    var out: Facade;
    out.pane = open * (1.0 - 0.85 * bar * (1.0 - far));
    out.frame = clamp(outer - out.pane, 0.0, 1.0);
    out.light = mix(one, many, far) * boost;
    out.shade = 1.0 - 0.22 * pattern(at.y, px.y, 0.0, 0.035) * select(1.0, 0.0, shop) - 0.18 * pattern(at.y, px.y, 0.94, 0.06);
    return out;
}

// ---- Haze ----------------------------------------------------------------------------------------------------

// Air that thins out with height, lit like the horizon behind.
fn hazed(color: vec3f, world: vec3f) -> vec3f {
    let way = world - camera.position;
    let far = length(way);
    let scale = max(params.fog_height, 1.0);
    let rise = way.y / scale;
    let mean = select((1.0 - exp(-rise)) / rise, 1.0 - 0.5 * rise, abs(rise) < 1e-3);
    let depth = params.fog_density * far * exp(-max(camera.position.y, 0.0) / scale) * clamp(mean, 0.0, 60.0);
    return mix(horizon_color(way), color, exp(-depth));
}

// ---- Surfaces ------------------------------------------------------------------------------------------------

fn shade(in: Corner, front: bool, texel: vec4f, at: TexturePoint, pixel: vec2f) -> vec3f {
    let m = materials[in.material];
    let v = normalize(camera.position - in.world);
    let n = normalize(in.normal) * select(-1.0, 1.0, front);
    var base = m.base_color.rgb * texel.rgb;
    var roughness = m.roughness;
    var f0 = mix(vec3f(0.04), base, m.metallic);
    var emission = m.emissive;
    if (m.kind & EMISSION_MAP) != 0u {
        emission *= textureSampleGrad(emission_map, linear_repeat, at.uv, at.dx, at.dy).rgb;
    }
    let is_wall = (m.kind & WALL) != 0u && params.windows_bay > 0.0 && params.windows_storey > 0.0;
    var glass = 0.0;
    if is_wall && abs(n.y) < 0.3 {
        let w = facade(in.uv, pixel, m.seed);
        base = mix(base * w.shade, min(base * 1.25 + 0.06, vec3f(0.9)), w.frame * 0.8);
        base = mix(base, vec3f(0.015, 0.018, 0.022), w.pane);
        glass = w.pane;
        emission += w.light * w.pane;
    }

    // Streets see little of the sky.
    let sheltered = (m.kind & (WALL | GROUND)) != 0u;
    let open = select(1.0, mix(0.45, 1.0, smoothstep(-2.0, 18.0, in.world.y)), sheltered);
    let to_sun = sun_light.direction;
    let sun = sun_light.color * select(0.0, sunlit(in.world, n), dot(n, to_sun) > 0.0);
    let ambient = params.ambient * open;
    var light = sun * max(dot(n, to_sun), 0.0) + ambient * sky_irradiance(n);
    light += lamp_light(in.world, n);
    var color = base * (1.0 - m.metallic) * light / PI;

    let nv = max(dot(n, v), 0.0);
    let bounced = reflect(-v, n);
    color += mirrored(f0, roughness, nv) * sky_radiance(bounced) * (ambient * (1.0 - roughness));
    color += sun * sun_glint(n, v, to_sun, roughness, f0);
    if glass > 0.0 {
        let fresnel = 0.04 + 0.96 * pow(1.0 - nv, 5.0);
        color += glass * fresnel * sky_radiance(bounced) * params.ambient;
        color += glass * sun * sun_glint(n, v, to_sun, 0.12, vec3f(0.04));
    }
    return hazed(color + emission, in.world);
}

// A place on a texture, and how it moves from pixel to pixel.
struct TexturePoint {
    uv: vec2f,
    dx: vec2f,
    dy: vec2f,
}

// The derivatives are taken of what the vertices say, before the material is looked up: at the edge of a triangle
// a software driver reads zeros as the material of the pixels beside it.
fn texture_point(m: Material, uv: vec2f) -> TexturePoint {
    let turn = mat2x2f(m.uv_u.x, m.uv_v.x, m.uv_u.y, m.uv_v.y);
    return TexturePoint(turn * uv + vec2f(m.uv_u.z, m.uv_v.z), turn * dpdx(uv), turn * dpdy(uv));
}

fn texel_at(at: TexturePoint) -> vec4f {
    return textureSampleGrad(albedo, linear_repeat, at.uv, at.dx, at.dy);
}

@fragment fn fs(in: Corner, @builtin(front_facing) front: bool) -> @location(0) vec4f {
    let at = texture_point(materials[in.material], in.uv);
    return vec4f(shade(in, front, texel_at(at), at, fwidth(in.uv)), 1.0);
}

@fragment fn fs_masked(in: Corner, @builtin(front_facing) front: bool) -> @location(0) vec4f {
    let m = materials[in.material];
    let at = texture_point(m, in.uv);
    let texel = texel_at(at);
    let color = shade(in, front, texel, at, fwidth(in.uv));
    if texel.a * m.base_color.a < m.cutoff {
        discard;
    }
    return vec4f(color, 1.0);
}

@fragment fn fs_blended(in: Corner, @builtin(front_facing) front: bool) -> @location(0) vec4f {
    let m = materials[in.material];
    let at = texture_point(m, in.uv);
    let texel = texel_at(at);
    return vec4f(shade(in, front, texel, at, fwidth(in.uv)), clamp(texel.a * m.base_color.a, 0.0, 1.0));
}
