//! The open device, and how its errors are caught.
use crate::{
    config::{AdapterReport, Backend, OpenError},
    upload::{self, Opened, UploadReport, UploadTier},
};
use std::{
    future::Future,
    pin::pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

/// The open device. Cheap to clone; the compile thread holds one too.
#[derive(Clone)]
pub(crate) struct Gpu {
    pub(crate) adapter: wgpu::Adapter,
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
    pub(crate) features: wgpu::Features,
    pub(crate) limits: wgpu::Limits,
    pub(crate) downlevel: wgpu::DownlevelFlags,
    /// What imported memory must be aligned to; `None` where none can be imported.
    pub(crate) import_alignment: Option<u64>,
    pub(crate) upload: UploadReport,
    /// Rises with each device of a run: results made on an older one are dropped.
    pub(crate) epoch: u64,
    lost: Arc<Mutex<Option<String>>>,
}

pub(crate) fn instance(backend: Backend) -> wgpu::Instance {
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    match backend {
        Backend::Vulkan => desc.backends = wgpu::Backends::VULKAN,
        Backend::Noop => {
            desc.backends = wgpu::Backends::NOOP;
            desc.backend_options.noop.enable = true;
        }
    }
    wgpu::Instance::new(desc)
}

impl Gpu {
    pub(crate) fn open(
        instance: &wgpu::Instance,
        backend: Backend,
        surface: Option<&wgpu::Surface<'static>>,
        wanted: Option<UploadTier>,
        epoch: u64,
    ) -> Result<Self, OpenError> {
        let adapter = pollster::block_on(instance.request_adapter(&wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            compatible_surface: surface,
            ..Default::default()
        }))
        .map_err(|e| OpenError::NoDriver { detail: e.to_string() })?;
        let features = adapter.features()
            & (wgpu::Features::TIMESTAMP_QUERY
                | wgpu::Features::FLOAT32_FILTERABLE
                | wgpu::Features::FLOAT32_BLENDABLE
                | wgpu::Features::RG11B10UFLOAT_RENDERABLE);
        let limits = match backend {
            // Noop claims that nothing has a limit; tests should see those that every adapter has.
            Backend::Noop => wgpu::Limits::default(),
            Backend::Vulkan => adapter.limits(),
        };
        let desc = wgpu::DeviceDescriptor {
            label: Some("engine"),
            required_features: features,
            required_limits: limits.clone(),
            ..Default::default()
        };
        let opened = match backend {
            Backend::Vulkan if wanted != Some(UploadTier::Staging) => upload::open(&adapter, &desc),
            _ => pollster::block_on(adapter.request_device(&desc))
                .map(|(device, queue)| Opened { device, queue, alignment: None })
                .map_err(|e| e.to_string()),
        };
        let Opened { device, queue, alignment } =
            opened.map_err(|detail| OpenError::Device { adapter: adapter.get_info().name, detail })?;
        // First thing: the default handler panics.
        device.on_uncaptured_error(Arc::new(|error: wgpu::Error| {
            tracing::error!("the renderer did something invalid: {}", sentence(&error.to_string()));
        }));
        let lost = Arc::new(Mutex::new(None));
        let post = Arc::clone(&lost);
        device.set_device_lost_callback(move |reason, message| {
            *post.lock().expect("nothing panics under this lock") = Some(format!("{reason:?}: {message}"));
        });
        let downlevel = adapter.get_downlevel_capabilities().flags;
        let upload = UploadReport { tier: UploadTier::Staging, why: String::new() };
        let mut gpu = Self {
            adapter,
            device,
            queue,
            features,
            limits,
            downlevel,
            import_alignment: alignment,
            upload,
            epoch,
            lost,
        };
        gpu.upload = upload::choose(&gpu, wanted)?;
        Ok(gpu)
    }

    pub(crate) fn report(&self) -> AdapterReport {
        let info = self.adapter.get_info();
        AdapterReport {
            name: info.name,
            driver: format!("{} {}", info.driver, info.driver_info).trim().to_owned(),
            is_cpu: info.device_type == wgpu::DeviceType::Cpu,
            gpu_times: self.features.contains(wgpu::Features::TIMESTAMP_QUERY),
            max_texture_px: self.limits.max_texture_dimension_2d,
            max_buffer_bytes: self.limits.max_buffer_size,
            max_storage_bytes: self.limits.max_storage_buffer_binding_size,
            upload: self.upload.clone(),
        }
    }

    /// Returns what the driver said when it was lost.
    pub(crate) fn lost(&self) -> Option<String> {
        self.lost.lock().expect("nothing panics under this lock").clone()
    }

    /// Runs `f` and returns the first invalid use in it. For the hot path.
    pub(crate) fn checked<T>(&self, f: impl FnOnce() -> T) -> (T, Option<String>) {
        let scope = self.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let value = f();
        (value, ready(scope.pop()).flatten().map(|e| sentence(&e.to_string())))
    }

    /// Runs `f`, which makes resources, and returns the first error of any kind in it.
    pub(crate) fn creating<T>(&self, f: impl FnOnce() -> T) -> (T, Option<String>) {
        let memory = self.device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let internal = self.device.push_error_scope(wgpu::ErrorFilter::Internal);
        let (value, invalid) = self.checked(f);
        let internal = ready(internal.pop()).flatten().map(|e| sentence(&e.to_string()));
        let memory = ready(memory.pop()).flatten().map(|_| "the GPU's memory is full".to_owned());
        (value, invalid.or(internal).or(memory))
    }
}

/// Polls a future that is ready at once, as wgpu's are on native backends: nothing is allocated.
fn ready<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

/// Makes one line of wgpu's error tree: "In a pass, label 'x': the cause: its cause".
fn sentence(error: &str) -> String {
    let mut parts = error.lines().map(str::trim).filter(|l| {
        !l.is_empty() && *l != "Caused by:" && *l != "Validation Error" && *l != "Internal Error"
    });
    let mut text = parts.next().unwrap_or("invalid use of the GPU").to_owned();
    for part in parts {
        if !text.ends_with([':', ',', '.']) {
            text.push(':');
        }
        text.push(' ');
        text.push_str(part);
    }
    text
}
