use cell::prelude::*;

signal_receptor! {
    name: demo_v1,
    input: Reads { goal: Uniform<f32> },
    output: Writes { heard: Buffer<f32, 64> },
}

#[derive(Default)]
struct Demo;

impl Cell for Demo {
    fn tick(&mut self, cx: &mut Cx<demo_v1>) {
        cx.heard().write(&[1u32, 2]);
        cx.goal().set(&1.0);
    }
}

fn main() {}
