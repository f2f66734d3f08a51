//! One target per decoder of bytes that come from outside, a file each. A target takes any bytes and panics if the decoder,
//! or what is done with its answer, breaks a promise.
//!
//! A fuzzer drives them (`just fuzz NAME`), and so does a test of the workspace, from the same good inputs
//! (`engine-host/tests/fuzz.rs`). What was found once lies in `fuzz/corpus/NAME/` and is tried again by both.
mod ctl;
mod elf;
mod interface;
mod passes;
mod ports;
mod publication;
mod records;
mod ring;
mod scene;
mod session;
mod shape;
mod wgsl;
mod wire;

/// A decoder, with good inputs and words that they are made of.
pub(crate) struct Target {
    /// What `just fuzz` calls it.
    pub(crate) name: &'static str,
    /// Feeds it. Returns whether the decoder took the bytes for good ones.
    pub(crate) run: fn(&[u8]) -> bool,
    /// Good inputs.
    pub(crate) seeds: fn() -> Vec<Vec<u8>>,
    /// Words of its language.
    pub(crate) words: &'static [&'static [u8]],
}

/// All of them.
pub(crate) const TARGETS: &[Target] = &[
    elf::TARGET,
    ports::TARGET,
    interface::TARGET,
    shape::SHAPES,
    shape::SAVED,
    wire::TARGET,
    ring::WHOLE,
    ring::PIECES,
    publication::TARGET,
    passes::TARGET,
    scene::TARGET,
    wgsl::TARGET,
    records::TARGET,
    session::TARGET,
    ctl::REQUESTS,
    ctl::ANSWERS,
];

/// Returns the target called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|t| t.name == name)
}

/// What is said of bytes of a stranger goes into the log: it must not change a terminal.
fn assert_shown(text: &str) {
    assert!(!text.is_empty() && text.len() < 16_000, "{} bytes", text.len());
    assert!(!text.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "{text:?}");
}

fn texts(all: &[&str]) -> Vec<Vec<u8>> {
    all.iter().map(|t| t.as_bytes().to_vec()).collect()
}
