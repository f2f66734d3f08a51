//! The bare program: cubes, bloom chain and tone mapping written by hand against wgpu. The same shaders, passes
//! and targets as the engine's scene, but no cells, no plan, no checks. What the engine is measured against.
mod chain;
mod content;
mod dots;
mod maker;
mod write;

pub(crate) use content::{Content, Cube, cube};
pub(crate) use dots::Dots;
pub(crate) use write::Write;

use anyhow::Context as _;
use chain::Chain;
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Which driver to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Driver {
    /// wgpu's own, which does nothing.
    Noop,
    /// Vulkan, in software or not.
    Vulkan,
}

/// How a frame is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// As a program would.
    Plain,
    /// With what the engine adds on purpose: error scopes around recording and submit, labelled passes. What the
    /// engine takes beyond this is its own code.
    Guarded,
}

/// An open device.
pub(crate) struct Gpu {
    pub(crate) device: wgpu::Device,
    pub(crate) queue: wgpu::Queue,
}

/// The bare program.
pub(crate) struct Bare {
    pub(crate) gpu: Gpu,
    pub(crate) chain: Chain,
    content: Content,
    pool: rayon::ThreadPool,
    shape: Shape,
    frame: u32,
}

/// Returns the name of the adapter that [`Driver::Vulkan`] opens.
pub(crate) fn adapter_name() -> String {
    adapter(Driver::Vulkan).map_or_else(|e| format!("{e:#}"), |a| a.get_info().name)
}

fn adapter(driver: Driver) -> anyhow::Result<wgpu::Adapter> {
    let mut desc = wgpu::InstanceDescriptor::new_without_display_handle();
    match driver {
        Driver::Vulkan => desc.backends = wgpu::Backends::VULKAN,
        Driver::Noop => {
            desc.backends = wgpu::Backends::NOOP;
            desc.backend_options.noop.enable = true;
        }
    }
    pollster::block_on(wgpu::Instance::new(desc).request_adapter(&wgpu::RequestAdapterOptions {
        power_preference: wgpu::PowerPreference::HighPerformance,
        ..Default::default()
    }))
    .context("no Vulkan driver was found: run ./setup.sh")
}

impl Gpu {
    fn open(driver: Driver) -> anyhow::Result<Self> {
        let adapter = adapter(driver)?;
        let required_limits = match driver {
            Driver::Noop => wgpu::Limits::default(),
            Driver::Vulkan => adapter.limits(),
        };
        let (device, queue) = pollster::block_on(
            adapter.request_device(&wgpu::DeviceDescriptor { required_limits, ..Default::default() }),
        )
        .context("the driver does not open")?;
        Ok(Self { device, queue })
    }

    /// Waits until the GPU has done all that was submitted.
    pub(crate) fn wait(&self) -> anyhow::Result<()> {
        self.device.poll(wgpu::PollType::wait_indefinitely()).map(drop).context("waiting for the GPU")
    }
}

impl Bare {
    /// Opens the device and makes everything that a frame needs.
    pub(crate) fn open(
        driver: Driver,
        content: Content,
        size: [u32; 2],
        shape: Shape,
    ) -> anyhow::Result<Self> {
        let gpu = Gpu::open(driver)?;
        let chain = Chain::new(&gpu, &content, size);
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|n| format!("{}{n}", crate::threads::BARE))
            .build()?;
        Ok(Self { gpu, chain, content, pool, shape, frame: 0 })
    }

    /// Records and submits one frame, and waits for it. Returns the CPU time of this thread in nanoseconds.
    pub(crate) fn frame(&mut self) -> anyhow::Result<f64> {
        let (ns, done) = crate::harness::cpu(|| {
            self.submit();
            self.gpu.wait()
        });
        done.map(|()| ns)
    }

    /// Records and submits one frame.
    pub(crate) fn submit(&mut self) {
        self.frame += 1;
        let seconds = self.frame as f32 / 60.0;
        self.chain.write_frame(&self.gpu, self.frame, seconds);
        if self.content.spin != 0.0 {
            self.content.turn(&self.pool, seconds);
            self.chain.write_cubes(&self.gpu, &self.content.cubes);
        }
        let commands = self.guarded(|| {
            let label = (self.shape == Shape::Guarded).then_some("frame");
            let desc = wgpu::CommandEncoderDescriptor { label };
            let mut encoder = self.gpu.device.create_command_encoder(&desc);
            self.chain.record(&mut encoder, self.shape);
            encoder.finish()
        });
        self.guarded(|| self.gpu.queue.submit([commands]));
    }

    /// Runs `f` within an error scope if the shape has them.
    fn guarded<T>(&self, f: impl FnOnce() -> T) -> T {
        if self.shape == Shape::Plain {
            return f();
        }
        let scope = self.gpu.device.push_error_scope(wgpu::ErrorFilter::Validation);
        let value = f();
        // The future is ready at once.
        let polled = pin!(scope.pop()).poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(None)), "the bare program makes no mistakes");
        value
    }

    /// Returns the picture of the last frame: 4 bytes a pixel.
    pub(crate) fn read_picture(&self) -> anyhow::Result<Vec<u8>> {
        self.chain.read_picture(&self.gpu)
    }
}
