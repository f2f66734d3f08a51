//! The seam: entries of a cell are called, and its state is saved and restored, in its child.
use super::{Lost, ProcessCell, SPINS, lost};
use crate::{
    child_ring::RING_BYTES, child_wire::ToChild, cx::TurnKind, record::Record, renewal::Renewal, turn::Placed,
};
use cell_abi::Status;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

impl ProcessCell {
    /// Has nothing more to do with the child.
    fn end_now(&mut self) {
        self.over = true;
        // If it still runs, it is not to be trusted with anything; if that fails, it is gone already.
        let _ = self.keeper.process().kill();
    }

    /// Does something that the child may not survive.
    fn guarded(&mut self, what: impl FnOnce(&mut Self) -> Result<Status, Lost>) -> Status {
        let result = if self.over { Err(Lost("its process has ended".to_owned())) } else { what(self) };
        result.unwrap_or_else(|Lost(why)| {
            self.end_now();
            self.cx.hand_over().lost = Some(why);
            Status::CANCELLED
        })
    }
}

impl Placed for ProcessCell {
    fn call(&mut self, kind: TurnKind, record: &mut Record) -> Status {
        let started = Instant::now();
        let status = self.guarded(|cell| {
            let status = cell.turn(kind, record)?;
            cell.keeper.listen_if_due(started).map(|()| status)
        });
        // Only a cell that answers within microseconds is worth a core that looks for the answer.
        self.spins = if started.elapsed() < Duration::from_micros(60) { SPINS } else { 0 };
        status
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        let mut saved = None;
        let status = self.guarded(|cell| {
            cell.send(&ToChild::Save)?;
            let mut answer = cell.answer()?;
            saved = answer.saved.take();
            if answer.status.is_ok() && saved.is_none() {
                return Err(lost("it gave no state"));
            }
            cell.hand_over(answer)
        });
        saved.filter(|_| status.is_ok()).ok_or(status)
    }

    fn restore(&mut self, state: &Arc<[u8]>) -> Status {
        let status = self.guarded(|cell| {
            cell.send(&ToChild::Restore(Arc::clone(state)))?;
            let answer = cell.answer()?;
            cell.hand_over(answer)
        });
        self.out.shrink_to(RING_BYTES);
        status
    }

    fn renew(&mut self, mut renewal: Renewal) -> Result<(), String> {
        let status = self.guarded(|cell| {
            let region = renewal.make().map_err(|e| Lost(e.to_string()))?;
            cell.offer_written(&region)?;
            cell.renewal = Some(renewal);
            Ok(Status::OK)
        });
        if status.is_ok() { Ok(()) } else { Err(self.cx.take_reason(TurnKind::None, status)) }
    }

    fn take_renewal(&mut self) -> Option<Renewal> {
        self.renewal.take()
    }

    fn ended(&mut self) -> Option<String> {
        let why = self.keeper.check().err()?;
        self.end_now();
        Some(why.0)
    }
}
