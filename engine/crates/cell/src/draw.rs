//! Draws of a pass.
use crate::{
    Sealed,
    ports::{AsPort, BufferKind, Counts, Port, SealedKind},
};
use cell_wire::{Count, Draw, SealedBind};

/// One draw of a pass: a range of vertices or indices, how often, and with which sealed resources.
///
/// ```no_run
/// # use cell::prelude::*;
/// # signal_receptor! { name: d_v1, own: Own { mesh: SealedVertices<[f32; 4]>, tris: SealedIndices,
/// #     trees: Instances<[f32; 4], 100> }, output: Out { scene_color: Screen<Rgba16Float, 1, 1> } }
/// # fn f(p: &mut Passes<d_v1>, vertices: Sealed<SealedVertices<[f32; 4]>>, indices: Sealed<SealedIndices>) {
/// p.draw("vs", "fs").vertices(mesh).instances(trees).indices(tris).write(scene_color).draw(
///     DrawCall::indexed(0, indices.count())
///         .bind(mesh, &vertices)
///         .bind(tris, &indices)
///         .instances(published(trees)),
/// );
/// # }
/// # fn main() {}
/// ```
#[derive(Clone, Debug)]
#[must_use = "a draw does nothing until it is given to a pass"]
pub struct DrawCall {
    draw: Draw,
    instances: Option<Count>,
}

impl DrawCall {
    /// Draws `count` vertices from `first` on.
    pub fn vertices(first: u32, count: impl IntoCount) -> Self {
        let draw = Draw { first, count: count.into_count(), ..Draw::triangle() };
        Self { draw, instances: None }
    }

    /// Draws `count` indices from `first` on.
    pub fn indexed(first: u32, count: impl IntoCount) -> Self {
        Self::vertices(first, count)
    }

    /// Adds `n` to each index.
    pub fn base_vertex(mut self, n: i32) -> Self {
        self.draw.base_vertex = n;
        self
    }

    /// Starts at instance `n`.
    pub fn first_instance(mut self, n: u32) -> Self {
        self.draw.first_instance = n;
        self
    }

    /// Draws this often: a number, [`published`] or [`counted`]. Without it, as often as the pass's instance port
    /// has elements; once if there is none.
    pub fn instances(mut self, count: impl IntoCount) -> Self {
        self.instances = Some(count.into_count());
        self
    }

    /// Binds a sealed resource to a sealed port, for this draw.
    pub fn bind<P: AsPort>(mut self, port: P, sealed: &Sealed<P::Kind>) -> Self
    where
        P::Kind: SealedKind,
    {
        self.draw.sealed.push(SealedBind { port: port.as_port().index(), id: sealed.id });
        self
    }

    pub(crate) fn into_draw(self, instances: Count) -> Draw {
        Draw { instances: self.instances.unwrap_or(instances), ..self.draw }
    }
}

/// A number that a draw takes: a `u32`, or a [`Count`] from [`published`] or [`counted`].
pub trait IntoCount {
    /// Returns it as the wire names it.
    #[doc(hidden)]
    fn into_count(self) -> Count;
}

impl IntoCount for u32 {
    fn into_count(self) -> Count {
        Count::Fixed(self)
    }
}

impl IntoCount for Count {
    fn into_count(self) -> Count {
        self
    }
}

/// Counts the elements that a buffer port has published, anew each frame.
#[must_use]
pub fn published<P: AsPort>(port: P) -> Count
where
    P::Kind: BufferKind,
{
    Count::Published { port: port.as_port().index() }
}

/// Takes the `index`-th number of a `Counts` port, anew each frame, clamped to what the buffers hold.
#[must_use]
pub fn counted<D, const N: u32>(port: impl AsPort<Kind = Counts<N>, Direction = D>, index: u32) -> Count {
    let port: Port<Counts<N>, D> = port.as_port();
    Count::FromBuffer { port: port.index(), index }
}
