//! Render targets: made from the plan, kept from plan to plan while nothing about them changes.
use crate::{command::level_px, formats, gpu::Gpu};
use cell_abi::ports::StartValue;
use engine_frame::plan::{PlannedTarget, TargetId};
use std::collections::BTreeMap;

/// Frames that a target outlives its last plan: a cell switched off and on again allocates nothing.
const KEPT_FRAMES: u64 = 120;

pub(crate) struct Target {
    planned: PlannedTarget,
    texture: wgpu::Texture,
    whole: wgpu::TextureView,
    levels: Vec<wgpu::TextureView>,
    previous: Option<Previous>,
    needs_start: bool,
    unused_since: Option<u64>,
}

struct Previous {
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    valid: bool,
}

/// A target, or why it could not be made.
enum Made {
    Yes(Box<Target>),
    No { planned: PlannedTarget, why: String },
}

#[derive(Default)]
pub(crate) struct Targets {
    made: BTreeMap<TargetId, Made>,
    any_unused: bool,
}

impl Targets {
    /// Makes what the plan names and is not there yet.
    pub(crate) fn adopt(&mut self, gpu: &Gpu, planned: &[PlannedTarget], frame: u64) {
        let mut old = std::mem::take(&mut self.made);
        for want in planned {
            let kept = old.remove(&want.id).filter(|made| made.fits(want));
            let made = kept.unwrap_or_else(|| match Target::new(gpu, want) {
                Ok(target) => Made::Yes(Box::new(target)),
                Err(why) => Made::No { planned: want.clone(), why },
            });
            self.made.insert(want.id, made.used(want));
        }
        for (id, mut made) in old {
            if let Made::Yes(target) = &mut made {
                let since = *target.unused_since.get_or_insert(frame);
                if frame.saturating_sub(since) < KEPT_FRAMES {
                    self.made.insert(id, made);
                }
            }
        }
        self.any_unused = self.made.values().any(|m| m.unused_since().is_some());
    }

    /// Drops targets that no plan named for a while.
    pub(crate) fn collect(&mut self, frame: u64) {
        if self.any_unused {
            self.made.retain(|_, m| {
                m.unused_since().is_none_or(|since| frame.saturating_sub(since) < KEPT_FRAMES)
            });
            self.any_unused = self.made.values().any(|m| m.unused_since().is_some());
        }
    }

    pub(crate) fn whole(&self, id: TargetId) -> Result<&wgpu::TextureView, String> {
        Ok(&self.get(id)?.whole)
    }

    pub(crate) fn level(&self, id: TargetId, level: u32) -> Result<&wgpu::TextureView, String> {
        let target = self.get(id)?;
        target.levels.get(level as usize).ok_or_else(|| {
            format!(
                "`{}` has {} mip level(s), there is no level {level}",
                target.planned.name,
                target.levels.len()
            )
        })
    }

    pub(crate) fn previous(&self, id: TargetId) -> Result<&wgpu::TextureView, String> {
        let target = self.get(id)?;
        let previous = target.previous.as_ref();
        previous
            .map(|p| &p.view)
            .ok_or_else(|| format!("the plan does not keep the last `{}`", target.planned.name))
    }

    pub(crate) fn format(&self, id: TargetId) -> Result<wgpu::TextureFormat, String> {
        Ok(self.get(id)?.texture.format())
    }

    /// Returns a target that can be copied from.
    pub(crate) fn copied_from(&self, id: TargetId) -> Option<&wgpu::Texture> {
        let texture = &self.get(id).ok()?.texture;
        texture.usage().contains(wgpu::TextureUsages::COPY_SRC).then_some(texture)
    }

    /// Returns whether every kept last frame is one.
    pub(crate) fn history_valid(&self) -> bool {
        let mut previous = self.made.values().filter_map(|m| m.used_target()?.previous.as_ref());
        previous.all(|p| p.valid)
    }

    /// Records the start values of new targets.
    pub(crate) fn start(&self, encoder: &mut wgpu::CommandEncoder) {
        for target in self.made.values().filter_map(Made::used_target).filter(|t| t.needs_start) {
            target.start(encoder);
        }
    }

    /// Records the copies of what the next frame reads as `previous`.
    pub(crate) fn copy_previous(&self, encoder: &mut wgpu::CommandEncoder) {
        for target in self.made.values().filter_map(Made::used_target) {
            if let Some(previous) = &target.previous {
                for level in 0..target.texture.mip_level_count() {
                    let [width, height] = level_px(target.planned.size_px, level);
                    let of = |texture| wgpu::TexelCopyTextureInfo {
                        texture,
                        mip_level: level,
                        origin: wgpu::Origin3d::ZERO,
                        aspect: wgpu::TextureAspect::All,
                    };
                    encoder.copy_texture_to_texture(
                        of(&target.texture),
                        of(&previous.texture),
                        wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
                    );
                }
            }
        }
    }

    /// Says that what [`Self::start`] and [`Self::copy_previous`] recorded has been submitted.
    pub(crate) fn submitted(&mut self) {
        for made in self.made.values_mut() {
            if let Made::Yes(target) = made
                && target.unused_since.is_none()
            {
                target.needs_start = false;
                if let Some(previous) = &mut target.previous {
                    previous.valid = true;
                }
            }
        }
    }

    fn get(&self, id: TargetId) -> Result<&Target, String> {
        match self.made.get(&id) {
            Some(Made::Yes(target)) => Ok(target),
            Some(Made::No { planned, why }) => {
                let [w, h] = planned.size_px;
                Err(format!(
                    "`{}` ({} of {w}x{h}) cannot be made: {why}",
                    planned.name,
                    planned.desc.format.name()
                ))
            }
            None => Err(format!("the plan names target {} but does not describe it", id.0)),
        }
    }
}

impl Made {
    fn fits(&self, want: &PlannedTarget) -> bool {
        let (planned, unused) = match self {
            Self::Yes(target) => (&target.planned, target.unused_since.is_some()),
            Self::No { planned, .. } => (planned, false),
        };
        planned.desc == want.desc
            && planned.size_px == want.size_px
            && (planned.stored || !want.stored)
            && (planned.previous || !want.previous)
            // Nobody writes it any more: it is its start value again.
            && (planned.unfed || !want.unfed)
            // It may hold something old.
            && !(unused && want.unfed)
    }

    fn used(mut self, want: &PlannedTarget) -> Self {
        if let Self::Yes(target) = &mut self {
            if target.unused_since.take().is_some()
                && let Some(previous) = &mut target.previous
            {
                previous.valid = false;
            }
            target.planned.unfed = want.unfed;
            target.planned.name = std::sync::Arc::clone(&want.name);
        }
        self
    }

    fn unused_since(&self) -> Option<u64> {
        match self {
            Self::Yes(target) => target.unused_since,
            Self::No { .. } => None,
        }
    }

    fn used_target(&self) -> Option<&Target> {
        match self {
            Self::Yes(target) if target.unused_since.is_none() => Some(target),
            _ => None,
        }
    }
}

impl Target {
    fn new(gpu: &Gpu, planned: &PlannedTarget) -> Result<Self, String> {
        let max = gpu.limits.max_texture_dimension_2d;
        let [width, height] = planned.size_px;
        if width == 0 || height == 0 || width > max || height > max {
            return Err(format!("this adapter takes 1 to {max} pixels a side"));
        }
        let (target, fault) = gpu.creating(|| {
            let texture = make(gpu, planned);
            let level = |level| {
                texture.create_view(&wgpu::TextureViewDescriptor {
                    base_mip_level: level,
                    mip_level_count: Some(1),
                    ..Default::default()
                })
            };
            let previous = planned.previous.then(|| {
                let texture = make(gpu, planned);
                Previous {
                    view: texture.create_view(&wgpu::TextureViewDescriptor::default()),
                    texture,
                    valid: false,
                }
            });
            Self {
                whole: texture.create_view(&wgpu::TextureViewDescriptor::default()),
                levels: (0..planned.desc.mips).map(level).collect(),
                needs_start: matches!(planned.desc.start, StartValue::Clear(v) if v != [0.0; 4]),
                planned: planned.clone(),
                texture,
                previous,
                unused_since: None,
            }
        });
        fault.map_or(Ok(target), Err)
    }

    fn start(&self, encoder: &mut wgpu::CommandEncoder) {
        let StartValue::Clear(value) = self.planned.desc.start else { return };
        if !self.texture.usage().contains(wgpu::TextureUsages::RENDER_ATTACHMENT) {
            return;
        }
        for view in &self.levels {
            let depth = self.planned.desc.format.is_depth();
            let color = [(!depth).then(|| wgpu::RenderPassColorAttachment {
                view,
                depth_slice: None,
                resolve_target: None,
                ops: wgpu::Operations {
                    load: wgpu::LoadOp::Clear(formats::color(value)),
                    store: wgpu::StoreOp::Store,
                },
            })];
            drop(encoder.begin_render_pass(&wgpu::RenderPassDescriptor {
                label: Some("start value"),
                color_attachments: if depth { &[] } else { &color },
                depth_stencil_attachment: depth.then(|| wgpu::RenderPassDepthStencilAttachment {
                    view,
                    depth_ops: Some(wgpu::Operations {
                        load: wgpu::LoadOp::Clear(value[0]),
                        store: wgpu::StoreOp::Store,
                    }),
                    stencil_ops: None,
                }),
                ..Default::default()
            }));
        }
    }
}

fn make(gpu: &Gpu, planned: &PlannedTarget) -> wgpu::Texture {
    use wgpu::TextureUsages as U;
    let format = formats::texture(planned.desc.format);
    let allowed = format.guaranteed_format_features(gpu.features).allowed_usages;
    // All usages from the start, so that a new pass over an old target does not make it anew.
    let mut usage = (U::RENDER_ATTACHMENT | U::TEXTURE_BINDING | U::COPY_SRC | U::COPY_DST) & allowed;
    if planned.stored {
        usage |= U::STORAGE_BINDING & allowed;
    }
    let [width, height] = planned.size_px;
    gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some(&planned.name),
        size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
        mip_level_count: planned.desc.mips,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage,
        view_formats: &[],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Backend;
    use cell_abi::ports::{TargetDesc, TargetSize, TextureFormat};

    fn planned(id: u32, size_px: [u32; 2]) -> PlannedTarget {
        let [width, height] = size_px;
        PlannedTarget {
            id: TargetId(id),
            name: format!("t{id}").into(),
            desc: TargetDesc {
                format: TextureFormat::Rgba16Float,
                size: TargetSize::Fixed { width, height },
                mips: 1,
                start: StartValue::Clear([1.0; 4]),
            },
            size_px,
            sampled: true,
            rendered: true,
            stored: false,
            previous: false,
            unfed: false,
        }
    }

    #[test]
    fn targets_are_kept_while_they_fit_and_dropped_when_unused_for_long() {
        let instance = crate::gpu::instance(Backend::Noop);
        let gpu = Gpu::open(&instance, Backend::Noop, None, None, 1).unwrap();
        let mut targets = Targets::default();
        let (a, b) = (planned(0, [4, 4]), planned(1, [8, 8]));
        targets.adopt(&gpu, &[a.clone(), b.clone()], 0);
        let first = targets.whole(a.id).unwrap().clone();
        let other = targets.whole(b.id).unwrap().clone();
        targets.adopt(&gpu, std::slice::from_ref(&a), 10);
        assert_eq!(*targets.whole(a.id).unwrap(), first, "the same texture");
        // Off and on again within the time: nothing is made.
        targets.collect(10 + KEPT_FRAMES - 1);
        targets.adopt(&gpu, &[a.clone(), b.clone()], 50);
        assert_eq!(*targets.whole(b.id).unwrap(), other, "the same texture");
        targets.adopt(&gpu, std::slice::from_ref(&a), 60);
        targets.collect(60 + KEPT_FRAMES);
        assert!(targets.whole(b.id).is_err(), "dropped");
        targets.adopt(&gpu, &[planned(0, [5, 4])], 300);
        assert_ne!(*targets.whole(a.id).unwrap(), first, "another size is another texture");
    }
}
