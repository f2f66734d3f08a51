//! The renderer from outside: hand-made plans on `noop` and on the software driver that `./setup.sh`
//! installs. Without that driver these tests fail: pixels that nobody looked at are no proof.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs this with --nocapture")]
mod bare;
mod faults;
mod frames;
mod kit;
mod pixels;
mod shaders;
