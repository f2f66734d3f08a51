//! Sealed textures and buffers on the GPU, and the bind groups that draws fill with them.
use crate::{
    command::{SealedData, SealedShape, level_bytes, level_px},
    formats,
    gpu::Gpu,
    layouts::{LayoutId, Layouts},
};
use engine_frame::plan::{SealedKind, SealedSlot};
use std::collections::{BTreeMap, HashMap};

enum Resource {
    Texture(wgpu::TextureView),
    Buffer(wgpu::Buffer),
}

/// Everything sealed, with the bytes that made it.
#[derive(Default)]
pub(crate) struct Sealed {
    data: BTreeMap<u64, SealedData>,
    made: BTreeMap<u64, Result<Resource, String>>,
    groups: HashMap<(LayoutId, Vec<u64>), wgpu::BindGroup>,
}

impl Sealed {
    pub(crate) fn add(&mut self, gpu: &Gpu, data: SealedData) {
        self.forget_groups(data.id);
        self.made.insert(data.id, make(gpu, &data));
        self.data.insert(data.id, data);
    }

    pub(crate) fn remove(&mut self, id: u64) {
        self.forget_groups(id);
        self.made.remove(&id);
        self.data.remove(&id);
    }

    /// Returns the same on another device.
    pub(crate) fn rebuilt(self, gpu: &Gpu) -> Self {
        let made = self.data.values().map(|d| (d.id, make(gpu, d))).collect();
        Self { data: self.data, made, groups: HashMap::new() }
    }

    pub(crate) fn buffer(&self, id: u64) -> Result<&wgpu::Buffer, String> {
        match self.get(id)? {
            Resource::Buffer(buffer) => Ok(buffer),
            Resource::Texture(_) => Err(format!("sealed resource {id} is a texture, a buffer is wanted")),
        }
    }

    /// Returns group 2 filled with `ids`, made once for each combination.
    pub(crate) fn group(
        &mut self,
        gpu: &Gpu,
        layouts: &Layouts,
        layout: LayoutId,
        slots: &[SealedSlot],
        ids: &[u64],
    ) -> Result<wgpu::BindGroup, String> {
        let key = (layout, ids.to_vec());
        if let Some(group) = self.groups.get(&key) {
            return Ok(group.clone());
        }
        if slots.len() != ids.len() {
            return Err(format!("a draw fills {} of {} sealed bindings", ids.len(), slots.len()));
        }
        let mut entries = Vec::with_capacity(slots.len());
        for (slot, id) in slots.iter().zip(ids) {
            let resource = match (self.get(*id)?, slot.kind) {
                (Resource::Texture(view), SealedKind::Texture2d) => wgpu::BindingResource::TextureView(view),
                (Resource::Buffer(buffer), SealedKind::Storage { .. }) => buffer.as_entire_binding(),
                (Resource::Texture(_), SealedKind::Storage { .. }) => {
                    return Err(format!(
                        "sealed resource {id} is a texture, binding {} takes a buffer",
                        slot.binding
                    ));
                }
                (Resource::Buffer(_), SealedKind::Texture2d) => {
                    return Err(format!(
                        "sealed resource {id} is a buffer, binding {} takes a texture",
                        slot.binding
                    ));
                }
            };
            entries.push(wgpu::BindGroupEntry { binding: slot.binding, resource });
        }
        let (group, fault) = gpu.creating(|| {
            gpu.device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: None,
                layout: layouts.layout(layout),
                entries: &entries,
            })
        });
        if let Some(fault) = fault {
            return Err(fault);
        }
        self.groups.insert(key, group.clone());
        Ok(group)
    }

    fn get(&self, id: u64) -> Result<&Resource, String> {
        match self.made.get(&id) {
            Some(Ok(resource)) => Ok(resource),
            Some(Err(why)) => Err(format!("sealed resource {id} could not be made: {why}")),
            None => Err(format!("there is no sealed resource {id}")),
        }
    }

    fn forget_groups(&mut self, id: u64) {
        self.groups.retain(|(_, ids), _| !ids.contains(&id));
    }
}

fn make(gpu: &Gpu, data: &SealedData) -> Result<Resource, String> {
    let bytes = (*data.bytes).as_ref();
    let (resource, fault) = gpu.creating(|| match data.kind {
        SealedShape::Buffer => Resource::Buffer(make_buffer(gpu, bytes)),
        SealedShape::Texture { format, size_px, mips } => {
            let [width, height] = size_px;
            let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
                label: Some("sealed"),
                size: wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
                mip_level_count: mips,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: formats::texture(format),
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            });
            let mut at = 0;
            for level in 0..mips {
                let [width, height] = level_px(size_px, level);
                let len = level_bytes(format, size_px, level) as usize;
                gpu.queue.write_texture(
                    wgpu::TexelCopyTextureInfo {
                        texture: &texture,
                        mip_level: level,
                        origin: wgpu::Origin3d::ZERO,
                        aspect: wgpu::TextureAspect::All,
                    },
                    &bytes[at..at + len],
                    wgpu::TexelCopyBufferLayout {
                        offset: 0,
                        bytes_per_row: Some(width * format.bytes()),
                        rows_per_image: None,
                    },
                    wgpu::Extent3d { width, height, depth_or_array_layers: 1 },
                );
                at += len;
            }
            Resource::Texture(texture.create_view(&wgpu::TextureViewDescriptor::default()))
        }
    });
    fault.map_or(Ok(resource), Err)
}

fn make_buffer(gpu: &Gpu, bytes: &[u8]) -> wgpu::Buffer {
    use wgpu::BufferUsages as U;
    let buffer = gpu.device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("sealed"),
        size: (bytes.len() as u64).max(16).next_multiple_of(4),
        usage: U::VERTEX | U::INDEX | U::STORAGE | U::COPY_DST,
        mapped_at_creation: false,
    });
    let (words, rest) = bytes.split_at(bytes.len() & !3);
    if !words.is_empty() {
        gpu.queue.write_buffer(&buffer, 0, words);
    }
    if !rest.is_empty() {
        let mut word = [0; 4];
        word[..rest.len()].copy_from_slice(rest);
        gpu.queue.write_buffer(&buffer, words.len() as u64, &word);
    }
    buffer
}
