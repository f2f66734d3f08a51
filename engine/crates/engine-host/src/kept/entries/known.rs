//! What need not be said of a turn, because the turn before tells it.
use super::super::turns::KeptPort;
use crate::{record::Letter, turn::Work};
use cell_abi::{DirtyRange, InputFrame};

/// What is left out of an entry because it is as in the turn before, a bit each.
pub(super) mod same {
    /// Steps, their length, and the size of the picture.
    pub(in super::super) const TERMS: u8 = 1;
    /// The frame is the next one.
    pub(in super::super) const FRAME: u8 = 1 << 1;
    /// The steps follow those of the turn before.
    pub(in super::super) const TIME: u8 = 1 << 2;
    pub(in super::super) const PARAMS: u8 = 1 << 3;
    pub(in super::super) const INPUT: u8 = 1 << 4;
    /// There are as many ports.
    pub(in super::super) const PORTS: u8 = 1 << 5;
    /// Nothing is behind, and there is no mail.
    pub(in super::super) const EMPTY: u8 = 1 << 6;
}

/// What a turn was given, besides its ports, without a copy of it.
pub(super) struct Given<'a> {
    pub(super) work: Work,
    pub(super) makes: bool,
    pub(super) again: bool,
    pub(super) frame: u64,
    pub(super) steps: u32,
    pub(super) dt_ns: u64,
    pub(super) time_ns: u64,
    pub(super) seed: u64,
    pub(super) screen_px: [u32; 2],
    pub(super) params_version: u64,
    pub(super) params: &'a [u8],
    pub(super) input: &'a InputFrame,
    pub(super) behind: &'a [DirtyRange],
    pub(super) mail: &'a [Letter],
}

/// What the reader of an entry knows from the turn before.
#[derive(Debug, Default)]
pub(in super::super) struct Known {
    /// There was one.
    is_there: bool,
    frame: u64,
    steps: u32,
    dt_ns: u64,
    time_ns: u64,
    screen_px: [u32; 2],
    params_version: u64,
    input: InputFrame,
    pub(super) ports: Vec<KeptPort>,
}

impl Known {
    /// Forgets all, but not its memory.
    pub(in super::super) fn clear(&mut self) {
        self.is_there = false;
        self.ports.clear();
    }

    /// Becomes a copy, in the same memory.
    pub(in super::super) fn copy(&mut self, other: &Self) {
        let mut ports = std::mem::take(&mut self.ports);
        ports.clone_from(&other.ports);
        *self = Self { ports, ..*other };
    }

    /// Returns what needs not be said of a turn with `ports` ports, and knows that turn from now on, but for its ports.
    pub(super) fn take(&mut self, given: &Given<'_>, ports: usize) -> u8 {
        let mut same = 0;
        if self.is_there {
            let terms =
                (self.steps, self.dt_ns, self.screen_px) == (given.steps, given.dt_ns, given.screen_px);
            let bits = [
                (same::TERMS, terms),
                (same::FRAME, next_frame(self.frame) == given.frame),
                (same::TIME, next_time(self.time_ns, given.dt_ns, given.steps) == given.time_ns),
                (same::PARAMS, self.params_version == given.params_version),
                (same::INPUT, is_same_input(&self.input, given.input)),
                (same::PORTS, self.ports.len() == ports),
            ];
            same = bits.iter().fold(0, |all, (bit, is)| if *is { all | bit } else { all });
        }
        if given.behind.is_empty() && given.mail.is_empty() {
            same |= same::EMPTY;
        }
        self.is_there = true;
        (self.frame, self.steps, self.dt_ns, self.time_ns) =
            (given.frame, given.steps, given.dt_ns, given.time_ns);
        (self.screen_px, self.params_version) = (given.screen_px, given.params_version);
        if same & same::INPUT == 0 {
            self.input = *given.input;
        }
        same
    }
}

/// Compares bit by bit: -0.0 equals 0.0 and is another input.
fn is_same_input(a: &InputFrame, b: &InputFrame) -> bool {
    let floats = |i: &InputFrame| [i.mouse_px, i.mouse_delta_px, i.wheel_lines].map(|p| p.map(f32::to_bits));
    let others = |i: &InputFrame| InputFrame {
        mouse_px: [0.0; 2],
        mouse_delta_px: [0.0; 2],
        wheel_lines: [0.0; 2],
        ..*i
    };
    floats(a) == floats(b) && others(a) == others(b)
}

/// Returns the frame after `frame`.
pub(super) fn next_frame(frame: u64) -> u64 {
    frame.wrapping_add(1)
}

/// Returns the time at the end of steps that begin at `time_ns`.
pub(super) fn next_time(time_ns: u64, dt_ns: u64, steps: u32) -> u64 {
    time_ns.wrapping_add(dt_ns.wrapping_mul(steps.into()))
}
