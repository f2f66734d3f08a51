//! Runs frame packets on the GPU. Alone in the engine knows wgpu.
//!
//! [`Renderer`] is the handle of the render thread: it takes [`Packet`](engine_frame::packet::Packet)s (queue
//! of 1), [`ShaderSource`]s and [`SealedData`], and answers with [`RenderEvent`]s. For each packet the thread
//! uploads the dirty ranges of slots, records the plan's runs, submits once, presents, reads back what was
//! asked for, and gives the packet back.
//!
//! What holds:
//! - **A fault costs its cell.** All runs go into one encoder under one error scope, as a bare program does
//!   it. Only when the GPU refuses that, each run is recorded by itself to find those to blame; the frame is
//!   recorded once more without them, and the host hears of it ([`RenderEvent::PassesRejected`]). The others'
//!   pixels stay.
//! - **A bad shader never reaches the screen.** Text is scanned, parsed, checked against the passes that use
//!   it, compiled and drawn with once on a thread of its own before it takes over.
//! - **A stranger's shader ends.** Its loops run on fuel ([`FUEL`]); what fuel does not bound is refused.
//! - **A plan costs once.** Targets, bind groups and pipelines are made when the plan changes; a frame replays
//!   them.
//! - **Slots are the GPU's until it is done with them.** Where it reads them in place or copies them itself, a frame
//!   is done ([`RenderEvent::FrameDone`]) when the GPU has done it, and not before.
//! - **A lost device costs a frame.** Everything is made again from CPU data that the renderer keeps.
//!
//! | module | idea |
//! |---|---|
//! | `renderer`, `worker` | the handle; the thread's loop and a frame from end to end |
//! | `prepare`, `encode` | a plan turned into wgpu objects; replaying it (the hot path) |
//! | `targets`, `buffers`, `shared`, `sealed`, `layouts` | what lives on the GPU |
//! | `upload` | tiers, the probe, and the import of shared memory: the one room of `unsafe` |
//! | `shader` | scan, check, fuel, messages, pipelines, the compile thread |
//! | `screen`, `capture`, `timing`, `readback` | the window or its stand-in; pictures, times and textures read back |
//!
//! Neighbours: `engine-frame` makes plans and packets, `engine-host` implements
//! [`SlotMemory`](engine_frame::packet::SlotMemory) and acts on events, `engine` brings the window. This
//! crate must not know cells, scenes, files, the network or winit.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod buffers;
mod capture;
mod command;
mod config;
mod encode;
mod event;
mod formats;
mod gpu;
mod layouts;
mod outbox;
mod prepare;
mod readback;
mod renderer;
mod screen;
mod sealed;
mod shader;
mod shared;
mod targets;
mod timing;
mod upload;
mod worker;

pub use command::{RendererGone, SealError, SealedData, SealedShape, ShaderOrigin, ShaderSource};
pub use config::{AdapterReport, Backend, OpenError, PresentPace, RenderConfig, SurfaceSource};
pub use event::{CpuTimes, FrameReport, GpuTimes, Image, PassFault, PassLabel, RenderEvent};
pub use renderer::{Renderer, SubmitError};
pub use shader::check::check_shader;
pub use shader::fuel::FUEL;
pub use upload::{UnknownTier, UploadReport, UploadTier};
/// The two window traits that [`SurfaceSource`] takes, in the version it takes.
pub use wgpu::rwh as raw_window_handle;
