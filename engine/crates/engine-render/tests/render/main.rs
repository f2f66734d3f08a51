//! The renderer from outside: hand-made plans on `noop` and on the software driver that `./setup.sh`
//! installs. Without that driver these tests fail: pixels that nobody looked at are no proof.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(clippy::print_stdout, reason = "figures for whoever runs this with --nocapture")]
/// Makes each function of a test file that takes a [`Kit`] a test in each upload tier.
macro_rules! in_each_tier {
    ($($test:ident),* $(,)?) => {
        in_each_tier!(@ inplace, InPlace, $($test),*);
        in_each_tier!(@ snapshot, Snapshot, $($test),*);
        in_each_tier!(@ staging, Staging, $($test),*);
    };
    (@ $tier:ident, $name:ident, $($test:ident),*) => {
        mod $tier {
            $(#[test]
            fn $test() {
                if let Some(kit) = $crate::kit::Kit::in_tier(engine_render::UploadTier::$name) {
                    super::$test(kit);
                }
            })*
        }
    };
}

mod bare;
mod faults;
mod frames;
mod kit;
mod pixels;
mod readbacks;
mod shaders;
mod upload;
