// One pixel, for the benchmarks.
@fragment fn paint(in: Full) -> @location(0) vec4f {
    return vec4f(in.uv, 0.0, 1.0);
}
