//! Every decoder of bytes from outside is fed changed copies of good inputs, the same ones in each run, and all that
//! `fuzz/corpus` keeps. `just fuzz NAME` is the same with a fuzzer that sees which code an input reaches.
#![allow(clippy::print_stdout, reason = "says how many inputs were good")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../../fuzz/src/mutate.rs"]
mod mutate;
#[path = "../../../../fuzz/src/targets/mod.rs"]
mod targets;

use mutate::{Random, mutate};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};
use targets::Target;

/// Feeds one input and returns whether it was read. If it breaks the target, says how to keep it.
fn feed(target: &Target, input: &[u8]) -> bool {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).unwrap_or_else(|_| {
        let file = std::env::temp_dir().join(format!("fuzz-{}", target.name));
        std::fs::write(&file, input).unwrap();
        panic!(
            "{} fails with the input in {}: \"{}\"; keep it in fuzz/corpus/{}/",
            target.name,
            file.display(),
            input.escape_ascii(),
            target.name
        )
    })
}

fn feed_all(name: &str, tries: u32) {
    let target = targets::find(name).expect("a target of this name");
    let seeds = (target.seeds)();
    for seed in &seeds {
        assert!(feed(target, seed), "{name}: a good input is refused: \"{}\"", seed.escape_ascii());
    }
    let kept = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../fuzz/corpus").join(name);
    if let Ok(entries) = std::fs::read_dir(kept) {
        for entry in entries {
            feed(target, &std::fs::read(entry.unwrap().path()).unwrap());
        }
    }
    let mut random = Random::new(1);
    let read = (0..tries).filter(|_| feed(target, &mutate(&seeds, target.words, &mut random))).count();
    println!("{name}: {read} of {tries} changed inputs were read");
}

macro_rules! tests {
    ($($name:ident: $tries:expr,)*) => {
        $(#[test]
        fn $name() {
            feed_all(stringify!($name), $tries);
        })*

        #[test]
        fn each_target_is_fed() {
            let names: Vec<&str> = targets::TARGETS.iter().map(|t| t.name).collect();
            assert_eq!(names, [$(stringify!($name)),*]);
        }
    };
}

// About half a minute of one core in all.
tests! {
    elf: 300_000,
    ports: 300_000,
    interface: 200_000,
    shape: 400_000,
    saved: 400_000,
    wire: 2_000_000,
    ring: 120_000,
    inlet: 60_000,
    publication: 800_000,
    passes: 1_200_000,
    scene: 120_000,
    wgsl: 40_000,
    records: 60_000,
    session: 200_000,
    ctl_requests: 100_000,
    ctl_answers: 60_000,
}

/// A decoder that trusts a length: what the tests above must be able to see.
#[test]
fn a_bad_decoder_is_found() {
    let trusting = Target {
        name: "trusting",
        run: |bytes| {
            let [b'L', len, rest @ ..] = bytes else { return false };
            let _ = &rest[..usize::from(*len)];
            true
        },
        seeds: || vec![b"L\x04good".to_vec()],
        words: &[],
    };
    let seeds = (trusting.seeds)();
    let mut random = Random::new(1);
    let found = (0..10_000)
        .map(|_| mutate(&seeds, &[], &mut random))
        .any(|input| catch_unwind(|| (trusting.run)(&input)).is_err());
    assert!(found);
}
