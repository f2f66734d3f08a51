//! A cell that fills 3,000 transforms of 40 bytes in each tick, for benchmarks: `way` says how. Nobody reads them.
use cell::prelude::*;

const COUNT: usize = 3000;

/// A place, a rotation and a scale.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
struct Transform {
    /// In metres.
    position: [f32; 3],
    /// A quaternion: x, y, z, w.
    rotation: [f32; 4],
    /// One factor for each axis.
    scale: [f32; 3],
}

impl Transform {
    /// Returns the transform `n` of a frame. The benchmark does the same by hand, and compares the bytes.
    #[inline]
    fn of(n: usize, frame: u64) -> Self {
        let (n, t) = (n as f32, frame as f32);
        let scale = 1.0 + t * 0.125;
        Self { position: [n, t, n + t], rotation: [0.0, 0.0, 0.0, 1.0], scale: [scale, scale, scale] }
    }
}

signal_receptor! {
    name: bench_fill_v1,
    params: { way: u32 = 1 },
    own: Crowd { transforms: Instances<Transform, 3000> },
}

#[derive(Default)]
struct BenchFill {
    ready: Vec<Transform>,
}

impl Cell for BenchFill {
    fn tick(&mut self, cx: &mut Cx<bench_fill_v1>) {
        let frame = cx.frame().0;
        let fill = |out: &mut [Transform]| {
            for (n, to) in out.iter_mut().enumerate() {
                *to = Transform::of(n, frame);
            }
        };
        match cx.params().way {
            // Ready ones are handed over.
            0 => {
                if self.ready.is_empty() {
                    self.ready = (0..COUNT).map(|n| Transform::of(n, frame)).collect();
                }
                cx.transforms().write(&self.ready);
            }
            // They are made in place.
            1 => cx.transforms().write_with(COUNT, fill),
            // The same in what is there already.
            _ => cx.transforms().update(fill),
        }
    }
}

cell::export!(BenchFill);
