//! A cell: a glTF world with a sun, shadows, haze, street lamps and lit windows.
//!
//! It loads `gltf` (and what that refers to), merges what stands still into a few batches, instances meshes that
//! stand eight times or more, and draws them with a shadow map of its own under the light of `sky_light`. The
//! hierarchy lives in a `bevy_ecs` world, the batches too: a system decides in each tick which of them the camera
//! can see.
//!
//! Names of materials mean something: "wall..." gets windows (its texture coordinates are metres; `windows` says how
//! large bays and storeys are, and how many glow), "ground..." throws no shadow. `sun` is a compass azimuth and a
//! height in degrees; low suns are red, and the lower it stands, the more windows and `lamps` are lit. Lamps stand
//! in squares of `lamps.spacing` metres (0: none).
mod accessor;
mod batches;
mod bounds;
mod culling;
mod document;
mod error;
mod gpu;
mod light;
mod material;
mod mesh;
mod model;
#[cfg(test)]
mod model_tests;
mod nodes;
mod passes;
mod sun;
mod texture;

use bevy_ecs::prelude::World;
use bounds::Frustum;
use camera_api::CameraView;
use cell::prelude::*;
use cell_ecs::Ecs;
use culling::{Seen, View};
use glam::Mat4;
use gpu::{Instance, Material, SunLight, Vertex};
use model::Model;
use passes::Ready;
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
    },
    input:  SceneSees { camera: now Uniform<CameraView>, sky_light: Uniform<SkyLight> },
    own:    SceneOwns {
        albedo: SealedTexture, emission_map: SealedTexture, materials: SealedStorage<Material>,
        corners: SealedVertices<Vertex>, triangles: SealedIndices, places: SealedInstances<Instance>,
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
    /// In how many ticks to come the shadow map is still drawn.
    shadow_due: u32,
    counts: Vec<u32>,
}

impl Cell for Scene {
    fn load(&mut self, cx: &mut Load<scene_v1>) -> Result<(), LoadError> {
        let file = &cx.params().gltf;
        let bytes = cx.asset(file)?;
        let mut fetch = |path: &str| cx.asset(path).map(|a| a.to_vec()).map_err(|e| e.to_string());
        let mut world = World::new();
        let model = Model::read(file, &bytes, &mut fetch, &mut world).map_err(LoadError::new)?;
        if model.skipped > 0 {
            warn!("{file}: {} primitives of points or lines are not drawn", model.skipped);
        }
        if model.batches.list.is_empty() {
            warn!("{file}: the scene shows no triangles");
        }
        info!(
            "{file}: {} triangles in {} draws, {} materials, {} images",
            model.batches.indices.len() / 3,
            model.batches.list.len(),
            model.materials.len(),
            model.pictures.len()
        );
        let ready = if model.batches.list.is_empty() { None } else { Some(seal(cx, model)?) };
        let mut ecs = Ecs::default();
        ecs.world = world;
        culling::spawn(&mut ecs.world, ready.as_ref().map_or(&[], |r| &r.batches));
        ecs.schedule.add_systems(culling::cull);
        (self.ecs, self.ready, self.shadow_due) = (ecs, ready, SHADOW_FRAMES);
        Ok(())
    }

    fn tick(&mut self, cx: &mut Cx<scene_v1>) {
        let Some(ready) = &self.ready else { return };
        let view = cx.camera();
        let light = light::sun_light(cx.params(), ready.shadow_bounds, view.position.into());
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

        let frustum = || Frustum::new(Mat4::from_cols_array_2d(&view.view_proj));
        self.ecs.world.resource_mut::<View>().0 = view.is_published().then(frustum);
        self.ecs.run(cx);
        let seen = self.ecs.world.resource::<Seen>();
        ready.count(self.shadow_due > 0, &seen.0, &mut self.counts);
        self.shadow_due = self.shadow_due.saturating_sub(1);
        if cx.counts().last() != self.counts {
            cx.counts().write(&self.counts);
        }
    }

    fn passes(&self, p: &mut Passes<scene_v1>) {
        if let Some(ready) = &self.ready {
            ready.passes(p);
        }
    }
}

/// Hands a model to the host.
fn seal(cx: &Load<scene_v1>, model: Model) -> Result<Ready, LoadError> {
    let texture =
        |p: &Picture| cx.seal_texture(TextureFormat::Rgba8UnormSrgb, [p.width, p.height], p.mips, &p.bytes);
    let batches = &model.batches;
    Ok(Ready {
        corners: cx.seal_vertices(&batches.vertices)?,
        triangles: cx.seal_indices(&batches.indices)?,
        places: cx.seal_instances(&batches.instances)?,
        materials: cx.seal_storage(&model.materials)?,
        pictures: model
            .pictures
            .iter()
            .map(|(n, p)| Ok((*n, texture(p)?)))
            .collect::<Result<_, LoadError>>()?,
        white: texture(&Picture::plain([255; 4]))?,
        merged_shadow: batches.merged_shadow_indices(),
        shadow_bounds: batches.shadow_bounds(),
        batches: model.batches.list,
    })
}

cell::export!(Scene);
