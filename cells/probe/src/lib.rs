//! A cell that shows what it sees: what the tests of the seam run. `does` names the promise that is looked at; the
//! tests read the cell's log, or its picture, which is green while the promise holds. Some of `does` ask for passes
//! that cannot be.
mod carry;

use camera_api::CameraView;
use carry::Carry;
use cell::prelude::*;
use std::{
    path::Path,
    sync::{Condvar, Mutex, PoisonError},
};

/// A point on the screen, -1 to 1.
#[repr(C)]
#[derive(Clone, Copy, cell::Gpu)]
struct Dot {
    at: [f32; 2],
}

signal_receptor! {
    name: probe_v1, shader: "probe.wgsl",
    params: { does: Text = "", panics_in: u32 = 0 },
    input:  ProbeSees {
        camera: history Uniform<CameraView>,
        heard: Buffer<u32, 64>,
        told: now Uniform<u32>,
        taken: Screen<Rgba16Float, 1, 1>,
    },
    own:    ProbeOwns {
        trail: Screen<Rgba32Float, 1, 1>,
        ids: Screen<R32Uint, 1, 1>,
        dots: Instances<Dot, 8>,
        pattern: Buffer<u32, 15>,
        mesh: SealedVertices<Dot>,
    },
    output: ProbeMakes {
        tally: Buffer<u32, 64>,
        says: Uniform<u32>,
        given: Screen<Rgba16Float, 1, 1>,
        large: TextureRef<Rgba32Float, 4096, 1024>,
        echo: readback TextureRef<R32Uint, 5, 3>,
        picture: Backbuffer,
    },
}

/// Returns what the echo of a frame shows: the frame, the column and the row in one number.
fn numbers(frame: u64) -> impl Iterator<Item = u32> {
    (0..15).map(move |n| frame as u32 * 100 + n % 5 * 10 + n / 5)
}

/// Returns how often this thread has waited for something. No cell in a sandbox can know.
fn waits() -> String {
    let status = std::fs::read_to_string("/proc/thread-self/status").expect("a thread may look at itself");
    status.lines().find(|l| l.starts_with("voluntary_ctxt_switches")).expect("it is told there").to_owned()
}

/// When the cell panics where no parameter reaches. A test changes these bytes in a copy of the library.
static PANICS_WHEN: [u8; 32] = *b"the probe panics when: never----";

fn panic_if(when: &str) {
    let asked = std::hint::black_box(&PANICS_WHEN);
    assert!(!asked.ends_with(when.as_bytes()), "the library asks for a panic when it is {when}");
}

/// What one instance sealed and others, which share the library's statics, try to draw.
static LENT: Mutex<Option<Sealed<SealedVertices<Dot>>>> = Mutex::new(None);
/// Tells that something is lent.
static LENDS: Condvar = Condvar::new();

#[derive(Save)]
struct Probe {
    /// The ticks that it was to count, over all its instances.
    counted: u64,
    /// What makes its state long.
    ballast: Vec<u64>,
    #[save(skip)]
    carry: Carry,
}

impl Default for Probe {
    fn default() -> Self {
        panic_if("created--");
        Self { counted: 0, ballast: Vec::new(), carry: Carry::default() }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        panic_if("destroyed");
    }
}

impl Probe {
    fn count(&mut self, frame: u64) {
        // A test makes a turn long.
        let waits = Path::new("probe-waits");
        if waits.exists() {
            info!("it waits");
            while waits.exists() {
                std::thread::yield_now();
            }
        }
        assert!(self.ballast.iter().all(|n| *n == self.counted), "all of the state is of one tick");
        self.counted += 1;
        info!("in frame {frame} it has counted {}", self.counted);
    }
}

impl Cell for Probe {
    fn load(&mut self, cx: &mut Load<probe_v1>) -> Result<(), LoadError> {
        if cx.params().does == "lends a mesh" {
            let corners = [[-1.0, -1.0], [3.0, -1.0], [-1.0, 3.0]].map(|at| Dot { at });
            *LENT.lock().unwrap_or_else(PoisonError::into_inner) = Some(cx.seal_vertices(&corners)?);
            LENDS.notify_all();
        }
        if cx.params().does == "draws a lent mesh" {
            // Loads run side by side, and the owner's may be the later one.
            let lent = LENT.lock().unwrap_or_else(PoisonError::into_inner);
            drop(LENDS.wait_while(lent, |l| l.is_none()).unwrap_or_else(PoisonError::into_inner));
        }
        if cx.params().does == "keep without a load" {
            return Err(LoadError::new("the scene asked for a failure"));
        }
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<probe_v1>) {
        match cx.params().does.as_str() {
            "carry" => self.carry.tick(&cx.tally(), &cx.heard()),
            "smooth" => {
                let camera = cx.camera();
                let degrees = |v: &CameraView| v.position[0].atan2(v.position[2]).to_degrees();
                let (old, new) = (degrees(camera.previous()), degrees(camera.get()));
                info!("the camera went from {old:.4} to {new:.4}, of which {:.4} is now", camera.blend());
            }
            "count" => info!(
                "frame {} has {} steps of {:.5} s after {:.5} s, seed {}",
                cx.frame().0,
                cx.steps(),
                cx.dt(),
                cx.time(),
                cx.seed()
            ),
            "tell" => {
                info!("in frame {} it is told {}", cx.frame().0, *cx.told());
                cx.says().set(&(cx.frame().0 as u32));
            }
            does @ ("echo" | "echo and look" | "watch" | "round trip") => {
                if does == "round trip" {
                    let words: Vec<u32> = numbers(cx.frame().0).collect();
                    cx.pattern().write(&words);
                }
                let look = || (does == "echo and look").then(waits);
                let waited = look();
                let echo = cx.echo();
                let texels = echo.texels();
                assert_eq!(waited, look(), "it waits for nothing to see what came back");
                let frame = cx.frame().0;
                let Some(FrameIndex(drawn)) = echo.frame() else {
                    assert!(texels.is_empty() && echo.at(4, 2) == [0.0; 4]);
                    return info!("in frame {frame} nothing has come back");
                };
                assert!(texels.iter().copied().eq(numbers(drawn)), "of frame {drawn}: {texels:?}");
                assert_eq!(echo.at(4, 2), [texels[14] as f32, 0.0, 0.0, 1.0]);
                info!("in frame {frame} frame {drawn} has come back");
            }
            "sum" => {
                let mut squares = vec![0_u64; 1000];
                cx.par_for(&mut squares, 16, |i, s| *s = (i * i) as u64);
                info!("the squares below 1000 are {} together", squares.iter().sum::<u64>());
            }
            "keep" | "keep without a load" => self.count(cx.frame().0),
            "keep much" => {
                self.count(cx.frame().0);
                // More than a ring between engine and child holds.
                self.ballast.resize(100_000, 0);
                self.ballast.fill(self.counted);
            }
            _ => {}
        }
        let now = u64::from(cx.params().panics_in) == cx.frame().0;
        assert!(!now || cx.frame().0 == 0, "the scene asked for a panic in this frame");
    }

    fn passes(&self, p: &mut Passes<probe_v1>) {
        match p.params().does.clone().as_str() {
            "carry" => drop(p.full("carried").read(heard).add(picture)),
            "trail" => {
                p.full("remember").read_previous(trail).write(trail);
                p.full("show").read(trail).write(picture);
            }
            "echo" | "echo and look" => drop(p.full("number").write(echo)),
            "round trip" => drop(p.full("copied").read(pattern).write(echo)),
            "cycle" => drop(p.full("relay").read(taken).write(given)),
            "large" => drop(p.full("fill").write(large)),
            "lends a mesh" | "draws a lent mesh" => {
                let lent = *LENT.lock().unwrap_or_else(PoisonError::into_inner);
                let Some(lent) = lent else { return };
                p.draw("point", "fill")
                    .vertices(mesh)
                    .write(picture)
                    .draw(DrawCall::vertices(0, 3).bind(mesh, &lent));
            }
            "a draw out of range" => drop(
                p.draw("point", "fill")
                    .instances(dots)
                    .write(given)
                    .draw(DrawCall::vertices(0, 3).instances(9)),
            ),
            "too many groups" => drop(p.compute("paint").store(given).groups(70_000, 1, 1)),
            "too many passes" => (0..300).for_each(|_| drop(p.full("fill").write(given))),
            "a level that is not there" => drop(p.full("fill").write(given.level(3))),
            "blended numbers" => drop(p.full("fill").add(ids)),
            "colour for numbers" => drop(p.full("fill").write(ids)),
            "a read before the write" => {
                p.full("show").read(trail).write(picture);
                p.full("fill").write(trail);
            }
            _ => {}
        }
    }
}

cell::export!(Probe);
