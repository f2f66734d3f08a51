//! libFuzzer on one of the targets, which `FUZZ_TARGET` names.
#![no_main]

mod mutate;
mod targets;

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use std::sync::LazyLock;

static TARGET: LazyLock<&targets::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    targets::find(&name).unwrap_or_else(|| {
        let names: Vec<&str> = targets::TARGETS.iter().map(|t| t.name).collect();
        eprintln!("no fuzz target is called `{name}`; there are {}", names.join(", "));
        std::process::exit(2);
    })
});

fuzz_target!(
    init: {
        let _ = &*TARGET;
        // naga may panic on its own threads, which is caught and told as a message; what counts is what reaches here.
        let abort = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if std::thread::current().name() == Some("main") {
                abort(info);
            }
        }));
    },
    |data: &[u8]| {
        (TARGET.run)(data);
    }
);

// Half of the inputs are made from good ones and words of the language, the others by libFuzzer.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let mut random = mutate::Random::new(seed.into());
    if random.below(2) == 0 {
        return fuzzer_mutate(data, size, max_size);
    }
    let mut seeds = (TARGET.seeds)();
    // The input as often as all good ones, or it would hardly be built upon.
    if size > 0 {
        seeds.extend(std::iter::repeat_n(data[..size].to_vec(), 4 * seeds.len()));
    }
    let made = mutate::mutate(&seeds, TARGET.words, &mut random);
    let len = made.len().min(max_size);
    data[..len].copy_from_slice(&made[..len]);
    len
});
