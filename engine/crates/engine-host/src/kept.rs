//! Records kept: of each instance the last turns with all that they were given, and a state from which they start.
//!
//! A tick is a function of (state, record), so what is kept here can be run again: after a crash, in a debugger, by
//! another build. Everything lies in memory that is made once and used again:
//!
//! - [`Kept`] has two halves of a ring for one instance. A half begins with what the cell was made from: nothing, or
//!   a state that it saved. When a half is full, the other one is begun and what it held is forgotten. A cell that
//!   saves is asked for its state in time, so that there is always a whole half to start from.
//! - [`Contents`] has what ticks read of other cells, once for each publication, whoever reads it. What a cell wrote
//!   itself is not kept: who runs its records again makes it again.
//! - [`Records`] are a copy of both, for a file ([`write_records`]) or a [`Player`].
//!
//! Turns are kept on the threads that run them, before they begin: what a turn that hangs was given is there too.
mod contents;
mod entries;
mod file;
mod log;
mod player;
mod shown;
mod sum;
mod terms;
mod turns;

pub use contents::Contents;
pub use file::{Head, MAX_BYTES, RecordsError, read_content, read_records, write_records};
pub use player::{Difference, Player, Step};
pub use shown::shown;
pub use sum::sum;
pub use terms::Terms;
pub use turns::{
    Content, KeptAsset, KeptEnd, KeptPort, KeptPublication, KeptRead, KeptTurn, KeptWrite, Lack, Starts,
};

use crate::{
    builder::BuiltCell,
    cx::InstanceCx,
    record::Record,
    turn::{Legacy, Outcome, SavedState, Work},
    world::World,
};
use cell_abi::shape::ShapeSection;
use log::Log;
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

/// Bytes of all publications that are kept.
const CONTENT_BYTES: usize = 16 << 20;
/// Bytes of the turns of all cells together.
const TURN_BYTES: usize = 24 << 20;
/// The most bytes of the turns of a cell.
const MOST_TURN_BYTES: usize = 8 << 20;
/// The fewest; many cells get them each, so that theirs are more than [`TURN_BYTES`] together.
const FEWEST_TURN_BYTES: usize = 32 << 10;
/// Bytes of the states of all cells from which their turns start; each cell has two.
const STATE_BYTES: usize = 12 << 20;
/// A publication up to this length is kept as its sum too, so that who runs a turn again can compare.
const SMALL: usize = 4096;

/// How much of each publication is compared when a turn is run again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sums {
    /// Those of up to 4 KiB: what costs next to nothing.
    #[default]
    Small,
    /// All of them.
    All,
}

impl Sums {
    /// Returns whether a publication of `len` bytes is summed.
    #[must_use]
    pub fn take(self, len: u64) -> bool {
        self == Self::All || len <= SMALL as u64
    }
}

/// What may be kept of one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of its turns.
    pub turns: usize,
    /// Bytes of a state that turns start from.
    pub state: usize,
}

impl Budget {
    /// Returns the part of one of `cells`.
    #[must_use]
    pub fn of(cells: usize) -> Self {
        let cells = cells.max(1);
        Self {
            turns: (TURN_BYTES / cells).clamp(FEWEST_TURN_BYTES, MOST_TURN_BYTES),
            state: STATE_BYTES / 2 / cells,
        }
    }
}

/// What is kept of one instance. See the module's text.
#[derive(Debug)]
pub struct Kept {
    contents: Arc<Contents>,
    /// The half is nearly full: a state is wanted, from which the next one starts.
    wants_state: AtomicBool,
    log: Mutex<Log>,
}

impl Kept {
    /// Returns the empty memory of an instance, which can `save` its state or cannot.
    #[must_use]
    pub fn new(contents: &Arc<Contents>, budget: Budget, saves: bool) -> Arc<Self> {
        Arc::new(Self {
            contents: Arc::clone(contents),
            wants_state: AtomicBool::new(false),
            log: Mutex::new(Log::new(budget, saves)),
        })
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what a turn is given, before it runs. `makes` says that it makes the instance.
    pub(crate) fn begin(&self, record: &Record, work: Work, makes: bool) {
        self.log().begin(&self.contents, record, work, makes);
    }

    /// Says which state the instance that was just made starts from.
    /// `handed_over`: an instance that waits goes on when it does not fit.
    pub(crate) fn starts_from(&self, state: &SavedState, handed_over: bool) {
        self.log().starts_from(state, handed_over);
    }

    /// Keeps what came of the turn.
    pub(crate) fn end(&self, record: &Record, outcome: &Outcome, cx: &InstanceCx) {
        let mut log = self.log();
        log.end(record, outcome, cx);
        let wants = log.wants_state();
        drop(log);
        if wants != self.wants_state.load(Ordering::Relaxed) {
            self.wants_state.store(wants, Ordering::Relaxed);
        }
    }

    /// Returns whether the state is wanted after the next tick.
    #[must_use]
    pub fn wants_state(&self) -> bool {
        self.wants_state.load(Ordering::Relaxed)
    }

    /// Says how much of each publication is to be compared from now on.
    pub fn set_sums(&self, sums: Sums) {
        self.log().set_sums(sums);
    }

    /// Gives it another part of the memory, as soon as what it has is full.
    pub fn set_budget(&self, budget: Budget) {
        self.log().set_budget(budget);
    }

    /// Returns how many bytes its turns and states take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.log().bytes()
    }

    /// Returns a copy of what is kept, in the order in which it happened.
    #[must_use]
    pub fn records(&self) -> Records {
        let mut records = Records { parts: self.log().parts(), contents: BTreeMap::new() };
        for id in records.named() {
            if let Some(bytes) = self.contents.get(id) {
                records.contents.insert(id, bytes.into());
            }
        }
        records
    }
}

/// Turns that follow one another, and what they start from.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// What they start from.
    pub starts: Starts,
    /// The turns. Unless the part begins with the making of the instance, the first is the instance's last load before.
    pub turns: Vec<KeptTurn>,
}

/// A copy of what was kept of an instance.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Records {
    /// One after the other, without a gap.
    pub parts: Vec<Part>,
    /// What was read, by the numbers in the turns.
    pub contents: BTreeMap<u64, Arc<[u8]>>,
}

impl Records {
    /// Returns the numbers of all contents that the turns name.
    fn named(&self) -> Vec<u64> {
        let turns = self.parts.iter().flat_map(|p| &p.turns);
        let reads = turns.flat_map(|t| &t.ports).flat_map(|p| [p.read, p.previous]).flatten();
        let mut all: Vec<u64> = reads
            .filter_map(|r| match r.content {
                Content::Kept(id) => Some(id),
                Content::Own | Content::Lost => None,
            })
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Returns what can be run again.
    #[must_use]
    pub fn run(&self) -> Run<'_> {
        // Only ticks see what others published.
        let reads =
            |t: &KeptTurn| t.ports.iter().flat_map(|p| [p.read, p.previous]).flatten().all(|r| self.has(&r));
        let kept = |t: &KeptTurn| !t.work.tick || reads(t);
        let starts = |p: &&Part| !matches!(p.starts, Starts::Cut(_)) && p.turns.iter().all(kept);
        // Parts follow one another without a gap: what is kept twice is run once.
        let turns = |from: usize| {
            let parts = self.parts.iter().enumerate().skip(from);
            parts.flat_map(move |(n, p)| p.turns.iter().filter(move |t| n == from || !t.again))
        };
        let whole = self.parts.iter().position(|p| starts(&p));
        if let Some(from) = whole {
            let starts = Some(&self.parts[from].starts);
            return Run { starts, turns: turns(from).collect(), why: None };
        }
        let all: Vec<&KeptTurn> = turns(0).collect();
        let begin = all.iter().rposition(|t| !kept(t)).map_or(0, |n| n + 1);
        let load = all[..begin].iter().rev().find(|t| t.work.load).copied();
        Run {
            starts: None,
            turns: load.into_iter().chain(all[begin..].iter().copied()).collect(),
            why: Some(self.lack(begin.checked_sub(1).map(|n| all[n]))),
        }
    }

    /// Returns why there is no start: `last` is the newest turn whose reads are not there.
    fn lack(&self, last: Option<&KeptTurn>) -> Lack {
        let reads = last.into_iter().flat_map(|t| &t.ports).flat_map(|p| [p.read, p.previous]).flatten();
        let lost = reads.filter(|r| !self.has(r)).map(|r| match r.content {
            Content::Lost => Lack::ReadTooLong,
            _ => Lack::ReadForgotten,
        });
        let cut = self.parts.iter().rev().find_map(|p| match p.starts {
            Starts::Cut(lack) => Some(lack),
            _ => None,
        });
        lost.min_by_key(|l| *l == Lack::ReadForgotten).or(cut).unwrap_or(Lack::NoState)
    }

    /// Returns whether the bytes of what was read are there, or are made again.
    fn has(&self, read: &KeptRead) -> bool {
        match read.content {
            Content::Own => true,
            Content::Kept(id) => self.contents.contains_key(&id),
            Content::Lost => false,
        }
    }
}

/// Turns to be run one after the other, the first of which makes the instance.
#[derive(Clone, Debug)]
pub struct Run<'a> {
    /// What the instance starts from; `None`: a new one, which lacks what was before the turns.
    pub starts: Option<&'a Starts>,
    /// The turns.
    pub turns: Vec<&'a KeptTurn>,
    /// Why what was before the turns is missing; `None`: the instance knows by then what it knew.
    pub why: Option<Lack>,
}

impl Run<'_> {
    /// Returns whether nothing is missing before the turns.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.why.is_none()
    }

    /// Returns the state from which the instance starts.
    #[must_use]
    pub fn state(&self) -> Option<&SavedState> {
        self.starts.and_then(Starts::state)
    }

    /// Returns what an instance of a build that restores `shape` is to start from.
    #[must_use]
    pub fn legacy(&self, shape: Option<Arc<ShapeSection>>) -> Option<Legacy> {
        let (state, shape) = (self.state()?.clone(), shape?);
        Some(match self.starts {
            Some(Starts::TakenOver(_)) => Legacy::tried(state, shape),
            _ => Legacy::after_end(Some(state), shape),
        })
    }

    /// Returns the frames of the first and the last tick.
    #[must_use]
    pub fn frames(&self) -> Option<(u64, u64)> {
        let mut ticks = self.turns.iter().filter(|t| t.work.tick).map(|t| t.frame);
        let first = ticks.next()?;
        Some((first, ticks.next_back().unwrap_or(first)))
    }

    /// Says what the turns start from.
    #[must_use]
    pub fn origin(&self) -> String {
        self.state().map_or_else(|| "its making".to_owned(), |s| format!("its state of frame {}", s.frame))
    }
}

impl World {
    /// Returns the memory for the records of an instance of a build that is about to be made, if records are kept.
    pub(crate) fn new_kept(&self, built: &BuiltCell) -> Option<Arc<Kept>> {
        let budget = Budget::of(self.cells.len());
        self.options.records.then(|| Kept::new(&self.contents, budget, built.shape.is_some()))
    }

    /// Gives the instances of all cells their parts of the memory, after cells came or went.
    pub(crate) fn share_records(&self) {
        let budget = Budget::of(self.cells.len());
        self.all_kept().for_each(|k| k.set_budget(budget));
    }

    fn all_kept(&self) -> impl Iterator<Item = &Arc<Kept>> {
        let waiting = self.cells.iter().filter_map(|c| c.probation.as_ref()?.kept());
        self.cells.iter().filter_map(|c| c.kept.as_ref()).chain(waiting)
    }

    /// Returns what is kept of a cell's current instance.
    #[must_use]
    pub fn kept(&self, cell: &str) -> Option<&Arc<Kept>> {
        self.cells[*self.by_name.get(cell)?].kept.as_ref()
    }

    /// Returns how many bytes the records of all cells take.
    #[must_use]
    pub fn records_bytes(&self) -> usize {
        self.all_kept().map(|k| k.bytes()).sum::<usize>() + self.contents.bytes()
    }
}

#[cfg(test)]
mod tests;
