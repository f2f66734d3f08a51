//! Copies of the running instance's turns, made as they end, on the threads that run them.
use crate::{
    cx::Outgoing,
    kept::{Content, KeptRead, KeptTurn},
    record::SlotWrite,
    turn::{SavedState, Turn},
};
use crossbeam::channel::{Receiver, Sender, bounded};
use engine_frame::{packet::SlotMemory as _, slots::content_len};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most bytes of all copies.
const MAX_BYTES: usize = 256 << 20;

/// A tick of the running instance: what it was given, and what it made.
#[derive(Debug)]
pub(super) struct Tapped {
    /// What it was given. What it read is in `contents`, by the numbers in it.
    pub(super) turn: KeptTurn,
    contents: Vec<Vec<u8>>,
    /// What was published, by port.
    pub(super) made: Vec<Option<Vec<u8>>>,
    pub(super) sent: Vec<Outgoing>,
    pub(super) passes: Option<Vec<u8>>,
    /// The state after it, in the first one.
    pub(super) state: Option<SavedState>,
}

impl Tapped {
    /// Returns what was read: the frame of the tick that published it, and its bytes.
    pub(super) fn content(&self, read: Option<KeptRead>) -> Option<(u64, &[u8])> {
        let read = read?;
        let Content::Kept(number) = read.content else { return None };
        Some((read.frame, self.contents.get(number as usize)?))
    }

    fn bytes(&self) -> usize {
        self.contents.iter().chain(self.made.iter().flatten()).map(Vec::len).sum()
    }
}

#[derive(Debug)]
struct State {
    /// Ticks that are still to be copied, after the first one.
    left: u32,
    bytes: usize,
    /// None when there is nothing more to come.
    out: Option<Sender<Tapped>>,
    begun: bool,
}

/// Where turns are copied to.
#[derive(Debug)]
pub(crate) struct Tap {
    state: Mutex<State>,
    keeps: bool,
}

impl Tap {
    /// Returns a tap for `ticks` ticks after one whose state is taken, if the instance `keeps` one; and where they come
    /// out.
    pub(super) fn new(ticks: u32, keeps: bool) -> (std::sync::Arc<Self>, Receiver<Tapped>) {
        let (out, captured) = bounded(ticks as usize + 1);
        let out = Some(out).filter(|_| ticks > 0);
        let state = Mutex::new(State { left: ticks, bytes: 0, out, begun: false });
        (std::sync::Arc::new(Self { state, keeps }), captured)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns whether the next tick is to save its state.
    pub(crate) fn wants_state(&self) -> bool {
        let state = self.state();
        self.keeps && !state.begun && state.out.is_some()
    }

    /// Returns whether nothing more is copied.
    pub(super) fn is_closed(&self) -> bool {
        self.state().out.is_none()
    }

    /// Copies nothing more.
    pub(super) fn close(&self) {
        self.state().out = None;
    }

    /// Copies a turn that has ended, before what its record names is let go.
    pub(crate) fn take(&self, turn: &Turn) {
        let mut state = self.state();
        if state.out.is_none() || !turn.outcome.ticked {
            return;
        }
        if !state.begun {
            if self.keeps && turn.outcome.saved.is_none() {
                // One that was asked and cannot save never will: the new build loads without its state, and that is it.
                if turn.work.save {
                    state.out = None;
                }
                return;
            }
            state.begun = true;
        } else {
            state.left -= 1;
        }
        let tapped = copy(turn);
        state.bytes += tapped.bytes();
        let fits = state.bytes <= MAX_BYTES;
        let sent = fits && state.out.as_ref().is_some_and(|out| out.try_send(tapped).is_ok());
        if !sent || state.left == 0 {
            state.out = None;
        }
    }
}

fn copy(turn: &Turn) -> Tapped {
    let r = &turn.record;
    let mut contents = Vec::new();
    let given = KeptTurn::copy(r, turn.work, |read| {
        let Some(bytes) = r.memory.bytes(read.buffer, read.slot, 0, read.len as u64) else {
            return Content::Lost;
        };
        contents.push(bytes.to_vec());
        Content::Kept(contents.len() as u64 - 1)
    });
    let made = |write: Option<SlotWrite>| {
        let write = write?;
        let memory = r.memory.get(write.buffer)?;
        let published = memory.header(write.slot).published(write.stamp)?;
        let capacity = u32::try_from(memory.part.capacity).unwrap_or(u32::MAX);
        let len = content_len(&published, capacity, 1).ok()?;
        Some(r.memory.bytes(write.buffer, write.slot?, 0, u64::from(len))?.to_vec())
    };
    Tapped {
        turn: given,
        contents,
        made: r.ports.iter().map(|p| made(p.write)).collect(),
        sent: turn.outcome.outbox.clone(),
        passes: turn.outcome.passes.clone(),
        state: turn.outcome.saved.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        assets::AssetStore,
        cx::{InstanceCx, Services},
        par::ParPool,
        sealed::SealedStore,
    };
    use std::sync::Arc;

    #[test]
    fn one_that_cannot_save_its_state_is_not_waited_for() {
        let services = Services {
            pool: ParPool::without_threads(),
            assets: AssetStore::new(std::path::PathBuf::new()),
            sealed: SealedStore::default(),
        };
        let mut turn = Turn::new(0, 0, &InstanceCx::new("cell".into(), Arc::new(services)));
        turn.outcome.ticked = true;
        let (tap, captured) = Tap::new(3, true);
        tap.take(&turn);
        assert!(!tap.is_closed() && tap.wants_state(), "this one was not asked for it");
        turn.work.save = true;
        tap.take(&turn);
        assert!(tap.is_closed() && captured.try_recv().is_err());
    }
}
