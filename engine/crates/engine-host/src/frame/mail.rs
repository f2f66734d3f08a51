//! Step 3, the mail of a turn: letters go to their receivers' boxes. Calls are opened and closed on the way, and those
//! that nobody else can answer are answered here.
use crate::{cx::Outgoing, world::World};
use cell_abi::{CallStatus, MessageHead, MessageKind, ports::Rate};
use engine_frame::{
    calls::{NotOpened, OpenCall},
    plan::CellLine,
    signals::MAX_SIGNALS,
};

/// Where the sequences of the host's own answers begin: after all of the cell in whose name they come.
const OF_THE_HOST: u64 = 1 << 63;

impl World {
    /// Delivers what the cell on line `n` sends.
    pub(super) fn post(&mut self, n: usize, outbox: &[Outgoing]) {
        for out in outbox {
            let entry = &mut self.cells[n];
            entry.counters.sent += 1;
            let sequence = entry.counters.sent;
            match MessageHead::read(&out.payload) {
                Some((head, _)) if head.kind == MessageKind::CALL => self.post_call(n, sequence, out, head),
                Some((head, _)) if head.kind == MessageKind::ANSWER => {
                    self.post_answer(n, sequence, out, head);
                }
                Some((head, _)) if out.to.is_empty() => self.post_signal(n, sequence, out, head),
                _ => {
                    if let Some(to) = self.receiver(n, &out.to) {
                        // A full box drops the message and counts it.
                        self.deliver(to, |mailbox| {
                            mailbox.deliver(CellLine(n as u32), sequence, &out.payload)
                        });
                    }
                }
            }
        }
    }

    /// Delivers a call, or answers it if it cannot be delivered.
    fn post_call(&mut self, n: usize, sequence: u64, out: &Outgoing, head: MessageHead) {
        let caller = self.cells[n].key;
        let to = self.receiver(n, &out.to);
        let call = OpenCall {
            caller,
            id: head.id,
            callee: to.map_or(caller, |to| self.cells[to].key),
            route: head.route,
            sequence,
            deadline: self.frame + u64::from(head.frames.max(1)),
        };
        let Some(to) = to else { return self.answer(&call, CallStatus::NO_SUCH_CELL) };
        match self.calls.open(call) {
            Ok(()) => {}
            Err(NotOpened::TooMany) => return self.answer(&call, CallStatus::TOO_MANY),
            // It made the number up itself, and can wait for the first one only.
            Err(NotOpened::Again) => return,
        }
        if !self.deliver(to, |mailbox| mailbox.deliver(CellLine(n as u32), sequence, &out.payload)) {
            self.calls.answered(caller, call.id, call.callee);
            self.answer(&call, CallStatus::MAILBOX_FULL);
        }
    }

    /// Delivers the answer to a call that is open. Whom a cell may send to is no matter here: it was asked.
    fn post_answer(&mut self, n: usize, sequence: u64, out: &Outgoing, head: MessageHead) {
        let Some(&to) = self.by_name.get(out.to.as_str()) else { return };
        let key = self.cells[n].key;
        // One that comes too late, or that nobody asked for, is for nobody.
        let Some(call) = self.calls.answered(self.cells[to].key, head.id, key) else { return };
        if !self.deliver(to, |mailbox| {
            mailbox.deliver_answer(CellLine(n as u32), sequence, &out.payload, MessageHead::BYTES)
        }) {
            self.answer(&call, CallStatus::MAILBOX_FULL);
        }
    }

    /// Delivers a signal to all who want it, or notes that the cell on line `n` wants one.
    fn post_signal(&mut self, n: usize, sequence: u64, out: &Outgoing, head: MessageHead) {
        match head.kind {
            MessageKind::SUBSCRIBE => {
                if !self.subscriptions.add(head.route, self.cells[n].key, self.frame)
                    && self.cells[n].tells_unknown("")
                {
                    let cell = &*self.cells[n].name;
                    tracing::warn!(cell, "it wants more than {MAX_SIGNALS} signals and gets no further ones");
                }
            }
            MessageKind::SIGNAL => {
                for key in self.subscriptions.of(&head.route, self.frame).collect::<Vec<_>>() {
                    let Some(to) = self.line(key) else { continue };
                    // A stranger tells, and hears, only whom it may send to.
                    let may_send = |a: usize, b: usize| {
                        let grants = self.cells[a].scene.trust.grants();
                        grants.is_none_or(|g| g.may_send(&self.cells[b].name))
                    };
                    if may_send(n, to) && may_send(to, n) {
                        self.deliver(to, |mailbox| {
                            mailbox.deliver(CellLine(n as u32), sequence, &out.payload)
                        });
                    }
                }
            }
            // Of a version that this host does not know.
            _ => self.stats.undeliverable += 1,
        }
    }

    /// Answers a call in place of the cell that was asked.
    fn answer(&mut self, call: &OpenCall, status: CallStatus) {
        let Some(to) = self.line(call.caller) else { return };
        // In the name of the cell that was asked; if that has gone, in the caller's own.
        let from = CellLine(self.line(call.callee).unwrap_or(to) as u32);
        let head =
            MessageHead { kind: MessageKind::ANSWER, status, frames: 0, id: call.id, route: call.route };
        let bytes = head.to_bytes();
        self.deliver(to, |mailbox| {
            mailbox.deliver_answer(from, OF_THE_HOST | call.sequence, &bytes, bytes.len())
        });
    }

    /// Answers the calls whose time is over.
    pub(super) fn end_calls(&mut self) {
        while let Some(call) = self.calls.timed_out(self.frame) {
            self.answer(&call, CallStatus::TIMEOUT);
        }
    }

    /// Answers the calls that an instance of the cell on line `n` took with it. Those that still lie in its mailbox are
    /// the next one's.
    pub(crate) fn lose_calls(&mut self, n: usize) {
        if self.calls.is_empty() {
            return;
        }
        let entry = &self.cells[n];
        let waiting = entry.mailbox.waiting().filter_map(|m| {
            let (head, _) = MessageHead::read(m.payload).filter(|(h, _)| h.kind == MessageKind::CALL)?;
            Some((self.cells.get(m.from.0 as usize)?.key, head.id))
        });
        let waiting: std::collections::BTreeSet<_> = waiting.collect();
        for call in self.calls.lost(entry.key, |call| waiting.contains(&(call.caller, call.id))) {
            self.answer(&call, CallStatus::CELL_RESTARTED);
        }
    }

    /// Ends the calls of a cell that has left the scene, and those to it.
    pub(crate) fn drop_calls(&mut self, key: u32) {
        self.calls.forget(key);
        self.subscriptions.forget(key);
        for call in self.calls.lost(key, |_| false) {
            self.answer(&call, CallStatus::CELL_RESTARTED);
        }
    }

    /// Puts something into the box of the cell on line `to`, and wakes the cell. Returns whether it was taken.
    fn deliver(&mut self, to: usize, put: impl FnOnce(&mut engine_frame::mailbox::Mailbox) -> bool) -> bool {
        let delivered = put(&mut self.cells[to].mailbox);
        self.cells[to].counters.received += u64::from(delivered);
        self.wake(to);
        if delivered && !self.options.lockstep && self.cells[to].rate == Rate::OnMail {
            self.mailed.push(to);
        }
        delivered
    }

    /// Returns the line of the cell called `to`, if there is one to which the cell on line `n` may send. Says once why
    /// not.
    fn receiver(&mut self, n: usize, to: &str) -> Option<usize> {
        let entry = &mut self.cells[n];
        if entry.scene.trust.grants().is_some_and(|g| !g.may_send(to)) {
            self.stats.undeliverable += 1;
            if entry.tells_unknown(to) {
                tracing::warn!(
                    cell = &*entry.name,
                    "it sends to `{}`, which was not granted to it; if it may, write `trust: Untrusted(.., send: \
                     [\"{}\"])`",
                    to.escape_debug(),
                    to.escape_debug()
                );
            }
            return None;
        }
        if let Some(&line) = self.by_name.get(to) {
            return Some(line);
        }
        self.stats.undeliverable += 1;
        if entry.tells_unknown(to) {
            let names = self.names.iter().map(|name| &**name);
            let meant = engine_frame::names::did_you_mean(to, names);
            let hint = meant.map(|m| format!("; did you mean `{m}`?")).unwrap_or_default();
            tracing::warn!(
                cell = &*entry.name,
                "it sends to `{to}`, but no cell of the scene has that name{hint}"
            );
        }
        None
    }
}
