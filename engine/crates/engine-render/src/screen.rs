//! The picture: a window's surface, or a texture of our own.
use crate::{
    config::{PresentPace, SurfaceSource},
    formats,
    gpu::Gpu,
};

/// Where the picture of this frame is drawn.
pub(crate) struct Picture {
    pub(crate) texture: wgpu::Texture,
    pub(crate) view: wgpu::TextureView,
    /// To be presented when it is done.
    pub(crate) surface: Option<wgpu::SurfaceTexture>,
}

pub(crate) struct Screen {
    window: Option<Window>,
    own: Option<(wgpu::Texture, wgpu::TextureView)>,
    pace: PresentPace,
}

struct Window {
    surface: wgpu::Surface<'static>,
    source: SurfaceSource,
    config: Option<wgpu::SurfaceConfiguration>,
    /// Must be configured before the next use.
    stale: bool,
    /// That it cannot be configured was said; not again until it could.
    told: bool,
}

impl Screen {
    pub(crate) fn new(pace: PresentPace) -> Self {
        Self { window: None, own: None, pace }
    }

    pub(crate) fn surface(&self) -> Option<&wgpu::Surface<'static>> {
        self.window.as_ref().map(|w| &w.surface)
    }

    /// Takes a window; [`Self::fit`] must follow when a device is open.
    pub(crate) fn attach(&mut self, instance: &wgpu::Instance, source: SurfaceSource) -> Result<(), String> {
        self.window = None;
        let surface = instance.create_surface(source.0.clone()).map_err(|e| e.to_string())?;
        self.window = Some(Window { surface, source, config: None, stale: true, told: false });
        Ok(())
    }

    pub(crate) fn detach(&mut self) {
        self.window = None;
    }

    /// Chooses how the window is drawn to. A window that this device cannot draw to is given up.
    pub(crate) fn fit(&mut self, gpu: &Gpu) -> Result<(), String> {
        self.own = None;
        let Some(window) = &mut self.window else { return Ok(()) };
        match configuration(&window.surface, gpu, self.pace) {
            Ok(config) => {
                window.config = Some(config);
                window.stale = true;
                Ok(())
            }
            Err(why) => {
                self.window = None;
                Err(why)
            }
        }
    }

    pub(crate) fn format(&self) -> wgpu::TextureFormat {
        let config = self.window.as_ref().and_then(|w| w.config.as_ref());
        config.map_or(formats::PICTURE, |c| c.view_formats.first().copied().unwrap_or(c.format))
    }

    /// Returns where to draw a picture of `size`: the window's next image, or the own texture if there is no
    /// window or it has none to give (minimised, being resized).
    pub(crate) fn acquire(
        &mut self,
        instance: &wgpu::Instance,
        gpu: &Gpu,
        size: [u32; 2],
        drawn: bool,
    ) -> Picture {
        let format = self.format();
        if drawn
            && let Some(window) = &mut self.window
            && let Some(surface) = window.acquire(instance, gpu, size)
        {
            let view = surface
                .texture
                .create_view(&wgpu::TextureViewDescriptor { format: Some(format), ..Default::default() });
            return Picture { texture: surface.texture.clone(), view, surface: Some(surface) };
        }
        let fits = |t: &wgpu::Texture| [t.width(), t.height()] == size && t.format() == format;
        let (texture, view) = match &self.own {
            Some((texture, view)) if fits(texture) => (texture.clone(), view.clone()),
            _ => {
                let made = own_texture(gpu, size, format);
                self.own = Some(made.clone());
                made
            }
        };
        Picture { texture, view, surface: None }
    }
}

impl Window {
    fn acquire(
        &mut self,
        instance: &wgpu::Instance,
        gpu: &Gpu,
        [width, height]: [u32; 2],
    ) -> Option<wgpu::SurfaceTexture> {
        use wgpu::CurrentSurfaceTexture as C;
        for _ in 0..2 {
            let config = self.config.as_mut()?;
            if self.stale || [config.width, config.height] != [width, height] {
                (config.width, config.height) = (width, height);
                let (_, fault) = gpu.creating(|| self.surface.configure(&gpu.device, config));
                if let Some(fault) = fault {
                    if !std::mem::replace(&mut self.told, true) {
                        tracing::warn!("the window cannot be drawn to now: {fault}");
                    }
                    return None;
                }
                (self.stale, self.told) = (false, false);
            }
            match self.surface.get_current_texture() {
                C::Success(texture) => return Some(texture),
                C::Suboptimal(texture) => {
                    self.stale = true;
                    return Some(texture);
                }
                C::Outdated => self.stale = true,
                C::Lost => {
                    self.surface = instance.create_surface(self.source.0.clone()).ok()?;
                    self.stale = true;
                }
                C::Timeout | C::Occluded | C::Validation => return None,
            }
        }
        None
    }
}

fn configuration(
    surface: &wgpu::Surface<'static>,
    gpu: &Gpu,
    pace: PresentPace,
) -> Result<wgpu::SurfaceConfiguration, String> {
    use wgpu::TextureFormat as F;
    let mut config = surface
        .get_default_config(&gpu.adapter, 1, 1)
        .ok_or_else(|| format!("`{}` cannot present to this window", gpu.adapter.get_info().name))?;
    let caps = surface.get_capabilities(&gpu.adapter);
    let wanted = [F::Rgba8UnormSrgb, F::Bgra8UnormSrgb, F::Rgba8Unorm, F::Bgra8Unorm];
    if let Some(format) = wanted.into_iter().find(|f| caps.formats.contains(f)) {
        config.format = format;
    }
    if !config.format.is_srgb() {
        // Shaders write linear colour; the view encodes it.
        config.view_formats = vec![config.format.add_srgb_suffix()];
    }
    config.usage |= caps.usages & wgpu::TextureUsages::COPY_SRC;
    config.desired_maximum_frame_latency = 1;
    config.present_mode = match pace {
        PresentPace::Vsync => wgpu::PresentMode::AutoVsync,
        PresentPace::Immediate => wgpu::PresentMode::AutoNoVsync,
    };
    Ok(config)
}

fn own_texture(
    gpu: &Gpu,
    [width, height]: [u32; 2],
    format: wgpu::TextureFormat,
) -> (wgpu::Texture, wgpu::TextureView) {
    let max = gpu.limits.max_texture_dimension_2d;
    let texture = gpu.device.create_texture(&wgpu::TextureDescriptor {
        label: Some("picture"),
        size: wgpu::Extent3d {
            width: width.clamp(1, max),
            height: height.clamp(1, max),
            depth_or_array_layers: 1,
        },
        mip_level_count: 1,
        sample_count: 1,
        dimension: wgpu::TextureDimension::D2,
        format,
        usage: wgpu::TextureUsages::RENDER_ATTACHMENT | wgpu::TextureUsages::COPY_SRC,
        view_formats: &[],
    });
    let view = texture.create_view(&wgpu::TextureViewDescriptor::default());
    (texture, view)
}
