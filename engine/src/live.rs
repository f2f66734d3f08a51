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

/// Folders of a project of which everything is watched.
const DEEP: [&str; 3] = ["shaders", "assets", "cells"];

/// Watches a project for a running world.
pub(crate) struct Live {
    project: Project,
    scene_path: PathBuf,
    /// Why code that is saved is not built; `None` when it is.
    builds_not: Option<&'static str>,
    watch: Option<FileWatch>,
    /// Folders elsewhere in the project from which cells were built, as far as they are watched.
    sources: BTreeSet<PathBuf>,
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
        let mut live = Self {
            project: prepared.project.clone(),
            scene_path: prepared.scene_path.clone(),
            builds_not: if args.no_build {
                Some("the engine runs with --no-build")
            } else if args.all_cells && !args.follow_code {
                Some("`engine mitosis` runs without --watch")
            } else {
                None
            },
            watch,
            sources: BTreeSet::new(),
            building: None,
            again: false,
            behind: false,
        };
        live.watch_sources(&prepared.scene);
        live
    }

    /// Watches the folders from which cells were built, if nobody does: crates that cells share.
    fn watch_sources(&mut self, scene: &Scene) {
        let Some(watch) = &mut self.watch else { return };
        let names = scene.cells.iter().filter(|c| matches!(c.cell, CellRef::Crate(_)));
        let names: BTreeSet<String> = names.map(|c| c.cell.as_str().to_owned()).collect();
        for folder in self.project.source_folders(&Vec::from_iter(names)) {
            let is_deep = DEEP.iter().any(|deep| folder.starts_with(self.project.root.join(deep)));
            if !is_deep && !self.sources.contains(&folder) {
                match watch.watch(&folder, Depth::Flat) {
                    Ok(()) => _ = self.sources.insert(folder),
                    Err(error) => tracing::warn!("{error}"),
                }
            }
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
                    self.watch_sources(&scene);
                    world.apply_scene(scene)?;
                    world.take_builds();
                    self.forget_builds(world);
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

    /// Removes old builds. Not here: that waits for a lock and for the disk.
    fn forget_builds(&self, world: &World) {
        let (project, running) = (self.project.clone(), world.builds());
        let forget = move || {
            let gone = project.forget_builds(&running);
            if gone > 0 {
                tracing::debug!("removed {gone} old build(s)");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("forget".to_owned()).spawn(forget) {
            tracing::debug!("old builds stay: no thread: {error}");
        }
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
            kind && (p.starts_with(&cells) || p.parent().is_some_and(|f| self.sources.contains(f)))
        };
        let saved: Vec<PathBuf> = changes.paths.iter().filter(is_code).cloned().collect();
        let down = !world.down_cells().is_empty();
        if saved.is_empty() {
            // What was saved is not known when there was too much of it. What is being built may have been mended.
            return changes.all
                && self.builds_not.is_none()
                && (down || self.building.is_some() || self.behind);
        }
        let names: BTreeSet<String> =
            world.scene().cells.iter().map(|c| c.cell.as_str().to_owned()).collect();
        let touched = self.project.cells_with(&saved, &Vec::from_iter(names));
        let Some(why) = self.builds_not else {
            return !touched.is_empty() || down || self.building.is_some() || self.behind;
        };
        let running = world.scene().cells.iter().filter(|c| touched.iter().any(|t| t == c.cell.as_str()));
        for cell in running {
            tracing::info!(
                cell = &*cell.name,
                "its code was saved; it runs on as it was built, because {why}"
            );
        }
        if down {
            tracing::info!(
                "code was saved, but {why}: build the cells (cargo build -p CELL), then save {}",
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
        if self.builds_not.is_none() && !self.project.is_fresh(&names) {
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
    let deep = DEEP.map(|f| root.join(f));
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
