//! The types of ports, and handles to them.
//!
//! The types (`Screen<Rgba16Float, 1, 1>`, `Instances<Cube, 1000>`) are written in [`crate::signal_receptor!`] and
//! have no values. A [`Port`] is a handle to one declared port; passes take it, or the function of the port's
//! name that `signal_receptor!` makes: `.read(scene_color)`.
use crate::{Gpu, gpu::Texel};
use cell_abi::ports::TextureFormat;
use cell_wire::{Read, ViewOf};
use core::{fmt, marker::PhantomData};

/// A pixel format as a type.
pub trait Format: 'static {
    /// The format.
    const FORMAT: TextureFormat;
    /// A pixel as it lies in memory.
    type Texel: Texel;
}

/// A format that colour is drawn to.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is a depth format and cannot be a colour target",
    note = "use `.depth(port)` or `.depth_test(port, compare, write)`"
)]
pub trait ColorFormat: Format {}

/// A depth format.
#[diagnostic::on_unimplemented(message = "`{Self}` is a colour format and cannot be a depth target")]
pub trait DepthFormat: Format {}

macro_rules! formats {
    ($($kind:ident: $($name:ident $texel:ty = $doc:literal),*;)*) => {$($(
        #[doc = $doc]
        #[derive(Debug)]
        pub enum $name {}
        impl Format for $name {
            const FORMAT: TextureFormat = TextureFormat::$name;
            type Texel = $texel;
        }
        const _: () = assert!(size_of::<$texel>() == TextureFormat::$name.bytes() as usize);
        impl $kind for $name {}
    )*)*};
}

formats! {
    ColorFormat:
        Rgba8Unorm [u8; 4] = "Four 8-bit channels, linear.",
        Rgba8UnormSrgb [u8; 4] = "Four 8-bit channels, sRGB.",
        R8Unorm u8 = "One 8-bit channel.",
        Rg8Unorm [u8; 2] = "Two 8-bit channels.",
        Rgba16Float [u16; 4] = "Four half floats: HDR colour.",
        Rg16Float [u16; 2] = "Two half floats.",
        R16Float u16 = "One half float.",
        Rgba32Float [f32; 4] = "Four floats.",
        R32Float f32 = "One float.",
        R32Uint u32 = "One unsigned integer.",
        Rg11b10Ufloat u32 = "Packed unsigned floats, 11, 11 and 10 bits.";
    DepthFormat:
        Depth32Float f32 = "Depth, reverse Z: 1 is near, 0 is far.";
}

/// A type of a port. Implemented by the types of this module.
pub trait Kind: 'static {
    /// Whether the port takes sealed resources.
    const SEALED: bool = false;
}

/// A type of a texture port.
#[diagnostic::on_unimplemented(message = "a port of type `{Self}` is no texture with levels")]
pub trait TextureKind: Kind {}

/// A type that passes read by `.read(port)`.
#[diagnostic::on_unimplemented(
    message = "a pass cannot `.read` a port of type `{Self}`",
    note = "textures, `Uniform` and `Buffer` ports are read; sealed ports are bound with `.bind(port, &sealed)`, \
            vertices, instances and indices with `.vertices(port)`, `.instances(port)`, `.indices(port)`; the \
            backbuffer is write only"
)]
pub trait Readable: Kind {}

/// A type that passes draw colour to.
#[diagnostic::on_unimplemented(message = "a pass cannot draw colour to a port of type `{Self}`")]
pub trait Paintable: Kind {}

/// A type that passes test depth against.
#[diagnostic::on_unimplemented(message = "a port of type `{Self}` is no depth texture")]
pub trait DepthKind: Kind {}

/// A type that passes draw vertices from.
#[diagnostic::on_unimplemented(message = "a port of type `{Self}` holds no vertices")]
pub trait VertexKind: Kind {
    /// The vertex.
    type Element: Gpu;
}

/// A type that passes draw instances from.
#[diagnostic::on_unimplemented(message = "a port of type `{Self}` holds no instances")]
pub trait InstanceKind: Kind {
    /// The instance.
    type Element: Gpu;
}

/// A type that passes draw indices from.
#[diagnostic::on_unimplemented(message = "a port of type `{Self}` holds no indices")]
pub trait IndexKind: Kind {}

/// A type whose elements cells write and read.
#[diagnostic::on_unimplemented(message = "a port of type `{Self}` is no buffer")]
pub trait BufferKind: Kind {
    /// The element.
    type Element: Gpu;
}

/// A type of a texture whose pixels a cell can read back.
#[diagnostic::on_unimplemented(message = "a port of type `{Self}` is no texture of a fixed size")]
pub trait PixelKind: Kind {
    /// The pixel format.
    type Format: Format;
}

/// A type that takes sealed resources.
#[diagnostic::on_unimplemented(message = "a port of type `{Self}` takes no sealed resources")]
pub trait SealedKind: Kind {}

/// A texture of `NUM / DEN` of the output size.
pub struct Screen<F, const NUM: u32, const DEN: u32>(PhantomData<F>);
/// A texture of `NUM / DEN` of the output size, with `LEVELS` mip levels.
pub struct ScreenMips<F, const NUM: u32, const DEN: u32, const LEVELS: u32>(PhantomData<F>);
/// A texture of a fixed size in pixels.
pub struct TextureRef<F, const WIDTH: u32, const HEIGHT: u32>(PhantomData<F>);
/// The picture: the window or the captured image. Write only.
pub enum Backbuffer {}
/// One value, `var<uniform>` in shaders.
pub struct Uniform<T>(PhantomData<T>);
/// Up to `N` values, `var<storage, read>` in shaders.
pub struct Buffer<T, const N: u32>(PhantomData<T>);
/// Up to `N` vertices.
pub struct Vertices<T, const N: u32>(PhantomData<T>);
/// Up to `N` instances.
pub struct Instances<T, const N: u32>(PhantomData<T>);
/// Up to `N` indices (`u32`).
pub enum Indices<const N: u32> {}
/// Up to `N` counts of draws (`u32`), read by the host each frame.
pub enum Counts<const N: u32> {}
/// Takes sealed 2-D textures.
pub enum SealedTexture {}
/// Takes sealed vertices.
pub struct SealedVertices<T>(PhantomData<T>);
/// Takes sealed instances.
pub struct SealedInstances<T>(PhantomData<T>);
/// Takes sealed indices (`u32`).
pub enum SealedIndices {}
/// Takes sealed values, `var<storage, read>` in shaders.
pub struct SealedStorage<T>(PhantomData<T>);

impl<F: Format, const A: u32, const B: u32> Kind for Screen<F, A, B> {}
impl<F: Format, const A: u32, const B: u32> TextureKind for Screen<F, A, B> {}
impl<F: Format, const A: u32, const B: u32> Readable for Screen<F, A, B> {}
impl<F: ColorFormat, const A: u32, const B: u32> Paintable for Screen<F, A, B> {}
impl<F: DepthFormat, const A: u32, const B: u32> DepthKind for Screen<F, A, B> {}
impl<F: Format, const A: u32, const B: u32, const L: u32> Kind for ScreenMips<F, A, B, L> {}
impl<F: Format, const A: u32, const B: u32, const L: u32> TextureKind for ScreenMips<F, A, B, L> {}
impl<F: Format, const A: u32, const B: u32, const L: u32> Readable for ScreenMips<F, A, B, L> {}
impl<F: ColorFormat, const A: u32, const B: u32, const L: u32> Paintable for ScreenMips<F, A, B, L> {}
impl<F: Format, const A: u32, const B: u32> Kind for TextureRef<F, A, B> {}
impl<F: Format, const A: u32, const B: u32> TextureKind for TextureRef<F, A, B> {}
impl<F: Format, const A: u32, const B: u32> Readable for TextureRef<F, A, B> {}
impl<F: ColorFormat, const A: u32, const B: u32> Paintable for TextureRef<F, A, B> {}
impl<F: DepthFormat, const A: u32, const B: u32> DepthKind for TextureRef<F, A, B> {}
impl<F: Format, const A: u32, const B: u32> PixelKind for TextureRef<F, A, B> {
    type Format = F;
}
impl Kind for Backbuffer {}
impl Paintable for Backbuffer {}
impl<T: Gpu> Kind for Uniform<T> {}
impl<T: Gpu> Readable for Uniform<T> {}
impl<T: Gpu> BufferKind for Uniform<T> {
    type Element = T;
}
impl<T: Gpu, const N: u32> Kind for Buffer<T, N> {}
impl<T: Gpu, const N: u32> Readable for Buffer<T, N> {}
impl<T: Gpu, const N: u32> BufferKind for Buffer<T, N> {
    type Element = T;
}
impl<T: Gpu, const N: u32> Kind for Vertices<T, N> {}
impl<T: Gpu, const N: u32> VertexKind for Vertices<T, N> {
    type Element = T;
}
impl<T: Gpu, const N: u32> BufferKind for Vertices<T, N> {
    type Element = T;
}
impl<T: Gpu, const N: u32> Kind for Instances<T, N> {}
impl<T: Gpu, const N: u32> InstanceKind for Instances<T, N> {
    type Element = T;
}
impl<T: Gpu, const N: u32> BufferKind for Instances<T, N> {
    type Element = T;
}
impl<const N: u32> Kind for Indices<N> {}
impl<const N: u32> IndexKind for Indices<N> {}
impl<const N: u32> BufferKind for Indices<N> {
    type Element = u32;
}
impl<const N: u32> Kind for Counts<N> {}
impl<const N: u32> BufferKind for Counts<N> {
    type Element = u32;
}
impl Kind for SealedTexture {
    const SEALED: bool = true;
}
impl SealedKind for SealedTexture {}
impl<T: Gpu> Kind for SealedVertices<T> {
    const SEALED: bool = true;
}
impl<T: Gpu> SealedKind for SealedVertices<T> {}
impl<T: Gpu> VertexKind for SealedVertices<T> {
    type Element = T;
}
impl<T: Gpu> Kind for SealedInstances<T> {
    const SEALED: bool = true;
}
impl<T: Gpu> SealedKind for SealedInstances<T> {}
impl<T: Gpu> InstanceKind for SealedInstances<T> {
    type Element = T;
}
impl Kind for SealedIndices {
    const SEALED: bool = true;
}
impl SealedKind for SealedIndices {}
impl IndexKind for SealedIndices {}
impl<T: Gpu> Kind for SealedStorage<T> {
    const SEALED: bool = true;
}
impl<T: Gpu> SealedKind for SealedStorage<T> {}

/// The direction of a port that others write.
#[derive(Debug)]
pub enum Input {}
/// The direction of a port that this cell writes for the world.
#[derive(Debug)]
pub enum Output {}
/// The direction of a port that is private to the instance.
#[derive(Debug)]
pub enum Own {}

/// A direction that may be written.
#[diagnostic::on_unimplemented(
    message = "an input port cannot be written",
    note = "declare it under `output:` (shared by its name) or `own:` (private) to write it"
)]
pub trait Writable: 'static {}
impl Writable for Output {}
impl Writable for Own {}

/// A handle to a declared port: its index, with its type and direction checked by the compiler.
pub struct Port<K, D> {
    index: u16,
    what: PhantomData<fn() -> (K, D)>,
}

impl<K, D> Port<K, D> {
    /// Makes a handle; for generated code.
    #[doc(hidden)]
    #[must_use]
    pub const fn at(index: u16) -> Self {
        Self { index, what: PhantomData }
    }

    /// Returns the port's index in the cell's port table.
    #[must_use]
    pub const fn index(self) -> u16 {
        self.index
    }
}

impl<K, D> Clone for Port<K, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K, D> Copy for Port<K, D> {}

impl<K, D> fmt::Debug for Port<K, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Port").field(&self.index).finish()
    }
}

/// A port, or the function of its name that `signal_receptor!` makes.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no port",
    note = "pass a port by its name from `signal_receptor!`, without calling it: `.read(scene_color)`"
)]
pub trait AsPort {
    /// The port's type.
    type Kind;
    /// Its direction.
    type Direction;
    /// Returns the handle.
    fn as_port(&self) -> Port<Self::Kind, Self::Direction>;
}

impl<K, D> AsPort for Port<K, D> {
    type Kind = K;
    type Direction = D;
    fn as_port(&self) -> Self {
        *self
    }
}

impl<F, K, D> AsPort for F
where
    F: Fn() -> Port<K, D>,
{
    type Kind = K;
    type Direction = D;
    fn as_port(&self) -> Port<K, D> {
        self()
    }
}

/// One mip level of a texture port, from [`TextureLevels::level`].
#[derive(Debug)]
pub struct Level<K, D> {
    pub(crate) port: Port<K, D>,
    pub(crate) level: u8,
}

/// Names one mip level of a texture port: `mips.level(2)`.
pub trait TextureLevels: AsPort {
    /// Returns mip level `n`; 0 is the largest.
    ///
    /// # Panics
    /// When `n` is above 13, the most that a texture can have.
    fn level(&self, n: u32) -> Level<Self::Kind, Self::Direction>;
}

impl<P: AsPort> TextureLevels for P
where
    P::Kind: TextureKind,
{
    fn level(&self, n: u32) -> Level<P::Kind, P::Direction> {
        assert!(n < 14, "mip level {n} is not within 0 to 13");
        Level { port: self.as_port(), level: n as u8 }
    }
}

/// What `.read` takes: a texture, uniform or storage port, or one level of a texture.
#[diagnostic::on_unimplemented(
    message = "a pass cannot read `{Self}`",
    note = "pass a port by its name from `signal_receptor!`, without calling it: `.read(scene_color)`, or a \
            level of it: `.read(mips.level(1))`"
)]
pub trait ReadView {
    /// Returns it as the wire names it.
    #[doc(hidden)]
    fn to_read(&self) -> Read;
}

impl<P: AsPort> ReadView for P
where
    P::Kind: Readable,
{
    fn to_read(&self) -> Read {
        Read { port: self.as_port().index(), view: ViewOf::Whole }
    }
}

impl<K: TextureKind, D> ReadView for Level<K, D> {
    fn to_read(&self) -> Read {
        Read { port: self.port.index(), view: ViewOf::Level(self.level) }
    }
}

/// What `.write` takes: a colour texture port of direction output or own, one level of it, or the backbuffer.
#[diagnostic::on_unimplemented(
    message = "a pass cannot draw to `{Self}`",
    note = "pass a port by its name from `signal_receptor!`, without calling it: `.write(scene_color)`, or a \
            level of it: `.write(mips.level(1))`"
)]
pub trait PaintView {
    /// Returns the port's index and the level.
    #[doc(hidden)]
    fn to_target(&self) -> (u16, u8);
}

impl<P: AsPort> PaintView for P
where
    P::Kind: Paintable,
    P::Direction: Writable,
{
    fn to_target(&self) -> (u16, u8) {
        (self.as_port().index(), 0)
    }
}

impl<K: Paintable, D: Writable> PaintView for Level<K, D> {
    fn to_target(&self) -> (u16, u8) {
        (self.port.index(), self.level)
    }
}
