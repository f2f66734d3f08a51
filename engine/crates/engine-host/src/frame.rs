//! One frame: record, tick, commit, plan, packet (design.md, section 3).
use crate::{
    cells::{CellEntry, Life, PortUse},
    record::{Letter, PortSlots, SlotRead, SlotWrite},
    sealed::Sealed,
    turn::{Ending, Turn, Work},
    turns::LongTurn,
    world::{World, WorldError},
};
use cell_abi::{InputFrame, Request, SealKind, ports::TextureFormat};
use cell_wire::PassList;
use engine_frame::{
    limits::Limits,
    lists,
    packet::{Packet, SlotUse},
    plan::{CellLine, CountSource, ShaderId},
    planner::SealedInfo,
    schedule::{history_blend, steps_ns},
    seed::cell_seed,
    slots::Published,
    supervise::{AfterCrash, HUNG_TICK_NS},
    wgsl,
};
use engine_render::{RenderEvent, SealedData, SealedShape};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};

/// The longest load: after it the engine goes on without the cell, and replaces it.
pub const LOAD_LIMIT: Duration = Duration::from_secs(60);
/// Every how many frames idle processes are looked at.
const LOOK_EVERY: u64 = 32;

/// What a frame brought.
#[derive(Debug, Default)]
pub struct FrameSummary {
    /// The frame.
    pub frame: u64,
    /// Turns that started.
    pub started: u32,
    /// Cells that were due but still busy.
    pub late: u32,
    /// CPU time of the host's own steps in nanoseconds: record, commit, plan, packet.
    pub host_ns: u64,
}

impl World {
    /// Runs one frame. `elapsed_ns` is the real time since the last frame; lockstep ignores it. `deadline` is when
    /// the frame must be handed to the renderer; lockstep ignores it.
    ///
    /// # Errors
    /// [`WorldError`] when the run cannot go on.
    pub fn frame(
        &mut self,
        input: &InputFrame,
        elapsed_ns: u64,
        deadline: Instant,
        capture: bool,
    ) -> Result<FrameSummary, WorldError> {
        let begun = Instant::now();
        let mut summary = FrameSummary { frame: self.frame, ..FrameSummary::default() };
        self.ticks_in_flight = 0;
        self.take_render_events()?;
        self.take_late_turns();
        if !self.renewals.is_empty() {
            for renewal in self.renewals.drain(..) {
                self.book.adopt(renewal);
            }
            self.renew_idle_records();
        }
        self.toggle(input);
        self.supervise();
        let periods = self.periods(elapsed_ns);
        let dt_ns = steps_ns(1, self.scene.rate) * periods;
        self.record_all(periods, input, &mut summary);
        let recorded = begun.elapsed();
        self.tick_all(deadline, input, &mut summary)?;
        let ticked = Instant::now();
        if self.plan_dirty {
            self.replan();
        }
        let waited = self.send_packet(dt_ns, capture)?;
        let after = ticked.elapsed().saturating_sub(waited);
        self.after_ns = (self.after_ns * 7 + after.as_nanos() as u64) / 8;
        summary.host_ns = (recorded + after).as_nanos() as u64;
        self.stats.host_ns.add(summary.host_ns);
        self.frame += 1;
        self.time_ns += dt_ns;
        Ok(summary)
    }

    /// Returns how many periods of the world's rate this frame covers: 1 in lockstep, else as many as have passed.
    fn periods(&mut self, elapsed_ns: u64) -> u64 {
        if self.options.lockstep {
            return 1;
        }
        let period = steps_ns(1, self.scene.rate) as i64;
        self.owed_ns = (self.owed_ns + elapsed_ns as i64).clamp(0, 60 * period);
        // A frame is paced to be a period or longer; rounding keeps small unevenness out of the simulation.
        let periods = ((self.owed_ns + period / 2) / period).max(1);
        self.owed_ns -= periods * period;
        periods as u64
    }

    // 1. record -------------------------------------------------------------------------------------------

    fn record_all(&mut self, periods: u64, input: &InputFrame, summary: &mut FrameSummary) {
        let frame = self.frame;
        for entry in &mut self.cells {
            entry.wants.tick = false;
            if entry.no_ticks || !entry.is_declared() {
                continue;
            }
            // A load is a turn of its own: steps and mail wait for it.
            let busy = match entry.life {
                Life::Idle => entry.wants.load,
                Life::Busy { ticks, .. } => {
                    if !ticks {
                        continue;
                    }
                    true
                }
                // Without an instance no time passes for it.
                Life::Waiting { .. } | Life::Down { .. } => continue,
            };
            for _ in 1..periods {
                // Periods that no frame was drawn for: their steps add up.
                entry.clock.open(frame, true, false);
            }
            entry.due = entry.clock.open(frame, busy, entry.mailbox.has_mail());
            entry.wants.tick = entry.due.is_some();
            entry.counters.dropped_steps = entry.clock.dropped();
            if matches!(entry.life, Life::Busy { ticks: true, .. }) {
                entry.counters.late += 1;
                summary.late += 1;
            }
        }
        for n in 0..self.cells.len() {
            let entry = &self.cells[n];
            if entry.life == Life::Idle && entry.is_declared() && entry.wants != Work::default() {
                self.record(n, input);
            }
        }
    }

    /// Freezes what the next turn of a cell sees.
    fn record(&mut self, n: usize, input: &InputFrame) {
        let (frame, time_ns, screen_px) = (self.frame, self.time_ns, self.options.screen_px);
        let seed = self.options.seed.unwrap_or(self.scene.seed);
        let entry = &mut self.cells[n];
        let Some(turn) = entry.turn.as_mut() else { return };
        let r = &mut turn.record;
        r.frame = frame;
        r.time_ns = time_ns;
        r.screen_px = screen_px;
        r.input = *input;
        let tick = entry.due.filter(|_| entry.wants.tick);
        r.steps = tick.map_or(0, |t| t.steps);
        r.dt_ns = tick.map_or_else(|| steps_ns(1, self.scene.rate), |t| t.dt_ns);
        if let Some(t) = tick {
            r.time_ns = t.time_ns;
        }
        r.seed = cell_seed(seed, &entry.name, frame);
        if r.params_version != entry.params_version {
            r.params = Arc::clone(&entry.params);
            r.params_version = entry.params_version;
        }
        if !Arc::ptr_eq(&r.memory, self.book.memory()) {
            r.memory = Arc::clone(self.book.memory());
        }
        r.behind.clear();
        r.ports.clear();
        let ticks = entry.wants.tick;
        for port in &entry.ports {
            let mut slots = PortSlots { blend: 1.0, ..PortSlots::default() };
            match *port {
                PortUse::None => {}
                PortUse::Writes(buffer) => {
                    if let Some((generation, latest)) = self.book.hold_latest(buffer) {
                        turn.holds.push((buffer, generation, latest.slot));
                        slots.read = Some(slot_read(buffer, latest));
                    }
                    if ticks {
                        let first = r.behind.len() as u32;
                        if let Some((generation, grant, count)) =
                            self.book.grant(buffer, frame, &mut r.behind)
                        {
                            slots.write = Some(SlotWrite {
                                buffer,
                                slot: grant.slot,
                                stamp: grant.stamp,
                                behind: (first, count),
                            });
                            turn.grants.push((buffer, generation, grant));
                        }
                    }
                }
                PortUse::Reads { buffer, now, history } => {
                    if let Some((generation, latest)) = self.book.hold_latest(buffer) {
                        turn.holds.push((buffer, generation, latest.slot));
                        slots.read = Some(slot_read(buffer, latest));
                        if history
                            && !now
                            && let Some((generation, previous)) = self.book.hold_previous(buffer)
                        {
                            turn.holds.push((buffer, generation, previous.slot));
                            slots.previous = Some(slot_read(buffer, previous));
                            slots.blend = history_blend(frame, Some(previous.frame), latest.frame);
                        }
                    }
                }
            }
            r.ports.push(slots);
        }
        r.mail.clear();
        if ticks {
            entry.mailbox.open();
            for m in entry.mailbox.iter() {
                r.mail.push(letter(m.from, &self.names[m.from.0 as usize], m.sequence, m.payload));
            }
        }
    }

    /// Lets the `now` ports of a recorded turn see what their owners have just published.
    fn refresh_now(&mut self, n: usize) {
        let entry = &mut self.cells[n];
        let Some(turn) = entry.turn.as_mut() else { return };
        for (p, port) in entry.ports.iter().enumerate() {
            let PortUse::Reads { buffer, now: true, history } = *port else { continue };
            let old = turn.record.ports[p].read;
            if let Some((generation, latest)) = self.book.hold_latest(buffer) {
                if let Some(old) = old
                    && let Some(at) = turn.holds.iter().position(|h| h.0 == buffer && h.2 == old.slot)
                {
                    let (b, g, s) = turn.holds.swap_remove(at);
                    self.book.release(b, g, s);
                }
                turn.holds.push((buffer, generation, latest.slot));
                turn.record.ports[p].read = Some(slot_read(buffer, latest));
                if history && let Some((generation, previous)) = self.book.hold_previous(buffer) {
                    turn.holds.push((buffer, generation, previous.slot));
                    turn.record.ports[p].previous = Some(slot_read(buffer, previous));
                    turn.record.ports[p].blend =
                        history_blend(self.frame, Some(previous.frame), latest.frame);
                }
            }
        }
    }

    // 2. tick ---------------------------------------------------------------------------------------------

    fn tick_all(
        &mut self,
        deadline: Instant,
        input: &InputFrame,
        summary: &mut FrameSummary,
    ) -> Result<(), WorldError> {
        let mut ready: Vec<usize> = std::mem::take(&mut self.ready);
        ready.clear();
        // Mail that came between frames is in the records already.
        self.mailed.clear();
        let mut waiting = 0_usize;
        // A cell with `now` ports waits for those of their owners that tick in this very frame; one that is
        // late from an earlier frame is not waited for.
        for n in 0..self.cells.len() {
            if self.cells[n].life != Life::Idle
                || self.cells[n].wants == Work::default()
                || self.cells[n].turn.is_none()
            {
                continue;
            }
            if !self.cells[n].is_declared() {
                continue;
            }
            let waits = if self.cells[n].wants.tick { self.waits_for(n) } else { 0 };
            self.cells[n].waits_for = waits;
            if waits == 0 {
                ready.push(n);
            } else {
                self.cells[n].recorded = true;
                waiting += 1;
            }
        }
        if let Some(seed) = self.options.chaos {
            shuffle(&mut ready, seed ^ self.frame);
        }
        for n in ready.drain(..) {
            summary.started += 1;
            self.start_turn(n, self.chaos_delay(n), true);
        }
        self.ready = ready;
        let begun = Instant::now();
        // What is left after the ticks takes about as long as it did lately.
        let cut_off = deadline.checked_sub(Duration::from_nanos(self.after_ns)).unwrap_or(deadline);
        while waiting > 0 || self.ticks_in_flight > 0 {
            let left = if self.options.lockstep {
                Duration::from_millis(100)
            } else {
                let now = Instant::now();
                if now >= cut_off {
                    break;
                }
                cut_off - now
            };
            match self.pool.finished_within(left) {
                Some(turn) => {
                    // Followers wait for the ticks of this frame only.
                    let ticked = turn.work.tick && turn.counted_in == Some(self.frame);
                    let key = turn.cell;
                    self.finish(turn);
                    if ticked {
                        waiting -= self.start_followers(key, summary);
                    }
                    self.start_mailed(input, summary);
                }
                None if self.options.lockstep && begun.elapsed() > self.options.tick_limit => {
                    return Err(self.tick_limit());
                }
                None => {}
            }
        }
        // What was recorded but not started (its owner is late) is put back: its slots and mail stay.
        for n in 0..if waiting > 0 { self.cells.len() } else { 0 } {
            if std::mem::take(&mut self.cells[n].recorded) {
                self.cells[n].counters.late += 1;
                summary.late += 1;
                self.put_back(n);
            }
        }
        Ok(())
    }

    pub(crate) fn tick_limit(&self) -> WorldError {
        let cell = self.cells.iter().find(|c| matches!(c.life, Life::Busy { .. }));
        WorldError::TickLimit {
            cell: cell.map_or_else(String::new, |c| c.name.to_string()),
            frame: self.frame,
            limit_ms: self.options.tick_limit.as_millis(),
        }
    }

    fn waits_for(&self, n: usize) -> u32 {
        let owner_ticks = |line: &CellLine| {
            let o = &self.cells[line.0 as usize];
            o.life == Life::Idle && o.wants.tick && o.turn.is_some() && o.is_declared()
        };
        self.now.start_after(CellLine(n as u32)).iter().filter(|l| owner_ticks(l)).count() as u32
    }

    /// Starts the turns that waited for the cell `key` last. Returns how many.
    fn start_followers(&mut self, key: u32, summary: &mut FrameSummary) -> usize {
        let Some(&owner) = self.lines.get(&key) else { return 0 };
        let mut started = 0;
        for at in 0..self.followers[owner].len() {
            let n = self.followers[owner][at];
            let entry = &mut self.cells[n];
            if !entry.recorded || entry.waits_for == 0 {
                continue;
            }
            entry.waits_for -= 1;
            if entry.waits_for == 0 {
                self.refresh_now(n);
                summary.started += 1;
                started += 1;
                let delay = self.chaos_delay(n);
                self.start_turn(n, delay, true);
            }
        }
        started
    }

    /// Lets cells on mail take their turn at once, outside of lockstep.
    fn start_mailed(&mut self, input: &InputFrame, summary: &mut FrameSummary) {
        while let Some(n) = self.mailed.pop() {
            let entry = &mut self.cells[n];
            if entry.life != Life::Idle || entry.no_ticks || !entry.is_declared() || entry.recorded {
                continue;
            }
            entry.due = entry.clock.open(self.frame, false, entry.mailbox.has_mail());
            entry.wants.tick = entry.due.is_some();
            if entry.wants.tick {
                self.record(n, input);
                summary.started += 1;
                self.start_turn(n, 0, true);
            }
        }
    }

    fn chaos_delay(&self, n: usize) -> u32 {
        self.options.chaos.map_or(0, |seed| {
            let r = cell_seed(seed, &self.cells[n].name, self.frame);
            // Most turns are on time, some are up to 2 ms late.
            if r.is_multiple_of(4) { (r >> 32) as u32 % 2000 } else { 0 }
        })
    }

    /// Sends a cell's recorded turn to a tick thread.
    pub(crate) fn start_turn(&mut self, n: usize, delay_us: u32, in_frame: bool) {
        let frame = self.frame;
        let entry = &mut self.cells[n];
        let Some(mut turn) = entry.turn.take() else { return };
        turn.work = std::mem::take(&mut entry.wants);
        turn.delay_us = delay_us;
        if turn.maker.is_some() {
            turn.record.screen_px = self.options.screen_px;
            turn.record.params = Arc::clone(&entry.params);
            turn.record.params_version = entry.params_version;
            turn.record.ports.clear();
            turn.record.ports.resize(entry.ports.len(), PortSlots::default());
            turn.record.memory = Arc::clone(self.book.memory());
        }
        entry.recorded = false;
        entry.life = Life::Busy { since_frame: frame, ticks: turn.work.tick };
        let counts = self.options.lockstep || (in_frame && turn.work.tick);
        turn.counted_in = counts.then_some(frame);
        self.ticks_in_flight += usize::from(counts);
        self.in_flight += 1;
        self.pool.start(turn);
    }

    /// Gives back what a recorded but not started turn holds.
    fn put_back(&mut self, n: usize) {
        let Some(mut turn) = self.cells[n].turn.take() else { return };
        self.settle(&mut turn, false);
        if let Some(tick) = self.cells[n].due.take() {
            self.cells[n].clock.give_back(tick);
        }
        for l in turn.record.mail.drain(..) {
            let bytes = bytes_of(&l.payload, l.len);
            self.cells[n].mailbox.deliver(l.line, l.sequence, &bytes);
        }
        self.cells[n].turn = Some(turn);
    }

    // 3. commit -------------------------------------------------------------------------------------------

    /// Ends the holds and grants of a turn; publishes what it wrote when `publish` says so.
    fn settle(&mut self, turn: &mut Turn, publish: bool) {
        for (buffer, generation, slot) in turn.holds.drain(..) {
            self.book.release(buffer, generation, slot);
        }
        for (buffer, generation, grant) in turn.grants.drain(..) {
            let publication = if publish { self.book.publication(buffer, &grant) } else { None };
            if let Err(fault) = self.book.settle(buffer, generation, &grant, publication.as_ref())
                && !matches!(fault, engine_frame::slots::PublicationFault::Scratch)
            {
                tracing::warn!(cell = &*turn.cx.name, "its buffer {} was not published: {fault}", buffer.0);
            }
        }
    }

    /// Takes a turn back: publishes, delivers mail, takes a new pass list, or ends the instance.
    pub(crate) fn finish(&mut self, mut turn: Box<Turn>) {
        self.in_flight -= 1;
        // A turn of an earlier frame is late; this frame does not wait for it.
        self.ticks_in_flight -= usize::from(turn.counted_in == Some(self.frame));
        let line = self.lines.get(&turn.cell).copied().filter(|n| self.cells[*n].epoch == turn.epoch);
        let Some(n) = line else {
            self.settle(&mut turn, false);
            return;
        };
        let ticked = turn.outcome.ticked;
        self.settle(&mut turn, ticked);
        if let Some(renewal) = turn.instance.as_mut().and_then(|i| i.take_renewal()) {
            // Between frames: the records of this frame name slots of the old region.
            self.renewals.push(renewal);
        }
        let entry = &mut self.cells[n];
        entry.counters.ticks += u64::from(ticked);
        entry.counters.turn_ns += turn.outcome.wall_ns;
        entry.counters.longest_turn_ns = entry.counters.longest_turn_ns.max(turn.outcome.wall_ns);
        if let Some(list) = turn.outcome.passes.take() {
            self.take_list(n, &list);
        }
        for out in turn.outcome.outbox.drain(..) {
            let entry = &mut self.cells[n];
            entry.counters.sent += 1;
            let sequence = entry.counters.sent;
            match self.by_name.get(&*out.to) {
                // A full box drops the message and counts it.
                Some(&to) => {
                    let delivered =
                        self.cells[to].mailbox.deliver(CellLine(n as u32), sequence, &out.payload);
                    if delivered
                        && !self.options.lockstep
                        && self.cells[to].rate == cell_abi::ports::Rate::OnMail
                    {
                        self.mailed.push(to);
                    }
                }
                None => self.stats.undeliverable += 1,
            }
        }
        if turn.work.load {
            self.take_sealed(&turn);
        }
        let requests = std::mem::take(&mut turn.outcome.requests);
        let entry = &mut self.cells[n];
        if requests & (1 << Request::LOAD.0) != 0 {
            entry.wants.load = true;
        }
        if requests & (1 << Request::NO_TICKS.0) != 0 {
            entry.no_ticks = true;
        }
        self.quit |= requests & (1 << Request::QUIT.0) != 0;
        match std::mem::take(&mut turn.outcome.ending) {
            Ending::Done => {
                if turn.work.load {
                    entry.load_fault = None;
                }
                entry.life = Life::Idle;
                entry.turn = Some(turn);
            }
            Ending::LoadFailed(why) => {
                tracing::error!(cell = &*entry.name, "{why}");
                entry.load_fault = Some(why);
                entry.life = Life::Idle;
                entry.turn = Some(turn);
            }
            Ending::Over(why) => {
                drop(turn);
                self.crashed(n, &why);
            }
        }
    }

    /// An instance is over. Its published data and its passes stay; a new one follows after a pause.
    fn crashed(&mut self, n: usize, why: &str) {
        let now_ns = self.now_ns();
        let entry = &mut self.cells[n];
        entry.cx = None;
        match entry.restart.crashed(now_ns) {
            AfterCrash::RestartAt { at_ns } => {
                tracing::error!(
                    cell = &*entry.name,
                    "{why}; it starts again in {} ms, its last picture and data stay",
                    at_ns.saturating_sub(now_ns) / 1_000_000
                );
                entry.life = Life::Waiting { until_ns: at_ns };
            }
            AfterCrash::GiveUp { .. } => {
                tracing::error!(
                    cell = &*entry.name,
                    "{why}; it crashed too often and stays down until it changes"
                );
                entry.life = Life::Down { why: why.to_owned() };
            }
        }
    }

    /// Host time for pauses: frames in lockstep, else the clock.
    fn now_ns(&self) -> u64 {
        if self.options.lockstep { self.time_ns } else { self.opened.elapsed().as_nanos() as u64 }
    }

    fn take_late_turns(&mut self) {
        while let Some(turn) = self.pool.try_finished() {
            self.finish(turn);
        }
    }

    /// Restarts what waited long enough, and replaces what hangs.
    fn supervise(&mut self) {
        let now_ns = self.now_ns();
        for n in 0..self.cells.len() {
            let entry = &self.cells[n];
            if let Life::Waiting { until_ns } = entry.life
                && until_ns <= now_ns
                && entry.is_declared()
            {
                self.begin_instance(n);
            }
        }
        if self.options.lockstep {
            return;
        }
        if self.frame.is_multiple_of(LOOK_EVERY) {
            self.find_ended();
        }
        self.pool.retire_long();
        let mut long = std::mem::take(&mut self.long_turns);
        long.clear();
        self.pool.long_turns_into(&mut long);
        for LongTurn { cell, epoch, for_ns } in long.drain(..) {
            let Some(&n) = self.lines.get(&cell) else { continue };
            let Life::Busy { ticks, .. } = self.cells[n].life else { continue };
            if self.cells[n].epoch != epoch {
                // An earlier instance's turn, which was replaced already.
                continue;
            }
            let limit_ns = if ticks { HUNG_TICK_NS } else { LOAD_LIMIT.as_nanos() as u64 };
            if for_ns > limit_ns {
                let entry = &mut self.cells[n];
                if let Some(cx) = entry.cx.take() {
                    cx.cancel();
                }
                // The hung turn keeps its slots; when it ever returns, its epoch is over.
                entry.epoch += 1;
                entry.counters.zombies += 1;
                // A hung thread cannot be ended, a process can: from now on it runs where it can do no harm.
                entry.quarantined |= ticks && self.options.placement.is_none();
                self.crashed(n, &format!("hung for {} s and was replaced", for_ns / 1_000_000_000));
            }
        }
        self.long_turns = long;
    }

    /// Finds idle cells whose process has ended; a busy one's tick thread sees it by itself.
    fn find_ended(&mut self) {
        for n in 0..self.cells.len() {
            let entry = &mut self.cells[n];
            if entry.life != Life::Idle {
                continue;
            }
            let instance = entry.turn.as_mut().and_then(|t| t.instance.as_mut());
            if let Some(why) = instance.and_then(|i| i.ended()) {
                entry.turn = None;
                self.crashed(n, &why);
            }
        }
    }

    // 4. plan ---------------------------------------------------------------------------------------------

    fn take_list(&mut self, n: usize, bytes: &[u8]) {
        let entry = &mut self.cells[n];
        match cell_wire::decode::<PassList>(bytes) {
            Ok(list) => {
                entry.counters.lists += 1;
                if entry.list.as_deref() != Some(&list) {
                    let list = Arc::new(list);
                    entry.list = Some(Arc::clone(&list));
                    self.lists.submit(CellLine(n as u32), entry.shader, list);
                    self.plan_dirty = true;
                }
            }
            Err(error) => {
                entry.counters.refused_lists += 1;
                tracing::error!(cell = &*entry.name, "its pass list was refused: {error}");
            }
        }
    }

    /// Checks and orders all lists; a faulty one is replaced by the cell's last good one.
    fn replan(&mut self) {
        self.plan_dirty = false;
        let services = Arc::clone(&self.services);
        let sealed = |_: CellLine, id: u64| services.sealed.get(id).and_then(|s| sealed_info(&s));
        let outcome = self.lists.plan(&lists::World {
            contracts: &self.contracts,
            sealed: &sealed,
            limits: &|_| Limits::OWN,
            screen_px: self.options.screen_px,
        });
        for fault in &outcome.faults {
            tracing::error!(cell = &*fault.cell, "{fault}");
            self.cells[fault.line.0 as usize].counters.refused_lists += 1;
        }
        self.plan = Arc::new(outcome.plan);
        self.stats.plans += 1;
    }

    /// Hands what a load sealed to the renderer.
    fn take_sealed(&mut self, turn: &Turn) {
        self.sealed_changed = true;
        let new: Vec<Arc<Sealed>> = turn.cx.io().sealed.clone();
        for s in new {
            if !self.services.sealed.mark_sent(s.id) {
                continue;
            }
            let kind = match s.desc.kind {
                SealKind::TEXTURE_2D => SealedShape::Texture {
                    format: TextureFormat::from_number(s.desc.format).unwrap_or(TextureFormat::Rgba8Unorm),
                    size_px: [s.desc.width, s.desc.height],
                    mips: s.desc.mips,
                },
                _ => SealedShape::Buffer,
            };
            let id = s.id;
            if let Err(error) = self.renderer.seal(SealedData { id, kind, bytes: s }) {
                tracing::error!(cell = &*turn.cx.name, "what it sealed cannot be drawn: {error}");
            }
        }
    }

    /// Drops sealed resources that no instance and no pass list names any more.
    fn collect_sealed(&mut self) -> Result<(), WorldError> {
        if self.cells.iter().any(|c| matches!(c.life, Life::Busy { ticks: false, .. })) {
            // A load is under way: what it has just sealed is known only when it returns.
            self.sealed_changed = true;
            return Ok(());
        }
        let mut live = BTreeSet::new();
        for c in &self.cells {
            if let Some(cx) = &c.cx {
                live.extend(cx.io().sealed.iter().map(|s| s.id));
            }
        }
        for pass in self.lists.lists().flat_map(|l| &l.passes) {
            live.extend(pass.sealed.iter().map(|b| b.id));
            if let cell_wire::Work::Raster(raster) = &pass.work {
                live.extend(raster.draws.iter().flat_map(|d| d.sealed.iter().map(|b| b.id)));
            }
        }
        for id in self.services.sealed.collect_unused(&live) {
            self.renderer.unseal(id)?;
        }
        Ok(())
    }

    // 5. packet -------------------------------------------------------------------------------------------

    /// Makes and sends the frame's packet. Returns how long the renderer let it wait.
    fn send_packet(&mut self, dt_ns: u64, capture: bool) -> Result<Duration, WorldError> {
        let mut packet = self.spare_packets.pop().unwrap_or_else(|| Packet {
            frame: 0,
            time_ns: 0,
            dt_ns: 0,
            plan: Arc::clone(&self.plan),
            slots: Vec::new(),
            memory: Arc::<crate::memory::MemoryTable>::default(),
            counts: Vec::new(),
            params: Vec::new(),
            capture: false,
        });
        let mut holds = self.spare_holds.pop().unwrap_or_default();
        packet.frame = self.frame;
        packet.time_ns = self.time_ns;
        packet.dt_ns = dt_ns;
        packet.capture = capture;
        packet.plan = Arc::clone(&self.plan);
        packet.memory = Arc::clone(self.book.memory()) as _;
        let mut used = 0;
        for b in &self.plan.buffers {
            let Some((generation, latest)) = self.book.hold_latest(b.id) else { continue };
            holds.push((b.id, generation, latest.slot));
            if packet.slots.len() <= used {
                packet.slots.push(SlotUse { buffer: b.id, slot: 0, len: 0, dirty: Vec::new() });
            }
            let slot = &mut packet.slots[used];
            slot.buffer = b.id;
            slot.slot = latest.slot;
            slot.len = u64::from(latest.len);
            slot.dirty.clear();
            self.book.take_gpu_behind_into(b.id, &mut slot.dirty);
            used += 1;
        }
        packet.slots.truncate(used);
        packet.counts.clear();
        for c in &self.plan.dynamic_counts {
            packet.counts.push(self.count(c.source).min(c.max));
        }
        packet.params.clear();
        for (n, c) in self.cells.iter_mut().enumerate() {
            if c.params_sent || !c.is_declared() {
                continue;
            }
            if let Some(built) = &c.built {
                let block: Arc<[u8]> = wgsl::pack_params(&built.ports, &c.params).into();
                packet.params.push((CellLine(n as u32), block));
                c.params_sent = true;
            }
        }
        self.packet_holds.push((self.frame, holds));
        let submitting = Instant::now();
        self.renderer.submit(packet).map_err(|_| engine_render::RendererGone)?;
        let waited = submitting.elapsed();
        if std::mem::take(&mut self.sealed_changed) {
            self.collect_sealed()?;
        }
        Ok(waited)
    }

    fn count(&self, source: CountSource) -> u32 {
        use engine_frame::packet::SlotMemory;
        match source {
            CountSource::Published { buffer, element_size } => {
                self.book.latest(buffer).map_or(0, |l| l.len / element_size.max(1))
            }
            CountSource::Word { buffer, index } => {
                let Some(latest) = self.book.latest(buffer) else { return 0 };
                let at = u64::from(index) * 4;
                if at + 4 > u64::from(latest.len) {
                    return 0;
                }
                let bytes = self.book.memory().bytes(buffer, latest.slot, at, 4);
                bytes.and_then(|b| b.try_into().ok()).map_or(0, u32::from_le_bytes)
            }
        }
    }

    // the renderer's answers ------------------------------------------------------------------------------

    fn take_render_events(&mut self) -> Result<(), WorldError> {
        if self.options.lockstep {
            // Exactly what the renderer said of the frames up to the one before the last, whenever it said so.
            while self.packet_holds.iter().any(|(f, _)| f + 2 <= self.frame) {
                let event = self.renderer.events().recv().map_err(|_| engine_render::RendererGone)?;
                self.take_render_event(event)?;
            }
            return Ok(());
        }
        while let Ok(event) = self.renderer.events().try_recv() {
            self.take_render_event(event)?;
        }
        Ok(())
    }

    /// Takes one answer of the renderer.
    pub(crate) fn take_render_event(&mut self, event: RenderEvent) -> Result<(), WorldError> {
        match event {
            RenderEvent::FrameDone(report) => {
                if let Some(at) = self.packet_holds.iter().position(|(f, _)| *f == report.frame) {
                    let (_, mut holds) = self.packet_holds.swap_remove(at);
                    for (buffer, generation, slot) in holds.drain(..) {
                        self.book.release(buffer, generation, slot);
                    }
                    self.spare_holds.push(holds);
                }
                if report.submits > 0 {
                    self.lists.drawn(report.packet.plan.version, &report.skipped);
                }
                let packet = self.stats.take_frame(report);
                self.spare_packets.push(packet);
            }
            RenderEvent::ShaderRejected { id, message } => {
                if let Some(entry) = self.shader_owner(id) {
                    tracing::error!(cell = &*entry.name, "\n{message}");
                    entry.shader_fault = Some(message);
                }
            }
            RenderEvent::ShaderReady { id, ms } => {
                if let Some(entry) = self.shader_owner(id) {
                    tracing::info!(cell = &*entry.name, "its shader is ready after {ms:.1} ms");
                    entry.shader_fault = None;
                    let line = CellLine(self.lines[&id.0] as u32);
                    self.plan_dirty |= self.lists.shader_changed(line);
                }
            }
            RenderEvent::PassesRejected(faults) => {
                for f in faults {
                    tracing::error!(cell = &*f.cell_name, "{}", f.message);
                    if f.plan_version != self.plan.version {
                        // A newer plan was made since; it is judged on its own.
                        continue;
                    }
                    // The line may have moved since the packet; the name tells.
                    if let Some(n) = self.cells.iter().position(|c| c.name == f.cell_name) {
                        self.lists.refused(CellLine(n as u32));
                        self.plan_dirty = true;
                    }
                }
            }
            RenderEvent::DeviceLost { message } => {
                tracing::error!("the GPU was lost ({message}); everything on it is made anew");
            }
            RenderEvent::DeviceRebuilt => tracing::info!("the GPU is back"),
            RenderEvent::RebuildFailed { message } => {
                tracing::error!("the GPU does not come back: {message}")
            }
            RenderEvent::SurfaceFailed { message } => {
                tracing::error!("the window cannot be drawn to: {message}")
            }
        }
        Ok(())
    }

    fn shader_owner(&mut self, id: ShaderId) -> Option<&mut CellEntry> {
        self.cells.iter_mut().find(|c| c.shader == id)
    }

    /// Waits until the renderer has done all frames that were sent.
    ///
    /// # Errors
    /// [`WorldError::Renderer`] when the render thread has ended.
    pub fn drain(&mut self) -> Result<(), WorldError> {
        while !self.packet_holds.is_empty() {
            let event = self.renderer.events().recv().map_err(|_| engine_render::RendererGone)?;
            self.take_render_event(event)?;
        }
        Ok(())
    }
}

fn sealed_info(s: &crate::sealed::Sealed) -> Option<SealedInfo> {
    match s.desc.kind {
        SealKind::BUFFER => Some(SealedInfo::Buffer { bytes: s.len as u64 }),
        SealKind::TEXTURE_2D => {
            TextureFormat::from_number(s.desc.format).map(|format| SealedInfo::Texture2d { format })
        }
        _ => None,
    }
}

fn slot_read(buffer: engine_frame::plan::BufferId, p: Published) -> SlotRead {
    SlotRead { buffer, slot: p.slot, len: p.len as usize, frame: p.frame }
}

fn letter(line: CellLine, from: &Arc<str>, sequence: u64, bytes: &[u8]) -> Letter {
    let mut payload = vec![0_u128; bytes.len().div_ceil(16)];
    for (word, chunk) in payload.iter_mut().zip(bytes.chunks(16)) {
        let mut w = [0; 16];
        w[..chunk.len()].copy_from_slice(chunk);
        *word = u128::from_ne_bytes(w);
    }
    Letter { line, from: Arc::clone(from), sequence, payload, len: bytes.len() }
}

fn bytes_of(payload: &[u128], len: usize) -> Vec<u8> {
    let mut out: Vec<u8> = payload.iter().flat_map(|w| w.to_ne_bytes()).collect();
    out.truncate(len);
    out
}

/// Fisher and Yates's shuffle, by a seed.
fn shuffle(items: &mut [usize], seed: u64) {
    for n in (1..items.len()).rev() {
        let r = cell_seed(seed, "chaos", n as u64);
        items.swap(n, (r % (n as u64 + 1)) as usize);
    }
}
