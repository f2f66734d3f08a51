//! What the bare program draws: read from the same scene, shaders and libraries as the engine's.
use anyhow::{Context as _, anyhow};
use cell_abi::ports::PortTable;
use engine_frame::wgsl;
use engine_host::Project;
use engine_scene::Scene;
use glam::{
    Mat4, Vec3,
    camera::rh::{proj::directx::perspective_infinite_reverse, view::look_at_mat4},
};
use rayon::prelude::*;

/// Cubes per chunk of work: as the cell `many-cubes` has it.
const GRAIN: usize = 1024;

/// A cube as `many-cubes.wgsl` takes it.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Cube {
    pub(crate) position: [f32; 3],
    pub(crate) size: f32,
    pub(crate) color: [f32; 3],
    pub(crate) turn: f32,
}

/// The camera as `CameraView` lays it out.
#[repr(C)]
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
pub(crate) struct Camera {
    view_proj: Mat4,
    view: Mat4,
    inv_view_proj: Mat4,
    position: [f32; 3],
    near: f32,
    direction: [f32; 3],
    tan_half_fov: f32,
    viewport: [f32; 2],
    aspect: f32,
    reserved: f32,
}

/// Where the cell `camera` starts.
#[derive(Clone, Copy, Debug)]
struct View {
    eye: Vec3,
    look: Vec3,
    fov: f32,
    near: f32,
}

/// A cell's shader with its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    /// Its ports, which number the bindings.
    pub(crate) ports: PortTable,
    /// The contract's declarations, then the file.
    pub(crate) text: String,
    /// The block behind `params`.
    pub(crate) params: Vec<u8>,
}

/// What the bare program draws.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) cubes: Vec<Cube>,
    pub(crate) spin: f32,
    pub(crate) many_cubes: Source,
    pub(crate) bloom: Source,
    pub(crate) tonemap: Source,
    view: View,
    side: u32,
}

impl Content {
    /// Reads the cells of `scene` from the project's built libraries and shaders.
    pub(crate) fn read(project: &Project, scene: &str) -> anyhow::Result<Self> {
        let scene = Scene::parse("bare", scene).map_err(|f| anyhow!("{}", f[0]))?;
        let source =
            |name: &str| Source::read(project, &scene, name).with_context(|| format!("the cell `{name}`"));
        let many_cubes = source("many-cubes")?;
        let (count, spin) = (many_cubes.word("count")?, f32::from_bits(many_cubes.word("spin")?));
        let camera = source("camera")?;
        let view = View {
            eye: camera.vector("fly_at")?,
            look: camera.vector("fly_look")?,
            fov: f32::from_bits(camera.word("fov")?),
            near: f32::from_bits(camera.word("near")?),
        };
        let side = (1..).find(|side: &u32| side.pow(3) >= count).expect("some cube is large enough");
        let (bloom, tonemap) = (source("bloom")?, source("tonemap")?);
        let mut content = Self { cubes: Vec::new(), spin, many_cubes, bloom, tonemap, view, side };
        content.cubes = (0..count).map(|i| cube(side, i, spin, 0.0)).collect();
        Ok(content)
    }

    /// Moves all cubes on, on as many threads as the engine takes.
    pub(crate) fn turn(&mut self, pool: &rayon::ThreadPool, seconds: f32) {
        let (side, spin) = (self.side, self.spin);
        pool.install(|| {
            self.cubes.par_chunks_mut(GRAIN).enumerate().for_each(|(chunk, cubes)| {
                for (i, cube) in (chunk * GRAIN..).zip(cubes) {
                    *cube = self::cube(side, i as u32, spin, seconds);
                }
            });
        });
    }

    /// Returns the view of the cell `camera`.
    pub(crate) fn camera(&self, [width, height]: [u32; 2]) -> Camera {
        let View { eye, look, fov, near } = self.view;
        let fov = fov.to_radians();
        let aspect = width as f32 / height as f32;
        let direction = (look - eye).normalize();
        let view = look_at_mat4(eye, eye + direction, Vec3::Y);
        let view_proj = perspective_infinite_reverse(fov, aspect, near) * view;
        Camera {
            view_proj,
            view,
            inv_view_proj: view_proj.inverse(),
            position: eye.to_array(),
            near,
            direction: direction.to_array(),
            tan_half_fov: (fov * 0.5).tan(),
            viewport: [width as f32, height as f32],
            aspect,
            reserved: 0.0,
        }
    }
}

/// Returns cube `i` of a field with `side` cubes a side: what `cells/many-cubes/src/field.rs` does. The row
/// `frame-lavapipe` compares the pictures and fails when the two drift apart.
pub(crate) fn cube(side: u32, i: u32, spin: f32, seconds: f32) -> Cube {
    let step = 60.0 / side as f32;
    let place = |k: u32| (k as f32 + 0.5) * step - 30.0;
    let hue = (i.wrapping_mul(0x9e37_79b9) >> 8) as f32 / (1 << 24) as f32;
    let strength = if i % 4 == 3 { 9.0 } else { 0.7 };
    let channel = |shift: f32| strength * (0.35 + 0.3 * (std::f32::consts::TAU * (hue + shift)).cos());
    Cube {
        position: [place(i % side), place(i / side % side), place(i / side / side)],
        size: step * 0.45,
        color: [channel(0.0), channel(0.33), channel(0.67)],
        turn: spin * seconds * (0.5 + hue) + if spin == 0.0 { 0.0 } else { hue * 6.0 },
    }
}

/// Returns the corners (position, normal) and triangles of a cube with edge 1.
pub(crate) fn mesh() -> (Vec<[f32; 6]>, Vec<u32>) {
    let (mut vertices, mut indices) = (Vec::new(), Vec::new());
    for axis in 0..3 {
        for sign in [1.0, -1.0] {
            let first = vertices.len() as u32;
            for (a, b) in [(-0.5, -0.5), (0.5, -0.5), (0.5, 0.5), (-0.5, 0.5)] {
                let mut vertex = [0.0; 6];
                vertex[axis] = 0.5 * sign;
                vertex[(axis + 1) % 3] = a;
                vertex[(axis + 2) % 3] = b * sign;
                vertex[3 + axis] = sign;
                vertices.push(vertex);
            }
            indices.extend([0, 1, 2, 0, 2, 3].map(|i| first + i));
        }
    }
    (vertices, indices)
}

impl Source {
    fn read(project: &Project, scene: &Scene, name: &str) -> anyhow::Result<Self> {
        let ports = engine_host::library::read_ports(&project.library(name))?;
        let line = scene.cell(name).context("the scene does not have it")?;
        let checked = engine_scene::check_params(line, &ports).map_err(|f| anyhow!("{}", f[0]))?;
        let body = match &ports.shader {
            Some(file) => {
                let path = project.root.join("shaders").join(name).join(file);
                std::fs::read_to_string(&path).with_context(|| path.display().to_string())?
            }
            None => String::new(),
        };
        let params = wgsl::pack_params(&ports, &checked.encoded);
        Ok(Self { text: wgsl::header(&ports) + &body, params, ports })
    }

    /// Returns the first four bytes of a parameter, as shaders see it.
    fn word(&self, name: &str) -> anyhow::Result<u32> {
        self.words(name).map(|[first, ..]| first)
    }

    fn vector(&self, name: &str) -> anyhow::Result<Vec3> {
        self.words(name).map(|[x, y, z]| Vec3::new(f32::from_bits(x), f32::from_bits(y), f32::from_bits(z)))
    }

    /// Returns three words from a parameter on; those beyond the block are 0.
    fn words(&self, name: &str) -> anyhow::Result<[u32; 3]> {
        let layout = wgsl::params_layout(&self.ports);
        let field = layout
            .iter()
            .find(|f| f.name == name)
            .with_context(|| format!("it has no parameter `{name}`"))?;
        let word = |n: usize| {
            let bytes = self.params.get(field.offset as usize + 4 * n..).and_then(|b| b.first_chunk());
            bytes.map_or(0, |b| u32::from_le_bytes(*b))
        };
        Ok([word(0), word(1), word(2)])
    }

    /// Returns the binding number of a port.
    pub(crate) fn binding(&self, port: &str) -> u32 {
        self.ports.port(port).map_or(u32::MAX, |(n, _)| n.into())
    }
}
