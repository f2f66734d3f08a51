use super::*;
use crate::{
    assets::AssetStore,
    cells::CellEntry,
    cx::{InstanceCx, Outgoing, Services, TurnKind},
    par::ParPool,
    record::Record,
    sealed::SealedStore,
    turn::{Placed, Work},
};
use cell_abi::Status;
use engine_frame::plan::ShaderId;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Longer than any of this takes: what fails fails by it.
const PATIENCE: Duration = Duration::from_secs(20);

/// An instance that says when its tick has begun, and ends it when it is told to.
struct Told {
    begun: SyncSender<&'static str>,
    end: Option<Receiver<()>>,
    name: &'static str,
}

impl Placed for Told {
    fn call(&mut self, _: TurnKind, _: &mut Record) -> Status {
        let _ = self.begun.send(self.name);
        if let Some(end) = &self.end {
            let _ = end.recv();
        }
        Status::OK
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        Err(Status::FAILED)
    }

    fn renew(&mut self, _: crate::renewal::Renewal) -> Result<(), String> {
        Ok(())
    }

    fn restore(&mut self, _: &Arc<[u8]>) -> Status {
        Status::FAILED
    }
}

fn turn(
    name: &'static str,
    key: u32,
    begun: &SyncSender<&'static str>,
    end: Option<Receiver<()>>,
) -> Box<Turn> {
    let services = Arc::new(Services {
        pool: ParPool::without_threads(),
        assets: AssetStore::new(std::env::temp_dir()),
        sealed: SealedStore::default(),
    });
    let line = format!("World(cells: [(cell: \"{name}\")])");
    let scene = engine_scene::Scene::parse("test", &line).unwrap();
    let mut entry = CellEntry::new(scene.cells[0].clone(), key, ShaderId(key));
    let mut turn = entry.new_turn(&InstanceCx::new(name.into(), services));
    turn.instance = Some(Box::new(Told { begun: begun.clone(), end, name }));
    turn.work = Work { tick: true, ..Work::default() };
    turn
}

#[test]
fn a_long_turn_loses_its_place_and_its_thread_is_used_again() {
    let mut pool = TurnPool::new(1).unwrap();
    let (begun, begins) = sync_channel(9);
    let mut threads = Vec::new();
    for _ in 0..4 {
        let (end, ends) = sync_channel(9);
        pool.start(turn("long", 0, &begun, Some(ends)));
        assert_eq!(begins.recv_timeout(PATIENCE), Ok("long"));
        pool.start(turn("short", 1, &begun, None));
        let first = pool.finished_within(PATIENCE, 1).unwrap();
        assert_eq!(&*first.cx.name, "short", "a spare thread took the place of the long one");
        assert_eq!(begins.recv_timeout(PATIENCE), Ok("short"));
        let mut long = Vec::new();
        pool.long_turns_into(&mut long);
        assert_eq!(long.iter().map(|l| l.cell).collect::<Vec<_>>(), [0]);
        end.send(()).unwrap();
        assert_eq!(&*pool.finished_within(PATIENCE, 1).unwrap().cx.name, "long");
        let start = Instant::now();
        while gives_priority_back() && !pool.shared.jobs.has_spare() {
            assert!(start.elapsed() < PATIENCE, "the thread of the long turn does not come back");
            std::thread::yield_now();
        }
        threads.push(pool.spawned);
    }
    if gives_priority_back() {
        assert_eq!(threads, [2; 4]);
    } else {
        assert_eq!(threads, [2, 3, 4, 5]);
    }
}

/// Returns whether the system lets a thread have its priority back.
fn gives_priority_back() -> bool {
    let raise = || {
        let me = ThreadId::current();
        let nice = read_nice(me).unwrap();
        set_nice(me, nice + 1).unwrap();
        set_nice(me, nice).is_ok()
    };
    std::thread::spawn(raise).join().unwrap()
}

#[test]
fn the_host_is_woken_for_as_many_turns_as_it_waits_for_or_for_one_that_is_awaited() {
    let ended = Ended::default();
    let (begun, _begins) = sync_channel(9);
    let quiet = || turn("quiet", 0, &begun, None);
    let mut urgent = quiet();
    urgent.wakes_host = true;
    let mut sends = quiet();
    sends.outcome.outbox.push(Outgoing::default());
    for last in [quiet(), urgent, sends] {
        let wakes_at_once = last.is_awaited();
        std::thread::scope(|s| {
            let host = s.spawn(|| ended.wait(2, PATIENCE));
            let start = Instant::now();
            while !ended.is_waited_for() {
                assert!(start.elapsed() < PATIENCE, "the host does not wait");
                std::thread::yield_now();
            }
            if !wakes_at_once {
                ended.push(quiet());
                assert!(ended.is_waited_for(), "one is not enough");
            }
            ended.push(last);
            assert!(!ended.is_waited_for());
            assert!(!host.join().unwrap(), "it was woken in time");
        });
        while ended.pop().is_some() {}
    }
    assert!(ended.wait(1, Duration::from_millis(1)), "nothing came");
}

#[test]
fn a_turn_follows_its_owner_s_and_one_that_has_not_begun_can_be_taken_back() {
    let mut pool = TurnPool::new(1).unwrap();
    let (begun, begins) = sync_channel(9);
    let (end, ends) = sync_channel(9);
    let owner = turn("owner", 0, &begun, Some(ends));
    for (name, key) in [("taken-back", 1), ("follower", 2), ("another", 3)] {
        owner.followers.push(turn(name, key, &begun, None));
    }
    let followers = Arc::clone(&owner.followers);
    pool.start(owner);
    assert_eq!(begins.recv_timeout(PATIENCE), Ok("owner"));
    assert_eq!(followers.take_back(1).map(|t| t.cx.name.to_string()).as_deref(), Some("taken-back"));
    assert!(followers.take_back(1).is_none());
    end.send(()).unwrap();
    let mut ended: Vec<String> =
        (0..3).map(|_| pool.finished_within(PATIENCE, 1).unwrap().cx.name.to_string()).collect();
    assert_eq!(ended[0], "owner", "the host has it before those that follow");
    ended.sort_unstable();
    assert_eq!(ended, ["another", "follower", "owner"]);
    assert!(followers.take_back(2).is_none(), "it has begun");
}
