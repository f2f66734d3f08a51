//! What the renderer tells the host.
use engine_frame::{
    packet::Packet,
    plan::{CellLine, ShaderId},
};
use std::sync::Arc;

/// What the renderer tells the host.
#[expect(clippy::large_enum_variant, reason = "one frame, one event: a box would be an allocation per frame")]
pub enum RenderEvent {
    /// A frame is done: submitted and, with a window, presented; the GPU reads none of its slots any more. One per
    /// submitted packet, in order.
    FrameDone(FrameReport),
    /// A shader was not taken; the last good one, if any, stays.
    ShaderRejected {
        /// Which.
        id: ShaderId,
        /// File, line, caret and why: several lines.
        message: String,
    },
    /// A shader is in use from now on.
    ShaderReady {
        /// Which.
        id: ShaderId,
        /// Time from taking the text to the swap in milliseconds, the driver's compile included.
        ms: f64,
    },
    /// Passes of some cells were left out of this and of all frames of this plan: the host goes back to these
    /// cells' last good lists.
    PassesRejected(Vec<PassFault>),
    /// The device was lost; the next frame tries to open it again.
    DeviceLost {
        /// What the driver said.
        message: String,
    },
    /// The device is open again and holds the shaders and sealed data; slots and parameters follow by
    /// themselves with the next frame. Targets start anew (`history_valid` is 0).
    DeviceRebuilt,
    /// The device could not be opened again; the next frame tries once more.
    RebuildFailed {
        /// Why.
        message: String,
    },
    /// The window cannot be drawn to; frames go on without it.
    SurfaceFailed {
        /// Why.
        message: String,
    },
}

/// Why the passes of a cell were left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassFault {
    /// The cell's line.
    pub cell: CellLine,
    /// Its name in the scene.
    pub cell_name: Arc<str>,
    /// The version of the plan whose passes these are; the cell may have submitted others since.
    pub plan_version: u64,
    /// The sentence for the log.
    pub message: String,
}

/// A frame that is done.
pub struct FrameReport {
    /// The frame.
    pub frame: u64,
    /// The packet, given back: the slots it held are free now, and its vectors can be used again.
    pub packet: Packet,
    /// CPU times.
    pub cpu: CpuTimes,
    /// Bytes of slots copied, by us or by the GPU; those that it reads in place are not among them.
    pub uploaded_bytes: u64,
    /// Calls of submit in this frame: 1, or 0 when the device is lost.
    pub submits: u32,
    /// The picture went to the window.
    pub presented: bool,
    /// The cells whose passes were left out: rejected, or shaders not ready yet.
    pub skipped: Vec<CellLine>,
    /// GPU times of an earlier frame, when some have arrived.
    pub gpu: Option<Arc<GpuTimes>>,
    /// The picture, if the packet asked for it.
    pub capture: Option<Image>,
}

/// Time of the render thread in one frame, in nanoseconds. Waiting for shaders and for the GPU is not in it, save
/// that a software driver's submit may itself wait for the frame before: see [`RenderConfig::wait_gpu`].
///
/// [`RenderConfig::wait_gpu`]: crate::RenderConfig::wait_gpu
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// Making what a new plan needs; near 0 while the plan stays.
    pub prepare_ns: u64,
    /// Copying slots and parameters.
    pub upload_ns: u64,
    /// Recording the passes.
    pub encode_ns: u64,
    /// The submit.
    pub submit_ns: u64,
}

impl CpuTimes {
    /// Returns the sum.
    #[must_use]
    pub fn total_ns(&self) -> u64 {
        self.prepare_ns + self.upload_ns + self.encode_ns + self.submit_ns
    }
}

/// GPU time of each pass of a frame.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct GpuTimes {
    /// The frame.
    pub frame: u64,
    /// The passes that ran, in order.
    pub passes: Arc<[PassLabel]>,
    /// Nanoseconds, one per pass.
    pub ns: Vec<u64>,
}

/// A pass as reports name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassLabel {
    /// The cell's line.
    pub cell: CellLine,
    /// Its name in the scene.
    pub cell_name: Arc<str>,
    /// The pass's label.
    pub pass: Arc<str>,
}

/// A picture: rows from the top, 4 bytes a pixel, red first, sRGB.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `width * height * 4` bytes.
    pub rgba8: Vec<u8>,
}

impl Image {
    /// Returns the pixel at column `x`, row `y`.
    ///
    /// # Panics
    /// Outside the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 4] {
        assert!(x < self.width && y < self.height, "({x}, {y}) is outside {}x{}", self.width, self.height);
        let at = (y as usize * self.width as usize + x as usize) * 4;
        self.rgba8[at..at + 4].try_into().expect("four bytes")
    }
}
