// The world: a sun with a shadow map, light from the sky, street lamps, lit windows, haze.

const PI = 3.14159265;
const WALL = 1u;
const GROUND = 2u;
const EMISSION_MAP = 4u;
const NORMAL_MAP = 8u;
const SURFACE_MAP = 16u;
const OCCLUSION_MAP = 32u;
const UNLIT = 64u;
const DOUBLE_SIDED = 128u;

// ---- Vertices ------------------------------------------------------------------------------------------------

struct Corner {
    @builtin(position) @invariant position: vec4f,
    @location(0) world: vec3f,
    @location(1) normal: vec3f,
    @location(2) uv: vec2f,
    @location(3) @interpolate(flat) material: u32,
}

// What the shader of all of glTF interpolates.
struct Detailed {
    @builtin(position) @invariant position: vec4f,
    @location(0) world: vec3f,
    @location(1) normal: vec3f,
    // Both sets of texture coordinates.
    @location(2) uv: vec4f,
    @location(3) @interpolate(flat) material: u32,
    @location(4) tangent: vec4f,
    @location(5) color: vec4f,
}

// Rows of an affine matrix.
struct Rows {
    x: vec4f,
    y: vec4f,
    z: vec4f,
}

fn moved(m: Rows, p: vec3f) -> vec3f {
    let at = vec4f(p, 1.0);
    return vec3f(dot(m.x, at), dot(m.y, at), dot(m.z, at));
}

// Normals need the inverse transpose: that is the matrix of cofactors, up to a factor.
fn turned(m: Rows, n: vec3f) -> vec3f {
    let a = m.x.xyz;
    let b = m.y.xyz;
    let c = m.z.xyz;
    return vec3f(dot(cross(b, c), n), dot(cross(c, a), n), dot(cross(a, b), n));
}

fn rows(i: Instance) -> Rows {
    return Rows(i.row0, i.row1, i.row2);
}

// The mean of the poses that a corner follows.
fn posed(b: Bones) -> Rows {
    var out = Rows(vec4f(0.0), vec4f(0.0), vec4f(0.0));
    for (var k = 0u; k < 4u; k++) {
        let w = b.weights[k];
        if w > 0.0 {
            let p = poses[b.joints[k]];
            out.x += w * p.x;
            out.y += w * p.y;
            out.z += w * p.z;
        }
    }
    return out;
}

fn seen(world: vec3f) -> vec4f {
    return camera.view_proj * vec4f(world, 1.0);
}

@vertex fn vs(v: Vertex, i: Instance) -> Corner {
    var out: Corner;
    out.world = moved(rows(i), v.position);
    out.position = seen(out.world);
    out.normal = turned(rows(i), v.normal);
    out.uv = v.uv;
    out.material = v.material;
    return out;
}

fn detailed(v: Vertex, d: Detail, m: Rows) -> Detailed {
    let side = sign(dot(m.x.xyz, cross(m.y.xyz, m.z.xyz)));
    var out: Detailed;
    out.world = moved(m, v.position);
    out.position = seen(out.world);
    out.normal = turned(m, v.normal) * side;
    out.uv = vec4f(v.uv, d.uv1);
    out.material = v.material;
    let t = d.tangent.xyz;
    out.tangent = vec4f(dot(m.x.xyz, t), dot(m.y.xyz, t), dot(m.z.xyz, t), d.tangent.w * side);
    out.color = d.color;
    return out;
}

@vertex fn vs_detailed(v: Vertex, d: Detail, i: Instance) -> Detailed {
    return detailed(v, d, rows(i));
}

@vertex fn vs_posed(v: Vertex, d: Detail, b: Bones) -> Detailed {
    return detailed(v, d, posed(b));
}

struct Depth {
    @builtin(position) @invariant position: vec4f,
}

@vertex fn vs_posed_depth(v: Vertex, b: Bones) -> Depth {
    return Depth(seen(moved(posed(b), v.position)));
}

fn in_shadow_map(world: vec3f) -> vec4f {
    return sun_light.shadow_proj * vec4f(world, 1.0);
}

@vertex fn vs_shadow(v: Vertex, i: Instance) -> @builtin(position) vec4f {
    return in_shadow_map(moved(rows(i), v.position));
}

@vertex fn vs_posed_shadow(v: Vertex, b: Bones) -> @builtin(position) vec4f {
    return in_shadow_map(moved(posed(b), v.position));
}

// Shadows of what has holes.
struct Cut {
    @builtin(position) position: vec4f,
    @location(0) uv: vec4f,
    @location(1) opacity: f32,
    @location(2) @interpolate(flat) material: u32,
}

@vertex fn vs_shadow_cut(v: Vertex, d: Detail, i: Instance) -> Cut {
    return Cut(in_shadow_map(moved(rows(i), v.position)), vec4f(v.uv, d.uv1), d.color.a, v.material);
}

@vertex fn vs_posed_shadow_cut(v: Vertex, d: Detail, b: Bones) -> Cut {
    return Cut(in_shadow_map(moved(posed(b), v.position)), vec4f(v.uv, d.uv1), d.color.a, v.material);
}

@fragment fn fs_shadow_cut(in: Cut) {
    let at = Places(in.uv, dpdx(in.uv), dpdy(in.uv));
    let m = materials[in.material];
    let opacity = m.base_color.a * in.opacity * tap(albedo, m.uv_u, m.uv_v, at).a;
    if opacity < m.cutoff {
        discard;
    }
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

// ---- The file's own lights -----------------------------------------------------------------------------------

// What one of them sends to a point.
struct Ray {
    // Towards the light, of length 1.
    to: vec3f,
    // On a surface that faces it.
    irradiance: vec3f,
}

// Falls off with the square of the distance and ends at the range (KHR_lights_punctual, "Range Property"); the edge
// of a cone is soft from its inner to its outer angle ("Inner and Outer Cone Angles").
fn ray_from(light: Light, world: vec3f) -> Ray {
    if light.range < 0.0 {
        return Ray(-light.direction, light.color);
    }
    let way = light.position - world;
    let d2 = max(dot(way, way), 1e-4);
    let to = way * inverseSqrt(d2);
    let share = d2 / max(light.range * light.range, 1e-8);
    let window = select(1.0, clamp(1.0 - share * share, 0.0, 1.0), light.range > 0.0);
    let cone = clamp(dot(light.direction, -to) * light.cone_scale + light.cone_offset, 0.0, 1.0);
    return Ray(to, light.color * (window * cone * cone / d2));
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

// ---- Plain surfaces: rough, opaque, no metal -------------------------------------------------------------------

fn shade(in: Corner, front: bool, texel: vec4f, at: TexturePoint, pixel: vec2f) -> vec3f {
    let m = materials[in.material];
    let v = normalize(camera.position - in.world);
    let n = normalize(in.normal) * select(-1.0, 1.0, front);
    var base = m.base_color.rgb * texel.rgb;
    let roughness = m.roughness;
    let f0 = vec3f(0.04);
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
    var glints = vec3f(0.0);
    for (var k = 0u; k < sun_light.lights.x; k++) {
        let ray = ray_from(punctual[k], in.world);
        light += ray.irradiance * max(dot(n, ray.to), 0.0);
        glints += ray.irradiance * sun_glint(n, v, ray.to, m.roughness, vec3f(0.04));
    }
    var color = base * light / PI + glints;

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

// ---- Surfaces with all that glTF has --------------------------------------------------------------------------

// Both sets of texture coordinates, and how they move from pixel to pixel.
struct Places {
    uv: vec4f,
    dx: vec4f,
    dy: vec4f,
}

// What is beyond a texture's edge: 0 repeats, 1 is the edge, 2 a mirror.
fn folded(x: f32, wrap: u32) -> f32 {
    if wrap == 0u {
        return fract(x);
    }
    return select(1.0 - abs(1.0 - 2.0 * fract(0.5 * x)), clamp(x, 0.0, 1.0), wrap == 1u);
}

// A texture where the rows `u` and `v` of a material put it; the last number of `u` says what is beyond its edge
// (see maps.rs). There are samplers that repeat and that stop at the edge on both axes; what differs between the
// axes repeats, and the other axis is kept half a texel off the edge.
fn tap(t: texture_2d<f32>, u: vec4f, v: vec4f, at: Places) -> vec4f {
    let code = u32(u.w);
    let second = (code & 64u) != 0u;
    let turn = mat2x2f(u.x, v.x, u.y, v.y);
    var uv = turn * select(at.uv.xy, at.uv.zw, second) + vec2f(u.z, v.z);
    let dx = turn * select(at.dx.xy, at.dx.zw, second);
    let dy = turn * select(at.dy.xy, at.dy.zw, second);
    if (code & 31u) == 0u {
        return textureSampleGrad(t, linear_repeat, uv, dx, dy);
    }
    let size = vec2f(textureDimensions(t));
    let texels = sqrt(max(dot(dx * size, dx * size), dot(dy * size, dy * size)));
    let wrap = vec2u(code & 3u, (code >> 2u) & 3u);
    if (code & 16u) != 0u && texels < 1.0 {
        return textureSampleLevel(t, nearest_clamp, vec2f(folded(uv.x, wrap.x), folded(uv.y, wrap.y)), 0.0);
    }
    if all(wrap != vec2u(0u)) {
        return textureSampleGrad(t, linear_clamp, vec2f(folded(uv.x, wrap.x), folded(uv.y, wrap.y)), dx, dy);
    }
    let rim = min(0.5 * max(texels, 1.0) / size, vec2f(0.5));
    if wrap.x != 0u {
        uv.x = clamp(folded(uv.x, wrap.x), rim.x, 1.0 - rim.x);
    }
    if wrap.y != 0u {
        uv.y = clamp(folded(uv.y, wrap.y), rim.y, 1.0 - rim.y);
    }
    return textureSampleGrad(t, linear_repeat, uv, dx, dy);
}

// A level of the sky's mirror at an azimuth and a height from 0 (north, straight up) to 1 (see the cell `sky`): the
// upper half of the picture is the sharp sky, the lower half four rougher ones. The first and last column and row of
// each are the same directions, so that nothing bleeds over an edge.
fn mirror_level(at: vec2f, level: u32) -> vec3f {
    let size = select(vec2f(128.0, 64.0), vec2f(256.0, 128.0), level == 0u);
    let k = max(level, 1u) - 1u;
    let corner = select(vec2f(f32(k & 1u) * 128.0, 128.0 + f32(k >> 1u) * 64.0), vec2f(0.0), level == 0u);
    return textureSampleLevel(sky_mirror, linear_clamp, (corner + 0.5 + at * (size - 1.0)) / 256.0, 0.0).rgb;
}

// What a surface of a roughness mirrors in a direction.
fn sky_mirrored(dir: vec3f, roughness: f32) -> vec3f {
    let at = vec2f(fract(atan2(dir.x, -dir.z) / (2.0 * PI)), 0.5 - asin(clamp(dir.y, -1.0, 1.0)) / PI);
    let level = clamp(roughness, 0.0, 1.0) * 4.0;
    let low = min(u32(level), 3u);
    return mix(mirror_level(at, low), mirror_level(at, low + 1u), level - f32(low));
}

// A surface as light meets it.
struct Surface {
    world: vec3f,
    // Towards the eye, of length 1.
    v: vec3f,
    n: vec3f,
    // What is scattered: nothing in a metal.
    diffuse: vec3f,
    // How much is mirrored when seen straight on.
    f0: vec3f,
    // The square of glTF's roughness.
    a: f32,
    // 1 + what light gains that bounces between the facets of a rough surface (see `lit`).
    gain: vec3f,
}

// What a surface sends to the eye of light from a direction, for an irradiance of 1 on a surface that faces it.
// The BRDF of glTF 2.0, appendix B: Lambert, and facets spread by GGX (Trowbridge and Reitz 1975; Walter et al.,
// "Microfacet Models for Refraction", EGSR 2007) that hide each other as Smith has it, height-correlated (Heitz,
// "Understanding the Masking-Shadowing Function", JCGT 2014), with Fresnel by Schlick (1994).
fn scattered(s: Surface, to: vec3f) -> vec3f {
    let nl = dot(s.n, to);
    if nl <= 0.0 {
        return vec3f(0.0);
    }
    let h = normalize(s.v + to);
    let nh = max(dot(s.n, h), 0.0);
    let nv = max(dot(s.n, s.v), 1e-3);
    let a2 = s.a * s.a;
    let d = nh * nh * (a2 - 1.0) + 1.0;
    let spread = a2 / (PI * d * d);
    let hidden = 0.5 / (nl * sqrt(nv * nv * (1.0 - a2) + a2) + nv * sqrt(nl * nl * (1.0 - a2) + a2));
    let fresnel = s.f0 + (1.0 - s.f0) * pow(1.0 - max(dot(h, s.v), 0.0), 5.0);
    return nl * ((1.0 - fresnel) * s.diffuse / PI + min(fresnel * s.gain * (spread * hidden), vec3f(64.0)));
}

struct Found {
    color: vec3f,
    opacity: f32,
}

// The maps of a material at a corner. `front` is false where the back is seen.
fn found(in: Detailed, front: bool, at: Places) -> Found {
    let curved = uneven(normalize(in.normal));
    let m = materials[in.material];
    let texel = tap(albedo, m.uv_u, m.uv_v, at);
    var base = m.base_color.rgb * in.color.rgb * texel.rgb;
    let opacity = m.base_color.a * in.color.a * texel.a;
    let pixel = abs(at.dx.xy) + abs(at.dy.xy);
    if (m.kind & UNLIT) != 0u {
        return Found(hazed(base, in.world), opacity);
    }
    let more = maps[in.material];
    var metallic = m.metallic;
    var roughness = m.roughness;
    if (m.kind & SURFACE_MAP) != 0u {
        let gb = tap(surface_map, more.surface_u, more.surface_v, at).gb;
        roughness *= gb.x;
        metallic *= gb.y;
    }
    var emission = m.emissive;
    if (m.kind & EMISSION_MAP) != 0u {
        emission *= tap(emission_map, more.emission_u, more.emission_v, at).rgb;
    }
    var occlusion = 1.0;
    if (m.kind & OCCLUSION_MAP) != 0u {
        let r = tap(occlusion_map, more.occlusion_u, more.occlusion_v, at).r;
        occlusion = 1.0 + more.occlusion_strength * (r - 1.0);
    }
    let face = select(-1.0, 1.0, front);
    let outward = normalize(in.normal) * face;
    var n = outward;
    var rough = curved;
    if (m.kind & NORMAL_MAP) != 0u {
        let bent = tap(normal_map, more.normal_u, more.normal_v, at).xyz * 2.0 - 1.0;
        let t = normalize(in.tangent.xyz) * face;
        let b = normalize(cross(in.normal, in.tangent.xyz)) * in.tangent.w * face;
        let xy = bent.xy * more.normal_scale;
        n = normalize(t * xy.x + b * xy.y + outward * max(bent.z, 1e-3));
        rough += bumpy(bent);
    }

    var glass = 0.0;
    let is_wall = (m.kind & WALL) != 0u && params.windows_bay > 0.0 && params.windows_storey > 0.0;
    if is_wall && abs(outward.y) < 0.3 {
        let w = facade(in.uv.xy, pixel, m.seed);
        base = mix(base * w.shade, min(base * 1.25 + 0.06, vec3f(0.9)), w.frame * 0.8);
        base = mix(base, vec3f(0.015, 0.018, 0.022), w.pane);
        roughness = mix(roughness, 0.12, w.pane);
        metallic *= 1.0 - w.pane;
        n = normalize(mix(n, outward, w.pane));
        emission += w.light * w.pane;
        glass = w.pane;
    }
    let sheltered = (m.kind & (WALL | GROUND)) != 0u;
    let open = select(1.0, mix(0.45, 1.0, smoothstep(-2.0, 18.0, in.world.y)), sheltered);

    var s: Surface;
    s.world = in.world;
    s.v = normalize(camera.position - in.world);
    s.n = n;
    s.diffuse = base * (1.0 - clamp(metallic, 0.0, 1.0));
    s.f0 = mix(vec3f(more.reflectance), base, clamp(metallic, 0.0, 1.0));
    // What differs within a pixel makes it rougher.
    let a = pow(clamp(roughness, 0.045, 1.0), 2.0);
    s.a = sqrt(min(a * a + min(rough, 0.18), 1.0));
    let soft = sqrt(s.a);
    let color = lit(s, outward, soft, occlusion, params.ambient * mix(open, 1.0, glass));
    return Found(hazed(color + emission, in.world), opacity);
}

// How much the normals of a pixel differ (Tokuyoshi and Kaplanyan, "Improved Geometric Specular Antialiasing", I3D
// 2019).
fn uneven(n: vec3f) -> f32 {
    let dx = dpdx(n);
    let dy = dpdy(n);
    return 0.5 * (dot(dx, dx) + dot(dy, dy));
}

// How much the normals differ whose mean a normal map's texel is: the more, the shorter it is (Neubelt and Pettineo,
// "Crafting a Next-Gen Material Pipeline for The Order: 1886", 2013). Rounding to 8 bits is let pass.
fn bumpy(mean: vec3f) -> f32 {
    let l = clamp(length(mean) + 0.01, 0.1, 1.0);
    return 0.5 * (1.0 - l * l) / (3.0 * l - l * l * l);
}

// Sun, sky, street lamps and the file's own lights. `outward` is the normal without a map.
fn lit(s: Surface, outward: vec3f, roughness: f32, occlusion: f32, ambient: f32) -> vec3f {
    let nv = max(dot(s.n, s.v), 1e-3);
    // The sky, by parts: how much is mirrored, and what of that bounces more than once (Fdez-Aguera, "A
    // Multiple-Scattering Microfacet Model for Real-Time Image Based Lighting", JCGT 2019).
    let once = mirrored(s.f0, roughness, nv);
    let all = mirrored(vec3f(1.0), roughness, nv).x;
    let mean = s.f0 + (1.0 - s.f0) / 21.0;
    let again = once * mean / (1.0 - mean * (1.0 - all)) * (1.0 - all);
    let diffuse = s.diffuse * (1.0 - once - again);
    var surface = s;
    surface.gain = 1.0 + s.f0 * (1.0 / max(all, 0.05) - 1.0);

    // What occludes the sky occludes its mirror image too (Lagarde and de Rousiers, "Moving Frostbite to PBR", 2014).
    let open = clamp(pow(nv + occlusion, exp2(-16.0 * roughness - 1.0)) - 1.0 + occlusion, 0.0, 1.0);
    var color = (diffuse + again) * sky_irradiance(s.n) * (occlusion * ambient / PI);
    color += once * sky_mirrored(reflect(-s.v, s.n), roughness) * (open * ambient);

    let to_sun = sun_light.direction;
    let sun = sun_light.color * select(0.0, sunlit(s.world, outward), dot(outward, to_sun) > 0.0);
    color += sun * scattered(surface, to_sun);
    color += s.diffuse / PI * lamp_light(s.world, s.n);
    for (var k = 0u; k < sun_light.lights.x; k++) {
        let ray = ray_from(punctual[k], s.world);
        color += ray.irradiance * scattered(surface, ray.to);
    }
    return color;
}

@fragment fn fs_detailed(in: Detailed, @builtin(front_facing) front: bool) -> @location(0) vec4f {
    let at = Places(in.uv, dpdx(in.uv), dpdy(in.uv));
    return vec4f(found(in, front, at).color, 1.0);
}

@fragment fn fs_masked(in: Detailed, @builtin(front_facing) front: bool) -> @location(0) vec4f {
    let at = Places(in.uv, dpdx(in.uv), dpdy(in.uv));
    let it = found(in, front, at);
    if it.opacity < materials[in.material].cutoff {
        discard;
    }
    return vec4f(it.color, 1.0);
}

// One pass draws them all, so it culls by itself.
@fragment fn fs_blended(in: Detailed, @builtin(front_facing) front: bool) -> @location(0) vec4f {
    let at = Places(in.uv, dpdx(in.uv), dpdy(in.uv));
    let it = found(in, front, at);
    if !front && (materials[in.material].kind & DOUBLE_SIDED) == 0u {
        discard;
    }
    return vec4f(it.color, clamp(it.opacity, 0.0, 1.0));
}
