//! What a cell's source starts with: `use cell::prelude::*;`.
pub use crate::{
    Blend, Builder, CallError, Compare, Contract, Count, Cull, Cx, DepthWrite, DrawCall, FrameIndex, Gpu,
    InputFrame, Key, Load, LoadError, Mail, MouseButton, Passes, Pixels, Protein, RestoreError, Save, Sealed,
    SendError, Signals, TaskCx, TextureFormat, TextureLevels as _, Topology, View, Writer, counted,
    ports::{
        Backbuffer, Buffer, Counts, Depth32Float, Indices, Instances, R8Unorm, R16Float, R32Float, R32Uint,
        Rg8Unorm, Rg11b10Ufloat, Rg16Float, Rgba8Unorm, Rgba8UnormSrgb, Rgba16Float, Rgba32Float, Screen,
        ScreenMips, SealedIndices, SealedInstances, SealedStorage, SealedTexture, SealedVertices, TextureRef,
        Uniform, Vertices,
    },
    published, signal_receptor,
};
pub use tracing::{debug, error, info, trace, warn};
