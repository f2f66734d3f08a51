//! A compute pass.
use super::builder::{PassBuilder, PassKind};
use crate::ports::PaintView;
use cell_wire::{Compute, Pass, Store, Work};

/// A compute pass under construction, from [`crate::Passes::compute`].
pub type ComputePass<'p> = PassBuilder<'p, OfCompute>;

/// The kind of compute passes.
#[derive(Debug, Default)]
pub struct OfCompute;

impl PassKind for OfCompute {
    fn finish(&self, _: &mut Pass) {}
}

impl ComputePass<'_> {
    fn compute(&mut self) -> &mut Compute {
        match &mut self.pass.work {
            Work::Compute(c) => c,
            Work::Raster(_) => unreachable!("`Passes::compute` makes compute work"),
        }
    }

    /// Lets the shader store to a texture (or a level of it) of direction output or own, as `NAME_out`.
    pub fn store(mut self, view: impl PaintView) -> Self {
        let (port, level) = view.to_target();
        self.compute().stores.push(Store { port, level });
        self
    }

    /// Runs this many workgroups in x, y and z; 1, 1, 1 without it.
    pub fn groups(mut self, x: u32, y: u32, z: u32) -> Self {
        self.compute().groups = [x, y, z];
        self
    }
}
