//! What is kept where there is little room: long turns, large states, a busy world.
use super::*;
use crate::turn::Outcome;

#[test]
fn a_slow_cell_in_a_busy_world_is_asked_for_its_state_in_time() {
    let contents = few_contents();
    let kept = Kept::new(&contents, Budget { turns: 1 << 20, state: 1 << 10 }, true);
    // After two of its ticks half of what is kept is of others.
    let ended = Rig::new(&kept).run_every(40, 12, || (0..30).for_each(|_| contents.fill(&[0; 8])));
    let (first, last) = replay(&kept.records());
    assert_eq!(last, ended);
    assert!(first > 0, "from {first} to {last}");
}

#[test]
fn what_was_before_a_turn_that_hardly_fits_stays() {
    let kept = kept(Budget { turns: 20_000, state: 1 << 10 }, false);
    let mut rig = Rig::new(&kept);
    assert!((0..20).all(|frame| rig.tick(frame, 1)));
    let letter = vec![7; 1 << 20];
    rig.turn.record.deliver(engine_frame::plan::CellLine(4), &"b".into(), 99, &letter);
    rig.turn.record.frame = 77;
    kept.begin(&rig.turn.record, rig.turn.work, false);
    let records = kept.records();
    let run = records.run();
    assert!(run.is_whole() && run.turns.len() == 22, "{} turns", run.turns.len());
    let last = run.turns.last().unwrap();
    assert_eq!((last.frame, last.mail.last().unwrap().len), (77, letter.len()));
    // That room is given back.
    let before = kept.bytes();
    assert!(before > letter.len());
    let cx = cx();
    kept.end(&rig.turn.record, &Outcome::default(), &cx);
    rig.turn.record.clear_mail();
    for frame in 100..1000 {
        rig.turn.record.frame = frame;
        kept.begin(&rig.turn.record, rig.turn.work, false);
        kept.end(&rig.turn.record, &Outcome::default(), &cx);
    }
    assert!(kept.bytes() < 4 << 20, "{} bytes", kept.bytes());
    let records = kept.records();
    assert_eq!(records.run().why, Some(Lack::NoState));
}

#[test]
fn a_state_that_is_not_kept_is_not_asked_for() {
    let little = kept(Budget { turns: 1 << 20, state: 8 }, true);
    let mut rig = Rig::taking_over(&little, 30);
    assert!(!little.wants_state(), "it is too large, and so is the next one");
    assert!(rig.tick(10, 1) && !little.wants_state());
    assert_eq!(little.records().run().why, Some(Lack::StateTooLarge));
}

#[test]
fn a_load_that_does_not_fit_is_no_reason_to_save_in_each_tick() {
    for (params, wants) in [(100, true), (4000, true), (6000, false)] {
        let kept = kept(Budget { turns: 20_000, state: 1 << 10 }, true);
        let mut rig = Rig::new(&kept);
        let record = &mut rig.turn.record;
        (record.params, record.params_version) = (vec![1; params].into(), 2);
        kept.begin(record, Work { load: true, ..Work::default() }, false);
        kept.end(record, &Outcome::default(), &cx());
        assert!(!kept.wants_state(), "{params}: it has hardly begun");
        let mut asked = 0;
        for frame in 0..100 {
            let _ = rig.tick(frame, 1);
            asked += usize::from(kept.wants_state());
        }
        assert_eq!((asked > 0, asked < 10), (wants, true), "{params}: {asked} of 100 ticks");
        let why = kept.records().run().why;
        assert_eq!(why, if wants { None } else { Some(Lack::LoadTooLarge) }, "{params}");
    }
}

#[test]
fn another_number_of_cells_counts_from_the_next_half_on() {
    let kept = kept(Budget { turns: 1 << 20, state: 1 << 10 }, false);
    let mut rig = Rig::new(&kept);
    kept.set_budget(Budget { turns: 20_000, state: 1 << 10 });
    let mut frames = 0..;
    let full = |kept: &Kept| kept.records().parts.len() == 2;
    while !full(&kept) {
        // To look takes far longer than a tick.
        for _ in 0..16 {
            let _ = rig.tick(frames.next().unwrap(), 0);
        }
        assert!(kept.bytes() > 1 << 19);
    }
    let before = kept.records().parts[1].turns.len();
    for _ in 0..1000 {
        let _ = rig.tick(frames.next().unwrap(), 0);
    }
    let now = kept.records().parts[1].turns.len();
    assert!(now < 100 && before < 100 && kept.bytes() < 40_000, "{now} turns, {} bytes", kept.bytes());
}

/// Saves badly.
struct Spoiler(Adder);

impl Placed for Spoiler {
    fn call(&mut self, kind: TurnKind, record: &mut Record) -> Status {
        self.0.call(kind, record)
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        Err(Status::PANICKED)
    }

    fn restore(&mut self, state: &Arc<[u8]>) -> Status {
        self.0.restore(state)
    }

    fn renew(&mut self, renewal: Renewal) -> Result<(), String> {
        self.0.renew(renewal)
    }
}

#[test]
fn a_save_that_ends_the_instance_ends_it_again() {
    let spoiler = || -> Maker { Box::new(|_| Ok(Box::new(Spoiler(Adder::default())) as Box<dyn Placed>)) };
    let kept = kept(Budget { turns: 20_000, state: 1 << 10 }, true);
    let mut rig = Rig::of(&kept, spoiler());
    let ended = (0..).find(|frame| !rig.tick(*frame, 0)).unwrap();
    assert!(rig.turn.work.save && rig.turn.outcome.ticked, "it is the save");
    let records = kept.records();
    let run = records.run();
    let mut player = Player::new(&cx(), spoiler(), Placement::Thread, None);
    for turn in &run.turns {
        let step = player.play(turn, &records.contents).unwrap();
        assert_eq!(step.difference, None, "in frame {}", turn.frame);
        assert_eq!(matches!(step.ending, Ending::Over(_)), turn.frame == ended && turn.work.tick);
    }
}

/// Sees what a port with history reads.
struct Looks(Arc<std::sync::Mutex<Vec<Vec<u8>>>>);

impl Placed for Looks {
    fn call(&mut self, _: TurnKind, record: &mut Record) -> Status {
        let read = |r: SlotRead| record.memory.bytes(r.buffer, r.slot, 0, r.len as u64).unwrap().to_vec();
        let p = record.ports[0];
        self.0.lock().unwrap().extend([p.read, p.previous].into_iter().flatten().map(read));
        Status::OK
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        Err(Status::FAILED)
    }

    fn restore(&mut self, _: &Arc<[u8]>) -> Status {
        Status::FAILED
    }

    fn renew(&mut self, _: Renewal) -> Result<(), String> {
        Ok(())
    }
}

#[test]
fn the_newest_is_read_again_though_the_one_before_is_longer() {
    let seen = Arc::default();
    let looks = Looks(Arc::clone(&seen));
    let mut player =
        Player::new(&cx(), Box::new(|_| Ok(Box::new(looks) as Box<dyn Placed>)), Placement::Thread, None);
    let (short, long) = (vec![3; 100], vec![5; 70_000]);
    let read = |id, len: usize| {
        let content = Content::Kept(id);
        Some(KeptRead { slot: 0, len: len as u32, frame: id, content })
    };
    let port = KeptPort { read: read(2, short.len()), previous: read(1, long.len()), ..KeptPort::default() };
    let turn =
        KeptTurn { work: Work { tick: true, ..Work::default() }, ports: vec![port], ..KeptTurn::default() };
    let contents = BTreeMap::from([(2, short.clone().into()), (1, long.clone().into())]);
    let _ = player.play(&turn, &contents).unwrap();
    assert_eq!(*seen.lock().unwrap(), [short, long]);
}

#[test]
fn why_the_beginning_is_missing_is_told() {
    let kept = kept(Budget { turns: 1 << 20, state: 1 << 10 }, false);
    Rig::new(&kept).run(50);
    let mut records = kept.records();
    assert_eq!(records.run().why, None);
    records.contents.remove(&20);
    assert_eq!(records.run().why, Some(Lack::ReadForgotten));
    records.parts[0].turns[3].ports[0].read.as_mut().unwrap().content = Content::Lost;
    assert_eq!(records.run().why, Some(Lack::ReadForgotten), "the newest is what counts");
    records.parts[0].turns[40].ports[0].read.as_mut().unwrap().content = Content::Lost;
    assert_eq!(records.run().why, Some(Lack::ReadTooLong));
}
