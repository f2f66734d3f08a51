//! The host's form of a record: slots by name; pointers are made where the cell runs.
use crate::memory::MemoryTable;
use cell_abi::{Bytes, DirtyRange, InputFrame, MailView, PortView, SlotView, TickRecord};
use engine_frame::plan::{BufferId, CellLine};
use std::sync::Arc;

/// A published slot that a turn reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotRead {
    /// The buffer.
    pub buffer: BufferId,
    /// The slot.
    pub slot: u8,
    /// Published bytes.
    pub len: usize,
    /// The frame of the tick that published it.
    pub frame: u64,
}

/// A slot granted to a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotWrite {
    /// The buffer.
    pub buffer: BufferId,
    /// The slot; `None` is scratch.
    pub slot: Option<u8>,
    /// The stamp to publish under.
    pub stamp: u32,
    /// The part of [`Record::behind`] that belongs to it: first entry and number.
    pub behind: (u32, u32),
}

/// A port in a record.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PortSlots {
    /// The newest publication.
    pub read: Option<SlotRead>,
    /// The one before, for `history` ports.
    pub previous: Option<SlotRead>,
    /// Between the two, where the frame lies.
    pub blend: f32,
    /// The slot to write.
    pub write: Option<SlotWrite>,
}

/// A message handed over with a record.
#[derive(Clone, Debug)]
pub struct Letter {
    /// The sender's line.
    pub line: CellLine,
    /// The sender's name.
    pub from: Arc<str>,
    /// The sender's count.
    pub sequence: u64,
    /// The bytes, in 16-byte words, and how many count.
    pub payload: Vec<u128>,
    /// How many bytes of `payload` count.
    pub len: usize,
}

/// Everything a turn may see of the outside. Reused from turn to turn.
#[derive(Debug, Default)]
pub struct Record {
    /// The frame.
    pub frame: u64,
    /// Steps of this tick; 0 when it is none.
    pub steps: u32,
    /// Length of a step in nanoseconds.
    pub dt_ns: u64,
    /// Simulated time since the start in nanoseconds.
    pub time_ns: u64,
    /// Seed.
    pub seed: u64,
    /// Output size in pixels.
    pub screen_px: [u32; 2],
    /// Input.
    pub input: InputFrame,
    /// One entry per port.
    pub ports: Vec<PortSlots>,
    /// What write slots are behind.
    pub behind: Vec<DirtyRange>,
    /// Mail.
    pub mail: Vec<Letter>,
    /// Encoded parameters.
    pub params: Arc<[u8]>,
    /// Rises when they change.
    pub params_version: u64,
    /// Where the slots are.
    pub memory: Arc<MemoryTable>,
    views: Vec<PortView>,
    mail_views: Vec<MailView>,
}

impl Record {
    /// Calls `run` with the record as a cell of this process sees it.
    pub fn with_view<R>(&mut self, run: impl FnOnce(&TickRecord) -> R) -> R {
        self.views.clear();
        for p in &self.ports {
            let mut view = PortView::EMPTY;
            view.blend = p.blend;
            view.read = slot_view(&self.memory, p.read);
            view.previous = slot_view(&self.memory, p.previous);
            if let Some(w) = p.write
                && let Some(memory) = self.memory.get(w.buffer).filter(|m| m.region.is_of_thread())
            {
                view.write = memory.write_ptr(w.slot);
                view.capacity = memory.part.capacity;
                view.header = memory.header(w.slot);
                view.stamp = w.stamp;
                view.behind = self.behind.as_ptr().wrapping_add(w.behind.0 as usize);
                view.behind_count = w.behind.1 as usize;
            }
            self.views.push(view);
        }
        self.mail_views.clear();
        for l in &self.mail {
            self.mail_views.push(MailView {
                from: Bytes::of(l.from.as_bytes()),
                sequence: l.sequence,
                payload: Bytes { ptr: l.payload.as_ptr().cast(), len: l.len },
            });
        }
        run(&TickRecord {
            size: size_of::<TickRecord>() as u32,
            steps: self.steps,
            frame: self.frame,
            dt_ns: self.dt_ns,
            time_ns: self.time_ns,
            seed: self.seed,
            screen_px: self.screen_px,
            input: &raw const self.input,
            ports: self.views.as_ptr(),
            port_count: self.views.len(),
            mail: self.mail_views.as_ptr(),
            mail_count: self.mail_views.len(),
            params: Bytes::of(&self.params),
            params_version: self.params_version,
        })
    }
}

// The views hold raw pointers only while `with_view` runs; between turns they are stale and never read.
#[expect(unsafe_code, reason = "stale views may travel with their record")]
// SAFETY: `views` and `mail_views` are rebuilt before each use, on the thread that uses them; everything else
// in the record is `Send`.
unsafe impl Send for Record {}

fn slot_view(memory: &MemoryTable, read: Option<SlotRead>) -> SlotView {
    read.and_then(|r| {
        let m = memory.get(r.buffer).filter(|m| m.region.is_ready())?;
        Some(SlotView { ptr: m.read_ptr(r.slot), len: r.len.min(m.part.capacity), frame: r.frame })
    })
    .unwrap_or(SlotView::EMPTY)
}
