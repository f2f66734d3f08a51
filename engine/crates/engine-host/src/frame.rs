//! One frame: record, tick, commit, plan, packet (design.md, section 3). A file for each step.
mod commit;
mod depart;
mod events;
mod gpu_time;
mod mail;
mod packet;
mod plan;
mod readback;
mod record;
mod rehearse;
mod sealed;
mod supervise;
mod tick;

pub use gpu_time::GpuUse;
pub(crate) use readback::ReadbackGrant;
pub use rehearse::Finding;

use crate::world::{World, WorldError};
use cell_abi::InputFrame;
use engine_frame::schedule::steps_ns;
use std::time::{Duration, Instant};

/// The longest load: after it the engine goes on without the cell, and replaces it.
pub const LOAD_LIMIT: Duration = Duration::from_secs(60);

/// What a frame brought.
#[derive(Debug, Default)]
pub struct FrameSummary {
    /// The frame.
    pub frame: u64,
    /// Turns that started.
    pub started: u32,
    /// Cells that were due but still busy.
    pub late: u32,
    /// CPU time of the host's own steps in nanoseconds: record, commit, plan, packet.
    pub host_ns: u64,
}

impl World {
    /// Runs one frame. `elapsed_ns` is the real time since the last frame; lockstep ignores it. `deadline` is when
    /// the frame must be handed to the renderer; lockstep ignores it.
    ///
    /// # Errors
    /// [`WorldError`] when the run cannot go on.
    pub fn frame(
        &mut self,
        input: &InputFrame,
        elapsed_ns: u64,
        deadline: Instant,
        capture: bool,
    ) -> Result<FrameSummary, WorldError> {
        let begun = Instant::now();
        let mut summary = FrameSummary { frame: self.frame, ..FrameSummary::default() };
        self.ticks_in_flight = 0;
        self.take_render_events()?;
        self.land_readbacks();
        self.take_late_turns();
        self.take_renewals();
        self.toggle(input);
        self.supervise();
        if self.swaps.are_open() {
            self.step_swaps()?;
        }
        let periods = self.periods(elapsed_ns);
        let dt_ns = steps_ns(1, self.scene.rate) * periods;
        self.end_calls();
        self.record_all(periods, input, &mut summary);
        let recorded = begun.elapsed();
        self.tick_all(deadline, input, &mut summary)?;
        let ticked = Instant::now();
        if self.plan_dirty {
            self.replan();
        }
        let waited = self.send_packet(dt_ns, capture)?;
        let after = ticked.elapsed().saturating_sub(waited);
        self.after_ns = (self.after_ns * 7 + after.as_nanos() as u64) / 8;
        summary.host_ns = (recorded + after).as_nanos() as u64;
        self.stats.host_ns.add(summary.host_ns);
        self.end_session_frame();
        self.frame += 1;
        self.time_ns += dt_ns;
        Ok(summary)
    }

    /// Draws the newest data once more, for a picture, between two frames. No cell ticks and no time passes.
    ///
    /// # Errors
    /// [`WorldError`] when the run cannot go on.
    pub fn redraw(&mut self) -> Result<(), WorldError> {
        if self.plan_dirty {
            self.replan();
        }
        self.send_packet(0, true).map(|_| ())
    }

    /// Takes what the renderer has answered meanwhile, when no frame is run.
    ///
    /// # Errors
    /// [`WorldError::Renderer`] when the render thread has ended.
    pub fn listen(&mut self) -> Result<(), WorldError> {
        while let Ok(event) = self.renderer.events().try_recv() {
            self.take_render_event(event)?;
        }
        Ok(())
    }

    /// Goes over to the regions that instances have mapped since the last frame.
    pub(crate) fn take_renewals(&mut self) {
        if !self.renewals.is_empty() {
            for renewal in self.renewals.drain(..) {
                self.book.adopt(renewal);
            }
            self.renew_idle_records();
        }
    }

    /// Returns how many periods of the world's rate this frame covers: 1 in lockstep, else as many as have passed.
    fn periods(&mut self, elapsed_ns: u64) -> u64 {
        if self.options.lockstep {
            return 1;
        }
        let period = steps_ns(1, self.scene.rate) as i64;
        self.owed_ns = (self.owed_ns + elapsed_ns as i64).clamp(0, 60 * period);
        // A frame is paced to be a period or longer; rounding keeps small unevenness out of the simulation.
        let periods = ((self.owed_ns + period / 2) / period).max(1);
        self.owed_ns -= periods * period;
        periods as u64
    }
}
