use super::*;
use crate::{
    assets::AssetStore,
    cells::CellEntry,
    cx::Services,
    par::ParPool,
    record::Record,
    sealed::SealedStore,
    turn::{Ending, Work},
};
use cell_abi::shape::{StateShape, section, section_len};
use engine_frame::plan::ShaderId;
use std::sync::Mutex;

static PAST: StateShape =
    StateShape::of(b"rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n  hull f32\n", None);
static NOW: StateShape =
    StateShape::of(b"rkyv-0.8 le aligned ptr32\nshape Ship\nstruct Ship\n  hull f64\n", None);

type Notes = Arc<Mutex<Vec<String>>>;

/// An instance that notes its calls.
struct Noted {
    name: &'static str,
    saves: Result<&'static StateShape, Status>,
    restores: Status,
    notes: Notes,
}

impl Noted {
    fn note(&self, what: &str) {
        self.notes.lock().unwrap().push(format!("{}: {what}", self.name));
    }
}

impl Placed for Noted {
    fn call(&mut self, kind: TurnKind, _: &mut Record) -> Status {
        self.note(kind.entry());
        Status::OK
    }

    fn save(&mut self) -> Result<Vec<u8>, Status> {
        self.note("save");
        self.saves.map(|shape| Saved::write(shape, b"payload"))
    }

    fn restore(&mut self, state: &Arc<[u8]>) -> Status {
        assert!(Saved::read(state).is_ok_and(|s| s.payload == b"payload"));
        self.note("restore");
        self.restores
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        self.note("end");
    }
}

fn state(shape: &StateShape, frame: u64) -> SavedState {
    SavedState { bytes: Saved::write(shape, b"payload").into(), frame }
}

/// Runs the first turn of an instance that restores `NOW`, after one that saves as `saves` says (if any), with a
/// checkpoint. Returns the turn and the calls.
fn first_turn(
    saves: Option<Result<&'static StateShape, Status>>,
    checkpoint: Option<SavedState>,
    restores: Status,
) -> (Box<Turn>, Vec<String>) {
    let services = Services {
        pool: ParPool::without_threads(),
        assets: AssetStore::new(std::path::PathBuf::new()),
        sealed: SealedStore::default(),
    };
    let services = Arc::new(services);
    let scene = engine_scene::Scene::parse("test.ron", r#"World(cells: [(cell: "cell")])"#).unwrap();
    let mut entry = CellEntry::new(scene.cells[0].clone(), 1, ShaderId(1));
    let notes = Notes::default();
    let noted = |name, saves, restores| Noted { name, saves, restores, notes: Arc::clone(&notes) };
    let mut old = entry.new_turn(&InstanceCx::new("cell".into(), Arc::clone(&services)));
    old.record.frame = 41;
    old.instance = saves.map(|saves| Box::new(noted("old", saves, Status::OK)) as Box<dyn Placed>);
    let shape = section::<{ section_len(Some(&NOW)) }>(Some(&NOW));
    let shape = Arc::new(ShapeSection::parse(&shape).unwrap().unwrap());
    let mut turn = entry.new_turn(&InstanceCx::new("cell".into(), services));
    turn.legacy = Some(Legacy { predecessor: Predecessor::of(&mut old), checkpoint, shape });
    let new = noted("new", Ok(&NOW), restores);
    turn.maker = Some(Box::new(move |_| {
        new.note("create");
        Ok(Box::new(new))
    }));
    turn.work = Work { load: true, ..Work::default() };
    turn.run();
    let calls = notes.lock().unwrap().clone();
    (turn, calls)
}

const FRESH: [&str; 3] = ["new: create", "new: load", "new: passes"];
const TAKEN: [&str; 4] = ["new: create", "new: restore", "new: load", "new: passes"];

#[test]
fn the_old_instance_is_saved_and_ended_and_the_new_one_takes_over_before_its_first_load() {
    let (turn, calls) = first_turn(Some(Ok(&NOW)), Some(state(&NOW, 3)), Status::OK);
    assert_eq!(calls, [&["old: save", "old: end"][..], &TAKEN].concat());
    assert_eq!(turn.outcome.ending, Ending::Done);
    assert_eq!(turn.outcome.saved.as_ref().map(|s| s.frame), Some(41), "the newer of both");
    assert!(!turn.outcome.forgets);
}

#[test]
fn without_an_old_instance_or_when_it_cannot_be_saved_the_checkpoint_counts() {
    let (turn, calls) = first_turn(None, Some(state(&NOW, 3)), Status::OK);
    assert_eq!(calls, TAKEN);
    assert_eq!(turn.outcome.saved.as_ref().map(|s| s.frame), Some(3));
    for failure in [Status::FAILED, Status::PANICKED, Status::CANCELLED] {
        let (turn, calls) = first_turn(Some(Err(failure)), Some(state(&NOW, 3)), Status::OK);
        assert_eq!(calls, [&["old: save", "old: end"][..], &TAKEN].concat());
        assert_eq!(turn.outcome.saved.as_ref().map(|s| s.frame), Some(3));
        let (turn, calls) = first_turn(Some(Err(failure)), None, Status::OK);
        assert_eq!(calls, [&["old: save", "old: end"][..], &FRESH].concat());
        assert_eq!((turn.outcome.ending.clone(), turn.outcome.saved.is_none()), (Ending::Done, true));
    }
}

#[test]
fn a_state_of_another_shape_is_not_even_shown_to_the_cell() {
    let (turn, calls) = first_turn(Some(Ok(&PAST)), None, Status::OK);
    assert_eq!(calls, [&["old: save", "old: end"][..], &FRESH].concat());
    assert_eq!(turn.outcome.ending, Ending::Done);
    assert!(turn.outcome.forgets && turn.outcome.saved.is_none(), "no later instance tries it again");
    let shape = section::<{ section_len(Some(&NOW)) }>(Some(&NOW));
    let shape = Arc::new(ShapeSection::parse(&shape).unwrap().unwrap());
    let legacy = Legacy { predecessor: None, checkpoint: None, shape };
    assert_eq!(legacy.fault(&state(&NOW, 0)), None);
    assert_eq!(
        legacy.fault(&state(&PAST, 0)).unwrap(),
        "its state was saved in another shape: `Ship.hull: f32` became `f64`"
    );
    let mut cut = state(&NOW, 0);
    cut.bytes = cut.bytes[..50].into();
    assert_eq!(
        legacy.fault(&cut).unwrap(),
        "its state cannot be read: the bytes do not begin as saved state does"
    );
}

#[test]
fn a_failed_restore_leaves_the_defaults_and_a_panic_ends_the_instance() {
    let (turn, calls) = first_turn(None, Some(state(&NOW, 3)), Status::FAILED);
    assert_eq!(calls, TAKEN, "its state is as it was: it goes on");
    assert_eq!(turn.outcome.ending, Ending::Done);
    assert!(turn.outcome.forgets && turn.outcome.saved.is_none());
    let (turn, calls) = first_turn(None, Some(state(&NOW, 3)), Status::PANICKED);
    assert_eq!(calls, ["new: create", "new: restore"]);
    assert!(turn.outcome.forgets, "the next one starts from its defaults");
    let Ending::Over(why) = &turn.outcome.ending else { panic!("{:?}", turn.outcome.ending) };
    assert_eq!(why, "panicked in `restore`; the next instance starts from its defaults");
}
