use cell::prelude::*;

#[derive(Clone, Copy, Gpu)]
#[repr(C, align(16))]
struct Padded {
    at: [f32; 3],
}

#[derive(Clone, Copy, Gpu)]
struct NotC {
    at: [f32; 3],
}

#[derive(Clone, Copy, Gpu)]
#[repr(C)]
struct Wide {
    big: u64,
}

struct Plain;

signal_receptor! {
    name: demo_v1,
    output: Writes { plain: Instances<Plain, 4> },
}

fn main() {}
