//! From arguments to a world that can run.
use crate::{
    args::{BackendArg, PlacementArg, RunArgs},
    building, mitosis, output, sandbox, sessions,
};
use anyhow::{Context as _, bail};
use engine_host::{
    Project, World, WorldOptions, assets::AssetStore, cx::Services, par::ParPool, sealed::SealedStore,
};
use engine_render::{Backend, PresentPace, RenderConfig, Renderer, SurfaceSource, UploadTier};
use engine_scene::{CellRef, Scene, SceneFault};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Default size of the picture where a GPU draws.
pub(crate) const SIZE_GPU: [u32; 2] = [1280, 720];
/// Default size where the CPU draws.
pub(crate) const SIZE_CPU: [u32; 2] = [640, 360];

/// Finds the project.
pub(crate) fn project(root: Option<&Path>) -> anyhow::Result<Project> {
    let from = match root {
        Some(root) => {
            root.canonicalize().with_context(|| format!("the project {} is not there", root.display()))?
        }
        None => std::env::current_dir().context("the current folder is gone")?,
    };
    let exe = std::env::current_exe().context("the engine's own file cannot be found")?;
    Ok(Project::find(&from, &exe)?)
}

/// Returns the file of a scene: as given, or under assets/scenes/.
pub(crate) fn scene_path(project: &Project, given: &Path) -> anyhow::Result<PathBuf> {
    let mut tried = Vec::new();
    for base in [given.to_owned(), project.root.join(given), project.root.join("assets/scenes").join(given)] {
        for path in [base.clone(), base.with_extension("ron")] {
            if path.is_file() {
                return Ok(path.canonicalize().unwrap_or(path));
            }
        }
        tried.push(base.display().to_string());
    }
    tried.dedup();
    if given.is_dir() {
        bail!("the scene {} is a folder; name a scene file{}", given.display(), listed(&scenes_in(given)));
    }
    if given.exists() {
        bail!("the scene {} is no file", given.display());
    }
    let names = scenes_in(&project.root.join("assets/scenes"));
    let name = given.file_name().and_then(|n| n.to_str()).unwrap_or_default();
    let meant = engine_frame::names::did_you_mean(name, names.iter().map(String::as_str));
    let hint = meant.map_or_else(|| listed(&names), |m| format!("; did you mean `{m}`?"));
    bail!("there is no scene at {}{hint}", tried.join(" nor at "))
}

fn scenes_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|e| e.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|n| n.ends_with(".ron")).collect();
    names.sort_unstable();
    names
}

/// Returns what there is, when it is not too much to read.
fn listed(names: &[String]) -> String {
    match names.len() {
        1..=12 => format!("; there is `{}`", names.join("`, `")),
        _ => String::new(),
    }
}

/// Reads a scene file.
pub(crate) fn read_scene(project: &Project, path: &Path) -> anyhow::Result<Result<Scene, Vec<SceneFault>>> {
    let text = std::fs::read(path).with_context(|| format!("the scene {} cannot be read", path.display()))?;
    let shown = path.strip_prefix(&project.root).unwrap_or(path).display().to_string();
    Ok(Scene::parse(&shown, text))
}

/// Says so when there is nothing in a scene.
pub(crate) fn warn_if_empty(scene: &Scene) {
    if scene.cells.is_empty() {
        tracing::warn!(
            "the scene has no cells: there is nothing to see; add one, like `(cell: \"tonemap\"),`"
        );
    }
}

/// Returns the names of the crates that a scene needs, without those that do not exist.
pub(crate) fn crates_of(project: &Project, scene: &Scene) -> anyhow::Result<Vec<String>> {
    let known = project.cells()?;
    let mut names: Vec<String> = scene
        .cells
        .iter()
        .filter_map(|c| match &c.cell {
            CellRef::Crate(name) if known.contains(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    names.sort_unstable();
    names.dedup();
    Ok(names)
}

/// A scene that was read and whose cells are built.
pub(crate) struct Prepared {
    /// Where everything lies.
    pub(crate) project: Project,
    /// The scene's file.
    pub(crate) scene_path: PathBuf,
    /// The scene.
    pub(crate) scene: Scene,
    /// How slots reach the GPU; `None` takes the best that works.
    pub(crate) upload: Option<UploadTier>,
}

/// Forces an upload tier.
const UPLOAD: &str = "RENDER_UPLOAD";

/// Returns the upload tier that the environment asks for.
fn upload() -> anyhow::Result<Option<UploadTier>> {
    let Some(word) = std::env::var_os(UPLOAD) else { return Ok(None) };
    let tier = word.to_string_lossy().parse();
    tier.map(Some).with_context(|| format!("the environment variable {UPLOAD}"))
}

/// Reads the scene and builds its cells.
pub(crate) fn prepare(args: &RunArgs) -> anyhow::Result<Prepared> {
    sandbox::check(args)?;
    for (what, path) in [("the picture", &args.capture), ("the report", &args.report)] {
        if let Some(path) = path {
            output::check(what, path)?;
        }
    }
    let upload = upload()?;
    sessions::check(args)?;
    let project = project(args.root.as_deref())?;
    let scene_path = scene_path(&project, &args.scene)?;
    let scene = match read_scene(&project, &scene_path)? {
        Ok(scene) => scene,
        Err(faults) => {
            let all: Vec<String> = faults.iter().map(|f| format!("\n{f}")).collect();
            bail!("the scene cannot be run{}", all.join("\n"));
        }
    };
    warn_if_empty(&scene);
    let names = if args.all_cells { project.cells()? } else { crates_of(&project, &scene)? };
    if !args.no_build {
        building::build(&project, &names)?;
    }
    if args.all_cells {
        mitosis::verify(&project, &names);
    }
    Ok(Prepared { project, scene_path, scene, upload })
}

/// Opens the driver.
pub(crate) fn renderer(
    args: &RunArgs,
    prepared: &Prepared,
    surface: Option<SurfaceSource>,
) -> anyhow::Result<Renderer> {
    let config = RenderConfig {
        backend: match args.backend {
            BackendArg::Vulkan => Backend::Vulkan,
            BackendArg::Noop => Backend::Noop,
        },
        surface,
        present: PresentPace::Vsync,
        // A headless run is for its pictures: no frame is drawn without its shaders.
        wait_ready: args.lockstep || args.headless,
        upload: prepared.upload,
        ..RenderConfig::default()
    };
    Ok(Renderer::start(config)?)
}

/// Returns the size of the picture, and says so when it is smaller because the CPU draws.
pub(crate) fn size(args: &RunArgs, renderer: &Renderer) -> [u32; 2] {
    args.size.unwrap_or_else(|| {
        if renderer.adapter().is_cpu {
            tracing::info!(
                "{} draws on the CPU: the picture has {}x{} pixels (--size for another)",
                renderer.adapter().name,
                SIZE_CPU[0],
                SIZE_CPU[1]
            );
            SIZE_CPU
        } else {
            SIZE_GPU
        }
    })
}

/// Opens the world.
pub(crate) fn world(
    args: &RunArgs,
    prepared: &Prepared,
    renderer: Renderer,
    screen_px: [u32; 2],
) -> anyhow::Result<World> {
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    let services = Arc::new(Services {
        pool: ParPool::new(threads)?,
        assets: AssetStore::new(prepared.project.root.join("assets")),
        sealed: SealedStore::default(),
    });
    let options = WorldOptions {
        lockstep: args.lockstep,
        chaos: args.chaos,
        seed: args.seed,
        placement: args.placement.map(PlacementArg::placement),
        threads,
        tick_limit: Duration::from_millis(args.tick_limit_ms),
        screen_px,
        processes: sandbox::start(args),
        records: args.keep_records,
        crashes: args.crashes.clone().unwrap_or_else(|| prepared.project.output().join("crashes")),
    };
    let mut world =
        World::open(prepared.project.clone(), prepared.scene.clone(), services, renderer, options)?;
    sessions::begin(args, prepared, &mut world)?;
    Ok(world)
}
