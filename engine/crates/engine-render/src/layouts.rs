//! Bind group layouts: explicit, from a pass's declaration, each made once.
use crate::{formats, gpu::Gpu};
use engine_frame::plan::{Bound, PlannedPass, PlannedWork, SealedKind};
use std::{collections::HashMap, num::NonZeroU64};

/// A layout of group 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct LayoutId(usize);

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Stage {
    Raster,
    Compute,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Slot {
    Texture(wgpu::TextureSampleType),
    StorageTexture(wgpu::TextureFormat),
    Uniform(u64),
    Storage(u64),
}

/// All layouts of a device.
pub(crate) struct Layouts {
    /// Group 0, the same for every pass.
    pub(crate) shared: wgpu::BindGroupLayout,
    layouts: Vec<wgpu::BindGroupLayout>,
    known: HashMap<(Stage, Vec<(u32, Slot)>), LayoutId>,
    pipelines: HashMap<(Option<LayoutId>, Option<LayoutId>), wgpu::PipelineLayout>,
}

impl Layouts {
    pub(crate) fn new(gpu: &Gpu) -> Self {
        let uniform = |binding| {
            entry(
                binding,
                wgpu::ShaderStages::VERTEX_FRAGMENT | wgpu::ShaderStages::COMPUTE,
                uniform_type(None),
            )
        };
        let sampler = |binding, kind| {
            entry(
                binding,
                wgpu::ShaderStages::VERTEX_FRAGMENT | wgpu::ShaderStages::COMPUTE,
                wgpu::BindingType::Sampler(kind),
            )
        };
        use wgpu::SamplerBindingType as S;
        let shared = gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label: Some("group 0"),
            entries: &[
                uniform(0),
                uniform(1),
                sampler(2, S::Filtering),
                sampler(3, S::NonFiltering),
                sampler(4, S::Filtering),
                sampler(5, S::Comparison),
            ],
        });
        Self { shared, layouts: Vec::new(), known: HashMap::new(), pipelines: HashMap::new() }
    }

    pub(crate) fn layout(&self, id: LayoutId) -> &wgpu::BindGroupLayout {
        &self.layouts[id.0]
    }

    /// Returns the layouts of groups 1 and 2 of a pass; `None` for a group without bindings.
    pub(crate) fn of_pass(&mut self, gpu: &Gpu, pass: &PlannedPass) -> (Option<LayoutId>, Option<LayoutId>) {
        let stage = match pass.work {
            PlannedWork::Raster(_) => Stage::Raster,
            PlannedWork::Compute { .. } => Stage::Compute,
        };
        let group1 = pass.bindings.iter().map(|b| {
            let slot = match b.what {
                Bound::Texture { format, .. } => Slot::Texture(formats::sample_type(format, gpu.features)),
                Bound::StorageTexture { format, .. } => Slot::StorageTexture(formats::texture(format)),
                Bound::Uniform { size, .. } => Slot::Uniform(size.into()),
                Bound::Storage { element_size, .. } => Slot::Storage(element_size.into()),
            };
            (b.binding, slot)
        });
        let group1 = self.intern(gpu, stage, group1.collect());
        let group2 = pass.sealed.iter().map(|s| {
            let slot = match s.kind {
                SealedKind::Texture2d => Slot::Texture(wgpu::TextureSampleType::Float { filterable: true }),
                SealedKind::Storage { element_size } => Slot::Storage(element_size.into()),
            };
            (s.binding, slot)
        });
        (group1, self.intern(gpu, stage, group2.collect()))
    }

    pub(crate) fn pipeline(
        &mut self,
        gpu: &Gpu,
        group1: Option<LayoutId>,
        group2: Option<LayoutId>,
    ) -> wgpu::PipelineLayout {
        let made = self.pipelines.entry((group1, group2)).or_insert_with(|| {
            let group = |id: Option<LayoutId>| id.map(|id| &self.layouts[id.0]);
            gpu.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
                label: None,
                bind_group_layouts: &[Some(&self.shared), group(group1), group(group2)],
                immediate_size: 0,
            })
        });
        made.clone()
    }

    fn intern(&mut self, gpu: &Gpu, stage: Stage, slots: Vec<(u32, Slot)>) -> Option<LayoutId> {
        if slots.is_empty() {
            return None;
        }
        let key = (stage, slots);
        if let Some(id) = self.known.get(&key) {
            return Some(*id);
        }
        let entries: Vec<_> =
            key.1.iter().map(|(binding, slot)| layout_entry(*binding, *slot, stage)).collect();
        let id = LayoutId(self.layouts.len());
        self.layouts.push(
            gpu.device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
                label: None,
                entries: &entries,
            }),
        );
        self.known.insert(key, id);
        Some(id)
    }
}

fn layout_entry(binding: u32, slot: Slot, stage: Stage) -> wgpu::BindGroupLayoutEntry {
    let visibility = match stage {
        Stage::Raster => wgpu::ShaderStages::VERTEX_FRAGMENT,
        Stage::Compute => wgpu::ShaderStages::COMPUTE,
    };
    let ty = match slot {
        Slot::Texture(sample_type) => wgpu::BindingType::Texture {
            sample_type,
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        },
        Slot::StorageTexture(format) => wgpu::BindingType::StorageTexture {
            access: wgpu::StorageTextureAccess::WriteOnly,
            format,
            view_dimension: wgpu::TextureViewDimension::D2,
        },
        Slot::Uniform(size) => uniform_type(NonZeroU64::new(size)),
        Slot::Storage(size) => wgpu::BindingType::Buffer {
            ty: wgpu::BufferBindingType::Storage { read_only: true },
            has_dynamic_offset: false,
            min_binding_size: NonZeroU64::new(size),
        },
    };
    entry(binding, visibility, ty)
}

fn uniform_type(min_binding_size: Option<NonZeroU64>) -> wgpu::BindingType {
    wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size,
    }
}

fn entry(binding: u32, visibility: wgpu::ShaderStages, ty: wgpu::BindingType) -> wgpu::BindGroupLayoutEntry {
    wgpu::BindGroupLayoutEntry { binding, visibility, ty, count: None }
}
