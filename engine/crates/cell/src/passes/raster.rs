//! A render pass.
use super::builder::{PassBuilder, PassKind};
use crate::{
    Blend, Compare, Count, Cull, DrawCall, Sealed, Topology,
    ports::{
        AsPort, DepthKind, IndexKind, InstanceKind, Kind, PaintView, SealedIndices, SealedVertices,
        VertexKind, Writable,
    },
};
use cell_wire::{ColorTarget, DepthTarget, Pass, Raster, SealedBind, Work};

/// Whether a pass writes the depth that it tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DepthWrite {
    /// It does.
    Yes,
    /// It only tests.
    No,
}

/// A render pass under construction, from [`crate::Passes::full`], [`crate::Passes::draw`] or
/// [`crate::Passes::depth_only`].
///
/// A pass without draws draws everything once: all indices (or vertices) of its ports, as often as its instance
/// port has elements.
pub type RasterPass<'p> = PassBuilder<'p, OfRaster>;

/// The kind of render passes, and what a draw takes of its pass.
#[derive(Debug)]
pub struct OfRaster {
    /// What a draw without a count draws.
    count: Count,
    /// How often a draw without a count of instances draws.
    instances: Count,
    sealed_vertices: Option<u16>,
    sealed_indices: Option<u16>,
}

impl Default for OfRaster {
    fn default() -> Self {
        Self {
            count: Count::Fixed(3),
            instances: Count::Fixed(1),
            sealed_vertices: None,
            sealed_indices: None,
        }
    }
}

impl PassKind for OfRaster {
    fn finish(&self, pass: &mut Pass) {
        let raster = raster_of(pass);
        if raster.draws.is_empty() {
            raster.draws.push(DrawCall::vertices(0, self.count).into_draw(self.instances));
        }
    }
}

fn raster_of(pass: &mut Pass) -> &mut Raster {
    match &mut pass.work {
        Work::Raster(r) => r,
        Work::Compute(_) => unreachable!("`Passes::full` and `draw` make raster work"),
    }
}

impl RasterPass<'_> {
    fn raster(&mut self) -> &mut Raster {
        raster_of(self.pass)
    }

    /// Draws to a colour target, replacing what is there.
    pub fn write(self, target: impl PaintView) -> Self {
        self.blend(target, Blend::Replace)
    }

    /// Draws to a colour target, adding to what is there.
    #[expect(clippy::should_implement_trait, reason = "reads as a sentence: `.read(a).add(b)`")]
    pub fn add(self, target: impl PaintView) -> Self {
        self.blend(target, Blend::Add)
    }

    /// Draws to a colour target. Targets take the fragment's `@location`s in the order of these calls.
    pub fn blend(mut self, target: impl PaintView, blend: Blend) -> Self {
        let (port, level) = target.to_target();
        self.raster().color.push(ColorTarget { port, level, blend });
        self
    }

    /// Draws what is nearer than the depth texture says, and writes it there (reverse Z).
    pub fn depth<P: AsPort>(self, port: P) -> Self
    where
        P::Kind: DepthKind,
        P::Direction: Writable,
    {
        self.depth_test(port, Compare::Greater, DepthWrite::Yes)
    }

    /// Tests against a depth texture. An input may be tested with [`DepthWrite::No`].
    pub fn depth_test<P: AsPort>(mut self, port: P, compare: Compare, write: DepthWrite) -> Self
    where
        P::Kind: DepthKind,
    {
        self.raster().depth = Some(DepthTarget {
            port: port.as_port().index(),
            write: write == DepthWrite::Yes,
            compare,
            bias: 0,
            slope_bias: 0.0,
        });
        self
    }

    /// Moves what is drawn towards (positive) or away from (negative) the viewer before the depth test: by a
    /// constant and by the slope.
    ///
    /// # Panics
    /// Before `.depth` or `.depth_test`.
    #[track_caller]
    pub fn bias(mut self, constant: i32, slope: f32) -> Self {
        let depth = self.raster().depth.as_mut().expect("`.bias` comes after `.depth` or `.depth_test`");
        (depth.bias, depth.slope_bias) = (constant, slope);
        self
    }

    /// Draws vertices from a `Vertices` or `SealedVertices` port.
    pub fn vertices<P: AsPort>(mut self, port: P) -> Self
    where
        P::Kind: VertexKind,
    {
        let index = port.as_port().index();
        self.raster().vertex_ports.push(index);
        if <P::Kind as Kind>::SEALED {
            self.kind.sealed_vertices = Some(index);
        } else if self.raster().index_port.is_none() {
            self.kind.count = Count::Published { port: index };
        }
        self
    }

    /// Draws instances from an `Instances` or `SealedInstances` port.
    pub fn instances<P: AsPort>(mut self, port: P) -> Self
    where
        P::Kind: InstanceKind,
    {
        let index = port.as_port().index();
        self.raster().vertex_ports.push(index);
        if !<P::Kind as Kind>::SEALED {
            self.kind.instances = Count::Published { port: index };
        }
        self
    }

    /// Draws indexed, with an `Indices` or `SealedIndices` port.
    pub fn indices<P: AsPort>(mut self, port: P) -> Self
    where
        P::Kind: IndexKind,
    {
        let index = port.as_port().index();
        self.raster().index_port = Some(index);
        if <P::Kind as Kind>::SEALED {
            self.kind.sealed_indices = Some(index);
        } else {
            self.kind.count = Count::Published { port: index };
        }
        self
    }

    /// Drops faces; front faces are counter-clockwise.
    pub fn cull(mut self, cull: Cull) -> Self {
        self.raster().cull = cull;
        self
    }

    /// Says what vertices form; triangles without it.
    pub fn topology(mut self, topology: Topology) -> Self {
        self.raster().topology = topology;
        self
    }

    /// Adds a draw.
    pub fn draw(mut self, call: DrawCall) -> Self {
        let draw = call.into_draw(self.kind.instances);
        self.raster().draws.push(draw);
        self
    }

    /// Adds a draw of a whole sealed mesh: all its indices, as often as the pass's instance port has elements.
    ///
    /// # Panics
    /// Before `.vertices` and `.indices` named the sealed ports that take the mesh.
    #[track_caller]
    pub fn mesh<T>(self, vertices: &Sealed<SealedVertices<T>>, indices: &Sealed<SealedIndices>) -> Self {
        let (Some(v), Some(i)) = (self.kind.sealed_vertices, self.kind.sealed_indices) else {
            panic!("`.mesh` comes after `.vertices(port)` and `.indices(port)` with sealed ports");
        };
        let mut draw = DrawCall::indexed(0, indices.count()).into_draw(self.kind.instances);
        draw.sealed = vec![SealedBind { port: v, id: vertices.id }, SealedBind { port: i, id: indices.id }];
        let mut pass = self;
        pass.raster().draws.push(draw);
        pass
    }
}
