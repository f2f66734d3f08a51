//! Shared memory as a GPU buffer without a copy: `VK_EXT_external_memory_host`. The one place of this crate that
//! calls the driver past wgpu.
//!
//! An import is a Vulkan buffer over memory that somebody else maps. What it takes: the device was opened with the
//! extension (wgpu never turns it on by itself), the mapping's address and length are multiples of the driver's
//! alignment (some drivers do not check), and the mapping outlives the last use by the GPU. The last is seen to by
//! wgpu: it drops the buffer when no submission uses it any more, and only the drop frees the import and lets go of
//! the mapping.
#![expect(unsafe_code, reason = "wgpu has no safe way to import memory")]

use crate::gpu::Gpu;
use ash::{ext::external_memory_host, vk};
use engine_sys::MapRo;
use std::{ops::Range, sync::Arc};
use wgpu::hal::api::Vulkan;

const HOST: vk::ExternalMemoryHandleTypeFlags = vk::ExternalMemoryHandleTypeFlags::HOST_ALLOCATION_EXT;

/// A device that may import memory.
pub(crate) struct Opened {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    /// What addresses and lengths must be multiples of; `None` where nothing can be imported.
    pub(crate) alignment: Option<u64>,
}

/// Opens a device of a Vulkan adapter, with the extension where there is one.
pub(crate) fn open(adapter: &wgpu::Adapter, desc: &wgpu::DeviceDescriptor<'_>) -> Result<Opened, String> {
    // SAFETY: the handles that are read through `hal` are not destroyed.
    let hal = unsafe { adapter.as_hal::<Vulkan>() }.ok_or("it is no Vulkan adapter")?;
    let capabilities = hal.physical_device_capabilities();
    // What the extension builds upon is part of Vulkan since 1.1.
    let offered = capabilities.supports_extension(external_memory_host::NAME)
        && capabilities.properties().api_version >= vk::API_VERSION_1_1;
    // SAFETY: the features are among the adapter's, as wgpu checks below once more; the callback adds an extension that
    // the adapter offers and changes nothing else.
    let opened = unsafe {
        hal.open_with_callback(
            desc.required_features,
            &desc.required_limits,
            &desc.memory_hints,
            Some(Box::new(move |args| {
                if offered {
                    args.extensions.push(external_memory_host::NAME);
                }
            })),
        )
    };
    let opened = opened.map_err(|e| e.to_string())?;
    let alignment = offered.then(|| {
        let mut host = vk::PhysicalDeviceExternalMemoryHostPropertiesEXT::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut host);
        let instance = hal.shared_instance().raw_instance();
        // SAFETY: the physical device belongs to this instance, and both live as long as `hal`.
        unsafe {
            instance.get_physical_device_properties2(hal.raw_physical_device(), &mut properties);
        }
        host.min_imported_host_pointer_alignment.max(1)
    });
    drop(hal);
    // SAFETY: `opened` comes from this very adapter, with these very features.
    let (device, queue) =
        unsafe { adapter.create_device_from_hal::<Vulkan>(opened, desc) }.map_err(|e| e.to_string())?;
    Ok(Opened { device, queue, alignment })
}

/// Makes a chunk of a mapping a buffer that the GPU reads in place. No bytes move. The buffer keeps the mapping until the
/// GPU has done its last use.
pub(crate) fn import(gpu: &Gpu, map: &Arc<MapRo>, chunk: Range<u64>) -> Result<wgpu::Buffer, String> {
    use wgpu::BufferUsages as U;
    let alignment = gpu.import_alignment.ok_or("the driver has no VK_EXT_external_memory_host")?;
    if chunk.is_empty() || chunk.end > map.len() as u64 {
        return Err(format!("bytes {chunk:?} are not within a mapping of {} bytes", map.len()));
    }
    let pointer = map.as_ptr().wrapping_add(chunk.start as usize);
    let (address, size) = (pointer as u64, chunk.end - chunk.start);
    if !address.is_multiple_of(alignment) || !size.is_multiple_of(alignment) {
        return Err(format!("the driver imports multiples of {alignment} bytes only"));
    }
    if size > gpu.limits.max_buffer_size {
        return Err(format!("it has {size} bytes; the GPU takes {} at a time", gpu.limits.max_buffer_size));
    }
    let import = Import::new(gpu, map, pointer, size)?;
    let buffer = import.buffer;
    // SAFETY: the buffer was made by this device and is destroyed by the callback only, which runs when wgpu has dropped
    // its last use; the device lives longer than its buffers do. It is never mapped: the usages below allow no mapping.
    let hal = unsafe {
        wgpu::hal::vulkan::Buffer::from_raw_externally_owned(buffer, Box::new(move || drop(import)))
    };
    let desc = wgpu::BufferDescriptor {
        label: Some("shared memory"),
        size,
        usage: U::VERTEX | U::UNIFORM | U::STORAGE | U::COPY_SRC,
        mapped_at_creation: false,
    };
    // SAFETY: made by this device, with this size and these usages; memory from a memfd is initialised.
    let (buffer, fault) = gpu.creating(|| unsafe { gpu.device.create_buffer_from_hal::<Vulkan>(hal, &desc) });
    fault.map_or(Ok(buffer), Err)
}

/// A Vulkan buffer over imported memory. Dropping it frees both, then lets go of the mapping.
struct Import {
    device: ash::Device,
    buffer: vk::Buffer,
    memory: vk::DeviceMemory,
    _map: Arc<MapRo>,
}

impl Import {
    /// Imports `size` bytes at `pointer`, which lie in `map`.
    fn new(gpu: &Gpu, map: &Arc<MapRo>, pointer: *const u8, size: u64) -> Result<Self, String> {
        let pointer = pointer.cast_mut().cast();
        // SAFETY: the handles that are read through `hal` are not destroyed, and what is made of them is freed while the
        // device lives (see `import`).
        let hal = unsafe { gpu.device.as_hal::<Vulkan>() }.ok_or("it is no Vulkan device")?;
        let (device, instance) = (hal.raw_device(), hal.shared_instance().raw_instance());
        let extension = external_memory_host::Device::new(instance, device);
        let mut host = vk::MemoryHostPointerPropertiesEXT::default();
        // SAFETY: the extension is on (the alignment is known); the pointer is that of a live mapping.
        let asked = unsafe {
            (extension.fp().get_memory_host_pointer_properties_ext)(device.handle(), HOST, pointer, &mut host)
        };
        asked.result().map_err(|e| format!("the driver does not take this kind of memory ({e})"))?;
        let usage = vk::BufferUsageFlags::VERTEX_BUFFER
            | vk::BufferUsageFlags::UNIFORM_BUFFER
            | vk::BufferUsageFlags::STORAGE_BUFFER
            | vk::BufferUsageFlags::TRANSFER_SRC;
        let asked = vk::PhysicalDeviceExternalBufferInfo::default().usage(usage).handle_type(HOST);
        let mut answer = vk::ExternalBufferProperties::default();
        // SAFETY: a question about the physical device that this device was opened from.
        unsafe {
            instance.get_physical_device_external_buffer_properties(
                hal.raw_physical_device(),
                &asked,
                &mut answer,
            );
        }
        let features = answer.external_memory_properties.external_memory_features;
        if !features.contains(vk::ExternalMemoryFeatureFlags::IMPORTABLE)
            || features.contains(vk::ExternalMemoryFeatureFlags::DEDICATED_ONLY)
        {
            return Err("the driver imports no memory for such buffers".to_owned());
        }
        let mut external = vk::ExternalMemoryBufferCreateInfo::default().handle_types(HOST);
        let desc = vk::BufferCreateInfo::default()
            .size(size)
            .usage(usage)
            .sharing_mode(vk::SharingMode::EXCLUSIVE)
            .push_next(&mut external);
        // SAFETY: a plain buffer; the chained structure lives through the call.
        let buffer = unsafe { device.create_buffer(&desc, None) };
        let buffer = buffer.map_err(|e| format!("the driver makes no buffer of it ({e})"))?;
        // From here on a drop cleans up; freeing memory that is null does nothing.
        let mut import =
            Self { device: device.clone(), buffer, memory: vk::DeviceMemory::null(), _map: Arc::clone(map) };
        // SAFETY: the buffer is of this device, the physical device is the one it was opened from.
        let (needs, kinds) = unsafe {
            (
                device.get_buffer_memory_requirements(buffer),
                instance.get_physical_device_memory_properties(hal.raw_physical_device()),
            )
        };
        if needs.size > size {
            return Err(format!("the driver needs {} bytes for a buffer of {size}", needs.size));
        }
        let usable = needs.memory_type_bits & host.memory_type_bits;
        // What the CPU writes is seen by the next submission without a flush.
        let kind = kinds.memory_types_as_slice().iter().zip(0_u32..).find(|(kind, n)| {
            usable & (1 << n) != 0 && kind.property_flags.contains(vk::MemoryPropertyFlags::HOST_COHERENT)
        });
        let (_, kind) = kind.ok_or("the driver has no coherent kind of memory for it")?;
        let mut from = vk::ImportMemoryHostPointerInfoEXT::default().handle_type(HOST).host_pointer(pointer);
        let desc = vk::MemoryAllocateInfo::default()
            .allocation_size(size)
            .memory_type_index(kind)
            .push_next(&mut from);
        // SAFETY: pointer and size are multiples of the alignment and within one mapping, which `import` keeps; the kind of
        // memory is among those that the driver named for this pointer. The GPU only reads it: no usage writes.
        let memory = unsafe { device.allocate_memory(&desc, None) };
        import.memory = memory.map_err(|e| format!("the driver does not import it ({e})"))?;
        // SAFETY: both are of this device and unbound; the memory is as large as the buffer needs.
        let bound = unsafe { device.bind_buffer_memory(buffer, import.memory, 0) };
        bound.map_err(|e| format!("the driver does not bind it ({e})"))?;
        drop(hal);
        Ok(import)
    }
}

impl Drop for Import {
    fn drop(&mut self) {
        // SAFETY: both were made by this device, which lives longer than its buffers, and the GPU does not use them: either
        // wgpu has dropped the last use, or nobody has seen them yet.
        unsafe {
            self.device.destroy_buffer(self.buffer, None);
            self.device.free_memory(self.memory, None);
        }
    }
}
