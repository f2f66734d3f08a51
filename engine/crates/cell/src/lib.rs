//! What a plugin author uses: a cell's ports, parameters, ticks and passes.
//!
//! A **cell** is a plugin: a `cdylib` with its own state, its own rate and typed ports. It declares what it reads
//! and writes with [`signal_receptor!`], implements the `Cell` trait that the macro makes, and ends with
//! [`export!`]. Everything it sees of the outside in a turn is in the record that the host froze for it
//! ([`Cx`]); everything it makes goes to its own ports, its mail and its pass list ([`Passes`]).
//!
//! ```
//! use cell::prelude::*;
//!
//! signal_receptor! {
//!     name: vignette_v1, shader: "vignette.wgsl",
//!     params: { strength: f32 = 0.4 },
//!     input:  VignetteReads { ldr_color: Screen<Rgba8UnormSrgb, 1, 1> },
//!     output: VignetteWrites { picture: Backbuffer },
//! }
//!
//! #[derive(Default)]
//! struct Vignette;
//!
//! impl Cell for Vignette {
//!     fn passes(&self, p: &mut Passes<vignette_v1>) {
//!         p.full("vignette").read(ldr_color).write(picture);
//!     }
//! }
//!
//! cell::export!(Vignette);
//! # fn main() {}
//! ```
//!
//! Key types: [`Cx`] (a tick), [`Load`] (assets and sealing), [`Passes`] (what the GPU does), [`Writer`] and
//! [`View`] (buffers), [`Gpu`] (what may lie in a buffer), [`Save`] and [`Protein`] (what outlives an instance),
//! [`testing::TestCell`] (a cell in a unit test).
//!
//! Neighbours: `cell-abi` is the C border underneath, `cell-wire` the form of a pass list, `cell-macros` the
//! macros; `cell-ecs` puts a `bevy_ecs` world into a cell. This crate must not know wgpu, tokio, winit, rayon, or
//! where a cell runs: the same code works in the engine's process, in a child and on another machine.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

extern crate self as cell;

mod builder;
mod calls;
mod contract;
mod cx;
mod draw;
mod entry;
mod forms;
mod gpu;
mod host;
mod load;
mod log;
mod panic;
mod par;
mod params;
mod passes;
mod pixels;
pub mod ports;
pub mod prelude;
mod raw;
mod save;
mod seal;
pub mod testing;
mod view;
mod writer;

pub use calls::{Call, CallError, Called, Drift, Message, Route, Service, Signals, Synapse, TaskCx};
pub use cell_abi::{
    Fingerprint, FrameIndex, InputFrame, Key, MouseButton, ports::TextureFormat, saved::SavedError,
    shape::Protein,
};
pub use cell_macros::{Builder, Gpu, Protein, Save, export, handler, service, signal_receptor};
pub use cell_wire::{Blend, Compare, Count, Cull, DecodeError, Topology};
pub use contract::{Binding, Contract};
pub use cx::{Cx, Mail, SendError};
pub use draw::{DrawCall, counted, published};
pub use gpu::{Gpu, GpuField, Texel};
pub use load::{Asset, Load, LoadError};
pub use passes::{ComputePass, DepthWrite, PassBuilder, Passes, RasterPass};
pub use pixels::Pixels;
pub use ports::{Port, TextureLevels};
pub use save::{RestoreError, Save};
pub use seal::Sealed;
pub use tracing;
pub use view::{History, View};
pub use writer::{UniformWriter, Writer};

/// The page for authors: its examples are compiled and run as they stand there.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/keeping-state.md")]
mod keeping_state {}

/// What generated code needs. Not for authors: it changes without notice.
#[doc(hidden)]
pub mod __private {
    pub use crate::{
        builder::{Given, IsGiven},
        calls::{Answer, Reply, Served, Server, Serves, ServesNothing, arguments},
        contract::Plugin,
        entry::table,
        forms::{As, Own, Sorted, checked},
        gpu::{FieldCheck, layout_fault},
        params::{DecodeParams, Decoder, ParamsFault},
        save::{Saves, SavesNothing},
    };
    pub use cell_abi::{
        CellTable,
        interface::{Locked, drift, lowest},
        ports::{Text, const_text},
        saved::Saved,
        shape,
    };
    pub use cell_wire::{DecodeError, decode, encode};
    pub use rkyv;

    /// The lines of a port table before its name.
    pub const HEAD: &[Text] = &[
        Text::Str("cell-ports 1\nabi "),
        Text::U32(cell_abi::ABI_MAJOR as u32),
        Text::Str("."),
        Text::U32(cell_abi::ABI_MINOR as u32),
        Text::Str("\nname "),
    ];
}
