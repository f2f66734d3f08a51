//! A cell that fails on demand: what the tests of containment run. It clears `scene_color` to a colour of its own, so
//! that a picture tells whether it still draws.
use camera_api::CameraView;
mod crash;

use cell::prelude::*;
use std::path::Path;

signal_receptor! {
    name: faulty_v1, shader: "faulty.wgsl",
    params: {
        panic_in: Text = "", hang_in: Text = "", fail_in: Text = "", at_frame: u32 = 0,
        crash_in: Text = "", crash: Text = "segv", bad_pass: Text = "", send_to: Text = "", tell_camera: bool = false,
        tell_ticks: bool = false, tells_time: bool = false, waits: bool = false, limit_of: Text = "", limit: u32 = 0,
        colour: Vec3 = [0.0, 1.0, 0.0],
    },
    input:  FaultySees { camera: now Uniform<CameraView> },
    own:    FaultyOwns { numbers: Buffer<f32, 16> },
    output: FaultyMakes { scene_color: Screen<Rgba16Float, 1, 1> },
}

#[derive(Save)]
struct Faulty {
    /// Ticks of all its instances.
    ticks: u32,
    /// Ticks of this one.
    #[save(skip)]
    lived: u32,
    /// How to fail in `destroy`, which gets no parameters.
    #[save(skip)]
    at_end: String,
}

impl Default for Faulty {
    fn default() -> Self {
        crash::fail_in_create();
        Self { ticks: 0, lived: 0, at_end: String::new() }
    }
}

impl Drop for Faulty {
    fn drop(&mut self) {
        crash::fail(&self.at_end);
    }
}

/// Returns how the scene asks to fail in this entry.
fn asked(params: &Params, entry: &str) -> String {
    let ways = [(&params.panic_in, "panic"), (&params.hang_in, "hang"), (&params.crash_in, &*params.crash)];
    let way = ways.into_iter().find(|(asked_in, _)| *asked_in == entry);
    way.map_or_else(String::new, |(_, how)| how.to_owned())
}

/// Does what the scene asks for in this entry.
fn misbehave(params: &Params, entry: &str) {
    let how = asked(params, entry);
    if !how.is_empty() {
        info!("the scene asks for `{how}` in {entry}");
    }
    assert!(how != "panic", "the scene asked for a panic in {entry}");
    crash::fail(&how);
}

impl Faulty {
    /// Panics for a reason that lies in what it knows, reads or is sent.
    fn check_limit(&self, cx: &Cx<faulty_v1>) {
        let number = match cx.params().limit_of.as_str() {
            "state" => self.ticks,
            // Degrees around the origin.
            "camera" => {
                let [x, _, z] = cx.camera().position;
                x.atan2(z).to_degrees() as u32
            }
            "mail" => cx
                .mail()
                .filter_map(|m| m.bytes.try_into().ok().map(u32::from_le_bytes))
                .max()
                .unwrap_or_default(),
            _ => return,
        };
        assert!(number < cx.params().limit, "{} is {number}, which is too much", cx.params().limit_of);
    }
}

impl Cell for Faulty {
    fn load(&mut self, cx: &mut Load<faulty_v1>) -> Result<(), LoadError> {
        self.at_end = asked(cx.params(), "destroy");
        crash::fail_as_built("load");
        misbehave(cx.params(), "load");
        while cx.params().hang_in == "asking" {
            // It is refused, and asks again.
            let _ = cx.asset("none");
        }
        if cx.params().fail_in == "load" {
            return Err(LoadError::new("the scene asked for a failure"));
        }
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<faulty_v1>) {
        // A test makes a turn long.
        let waits = Path::new("faulty-waits");
        if cx.params().waits && waits.exists() {
            info!("it waits");
            while waits.exists() {
                std::thread::yield_now();
            }
        }
        self.ticks += 1;
        self.lived += 1;
        match self.lived {
            12 => crash::fail_as_built("tick"),
            45 => crash::fail_as_built("late"),
            _ => {}
        }
        if crash::is_built_to("rest") {
            cx.no_tick();
        }
        let time = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let time = time.map_or(0, |t| t.subsec_nanos() % 1_000_000);
        let shown = if cx.params().tells_time { time } else { self.ticks };
        let offset = if crash::is_built_to("differ") { 1000 } else { 0 };
        cx.numbers().write(&[1.0, self.ticks as f32, (shown + offset) as f32]);
        if cx.params().tell_ticks {
            info!("in frame {} it has ticked {}", cx.frame().0, self.ticks);
        }
        self.check_limit(cx);
        if asked(cx.params(), "tick") == "scribble" {
            cx.numbers().update(crash::scribble);
        }
        if !cx.params().send_to.is_empty()
            && let Err(error) = cx.send(&cx.params().send_to, &self.ticks.to_le_bytes())
        {
            error!("{error}");
        }
        if cx.params().tell_camera {
            info!(
                "in frame {} it sees the camera of frame {}",
                cx.frame().0,
                cx.camera().frame().map_or(u64::MAX, |f| f.0)
            );
        }
        for mail in cx.mail() {
            info!("{} bytes from {}", mail.bytes.len(), mail.from);
        }
        if cx.frame().0 >= u64::from(cx.params().at_frame) {
            misbehave(cx.params(), "tick");
            if cx.params().panic_in == "write" {
                // More than the port holds.
                cx.numbers().write(&[0.0; 17]);
            }
        }
    }

    fn passes(&self, p: &mut Passes<faulty_v1>) {
        if crash::is_built_to("draw none") {
            return;
        }
        misbehave(p.params(), "passes");
        let bad = p.params().bad_pass.clone();
        match bad.as_str() {
            "no_entry" => drop(p.full("nothing").write(scene_color)),
            "counts" => drop(
                p.full("fill").write(scene_color).draw(DrawCall::vertices(0, u32::MAX).instances(u32::MAX)),
            ),
            "feedback" => drop(p.full("fill").read(scene_color).write(scene_color)),
            _ => drop(p.full("fill").write(scene_color)),
        }
    }
}

cell::export!(Faulty);
