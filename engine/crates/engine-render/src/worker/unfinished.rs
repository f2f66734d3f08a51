//! Frames that were drawn and are not done: the GPU may still read slots that they name, or write pixels that they bring back.
use crate::{event::FrameReport, gpu::Gpu, readback::Returning};
use std::{collections::VecDeque, time::Duration};

/// What the GPU was given in a frame, and what comes of it.
pub(super) struct Submitted {
    pub(super) index: wgpu::SubmissionIndex,
    pub(super) returning: Returning,
}

/// Frames that were drawn and are not done, oldest first.
pub(super) struct Unfinished(VecDeque<(Option<Submitted>, FrameReport)>);

impl Unfinished {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(8))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds a frame that is done when the GPU has done what was submitted, or at once.
    pub(super) fn push(&mut self, submitted: Option<Submitted>, report: FrameReport) {
        self.0.push_back((submitted, report));
    }

    /// Says that the device is gone: it reads nothing any more, and brings nothing back.
    pub(super) fn device_lost(&mut self) {
        self.0.iter_mut().for_each(|(submitted, _)| *submitted = None);
    }

    /// Returns the oldest frame once it is done, with what it brings back, after waiting for it for at most `patience`;
    /// `None` waits as long as it takes.
    pub(super) fn next(
        &mut self,
        gpu: &Gpu,
        patience: Option<Duration>,
    ) -> Option<(FrameReport, Option<Returning>)> {
        let mut done = true;
        if let Some(submitted) = &self.0.front()?.0 {
            let index = Some(submitted.index.clone());
            match gpu.device.poll(wgpu::PollType::Wait { submission_index: index, timeout: patience }) {
                Err(wgpu::PollError::Timeout) if gpu.lost().is_none() => return None,
                Ok(_) => {}
                // Any other answer than to wait longer is about a device that reads nothing any more.
                Err(_) => done = false,
            }
        }
        let (submitted, report) = self.0.pop_front()?;
        Some((report, submitted.filter(|_| done).map(|s| s.returning)))
    }
}
