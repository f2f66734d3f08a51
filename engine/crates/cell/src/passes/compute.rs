//! A compute pass.
use crate::{
    Sealed,
    ports::{AsPort, PaintView, ReadView, SealedKind, TextureKind},
};
use cell_wire::{Compute, Pass, Read, SealedBind, Store, ViewOf, Work};

/// A compute pass under construction, from [`crate::Passes::compute`].
pub struct ComputePass<'p> {
    pass: &'p mut Pass,
}

impl<'p> ComputePass<'p> {
    pub(super) fn new(pass: &'p mut Pass) -> Self {
        Self { pass }
    }

    fn compute(&mut self) -> &mut Compute {
        match &mut self.pass.work {
            Work::Compute(c) => c,
            Work::Raster(_) => unreachable!("`Passes::compute` makes compute work"),
        }
    }

    /// Names the pass in messages and reports; without it, its entry point does.
    pub fn label(self, label: &str) -> Self {
        self.pass.label = label.to_owned();
        self
    }

    /// Lets the shader read a texture, uniform or storage port, or a level of a texture.
    pub fn read(self, view: impl ReadView) -> Self {
        self.pass.reads.push(view.to_read());
        self
    }

    /// Lets the shader read a texture as of the last submitted frame, as `NAME_prev`.
    pub fn read_previous<P: AsPort>(self, port: P) -> Self
    where
        P::Kind: TextureKind,
    {
        self.pass.reads.push(Read { port: port.as_port().index(), view: ViewOf::Previous });
        self
    }

    /// Binds a sealed resource to a sealed port.
    pub fn bind<P: AsPort>(self, port: P, sealed: &Sealed<P::Kind>) -> Self
    where
        P::Kind: SealedKind,
    {
        self.pass.sealed.push(SealedBind { port: port.as_port().index(), id: sealed.id });
        self
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
