//! The turns of one instance, in two halves of memory that is used again and again.
use super::{
    Budget, Contents, Lack, Part, Starts, Sums,
    contents::Held,
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

/// How many frames a half has at least before it is over because what it read is about to be forgotten: a world that
/// reads so much is not asked for a state in each frame.
const FRAMES: u64 = 16;
/// An entry up to this length is kept though the half be over then: mail may be as long.
const LONGEST: usize = 5 << 18;

/// A publication that a port read.
#[derive(Clone, Copy, Debug)]
struct Seen {
    read: SlotRead,
    held: Held,
}

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
    /// What the next half may have.
    next_budget: Budget,
    /// It is asked for its state; `lack` says why not, or what it would lack if the state did not come in time.
    saves: bool,
    lack: Lack,
    sums: Sums,
    /// The half that is filled, and the one before.
    halves: [Half; 2],
    /// What the reader of the half knows.
    known: Known,
    /// By port, the newest publication of the turns in this half: its frame and stamp.
    own: Vec<Option<(u64, u32)>>,
    /// By port, the two newest that it read: they are asked for again, and need not be looked for.
    seen: Vec<[Option<Seen>; 2]>,
    /// The entry that is being made.
    entry: Vec<u8>,
    /// The entries of the newest load, with which a new half begins.
    load: Vec<u8>,
    /// They are short enough for that.
    load_fits: bool,
    /// What their reader knows then.
    load_known: Known,
    /// When the oldest publication was kept that a turn of this half has read.
    oldest: Option<u64>,
    /// That publication will soon be forgotten.
    is_aging: bool,
    /// The frame in which the half began, and how many bytes it had then.
    begun: (Option<u64>, usize),
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
            next_budget: budget,
            saves,
            lack: if saves { Lack::TooMuch } else { Lack::NoState },
            sums: Sums::default(),
            halves: [half(Starts::Made(None)), half(Starts::Cut(Lack::NoState))],
            known: Known::default(),
            own: Vec::new(),
            seen: Vec::new(),
            entry: Vec::new(),
            load: Vec::new(),
            load_fits: true,
            load_known: Known::default(),
            oldest: None,
            is_aging: false,
            begun: (None, 0),
            loads: false,
            skips: false,
            end: KeptEnd::default(),
        }
    }

    pub(super) fn set_sums(&mut self, sums: Sums) {
        self.sums = sums;
    }

    /// Gives it another part of the memory, from the next half on.
    pub(super) fn set_budget(&mut self, budget: Budget) {
        self.next_budget = budget;
    }

    pub(super) fn starts_from(&mut self, state: &SavedState, handed_over: bool) {
        let small = state.bytes.len() <= self.budget.state;
        if !small {
            // The next one would be as large, and saved for nothing.
            self.stop_saving(Lack::StateTooLarge);
        }
        self.halves[0].starts = match (small, handed_over) {
            (false, _) => Starts::Cut(Lack::StateTooLarge),
            (true, true) => Starts::TakenOver(state.clone()),
            (true, false) => Starts::Made(Some(state.clone())),
        };
    }

    /// Asks the cell for no state any more.
    fn stop_saving(&mut self, why: Lack) {
        if self.saves {
            (self.saves, self.lack) = (false, why);
        }
    }

    pub(super) fn begin(&mut self, contents: &Contents, record: &Record, work: Work, makes: bool) {
        self.make_entry(contents, record, work, makes);
        self.skips = false;
        if !self.takes(self.entry.len()) {
            // What is kept from now on has no beginning, unless the cell saves in time.
            self.turn_over(Starts::Cut(self.lack));
            self.make_entry(contents, record, work, makes);
            self.skips = !self.takes(self.entry.len());
        }
        self.loads = work.load;
        if self.loads {
            self.load.clear();
            self.load_fits = true;
            self.load_known.copy(&self.known);
        }
        self.push();
        let begun = *self.begun.0.get_or_insert(record.frame);
        let is_due = self.saves && record.frame.saturating_sub(begun) >= FRAMES;
        self.is_aging = is_due && self.oldest.is_some_and(|at| contents.is_aging(at));
    }

    fn make_entry(&mut self, contents: &Contents, record: &Record, work: Work, makes: bool) {
        if work.load {
            // It may be read alone.
            self.known.clear();
        }
        let (own, seen, oldest) = (&self.own, &mut self.seen, &mut self.oldest);
        let content = |port: usize, read: &SlotRead| {
            if own.get(port).copied().flatten() == Some((read.frame, read.stamp)) {
                return Content::Own;
            }
            // Other turns see nothing of others.
            let held = work.tick.then(|| find(seen, contents, port, record, read)).flatten();
            let Some(held) = held else { return Content::Lost };
            *oldest = Some(oldest.map_or(held.at, |o| o.min(held.at)));
            Content::Kept(held.id)
        };
        let mut w = Writer::new(&mut self.entry);
        write_begin(&mut w, &mut self.known, record, work, makes, content);
    }

    /// Returns whether the half takes an entry of this length: a long one also past its end, once, for the sake of all
    /// that is before it.
    fn takes(&self, len: usize) -> bool {
        let (used, most) = (self.halves[0].bytes.len(), self.budget.turns / 2);
        used + len <= most || used <= most && (most / 4..=LONGEST).contains(&len)
    }

    /// Adds the entry to the half.
    fn push(&mut self) {
        if self.loads && self.load_fits {
            self.load_fits = self.load.len() + self.entry.len() <= self.budget.turns / 4;
            if self.load_fits {
                self.load.extend_from_slice(&self.entry);
            } else {
                // No half but the first would know it, so none can start from a state.
                self.load = Vec::new();
                self.stop_saving(Lack::LoadTooLarge);
            }
        }
        if self.skips {
            return;
        }
        let half = &mut self.halves[0].bytes;
        if half.capacity() == 0 {
            // Memory that is not used yet costs nothing.
            half.reserve_exact(self.budget.turns / 2);
        }
        half.reserve_exact(self.entry.len());
        half.extend_from_slice(&self.entry);
    }

    /// Begins the other half.
    fn turn_over(&mut self, starts: Starts) {
        self.halves.swap(0, 1);
        self.budget = self.next_budget;
        let half = &mut self.halves[0];
        half.starts = starts;
        half.bytes.clear();
        // What an entry needed that went past the end.
        half.bytes.shrink_to(self.budget.turns / 2);
        if self.load_fits {
            half.bytes.reserve_exact(self.budget.turns / 2);
            half.bytes.extend_from_slice(&self.load);
            if let Some(flags) = half.bytes.get_mut(1) {
                *flags |= AGAIN;
            }
        } else {
            half.starts = Starts::Cut(self.lack);
        }
        self.begun = (None, half.bytes.len());
        self.known.clear();
        if self.load_fits {
            self.known.copy(&self.load_known);
        }
        self.own.clear();
        (self.oldest, self.is_aging) = (None, false);
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
        self.skips |= self.entry.len() > LONGEST;
        self.push();
        if self.skips && end.went_on {
            // The half lacks a turn, or its end. Of an instance that is over nothing comes after it.
            self.turn_over(Starts::Cut(self.lack));
        }
        if self.entry.capacity() > LONGEST {
            self.entry = Vec::new();
        }
        self.end = end;
        self.loads = false;
        match (&outcome.saved, &outcome.save_fault) {
            (Some(state), _) if outcome.ticked && self.saves => self.take_state(state),
            (_, Some(_)) => self.stop_saving(Lack::NoState),
            _ => {}
        }
    }

    /// Begins the other half with a state, if there is need of it.
    fn take_state(&mut self, state: &SavedState) {
        if !self.wants_state() {
            return;
        }
        if state.bytes.len() > self.budget.state {
            self.stop_saving(Lack::StateTooLarge);
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
        let half = &self.halves[0];
        let (begun, most) = (self.begun.1, self.budget.turns / 2);
        let is_nearly_full = (half.bytes.len() - begun) * 2 > most.saturating_sub(begun);
        self.saves && (is_nearly_full || self.is_aging || matches!(half.starts, Starts::Cut(_)))
    }

    /// Returns how many bytes it has taken.
    pub(super) fn bytes(&self) -> usize {
        let half = |h: &Half| h.bytes.capacity() + h.starts.state().map_or(0, |s| s.bytes.len());
        self.halves.iter().map(half).sum::<usize>() + self.load.capacity() + self.entry.capacity()
    }

    /// Returns what is kept, the older half first.
    pub(super) fn parts(&self) -> Vec<Part> {
        let halves = self.halves.iter().rev().filter(|h| !h.bytes.is_empty());
        let part = |h: &Half| match read_turns(&h.bytes) {
            Ok(turns) => Part { starts: h.starts.clone(), turns },
            Err(error) => {
                tracing::error!("kept turns cannot be read, please report it: {error}");
                Part { starts: Starts::Cut(Lack::NoState), turns: Vec::new() }
            }
        };
        halves.map(part).collect()
    }
}

/// Returns where what the port reads is kept. What it read in one of its last turns is known without a lock.
fn find(
    seen: &mut Vec<[Option<Seen>; 2]>,
    contents: &Contents,
    port: usize,
    record: &Record,
    read: &SlotRead,
) -> Option<Held> {
    if seen.len() <= port {
        seen.resize(port + 1, [None; 2]);
    }
    let both = &mut seen[port];
    let is_it = |s: &&Seen| {
        (s.read.buffer, s.read.frame, s.read.stamp) == (read.buffer, read.frame, read.stamp)
            && contents.has(s.held)
    };
    if let Some(known) = both.iter().flatten().find(is_it) {
        return Some(known.held);
    }
    let held = contents.keep(&record.memory, read)?;
    let older = usize::from(both[0].map(|s| s.read.frame) > both[1].map(|s| s.read.frame));
    both[older] = Some(Seen { read: *read, held });
    Some(held)
}
