//! Calls that are open between cells: each is answered once, by the cell that is asked or by the host.
//!
//! The host opens a call when it is sent, closes it when it is answered, and answers itself those that nobody else can:
//! of a cell that is gone, whose instance is over, or that lets the time pass. So an answer that comes late, twice or
//! from somebody else finds no call, and a caller that sleeps until mail comes is always woken.
use std::collections::{BTreeMap, BTreeSet};

/// How many calls of one cell may be open: what there is always room for answers to.
pub const MAX_OPEN: usize = 1024;

/// A call that nobody has answered yet. Cells are named by their keys, which never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenCall {
    /// Who asks.
    pub caller: u32,
    /// The caller's number of the call.
    pub id: u64,
    /// Who is asked.
    pub callee: u32,
    /// The route, as the message says it.
    pub route: [u8; 16],
    /// How many messages the caller had sent before it, in all.
    pub sequence: u64,
    /// The frame in which it ends without an answer.
    pub deadline: u64,
}

/// Why a call was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// The caller has [`MAX_OPEN`] already.
    TooMany,
    /// The caller has one of that number.
    Again,
}

/// All open calls.
#[derive(Debug, Default)]
pub struct Calls {
    open: BTreeMap<(u32, u64), OpenCall>,
    /// Deadline, caller, number.
    deadlines: BTreeSet<(u64, u32, u64)>,
    /// How many each caller has, by its key.
    counts: Vec<usize>,
}

impl Calls {
    /// Opens a call.
    ///
    /// # Errors
    /// [`NotOpened`].
    pub fn open(&mut self, call: OpenCall) -> Result<(), NotOpened> {
        let at = (call.caller, call.id);
        if self.open.contains_key(&at) {
            return Err(NotOpened::Again);
        }
        let caller = call.caller as usize;
        if self.counts.len() <= caller {
            self.counts.resize(caller + 1, 0);
        }
        if self.counts[caller] >= MAX_OPEN {
            return Err(NotOpened::TooMany);
        }
        self.counts[caller] += 1;
        self.deadlines.insert((call.deadline, call.caller, call.id));
        self.open.insert(at, call);
        Ok(())
    }

    /// Closes a call that `callee` answers. `None` when the caller has no such call open, or asked somebody else.
    pub fn answered(&mut self, caller: u32, id: u64, callee: u32) -> Option<OpenCall> {
        let call = *self.open.get(&(caller, id)).filter(|call| call.callee == callee)?;
        self.close(call);
        Some(call)
    }

    /// Closes and returns a call whose time is over in this frame; `None` when there is none left.
    pub fn timed_out(&mut self, frame: u64) -> Option<OpenCall> {
        let &(_, caller, id) = self.deadlines.first().filter(|(deadline, ..)| *deadline <= frame)?;
        let call = self.open[&(caller, id)];
        self.close(call);
        Some(call)
    }

    /// Closes and returns the calls of a cell whose instance is over, but those that still wait for the next one.
    pub fn lost(&mut self, callee: u32, waits: impl Fn(&OpenCall) -> bool) -> Vec<OpenCall> {
        let lost = self.open.values().filter(|call| call.callee == callee && !waits(call));
        let lost: Vec<OpenCall> = lost.copied().collect();
        lost.iter().for_each(|call| self.close(*call));
        lost
    }

    /// Forgets the calls of a cell that is gone.
    pub fn forget(&mut self, caller: u32) {
        let gone = self.open.range((caller, 0)..=(caller, u64::MAX)).map(|(_, call)| *call);
        let gone: Vec<OpenCall> = gone.collect();
        gone.into_iter().for_each(|call| self.close(call));
    }

    /// Returns whether no call is open.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    fn close(&mut self, call: OpenCall) {
        self.open.remove(&(call.caller, call.id));
        self.deadlines.remove(&(call.deadline, call.caller, call.id));
        self.counts[call.caller as usize] -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(caller: u32, id: u64, callee: u32, deadline: u64) -> OpenCall {
        OpenCall { caller, id, callee, route: [0; 16], sequence: id, deadline }
    }

    #[test]
    fn a_call_is_answered_once_and_by_the_cell_that_was_asked() {
        let mut calls = Calls::default();
        let asked = call(1, 7, 2, 60);
        assert_eq!(calls.open(asked), Ok(()));
        assert_eq!(calls.open(call(1, 7, 3, 60)), Err(NotOpened::Again));
        assert_eq!(calls.answered(1, 7, 3), None, "nobody else");
        assert_eq!(calls.answered(1, 8, 2), None, "no other call");
        assert_eq!(calls.answered(1, 7, 2), Some(asked));
        assert_eq!(calls.answered(1, 7, 2), None, "and not twice");
        assert!(calls.is_empty() && calls.timed_out(u64::MAX).is_none());
    }

    #[test]
    fn calls_end_at_their_frame_in_one_order() {
        let mut calls = Calls::default();
        for (caller, id, deadline) in [(2, 1, 11), (1, 2, 10), (1, 1, 10), (3, 1, 12)] {
            calls.open(call(caller, id, 9, deadline)).unwrap();
        }
        assert_eq!(calls.timed_out(9), None);
        let ended: Vec<_> =
            std::iter::from_fn(|| calls.timed_out(11)).map(|c| (c.deadline, c.caller, c.id)).collect();
        assert_eq!(ended, [(10, 1, 1), (10, 1, 2), (11, 2, 1)]);
        assert_eq!(calls.answered(3, 1, 9), Some(call(3, 1, 9, 12)));
    }

    #[test]
    fn an_instance_that_is_over_loses_what_it_had_and_not_what_waits() {
        let mut calls = Calls::default();
        for (id, callee) in [(1, 5), (2, 5), (3, 6)] {
            calls.open(call(1, id, callee, 60)).unwrap();
        }
        assert_eq!(calls.lost(5, |c| c.id == 2), [call(1, 1, 5, 60)]);
        assert_eq!(calls.answered(1, 2, 5), Some(call(1, 2, 5, 60)), "the next instance has it");
        assert!(calls.answered(1, 3, 6).is_some());
    }

    #[test]
    fn a_caller_has_so_many_open_and_its_place_is_free_again_when_it_is_gone() {
        let mut calls = Calls::default();
        for id in 0..MAX_OPEN as u64 {
            assert_eq!(calls.open(call(4, id, 1, 60)), Ok(()));
        }
        assert_eq!(calls.open(call(4, 9999, 1, 60)), Err(NotOpened::TooMany));
        assert_eq!(calls.open(call(3, 9999, 1, 60)), Ok(()), "others have their own");
        calls.forget(4);
        assert_eq!(calls.open(call(4, 9999, 1, 60)), Ok(()));
        assert_eq!(calls.lost(1, |_| false).len(), 2);
    }
}
