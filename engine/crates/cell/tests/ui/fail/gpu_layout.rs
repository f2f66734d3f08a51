use cell::prelude::*;

#[derive(Clone, Copy, Gpu)]
#[repr(C)]
struct Misplaced {
    watts: f32,
    at: [f32; 3],
}

#[derive(Clone, Copy, Gpu)]
#[repr(C)]
struct Short {
    at: [f32; 3],
}

#[derive(Clone, Copy, Gpu)]
#[repr(C)]
struct Colored {
    color: [u8; 4],
}

signal_receptor! {
    name: demo_v1,
    output: Writes {
        fine: Instances<Misplaced, 4>,
        a: Uniform<Misplaced>,
        b: Buffer<Short, 4>,
        c: Uniform<Colored>,
    },
}

fn main() {}
