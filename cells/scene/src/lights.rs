//! The file's own lights (KHR_lights_punctual): points, spots and directions.
use crate::{
    document::Document,
    gpu::Light,
    nodes::{ByIndex, Global},
    notes::Notes,
};
use bevy_ecs::prelude::*;
use glam::Vec3;
use gltf::khr_lights_punctual::Kind;

/// The most lights of a file: as many as the port holds.
pub(crate) const MAX_LIGHTS: usize = 64;

/// The lights of a file, as they are in this frame.
#[derive(Resource, Clone, Debug, Default)]
pub(crate) struct Lights {
    bearers: Vec<Entity>,
    /// One for each bearer, where it is.
    pub(crate) now: Vec<Light>,
}

impl Lights {
    /// Reads the lights of the nodes that are shown, at the origin; [`carry`] brings them where they belong.
    pub(crate) fn read(doc: &Document, nodes: &ByIndex, notes: &mut Notes) -> Self {
        let mut out = Self::default();
        for node in doc.json.nodes() {
            let (Some(light), Some(entity)) = (node.light(), nodes.0[node.index()]) else { continue };
            if out.now.len() == MAX_LIGHTS {
                notes.add(format!("there are more than {MAX_LIGHTS} lights; the first ones shine"));
                break;
            }
            let mut shines = Light {
                position: [0.0; 3],
                range: light.range().unwrap_or(0.0).max(0.0),
                color: light.color().map(|c| c * light.intensity()),
                cone_scale: 0.0,
                direction: [0.0, 0.0, -1.0],
                cone_offset: 1.0,
            };
            match light.kind() {
                Kind::Point => {}
                Kind::Directional => shines.range = -1.0,
                Kind::Spot { inner_cone_angle, outer_cone_angle } => {
                    // As the extension recommends.
                    let (inner, outer) = (inner_cone_angle.cos(), outer_cone_angle.cos());
                    shines.cone_scale = 1.0 / (inner - outer).max(0.001);
                    shines.cone_offset = -outer * shines.cone_scale;
                }
            }
            out.bearers.push(entity);
            out.now.push(shines);
        }
        out
    }
}

/// System: brings the lights where the nodes are that bear them.
pub(crate) fn carry(mut lights: ResMut<Lights>, globals: Query<&Global>) {
    let Lights { bearers, now } = &mut *lights;
    for (entity, light) in bearers.iter().zip(now) {
        if let Ok(Global(m)) = globals.get(*entity) {
            light.position = m.w_axis.truncate().to_array();
            light.direction = (-m.z_axis.truncate()).try_normalize().unwrap_or(Vec3::NEG_Z).to_array();
        }
    }
}
