//! What the renderer answers: frames done, shaders ready or refused, a lost GPU.
use crate::{
    cells::CellEntry,
    world::{World, WorldError},
};
use engine_frame::plan::{CellLine, ShaderId};
use engine_render::RenderEvent;
use std::sync::Arc;

impl World {
    pub(super) fn take_render_events(&mut self) -> Result<(), WorldError> {
        if self.options.lockstep {
            // Exactly what the renderer said of the frames up to the one before the last, whenever it said so.
            while self.packet_holds.iter().any(|(f, _)| f + 2 <= self.frame) {
                let event = self.renderer.events().recv().map_err(|_| engine_render::RendererGone)?;
                self.take_render_event(event)?;
            }
            return Ok(());
        }
        while let Ok(event) = self.renderer.events().try_recv() {
            self.take_render_event(event)?;
        }
        Ok(())
    }

    /// Takes one answer of the renderer.
    pub(crate) fn take_render_event(&mut self, event: RenderEvent) -> Result<(), WorldError> {
        match event {
            RenderEvent::FrameDone(report) => {
                if let Some(at) = self.packet_holds.iter().position(|(f, _)| *f == report.frame) {
                    let (_, mut holds) = self.packet_holds.swap_remove(at);
                    for (buffer, generation, slot) in holds.drain(..) {
                        self.book.release(buffer, generation, slot);
                    }
                    self.spare_holds.push(holds);
                }
                self.note_readbacks(&report.packet);
                if report.submits > 0 {
                    self.lists.drawn(report.packet.plan.version, &report.skipped);
                }
                if let Some(times) = &report.gpu {
                    self.watch_gpu(times);
                }
                let mut packet = self.stats.take_frame(report);
                // It may lie there for long: what it names must not live for as long.
                packet.memory = Arc::clone(&self.no_memory) as _;
                self.spare_packets.push(packet);
            }
            RenderEvent::ShaderRejected { id, message } => {
                if let Some(entry) = self.shader_owner(id) {
                    tracing::error!(cell = &*entry.name, "\n{message}");
                    entry.shader_fault = Some(message);
                }
            }
            RenderEvent::ShaderReady { id, ms } => {
                if let Some(entry) = self.shader_owner(id) {
                    tracing::info!(cell = &*entry.name, "its shader is ready after {ms:.1} ms");
                    entry.shader_fault = None;
                }
                if let Some(n) = self.line(id.0) {
                    self.plan_dirty |= self.lists.shader_changed(CellLine(n as u32));
                }
            }
            RenderEvent::PassesRejected(faults) => {
                for f in faults {
                    tracing::error!(cell = &*f.cell_name, "{}", f.message);
                    if f.plan_version != self.plan.version {
                        // A newer plan was made since; it is judged on its own.
                        continue;
                    }
                    // The line may have moved since the packet; the name tells.
                    if let Some(n) = self.cells.iter().position(|c| c.name == f.cell_name) {
                        self.lists.refused(CellLine(n as u32));
                        self.cells[n].list_faults.push(f.message);
                        self.plan_dirty = true;
                    }
                }
            }
            RenderEvent::DeviceLost { message } => {
                tracing::error!("the GPU was lost ({message}); everything on it is made anew");
                self.end_strangers_that_drew();
            }
            RenderEvent::DeviceRebuilt => {
                tracing::info!("the GPU is back");
                self.load_keepers();
            }
            RenderEvent::RebuildFailed { message } => {
                tracing::error!("the GPU does not come back: {message}")
            }
            RenderEvent::SurfaceFailed { message } => {
                tracing::error!("the window cannot be drawn to: {message}")
            }
        }
        Ok(())
    }

    /// Has the cells load again that draw into targets which keep their content: it was on the GPU alone, and they draw
    /// it only now and then.
    fn load_keepers(&mut self) {
        for n in 0..self.cells.len() {
            let entry = &mut self.cells[n];
            if entry.keeps_targets() {
                entry.wants.load = true;
                self.wake(n);
            }
        }
    }

    fn shader_owner(&mut self, id: ShaderId) -> Option<&mut CellEntry> {
        self.cells.iter_mut().find(|c| c.shader == id)
    }

    /// Waits until the renderer has done all frames that were sent.
    ///
    /// # Errors
    /// [`WorldError::Renderer`] when the render thread has ended.
    pub fn drain(&mut self) -> Result<(), WorldError> {
        while !self.packet_holds.is_empty() {
            let event = self.renderer.events().recv().map_err(|_| engine_render::RendererGone)?;
            self.take_render_event(event)?;
        }
        Ok(())
    }
}
