//! What every pass has, of whatever kind: a label, what it reads, what is bound for all of it.
use crate::{
    Sealed,
    ports::{AsPort, ReadView, SealedKind, TextureKind},
};
use cell_wire::{Pass, Read, SealedBind, ViewOf};

/// A pass under construction: a [`RasterPass`](crate::RasterPass) or a [`ComputePass`](crate::ComputePass).
pub struct PassBuilder<'p, K: PassKind> {
    pub(super) pass: &'p mut Pass,
    pub(super) kind: K,
}

/// A kind of pass, and what its builder remembers.
pub trait PassKind: Default {
    /// Completes the pass when all was said.
    #[doc(hidden)]
    fn finish(&self, pass: &mut Pass);
}

impl<'p, K: PassKind> PassBuilder<'p, K> {
    pub(super) fn new(pass: &'p mut Pass) -> Self {
        Self { pass, kind: K::default() }
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

    /// Lets the shader read a texture as of the last submitted frame, as `NAME_prev`. Where there is none (in the first
    /// frame, after a new size or a lost device) it holds zeros, and `frame.history_valid` is 0.
    pub fn read_previous<P: AsPort>(self, port: P) -> Self
    where
        P::Kind: TextureKind,
    {
        self.pass.reads.push(Read { port: port.as_port().index(), view: ViewOf::Previous });
        self
    }

    /// Binds a sealed resource to a sealed port, for the whole pass.
    pub fn bind<P: AsPort>(self, port: P, sealed: &Sealed<P::Kind>) -> Self
    where
        P::Kind: SealedKind,
    {
        self.pass.sealed.push(SealedBind { port: port.as_port().index(), id: sealed.id });
        self
    }
}

impl<K: PassKind> Drop for PassBuilder<'_, K> {
    fn drop(&mut self) {
        self.kind.finish(self.pass);
    }
}
