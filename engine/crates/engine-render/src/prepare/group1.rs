//! Group 1 of a pass. Slots that the GPU reads in place lie elsewhere from frame to frame, so there is a bind group for
//! each set of places that occurred; slots rotate, so after some frames all are there.
use super::Parts;
use crate::{
    buffers::{BufferAt, Seen, Spot, When},
    layouts::LayoutId,
};
use engine_frame::plan::{Bound, PlannedBinding, TextureView};

/// Bind groups that are kept: five places of each of two buffers that change at different rates, and some.
const KEPT: usize = 32;

/// Group 1 of a pass, ready for the frame's slots.
#[derive(Default)]
pub(crate) struct Group1 {
    /// The buffers that it binds, in the order of the bindings.
    uses: Vec<(BufferAt, Seen)>,
    /// The one of the newest frame last, the one that was not used for longest first.
    made: Vec<(Vec<Spot>, wgpu::BindGroup)>,
    /// The one that shows no slot: cells may write those while it is in use.
    idle: Option<wgpu::BindGroup>,
}

impl Group1 {
    pub(super) fn new(
        parts: &Parts<'_>,
        layout: Option<LayoutId>,
        bindings: &[PlannedBinding],
    ) -> Result<Self, String> {
        let Some(layout) = layout else { return Ok(Self::default()) };
        let mut uses = Vec::new();
        for planned in bindings {
            uses.extend(match planned.what {
                Bound::Uniform { buffer, size } => {
                    Some((parts.buffers.at(buffer)?, Seen::Uniform(size.into())))
                }
                Bound::Storage { buffer, .. } => Some((parts.buffers.at(buffer)?, Seen::Storage)),
                Bound::Texture { .. } | Bound::StorageTexture { .. } => None,
            });
        }
        let group = make(parts, layout, bindings, &uses, When::Idle)?;
        let spots = spots(parts, &uses, When::Idle).collect();
        Ok(Self { uses, made: vec![(spots, group.clone())], idle: Some(group) })
    }

    /// Returns the bind group for the frame's slots.
    pub(crate) fn get(&self) -> Option<&wgpu::BindGroup> {
        self.made.last().map(|(_, group)| group)
    }

    /// Returns a bind group of the same layout without slots.
    pub(super) fn idle(&self) -> Option<&wgpu::BindGroup> {
        self.idle.as_ref()
    }

    /// Goes over to where the frame's slots are.
    pub(super) fn follow(
        &mut self,
        parts: &Parts<'_>,
        layout: Option<LayoutId>,
        bindings: &[PlannedBinding],
    ) -> Result<(), String> {
        let Some(layout) = layout.filter(|_| !self.uses.is_empty()) else { return Ok(()) };
        let here = |made: &[Spot]| made.iter().copied().eq(spots(parts, &self.uses, When::Now));
        if self.made.last().is_some_and(|(spots, _)| here(spots)) {
            return Ok(());
        }
        // Memory that is no more must not be kept by what was made for it.
        let uses = &self.uses;
        let known = |spots: &[Spot]| {
            spots.iter().zip(uses).all(|(spot, (at, _))| parts.buffers.knows(*at, spot.serial))
        };
        self.made.retain(|(spots, _)| known(spots));
        if let Some(at) = self.made.iter().position(|(spots, _)| here(spots)) {
            self.made[at..].rotate_left(1);
            return Ok(());
        }
        let now: Vec<Spot> = spots(parts, &self.uses, When::Now).collect();
        if self.made.len() >= KEPT {
            self.made.remove(0);
        }
        let group = make(parts, layout, bindings, &self.uses, When::Now)?;
        self.made.push((now, group));
        Ok(())
    }
}

fn spots(parts: &Parts<'_>, uses: &[(BufferAt, Seen)], when: When) -> impl Iterator<Item = Spot> {
    uses.iter().map(move |(at, seen)| parts.buffers.spot(parts.gpu, *at, *seen, when))
}

fn make(
    parts: &Parts<'_>,
    layout: LayoutId,
    bindings: &[PlannedBinding],
    uses: &[(BufferAt, Seen)],
    when: When,
) -> Result<wgpu::BindGroup, String> {
    let mut uses = uses.iter();
    let mut entries = Vec::with_capacity(bindings.len());
    for planned in bindings {
        let resource = match planned.what {
            Bound::Texture { target, view, .. } => wgpu::BindingResource::TextureView(match view {
                TextureView::Whole => parts.targets.whole(target)?,
                TextureView::Level(level) => parts.targets.level(target, level)?,
                TextureView::Previous => parts.targets.previous(target)?,
            }),
            Bound::StorageTexture { target, level, .. } => {
                wgpu::BindingResource::TextureView(parts.targets.level(target, level)?)
            }
            Bound::Uniform { .. } | Bound::Storage { .. } => {
                let (at, seen) = *uses.next().expect("one use for each binding of a buffer");
                let spot = parts.buffers.spot(parts.gpu, at, seen, when);
                wgpu::BindingResource::Buffer(wgpu::BufferBinding {
                    buffer: parts.buffers.buffer(at, when),
                    offset: spot.offset,
                    size: wgpu::BufferSize::new(spot.size),
                })
            }
        };
        entries.push(wgpu::BindGroupEntry { binding: planned.binding, resource });
    }
    let (group, fault) = parts.gpu.creating(|| {
        parts.gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: parts.layouts.layout(layout),
            entries: &entries,
        })
    });
    fault.map_or(Ok(group), Err)
}
