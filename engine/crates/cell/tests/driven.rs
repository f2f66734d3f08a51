//! A real exported cell, driven through its C table by a host made for the test.
#![allow(clippy::unwrap_used, reason = "tests")]
mod host;

use cell::prelude::*;
use cell_abi::{LogLevel, Request, SealKind, Status, ports::PortTable};
use host::{Driver, as_floats, floats, text, words};

signal_receptor! {
    name: probe_v1, shader: "probe.wgsl",
    params: {
        mode: Text = "", gain: f32 = 1.0, file: Asset = "a.bin",
        sun: { azimuth: f32 = 230.0, count: u32 = 3, on: bool = true, turn: i32 = -1 },
        fly?: { at: Vec3 = [0.0, 30.0, 80.0] },
    },
    input: Reads {
        scene_color: Screen<Rgba16Float, 1, 1>,
        camera: now Uniform<Cam>,
        poses: history Instances<Pose, 8>,
        levels: Buffer<f32, 16>,
    },
    own: Mine {
        mips: ScreenMips<Rgba16Float, 1, 2, 6> = keep,
        albedo: SealedTexture,
        mesh: SealedVertices<Pose>,
        tris: SealedIndices,
        cubes: Instances<Pose, MOST>,
        counts: Counts<2>,
    },
    output: Writes {
        heard: Buffer<f32, 64>,
        view: Uniform<Cam>,
        scene_depth: Screen<Depth32Float, 1, 1>,
        shadow: TextureRef<Depth32Float, 512, 256> = clear(1.0),
        history_px: TextureRef<Rgba8Unorm, 4, 4> = clear(0.0, 0.25, 0.5, 1.0),
        picture: Backbuffer,
    },
}

/// A count that the port table takes from Rust.
const MOST: u32 = 4 + 4;

const TABLE: &str = "cell-ports 1
abi 1.0
name probe_v1
rate 30
shader probe.wgsl
param text mode = \"\"
param f32 gain = 1
param asset file = \"a.bin\"
param f32 sun.azimuth = 230
param u32 sun.count = 3
param bool sun.on = true
param i32 sun.turn = -1
param vec3f fly.at = 0 30 80
group? fly
port input scene_color texture rgba16float screen 1/1 mips 1 clear 0 0 0 0
port input camera uniform Cam 1 now
port input poses instances Pose 8 history
port input levels storage f32 16
port own mips texture rgba16float screen 1/2 mips 6 keep
port own albedo sealed texture_2d
port own mesh sealed vertices Pose
port own tris sealed indices
port own cubes instances Pose 8
port own counts counts - 2
port output heard storage f32 64
port output view uniform Cam 1
port output scene_depth texture depth32float screen 1/1 mips 1 clear 0 0 0 0
port output shadow texture depth32float fixed 512x256 mips 1 clear 1 0 0 0
port output history_px texture rgba8unorm fixed 4x4 mips 1 clear 0 0.25 0.5 1
port output picture backbuffer
type Cam 80
field Cam view_proj mat4x4f 0
field Cam eye vec3f 64
field Cam near f32 76
type Pose 16
field Pose at vec3f 0
field Pose scale f32 12
type f32 4
field f32 value f32 0
end
";

#[derive(Clone, Copy, Debug, PartialEq, Gpu)]
#[repr(C)]
struct Cam {
    view_proj: [[f32; 4]; 4],
    eye: [f32; 3],
    near: f32,
}

#[derive(Clone, Copy, Debug, PartialEq, Gpu)]
#[repr(C)]
struct Pose {
    at: [f32; 3],
    scale: f32,
}

/// A payload that panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload panics too");
    }
}

std::thread_local! {
    static DEFAULT_PANICS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

struct Probe {
    loads: u32,
    albedo: Option<Sealed<SealedTexture>>,
    mesh: Option<(Sealed<SealedVertices<Pose>>, Sealed<SealedIndices>)>,
    drop_panics: bool,
    seen: Vec<f32>,
}

impl Default for Probe {
    fn default() -> Self {
        assert!(!DEFAULT_PANICS.get(), "no default today");
        Self { loads: 0, albedo: None, mesh: None, drop_panics: false, seen: vec![0.0; 10] }
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        assert!(!self.drop_panics, "no end today");
    }
}

impl Cell for Probe {
    fn load(&mut self, cx: &mut Load<probe_v1>) -> Result<(), LoadError> {
        match cx.params().mode.as_str() {
            "panic in load" => panic!("no load today"),
            "refuse" => return Err(LoadError::new("the moon is not full")),
            "bad texture" => drop(cx.seal_texture(TextureFormat::Rgba8Unorm, [4, 2], 3, &[0; 40])?),
            _ => {}
        }
        self.loads += 1;
        let file = cx.asset(&cx.params().file)?;
        self.albedo = Some(cx.seal_texture(TextureFormat::R8Unorm, [2, 2], 2, &file[..5])?);
        let pose = Pose { at: [1.0, 2.0, 3.0], scale: 4.0 };
        self.mesh = Some((cx.seal_vertices(&[pose; 3])?, cx.seal_indices(&[0, 1, 2, 2, 1, 0])?));
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<probe_v1>) {
        match cx.params().mode.as_str() {
            "panic in tick" => panic!("no tick today: {}", cx.frame()),
            "bomb" => std::panic::panic_any(Bomb),
            "drop" => self.drop_panics = true,
            "write" => {
                cx.heard().write(&[cx.params().gain, cx.time(), cx.dt()]);
                cx.view().set(&Cam { view_proj: [[1.0; 4]; 4], eye: [2.0; 3], near: 3.0 });
                cx.counts().write(&[7, 8]);
            }
            "update" => match cx.frame().0 {
                0 => cx.heard().write_with(40, |s| s.iter_mut().enumerate().for_each(|(n, x)| *x = n as f32)),
                1 => cx.heard().update_range(3..5, |s| s.fill(-1.0)),
                2 => {
                    cx.heard().update_range(0..1, |s| s[0] = -2.0);
                    cx.heard().update_range(39..40, |s| s[0] = -3.0);
                }
                3 => cx.heard().update(|s| s[20] += 100.0),
                4 => {
                    cx.heard().update_range(7..7, |_| ());
                    assert_eq!(cx.heard().last()[20], 120.0);
                }
                _ => cx.heard().write(&[]),
            },
            "too much" => cx.heard().write(&[0.0; 65]),
            "nested" => cx.heard().write_with(1, |_| cx.heard().write(&[1.0])),
            "panic after write" => {
                cx.heard().write(&[1.0]);
                panic!("written, but not to be seen");
            }
            "par" => {
                cx.par_for(&mut self.seen, 3, |i, s| *s = i as f32);
                cx.heard().write(&self.seen);
            }
            "par in slot" => {
                cx.heard().write_with(10, |slot| cx.par_for(slot, 4, |i, s| *s = 2.0 * i as f32));
            }
            "panic in par" => cx.par_for(&mut self.seen, 3, |i, _| assert!(i != 4, "no four today")),
            "read" => {
                let (camera, poses, levels) = (cx.camera(), cx.poses(), cx.levels());
                let previous: f32 = poses.previous().iter().map(|p| p.scale).sum();
                let now: f32 = poses.iter().map(|p| p.scale).sum();
                let frame = poses.frame().map_or(-1.0, |f| f.0 as f32);
                let known = f32::from(u8::from(camera.is_published()));
                cx.heard().write(&[
                    camera.near,
                    known,
                    previous,
                    now,
                    poses.blend(),
                    frame,
                    levels.len() as f32,
                ]);
            }
            "mail" => {
                let all: Vec<u8> = cx.mail().flat_map(|m| [m.from.as_bytes(), m.bytes].concat()).collect();
                match cx.send("echo", &all) {
                    Ok(()) => {}
                    Err(e) => error!("{e}"),
                }
            }
            "log" => {
                info!(frame = cx.frame().0, what = "tea", "ready");
                trace!("too fine");
            }
            "requests" => {
                cx.resubmit_passes();
                cx.reload();
                if cx.input().pressed(Key::Escape) {
                    cx.quit();
                }
            }
            "params" => {
                let p = cx.params();
                let fly = p.fly.as_ref().map_or(-1.0, |f| f.at[2]);
                let changed = f32::from(u8::from(cx.params_changed()));
                let sun = &p.sun;
                let on = f32::from(u8::from(sun.on));
                cx.heard().write(&[sun.azimuth, sun.count as f32, on, sun.turn as f32, fly, changed]);
            }
            _ => {}
        }
    }

    fn passes(&self, p: &mut Passes<probe_v1>) {
        if p.params().mode == "panic in passes" {
            panic!("no passes today");
        }
        p.full("threshold").read(scene_color).read_previous(scene_color).read(camera).write(mips.level(0));
        p.full("up").label("up 1").read(mips.level(1)).add(mips.level(0)).blend(picture, Blend::Alpha);
        if let (Some((v, i)), Some(albedo_texture)) = (&self.mesh, &self.albedo) {
            p.draw("vs", "fs")
                .vertices(mesh)
                .instances(cubes)
                .indices(tris)
                .bind(albedo, albedo_texture)
                .write(history_px)
                .depth(scene_depth)
                .cull(Cull::Back)
                .mesh(v, i)
                .draw(
                    DrawCall::indexed(3, 3)
                        .base_vertex(1)
                        .first_instance(2)
                        .instances(1)
                        .bind(mesh, v)
                        .bind(tris, i),
                )
                .draw(DrawCall::indexed(0, 6).instances(counted(counts, 1)));
        }
        p.depth_only("vs").instances(cubes).depth(shadow).bias(2, 1.5);
        p.draw("vs", "fs")
            .instances(poses)
            .depth_test(scene_depth, Compare::GreaterEqual, DepthWrite::No)
            .topology(Topology::Points)
            .write(picture)
            .draw(DrawCall::vertices(0, 36));
        p.compute("cs").read(levels).store(mips.level(2)).groups(p_groups(), 1, 2);
    }
}

fn p_groups() -> u32 {
    8
}

cell::export!(Probe, rate: 30);

/// The parameters as a host encodes them.
fn params(mode: &str) -> Vec<u8> {
    let mut p = text(mode);
    p.extend(floats(&[0.5]));
    p.extend(text("a.bin"));
    p.extend(floats(&[120.0]));
    p.extend(words([9, 0, (-5i32) as u32, 0]));
    p.extend(floats(&[0.0, 30.0, 80.0]));
    p
}

fn driver(mode: &str) -> Driver {
    let mut d = Driver::new(&CELL_TABLE_V1, probe_v1::PORTS.len(), params(mode)).map_err(|e| e.0).unwrap();
    d.own(probe_v1::HEARD.index(), 256);
    d.own(probe_v1::VIEW.index(), 80);
    d.own(probe_v1::COUNTS.index(), 8);
    d.host.assets.insert("a.bin".into(), vec![1, 2, 3, 4, 5, 6]);
    d
}

fn latest(d: &mut Driver) -> Vec<f32> {
    as_floats(&d.latest(probe_v1::HEARD.index()).unwrap())
}

#[test]
fn the_section_text_is_the_canonical_table() {
    let found = core::str::from_utf8(&CELL_PORTS_V1).unwrap();
    assert_eq!(found, TABLE);
    assert_eq!(PortTable::parse(found).unwrap().to_text(), TABLE);
}

#[test]
fn port_groups_know_their_names_and_bindings() {
    assert_eq!(Reads::PORTS, ["scene_color", "camera", "poses", "levels"]);
    let numbers = |l: &[cell::Binding]| l.iter().map(|b| (b.name, b.group, b.binding)).collect::<Vec<_>>();
    assert_eq!(numbers(Reads::LAYOUT), [("scene_color", 1, 0), ("camera", 1, 1), ("levels", 1, 3)]);
    assert_eq!(numbers(Mine::LAYOUT), [("mips", 1, 4), ("albedo", 2, 5)]);
    assert_eq!((probe_v1::ALBEDO.index(), probe_v1::NAME), (5, "probe_v1"));
}

#[test]
fn what_a_tick_writes_is_published_under_its_frame() {
    let mut d = driver("write");
    d.tick();
    assert_eq!(d.tick(), Status::OK);
    assert_eq!(latest(&mut d), [0.5, 0.02, 0.02]);
    let p = d.publication(probe_v1::HEARD.index()).unwrap();
    assert_eq!((p.frame, p.len_bytes, p.dirty_count), (1, 12, 0), "everything counts as changed");
    assert_eq!(as_floats(&d.latest(probe_v1::VIEW.index()).unwrap())[15..], [1.0, 2.0, 2.0, 2.0, 3.0]);
    assert_eq!(d.latest(probe_v1::COUNTS.index()).unwrap(), words([7, 8]));
}

#[test]
fn a_tick_that_writes_nothing_leaves_the_last_publication() {
    let mut d = driver("write");
    d.tick();
    (d.params, d.params_version) = (params(""), 2);
    assert_eq!(d.tick(), Status::OK);
    assert!(d.publication(probe_v1::HEARD.index()).is_none(), "nothing under this tick's stamp");
    assert_eq!(latest(&mut d).len(), 3);
}

#[test]
fn updates_carry_forward_what_the_slot_is_behind() {
    let mut d = driver("update");
    let mut expected: Vec<f32> = (0..40).map(|n| n as f32).collect();
    let dirty = |d: &Driver| {
        let p = d.publication(probe_v1::HEARD.index()).unwrap();
        p.dirty[..p.dirty_count as usize].iter().map(|r| (r.start, r.end)).collect::<Vec<_>>()
    };
    d.tick();
    assert_eq!(latest(&mut d), expected);
    d.tick();
    expected[3..5].fill(-1.0);
    assert_eq!((latest(&mut d), dirty(&d)), (expected.clone(), vec![(12, 20)]));
    d.tick();
    (expected[0], expected[39]) = (-2.0, -3.0);
    assert_eq!((latest(&mut d), dirty(&d)), (expected.clone(), vec![(0, 4), (156, 160)]));
    d.tick();
    expected[20] = 120.0;
    assert_eq!((latest(&mut d), dirty(&d)), (expected.clone(), vec![]));
    assert_eq!(d.tick(), Status::OK);
    assert!(d.publication(probe_v1::HEARD.index()).is_none(), "an empty range changes nothing");
    d.tick();
    assert_eq!(latest(&mut d), [0.0f32; 0], "an empty publication is one too");
    assert_eq!(d.publication(probe_v1::HEARD.index()).unwrap().len_bytes, 0);
}

#[test]
fn writing_too_much_or_inside_a_write_ends_the_tick_with_a_sentence() {
    for (mode, says) in
        [("too much", "`heard` holds 64 elements, but 65"), ("nested", "is being written already")]
    {
        let mut d = driver(mode);
        assert_eq!(d.tick(), Status::PANICKED);
        assert!(d.told(|t| t.panics[0].0.contains(says)), "{mode}");
    }
}

#[test]
fn a_panic_in_each_entry_is_caught_and_reported_once() {
    let reported = |d: &Driver, says: &str| {
        let panics = d.told(|t| t.panics.clone());
        assert_eq!(panics.len(), 1, "{panics:?}");
        assert!(panics[0].0.contains(says) && panics[0].1.ends_with("driven.rs"), "{panics:?}");
    };
    let mut d = driver("panic in load");
    assert_eq!(d.load(), Status::PANICKED);
    reported(&d, "no load today");
    let mut d = driver("panic in tick");
    d.frame = 9;
    assert_eq!(d.tick(), Status::PANICKED);
    reported(&d, "no tick today: 9");
    let mut d = driver("panic in passes");
    assert_eq!(d.passes(), Status::PANICKED);
    reported(&d, "no passes today");
    assert!(d.told(|t| t.passes.is_empty()), "half a list is not submitted");
    let mut d = driver("drop");
    assert_eq!((d.tick(), d.destroy()), (Status::OK, Status::PANICKED));
    reported(&d, "no end today");
    DEFAULT_PANICS.set(true);
    let (status, host) = Driver::new(&CELL_TABLE_V1, 0, params("")).err().unwrap();
    DEFAULT_PANICS.set(false);
    assert_eq!(status, Status::PANICKED);
    assert_eq!(host.told.lock().unwrap().panics[0].0, "no default today");
}

#[test]
fn a_payload_that_panics_when_dropped_is_caught_too() {
    let mut d = driver("bomb");
    assert_eq!(d.tick(), Status::PANICKED);
    assert_eq!(
        d.told(|t| t.panics.iter().map(|p| p.0.clone()).collect::<Vec<_>>()),
        ["a panic without a text", "the payload panics too"]
    );
}

#[test]
fn a_panicking_tick_publishes_nothing() {
    let mut d = driver("panic after write");
    assert_eq!(d.tick(), Status::PANICKED);
    assert!(d.publication(probe_v1::HEARD.index()).is_none() && d.latest(probe_v1::HEARD.index()).is_none());
}

#[test]
fn parallel_loops_reach_each_item_once_and_work_inside_a_slot() {
    let mut d = driver("par");
    assert_eq!(d.tick(), Status::OK);
    assert_eq!(latest(&mut d), (0..10).map(|n| n as f32).collect::<Vec<_>>());
    let mut d = driver("par in slot");
    assert_eq!(d.tick(), Status::OK);
    assert_eq!(latest(&mut d)[9], 18.0);
}

#[test]
fn a_panic_in_a_chunk_is_reported_once_and_ends_the_tick() {
    let mut d = driver("panic in par");
    assert_eq!(d.tick(), Status::PANICKED);
    assert_eq!(d.told(|t| (t.panics.len(), t.panics[0].0.clone())), (1, "no four today".into()));
    d.host.refuse = Some(Status::CANCELLED);
    assert_eq!(d.tick(), Status::CANCELLED, "a replaced instance stops at its next host call");
    assert_eq!(d.told(|t| t.panics.len()), 1);
}

#[test]
fn ports_are_read_as_published_and_are_zero_before() {
    let mut d = driver("read");
    d.tick();
    assert_eq!(latest(&mut d), [0.0, 0.0, 0.0, 0.0, 1.0, -1.0, 0.0]);
    let mut cam = vec![0.0; 19];
    cam.push(0.25);
    d.feed(probe_v1::CAMERA.index(), 1, &floats(&cam));
    d.feed(probe_v1::LEVELS.index(), 1, &floats(&[1.0, 2.0, 3.0]));
    d.feed(probe_v1::POSES.index(), 0, &floats(&[0.0, 0.0, 0.0, 10.0]));
    d.tick();
    assert_eq!(latest(&mut d), [0.25, 1.0, 10.0, 10.0, 1.0, 0.0, 3.0], "one publication is its own previous");
    d.feed(probe_v1::POSES.index(), 2, &floats(&[0.0, 0.0, 0.0, 20.0]));
    d.blend = 0.5;
    d.tick();
    assert_eq!(latest(&mut d)[2..6], [10.0, 20.0, 0.5, 2.0]);
}

#[test]
fn mail_comes_in_and_goes_out_and_a_full_outbox_says_so() {
    let mut d = driver("mail");
    d.mail = vec![("a".into(), b"1".to_vec()), ("b".into(), b"2".to_vec())];
    d.tick();
    assert_eq!(d.told(|t| t.sent.clone()), [("echo".to_owned(), b"a1b2".to_vec())]);
    for (status, says) in [
        (Status::OUTBOX_FULL, "the outbox is full"),
        (Status::NOT_FOUND, "no cell called `echo`"),
        (Status::CANCELLED, "was replaced"),
        (Status::QUOTA, "0 bytes is too large"),
    ] {
        d.host.refuse = Some(status);
        assert_eq!(d.tick(), Status::OK);
        assert!(d.told(|t| t.log.last().unwrap().2.contains(says)), "{says}");
    }
}

#[test]
fn events_land_in_the_log_with_level_target_and_fields() {
    let mut d = driver("log");
    d.tick();
    let log = d.told(|t| t.log.clone());
    assert_eq!(log, [(LogLevel::INFO.0, "driven".to_owned(), "ready frame=0 what=\"tea\"".to_owned())]);
    d.host.log_level = LogLevel::TRACE;
    d.tick();
    assert_eq!(d.told(|t| t.log.len()), 3);
}

#[test]
fn requests_reach_the_host() {
    let mut d = driver("requests");
    d.input.press(Key::Escape);
    d.tick();
    assert_eq!(d.told(|t| t.requests.clone()), [Request::PASSES, Request::LOAD, Request::QUIT]);
}

#[test]
fn parameters_are_decoded_once_per_version_and_checked() {
    let mut d = driver("params");
    d.tick();
    assert_eq!(latest(&mut d), [120.0, 9.0, 0.0, -5.0, -1.0, 1.0]);
    d.tick();
    assert_eq!(latest(&mut d)[5], 0.0, "not changed since");
    d.params_version = 2;
    let given = d.params.len() - 16;
    d.params[given] = 1;
    d.passes();
    d.tick();
    assert_eq!(latest(&mut d)[4..], [80.0, 1.0], "changed, though `passes` saw it first");
    (d.params_version, d.params) = (3, vec![1, 2, 3]);
    assert_eq!(d.tick(), Status::FAILED);
    assert!(d.told(|t| t.fails[0].contains("do not fit this build's port table")));
}

#[test]
fn a_load_seals_and_its_errors_are_sentences() {
    let mut d = driver("");
    assert_eq!(d.load(), Status::OK);
    let sealed = d.told(|t| t.sealed.clone());
    let (desc, bytes) = &sealed[0];
    assert_eq!(
        (desc.kind, desc.format, desc.width, desc.height, desc.mips),
        (SealKind::TEXTURE_2D, 2, 2, 2, 2)
    );
    assert_eq!(bytes, &[1, 2, 3, 4, 5]);
    assert_eq!(sealed[1].1, floats(&[1.0, 2.0, 3.0, 4.0].repeat(3)));
    assert_eq!((sealed[2].0.kind, sealed[2].1.len()), (SealKind::BUFFER, 24));
    for (mode, says) in [
        ("refuse", "the moon is not full"),
        ("bad texture", "rgba8unorm texture of 4x2 pixels with 3 levels has 44 bytes, but 40 were given"),
    ] {
        let mut d = driver(mode);
        assert_eq!(d.load(), Status::FAILED);
        assert!(d.told(|t| t.fails[0].contains(says)), "{mode}: {:?}", d.told(|t| t.fails.clone()));
    }
    let mut d = driver("");
    d.host.assets.clear();
    assert_eq!(d.load(), Status::FAILED);
    assert_eq!(d.told(|t| t.fails[0].clone()), "the assets folder has no file `a.bin`");
}

#[test]
fn passes_arrive_as_the_list_that_was_built() {
    use cell_wire::{
        ColorTarget, Compute, DepthTarget, Draw, Pass, PassList, Raster, Read, SealedBind, Store, ViewOf,
        Work,
    };
    let mut d = driver("");
    d.load();
    assert_eq!(d.passes(), Status::OK);
    let list: PassList = cell_wire::decode(&d.told(|t| t.passes[0].clone())).unwrap();

    let pass = |label: &str, raster: Raster| Pass {
        label: label.into(),
        work: Work::Raster(raster),
        reads: Vec::new(),
        sealed: Vec::new(),
    };
    let color = |port, level, blend| ColorTarget { port, level, blend };
    let read = |port, view| Read { port, view };
    let bind = |port, id| SealedBind { port, id };
    let depth =
        |port, write, compare, bias, slope_bias| Some(DepthTarget { port, write, compare, bias, slope_bias });
    let published = |port| Count::Published { port };
    let vs_fs = || Raster { vertex: Some("vs".into()), fragment: Some("fs".into()), ..Raster::default() };
    let draw = |first, count, base_vertex, first_instance, instances, sealed: &[SealedBind]| Draw {
        first,
        count,
        base_vertex,
        first_instance,
        instances,
        sealed: sealed.to_vec(),
    };
    let mesh_binds = [bind(6, 102), bind(7, 103)];
    let expected = PassList {
        passes: vec![
            Pass {
                reads: vec![read(0, ViewOf::Whole), read(0, ViewOf::Previous), read(1, ViewOf::Whole)],
                ..pass(
                    "threshold",
                    Raster {
                        fragment: Some("threshold".into()),
                        color: vec![color(4, 0, Blend::Replace)],
                        draws: vec![Draw::triangle()],
                        ..Raster::default()
                    },
                )
            },
            Pass {
                reads: vec![read(4, ViewOf::Level(1))],
                ..pass(
                    "up 1",
                    Raster {
                        fragment: Some("up".into()),
                        color: vec![color(4, 0, Blend::Add), color(15, 0, Blend::Alpha)],
                        draws: vec![Draw::triangle()],
                        ..Raster::default()
                    },
                )
            },
            Pass {
                sealed: vec![bind(5, 101)],
                ..pass(
                    "fs",
                    Raster {
                        color: vec![color(14, 0, Blend::Replace)],
                        depth: depth(12, true, Compare::Greater, 0, 0.0),
                        vertex_ports: vec![6, 8],
                        index_port: Some(7),
                        cull: Cull::Back,
                        draws: vec![
                            draw(0, Count::Fixed(6), 0, 0, published(8), &mesh_binds),
                            draw(3, Count::Fixed(3), 1, 2, Count::Fixed(1), &mesh_binds),
                            draw(0, Count::Fixed(6), 0, 0, Count::FromBuffer { port: 9, index: 1 }, &[]),
                        ],
                        ..vs_fs()
                    },
                )
            },
            pass(
                "vs",
                Raster {
                    vertex: Some("vs".into()),
                    depth: depth(13, true, Compare::Greater, 2, 1.5),
                    vertex_ports: vec![8],
                    draws: vec![draw(0, Count::Fixed(3), 0, 0, published(8), &[])],
                    ..Raster::default()
                },
            ),
            pass(
                "fs",
                Raster {
                    color: vec![color(15, 0, Blend::Replace)],
                    depth: depth(12, false, Compare::GreaterEqual, 0, 0.0),
                    vertex_ports: vec![2],
                    topology: Topology::Points,
                    draws: vec![draw(0, Count::Fixed(36), 0, 0, published(2), &[])],
                    ..vs_fs()
                },
            ),
            Pass {
                label: "cs".into(),
                work: Work::Compute(Compute {
                    entry: "cs".into(),
                    groups: [8, 1, 2],
                    stores: vec![Store { port: 4, level: 2 }],
                }),
                reads: vec![read(3, ViewOf::Whole)],
                sealed: Vec::new(),
            },
        ],
    };
    for (n, (found, expected)) in list.passes.iter().zip(&expected.passes).enumerate() {
        assert_eq!(found, expected, "pass {n}");
    }
    assert_eq!(list, expected);
}

#[test]
fn a_host_of_another_abi_is_refused_and_null_is_no_state() {
    #![expect(unsafe_code, reason = "calls entries with null")]
    let mut state = core::ptr::null_mut();
    // SAFETY: the entries check for null.
    unsafe {
        assert_eq!((CELL_TABLE_V1.create)(core::ptr::null(), core::ptr::null(), &mut state), Status::INVALID);
        assert_eq!((CELL_TABLE_V1.tick)(core::ptr::null_mut(), core::ptr::null()), Status::INVALID);
        assert_eq!((CELL_TABLE_V1.destroy)(core::ptr::null_mut()), Status::INVALID);
    }
}
