mod limits;

use super::*;
use crate::{
    assets::AssetStore,
    cx::{Services, TurnKind},
    memory::{BufferSize, MemoryTable, Region, SLOTS},
    par::ParPool,
    record::{PortSlots, SlotRead, SlotWrite},
    renewal::Renewal,
    sealed::SealedStore,
    turn::{Ending, Legacy, Maker, Placed, Turn},
};
use cell_abi::{
    DirtyRange, Status,
    saved::Saved,
    shape::{ShapeSection, StateShape, section, section_len},
};
use engine_frame::{packet::SlotMemory as _, plan::BufferId};
use engine_scene::Placement;

static SHAPE: StateShape =
    StateShape::of(b"rkyv-0.8 le aligned ptr32\nshape Adder\nstruct Adder\n  ticks u64\n", None);
static SECTION: [u8; section_len(Some(&SHAPE))] = section(Some(&SHAPE));

/// A cell in Rust: it adds what it reads of port 0 to what it wrote last through port 1, and its mail to both. It panics
/// when the sum ends with 99.
#[derive(Default)]
struct Adder {
    ticks: u64,
}

impl Placed for Adder {
    fn call(&mut self, kind: TurnKind, record: &mut Record) -> Status {
        if kind != TurnKind::Tick {
            return Status::OK;
        }
        self.ticks += 1;
        let number = |r: Option<SlotRead>| {
            let r = r?;
            let bytes = record.memory.bytes(r.buffer, r.slot, 0, 8)?;
            Some(u64::from_le_bytes(bytes.try_into().unwrap()))
        };
        let mail: u64 = record.mail.iter().map(|l| l.payload[0] as u64).sum();
        let read = number(record.ports[0].read).unwrap_or(0);
        let value = read + number(record.ports[1].read).unwrap_or(0) + mail + self.ticks;
        let w = record.ports[1].write.unwrap();
        if let Some(slot) = w.slot {
            let memory = record.memory.get(w.buffer).unwrap();
            #[expect(unsafe_code, reason = "plays the cell")]
            // SAFETY: the slot was granted to this turn.
            unsafe {
                std::ptr::copy_nonoverlapping(value.to_le_bytes().as_ptr(), memory.write_ptr(slot), 8);
            }
            memory.header(Some(slot)).publish(w.stamp, record.frame, 8, &[]);
        }
        if value % 100 == 99 { Status::PANICKED } else { Status::OK }
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        Ok(Saved::write(&SHAPE, &self.ticks.to_le_bytes()))
    }

    fn restore(&mut self, state: &Arc<[u8]>) -> Status {
        let state = Saved::read(state).unwrap().payload;
        if state == [0xff; 8] {
            return Status::FAILED;
        }
        self.ticks = u64::from_le_bytes(state.try_into().unwrap());
        Status::OK
    }

    fn renew(&mut self, _: Renewal) -> Result<(), String> {
        Ok(())
    }
}

fn cx() -> Arc<InstanceCx> {
    let services = Services {
        pool: ParPool::without_threads(),
        assets: AssetStore::new(std::path::PathBuf::new()),
        sealed: SealedStore::default(),
    };
    InstanceCx::new("adder".into(), Arc::new(services))
}

fn adder() -> Maker {
    Box::new(|_| Ok(Box::<Adder>::default() as Box<dyn Placed>))
}

/// A world of one cell that reads a buffer of somebody else.
struct Rig {
    turn: Turn,
    memory: Arc<MemoryTable>,
    wrote: Option<SlotRead>,
}

impl Rig {
    fn new(kept: &Arc<Kept>) -> Self {
        Self::of(kept, adder())
    }

    fn of(kept: &Arc<Kept>, maker: Maker) -> Self {
        let sizes = [
            BufferSize { buffer: BufferId(0), capacity: 8 },
            BufferSize { buffer: BufferId(1), capacity: 8 },
        ];
        let mut memory = MemoryTable::default();
        memory.insert(&Region::new("rig", &sizes, Placement::Thread, &[]).unwrap());
        let mut turn = Turn::new(0, 1, &cx());
        turn.kept = Some(Arc::clone(kept));
        turn.maker = Some(maker);
        turn.work = Work { load: true, passes: true, ..Work::default() };
        let mut rig = Self { turn, memory: Arc::new(memory), wrote: None };
        rig.turn.run();
        rig
    }

    /// An instance that is made first, and then takes over from one that has ticked `ticks` times.
    fn taking_over(kept: &Arc<Kept>, ticks: u64) -> Self {
        let mut rig = Self::new(&self::kept(Budget::of(1), false));
        rig.turn = Turn::new(0, 2, &cx());
        rig.turn.kept = Some(Arc::clone(kept));
        rig.turn.maker = Some(adder());
        rig.turn.run();
        let state = SavedState { bytes: Saved::write(&SHAPE, &ticks.to_le_bytes()).into(), frame: 9 };
        rig.turn.legacy = shape().map(|shape| Legacy::tried(state, shape));
        rig.turn.work = Work { load: true, passes: true, ..Work::default() };
        rig.turn.run();
        rig
    }

    /// Lets the cell read `number` in `frame`; returns whether it went on.
    fn tick(&mut self, frame: u64, number: u64) -> bool {
        let slot = (frame % SLOTS as u64) as u8;
        let memory = self.memory.get(BufferId(0)).unwrap();
        #[expect(unsafe_code, reason = "plays the owner")]
        // SAFETY: nobody else uses the memory.
        unsafe {
            std::ptr::copy_nonoverlapping(number.to_le_bytes().as_ptr(), memory.write_ptr(slot), 8);
        }
        let given = SlotRead { buffer: BufferId(0), slot, len: 8, frame, stamp: 1 };
        let stamp = frame as u32 + 1;
        let r = &mut self.turn.record;
        r.frame = frame;
        r.memory = Arc::clone(&self.memory);
        r.behind = vec![DirtyRange { start: 0, end: if self.wrote.is_some() { 8 } else { 0 } }];
        let write = SlotWrite { buffer: BufferId(1), slot: Some(slot), stamp, behind: (0, 1) };
        r.ports = vec![
            PortSlots { read: Some(given), blend: 1.0, ..PortSlots::default() },
            PortSlots { read: self.wrote, write: Some(write), blend: 1.0, ..PortSlots::default() },
        ];
        r.clear_mail();
        if frame.is_multiple_of(3) {
            r.deliver(engine_frame::plan::CellLine(4), &"b".into(), frame, &5_u64.to_le_bytes());
        }
        let saves = self.turn.kept.as_ref().unwrap().wants_state();
        self.turn.work = Work { tick: true, save: saves, ..Work::default() };
        self.turn.run();
        let own = SlotRead { buffer: BufferId(1), slot, len: 8, frame, stamp };
        self.wrote = Some(own).filter(|_| self.turn.outcome.ticked);
        !matches!(self.turn.outcome.ending, Ending::Over(_))
    }

    /// Runs until the cell panics, which it does not before frame `least`. Returns the frame.
    fn run(&mut self, least: u64) -> u64 {
        self.run_every(1, least, || ())
    }

    /// Ticks in every `step`th frame until the cell panics, in its tick number `least`, and does something `between`.
    /// Returns the frame.
    fn run_every(&mut self, step: u64, least: u64, between: impl Fn()) -> u64 {
        let mut value = 0_u64;
        for ticks in 0_u64.. {
            let frame = ticks * step;
            let mail = if frame.is_multiple_of(3) { 5 } else { 0 };
            let sum = |number| value + number + mail + ticks + 1;
            // Any number, but for the one that ends it too early, or at last that one.
            let number = (frame * 7..).find(|n| (sum(*n) % 100 == 99) == (ticks >= least)).unwrap();
            value = sum(number);
            if !self.tick(frame, number) {
                assert_eq!(ticks, least);
                return frame;
            }
            between();
        }
        unreachable!("it panics")
    }
}

/// Plays records to their end; returns the frames of the first and the last tick.
fn replay(records: &Records) -> (u64, u64) {
    let run = records.run();
    assert!(run.is_whole(), "there is a start");
    let mut player = Player::new(&cx(), adder(), Placement::Thread, run.legacy(shape()));
    let mut ended = None;
    for turn in &run.turns {
        assert_eq!(ended, None, "it ended too early");
        let step = player.play(turn, &records.contents).unwrap();
        assert_eq!(step.difference, None, "in frame {}", turn.frame);
        if matches!(step.ending, Ending::Over(_)) {
            ended = Some(turn.frame);
        }
    }
    (run.frames().unwrap().0, ended.expect("it ends as it did"))
}

fn shape() -> Option<Arc<ShapeSection>> {
    ShapeSection::parse(&SECTION).unwrap().map(Arc::new)
}

fn kept(budget: Budget, saves: bool) -> Arc<Kept> {
    Kept::new(&Arc::default(), budget, saves)
}

#[test]
fn what_is_kept_ends_at_the_same_tick_when_it_is_run_again() {
    let kept = kept(Budget { turns: 1 << 20, state: 1 << 10 }, false);
    let ended = Rig::new(&kept).run(200);
    let records = kept.records();
    assert_eq!(records.parts.len(), 1);
    assert_eq!(records.contents.len(), 201, "each publication once");
    assert_eq!(replay(&records), (0, ended));
}

#[test]
fn a_cell_that_saves_is_kept_from_a_state_on_when_its_beginning_does_not_fit() {
    let kept = kept(Budget { turns: 20_000, state: 1 << 10 }, true);
    let ended = Rig::new(&kept).run(2000);
    let records = kept.records();
    let (first, last) = replay(&records);
    assert_eq!(last, ended);
    assert!(first > 1900 && last - first > 20, "from {first} to {last}");
    assert!(records.parts.iter().all(|p| matches!(p.starts, Starts::Saved(_))));
}

#[test]
fn a_cell_that_does_not_save_loses_its_beginning_and_that_is_said() {
    let kept = kept(Budget { turns: 20_000, state: 1 << 10 }, false);
    let ended = Rig::new(&kept).run(2000);
    let records = kept.records();
    let run = records.run();
    assert!(!run.is_whole() && run.turns[0].work.load);
    assert!(
        records
            .parts
            .iter()
            .all(|p| p.starts == Starts::Cut(Lack::NoState) && p.turns[0].again && p.turns[0].work.load)
    );
    let (first, last) = run.frames().unwrap();
    assert!(last == ended && last - first > 40, "from {first} to {last}");
}

/// Contents with room for the publications of 100 ticks.
fn few_contents() -> Arc<Contents> {
    Arc::new(Contents::with_bytes(800))
}

#[test]
fn a_cell_that_saves_is_asked_for_its_state_before_what_it_read_is_forgotten() {
    let kept = Kept::new(&few_contents(), Budget { turns: 1 << 20, state: 1 << 10 }, true);
    let ended = Rig::new(&kept).run(1000);
    let (first, last) = replay(&kept.records());
    assert_eq!(last, ended);
    assert!(first > 900 && last - first >= 20, "from {first} to {last}");
}

#[test]
fn of_a_cell_that_does_not_save_the_turns_are_left_whose_reads_are_not_forgotten() {
    let kept = Kept::new(&few_contents(), Budget { turns: 1 << 20, state: 1 << 10 }, false);
    let ended = Rig::new(&kept).run(1000);
    let records = kept.records();
    let run = records.run();
    let (first, last) = run.frames().unwrap();
    assert!(!run.is_whole() && run.turns[0].work.load);
    assert!(last == ended && (50..=110).contains(&(last - first)), "from {first} to {last}");
}

#[test]
fn an_instance_that_takes_over_is_kept_from_its_making_with_the_state_that_it_took_over() {
    let kept = kept(Budget { turns: 1 << 20, state: 1 << 10 }, true);
    let mut rig = Rig::taking_over(&kept, 30);
    assert!(rig.tick(10, 1));
    assert!(!rig.tick(11, 99 - 32 - 32), "the sum is 99");
    let records = kept.records();
    let making = &records.parts[0].turns[0];
    assert!(making.makes && making.work == Work::default());
    assert_eq!(records.run().state().map(|s| s.frame), Some(9));
    assert_eq!(replay(&records), (10, 11));
}

#[test]
fn an_instance_that_refuses_the_state_of_one_that_waits_is_over_again() {
    let kept = kept(Budget { turns: 1 << 20, state: 1 << 10 }, true);
    let rig = Rig::taking_over(&kept, u64::MAX);
    let why = rig.turn.outcome.ending;
    assert!(matches!(&why, Ending::Over(_)) && !rig.turn.outcome.blameless, "{why:?}");
    let records = kept.records();
    let run = records.run();
    let mut player = Player::new(&cx(), adder(), Placement::Thread, run.legacy(shape()));
    let endings = run.turns.iter().map(|t| player.play(t, &records.contents).unwrap().ending);
    assert_eq!(endings.collect::<Vec<_>>(), [Ending::Done, why]);
}

#[test]
fn a_turn_that_never_returned_is_kept_with_what_it_was_given() {
    let kept = kept(Budget { turns: 1 << 20, state: 1 << 10 }, false);
    let mut rig = Rig::new(&kept);
    assert!(rig.tick(0, 1));
    rig.turn.record.frame = 77;
    kept.begin(&rig.turn.record, rig.turn.work, false);
    let records = kept.records();
    let last = records.parts[0].turns.last().unwrap();
    assert_eq!((last.frame, &last.end), (77, &None));
}

#[test]
fn another_world_is_seen_at_its_first_tick() {
    let kept = kept(Budget { turns: 1 << 20, state: 1 << 10 }, false);
    Rig::new(&kept).run(50);
    let mut records = kept.records();
    let read = records.parts[0].turns[20].ports[0].read.unwrap();
    let Content::Kept(id) = read.content else { panic!("{read:?}") };
    records.contents.insert(id, 1_000_000_u64.to_le_bytes().as_slice().into());
    let mut player = Player::new(&cx(), adder(), Placement::Thread, None);
    let differs: Vec<_> = records
        .run()
        .turns
        .iter()
        .map(|turn| (turn.frame, player.play(turn, &records.contents).unwrap().difference))
        .find(|(_, difference)| difference.is_some())
        .into_iter()
        .collect();
    assert_eq!(differs, [(read.frame, Some(Difference::Bytes { port: 1 }))]);
}

#[test]
fn a_file_is_read_as_it_was_written_and_anything_else_is_refused() {
    let kept = kept(Budget { turns: 20_000, state: 1 << 10 }, true);
    Rig::new(&kept).run(300);
    let records = kept.records();
    let head = Head { cell: "adder".into(), cause: "panicked".into(), frame: 300, ..Head::default() };
    let bytes = write_records(&head, &records);
    assert_eq!(read_records(&bytes).unwrap(), (head, records));
    for cut in 0..bytes.len() {
        let error = read_records(&bytes[..cut]).expect_err("cut");
        let expected = if cut == 0 { "does not begin" } else { "cut off" };
        assert!(error.to_string().contains(expected), "{cut}: {error}");
    }
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 1 << (at % 8);
        assert!(read_records(&other).is_err(), "a bit of byte {at}");
    }
    assert!(matches!(read_records(b"hello"), Err(RecordsError::NotRecords)));
    let sly = |head: Head| read_records(&write_records(&head, &Records::default())).is_err();
    assert!(sly(Head { cell: "a\nerror [b] it is over".into(), ..Head::default() }));
    assert!(sly(Head { cause: "a \x1b[2J b".into(), ..Head::default() }));
    assert!(!sly(Head { cause: "of two\n\tlines".into(), ..Head::default() }));
}

#[test]
fn content_that_makes_no_sense_is_refused_though_its_checksum_fits() {
    let kept = kept(Budget { turns: 20_000, state: 1 << 10 }, true);
    Rig::new(&kept).run(40);
    let good = write_records(&Head::default(), &kept.records());
    let mut refused = 0;
    for at in 44..good.len() {
        for byte in [0, 0x7f, 0xff] {
            let mut bytes = good.clone();
            bytes[at] = byte;
            let hash = blake3::hash(&bytes[44..]);
            bytes[12..44].copy_from_slice(hash.as_bytes());
            // Whatever it says: it is refused, or what it says is within bounds.
            refused += usize::from(matches!(read_records(&bytes), Err(RecordsError::Content(_))));
        }
    }
    assert!(refused > 100, "{refused}");
}
