//! A frame from end to end: prepare, upload, record, submit once, present, read back.
use super::{FRAMES_IN_FLIGHT, Worker, World, unfinished::Submitted};
use crate::{
    capture::Capture,
    encode::{self, FrameParts},
    event::FrameReport,
    prepare::{Parts, Prepared},
    readback::Returning,
    screen::Picture,
    shared::FrameUniform,
    timing::Timing,
};
use engine_frame::packet::Packet;
use std::{sync::Arc, time::Instant};

/// A recorded frame.
struct Recorded {
    commands: wgpu::CommandBuffer,
    capture: Option<Capture>,
    /// Where its times go.
    timed: Option<usize>,
}

impl Worker {
    /// Draws a frame. Returns what the GPU was given, if it was.
    pub(super) fn draw(&mut self, report: &mut FrameReport) -> Option<Submitted> {
        let start = Instant::now();
        self.take_outcomes();
        self.prepare(&report.packet);
        report.cpu.prepare_ns = elapsed_ns(start);
        self.wait_until_ready();

        let start = Instant::now();
        self.upload(report);
        report.cpu.upload_ns = elapsed_ns(start);

        self.wait_for_gpu();
        self.refresh();
        let drawn = self.world.prepared.draws_picture;
        let size = report.packet.plan.screen_px;
        let mut picture = self.screen.acquire(&self.instance, &self.gpu, size, drawn);

        let start = Instant::now();
        let World { readbacks, targets, .. } = &mut self.world;
        let mut returning = readbacks.begin(&self.gpu, targets, &report.packet.readbacks);
        let Some(Recorded { commands, capture, timed }) = self.record(report, &picture, &returning) else {
            self.world.buffers.not_submitted();
            return None;
        };
        report.cpu.encode_ns = elapsed_ns(start);

        let start = Instant::now();
        let (submitted, fault) = self.gpu.checked(|| self.gpu.queue.submit([commands]));
        report.submits = 1;
        report.cpu.submit_ns = elapsed_ns(start);
        if let Some(fault) = fault {
            tracing::error!("frame {} was not taken by the GPU: {fault}", report.frame);
            self.world.buffers.not_submitted();
            returning = Returning::default();
        } else {
            returning.submitted();
            self.world.buffers.submitted();
            self.world.targets.submitted();
        }
        if let (Some(at), Some(timing)) = (timed, &mut self.world.timing) {
            timing.submitted(at, report.frame, &self.world.prepared.labels);
        }
        // An image that nobody drew to is given back: the window keeps the picture it has.
        if let Some(surface) = picture.surface.take()
            && self.world.prepared.draws_picture
        {
            self.gpu.queue.present(surface);
            report.presented = true;
        }
        self.finish(report, submitted.clone(), capture);
        Some(Submitted { index: submitted, returning })
    }

    /// Makes what a new plan needs.
    fn prepare(&mut self, packet: &Packet) {
        let world = &mut self.world;
        if packet.plan.version == world.prepared.plan.version && !world.stale {
            world.targets.collect(packet.frame);
            return;
        }
        world.stale = false;
        world.changed = true;
        self.serials += 1;
        world.targets.adopt(&self.gpu, &packet.plan.targets, packet.frame);
        world.buffers.adopt(&self.gpu, &packet.plan.buffers);
        let mut parts = Parts {
            gpu: &self.gpu,
            layouts: &mut world.layouts,
            targets: &world.targets,
            buffers: &world.buffers,
            sealed: &mut world.sealed,
            shared: &world.shared,
            picture: self.screen.format(),
        };
        world.prepared = Prepared::new(Arc::clone(&packet.plan), self.serials, &mut parts);
        self.report_faults();
        for id in self.shaders.ids() {
            self.request(id);
        }
    }

    fn upload(&mut self, report: &mut FrameReport) {
        let (world, packet) = (&mut self.world, &report.packet);
        let mut other_group = false;
        for (cell, bytes) in &packet.params {
            other_group |= world.shared.set_params(&self.gpu, &world.layouts, *cell, bytes);
        }
        if other_group {
            world.prepared.rebind_shared(&world.shared);
        }
        world.shared.set_frame(
            &self.gpu,
            &FrameUniform {
                screen_px: packet.plan.screen_px,
                time_ns: packet.time_ns,
                dt_ns: packet.dt_ns,
                index: packet.frame,
                history_valid: world.targets.history_valid(),
            },
        );
        let uploaded = world.buffers.upload(&self.gpu, &packet.slots, &*packet.memory);
        report.uploaded_bytes = uploaded.bytes;
        self.reads_slots = uploaded.reads_slots;
        if uploaded.moved || !world.prepared.follows {
            let parts = Parts {
                gpu: &self.gpu,
                layouts: &mut world.layouts,
                targets: &world.targets,
                buffers: &world.buffers,
                sealed: &mut world.sealed,
                shared: &world.shared,
                picture: self.screen.format(),
            };
            world.prepared.follow_slots(&parts);
            self.report_faults();
        }
    }

    fn refresh(&mut self) {
        let world = &mut self.world;
        if !std::mem::take(&mut world.changed) {
            return;
        }
        world.prepared.refresh(&self.shaders);
        let passes = world.prepared.labels.len();
        if world.timing.as_ref().is_some_and(|t| !t.fits(passes)) {
            world.timing = Timing::new(&self.gpu, passes);
        }
    }

    /// Records the frame; when the GPU refuses it, finds the runs to blame and records it without them.
    fn record(&mut self, report: &FrameReport, picture: &Picture, returning: &Returning) -> Option<Recorded> {
        loop {
            let timed = self.world.timing.as_ref().and_then(Timing::free);
            let parts = FrameParts {
                gpu: &self.gpu,
                buffers: &self.world.buffers,
                counts: &report.packet.counts,
                picture: &picture.view,
                queries: timed.and(self.world.timing.as_ref()).map(Timing::queries),
            };
            let (recorded, fault) =
                self.gpu.checked(|| self.record_all(&parts, &report.packet, picture, timed, returning));
            let Some(fault) = fault else { return Some(recorded) };
            if !encode::find_faults(&mut self.world.prepared, &parts) {
                // Every cell's passes are fine by themselves: the fault is ours.
                tracing::error!("frame {} cannot be recorded: {fault}", report.frame);
                return None;
            }
            self.report_faults();
            self.refresh();
        }
    }

    fn record_all(
        &self,
        parts: &FrameParts<'_>,
        packet: &Packet,
        picture: &Picture,
        timed: Option<usize>,
        returning: &Returning,
    ) -> Recorded {
        let World { targets, buffers, prepared, timing, .. } = &self.world;
        let desc = wgpu::CommandEncoderDescriptor { label: Some("frame") };
        let mut encoder = self.gpu.device.create_command_encoder(&desc);
        targets.start(&mut encoder);
        buffers.record_copies(&mut encoder);
        encode::record(prepared, parts, &mut encoder);
        targets.copy_previous(&mut encoder);
        returning.record(&mut encoder, targets, &packet.readbacks);
        let timed = timed.filter(|_| !prepared.labels.is_empty());
        if let (Some(at), Some(timing)) = (timed, timing) {
            timing.resolve(&mut encoder, at, prepared.labels.len());
        }
        let capture =
            packet.capture.then(|| Capture::record(&self.gpu, &mut encoder, &picture.texture)).flatten();
        Recorded { commands: encoder.finish(), capture, timed }
    }

    fn finish(
        &mut self,
        report: &mut FrameReport,
        submitted: wgpu::SubmissionIndex,
        capture: Option<Capture>,
    ) {
        if let Some(capture) = capture {
            match capture.read(&self.gpu, submitted.clone()) {
                Ok(image) => report.capture = Some(image),
                Err(why) => tracing::error!("frame {} could not be captured: {why}", report.frame),
            }
        } else if report.packet.capture {
            tracing::error!("this window's pictures cannot be captured");
        }
        let poll = if self.config.wait_gpu {
            wgpu::PollType::Wait { submission_index: Some(submitted.clone()), timeout: None }
        } else {
            wgpu::PollType::Poll
        };
        if let Err(e) = self.gpu.device.poll(poll) {
            tracing::warn!("waiting for frame {}: {e}", report.frame);
        }
        self.in_flight.rotate_left(1);
        self.in_flight[FRAMES_IN_FLIGHT - 1] = Some(submitted);
        report.gpu = self.world.timing.as_mut().and_then(Timing::take);
    }

    /// Waits until the GPU is at most [`FRAMES_IN_FLIGHT`] frames behind.
    fn wait_for_gpu(&mut self) {
        if let Some(oldest) = self.in_flight[0].take() {
            let wait = wgpu::PollType::Wait { submission_index: Some(oldest), timeout: None };
            if let Err(e) = self.gpu.device.poll(wait) {
                tracing::warn!("waiting for the GPU: {e}");
            }
        }
    }
}

fn elapsed_ns(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
