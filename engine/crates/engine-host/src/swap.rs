//! A cell's instance is replaced while the world runs: by a new build, in another place, or by a fresh one.
//!
//! A new build is tried in a shadow first, and the new instance is made while the old one ticks. At the border of a frame the old one's state is handed over
//! ([`crate::turn::Legacy`]), and the old one waits, frozen, until the new one has ticked [`PROBATION_TICKS`] times or
//! [`PROBATION_NS`] have passed. If the new one cannot be made, refuses the state, panics, hangs or crashes until then,
//! the old one goes on from where it was frozen, with what it had published by then. In lockstep each step is waited
//! for at the border, so that a replacement falls between two given frames and no tick is left out.
mod hand_over;
mod prepare;
mod request;
mod roll_back;
mod shadow;
mod trial;

pub use roll_back::Frozen;
pub use shadow::SHADOW_TICKS;
pub(crate) use shadow::Tap;

use crate::{builder::BuiltCell, cells::CellEntry, cx::InstanceCx, library::CellLibrary, turn::Turn};
use engine_scene::Placement;
use serde::{Deserialize, Serialize};
use std::{collections::VecDeque, path::Path, sync::Arc, time::Duration};

/// So many ticks the new instance has to return from before the old one ends.
pub const PROBATION_TICKS: u64 = 60;
/// After so long the old one ends, however often the new one has ticked.
pub const PROBATION_NS: u64 = 5_000_000_000;
/// The most outcomes that are kept.
const KEPT: usize = 64;

/// Why an instance is replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// There is a new build.
    Swap,
    /// It is to run elsewhere.
    Move,
    /// It is to begin anew, from its defaults.
    Restart,
}

/// How far a replacement has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// The new instance is being prepared; the old one runs.
    Preparing,
    /// The new one runs; the old one waits.
    Probation,
    /// The new one stays.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// The new one did not take over; the old one runs on.
    Refused,
    /// The new one failed after it had taken over, and the old one is back.
    RolledBack,
    /// It came to nothing: the cell is gone, another replacement came first, or both instances failed.
    Dropped,
}

impl Standing {
    /// Returns whether nothing follows.
    #[must_use]
    pub fn is_final(self) -> bool {
        !matches!(self, Self::Preparing | Self::Probation)
    }
}

/// A replacement and what came of it so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SwapReport {
    /// Tells it from others.
    pub number: u64,
    /// The cell's name.
    pub cell: String,
    /// What was asked for.
    pub act: Act,
    /// How far it has come.
    pub standing: Standing,
    /// The frame in which it came there.
    pub frame: u64,
    /// The same as a sentence.
    pub words: String,
    /// What the new build made of the old one's ticks, before it took over.
    pub shadow: Option<String>,
}

/// The replacements of a world.
#[derive(Default)]
pub struct Swaps {
    reports: VecDeque<SwapReport>,
    next: u64,
    /// The keys of the cells that are being replaced, or whose old instance waits.
    open: Vec<u32>,
    /// Cells that are staged after a build.
    staging: Option<prepare::Restaging>,
}

impl Swaps {
    /// Returns whether there is anything to be looked at in this frame.
    pub(crate) fn are_open(&self) -> bool {
        !self.open.is_empty() || self.staging.is_some()
    }

    /// Returns those that were asked for lately, the oldest first.
    pub(crate) fn reports(&self) -> &VecDeque<SwapReport> {
        &self.reports
    }

    /// Notes how far a replacement has come.
    fn tell(&mut self, number: u64, standing: Standing, frame: u64, words: String) {
        if let Some(r) = self.reports.iter_mut().find(|r| r.number == number) {
            (r.standing, r.frame, r.words) = (standing, frame, words);
        }
    }

    /// Notes what came of a shadow.
    fn tell_shadow(&mut self, number: u64, words: String) {
        if let Some(r) = self.reports.iter_mut().find(|r| r.number == number) {
            r.shadow = Some(words);
        }
    }

    /// Plans the replacement of a cell's instance. One that was planned before and has not taken over is left.
    pub(crate) fn plan(&mut self, entry: &mut CellEntry, ask: Ask, frame: u64) {
        let mut ask = ask;
        if let Some(before) = entry.swap.take() {
            // What was wanted of that one is still wanted.
            ask.newest |= before.ask.newest;
            if ask.at.is_none() {
                ask.at = before.ask.at;
            }
            self.drop_swap(&before, frame, "another change of it came first");
        }
        let number = self.next;
        self.next += 1;
        if self.reports.len() == KEPT {
            self.reports.pop_front();
        }
        let standing = Standing::Preparing;
        let words = "it is being prepared; the old instance runs".to_owned();
        let cell = entry.name.to_string();
        let (act, shadow) = (ask.act, None);
        self.reports.push_back(SwapReport { number, cell, act, standing, frame, words, shadow });
        entry.swap = Some(Box::new(Swap { number, ask, phase: Phase::Planned }));
        self.open(entry.key);
    }

    fn open(&mut self, key: u32) {
        if !self.open.contains(&key) {
            self.open.push(key);
        }
    }

    fn drop_swap(&mut self, swap: &Swap, frame: u64, why: &str) {
        if let Some(cx) = swap.cx() {
            cx.cancel();
        }
        if let Phase::Shadowing { shadow, .. } = &swap.phase {
            shadow.stop();
        }
        self.tell(swap.number, Standing::Dropped, frame, format!("nothing came of it: {why}"));
    }

    /// Ends what is under way for an entry that goes, and says `why` it goes.
    pub(crate) fn leave(&mut self, entry: &mut CellEntry, frame: u64, why: &str) {
        if let Some(swap) = entry.swap.take() {
            self.drop_swap(&swap, frame, why);
        }
        if let Some(frozen) = entry.probation.take() {
            frozen.cx.cancel();
            self.tell(frozen.number, Standing::Dropped, frame, format!("nothing came of it: {why}"));
        }
    }
}

/// What is wanted of a replacement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ask {
    pub(crate) act: Act,
    /// Where the new instance is to run; `None`: where the old one does.
    pub(crate) at: Option<Placement>,
    /// It is to be of the newest build, else of the one that runs.
    pub(crate) newest: bool,
}

impl Ask {
    pub(crate) const SWAP: Self = Self { act: Act::Swap, at: None, newest: true };
    pub(crate) const RESTART: Self = Self { act: Act::Restart, at: None, newest: true };

    pub(crate) fn to(at: Placement) -> Self {
        Self { act: Act::Move, at: Some(at), newest: false }
    }
}

/// A replacement that has not taken over yet.
pub struct Swap {
    number: u64,
    ask: Ask,
    phase: Phase,
}

impl Swap {
    /// Returns the host's side of the new instance, if there is one.
    pub(crate) fn cx(&self) -> Option<&Arc<InstanceCx>> {
        match &self.phase {
            Phase::Making { cx, .. } => Some(cx),
            Phase::Made { turn, .. } => Some(&turn.cx),
            Phase::Shadowing { shadow, .. } => Some(&shadow.cx),
            Phase::Planned | Phase::Staging(_) => None,
        }
    }

    /// Returns whether this very build is on its way already.
    fn brings(&self, build: &Path) -> bool {
        match &self.phase {
            Phase::Planned | Phase::Staging(_) => self.ask.newest,
            Phase::Shadowing { staged, .. } | Phase::Making { staged, .. } | Phase::Made { staged, .. } => {
                staged.built.path == build
            }
        }
    }

    /// Returns where the old instance's turns are copied to, while the new build is tried on them.
    pub(crate) fn tap(&self) -> Option<&Arc<Tap>> {
        match &self.phase {
            Phase::Shadowing { shadow, .. } => Some(&shadow.tap),
            _ => None,
        }
    }
}

enum Phase {
    /// Nothing was done yet.
    Planned,
    /// Its build is looked at, away from the frame.
    Staging(prepare::Staging),
    /// The build is tried on what the old instance is given.
    Shadowing { staged: Box<Staged>, shadow: shadow::Shadow },
    /// The new instance is being made, on a tick thread.
    Making { staged: Box<Staged>, epoch: u64, cx: Arc<InstanceCx>, since_ns: u64 },
    /// It waits for the old one to be idle.
    Made { staged: Box<Staged>, turn: Box<Turn> },
}

/// The build of a new instance, ready to run at its place.
struct Staged {
    built: BuiltCell,
    library: Option<Arc<CellLibrary>>,
    at: Placement,
    /// What messages call the new instance.
    subject: String,
    /// How long it may take to take over: its load is the cell's code.
    patience: Duration,
}
