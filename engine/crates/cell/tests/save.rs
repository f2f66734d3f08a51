//! What `#[derive(Save)]` and `#[derive(Protein)]` make: values survive, other bytes are refused.
#![allow(clippy::unwrap_used, reason = "tests")]

use cell::{Protein, RestoreError, Save, SavedError};
use proptest::{collection as many, option, prelude::*};
use std::collections::{BTreeMap, BTreeSet};

/// A type of another crate, such as `glam::Vec3`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Vec3 {
    x: f32,
    y: f32,
    z: f32,
}

impl From<[f32; 3]> for Vec3 {
    fn from([x, y, z]: [f32; 3]) -> Self {
        Self { x, y, z }
    }
}

impl From<Vec3> for [f32; 3] {
    fn from(v: Vec3) -> Self {
        [v.x, v.y, v.z]
    }
}

#[derive(Clone, Debug, Default, PartialEq, Save)]
struct World {
    #[save(as = [f32; 3])]
    wind: Vec3,
    numbers: (u8, i16, u32, i64, u128, bool, char),
    names: Vec<String>,
    routes: BTreeMap<u32, Vec<Body>>,
    marked: BTreeSet<(i32, i32)>,
    tree: Option<Box<Tree>>,
    mood: Mood,
    nested: Nested,
    fixed: [Option<u64>; 3],
    nothing: (),
}

#[derive(Clone, Debug, PartialEq, Protein)]
struct Body(f32, #[protein(as = [f32; 3])] Vec3);

#[derive(Clone, Debug, Default, PartialEq, Protein)]
struct Tree {
    leaf: u16,
    kids: Vec<Self>,
    other: Option<Box<Branch>>,
}

/// Reaches `Tree`, which reaches it.
#[derive(Clone, Debug, PartialEq, Protein)]
struct Branch {
    tree: Tree,
    result: Result<u8, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Protein)]
#[repr(u16)]
enum Mood {
    #[default]
    Calm = 700,
    Angry(u32, String),
    At {
        body: Option<Body>,
        r#type: u8,
    },
}

/// State within state, that leaves something out by itself.
#[derive(Clone, Debug, PartialEq, Save)]
struct Nested {
    kept: u64,
    #[save(skip)]
    rebuilt: std::rc::Rc<Vec<f32>>,
}

impl Default for Nested {
    fn default() -> Self {
        Self { kept: 1, rebuilt: vec![1.0, 2.0].into() }
    }
}

impl Drop for Nested {
    fn drop(&mut self) {}
}

fn vec3() -> impl Strategy<Value = Vec3> {
    [-9.0f32..9.0, -9.0f32..9.0, -9.0f32..9.0].prop_map(Vec3::from)
}

fn body() -> impl Strategy<Value = Body> {
    (any::<f32>().prop_filter("equal to itself", |x| !x.is_nan()), vec3()).prop_map(|(a, b)| Body(a, b))
}

fn tree() -> impl Strategy<Value = Tree> {
    let leaf = any::<u16>().prop_map(|leaf| Tree { leaf, ..Tree::default() });
    leaf.prop_recursive(4, 24, 3, |inner| {
        let branch = (inner.clone(), any::<Result<u8, String>>());
        let branch = branch.prop_map(|(tree, result)| Box::new(Branch { tree, result }));
        (any::<u16>(), many::vec(inner, 0..3), option::of(branch)).prop_map(|(leaf, kids, other)| Tree {
            leaf,
            kids,
            other,
        })
    })
}

fn mood() -> impl Strategy<Value = Mood> {
    prop_oneof![
        Just(Mood::Calm),
        any::<(u32, String)>().prop_map(|(a, b)| Mood::Angry(a, b)),
        (option::of(body()), any::<u8>()).prop_map(|(body, r#type)| Mood::At { body, r#type }),
    ]
}

fn world() -> impl Strategy<Value = World> {
    let plain =
        (any::<(u8, i16, u32, i64, u128, bool, char)>(), any::<Vec<String>>(), any::<[Option<u64>; 3]>());
    let lists = (many::btree_map(any::<u32>(), many::vec(body(), 0..4), 0..4), any::<BTreeSet<(i32, i32)>>());
    (vec3(), plain, lists, option::of(tree()), mood(), any::<u64>()).prop_map(
        |(wind, (numbers, names, fixed), (routes, marked), tree, mood, kept)| World {
            wind,
            numbers,
            names,
            routes,
            marked,
            tree: tree.map(Box::new),
            mood,
            nested: nested(kept),
            fixed,
            nothing: (),
        },
    )
}

proptest! {
    #[test]
    fn every_state_survives(world in world()) {
        let bytes = world.save();
        prop_assert_eq!(&world.save(), &bytes, "one state, one form");
        let mut new = World::default();
        new.restore(&bytes).unwrap();
        prop_assert_eq!(new, world);
    }

    #[test]
    fn other_bytes_are_errors_and_never_panics(world in world(), at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = world.save();
        let mut payload = cell_wire::encode(&world).to_vec();
        let n = at.index(bytes.len());
        let changed = std::mem::replace(&mut bytes[n], to) != to;
        let mut new = World::default();
        prop_assert_eq!(new.restore(&bytes).is_err(), changed);
        if changed {
            prop_assert_eq!(new, World::default(), "an error changes nothing");
        }
        // Without the checksum: rkyv's own check must hold too.
        let n = at.index(payload.len());
        payload[n] = to;
        let _ = cell_wire::decode::<World>(&payload);
        payload.truncate(n);
        let _ = cell_wire::decode::<World>(&payload);
    }

    #[test]
    fn noise_is_refused(noise in any::<Vec<u8>>()) {
        let mut new = World::default();
        prop_assert!(matches!(new.restore(&noise), Err(RestoreError::Unreadable(SavedError::NotSaved))));
        let _ = cell_wire::decode::<World>(&noise);
        let _ = cell_wire::decode::<Tree>(&noise);
    }
}

fn nested(kept: u64) -> Nested {
    let mut nested = Nested::default();
    nested.kept = kept;
    nested
}

#[test]
fn what_is_left_out_is_as_the_default_of_its_struct_makes_it() {
    let mut old = World::default();
    old.nested.kept = 9;
    old.nested.rebuilt = vec![].into();
    let mut new = World::default();
    new.nested.rebuilt = vec![5.0].into();
    new.restore(&old.save()).unwrap();
    assert_eq!((new.nested.kept, new.nested.rebuilt.to_vec()), (9, vec![1.0, 2.0]));
}

/// Three builds of one cell.
mod first {
    #[derive(Default, cell::Save)]
    pub(super) struct Game {
        pub(super) score: u8,
    }
}
mod second {
    #[derive(Default, cell::Save)]
    #[save(from = super::first::Game)]
    pub(super) struct Game {
        pub(super) score: u16,
    }
    impl From<super::first::Game> for Game {
        fn from(old: super::first::Game) -> Self {
            Self { score: u16::from(old.score) * 10 }
        }
    }
}
mod third {
    #[derive(Debug, Default, PartialEq, cell::Save)]
    #[save(from = super::second::Game)]
    pub(super) enum Game {
        #[default]
        Menu,
        Playing {
            score: u64,
        },
    }
    impl From<super::second::Game> for Game {
        fn from(old: super::second::Game) -> Self {
            Self::Playing { score: old.score.into() }
        }
    }
}

#[test]
fn a_state_of_any_age_is_read_through_the_builds_between() {
    let mut game = third::Game::Menu;
    game.restore(&first::Game { score: 7 }.save()).unwrap();
    assert_eq!(game, third::Game::Playing { score: 70 });
    game.restore(&second::Game { score: 9 }.save()).unwrap();
    assert_eq!(game, third::Game::Playing { score: 9 });
    game.restore(&third::Game::Menu.save()).unwrap();
    assert_eq!(game, third::Game::Menu);
}

#[test]
fn another_shape_is_refused_with_both_fingerprints_and_the_difference() {
    let mut old = first::Game::default();
    let e = old.restore(&second::Game { score: 9 }.save()).unwrap_err();
    let RestoreError::OtherShape { saved, now, difference } = &e else { panic!("{e}") };
    assert_eq!((saved, now), (&second::Game::STATE.fingerprint, &first::Game::STATE.fingerprint));
    assert_eq!(difference, "`Game.score: u16` became `u8`");
    assert_eq!(
        e.to_string(),
        format!(
            "the state was saved in another shape ({saved}, now it is {now}): `Game.score: u16` became `u8`; \
             `#[save(from = ..)]` can say how the old becomes the new"
        )
    );
}

/// A list as deep as it is long.
#[derive(Default, Save)]
struct Chain {
    next: Option<Box<Chain>>,
}

#[test]
fn state_that_is_nested_too_deep_is_refused_before_the_stack_ends() {
    let chain = |len| (0..len).fold(Chain::default(), |next, _| Chain { next: Some(Box::new(next)) });
    let mut new = Chain::default();
    new.restore(&chain(2000).save()).unwrap();
    assert!(matches!(new.restore(&chain(2100).save()), Err(RestoreError::Broken(_))));
}
