//! Saved files while a world runs: shaders, assets, the scene, and cells that a changed scene needs built.
use crate::{
    args::RunArgs,
    building,
    start::{self, Prepared},
};
use engine_host::{
    BuildError, Project, World,
    watch::{Changes, Depth, FileWatch},
};
use engine_scene::{CellRef, Scene};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    thread::JoinHandle,
};

/// Watches a project for a running world.
pub(crate) struct Live {
    project: Project,
    scene_path: PathBuf,
    may_build: bool,
    watch: Option<FileWatch>,
    /// A scene that waits for its cells to be built.
    building: Option<(Scene, JoinHandle<Result<(), BuildError>>)>,
    /// Something was saved while cells were built: look at the scene again afterwards.
    again: bool,
    /// The last build came to nothing, so the world is behind the scene file: saved code may be what was missing.
    behind: bool,
}

impl Live {
    /// Starts to watch; a lockstep run watches nothing.
    pub(crate) fn new(prepared: &Prepared, args: &RunArgs) -> Self {
        let watch = (!args.lockstep).then(|| watch(prepared)).flatten();
        Self {
            project: prepared.project.clone(),
            scene_path: prepared.scene_path.clone(),
            // `engine mitosis` follows code only when it is asked to.
            may_build: !args.no_build && (!args.all_cells || args.follow_code),
            watch,
            building: None,
            again: false,
            behind: false,
        }
    }

    /// Hands what was saved to the world. Cells are built elsewhere; reading a scene and the libraries it newly names is
    /// done here.
    pub(crate) fn poll(&mut self, world: &mut World) -> anyhow::Result<()> {
        let changes = self.watch.as_ref().map(FileWatch::take).unwrap_or_default();
        if !changes.is_empty() {
            let scene = world.take_changes(&changes, &self.scene_path)?;
            if self.touch_library(&changes, world) {
                world.take_builds();
            }
            let code = self.take_code(&changes, world);
            if scene || code {
                self.read_scene(world)?;
            }
        }
        world.take_refreshed();
        if self.building.as_ref().is_some_and(|(_, b)| b.is_finished())
            && let Some((scene, build)) = self.building.take()
        {
            let built = build.join();
            self.behind = !matches!(built, Ok(Ok(())));
            match built {
                Ok(Ok(())) => {
                    world.apply_scene(scene)?;
                    world.take_builds();
                    let gone = self.project.forget_builds(&world.builds());
                    if gone > 0 {
                        tracing::debug!("removed {gone} old build(s)");
                    }
                }
                Ok(Err(error)) => tracing::error!("{error}; the scene stays as it was"),
                Err(_) => tracing::error!("the build ended without a result; the scene stays as it was"),
            }
            if std::mem::take(&mut self.again) {
                self.read_scene(world)?;
            }
        }
        Ok(())
    }

    /// Returns whether a prebuilt library of the scene was saved.
    fn touch_library(&self, changes: &Changes, world: &World) -> bool {
        let libraries = world.scene().cells.iter().filter_map(|c| match &c.cell {
            CellRef::Library(path) => Some(self.project.root.join(path)),
            CellRef::Crate(_) => None,
        });
        libraries.into_iter().any(|path| changes.touch(&path))
    }

    /// Takes saved Rust code. Returns whether cells are to be built.
    fn take_code(&self, changes: &Changes, world: &World) -> bool {
        let cells = self.project.root.join("cells");
        let is_code = |p: &&PathBuf| {
            // A folder that was moved here stands for the files in it.
            let kind = p.extension().is_some_and(|e| e == "rs")
                || p.file_name().is_some_and(|n| n == "Cargo.toml")
                || p.is_dir();
            kind && p.starts_with(&cells)
        };
        let saved: Vec<PathBuf> = changes.paths.iter().filter(is_code).cloned().collect();
        let down = !world.down_cells().is_empty();
        if saved.is_empty() {
            // What was saved is not known when there was too much of it. What is being built may have been mended.
            return changes.all && self.may_build && (down || self.building.is_some() || self.behind);
        }
        let names: BTreeSet<String> =
            world.scene().cells.iter().map(|c| c.cell.as_str().to_owned()).collect();
        let touched = self.project.cells_with(&saved, &Vec::from_iter(names));
        if self.may_build {
            return !touched.is_empty() || down || self.building.is_some() || self.behind;
        }
        let running = world.scene().cells.iter().filter(|c| touched.iter().any(|t| t == c.cell.as_str()));
        for cell in running {
            tracing::info!(
                cell = &*cell.name,
                "its code was saved; it runs on as it was built, because the engine runs with --no-build"
            );
        }
        if down {
            tracing::info!(
                "code was saved, but the engine runs with --no-build: build the cells (cargo build -p CELL), then save {}",
                self.shown()
            );
        }
        false
    }

    fn shown(&self) -> std::path::Display<'_> {
        self.scene_path.strip_prefix(&self.project.root).unwrap_or(&self.scene_path).display()
    }

    fn read_scene(&mut self, world: &mut World) -> anyhow::Result<()> {
        if self.building.is_some() {
            self.again = true;
            return Ok(());
        }
        let read = start::read_scene(&self.project, &self.scene_path).and_then(|scene| {
            let names = scene.as_ref().ok().map(|s| start::crates_of(&self.project, s)).transpose()?;
            Ok((scene, names.unwrap_or_default()))
        });
        let (scene, names) = match read {
            Err(error) => {
                tracing::error!("{error:#}; the world goes on as it was");
                return Ok(());
            }
            Ok((Err(faults), _)) => {
                for f in faults {
                    tracing::error!("\n{f}");
                }
                tracing::error!("the world goes on with the last good scene");
                return Ok(());
            }
            Ok((Ok(scene), names)) => (scene, names),
        };
        if self.may_build && !self.project.is_fresh(&names) {
            tracing::info!("cells of the scene are to be built; the world goes on meanwhile");
            let project = self.project.clone();
            let build = std::thread::spawn(move || building::build(&project, &names));
            self.building = Some((scene, build));
            return Ok(());
        }
        world.apply_scene(scene)?;
        // Somebody else may have built them.
        world.take_builds();
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
    for (folder, depth) in folders(&prepared.project.root, &prepared.scene_path) {
        if let Err(error) = watch.watch(&folder, depth) {
            tracing::warn!("{error}");
        }
    }
    Some(watch)
}

/// Returns what is watched. Beside the scene other things may lie, such as the project's whole target folder.
fn folders(root: &Path, scene: &Path) -> Vec<(PathBuf, Depth)> {
    let deep = ["shaders", "assets", "cells"].map(|f| root.join(f));
    let beside = scene.parent().filter(|folder| deep.iter().all(|d| !folder.starts_with(d)));
    let beside = beside.map(|folder| (folder.to_owned(), Depth::Flat));
    deep.into_iter().map(|f| (f, Depth::Deep)).chain(beside).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_in_the_project_s_root_does_not_have_its_target_folder_watched() {
        let root = Path::new("/p");
        let of = |scene: &str| folders(root, Path::new(scene)).split_off(3);
        assert_eq!(of("/p/my.ron"), [(PathBuf::from("/p"), Depth::Flat)]);
        assert_eq!(of("/elsewhere/my.ron"), [(PathBuf::from("/elsewhere"), Depth::Flat)]);
        assert_eq!(of("/p/assets/scenes/my.ron"), []);
    }
}
