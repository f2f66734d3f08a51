@fragment
fn fill(in: Full) -> @location(0) vec4f {
    return vec4f(params.colour, 1.0);
}
