//! Frames that were drawn and are not done: the GPU may still read slots that they name.
use crate::{event::FrameReport, gpu::Gpu};
use std::{collections::VecDeque, time::Duration};

/// Frames that were drawn and are not done, oldest first.
pub(super) struct Unfinished(VecDeque<(Option<wgpu::SubmissionIndex>, FrameReport)>);

impl Unfinished {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(8))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a frame that is done when the GPU has done `reading`, or at once.
    pub(super) fn push(&mut self, reading: Option<wgpu::SubmissionIndex>, report: FrameReport) {
        self.0.push_back((reading, report));
    }

    /// Says that the device is gone: it reads nothing any more.
    pub(super) fn device_lost(&mut self) {
        self.0.iter_mut().for_each(|(reading, _)| *reading = None);
    }

    /// Returns the oldest frame once it is done, after waiting for it for at most `patience`; `None` waits as long as it
    /// takes.
    pub(super) fn next(&mut self, gpu: &Gpu, patience: Option<Duration>) -> Option<FrameReport> {
        if let Some(reading) = &self.0.front()?.0 {
            let wait = wgpu::PollType::Wait { submission_index: Some(reading.clone()), timeout: patience };
            match gpu.device.poll(wait) {
                Err(wgpu::PollError::Timeout) if gpu.lost().is_none() => return None,
                // Any other answer than to wait longer is about a device that reads nothing any more.
                Ok(_) | Err(_) => {}
            }
        }
        self.0.pop_front().map(|(_, report)| report)
    }
}
