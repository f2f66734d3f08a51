//! A real exported cell, driven through its C table by `cell::testing`; one file for each side of it.
#![allow(clippy::unwrap_used, reason = "tests")]
mod buffers;
mod calls;
mod contract;
mod load;
mod panics;
mod passes;

use cell::{
    prelude::*,
    testing::{Status, TestCell, TurnError},
};

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

/// Returns an instance that does `mode`, with 50 ticks a second.
fn probe(mode: &str) -> TestCell<Probe> {
    let mut cell = TestCell::new().unwrap();
    cell.rate = 50;
    cell.set("mode", mode);
    cell.set("gain", 0.5);
    cell.set("sun.azimuth", 120.0);
    cell.set("sun.count", 9);
    cell.set("sun.on", false);
    cell.set("sun.turn", -5);
    cell.asset("a.bin", [1, 2, 3, 4, 5, 6]);
    cell
}
