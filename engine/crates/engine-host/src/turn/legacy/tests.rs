use super::*;
use crate::{
    assets::AssetStore,
    cells::CellEntry,
    cx::Services,
    par::ParPool,
    record::Record,
    sealed::SealedStore,
    turn::{Ending, Turn, Work},
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

    fn renew(&mut self, _: crate::renewal::Renewal) -> Result<(), String> {
        self.note("renew");
        Ok(())
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

fn shape() -> Arc<ShapeSection> {
    let shape = section::<{ section_len(Some(&NOW)) }>(Some(&NOW));
    Arc::new(ShapeSection::parse(&shape).unwrap().unwrap())
}

/// What a turn left behind.
struct Ran {
    turn: Box<Turn>,
    calls: Vec<String>,
    /// Where the instance before waits.
    place: Place,
}

/// Runs the first turn of an instance that restores `NOW`, after one that saves as `saves` says (if any), with a
/// checkpoint.
fn first_turn(
    saves: Option<Result<&'static StateShape, Status>>,
    checkpoint: Option<SavedState>,
    restores: Status,
) -> Ran {
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
    let mut turn = entry.new_turn(&InstanceCx::new("cell".into(), Arc::clone(&services)));
    let place = Place::default();
    turn.legacy = Some(match saves {
        None => Legacy::after_end(checkpoint, shape()),
        Some(saves) => {
            let instance = Box::new(noted("old", saves, Status::OK));
            let cx = InstanceCx::new("cell".into(), services);
            let predecessor = Predecessor { instance, cx, frame: 41, place: place.clone() };
            Legacy::handed_over(predecessor, checkpoint, shape())
        }
    });
    let new = noted("new", Ok(&NOW), restores);
    turn.maker = Some(Box::new(move |_| {
        new.note("create");
        Ok(Box::new(new))
    }));
    turn.work = Work { load: true, ..Work::default() };
    turn.run();
    let calls = notes.lock().unwrap().clone();
    Ran { turn, calls, place }
}

const FRESH: [&str; 3] = ["new: create", "new: load", "new: passes"];
const TAKEN: [&str; 4] = ["new: create", "new: restore", "new: load", "new: passes"];

#[test]
fn the_old_instance_is_saved_and_waits_and_the_new_one_takes_over_before_its_first_load() {
    let Ran { turn, calls, place } = first_turn(Some(Ok(&NOW)), Some(state(&NOW, 3)), Status::OK);
    assert_eq!(calls, ["new: create", "old: save", "new: restore", "new: load", "new: passes"]);
    assert_eq!(turn.outcome.ending, Ending::Done);
    assert_eq!(turn.outcome.saved.as_ref().map(|s| s.frame), Some(41), "the newer of both");
    assert!(!turn.outcome.forgets);
    assert!(!place.is_empty(), "it can go on");
}

#[test]
fn without_an_old_instance_or_when_it_ends_as_it_is_saved_the_checkpoint_counts() {
    let Ran { turn, calls, .. } = first_turn(None, Some(state(&NOW, 3)), Status::OK);
    assert_eq!(calls, TAKEN);
    assert_eq!(turn.outcome.saved.as_ref().map(|s| s.frame), Some(3));
    for failure in [Status::PANICKED, Status::CANCELLED] {
        let Ran { turn, calls, place } = first_turn(Some(Err(failure)), Some(state(&NOW, 3)), Status::OK);
        let ended = ["new: create", "old: save", "old: end"];
        assert_eq!(calls, [&ended[..], &TAKEN[1..]].concat());
        assert_eq!(turn.outcome.saved.as_ref().map(|s| s.frame), Some(3));
        assert!(place.is_empty(), "there is no way back");
        let Ran { turn, calls, .. } = first_turn(Some(Err(failure)), None, Status::OK);
        assert_eq!(calls, [&ended[..], &FRESH[1..]].concat());
        assert_eq!((turn.outcome.ending.clone(), turn.outcome.saved.is_none()), (Ending::Done, true));
    }
}

#[test]
fn an_old_instance_that_cannot_be_saved_but_is_well_goes_on() {
    let Ran { turn, calls, place } = first_turn(Some(Err(Status::FAILED)), Some(state(&NOW, 3)), Status::OK);
    assert_eq!(calls, ["new: create", "old: save"], "the new one is asked for nothing");
    let Ending::Over(why) = &turn.outcome.ending else { panic!("{:?}", turn.outcome.ending) };
    assert_eq!(
        why,
        "the old one's `save` failed with status -2; `engine ctl restart cell` begins anew without it"
    );
    assert!(
        turn.outcome.unsaved && turn.outcome.blameless && !place.is_empty(),
        "the new one is not to blame"
    );
}

#[test]
fn a_state_of_another_shape_is_not_even_shown_to_the_cell() {
    let Ran { turn, calls, place } = first_turn(Some(Ok(&PAST)), None, Status::OK);
    assert_eq!(calls, ["new: create", "old: save"]);
    let different = "its state was saved in another shape: `Ship.hull: f32` became `f64`";
    assert_eq!(turn.outcome.ending, Ending::Over(different.to_owned()), "the old one waits");
    assert!(!place.is_empty() && turn.outcome.saved.is_none());
    assert!(!turn.outcome.unsaved, "the new build does not fit: it is not to be tried again");
    let Ran { turn, calls, .. } = first_turn(None, Some(state(&PAST, 3)), Status::OK);
    assert_eq!(calls, FRESH, "nobody waits: it starts from its defaults");
    assert_eq!(turn.outcome.ending, Ending::Done);
    assert!(turn.outcome.forgets && turn.outcome.saved.is_none(), "no later instance tries it again");
    let legacy = Legacy::after_end(None, shape());
    assert_eq!(legacy.fault(&state(&NOW, 0)), None);
    assert_eq!(legacy.fault(&state(&PAST, 0)).unwrap(), different);
    let mut cut = state(&NOW, 0);
    cut.bytes = cut.bytes[..50].into();
    assert_eq!(
        legacy.fault(&cut).unwrap(),
        "its state cannot be read: the bytes do not begin as saved state does"
    );
}

#[test]
fn a_state_that_is_refused_is_the_old_instance_s_to_go_on_with() {
    for refusal in [Status::FAILED, Status::PANICKED] {
        let Ran { turn, calls, place } = first_turn(Some(Ok(&NOW)), None, refusal);
        assert_eq!(calls, ["new: create", "old: save", "new: restore"], "no load");
        assert!(matches!(turn.outcome.ending, Ending::Over(_)) && !place.is_empty());
    }
}

#[test]
fn a_failed_restore_leaves_the_defaults_and_a_panic_ends_the_instance() {
    let Ran { turn, calls, .. } = first_turn(None, Some(state(&NOW, 3)), Status::FAILED);
    assert_eq!(calls, TAKEN, "its state is as it was: it goes on");
    assert_eq!(turn.outcome.ending, Ending::Done);
    assert!(turn.outcome.forgets && turn.outcome.saved.is_none());
    let Ran { turn, calls, .. } = first_turn(None, Some(state(&NOW, 3)), Status::PANICKED);
    assert_eq!(calls, ["new: create", "new: restore"]);
    assert!(turn.outcome.forgets, "the next one starts from its defaults");
    let Ending::Over(why) = &turn.outcome.ending else { panic!("{:?}", turn.outcome.ending) };
    assert_eq!(why, "panicked in `restore`; the next instance starts from its defaults");
}
