//! The turn's record as resources.
use bevy_ecs::resource::Resource;
use cell::{Contract, Cx, FrameIndex, InputFrame};

/// Where the run is: the part of a tick's record that every simulation needs.
#[derive(Resource, Clone, Copy, Debug, PartialEq)]
pub struct EcsFrame {
    /// The frame.
    pub frame: FrameIndex,
    /// The length of this step in seconds.
    pub dt: f32,
    /// Seconds since the run's start, at this step.
    pub time: f32,
    /// The seed of this cell and frame.
    pub seed: u64,
    /// The output size in pixels, `[width, height]`.
    pub screen_px: [u32; 2],
}

impl EcsFrame {
    /// Returns the frame of `cx`, before its first step.
    #[must_use]
    pub fn of<C: Contract>(cx: &Cx<'_, C>) -> Self {
        Self { frame: cx.frame(), dt: cx.dt(), time: cx.time(), seed: cx.seed(), screen_px: cx.screen_px() }
    }
}

/// Keyboard and mouse. In the second and later steps of a tick nothing is newly pressed, moved or scrolled.
#[derive(Resource, Clone, Copy, Debug, Default, PartialEq)]
pub struct EcsInput(pub InputFrame);
