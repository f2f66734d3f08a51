//! A cell in a child process, seen from the engine: a process that is started, handed turns, and watched.
//!
//! A turn's record goes over a ring, and the tick thread waits for the answer on another; slots are in memory that
//! both map. The child's side is the module `child`.
use crate::{
    child_ring::{Inlet, Outlet, RING_BYTES},
    child_wire::{Answer, Packet, ToChild, ToHost, WirePort, WireRead, WireTurn, WireWrite},
    cx::{InstanceCx, LONGEST_NAME, OUTBOX_BYTES, TurnKind, log_level},
    memory::{BufferMemory, MemoryTable, Region},
    record::{Record, SlotRead},
    renewal::Renewal,
    spawner, staged,
    turns::{LONG_NICE, LONG_TURN},
};
use cell_abi::{InputFrame, Status};
use engine_frame::plain::plain;
use engine_sys::{ControlError, ControlSocket, WaitOutcome, create_ring};
use std::{
    os::fd::{AsFd as _, BorrowedFd},
    path::Path,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

mod copies;
mod end;
mod flow;
mod keeper;
mod placed;
mod start;
mod twin;
mod wishes;

use copies::Copies;
use keeper::Keeper;
use twin::Twins;

pub use crate::child::run_if_child;
pub use start::Start;

/// How often a waiting tick thread looks whether the child still lives and the instance still counts.
const LOOK: Duration = Duration::from_millis(10);
/// How long one that has closed its socket may take to end: usually it dies just then, and how it does says more.
const DYING: Duration = Duration::from_secs(1);
/// The most bytes that are kept to read messages into: a full outbox, and what goes with it.
const KEPT_BYTES: usize = 2 * OUTBOX_BYTES;
/// How often to look for the answer before sleeping, after a turn that was quick.
const SPINS: u32 = 400;
/// The child is over, and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Lost(String);

fn lost(what: impl std::fmt::Display) -> Lost {
    Lost(format!("its process is no longer understood ({what}) and was ended"))
}

/// A region that the child maps.
struct Known {
    id: u32,
    region: Weak<Region>,
    /// It maps it for writing.
    own: bool,
}

/// An instance of a cell in a child process. Dropping it kills the child; a [`crate::closer::Closer`] lets it end its
/// instance first.
pub struct ProcessCell {
    keeper: Keeper,
    control: ControlSocket,
    outlet: Outlet,
    inlet: Inlet,
    cx: Arc<InstanceCx>,
    known: Vec<Known>,
    /// What an untrusted cell writes; our own writes the book's regions.
    twins: Option<Twins>,
    /// What an untrusted cell reads; our own reads the book's regions.
    copies: Option<Copies>,
    turn: WireTurn,
    out: Vec<u8>,
    bytes: Vec<u8>,
    /// What the child knows from earlier turns.
    params_version: Option<u64>,
    input: Option<InputFrame>,
    /// Memory that the child is filling, to be sealed.
    filling: Option<wishes::Filling>,
    renewal: Option<Renewal>,
    /// The child's thread that runs the turns, while it has its usual priority.
    thread: Option<u32>,
    /// Its turns yield to everyone else's.
    background: bool,
    /// When to look after the child, while it is waited for.
    look_at: Instant,
    /// When its instance must be made, until it is; and how long it was given.
    made_by: Option<(Instant, Duration)>,
    spins: u32,
    over: bool,
}

impl ProcessCell {
    /// Starts the child in its jail and makes the instance of the staged library at `path` in it.
    ///
    /// # Errors
    /// Why the child did not come up.
    pub fn create(path: &Path, cx: &Arc<InstanceCx>, start: &Start) -> Result<Self, String> {
        let text = |e: &dyn std::fmt::Display| format!("its process cannot be started: {e}");
        let library = staged::open(path).map_err(|e| e.to_string())?;
        let to_child = create_ring("to-child", RING_BYTES).map_err(|e| text(&e))?;
        let to_host = create_ring("to-host", RING_BYTES).map_err(|e| text(&e))?;
        let outlet = Outlet::attach(&to_child).map_err(|e| text(&e))?;
        let inlet = Inlet::attach(&to_host).map_err(|e| text(&e))?;
        let (control, theirs) = ControlSocket::pair().map_err(|e| text(&e))?;
        let jailed = spawner::spawn(&cx.name, &start.jail, theirs)?;
        cx.runs_in(jailed.process().pid());
        let mut cell = Self {
            keeper: Keeper::new(jailed, cx),
            control,
            outlet,
            inlet,
            cx: Arc::clone(cx),
            known: Vec::new(),
            twins: cx.rights().grants.is_some().then(Twins::default),
            copies: cx.rights().grants.is_some().then(Copies::default),
            turn: WireTurn::default(),
            out: Vec::new(),
            bytes: Vec::new(),
            params_version: None,
            input: None,
            filling: None,
            renewal: None,
            thread: None,
            background: start.background,
            look_at: Instant::now(),
            made_by: Some((Instant::now() + start.made_within, start.made_within)),
            spins: 0,
            over: false,
        };
        let hello = Packet::Hello {
            path: path.to_str().ok_or_else(|| text(&"its path is no UTF-8"))?.to_owned(),
            name: cx.name.to_string(),
            log_level: log_level(),
            mail: u32::try_from(cx.rights().messages).unwrap_or(u32::MAX),
            rings: [to_child.len() as u64, to_host.len() as u64],
        };
        cell.packet(&hello, &[to_child.as_fd(), to_host.as_fd(), library.as_fd()]).map_err(|e| e.0)?;
        drop(library);
        match cell.receive().map_err(|e| e.0)? {
            ToHost::Made(made) => made.map_err(|why| plain(&why).into_owned())?,
            _ => return Err(lost("it answered before it was asked").0),
        }
        cell.made_by = None;
        cell.keeper.listen().map_err(|e| e.0)?;
        Ok(cell)
    }

    /// Returns the child's process id, for messages and tests.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.keeper.process().pid()
    }

    fn packet(&mut self, packet: &Packet, fds: &[BorrowedFd<'_>]) -> Result<(), Lost> {
        self.control.send(&packet.encode(), fds).map_err(|e| self.why_gone(&e))
    }

    /// Sends a message on the ring.
    fn send(&mut self, message: &ToChild) -> Result<(), Lost> {
        message.encode(&self.turn, &mut self.out);
        let keeper = &mut self.keeper;
        let still_there = || keeper.check().map_err(|e| e.0);
        self.outlet.send(&self.out, still_there).map_err(|e| match e {
            crate::child_ring::OutletError::Given(why) => Lost(why),
            other => lost(other),
        })
    }

    /// Waits for the next message that is no wish; wishes and log lines are served meanwhile.
    fn receive(&mut self) -> Result<ToHost, Lost> {
        self.look_at = Instant::now() + LONG_TURN;
        loop {
            if let Some(message) = self.take()? {
                return Ok(message);
            }
            let left = self.look_at.saturating_duration_since(Instant::now());
            if !left.is_zero() && self.inlet.wait(left, std::mem::take(&mut self.spins)) == WaitOutcome::Ready
            {
                continue;
            }
            self.look_at = Instant::now() + LOOK;
            if self.lower() {
                // Said by us, because a child that asked the kernel after each turn would make a call for each.
                self.send(&ToChild::NewThread)?;
            }
            if let Err(why) = self.keeper.check().and_then(|()| self.check_made()) {
                if self.keeper.is_hostile() {
                    return Err(why);
                }
                // What it said before its end still counts as said.
                return match self.take() {
                    Ok(Some(message)) => Ok(message),
                    _ => Err(why),
                };
            }
        }
    }

    /// Returns an error when its instance should be made by now.
    fn check_made(&self) -> Result<(), Lost> {
        match self.made_by {
            Some((at, within)) if Instant::now() >= at => Err(Lost(format!(
                "its process did not make the instance within {} ms (a `create` that hangs?) and was ended",
                within.as_millis()
            ))),
            _ => Ok(()),
        }
    }

    /// Lets a turn that takes long yield to everyone else, as one on a tick thread does.
    fn lower(&mut self) -> bool {
        let Some(thread) = self.thread.take() else { return false };
        let lowered = self.keeper.process().lower(thread, LONG_NICE);
        if let Err(error) = &lowered {
            tracing::debug!(cell = &*self.cx.name, "its long turn keeps its priority: {error}");
        }
        lowered.is_ok()
    }

    /// Takes what has come, up to the next message that is no wish, or until it is time to look after the child: one
    /// that never stops asking is no better than one that never answers.
    fn take(&mut self) -> Result<Option<ToHost>, Lost> {
        while self.inlet.try_recv(&mut self.bytes).map_err(lost)? {
            let message = ToHost::decode(&self.bytes).map_err(lost)?;
            if self.bytes.capacity() > KEPT_BYTES {
                // What a long message needed is not kept.
                self.bytes = Vec::new();
            }
            match message {
                ToHost::Log { level, target, message, file, line } => {
                    self.keeper.log(level, &target, &message, &file, line);
                }
                ToHost::Asset(path) => self.give_asset(&path)?,
                ToHost::Seal { desc, len } => self.give_memory(desc, len)?,
                ToHost::Filled => self.seal()?,
                ToHost::Thread(number) if self.background => {
                    // From now on, and not for one long turn only.
                    if let Err(error) = self.keeper.process().lower(number, LONG_NICE) {
                        tracing::debug!(cell = &*self.cx.name, "it keeps its priority: {error}");
                    }
                }
                ToHost::Thread(number) => self.thread = Some(number),
                other => return Ok(Some(other)),
            }
            if Instant::now() >= self.look_at {
                break;
            }
        }
        Ok(None)
    }

    /// Makes sure that the child maps `region`; for its owner (`write`), that it is the one writing process.
    fn offer(&mut self, region: &Arc<Region>, write: bool) -> Result<(), Lost> {
        if let Some(known) = self.known.iter().find(|k| k.id == region.id) {
            return if known.own || !write {
                Ok(())
            } else {
                Err(lost("it reads a region that it should write"))
            };
        }
        let (data, id) = (region.data.len() as u64, region.id);
        self.known.push(Known { id, region: Arc::downgrade(region), own: write });
        if !write {
            return self.packet(&Packet::Region { region: id, data, headers: 0 }, &[region.data.as_fd()]);
        }
        if !region.begin_claim() {
            return Err(Lost(
                "its buffers belong to another process of it; it starts anew with its own".to_owned(),
            ));
        }
        let packet = Packet::Region { region: id, data, headers: region.headers.len() as u64 };
        self.packet(&packet, &[region.data.as_fd(), region.headers.as_fd()])?;
        self.send(&ToChild::Claim(id))?;
        match self.receive()? {
            ToHost::Mapped(mapped) if mapped == id => region.finish_claim().map_err(|e| Lost(e.to_string())),
            _ => Err(lost("it did not map its region")),
        }
    }

    /// Makes sure that the child maps what it writes of the book's `region`: the region, or its own in place of a twin.
    fn offer_written(&mut self, region: &Arc<Region>) -> Result<(), Lost> {
        match &mut self.twins {
            Some(twins) => {
                let written = twins.written(region)?;
                self.offer(&written, true)
            }
            None => self.offer(region, true),
        }
    }

    fn turn(&mut self, kind: TurnKind, record: &mut Record) -> Result<Status, Lost> {
        let ticks = kind == TurnKind::Tick;
        if let Some(twins) = self.twins.as_mut().filter(|_| ticks) {
            twins.begin(record)?;
        }
        self.fill(kind, record)?;
        // What the message borrows of the record goes back to it when it is encoded.
        std::mem::swap(&mut self.turn.behind, &mut record.behind);
        std::mem::swap(&mut self.turn.mail, &mut record.mail);
        let sent = self.send(&ToChild::Turn);
        std::mem::swap(&mut self.turn.behind, &mut record.behind);
        std::mem::swap(&mut self.turn.mail, &mut record.mail);
        sent?;
        let answer = self.answer()?;
        let status = self.hand_over(answer)?;
        if let Some(twins) = self.twins.as_ref().filter(|_| ticks && status.is_ok()) {
            twins.publish(record)?;
        }
        Ok(status)
    }

    /// Waits for the answer to a turn.
    fn answer(&mut self) -> Result<Answer, Lost> {
        match self.receive()? {
            ToHost::Answer(answer) => Ok(answer),
            _ => Err(lost("it gave no answer to a turn")),
        }
    }

    /// Fills the message with a record, after the child has all regions that it names.
    fn fill(&mut self, kind: TurnKind, record: &Record) -> Result<(), Lost> {
        for port in &record.ports {
            if let Some(memory) = port.write.and_then(|w| record.memory.get(w.buffer)) {
                self.offer_written(&memory.region)?;
            }
            for read in [port.read, port.previous].into_iter().flatten() {
                let memory = record.memory.get(read.buffer).filter(|m| m.region.is_ready());
                if let Some(memory) = memory.filter(|_| self.copies.is_none()) {
                    self.offer(&memory.region, false)?;
                }
            }
        }
        if let Some(mut copies) = self.copies.take() {
            let taken = copies.take(&self.cx.name, record);
            let offered = taken.and_then(|()| copies.regions().try_for_each(|r| self.offer(r, false)));
            self.copies = Some(copies);
            offered?;
        }
        let t = &mut self.turn;
        t.forget.clear();
        self.known.retain(|k| {
            let lives = k.region.strong_count() > 0;
            if !lives {
                t.forget.push(k.id);
            }
            lives
        });
        t.kind = kind;
        (t.steps, t.frame, t.dt_ns, t.time_ns) = (record.steps, record.frame, record.dt_ns, record.time_ns);
        (t.seed, t.screen_px, t.params_version) = (record.seed, record.screen_px, record.params_version);
        t.params = (self.params_version != Some(record.params_version)).then(|| Arc::clone(&record.params));
        self.params_version = Some(record.params_version);
        t.input = (self.input != Some(record.input)).then_some(record.input);
        self.input = Some(record.input);
        t.ports.clear();
        for p in &record.ports {
            let mut write = None;
            if let Some(w) = p.write
                && let Some(memory) = record.memory.get(w.buffer)
            {
                let region = match &mut self.twins {
                    Some(twins) => twins.written(&memory.region)?.id,
                    None => memory.region.id,
                };
                write = Some(WireWrite {
                    region,
                    offset: memory.offset(w.slot) as u64,
                    capacity: memory.part.capacity as u64,
                    header: memory.header_offset(w.slot) as u64,
                    stamp: w.stamp,
                    behind: w.behind,
                });
            }
            let [read, previous] = [p.read, p.previous].map(|read| match &self.copies {
                Some(copies) => copies.wire(&record.memory, read),
                None => wire_read(&record.memory, read),
            });
            t.ports.push(WirePort { read, previous, blend: p.blend, write });
        }
        Ok(())
    }

    /// Puts what came of a turn where a thread cell would have put it.
    fn hand_over(&self, answer: Answer) -> Result<Status, Lost> {
        let Answer { status, requests, outbox, passes, failure, panic, saved: _ } = answer;
        let (most, bytes) =
            (self.cx.rights().messages, outbox.iter().map(|o| o.payload.len()).sum::<usize>());
        if outbox.len() > most || bytes > OUTBOX_BYTES {
            // Its host functions refuse it, so it was not the `cell` crate that did.
            let sent = outbox.len();
            return Err(lost(format_args!(
                "it sent {sent} messages with {bytes} bytes in a turn that may send {most}"
            )));
        }
        if let Some(out) = outbox.iter().find(|o| o.to.len() > LONGEST_NAME) {
            return Err(lost(format_args!("it sent a message to a name of {} bytes", out.to.len())));
        }
        if requests != 0 || !outbox.is_empty() || passes.is_some() || failure.is_some() || panic.is_some() {
            let mut io = self.cx.hand_over();
            io.requests |= requests;
            io.outbox.extend(outbox);
            io.passes = passes.or(io.passes.take());
            let plain = |text: String| plain(&text).into_owned();
            io.failure = failure.map(plain);
            io.panic = panic.map(|(message, file, line)| (plain(message), plain(file), line));
        }
        Ok(status)
    }

    /// Returns why the socket failed: usually because the child has ended.
    fn why_gone(&mut self, error: &ControlError) -> Lost {
        let patience = if matches!(error, ControlError::Closed) { DYING } else { LOOK };
        self.keeper.wait_for_end(patience).unwrap_or_else(|| lost(error))
    }
}

fn wire_read(memory: &MemoryTable, read: Option<SlotRead>) -> Option<WireRead> {
    let r = read?;
    let m = memory.get(r.buffer).filter(|m| m.region.is_ready())?;
    Some(WireRead::of(m, r))
}

impl WireRead {
    /// Says where in `memory` a child finds a publication.
    fn of(memory: &BufferMemory, read: SlotRead) -> Self {
        Self {
            region: memory.region.id,
            offset: memory.offset(Some(read.slot)) as u64,
            len: read.len.min(memory.part.capacity) as u64,
            frame: read.frame,
        }
    }
}
