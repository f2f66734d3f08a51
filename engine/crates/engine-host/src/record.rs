//! The host's form of a record: slots by name; pointers are made where the cell runs.
use crate::{memory::MemoryTable, spares::Spares};
use cell_abi::{Bytes, DirtyRange, InputFrame, MailView, PortView, SlotView, TickRecord};
use engine_frame::{
    plan::{BufferId, CellLine},
    slots::Published,
};
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
    /// The stamp under which it was published: with the frame it names the publication.
    pub stamp: u32,
}

impl SlotRead {
    /// Returns how a record names a publication.
    pub(crate) fn of(buffer: BufferId, p: Published) -> Self {
        Self { buffer, slot: p.slot, len: p.len as usize, frame: p.frame, stamp: p.stamp() }
    }
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
    /// The memory of earlier letters.
    spare: Spares<Vec<u128>>,
    /// Per port, the memory for what a thread cell writes when all slots are in use; made at first use. The record's
    /// own, so that a hung instance and the one that replaced it never write to the same memory.
    scratch: Vec<Vec<u128>>,
}

impl Record {
    /// Forgets the mail, but not its memory.
    pub fn clear_mail(&mut self) {
        for mut letter in self.mail.drain(..) {
            letter.payload.clear();
            let bytes = size_of_val(&letter.payload) + letter.payload.capacity() * size_of::<u128>();
            self.spare.give(letter.payload, bytes);
        }
    }

    /// Adds a letter.
    pub fn deliver(&mut self, line: CellLine, from: &Arc<str>, sequence: u64, bytes: &[u8]) {
        let mut payload = self.spare.take().unwrap_or_default();
        payload.extend(bytes.chunks(size_of::<u128>()).map(|chunk| {
            let mut word = [0; size_of::<u128>()];
            word[..chunk.len()].copy_from_slice(chunk);
            u128::from_ne_bytes(word)
        }));
        self.mail.push(Letter { line, from: Arc::clone(from), sequence, payload, len: bytes.len() });
    }

    /// Calls `run` with the record as a cell of this process sees it.
    pub fn with_view<R>(&mut self, run: impl FnOnce(&TickRecord) -> R) -> R {
        self.views.clear();
        for (n, p) in self.ports.iter().enumerate() {
            let mut view = PortView::EMPTY;
            view.blend = p.blend;
            view.read = slot_view(&self.memory, p.read);
            view.previous = slot_view(&self.memory, p.previous);
            if let Some(w) = p.write
                && let Some(memory) = self.memory.get(w.buffer).filter(|m| m.region.is_of_thread())
            {
                view.write = match w.slot {
                    Some(slot) => memory.write_ptr(slot),
                    None => scratch(&mut self.scratch, n, memory.part.capacity),
                };
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

/// Returns the scratch memory of port `n`, at least `capacity` bytes, aligned to 16.
fn scratch(all: &mut Vec<Vec<u128>>, n: usize, capacity: usize) -> *mut u8 {
    if all.len() <= n {
        all.resize_with(n + 1, Vec::new);
    }
    all[n].resize(capacity.div_ceil(size_of::<u128>()), 0);
    all[n].as_mut_ptr().cast()
}

fn slot_view(memory: &MemoryTable, read: Option<SlotRead>) -> SlotView {
    read.and_then(|r| {
        let m = memory.get(r.buffer).filter(|m| m.region.is_ready())?;
        Some(SlotView { ptr: m.read_ptr(r.slot), len: r.len.min(m.part.capacity), frame: r.frame })
    })
    .unwrap_or(SlotView::EMPTY)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::{BufferSize, Region};
    use engine_scene::Placement;

    /// Returns the addresses that a turn of `record` may write to.
    fn written(record: &mut Record) -> Vec<*mut u8> {
        record.with_view(|view| {
            #[expect(unsafe_code, reason = "the test plays the cell")]
            // SAFETY: the view is that of a record, valid for the call.
            let ports = unsafe { std::slice::from_raw_parts(view.ports, view.port_count) };
            ports.iter().map(|p| p.write).collect()
        })
    }

    #[test]
    fn no_two_instances_write_to_the_same_scratch_memory() {
        let sizes = [100, 70_000].map(|capacity| (BufferId((capacity / 70_000) as u32), capacity));
        let sizes = sizes.map(|(buffer, capacity)| BufferSize { buffer, capacity });
        let mut memory = MemoryTable::default();
        memory.insert(&Region::new("cell", &sizes, Placement::Thread, &[]).unwrap());
        let memory = Arc::new(memory);
        let record = |slot| Record {
            ports: [BufferId(0), BufferId(1)]
                .map(|buffer| PortSlots {
                    write: Some(SlotWrite { buffer, slot, stamp: 1, behind: (0, 0) }),
                    ..PortSlots::default()
                })
                .to_vec(),
            memory: Arc::clone(&memory),
            ..Record::default()
        };
        let (mut hung, mut next) = (record(None), record(None));
        let (old, new) = (written(&mut hung), written(&mut next));
        for (port, bytes) in [(0, 100), (1, 70_000)] {
            let apart = (old[port] as usize).abs_diff(new[port] as usize);
            assert!(!old[port].is_null() && !new[port].is_null() && apart >= bytes, "port {port}: {apart}");
            assert!(old[port].addr().is_multiple_of(16));
        }
        assert_eq!(written(&mut hung), old, "an instance keeps its scratch memory");
        assert_eq!(written(&mut record(Some(2))), written(&mut record(Some(2))), "slots are shared");
    }

    #[test]
    fn letters_hold_what_was_sent_and_use_the_memory_of_earlier_ones() {
        let mut record = Record::default();
        let from: Arc<str> = "a".into();
        let seen = |r: &mut Record| {
            r.with_view(|view| {
                let m = view.mail;
                #[expect(unsafe_code, reason = "reads the view as a cell does")]
                // SAFETY: the view lives for this call, and there is one letter.
                let payload = unsafe { std::slice::from_raw_parts((*m).payload.ptr, (*m).payload.len) };
                (payload.to_vec(), payload.as_ptr().addr() % 16)
            })
        };
        record.deliver(CellLine(0), &from, 0, &[7; 1001]);
        assert_eq!(seen(&mut record), (vec![7; 1001], 0));
        record.clear_mail();
        record.deliver(CellLine(0), &from, 1, &[1, 2, 3]);
        assert_eq!(seen(&mut record), (vec![1, 2, 3], 0));
        assert!(record.mail[0].payload.capacity() >= 63, "it has the memory of the long one");
    }
}
