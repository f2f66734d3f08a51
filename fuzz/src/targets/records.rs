//! Crash files past their checksum, with what is done to run them again.
use super::Target;
use cell_abi::{DirtyRange, Status};
use engine_frame::packet::SlotMemory as _;
use engine_host::{
    assets::AssetStore,
    cx::{InstanceCx, Services, TurnKind},
    kept::{
        Content, Head, KeptEnd, KeptPort, KeptPublication, KeptRead, KeptTurn, KeptWrite, Part, Player,
        Records, Starts, Terms, read_content, read_records, write_records,
    },
    par::ParPool,
    record::Record,
    renewal::Renewal,
    sealed::SealedStore,
    turn::{Placed, SavedState, Work},
};
use engine_scene::{Grants, Placement};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

pub(super) const TARGET: Target = Target { name: "records", run: records, seeds: record_seeds, words: &[] };

/// Bytes before the content of a crash file.
const HEAD: usize = 44;

fn work(load: bool) -> Work {
    Work { load, tick: !load, ..Work::default() }
}

fn record_seeds() -> Vec<Vec<u8>> {
    let load = KeptTurn { work: work(true), makes: true, params: [1, 2].into(), ..KeptTurn::default() };
    let read = |id, len| Some(KeptRead { slot: 1, len, frame: 6, content: Content::Kept(id) });
    let write = |capacity, behind| Some(KeptWrite { slot: Some(2), stamp: 3, capacity, behind });
    let publication = KeptPublication { port: 1, len: 8, sum: Some(9) };
    let tick = KeptTurn {
        work: work(false),
        frame: 7,
        steps: 1,
        ports: vec![
            KeptPort { read: read(4, 16), previous: read(3, 8), blend: 0.5, write: None },
            KeptPort { read: read(3, 8), write: write(64, (0, 1)), ..KeptPort::default() },
        ],
        behind: vec![DirtyRange { start: 0, end: 8 }],
        params: [1, 2].into(),
        end: Some(KeptEnd {
            ticked: true,
            went_on: true,
            publications: vec![publication],
            ..KeptEnd::default()
        }),
        ..KeptTurn::default()
    };
    let own = KeptRead { slot: 2, len: 8, frame: 7, content: Content::Own };
    let last = KeptTurn {
        frame: 8,
        ports: vec![
            KeptPort::default(),
            KeptPort { read: Some(own), write: write(64, (0, 0)), ..KeptPort::default() },
        ],
        behind: Vec::new(),
        end: None,
        ..tick.clone()
    };
    let again = KeptTurn { again: true, ..load.clone() };
    let state = SavedState { frame: 7, bytes: [5; 40].into() };
    let contents: BTreeMap<u64, Arc<[u8]>> = BTreeMap::from([(3, [6; 8].into()), (4, [7; 16].into())]);
    let grants = Grants { read: vec!["camera".into()], assets: vec!["mods/".into()], ..Grants::default() };
    let stranger = Terms { grants: Some(grants), ..Terms::default() };
    let head = Head { cell: "a".into(), cause: "b\n\tc".into(), frame: 8, ..Head::default() };
    let parts = [
        vec![Part { starts: Starts::Made(None), turns: vec![load, tick.clone(), last.clone()] }],
        vec![Part { starts: Starts::Saved(state), turns: vec![again, tick, last] }],
    ];
    let file = |(parts, terms)| {
        let head = Head { terms, ..head.clone() };
        let file = write_records(&head, &Records { parts, contents: contents.clone() });
        file[HEAD..].to_vec()
    };
    parts.into_iter().zip([Terms::default(), stranger]).map(file).collect()
}

/// A cell that looks at all that it is given and writes all that it may.
struct Looks;

impl Placed for Looks {
    fn call(&mut self, _: TurnKind, record: &mut Record) -> Status {
        for port in &record.ports {
            for read in [port.read, port.previous].into_iter().flatten() {
                let len = record.memory.get(read.buffer).map_or(0, |m| read.len.min(m.part.capacity));
                let bytes = record.memory.bytes(read.buffer, read.slot, 0, len as u64);
                assert!(len == 0 || bytes.is_some(), "what is read is there");
            }
            let Some(write) = port.write else { continue };
            let memory = record.memory.get(write.buffer).expect("what is written is there");
            let (first, count) = (write.behind.0 as usize, write.behind.1 as usize);
            let read = port.read.map_or(0, |r| r.len).min(memory.part.capacity);
            for range in &record.behind[first..first + count] {
                assert!(
                    range.start <= range.end && range.end as usize <= read,
                    "it is copied from what is read"
                );
            }
        }
        Status::OK
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        Ok(Vec::new())
    }

    fn restore(&mut self, _: &Arc<[u8]>) -> Status {
        Status::OK
    }

    fn renew(&mut self, _: Renewal) -> Result<(), String> {
        Ok(())
    }
}

/// Reads a crash file from its checksum on, and runs its turns again.
fn records(bytes: &[u8]) -> bool {
    let Ok((head, records)) = read_content(bytes) else { return false };
    let file = write_records(&head, &records);
    assert_eq!(read_records(&file).expect("its own bytes"), (head.clone(), records.clone()));
    let terms = head.terms.of_stranger();
    assert!(terms.are_of_stranger() && terms.quotas.memory_bytes <= Terms::default().quotas.memory_bytes);
    let run = records.run();
    assert!(run.frames().is_none() || !run.turns.is_empty(), "{}", run.origin());
    let services = Services {
        pool: ParPool::without_threads(),
        assets: AssetStore::new(PathBuf::new()),
        sealed: SealedStore::default(),
    };
    let cx = InstanceCx::new("fuzz".into(), Arc::new(services));
    let maker = Box::new(|_: &Arc<InstanceCx>| Ok(Box::new(Looks) as Box<dyn Placed>));
    let mut player = Player::new(&cx, maker, Placement::Thread, None);
    // More turns, or more memory, show no more.
    let small = |t: &&&KeptTurn| t.ports.iter().filter_map(|p| p.write).all(|w| w.capacity <= 1 << 20);
    for turn in run.turns.iter().take(8).take_while(small) {
        let Ok(step) = player.play(turn, &records.contents) else { break };
        // What the engine itself stumbles over it tells as the end of the instance.
        if let engine_host::turn::Ending::Over(why) = step.ending {
            assert!(!why.contains("the engine itself failed"), "{why}");
        }
    }
    true
}
