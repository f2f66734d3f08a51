//! The passes of a cell, as data.
mod builder;
mod compute;
mod raster;

pub use builder::PassBuilder;
pub use compute::ComputePass;
pub use raster::{DepthWrite, RasterPass};

use crate::Contract;
use cell_wire::{Compute, Draw, Pass, PassList, Raster, Work};

/// The pass list of a cell with the contract `C`. It replaces the cell's list when `passes` returns, and is
/// replayed each frame with the newest data until the next one.
///
/// ```no_run
/// use cell::prelude::*;
///
/// signal_receptor! {
///     name: bloom_v1, shader: "bloom.wgsl",
///     params: { threshold: f32 = 1.0 },
///     input:  BloomReads { scene_color: Screen<Rgba16Float, 1, 1> },
///     own:    Chain { mips: ScreenMips<Rgba16Float, 1, 2, 6> },
///     output: BloomWrites { bloom_result: Screen<Rgba16Float, 1, 1> },
/// }
///
/// #[derive(Default)]
/// struct Bloom;
///
/// impl Cell for Bloom {
///     fn passes(&self, p: &mut Passes<bloom_v1>) {
///         p.full("threshold").read(scene_color).write(mips.level(0));
///         for i in 1..6 {
///             p.full("down").read(mips.level(i - 1)).write(mips.level(i));
///         }
///         for i in (0..5).rev() {
///             p.full("up").read(mips.level(i + 1)).add(mips.level(i));
///         }
///         p.full("composite").read(mips.level(0)).write(bloom_result);
///     }
/// }
/// # fn main() {}
/// ```
pub struct Passes<'r, C: Contract> {
    list: PassList,
    screen_px: [u32; 2],
    params: &'r C::Params,
}

impl<'r, C: Contract> Passes<'r, C> {
    pub(crate) fn new(screen_px: [u32; 2], params: &'r C::Params) -> Self {
        Self { list: PassList::default(), screen_px, params }
    }

    pub(crate) fn into_list(self) -> PassList {
        self.list
    }

    /// Returns the output size in pixels, `[width, height]`.
    #[must_use]
    pub fn screen_px(&self) -> [u32; 2] {
        self.screen_px
    }

    /// Returns the parameters, as the scene gives them.
    #[must_use]
    pub fn params(&self) -> &'r C::Params {
        self.params
    }

    /// Adds a pass that covers its targets: the fragment entry point `fragment` runs for each pixel and gets
    /// `in: Full`, whose `uv` is (0, 0) in the upper left corner.
    pub fn full(&mut self, fragment: &str) -> RasterPass<'_> {
        let raster = Raster {
            fragment: Some(fragment.to_owned()),
            draws: vec![Draw::triangle()],
            ..Raster::default()
        };
        PassBuilder::new(self.push(fragment, Work::Raster(raster)))
    }

    /// Adds a pass that draws with the entry points `vertex` and `fragment`.
    pub fn draw(&mut self, vertex: &str, fragment: &str) -> RasterPass<'_> {
        let raster = Raster {
            vertex: Some(vertex.to_owned()),
            fragment: Some(fragment.to_owned()),
            ..Raster::default()
        };
        PassBuilder::new(self.push(fragment, Work::Raster(raster)))
    }

    /// Adds a pass that draws depth only: a shadow map.
    pub fn depth_only(&mut self, vertex: &str) -> RasterPass<'_> {
        let raster = Raster { vertex: Some(vertex.to_owned()), ..Raster::default() };
        PassBuilder::new(self.push(vertex, Work::Raster(raster)))
    }

    /// Adds a compute pass with the entry point `entry`.
    pub fn compute(&mut self, entry: &str) -> ComputePass<'_> {
        let compute = Compute { entry: entry.to_owned(), groups: [1; 3], stores: Vec::new() };
        PassBuilder::new(self.push(entry, Work::Compute(compute)))
    }

    fn push(&mut self, label: &str, work: Work) -> &mut Pass {
        let pass = Pass { label: label.to_owned(), work, reads: Vec::new(), sealed: Vec::new() };
        self.list.passes.push(pass);
        self.list.passes.last_mut().expect("just pushed")
    }
}
