//! A file, read and made ready for drawing.
use crate::{
    batches::{Batches, Part},
    document::{Document, Fetch},
    error::SceneError,
    gpu::Material,
    material, mesh,
    nodes::{self, Global, NodeIndex, Shows},
    texture::Picture,
};
use bevy_ecs::prelude::*;
use glam::Mat4;
use std::collections::BTreeMap;

/// A file, read and made ready for drawing.
#[derive(Debug)]
pub(crate) struct Model {
    /// All draws.
    pub(crate) batches: Batches,
    /// The file's materials; glTF's default comes last if it is used.
    pub(crate) materials: Vec<Material>,
    /// The images that batches name, by their number in the file.
    pub(crate) pictures: BTreeMap<usize, Picture>,
    /// Primitives of points and lines, which are not drawn.
    pub(crate) skipped: usize,
}

impl Model {
    /// Reads the asset `file`, spawning its nodes into `world`; `fetch` gets the other assets it refers to.
    ///
    /// # Errors
    /// [`SceneError`] with the file, the place in it and the cause.
    pub(crate) fn read(
        file: &str,
        bytes: &[u8],
        fetch: Fetch<'_>,
        world: &mut World,
    ) -> Result<Self, SceneError> {
        let doc = Document::open(file, bytes, fetch)?;
        let mut looks = Vec::new();
        let mut materials = Vec::new();
        for (n, m) in doc.json.materials().enumerate() {
            let (material, look) = material::read(n, &m);
            materials.push(material);
            looks.push(look);
        }
        let places = places(&doc, world)?;
        let mut shown = vec![false; doc.json.meshes().len()];
        for (mesh, _) in &places {
            shown[*mesh] = true;
        }
        let mut skipped = 0;
        let mut meshes = Vec::new();
        for m in doc.json.meshes() {
            let mut parts = Vec::new();
            for p in m.primitives().filter(|_| shown[m.index()]) {
                let number = match p.material().index() {
                    Some(n) => n,
                    None => {
                        if looks.len() == doc.json.materials().len() {
                            let (material, look) = material::read(looks.len(), &p.material());
                            materials.push(material);
                            looks.push(look);
                        }
                        looks.len() - 1
                    }
                };
                match mesh::read(&doc, m.index(), &p)? {
                    Some(triangles) => {
                        parts.push(Part { material: number as u32, look: looks[number], triangles });
                    }
                    None => skipped += 1,
                }
            }
            meshes.push(parts);
        }
        let batches = Batches::build(&doc, &meshes, &places)?;
        let mut pictures = BTreeMap::new();
        for image in batches.list.iter().flat_map(|b| [b.look.albedo, b.look.emission]).flatten() {
            if let (false, Some(found)) = (pictures.contains_key(&image), doc.json.images().nth(image)) {
                let bytes = doc.image(&found, fetch)?;
                let what = format!("image {image}");
                pictures.insert(image, Picture::decode(doc.blame(), &what, &bytes)?);
            }
        }
        Ok(Self { batches, materials, pictures, skipped })
    }
}

/// Spawns the nodes and returns each that shows a mesh, in the file's order, with its place in the world.
fn places(doc: &Document, world: &mut World) -> Result<Vec<(usize, Mat4)>, SceneError> {
    nodes::spawn(doc, world)?;
    let mut schedule = Schedule::default();
    schedule.add_systems(nodes::propagate);
    schedule.run(world);
    let mut found: Vec<_> = world
        .query::<(&NodeIndex, &Shows, &Global)>()
        .iter(world)
        .map(|(node, shows, global)| (*node, shows.0, global.0))
        .collect();
    found.sort_by_key(|(node, ..)| *node);
    if let Some((node, ..)) = found.iter().find(|(.., m)| !m.is_finite()) {
        let what = format!("node {}", node.0);
        return Err(doc.blame().broken(what, "has a place in the world that is no number"));
    }
    Ok(found.into_iter().map(|(_, mesh, m)| (mesh, m)).collect())
}
