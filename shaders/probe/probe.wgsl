// What the probe shows: green while a promise holds, red when it does not.

const GOOD = vec4f(0.0, 0.5, 0.0, 1.0);
const BAD = vec4f(1.0, 0.0, 0.0, 1.0);

@fragment fn fill() -> @location(0) vec4f {
    return GOOD;
}

@fragment fn relay(in: Full) -> @location(0) vec4f {
    return textureLoad(taken, vec2i(in.position.xy), 0);
}

// The frame, the column and the row in one number.
@fragment fn number(in: Full) -> @location(0) u32 {
    return frame.index * 100u + u32(in.position.x) * 10u + u32(in.position.y);
}

@fragment fn copied(in: Full) -> @location(0) u32 {
    return pattern[u32(in.position.y) * 5u + u32(in.position.x)];
}

@vertex fn point(dot: Dot) -> @builtin(position) vec4f {
    return vec4f(dot.at, 0.0, 1.0);
}

@compute @workgroup_size(1) fn paint() {
    textureStore(given_out, vec2i(0), GOOD);
}

// See src/carry.rs: change m meets place 1 + m % 63.
@fragment fn carried(in: Full) -> @location(0) vec4f {
    let changes = heard[0];
    for (var place = 1u; place < 64u; place++) {
        let since = (changes + 63u - (place - 1u)) % 63u;
        if heard[place] != select(changes - since, 0u, since > changes) {
            return BAD;
        }
    }
    return GOOD;
}

// In x the frame in which history began, in y what `previous` held then, in z this frame, in w 1 while `previous`
// was that of the frame before ever since, else -1. All zeros: this pass has not run yet.
@fragment fn remember(in: Full) -> @location(0) vec4f {
    let now = f32(frame.index);
    let last = textureLoad(trail_prev, vec2i(in.position.xy), 0);
    if frame.history_valid == 0u || all(last == vec4f(0.0)) {
        return vec4f(now, dot(abs(last), vec4f(1.0)), now, 1.0);
    }
    return vec4f(last.xy, now, select(-1.0, last.w, last.z == now - 1.0));
}

// Red: history broke, or did not begin with zeros. Green: it goes on. Blue: the bits of the frame in which it began, in
// columns of 16 pixels, the lowest on the left.
@fragment fn show(in: Full) -> @location(0) vec4f {
    let t = textureLoad(trail, vec2i(in.position.xy), 0);
    let good = t.w == 1.0 && t.y == 0.0 && t.z == f32(frame.index);
    let bit = (u32(t.x) >> (u32(in.position.x) / 16u)) & 1u;
    return vec4f(select(1.0, 0.0, good), select(0.0, 1.0, good), f32(bit), 1.0);
}
