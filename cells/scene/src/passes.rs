//! The draws of a model: what is sealed, what is counted, and the list of passes.
use crate::{
    albedo,
    batches::Batch,
    bones,
    bounds::Bounds,
    camera, corners, counts, details, emission_map,
    gpu::{Bones, Detail, Instance, Maps, Material, Vertex},
    light::lamp_counts,
    maps,
    material::{Content, Coverage, Program},
    materials, normal_map, occlusion_map, places, poses, punctual, scene_color, scene_depth, scene_v1,
    shadow, sky_light, sky_mirror, sun_light, surface_map, triangles,
};
use cell::prelude::*;
use glam::Vec3;
use std::{collections::BTreeMap, ops::Range};

/// As many counts as the port holds; draws beyond them are never left out.
const MAX_COUNTS: usize = 4096;
/// The count that empties the shadow map.
const EMPTY: usize = 0;
/// The count of the merged batches' shadows.
const MERGED: usize = 1;
/// The count of the first batch; those of the other shadows follow the last one's.
const FIRST: usize = 2;

/// A model that is sealed and can be drawn.
pub(crate) struct Ready {
    pub(crate) corners: Sealed<SealedVertices<Vertex>>,
    /// Of the first corners.
    pub(crate) details: Sealed<SealedVertices<Detail>>,
    /// Of the first corners.
    pub(crate) bones: Sealed<SealedVertices<Bones>>,
    pub(crate) triangles: Sealed<SealedIndices>,
    pub(crate) places: Sealed<SealedInstances<Instance>>,
    pub(crate) materials: Sealed<SealedStorage<Material>>,
    pub(crate) maps: Sealed<SealedStorage<Maps>>,
    /// By the image's number in the file and what it holds.
    pub(crate) pictures: BTreeMap<(usize, Content), Sealed<SealedTexture>>,
    /// For materials without a picture.
    pub(crate) white: Sealed<SealedTexture>,
    pub(crate) batches: Vec<Batch>,
    /// The batches that let through, farthest first.
    pub(crate) see_through: Vec<usize>,
    /// The indices of merged batches that throw solid shadows.
    pub(crate) merged_shadow: Range<u32>,
    /// Around everything that throws a shadow.
    pub(crate) shadow_bounds: Bounds,
}

/// The shadows that are not merged with all others.
const SHADOWS: [(Program, Coverage); 4] = [
    (Program::Detailed, Coverage::Opaque),
    (Program::Posed, Coverage::Opaque),
    (Program::Detailed, Coverage::Masked),
    (Program::Posed, Coverage::Masked),
];

impl Ready {
    /// Writes into `out` how much of each draw is drawn: nothing where `seen` is false, no shadows unless
    /// `shadows`.
    pub(crate) fn count(&self, shadows: bool, seen: &[bool], out: &mut Vec<u32>) {
        out.clear();
        out.extend(if shadows { [3, self.merged_shadow.len() as u32] } else { [0, 0] });
        let all = |b: &Batch| if b.is_instanced() { b.instances } else { b.count };
        out.extend(self.batches.iter().zip(seen).map(|(b, seen)| if *seen { all(b) } else { 0 }));
        out.extend(self.own_shadows().map(|b| if shadows { all(b) } else { 0 }));
        out.truncate(MAX_COUNTS);
    }

    /// Sorts what lets through by its distance from the eye; returns whether the order is another one now.
    pub(crate) fn sort(&mut self, eye: Vec3) -> bool {
        far_first(&mut self.see_through, &self.batches, eye)
    }

    /// Lists the passes.
    pub(crate) fn passes(&self, p: &mut Passes<scene_v1>) {
        self.shadows(p);
        for program in [Program::Plain, Program::Posed] {
            for double_sided in [false, true] {
                // Without a material, the plain and the detailed ones are drawn alike.
                let these = self.with(|b| {
                    b.look.coverage == Coverage::Opaque
                        && b.look.double_sided == double_sided
                        && (b.look.program == Program::Posed) == (program == Program::Posed)
                });
                if these.is_empty() {
                    continue;
                }
                let entry = if program == Program::Posed { "vs_posed_depth" } else { "vs" };
                let pass = p.depth_only(entry).label("depth").read(camera).depth(scene_depth);
                let mut pass = self.with_depth_buffers(pass, program).cull(cull(double_sided));
                for (n, b) in these {
                    pass = pass.draw(draw_of(b, FIRST + n));
                }
            }
        }
        for coverage in [Coverage::Opaque, Coverage::Masked] {
            for program in [Program::Plain, Program::Detailed, Program::Posed] {
                for double_sided in [false, true] {
                    let these = self.with(|b| {
                        (b.look.coverage, b.look.program, b.look.double_sided)
                            == (coverage, program, double_sided)
                    });
                    self.surfaces(p, coverage, program, cull(double_sided), these);
                }
            }
        }
        let [x, z] = lamp_counts(p.params().lamps.spacing, self.shadow_bounds);
        if x * z > 0 {
            p.draw("vs_lamp", "fs_lamp")
                .label("lamps")
                .read(camera)
                .read(sky_light)
                .read(sun_light)
                .blend(scene_color, Blend::Premultiplied)
                .depth_test(scene_depth, Compare::Greater, DepthWrite::No)
                .draw(DrawCall::vertices(0, 6).instances(x * z));
        }
        let these = self.see_through.iter().map(|n| (*n, &self.batches[*n])).collect();
        self.surfaces(p, Coverage::Blended, Program::Posed, Cull::None, these);
    }

    fn shadows(&self, p: &mut Passes<scene_v1>) {
        p.depth_only("vs_empty")
            .label("shadow-empty")
            .depth_test(shadow, Compare::Always, DepthWrite::Yes)
            .draw(DrawCall::vertices(0, counted(counts, EMPTY as u32)));
        let slot = FIRST + self.batches.len();
        for (program, coverage) in SHADOWS {
            let posed = program == Program::Posed;
            let fits = |b: &Batch| b.look.coverage == coverage && (b.look.program == Program::Posed) == posed;
            let these: Vec<_> = self.own_shadows().enumerate().filter(|(_, b)| fits(b)).collect();
            let merged = coverage == Coverage::Opaque && !posed && !self.merged_shadow.is_empty();
            if these.is_empty() && !merged {
                continue;
            }
            let entry = if posed { "vs_posed_shadow" } else { "vs_shadow" };
            let cut = if posed { "vs_posed_shadow_cut" } else { "vs_shadow_cut" };
            let pass =
                if coverage == Coverage::Masked { p.draw(cut, "fs_shadow_cut") } else { p.depth_only(entry) };
            let pass = pass.label("shadow").read(sun_light).depth(shadow).bias(0, -2.0);
            let mut pass = if coverage == Coverage::Masked {
                self.with_buffers(pass, program).bind(materials, &self.materials)
            } else {
                self.with_depth_buffers(pass, program)
            };
            if merged {
                let indices = counted(counts, MERGED as u32);
                pass = pass.draw(DrawCall::indexed(self.merged_shadow.start, indices).instances(1));
            }
            for (k, b) in these {
                let draw = draw_of(b, slot + k);
                pass = pass.draw(if coverage == Coverage::Masked {
                    draw.bind(albedo, self.picture(b.look.images.albedo, Content::Color))
                } else {
                    draw
                });
            }
        }
    }

    /// The batches whose shadows are not merged.
    fn own_shadows(&self) -> impl Iterator<Item = &Batch> {
        self.batches.iter().filter(|b| b.look.shadow && !b.shadow_is_merged())
    }

    fn surfaces(
        &self,
        p: &mut Passes<scene_v1>,
        coverage: Coverage,
        program: Program,
        cull: Cull,
        these: Vec<(usize, &Batch)>,
    ) {
        if these.is_empty() {
            return;
        }
        let vertex = match program {
            Program::Plain => "vs",
            Program::Detailed => "vs_detailed",
            Program::Posed => "vs_posed",
        };
        let fragment = match (program, coverage) {
            (Program::Plain, _) => "fs",
            (_, Coverage::Opaque) => "fs_detailed",
            (_, Coverage::Masked) => "fs_masked",
            (_, Coverage::Blended) => "fs_blended",
        };
        let pass =
            p.draw(vertex, fragment).read(camera).read(sky_light).read(sun_light).read(shadow).read(punctual);
        let pass = match coverage {
            // The depth pass has decided already who is nearest.
            Coverage::Opaque => {
                pass.write(scene_color).depth_test(scene_depth, Compare::GreaterEqual, DepthWrite::No)
            }
            Coverage::Masked => pass.write(scene_color).depth(scene_depth),
            Coverage::Blended => pass.blend(scene_color, Blend::Alpha).depth_test(
                scene_depth,
                Compare::GreaterEqual,
                DepthWrite::No,
            ),
        };
        let mut pass = self.with_buffers(pass, program).bind(materials, &self.materials).cull(cull);
        if program != Program::Plain {
            pass = pass.read(sky_mirror).bind(maps, &self.maps);
        }
        for (n, b) in these {
            let images = b.look.images;
            let draw = draw_of(b, FIRST + n)
                .bind(albedo, self.picture(images.albedo, Content::Color))
                .bind(emission_map, self.picture(images.emission, Content::Color));
            pass = pass.draw(if program == Program::Plain {
                draw
            } else {
                draw.bind(normal_map, self.picture(images.normal, Content::Data))
                    .bind(surface_map, self.picture(images.surface, Content::Data))
                    .bind(occlusion_map, self.picture(images.occlusion, Content::Data))
            });
        }
    }

    /// Returns the batches that fit, with their numbers.
    fn with(&self, fits: impl Fn(&Batch) -> bool) -> Vec<(usize, &Batch)> {
        self.batches.iter().enumerate().filter(|(_, b)| fits(b)).collect()
    }

    /// Adds what is needed to know where corners are.
    fn with_depth_buffers<'p>(&self, pass: cell::RasterPass<'p>, program: Program) -> cell::RasterPass<'p> {
        let pass = pass
            .vertices(corners)
            .indices(triangles)
            .bind(corners, &self.corners)
            .bind(triangles, &self.triangles);
        match program {
            Program::Posed => pass.vertices(bones).bind(bones, &self.bones).read(poses),
            _ => pass.instances(places).bind(places, &self.places),
        }
    }

    /// Adds what is needed to know all about corners.
    fn with_buffers<'p>(&self, pass: cell::RasterPass<'p>, program: Program) -> cell::RasterPass<'p> {
        let pass = self.with_depth_buffers(pass, program);
        match program {
            Program::Plain => pass,
            _ => pass.vertices(details).bind(details, &self.details),
        }
    }

    fn picture(&self, image: Option<usize>, content: Content) -> &Sealed<SealedTexture> {
        image.and_then(|n| self.pictures.get(&(n, content))).unwrap_or(&self.white)
    }
}

/// Sorts batches by the distance of their middles from the eye, farthest first; returns whether the order is another
/// one now.
pub(crate) fn far_first(order: &mut [usize], batches: &[Batch], eye: Vec3) -> bool {
    let far = |n: &usize| batches[*n].bounds.middle().distance_squared(eye);
    let is_sorted = order.is_sorted_by(|a, b| far(a) >= far(b));
    if !is_sorted {
        order.sort_by(|a, b| far(b).total_cmp(&far(a)).then(a.cmp(b)));
    }
    !is_sorted
}

fn cull(double_sided: bool) -> Cull {
    if double_sided { Cull::None } else { Cull::Back }
}

/// Draws a batch, as much of it as the count with number `slot` says.
fn draw_of(b: &Batch, slot: usize) -> DrawCall {
    let all = if b.is_instanced() { b.instances } else { b.count };
    let number = if slot < MAX_COUNTS { counted(counts, slot as u32) } else { Count::Fixed(all) };
    if b.is_instanced() {
        DrawCall::indexed(b.first, b.count).first_instance(b.first_instance).instances(number)
    } else {
        DrawCall::indexed(b.first, number).instances(1)
    }
}
