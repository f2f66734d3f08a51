//! The targets of what runs leave behind: crash files past their checksum, with what is done to run them again, and
//! sessions.
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
    session::compare_readers,
    turn::{Placed, SavedState, Work},
};
use engine_scene::{Grants, Placement};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// Bytes before the content of a crash file.
const HEAD: usize = 44;

fn work(load: bool) -> Work {
    Work { load, tick: !load, ..Work::default() }
}

pub(crate) fn record_seeds() -> Vec<Vec<u8>> {
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
pub(crate) fn records(bytes: &[u8]) -> bool {
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

/// The first digits of BLAKE3 of nothing, and of `abc`.
const NOTHING: &[u8] = b"\xaf\x13\x49\xb9\xf5\xf9\xa1\xa6\xa0\x40\x4d\xea\x36\xdc\xc9\x49";
const ABC: &[u8] = b"\x64\x37\xb3\xac\x38\x46\x51\x33\xff\xb6\x3b\x75\x27\x3a\x8d\xb5";
/// Bytes of resources that are held while a session is read.
const MOST: u64 = 1 << 20;

pub(crate) fn session_seeds() -> Vec<Vec<u8>> {
    let word = u32::to_le_bytes;
    let text = |text: &str| [&word(text.len() as u32)[..], text.as_bytes()].concat();
    let name = |n: u32, name: &str| [&[1][..], &word(n), &text(name)].concat();
    let item = |resource: u32, bytes: &[u8], hash: &[u8], kind: u8| {
        let mut all =
            [&[2][..], &word(0), &word(resource), &[9; 8], &word(bytes.len() as u32), hash, &[kind]].concat();
        if kind > 0 {
            let run = if bytes.is_empty() {
                Vec::new()
            } else {
                [&word(0)[..], &word(bytes.len() as u32), bytes].concat()
            };
            all.extend([&word(u32::from(!run.is_empty()))[..], &run].concat());
        }
        all
    };
    let frame = |n: u8| [&[3, n][..], &[0; 7]].concat();
    let head = [&b"CELLSESS\x02\0\0\0"[..], &text("a test"), &name(0, "a"), &name(1, "its passes")].concat();
    let whole = [
        &head[..],
        &item(1, b"abc", ABC, 1),
        &frame(0),
        &item(1, b"", NOTHING, 1),
        &item(1, b"abc", ABC, 2),
        &frame(1),
        &[4],
    ]
    .concat();
    let hashes =
        [&head[..], &item(1, b"abc", ABC, 0), &frame(0), &item(1, b"", NOTHING, 0), &frame(7), &[4]].concat();
    vec![whole, hashes]
}

/// Compares a session with itself and with a good one.
pub(crate) fn session(bytes: &[u8]) -> bool {
    for good in session_seeds() {
        if let Ok(compared) = compare_readers(["a", "b"], [bytes, &good[..]], MOST) {
            assert!(compared.difference.is_none_or(|d| d.contains("frame")));
        }
    }
    let Ok(compared) = compare_readers(["a", "a"], [bytes, bytes], MOST) else { return false };
    assert_eq!(compared.difference, None, "it is as itself");
    true
}
