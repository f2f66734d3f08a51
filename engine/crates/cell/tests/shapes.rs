//! Shapes and fingerprints of derived types, as they are in the compiled program.
#![allow(clippy::unwrap_used, reason = "tests")]

use cell::{Fingerprint, Protein};
use cell_abi::shape::{Shape, difference, text, text_len, to_text};
use std::collections::{BTreeMap, BTreeSet};

/// Tells the fingerprint of a type.
fn fingerprint<T: Protein>() -> Fingerprint {
    Fingerprint::of(to_text(T::SHAPE).as_bytes())
}

/// What a rover is.
#[derive(Protein)]
pub struct Rover {
    /// Where it is.
    pub at: [f32; 3],
    cargo: Vec<Cargo>,
    names: BTreeMap<u16, String>,
    seen: BTreeSet<(i32, i32)>,
    r#type: Option<Box<Self>>,
}

#[derive(Protein)]
enum Cargo {
    Nothing,
    Ore(f32, elsewhere::Grade),
    Crew { names: Vec<String>, fit: Result<(), u8> },
}

mod elsewhere {
    #[derive(cell::Protein)]
    pub(super) struct Grade(u8);
}

const ROVER: &str = "rkyv-0.8 le aligned ptr32
shape Rover
struct Rover
  at [f32; 3]
  cargo Vec<Cargo>
  names BTreeMap<u16, String>
  seen BTreeSet<(i32, i32)>
  type Option<Box<Rover>>
enum Cargo
  Nothing
  Ore
    0 f32
    1 Grade
  Crew
    names Vec<String>
    fit Result<(), u8>
struct Grade
  0 u8
";

#[test]
fn the_fingerprint_of_a_known_type_is_known() {
    const LEN: usize = text_len(Rover::SHAPE);
    const TEXT: [u8; LEN] = text(Rover::SHAPE);
    const NAME: Fingerprint = Fingerprint::of(&TEXT);
    assert_eq!(core::str::from_utf8(&TEXT).unwrap(), ROVER);
    assert_eq!(NAME.to_hex(), blake3::hash(ROVER.as_bytes()).to_hex().as_str());
    assert_eq!(NAME.to_string(), "0xe934d6893465626b");
    assert_eq!(Shape::parse(ROVER).unwrap().to_text(), ROVER);
}

/// A struct of the same name for each case, so that only what is inside differs.
macro_rules! ship {
    ($case:ident { $($fields:tt)* }) => {
        mod $case {
            #[allow(unused_imports, reason = "some cases use it")]
            use super::*;
            #[derive(Protein)]
            pub(super) struct Ship { $($fields)* }
        }
    };
}
ship!(plain { hull: f32, crew: u32, cargo: Inner });
ship!(dressed {
    /// How whole it is.
    hull :
        f32 , // of 1
    #[allow(dead_code, reason = "an attribute")] pub crew: u32, pub(crate) cargo: super::Inner,
});
ship!(alias { hull: Fraction, crew: u32, cargo: Inner });
ship!(cut {
    hull: f32,
    crew: u32,
    cargo: Inner,
    #[cfg(any())]
    gone: u8
});
ship!(renamed { armour: f32, crew: u32, cargo: Inner });
ship!(reordered { crew: u32, hull: f32, cargo: Inner });
ship!(retyped { hull: f64, crew: u32, cargo: Inner });
ship!(grown { hull: f32, crew: u32, cargo: Inner, fuel: f32 });
ship!(nested { hull: f32, crew: u32, cargo: other::Inner });

type Fraction = f32;

#[derive(Protein)]
struct Inner(u8);

mod other {
    #[derive(cell::Protein)]
    pub(super) struct Inner(u16);
}

#[test]
fn how_a_type_is_written_does_not_change_its_fingerprint() {
    let plain = fingerprint::<plain::Ship>();
    assert_eq!(fingerprint::<dressed::Ship>(), plain);
    assert_eq!(fingerprint::<alias::Ship>(), plain, "an alias is its type");
    assert_eq!(fingerprint::<cut::Ship>(), plain, "a derive sees fields after `cfg`");
}

#[test]
fn what_a_type_is_changes_its_fingerprint_and_the_difference_is_told() {
    let shape = |text: String| Shape::parse(&text).unwrap();
    let plain = to_text(plain::Ship::SHAPE);
    for (text, says) in [
        (to_text(renamed::Ship::SHAPE), "field `hull` of `Ship` is now called `armour`"),
        (to_text(reordered::Ship::SHAPE), "the fields of `Ship` are in another order"),
        (to_text(retyped::Ship::SHAPE), "`Ship.hull: f32` became `f64`"),
        (to_text(grown::Ship::SHAPE), "field `fuel` is new in `Ship`"),
        (to_text(nested::Ship::SHAPE), "`Inner.0: u8` became `u16`"),
    ] {
        assert_ne!(Fingerprint::of(text.as_bytes()), Fingerprint::of(plain.as_bytes()));
        assert_eq!(difference(&shape(plain.clone()), &shape(text)).as_deref(), Some(says));
    }
}

/// Both types called `Inner` in one shape.
#[derive(Protein)]
struct Two {
    first: Inner,
    second: other::Inner,
    third: Inner,
}

#[test]
fn types_of_one_name_in_one_shape_are_kept_apart() {
    assert!(to_text(Two::SHAPE).ends_with(
        "struct Two\n  first Inner\n  second Inner#2\n  third Inner\nstruct Inner\n  0 u8\nstruct Inner#2\n  0 u16\n"
    ));
}
