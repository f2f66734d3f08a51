//! A cell's instance is replaced while the world runs: by a new build, elsewhere, or by a fresh one. One that fails is
//! taken back, and the old one goes on from where it was.
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "swap/builds.rs"]
mod builds;
#[path = "swap/crash_files.rs"]
mod crash_files;
#[path = "swap/failures.rs"]
mod failures;
#[path = "swap/places.rs"]
mod places;
#[path = "swap/rig.rs"]
mod rig;
#[path = "swap/strangers.rs"]
mod strangers;

const EXE: &str = env!("CARGO_BIN_EXE_engine");
