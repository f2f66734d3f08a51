//! Saved files while a world runs: shaders, assets, the scene, and cells that a changed scene needs built.
use crate::{
    args::RunArgs,
    building,
    start::{self, Prepared},
};
use engine_host::{BuildError, Project, World, watch::FileWatch};
use engine_scene::Scene;
use std::{path::PathBuf, thread::JoinHandle};

/// Watches a project for a running world.
pub(crate) struct Live {
    project: Project,
    scene_path: PathBuf,
    may_build: bool,
    watch: Option<FileWatch>,
    /// A scene that waits for its cells to be built.
    building: Option<(Scene, JoinHandle<Result<(), BuildError>>)>,
}

impl Live {
    /// Starts to watch; a lockstep run watches nothing.
    pub(crate) fn new(prepared: &Prepared, args: &RunArgs) -> Self {
        let watch = (!args.lockstep).then(|| watch(prepared)).flatten();
        Self {
            project: prepared.project.clone(),
            scene_path: prepared.scene_path.clone(),
            may_build: !args.no_build,
            watch,
            building: None,
        }
    }

    /// Hands what was saved to the world. Never blocks.
    pub(crate) fn poll(&mut self, world: &mut World) -> anyhow::Result<()> {
        if let Some(watch) = &self.watch {
            let changes = watch.take();
            if (changes.all || !changes.paths.is_empty()) && world.take_changes(&changes, &self.scene_path)? {
                self.read_scene(world)?;
            }
        }
        if self.building.as_ref().is_some_and(|(_, b)| b.is_finished())
            && let Some((scene, build)) = self.building.take()
        {
            match build.join() {
                Ok(Ok(())) => world.apply_scene(scene)?,
                Ok(Err(error)) => tracing::error!("{error}; the scene stays as it was"),
                Err(_) => tracing::error!("the build ended without a result; the scene stays as it was"),
            }
        }
        Ok(())
    }

    fn read_scene(&mut self, world: &mut World) -> anyhow::Result<()> {
        let scene = match start::read_scene(&self.project, &self.scene_path) {
            Err(error) => {
                tracing::error!("{error:#}; the world goes on as it was");
                return Ok(());
            }
            Ok(Err(faults)) => {
                for f in faults {
                    tracing::error!("\n{f}");
                }
                tracing::error!("the world goes on with the last good scene");
                return Ok(());
            }
            Ok(Ok(scene)) => scene,
        };
        let names = start::crates_of(&self.project, &scene)?;
        if self.may_build && !self.project.is_fresh(&names) {
            tracing::info!("the changed scene needs cells built; the world goes on meanwhile");
            let project = self.project.clone();
            let build = std::thread::spawn(move || building::build(&project, &names));
            self.building = Some((scene, build));
            return Ok(());
        }
        world.apply_scene(scene)?;
        Ok(())
    }
}

fn watch(prepared: &Prepared) -> Option<FileWatch> {
    let mut watch = match FileWatch::new() {
        Ok(watch) => watch,
        Err(error) => {
            tracing::warn!("{error}");
            return None;
        }
    };
    let root = &prepared.project.root;
    let mut folders = vec![root.join("shaders"), root.join("assets")];
    if let Some(folder) = prepared.scene_path.parent()
        && !folder.starts_with(root.join("assets"))
    {
        folders.push(folder.to_owned());
    }
    for folder in folders {
        if let Err(error) = watch.watch(&folder) {
            tracing::warn!("{error}");
        }
    }
    Some(watch)
}
