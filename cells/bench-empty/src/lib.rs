//! A cell that does nothing, for benchmarks and tests: what one more cell, tick or pass costs is all the
//! engine's. Its tick is empty (`rate: OnMail` in the scene makes it idle), and `passes` passes paint its own
//! texture of one pixel, which nobody reads.
use cell::prelude::*;

signal_receptor! {
    name: bench_empty_v1, shader: "bench-empty.wgsl",
    params: { passes: u32 = 0 },
    own: Dot { dot: TextureRef<Rgba8Unorm, 1, 1> },
}

#[derive(Default)]
struct BenchEmpty;

impl Cell for BenchEmpty {
    // Written out: a cell without a `tick` is never called.
    fn tick(&mut self, _: &mut Cx<bench_empty_v1>) {}

    fn passes(&self, p: &mut Passes<bench_empty_v1>) {
        for _ in 0..p.params().passes {
            p.full("paint").write(dot);
        }
    }
}

cell::export!(BenchEmpty);
