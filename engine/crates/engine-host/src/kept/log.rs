//! The turns of one instance, in two halves of memory that is used again and again.
use super::{
    Budget, Contents, Part, Starts, Sums,
    entries::{AGAIN, Known, mail_sum, read_turns, write_begin, write_end},
    sum::sum,
    turns::{Content, KeptAsset, KeptEnd, KeptPublication},
};
use crate::{
    child_wire::codec::Writer,
    cx::InstanceCx,
    record::{Record, SlotRead},
    turn::{Ending, Outcome, SavedState, Work},
};
use engine_frame::packet::SlotMemory as _;

/// Every how many turns is looked whether what they read is about to be forgotten. A state is wanted no more often.
const LOOK_EVERY: u32 = 32;

/// A half: turns that follow one another.
#[derive(Debug)]
struct Half {
    starts: Starts,
    bytes: Vec<u8>,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Log {
    budget: Budget,
    saves: bool,
    sums: Sums,
    /// The half that is filled, and the one before.
    halves: [Half; 2],
    /// What the reader of the half knows.
    known: Known,
    /// By port, the newest publication of the turns in this half: its frame and stamp.
    own: Vec<Option<(u64, u32)>>,
    /// The entry that is being made.
    entry: Vec<u8>,
    /// The entries of the newest load, with which a new half begins.
    load: Vec<u8>,
    /// The oldest publication that a turn of this half has read.
    oldest: Option<u64>,
    /// That publication will soon be forgotten.
    is_aging: bool,
    /// Turns since the half began.
    turns: u32,
    /// The turn under way is a load.
    loads: bool,
    /// The turn under way could not be kept.
    skips: bool,
    end: KeptEnd,
}

impl Log {
    pub(super) fn new(budget: Budget, saves: bool) -> Self {
        let half = |starts| Half { starts, bytes: Vec::new() };
        Self {
            budget,
            saves,
            sums: Sums::default(),
            halves: [half(Starts::Made(None)), half(Starts::Cut)],
            known: Known::default(),
            own: Vec::new(),
            entry: Vec::new(),
            load: Vec::new(),
            oldest: None,
            is_aging: false,
            turns: 0,
            loads: false,
            skips: false,
            end: KeptEnd::default(),
        }
    }

    pub(super) fn set_sums(&mut self, sums: Sums) {
        self.sums = sums;
    }

    pub(super) fn starts_from(&mut self, state: &SavedState, handed_over: bool) {
        let small = state.bytes.len() <= self.budget.state;
        self.halves[0].starts = match (small, handed_over) {
            (false, _) => Starts::Cut,
            (true, true) => Starts::TakenOver(state.clone()),
            (true, false) => Starts::Made(Some(state.clone())),
        };
    }

    pub(super) fn begin(&mut self, contents: &Contents, record: &Record, work: Work, makes: bool) {
        self.make_entry(contents, record, work, makes);
        self.skips = false;
        if !self.fits(self.entry.len()) {
            // What is kept from now on has no beginning, unless the cell saves in time.
            self.turn_over(Starts::Cut);
            self.make_entry(contents, record, work, makes);
            self.skips = !self.fits(self.entry.len());
        }
        self.loads = work.load;
        if self.loads {
            self.load.clear();
        }
        self.push();
        self.turns += 1;
        if self.saves && self.turns.is_multiple_of(LOOK_EVERY) {
            self.is_aging = self.oldest.is_some_and(|id| contents.is_aging(id));
        }
    }

    fn make_entry(&mut self, contents: &Contents, record: &Record, work: Work, makes: bool) {
        if work.load {
            // It may be read alone.
            self.known = Known::default();
        }
        let (own, oldest) = (&self.own, &mut self.oldest);
        let content = |port: usize, read: &SlotRead| {
            if own.get(port).copied().flatten() == Some((read.frame, read.stamp)) {
                return Content::Own;
            }
            // Other turns see nothing of others.
            let id = work.tick.then(|| contents.keep(&record.memory, read)).flatten();
            let Some(id) = id else { return Content::Lost };
            *oldest = Some(oldest.map_or(id, |o| o.min(id)));
            Content::Kept(id)
        };
        let mut w = Writer::new(&mut self.entry);
        write_begin(&mut w, &mut self.known, record, work, makes, content);
    }

    fn fits(&self, len: usize) -> bool {
        self.halves[0].bytes.len() + len <= self.budget.turns / 2
    }

    /// Adds the entry to the half.
    fn push(&mut self) {
        if self.loads {
            self.load.extend_from_slice(&self.entry);
        }
        if self.skips {
            return;
        }
        let half = &mut self.halves[0].bytes;
        if half.capacity() == 0 {
            // Memory that is not used yet costs nothing.
            half.reserve_exact(self.budget.turns / 2);
        }
        half.extend_from_slice(&self.entry);
    }

    /// Begins the other half.
    fn turn_over(&mut self, starts: Starts) {
        self.halves.swap(0, 1);
        let half = &mut self.halves[0];
        half.starts = starts;
        half.bytes.clear();
        if self.load.len() <= self.budget.turns / 4 {
            half.bytes.reserve_exact(self.budget.turns / 2);
            half.bytes.extend_from_slice(&self.load);
            if let Some(flags) = half.bytes.get_mut(1) {
                *flags |= AGAIN;
            }
        } else {
            half.starts = Starts::Cut;
        }
        self.known = Known::default();
        self.own.clear();
        (self.oldest, self.is_aging, self.turns) = (None, false, 0);
    }

    pub(super) fn end(&mut self, record: &Record, outcome: &Outcome, cx: &InstanceCx) {
        let mut end = std::mem::take(&mut self.end);
        end.ticked = outcome.ticked;
        end.went_on = !matches!(outcome.ending, Ending::Over(_));
        end.publications.clear();
        end.assets.clear();
        end.mail = mail_sum(&outcome.outbox);
        if outcome.ticked {
            self.note_publications(record, &mut end);
        }
        if self.loads {
            let io = cx.io();
            let hash = |a: &crate::assets::Asset| a.hash.map(|h| *h.as_bytes());
            end.assets.extend(io.assets.iter().map(|(path, asset)| KeptAsset {
                path: path.to_string(),
                hash: asset.as_ref().and_then(hash),
            }));
        }
        write_end(&mut Writer::new(&mut self.entry), &end);
        self.skips |= !self.fits(self.entry.len());
        self.push();
        if self.skips {
            // The half lacks a turn, or its end.
            self.turn_over(Starts::Cut);
        }
        self.end = end;
        self.loads = false;
        match (&outcome.saved, &outcome.save_fault) {
            (Some(state), _) if outcome.ticked && self.saves => self.take_state(state),
            (_, Some(_)) => self.saves = false,
            _ => {}
        }
    }

    /// Begins the other half with a state, if there is need of it.
    fn take_state(&mut self, state: &SavedState) {
        if !self.wants_state() {
            return;
        }
        if state.bytes.len() > self.budget.state {
            self.saves = false;
            return;
        }
        self.turn_over(Starts::Saved(state.clone()));
    }

    fn note_publications(&mut self, record: &Record, end: &mut KeptEnd) {
        for (port, p) in record.ports.iter().enumerate() {
            let Some(write) = p.write else { continue };
            let (Some(slot), Some(memory)) = (write.slot, record.memory.get(write.buffer)) else { continue };
            let Some(published) = memory.header(Some(slot)).published(write.stamp) else { continue };
            if self.own.len() <= port {
                self.own.resize(port + 1, None);
            }
            self.own[port] = Some((record.frame, write.stamp));
            let len = published.len_bytes;
            let bytes = record.memory.bytes(write.buffer, slot, 0, len).filter(|_| self.sums.take(len));
            end.publications.push(KeptPublication { port: port as u32, len, sum: bytes.map(sum) });
        }
    }

    /// Returns whether the half is so full that a state is wanted, from which the next one starts.
    pub(super) fn wants_state(&self) -> bool {
        let left_of_half = self.halves[0].bytes.len() * 4 > self.budget.turns;
        self.saves && (left_of_half || self.is_aging || matches!(self.halves[0].starts, Starts::Cut))
    }

    /// Returns how many bytes are kept.
    pub(super) fn bytes(&self) -> usize {
        let half = |h: &Half| h.bytes.len() + h.starts.state().map_or(0, |s| s.bytes.len());
        self.halves.iter().map(half).sum::<usize>() + self.load.len() + self.entry.len()
    }

    /// Returns what is kept, the older half first.
    pub(super) fn parts(&self) -> Vec<Part> {
        let halves = self.halves.iter().rev().filter(|h| !h.bytes.is_empty());
        let part = |h: &Half| match read_turns(&h.bytes) {
            Ok(turns) => Part { starts: h.starts.clone(), turns },
            Err(error) => {
                tracing::error!("kept turns cannot be read, please report it: {error}");
                Part { starts: Starts::Cut, turns: Vec::new() }
            }
        };
        halves.map(part).collect()
    }
}
