//! Turns that follow another on the same thread, without a way through the host.
//!
//! A cell with `now` ports starts when the one cell that it waits for has ticked. The host hangs its recorded turn to
//! that cell's turn; the tick thread that ends the one begins the other. What the owner has published by then is
//! what the host will publish: its slots were granted and held for the follower when the frame was recorded.
use super::Turn;
use crate::record::SlotRead;
use engine_frame::{plan::BufferId, schedule::history_blend, slots::content_len};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A `now` port of a turn, and the slot that its owner writes in the same frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NowLink {
    /// The port.
    pub port: usize,
    /// Its buffer.
    pub buffer: BufferId,
    /// The slot granted to the owner's turn, held for this one.
    pub slot: u8,
    /// The stamp of the grant.
    pub stamp: u32,
    /// The frame of the grant.
    pub frame: u64,
    /// Bytes of an element of the buffer.
    pub element_size: u32,
    /// The port wants the publication before too.
    pub history: bool,
}

/// The turns that wait for a turn. The host takes them back when it comes to the cut-off first.
#[derive(Default)]
#[expect(clippy::vec_box, reason = "turns travel in their boxes: none is copied")]
pub struct Followers(Mutex<Vec<Box<Turn>>>);

impl Followers {
    #[expect(clippy::vec_box, reason = "as above")]
    fn turns(&self) -> MutexGuard<'_, Vec<Box<Turn>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a turn, before the one that it waits for starts.
    pub fn push(&self, turn: Box<Turn>) {
        self.turns().push(turn);
    }

    /// Moves all into `out`, which is empty.
    pub fn take_into(&self, out: &mut Vec<Box<Turn>>) {
        std::mem::swap(&mut *self.turns(), out);
    }

    /// Takes back the turn of a cell, if it has not begun.
    pub fn take_back(&self, cell: u32) -> Option<Box<Turn>> {
        let mut turns = self.turns();
        let at = turns.iter().position(|t| t.cell == cell)?;
        Some(turns.remove(at))
    }
}

impl Turn {
    /// Lets the `now` ports see what `owner`'s turn, which has just ended, published.
    pub fn follow(&mut self, owner: &Turn) {
        if !owner.outcome.ticked {
            return;
        }
        for l in &self.links {
            let Some(memory) = owner.record.memory.get(l.buffer) else { continue };
            let Some(published) = memory.header(Some(l.slot)).published(l.stamp) else { continue };
            let capacity = u32::try_from(memory.part.capacity).unwrap_or(u32::MAX);
            // The host refuses the same publications, with a message.
            let Ok(len) = content_len(&published, capacity, l.element_size) else { continue };
            let port = &mut self.record.ports[l.port];
            let (buffer, slot, frame, stamp) = (l.buffer, l.slot, l.frame, l.stamp);
            let read = SlotRead { buffer, slot, len: len as usize, frame, stamp };
            let before = port.read.replace(read);
            if l.history && before.is_some() {
                port.blend = history_blend(self.record.frame, before.map(|b| b.frame), l.frame);
                port.previous = before;
            }
        }
    }
}
