//! A file, read and made ready for drawing.
use crate::{
    animation::{self, Clips, Playing},
    batches::{Batches, Part, Place},
    bounds::Bounds,
    document::{Document, Fetch},
    error::SceneError,
    gpu::{Maps, Material},
    lights::{self, Lights},
    material::{self, Content, Finish, Program},
    mesh,
    nodes::{self, ByIndex, Global, NodeIndex, Shows},
    notes::Notes,
    poses::{self, PoseBook, Poses},
    texture::Picture,
};
use bevy_ecs::prelude::*;
use std::collections::BTreeMap;

/// How much larger the boxes around what moves are made, for what is between the moments that were looked at.
const MARGIN: f32 = 0.05;

/// A file, read and made ready for drawing.
#[derive(Debug)]
pub(crate) struct Model {
    /// All draws.
    pub(crate) batches: Batches,
    /// The file's materials; glTF's default comes last if it is used.
    pub(crate) materials: Vec<Material>,
    /// Their maps.
    pub(crate) maps: Vec<Maps>,
    /// The images that batches name, by their number in the file and what they hold.
    pub(crate) pictures: BTreeMap<(usize, Content), Picture>,
    /// What the file asks for and is not drawn.
    pub(crate) notes: Notes,
}

impl Model {
    /// Reads the asset `file`; `fetch` gets the other assets it refers to. `world` gets its nodes as entities, and
    /// [`Clips`], [`Playing`], [`Poses`] and [`Lights`] as resources.
    ///
    /// # Errors
    /// [`SceneError`] with the file, the place in it and the cause.
    pub(crate) fn read(
        file: &str,
        bytes: &[u8],
        fetch: Fetch<'_>,
        world: &mut World,
    ) -> Result<Self, SceneError> {
        let mut notes = Notes::default();
        let doc = Document::open(file, bytes, fetch, &mut notes)?;
        if doc.json.cameras().next().is_some() {
            notes.add("its cameras are not used; the cell `camera` is the eye");
        }
        let mut finishes: Vec<Finish> =
            doc.json.materials().enumerate().map(|(n, m)| material::read(n, &m, &mut notes)).collect();
        let clips = Clips::read(&doc, &mut notes)?;
        let moves = nodes::below(&doc, clips.moved());
        nodes::spawn(&doc, world)?;
        let nodes = world.resource::<ByIndex>().clone();
        world.insert_resource(Lights::read(&doc, &nodes, &mut notes));
        world.insert_resource(clips);
        world.insert_resource(Playing::default());
        world.insert_resource(Poses::default());
        settle(world);
        let places = places(&doc, &moves, world)?;
        let meshes = meshes(&doc, &places, &mut finishes, &mut notes)?;
        let mut book = PoseBook::new(&doc, &nodes);
        let mut batches = Batches::build(&doc, &meshes, &places, &mut book)?;
        world.insert_resource(book.into_poses());
        measure(&mut batches, world);
        let mut pictures = BTreeMap::new();
        for key in batches.list.iter().flat_map(|b| b.look.images.all()) {
            let (image, content) = key;
            if let (false, Some(found)) = (pictures.contains_key(&key), doc.json.images().nth(image)) {
                let bytes = doc.image(&found, fetch)?;
                let what = format!("image {image}");
                pictures.insert(key, Picture::decode(doc.blame(), &what, &bytes, content)?);
            }
        }
        let materials = finishes.iter().map(|f| f.material).collect();
        let maps = finishes.iter().map(|f| f.maps).collect();
        Ok(Self { batches, materials, maps, pictures, notes })
    }
}

/// Reads the meshes that are shown; glTF's default material is added to `finishes` if one uses it.
fn meshes(
    doc: &Document,
    places: &[Place],
    finishes: &mut Vec<Finish>,
    notes: &mut Notes,
) -> Result<Vec<Vec<Part>>, SceneError> {
    let mut shown = vec![false; doc.json.meshes().len()];
    for place in places {
        shown[place.mesh] = true;
    }
    let named = doc.json.materials().len();
    let mut meshes = Vec::new();
    for m in doc.json.meshes() {
        let mut parts = Vec::new();
        for p in m.primitives().filter(|_| shown[m.index()]) {
            let number = p.material().index().unwrap_or(named);
            if number == finishes.len() {
                finishes.push(material::read(number, &p.material(), notes));
            }
            let finish = &finishes[number];
            if let Some(triangles) = mesh::read(doc, m.index(), &p, finish, notes)? {
                let mut look = finish.look;
                if !triangles.colors.is_empty() {
                    look.program = Program::Detailed;
                }
                parts.push(Part { material: number as u32, look, triangles });
            }
        }
        meshes.push(parts);
    }
    Ok(meshes)
}

/// Returns each node that shows a mesh, in the file's order, with its place in the world.
fn places(doc: &Document, moves: &[bool], world: &mut World) -> Result<Vec<Place>, SceneError> {
    let mut found: Vec<_> = world
        .query::<(Entity, &NodeIndex, &Shows, &Global)>()
        .iter(world)
        .map(|(node, index, shows, global)| (*index, node, *shows, global.0))
        .collect();
    found.sort_by_key(|(index, ..)| *index);
    if let Some((index, ..)) = found.iter().find(|(.., m)| !m.is_finite()) {
        let what = format!("node {}", index.0);
        return Err(doc.blame().broken(what, "has a place in the world that is no number"));
    }
    let place = |(index, node, shows, matrix): (NodeIndex, Entity, Shows, glam::Mat4)| Place {
        mesh: shows.mesh,
        matrix,
        node,
        skin: shows.skin,
        moves: moves[index.0],
    };
    Ok(found.into_iter().map(place).collect())
}

/// Brings everything in the world where its node is.
fn settle(world: &mut World) {
    let mut schedule = Schedule::default();
    schedule.add_systems((nodes::propagate, poses::follow, lights::carry).chain());
    schedule.run(world);
}

/// Finds out where what moves reaches: as the file has it, and at moments of all clips.
fn measure(batches: &mut Batches, world: &mut World) {
    settle(world);
    let mut grow = |world: &World| {
        let poses = world.resource::<Poses>();
        for b in batches.list.iter_mut().filter(|b| !b.reach.is_empty()) {
            b.bounds = b.bounds.union(poses.around(&b.reach));
        }
    };
    grow(world);
    let mut schedule = Schedule::default();
    schedule.add_systems((animation::animate, nodes::propagate, poses::follow).chain());
    let moments: Vec<Playing> = world.resource::<Clips>().moments().collect();
    for moment in &moments {
        world.insert_resource(*moment);
        schedule.run(world);
        grow(world);
    }
    world.insert_resource(Playing::default());
    for b in batches.list.iter_mut().filter(|b| !b.reach.is_empty()) {
        let margin = (b.bounds.max - b.bounds.min) * MARGIN;
        b.bounds = Bounds { min: b.bounds.min - margin, max: b.bounds.max + margin };
    }
}
