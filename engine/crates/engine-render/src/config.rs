//! What a renderer is started with, and what it found.
use crate::upload::{UploadReport, UploadTier};
use std::sync::Arc;

/// Which driver to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A Vulkan driver, of a GPU or in software.
    Vulkan,
    /// No driver: everything is checked and compiled, nothing is drawn. For tests and for measuring our own
    /// CPU time.
    Noop,
}

/// What a renderer is started with.
#[derive(Clone, Debug)]
pub struct RenderConfig {
    /// Which driver.
    pub backend: Backend,
    /// The window to present to; `None` draws into a texture of the renderer's own.
    pub surface: Option<SurfaceSource>,
    /// How pictures reach the window.
    pub present: PresentPace,
    /// Wait for shaders before a frame that needs them. In lockstep: pixels then are the same in every run.
    /// Otherwise passes are left out until their pipelines are there.
    pub wait_ready: bool,
    /// Measure GPU time per pass, where the adapter can.
    pub gpu_times: bool,
    /// End each frame only when the GPU has done it. For measurements with an idle queue.
    pub wait_gpu: bool,
    /// How slots reach the GPU; `None` takes the best that the adapter can do.
    pub upload: Option<UploadTier>,
}

impl Default for RenderConfig {
    fn default() -> Self {
        Self {
            backend: Backend::Vulkan,
            surface: None,
            present: PresentPace::Vsync,
            wait_ready: false,
            gpu_times: true,
            wait_gpu: false,
            upload: None,
        }
    }
}

impl RenderConfig {
    /// Returns a configuration for tests without a driver: [`Backend::Noop`], waiting for shaders.
    #[must_use]
    pub fn noop() -> Self {
        Self { backend: Backend::Noop, wait_ready: true, ..Self::default() }
    }

    /// Returns a configuration without a window that waits for shaders: what `--headless --lockstep` uses.
    #[must_use]
    pub fn headless() -> Self {
        Self { wait_ready: true, ..Self::default() }
    }
}

/// How pictures reach the window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PresentPace {
    /// One per refresh of the screen, none torn.
    Vsync,
    /// As soon as they are there.
    Immediate,
}

/// A window to present to. Holds the window, so that it outlives the surface.
#[derive(Clone)]
pub struct SurfaceSource(pub(crate) Arc<dyn wgpu::DisplayAndWindowHandle>);

impl SurfaceSource {
    /// Wraps a window: anything with the two `raw-window-handle` 0.6 traits, such as `winit::window::Window`.
    pub fn new<W>(window: Arc<W>) -> Self
    where
        W: crate::raw_window_handle::HasWindowHandle
            + crate::raw_window_handle::HasDisplayHandle
            + Send
            + Sync
            + 'static,
    {
        Self(window)
    }
}

impl std::fmt::Debug for SurfaceSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SurfaceSource")
    }
}

/// The adapter that was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterReport {
    /// Its name, such as `llvmpipe (LLVM 15.0.6, 256 bits)`.
    pub name: String,
    /// Its driver and version.
    pub driver: String,
    /// It computes on the CPU: pictures are slow.
    pub is_cpu: bool,
    /// GPU time per pass is measured.
    pub gpu_times: bool,
    /// The most pixels of a texture's side.
    pub max_texture_px: u32,
    /// The most bytes of a buffer.
    pub max_buffer_bytes: u64,
    /// The most bytes that a shader sees of a storage buffer.
    pub max_storage_bytes: u64,
    /// How slots reach it.
    pub upload: UploadReport,
}

/// Why no renderer started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no driver, or none that can present to the window.
    #[error("no Vulkan driver was found ({detail}). Run ./setup.sh: it installs a software driver")]
    NoDriver {
        /// What the loader said.
        detail: String,
    },
    /// The driver refuses to open.
    #[error("the driver of `{adapter}` does not open: {detail}")]
    Device {
        /// The adapter's name.
        adapter: String,
        /// What the driver said.
        detail: String,
    },
    /// The upload tier that was asked for does not work here.
    #[error(
        "`{adapter}` cannot take the upload tier `{tier}`: {why}. `staging` works everywhere (RENDER_UPLOAD=staging); \
         without RENDER_UPLOAD the best that works is taken"
    )]
    Upload {
        /// The adapter's name.
        adapter: String,
        /// The tier.
        tier: UploadTier,
        /// What the probe found.
        why: String,
    },
    /// The window gives no surface.
    #[error("the window cannot be drawn to: {detail}")]
    Surface {
        /// What the driver said.
        detail: String,
    },
    /// The render thread did not start.
    #[error("the render thread did not start: {0}")]
    Thread(#[from] std::io::Error),
    /// The render thread ended while opening.
    #[error("the render thread ended while it opened the driver")]
    Ended,
}
