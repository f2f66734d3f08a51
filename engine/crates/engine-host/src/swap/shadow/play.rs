//! The shadow's thread: a small world of one cell, in which the copied ticks are run again.
use super::{Job, Progress, Verdict, tap::Tapped};
use crate::{
    book::{DeclaredBuffer, SlotBook},
    cx::InstanceCx,
    record::{PortSlots, SlotRead, SlotWrite},
    turn::{Ending, Legacy, Turn, Work},
    world::maker,
};
use cell_abi::header::Publication;
use cell_wire::PassList;
use crossbeam::channel::Receiver;
use engine_frame::{packet::SlotMemory as _, plan::BufferId};
use engine_scene::Placement;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

/// A port of the cell: its buffer, and whether the cell writes it. `None`: nothing that a tick sees.
#[derive(Clone, Debug)]
pub(in crate::swap) struct ShadowPort {
    pub(in crate::swap) name: String,
    pub(in crate::swap) buffer: Option<(BufferId, bool)>,
    pub(in crate::swap) capacity: u32,
    pub(in crate::swap) element_size: u32,
    pub(in crate::swap) history: bool,
}

/// The small world.
struct World<'a> {
    book: SlotBook,
    turn: Turn,
    ports: Vec<ShadowPort>,
    /// The frame of the newest publication that was put in, by port.
    put: Vec<Option<u64>>,
    progress: &'a Progress,
    begun: Instant,
    load_fails: bool,
    /// What differed first, by what it is.
    differs: BTreeMap<String, String>,
}

/// Runs a build on what was copied, until there is nothing more to come, and judges it.
pub(super) fn play(
    job: Job,
    cx: &Arc<InstanceCx>,
    captured: &Receiver<Tapped>,
    progress: &Progress,
    begun: Instant,
) -> Verdict {
    // The first one only tells the state from which both go on.
    let first = captured.recv().ok();
    let Job { name, built, start, ends, ports, record, list, load_fails, keeps, .. } = job;
    let mut turn = Turn::new(0, 0, cx);
    turn.record = record;
    turn.maker = Some(maker(Placement::Process, &built, None, start, ends));
    turn.work = Work { load: true, passes: true, ..Work::default() };
    let state = first.as_ref().and_then(|f| f.state.clone()).filter(|_| keeps);
    turn.legacy = state.zip(built.shape).map(|(state, shape)| Legacy::tried(state, shape));
    let put = vec![None; ports.len()];
    let book = SlotBook::default();
    let differs = BTreeMap::new();
    let mut world = World { book, turn, ports, put, progress, begun, load_fails, differs };
    let mut ticks = 0;
    let making = Instant::now();
    let mut loaded_in = Duration::ZERO;
    let result = world.begin(&name, first.as_ref()).and_then(|()| {
        loaded_in = making.elapsed();
        world.compare_lists(list.as_deref());
        for tapped in captured {
            if progress.enough.load(Ordering::Relaxed) {
                break;
            }
            ticks += 1;
            world.tick(&tapped, ticks)?;
        }
        Ok(())
    });
    match result {
        Ok(()) => Verdict::Passed { words: world.words(ticks), loaded_in },
        Err(why) if ticks == 0 => Verdict::Rejected(format!("in its shadow it {why}")),
        Err(why) => Verdict::Rejected(format!("in tick {ticks} of its shadow it {why}")),
    }
}

impl World<'_> {
    /// Makes the instance, with what the running one had published.
    fn begin(&mut self, name: &Arc<str>, first: Option<&Tapped>) -> Result<(), String> {
        let mut declared = Vec::new();
        for p in &self.ports {
            let Some((buffer, owns)) = p.buffer else { continue };
            let owner = if owns { Arc::clone(name) } else { format!("reads {}", p.name).into() };
            let ShadowPort { capacity, element_size, history, .. } = *p;
            let placement = Placement::Thread;
            declared.push(DeclaredBuffer { buffer, owner, capacity, element_size, history, placement });
        }
        let fault =
            |e: Vec<crate::memory::RegionError>| e.first().map(ToString::to_string).unwrap_or_default();
        self.book.declare(&declared, |_| false).map_err(fault)?;
        for (first, n) in first.into_iter().flat_map(|f| (0..f.turn.ports.len()).map(move |n| (f, n))) {
            let Some((buffer, true)) = self.ports.get(n).and_then(|p| p.buffer) else { continue };
            let read = first.content(first.turn.ports[n].read);
            let made = first.made[n].as_ref().map(|bytes| (first.turn.frame, &bytes[..]));
            for content in [read, made].into_iter().flatten() {
                self.publish(buffer, content);
            }
        }
        self.turn.renewal = self.book.replace_instance(name, Placement::Process);
        self.turn.record.ports.clear();
        self.turn.record.ports.resize(self.ports.len(), PortSlots::default());
        self.turn.record.memory = Arc::clone(self.book.memory());
        self.run()?;
        if let Some(renewal) = self.turn.instance.as_mut().and_then(|i| i.take_renewal()) {
            self.book.adopt(renewal);
        }
        Ok(())
    }

    /// Puts what another cell or the running instance published into a region of this process.
    fn publish(&mut self, buffer: BufferId, (frame, bytes): (u64, &[u8])) {
        let Some((generation, grant, _)) = self.book.grant(buffer, frame, &mut Vec::new()) else {
            return;
        };
        let written = grant
            .slot
            .is_some_and(|slot| self.book.memory().get(buffer).is_some_and(|m| m.fill(slot, 0, bytes)));
        let publication =
            Publication { frame, len_bytes: bytes.len() as u64, dirty_count: 0, dirty: Default::default() };
        // What does not fit is not there for the shadow: it shows as a difference.
        let _ = self.book.settle(buffer, generation, &grant, Some(&publication).filter(|_| written));
    }

    /// Runs the turn.
    fn run(&mut self) -> Result<(), String> {
        let ms = self.begun.elapsed().as_millis() as u64;
        self.progress.ticks.store(self.turn.work.tick, Ordering::Relaxed);
        self.progress.busy_ms.store(ms.max(1), Ordering::Relaxed);
        self.turn.run();
        self.progress.busy_ms.store(0, Ordering::Relaxed);
        match std::mem::take(&mut self.turn.outcome.ending) {
            Ending::Done => Ok(()),
            Ending::LoadFailed(_) if self.load_fails => Ok(()),
            Ending::LoadFailed(why) | Ending::Over(why) => Err(format!("failed: {why}")),
        }
    }

    fn tick(&mut self, tapped: &Tapped, ticks: u32) -> Result<(), String> {
        let mut holds = Vec::new();
        let mut grants = Vec::new();
        self.turn.record.ports.clear();
        self.turn.record.behind.clear();
        for (n, given) in tapped.turn.ports.iter().enumerate() {
            let [read, previous] = [given.read, given.previous].map(|r| tapped.content(r));
            let mut slots = PortSlots { blend: given.blend, ..PortSlots::default() };
            if let Some((buffer, owns)) = self.ports.get(n).and_then(|p| p.buffer) {
                if !owns {
                    for content in [previous, read].into_iter().flatten() {
                        if self.put[n].is_none_or(|frame| frame < content.0) {
                            self.publish(buffer, content);
                            self.put[n] = Some(content.0);
                        }
                    }
                }
                if let Some((generation, p)) = self.book.hold_latest(buffer) {
                    holds.push((buffer, generation, p.slot));
                    slots.read = Some(SlotRead::of(buffer, p));
                }
                if previous.is_some()
                    && let Some((generation, p)) = self.book.hold_previous(buffer)
                {
                    holds.push((buffer, generation, p.slot));
                    slots.previous = Some(SlotRead::of(buffer, p));
                }
                if owns {
                    let behind = &mut self.turn.record.behind;
                    let at = behind.len() as u32;
                    if let Some((generation, grant, count)) =
                        self.book.grant(buffer, tapped.turn.frame, behind)
                    {
                        let (slot, stamp) = (grant.slot, grant.stamp);
                        slots.write = Some(SlotWrite { buffer, slot, stamp, behind: (at, count) });
                        grants.push((n, buffer, generation, grant));
                    }
                }
            }
            self.turn.record.ports.push(slots);
        }
        tapped.turn.give(&mut self.turn.record);
        self.turn.record.memory = Arc::clone(self.book.memory());
        self.turn.work = Work { tick: true, ..Work::default() };
        self.run()?;
        let at = format!("at tick {ticks} (frame {})", tapped.turn.frame);
        for (buffer, generation, slot) in holds {
            self.book.release(buffer, generation, slot);
        }
        for (n, buffer, generation, grant) in grants {
            let publication = self.book.publication(buffer, &grant);
            let settled = self.book.settle(buffer, generation, &grant, publication.as_ref());
            let made = settled.ok().flatten().and_then(|p| {
                self.book.memory().bytes(buffer, p.slot, 0, u64::from(p.len)).map(<[u8]>::to_vec)
            });
            if made != tapped.made[n] {
                self.note(format!("`{}`", self.ports[n].name), &at);
            }
        }
        if self.turn.outcome.outbox != tapped.sent {
            self.note("its mail".to_owned(), &at);
        }
        let lists = [self.turn.outcome.passes.as_ref(), tapped.passes.as_ref()];
        if lists[0] != lists[1] {
            self.note("its passes".to_owned(), &at);
        }
        let outcome = &mut self.turn.outcome;
        outcome.sent.append(&mut outcome.outbox);
        Ok(())
    }

    fn compare_lists(&mut self, list: Option<&PassList>) {
        let made = self.turn.outcome.passes.take();
        let made = made.and_then(|bytes| cell_wire::decode::<PassList>(&bytes).ok());
        if made.as_ref() != list {
            self.note("its passes".to_owned(), "after its load");
        }
        self.turn.outcome.outbox.clear();
    }

    fn note(&mut self, what: String, at: &str) {
        self.differs.entry(what).or_insert_with(|| at.to_owned());
    }

    fn words(&self, ticks: u32) -> String {
        let tried = if ticks == 0 {
            "it loaded in its shadow".to_owned()
        } else {
            format!("{ticks} ticks in its shadow")
        };
        if self.differs.is_empty() {
            return format!("{tried}: what it makes is equal");
        }
        let all: Vec<String> = self.differs.iter().map(|(what, at)| format!("{what} {at}")).collect();
        format!("{tried}: it differs in {}", all.join(", in "))
    }
}
