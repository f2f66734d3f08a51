//! A render pass.
use crate::{
    Blend, Compare, Count, Cull, DrawCall, Sealed, Topology,
    ports::{
        AsPort, DepthKind, IndexKind, InstanceKind, Kind, PaintView, ReadView, SealedIndices, SealedKind,
        SealedVertices, TextureKind, VertexKind, Writable,
    },
};
use cell_wire::{ColorTarget, DepthTarget, Pass, Raster, Read, SealedBind, ViewOf, Work};

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
pub struct RasterPass<'p> {
    pass: &'p mut Pass,
    /// What a draw without a count draws.
    count: Count,
    /// How often a draw without a count of instances draws.
    instances: Count,
    sealed_vertices: Option<u16>,
    sealed_indices: Option<u16>,
}

impl<'p> RasterPass<'p> {
    pub(super) fn new(pass: &'p mut Pass) -> Self {
        Self {
            pass,
            count: Count::Fixed(3),
            instances: Count::Fixed(1),
            sealed_vertices: None,
            sealed_indices: None,
        }
    }

    fn raster(&mut self) -> &mut Raster {
        match &mut self.pass.work {
            Work::Raster(r) => r,
            Work::Compute(_) => unreachable!("`Passes::full` and `draw` make raster work"),
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

    /// Binds a sealed resource to a sealed port, for all draws of the pass.
    pub fn bind<P: AsPort>(self, port: P, sealed: &Sealed<P::Kind>) -> Self
    where
        P::Kind: SealedKind,
    {
        self.pass.sealed.push(SealedBind { port: port.as_port().index(), id: sealed.id });
        self
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
            self.sealed_vertices = Some(index);
        } else if self.raster().index_port.is_none() {
            self.count = Count::Published { port: index };
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
            self.instances = Count::Published { port: index };
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
            self.sealed_indices = Some(index);
        } else {
            self.count = Count::Published { port: index };
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
        let draw = call.into_draw(self.instances);
        self.raster().draws.push(draw);
        self
    }

    /// Adds a draw of a whole sealed mesh: all its indices, as often as the pass's instance port has elements.
    ///
    /// # Panics
    /// Before `.vertices` and `.indices` named the sealed ports that take the mesh.
    pub fn mesh<T>(self, vertices: &Sealed<SealedVertices<T>>, indices: &Sealed<SealedIndices>) -> Self {
        let (Some(v), Some(i)) = (self.sealed_vertices, self.sealed_indices) else {
            panic!("`.mesh` comes after `.vertices(port)` and `.indices(port)` with sealed ports");
        };
        let mut draw = DrawCall::indexed(0, indices.count()).into_draw(self.instances);
        draw.sealed = vec![SealedBind { port: v, id: vertices.id }, SealedBind { port: i, id: indices.id }];
        let mut pass = self;
        pass.raster().draws.push(draw);
        pass
    }
}

impl Drop for RasterPass<'_> {
    fn drop(&mut self) {
        if self.raster().draws.is_empty() {
            let draw = DrawCall::vertices(0, self.count).into_draw(self.instances);
            self.raster().draws.push(draw);
        }
    }
}
