// A field of cubes, each turned about the vertical, under one light; a fourth of them glows.

struct Corner {
    @builtin(position) position: vec4f,
    @location(0) normal: vec3f,
    @location(1) color: vec3f,
}

@vertex fn vs(v: Vertex, c: Cube) -> Corner {
    let s = sin(c.turn);
    let k = cos(c.turn);
    let turn = mat3x3f(k, 0.0, -s, 0.0, 1.0, 0.0, s, 0.0, k);
    var out: Corner;
    out.position = camera.view_proj * vec4f(c.position + c.size * (turn * v.position), 1.0);
    out.normal = turn * v.normal;
    out.color = c.color;
    return out;
}

@fragment fn fs(in: Corner) -> @location(0) vec4f {
    let to_light = vec3f(0.424, 0.848, 0.318);
    let lit = max(dot(in.normal, to_light), 0.0);
    let sky = mix(vec3f(0.16, 0.13, 0.12), vec3f(0.22, 0.27, 0.36), 0.5 + 0.5 * in.normal.y);
    return vec4f(in.color * (sky + lit * vec3f(1.0, 0.93, 0.82)), 1.0);
}
