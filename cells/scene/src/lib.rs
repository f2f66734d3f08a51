//! A cell: a glTF world with a sun, shadows, haze, street lamps and lit windows.
//!
//! It loads `gltf` (and what that refers to), merges what stands still into a few batches, instances meshes that
//! stand eight times or more, and draws them with a shadow map of its own under the light of `sky_light` and
//! `sky_mirror`. The hierarchy lives in a `bevy_ecs` world, the batches too: systems move the nodes as the clip
//! `animation.clip` says (the first if it is empty), bring joints and lights along, and decide in each tick which
//! batches the camera can see. What moves or lets through follows poses, one matrix for each joint or node; what
//! lets through is drawn last, farthest first.
//!
//! A material is drawn by the plain shader if it is rough, opaque and no metal, and by that of all of glTF (maps,
//! vertex colours, unlit) if it asks for more. What a file asks for and does not get is told once, as a warning.
//!
//! Names of materials mean something: "wall..." gets windows (its texture coordinates are metres; `windows` says how
//! large bays and storeys are, and how many glow), "ground..." throws no shadow. `sun` is a compass azimuth and a
//! height in degrees; low suns are red, and the lower it stands, the more windows and `lamps` are lit. Lamps stand
//! in squares of `lamps.spacing` metres (0: none).
mod accessor;
mod animation;
mod batches;
mod bounds;
mod culling;
mod document;
mod error;
mod extensions;
mod geometry;
mod gpu;
mod light;
mod lights;
mod maps;
mod material;
mod mesh;
mod model;
#[cfg(test)]
mod model_tests;
mod nodes;
mod notes;
mod passes;
mod poses;
mod sun;
mod tangents;
mod texture;

use animation::{Clips, Playing};
use bevy_ecs::prelude::{IntoScheduleConfigs as _, World};
use bounds::Frustum;
use camera_api::CameraView;
use cell::prelude::*;
use cell_ecs::Ecs;
use culling::{Seen, View};
use glam::Mat4;
use gpu::{Bones, Detail, Instance, Light, Maps, Material, Pose, SunLight, Vertex};
use lights::Lights;
use material::{Content, Coverage};
use model::Model;
use passes::Ready;
use poses::Poses;
use sky_api::SkyLight;
use texture::Picture;

signal_receptor! {
    name: scene_v1, shader: "scene.wgsl",
    params: {
        gltf: Asset,
        sun: { azimuth: f32 = 230.0, height: f32 = 12.0, strength: f32 = 5.0, tint: Vec3 = [1.0, 1.0, 1.0] },
        ambient: f32 = 1.0, shadow_distance: f32 = 1200.0,
        fog: { density: f32 = 0.0006, height: f32 = 120.0 },
        windows: {
            lit: f32 = 0.35, street: f32 = 0.35, strength: f32 = 3.0, bay: f32 = 3.0, storey: f32 = 3.2,
        },
        lamps: { spacing: f32 = 0.0, height: f32 = 4.5, strength: f32 = 12.0 },
        lights: { strength: f32 = 1.0 },
        animation: { clip: Text = "", speed: f32 = 1.0 },
    },
    input:  SceneSees {
        camera: now Uniform<CameraView>, sky_light: Uniform<SkyLight>,
        sky_mirror: TextureRef<Rgba16Float, 256, 256> = keep,
    },
    own:    SceneOwns {
        albedo: SealedTexture, emission_map: SealedTexture, materials: SealedStorage<Material>,
        corners: SealedVertices<Vertex>, triangles: SealedIndices, places: SealedInstances<Instance>,
        normal_map: SealedTexture, surface_map: SealedTexture, occlusion_map: SealedTexture,
        maps: SealedStorage<Maps>, details: SealedVertices<Detail>, bones: SealedVertices<Bones>,
        poses: Buffer<Pose, 16384>, punctual: Buffer<Light, 64>,
        shadow: TextureRef<Depth32Float, 2048, 2048> = keep,
        sun_light: Uniform<SunLight>, counts: Counts<4096>,
    },
    output: SceneMakes { scene_color: Screen<Rgba16Float, 1, 1>, scene_depth: Screen<Depth32Float, 1, 1> },
}

/// After a change the shadow map is drawn in so many frames, in case one of them is dropped.
const SHADOW_FRAMES: u32 = 2;
/// And once in so many frames all the same, in case the GPU lost it.
const SHADOW_EVERY: u64 = 64;

#[derive(Default)]
struct Scene {
    ecs: Ecs,
    ready: Option<Ready>,
    /// The name of the clip that plays; `None` after a load.
    clip: Option<String>,
    /// In how many ticks to come the shadow map is still drawn.
    shadow_due: u32,
    counts: Vec<u32>,
    poses: Vec<Pose>,
    lights: Vec<Light>,
}

impl Cell for Scene {
    fn load(&mut self, cx: &mut Load<scene_v1>) -> Result<(), LoadError> {
        let file = &cx.params().gltf;
        let bytes = cx.asset(file)?;
        let mut fetch = |path: &str| cx.asset(path).map(|a| a.to_vec()).map_err(|e| e.to_string());
        let mut world = World::new();
        let model = Model::read(file, &bytes, &mut fetch, &mut world).map_err(LoadError::new)?;
        for note in model.notes.iter() {
            warn!("{file}: {note}");
        }
        if model.batches.list.is_empty() {
            warn!("{file}: the scene shows no triangles");
        }
        let clips = &world.resource::<Clips>().list;
        info!(
            "{file}: {} triangles in {} draws, {} materials, {} images, {} clips, {} lights",
            model.batches.geometry.indices.len() / 3,
            model.batches.list.len(),
            model.materials.len(),
            model.pictures.len(),
            clips.len(),
            world.resource::<Lights>().now.len(),
        );
        let moves = !clips.is_empty();
        let ready = if model.batches.list.is_empty() { None } else { Some(seal(cx, model)?) };
        let mut ecs = Ecs::default();
        ecs.world = world;
        culling::spawn(&mut ecs.world, ready.as_ref().map_or(&[], |r| &r.batches));
        ecs.schedule.add_systems(culling::cull);
        if moves {
            let brought_along = (poses::follow, lights::carry);
            ecs.schedule.add_systems((animation::animate, nodes::propagate, brought_along).chain());
        }
        (self.ecs, self.ready, self.clip, self.shadow_due) = (ecs, ready, None, SHADOW_FRAMES);
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<scene_v1>) {
        let Some(ready) = &mut self.ready else { return };
        let view = cx.camera();
        let world = &mut self.ecs.world;
        let clip = &cx.params().animation.clip;
        if self.clip.as_ref() != Some(clip) {
            choose_clip(cx.params(), world);
            self.clip = Some(clip.clone());
        }
        world.resource_mut::<Playing>().seconds = cx.time() * cx.params().animation.speed;
        let frustum = || Frustum::new(Mat4::from_cols_array_2d(&view.view_proj));
        world.resource_mut::<View>().0 = view.is_published().then(frustum);
        self.ecs.run(cx);
        let world = &self.ecs.world;

        world.resource::<Poses>().write(&mut self.poses);
        if cx.poses().last() != self.poses {
            cx.poses().write(&self.poses);
            self.shadow_due = SHADOW_FRAMES;
        }
        let strength = cx.params().lights.strength;
        let lights = &world.resource::<Lights>().now;
        self.lights.clear();
        self.lights.extend(lights.iter().map(|l| Light { color: l.color.map(|c| c * strength), ..*l }));
        if cx.punctual().last() != self.lights {
            cx.punctual().write(&self.lights);
        }
        let light =
            light::sun_light(cx.params(), ready.shadow_bounds, view.position.into(), self.lights.len());
        let last = cx.sun_light().last();
        if *last != light {
            if last.shadow_proj != light.shadow_proj {
                self.shadow_due = SHADOW_FRAMES;
            }
            cx.sun_light().set(&light);
        }
        if cx.frame().0.is_multiple_of(SHADOW_EVERY) {
            self.shadow_due = self.shadow_due.max(1);
        }

        let seen = world.resource::<Seen>();
        ready.count(self.shadow_due > 0, &seen.0, &mut self.counts);
        self.shadow_due = self.shadow_due.saturating_sub(1);
        if cx.counts().last() != self.counts {
            cx.counts().write(&self.counts);
        }
        if view.is_published() && ready.sort(view.position.into()) {
            cx.resubmit_passes();
        }
    }

    fn passes(&self, p: &mut Passes<scene_v1>) {
        if let Some(ready) = &self.ready {
            ready.passes(p);
        }
    }
}

/// Takes the clip that the parameters name; the first, and a warning, if there is none of that name.
fn choose_clip(params: &Params, world: &mut World) {
    let (file, name) = (&params.gltf, &params.animation.clip);
    let clips = world.resource::<Clips>();
    let found = clips.find(name);
    if found.is_none() {
        let names: Vec<&str> = clips.list.iter().map(|c| c.name.as_str()).collect();
        warn!("{file}: there is no clip {name:?}; it has {names:?}");
    }
    world.resource_mut::<Playing>().clip = found.unwrap_or(0);
}

/// Hands a model to the host.
fn seal(cx: &Load<scene_v1>, model: Model) -> Result<Ready, LoadError> {
    let texture = |p: &Picture| {
        let format = match p.content {
            Content::Color => TextureFormat::Rgba8UnormSrgb,
            Content::Data => TextureFormat::Rgba8Unorm,
        };
        cx.seal_texture(format, [p.width, p.height], p.mips, &p.bytes)
    };
    let batches = &model.batches;
    let geometry = &batches.geometry;
    let see_through = |(n, b): (usize, &batches::Batch)| (b.look.coverage == Coverage::Blended).then_some(n);
    Ok(Ready {
        corners: cx.seal_vertices(&geometry.vertices)?,
        details: cx.seal_vertices(&geometry.details)?,
        bones: cx.seal_vertices(&geometry.bones)?,
        triangles: cx.seal_indices(&geometry.indices)?,
        places: cx.seal_instances(&batches.instances)?,
        materials: cx.seal_storage(&model.materials)?,
        maps: cx.seal_storage(&model.maps)?,
        pictures: model
            .pictures
            .iter()
            .map(|(n, p)| Ok((*n, texture(p)?)))
            .collect::<Result<_, LoadError>>()?,
        white: texture(&Picture::plain([255; 4]))?,
        merged_shadow: batches.merged_shadow(),
        shadow_bounds: batches.shadow_bounds(),
        see_through: batches.list.iter().enumerate().filter_map(see_through).collect(),
        batches: model.batches.list,
    })
}

cell::export!(Scene);
