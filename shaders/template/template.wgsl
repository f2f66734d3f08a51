// A soft ring that breathes. `frame`, `params` and `Full` are declared by the engine in front of this file.

@fragment
fn ring(in: Full) -> @location(0) vec4f {
    let aspect = vec2f(frame.screen.x / frame.screen.y, 1.0);
    let distance = length((in.uv - 0.5) * aspect);
    let wave = 0.5 + 0.5 * sin(6.2832 * params.speed * frame.time);
    let glow = exp(-pow((distance - params.radius) * 40.0, 2.0)) * (0.3 + 0.7 * wave);
    return vec4f(params.color * glow, 0.0);
}
