//! The draws of a model: what is sealed, what is counted, and the list of passes.
use crate::{
    albedo,
    batches::Batch,
    bounds::Bounds,
    camera, corners, counts, emission_map,
    gpu::{Instance, Material, Vertex},
    light::lamp_counts,
    material::Coverage,
    materials, places, scene_color, scene_depth, scene_v1, shadow, sky_light, sun_light, triangles,
};
use cell::prelude::*;
use std::collections::BTreeMap;

/// As many counts as the port holds; draws beyond them are never left out.
const MAX_COUNTS: usize = 4096;
/// The count that empties the shadow map.
const EMPTY: usize = 0;
/// The count of the merged batches' shadows.
const MERGED: usize = 1;
/// The count of the first batch; those of instanced shadows follow the last one's.
const FIRST: usize = 2;

/// A model that is sealed and can be drawn.
pub(crate) struct Ready {
    pub(crate) corners: Sealed<SealedVertices<Vertex>>,
    pub(crate) triangles: Sealed<SealedIndices>,
    pub(crate) places: Sealed<SealedInstances<Instance>>,
    pub(crate) materials: Sealed<SealedStorage<Material>>,
    /// By the image's number in the file.
    pub(crate) pictures: BTreeMap<usize, Sealed<SealedTexture>>,
    /// For materials without a picture.
    pub(crate) white: Sealed<SealedTexture>,
    pub(crate) batches: Vec<Batch>,
    /// The first indices are those of merged batches that throw shadows: how many.
    pub(crate) merged_shadow: u32,
    /// Around everything that throws a shadow.
    pub(crate) shadow_bounds: Bounds,
}

fn is_instanced(b: &Batch) -> bool {
    b.first_instance > 0
}

impl Ready {
    /// Writes into `out` how much of each draw is drawn: nothing where `seen` is false, no shadows unless
    /// `shadows`.
    pub(crate) fn count(&self, shadows: bool, seen: &[bool], out: &mut Vec<u32>) {
        out.clear();
        out.extend(if shadows { [3, self.merged_shadow] } else { [0, 0] });
        for (b, seen) in self.batches.iter().zip(seen) {
            let all = if is_instanced(b) { b.instances } else { b.count };
            out.push(if *seen { all } else { 0 });
        }
        let instanced = self.batches.iter().filter(|b| is_instanced(b) && b.look.shadow);
        out.extend(instanced.map(|b| if shadows { b.instances } else { 0 }));
        out.truncate(MAX_COUNTS);
    }

    /// Lists the passes.
    pub(crate) fn passes(&self, p: &mut Passes<scene_v1>) {
        p.depth_only("vs_empty")
            .label("shadow-empty")
            .depth_test(shadow, Compare::Always, DepthWrite::Yes)
            .draw(DrawCall::vertices(0, counted(counts, EMPTY as u32)));
        let pass = p.depth_only("vs_shadow").label("shadow").read(sun_light).depth(shadow).bias(0, -2.0);
        let mut pass = self.with_buffers(pass);
        pass = pass.draw(DrawCall::indexed(0, counted(counts, MERGED as u32)).instances(1));
        let instanced = self.batches.iter().filter(|b| is_instanced(b) && b.look.shadow);
        for (k, b) in instanced.enumerate() {
            pass = pass.draw(instances_of(b, FIRST + self.batches.len() + k));
        }
        drop(pass);

        for double_sided in [false, true] {
            let these = self.with(Coverage::Opaque, double_sided);
            if these.is_empty() {
                continue;
            }
            let pass = p.depth_only("vs").label("depth").read(camera).depth(scene_depth);
            let mut pass = self.with_buffers(pass).cull(cull(double_sided));
            for (n, b) in these {
                pass = pass.draw(draw_of(b, n));
            }
        }
        for (coverage, entry) in [(Coverage::Opaque, "fs"), (Coverage::Masked, "fs_masked")] {
            self.surfaces(p, coverage, entry);
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
        self.surfaces(p, Coverage::Blended, "fs_blended");
    }

    fn surfaces(&self, p: &mut Passes<scene_v1>, coverage: Coverage, entry: &str) {
        for double_sided in [false, true] {
            let these = self.with(coverage, double_sided);
            if these.is_empty() {
                continue;
            }
            let pass = p.draw("vs", entry).read(camera).read(sky_light).read(sun_light).read(shadow);
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
            let mut pass = self.with_buffers(pass).bind(materials, &self.materials).cull(cull(double_sided));
            for (n, b) in these {
                pass = pass.draw(
                    draw_of(b, n)
                        .bind(albedo, self.picture(b.look.albedo))
                        .bind(emission_map, self.picture(b.look.emission)),
                );
            }
        }
    }

    /// Returns the batches of a kind with their numbers.
    fn with(&self, coverage: Coverage, double_sided: bool) -> Vec<(usize, &Batch)> {
        let fits = |b: &Batch| b.look.coverage == coverage && b.look.double_sided == double_sided;
        self.batches.iter().enumerate().filter(|(_, b)| fits(b)).collect()
    }

    fn with_buffers<'p>(&self, pass: cell::RasterPass<'p>) -> cell::RasterPass<'p> {
        pass.vertices(corners)
            .instances(places)
            .indices(triangles)
            .bind(corners, &self.corners)
            .bind(places, &self.places)
            .bind(triangles, &self.triangles)
    }

    fn picture(&self, image: Option<usize>) -> &Sealed<SealedTexture> {
        image.and_then(|n| self.pictures.get(&n)).unwrap_or(&self.white)
    }
}

fn cull(double_sided: bool) -> Cull {
    if double_sided { Cull::None } else { Cull::Back }
}

/// Draws batch number `n`, as much of it as is counted.
fn draw_of(b: &Batch, n: usize) -> DrawCall {
    if is_instanced(b) {
        return instances_of(b, FIRST + n);
    }
    let indices =
        if FIRST + n < MAX_COUNTS { counted(counts, (FIRST + n) as u32) } else { Count::Fixed(b.count) };
    DrawCall::indexed(b.first, indices).instances(1)
}

/// Draws as many instances of a batch as the count with number `slot` says.
fn instances_of(b: &Batch, slot: usize) -> DrawCall {
    let instances = if slot < MAX_COUNTS { counted(counts, slot as u32) } else { Count::Fixed(b.instances) };
    DrawCall::indexed(b.first, b.count).first_instance(b.first_instance).instances(instances)
}
