//! Saved files while a world runs: shaders are compiled again, assets are loaded again.
use crate::{
    assets::Refreshed,
    builder::BuiltCell,
    cells::{CellEntry, Life},
    watch::Changes,
    world::World,
};
use engine_render::RendererGone;
use std::{collections::BTreeSet, path::Path};

impl World {
    /// Takes saved files: shaders are compiled; assets are read again in the background, to be taken by
    /// [`World::take_refreshed`]. Returns whether the scene at `scene` is to be read again.
    ///
    /// # Errors
    /// When the render thread is gone.
    pub fn take_changes(&mut self, changes: &Changes, scene: &Path) -> Result<bool, RendererGone> {
        for n in 0..self.cells.len() {
            if self.cells[n].shader_path.as_ref().is_some_and(|p| changes.touch(p)) {
                self.take_shader(n)?;
            }
        }
        let root = self.services.assets.root();
        let mut assets: BTreeSet<Box<str>> =
            self.services.assets.in_use().into_iter().map(Box::from).collect();
        let frozen = self.cells.iter().filter_map(|c| c.probation.as_ref()).map(|f| &f.cx);
        for cx in self.cells.iter().filter_map(|c| c.cx.as_ref()).chain(frozen) {
            assets.extend(cx.io().assets.iter().map(|(path, _)| path.clone()));
        }
        for path in assets.iter().filter(|p| changes.touch(&root.join(&***p))) {
            self.services.assets.refresh_soon(path);
        }
        // A cell that is down may have waited for this very file: the scene is tried anew.
        let any_asset = changes.all || changes.paths.iter().any(|p| p.starts_with(root));
        let is_down = self.cells.iter().any(|c| matches!(c.life, Life::Down { .. }));
        Ok(changes.touch(scene) || any_asset && is_down)
    }

    /// Lets the cells that read saved assets load again, when the files have been read and are others than before.
    /// To be called once a frame; costs next to nothing while nothing was saved.
    pub fn take_refreshed(&mut self) {
        for Refreshed { path, read } in self.services.assets.take_refreshed() {
            if let Ok((asset, true)) = &read {
                for frozen in self.cells.iter_mut().filter_map(|c| c.probation.as_mut()) {
                    frozen.expect_asset(&path, asset);
                }
            }
            let readers = self.cells.iter_mut().filter_map(|c| {
                let found = c.cx.as_ref()?.io().assets.iter().rev().find(|(p, _)| **p == *path)?.1.is_some();
                Some((c, found))
            });
            match &read {
                Ok((asset, changed)) => {
                    for (entry, found) in readers.filter(|(_, found)| *changed || !found) {
                        let again = if found { " again" } else { ", which is there now" };
                        tracing::info!(cell = &*entry.name, "loads {path}{again}");
                        if let Some(cx) = &entry.cx {
                            cx.expect_asset(&path, asset.clone());
                        }
                        entry.wants.load = true;
                    }
                    self.wake_wanting();
                }
                Err(error) => {
                    // Who never had it has said so when it loaded.
                    if readers.into_iter().any(|(_, found)| found) {
                        tracing::error!("{error}; the last content stays");
                    }
                }
            }
        }
    }

    /// Returns whether a cell that is at fault has been built since: the new build may be better.
    pub(crate) fn is_built_anew(&self, entry: &CellEntry) -> bool {
        let newest = |old: &BuiltCell| {
            self.project
                .stage(entry.scene.cell.as_str())
                .is_ok_and(|b| b.path != old.path && entry.rejected.as_ref() != Some(&b.path))
        };
        entry.fault().is_some() && entry.built.as_ref().is_some_and(newest)
    }
}
