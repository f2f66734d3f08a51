//! Changes while a world runs: another scene, saved shaders and assets, keys that switch cells.
use crate::{
    cells::{CellEntry, Life},
    watch::Changes,
    world::World,
};
use cell_abi::InputFrame;
use engine_frame::plan::CellLine;
use engine_scene::{Scene, diff};
use std::{collections::BTreeMap, path::Path, sync::Arc};

impl World {
    /// Goes over to another reading of the scene. Cells that both have keep their instance, state and buffers;
    /// wrong parameters leave a cell with those it had.
    ///
    /// # Errors
    /// When the render thread is gone.
    pub fn apply_scene(&mut self, scene: Scene) -> Result<(), engine_render::RendererGone> {
        let changes = diff(&self.scene, &scene);
        let down = self.cells.iter().any(|c| matches!(c.life, Life::Down { .. }));
        if changes.is_empty() && !down {
            return Ok(());
        }
        if changes.clock {
            tracing::warn!("the scene's rate and seed count from the next start on");
        }
        let mut old: Vec<Option<CellEntry>> = std::mem::take(&mut self.cells).into_iter().map(Some).collect();
        for line in &scene.cells {
            let kept = old
                .iter_mut()
                .find(|c| c.as_ref().is_some_and(|c| *c.name == *line.name && c.scene.cell == line.cell))
                .and_then(Option::take);
            let entry = match kept {
                None => self.new_entry(line.clone()),
                Some(mut entry) => {
                    entry.scene = line.clone();
                    if matches!(entry.life, Life::Down { .. }) {
                        // Whatever was wrong may be mended: start it anew.
                        self.leave(entry)?;
                        self.new_entry(line.clone())
                    } else {
                        if changes.toggled.contains(&line.name) {
                            entry.on = line.enabled;
                        }
                        self.change_params(&mut entry);
                        if changes.moved.contains(&line.name) {
                            entry = self.moved(entry);
                        }
                        if let Some(built) = &entry.built {
                            let rate = line.rate.unwrap_or(built.ports.rate);
                            entry.set_rate(rate, self.scene.rate);
                        }
                        entry
                    }
                }
            };
            self.cells.push(entry);
        }
        for gone in old.into_iter().flatten() {
            tracing::info!(cell = &*gone.name, "it left the scene");
            self.leave(gone)?;
        }
        // What a running world cannot follow stays.
        self.scene = Scene { rate: self.scene.rate, seed: self.scene.seed, ..scene };
        let new_lines: BTreeMap<u32, usize> =
            self.cells.iter().enumerate().map(|(n, c)| (c.key, n)).collect();
        let key_of: BTreeMap<usize, u32> = self.lines.iter().map(|(key, n)| (*n, *key)).collect();
        let new_line = |old: CellLine| {
            let key = key_of.get(&(old.0 as usize))?;
            new_lines.get(key).map(|n| CellLine(*n as u32))
        };
        self.lists.renumber(new_line);
        for c in &mut self.cells {
            c.mailbox.renumber(new_line);
        }
        self.sealed_changed = true;
        self.after_change()
    }

    /// Lets go of an entry that is no longer in the scene.
    fn leave(&self, gone: CellEntry) -> Result<(), engine_render::RendererGone> {
        if let Some(cx) = gone.cx.as_ref().filter(|_| gone.turn.is_none()) {
            // Its turn is under way: nothing that it does counts any more.
            cx.cancel();
        }
        self.renderer.remove_shader(gone.shader)
    }

    /// Takes the parameters of a changed scene line.
    fn change_params(&self, entry: &mut CellEntry) {
        let assets_before = entry.asset_paths.clone();
        match self.take_params(entry) {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!(cell = &*entry.name, "it has new parameters");
                entry.wants.passes = true;
                entry.wants.load |= assets_before != entry.asset_paths;
            }
            Err(faults) => {
                for f in faults {
                    tracing::error!(
                        cell = &*entry.name,
                        "\n{f}\nthe cell goes on with the parameters it had"
                    );
                }
            }
        }
    }

    /// Puts a cell where its scene line says now: a new instance, after the old one is gone.
    fn moved(&self, mut entry: CellEntry) -> CellEntry {
        let mut next = CellEntry::new(entry.scene.clone(), entry.key, entry.shader);
        // A turn of the old place that is still under way counts no more.
        next.epoch = entry.epoch + 1;
        next.on = entry.on;
        next.rate = entry.rate;
        next.clock = entry.clock.clone();
        next.mailbox = std::mem::take(&mut entry.mailbox);
        next.counters = entry.counters;
        next.shader_hash = entry.shader_hash;
        if let Some(cx) = &entry.cx {
            cx.cancel();
        }
        self.prepare(&mut next);
        next
    }

    fn after_change(&mut self) -> Result<(), engine_render::RendererGone> {
        self.wire();
        for n in 0..self.cells.len() {
            self.cells[n].params_sent = false;
            if self.cells[n].is_declared() {
                self.take_shader(n)?;
            }
        }
        Ok(())
    }

    /// Switches the cells whose key was pressed.
    pub(crate) fn toggle(&mut self, input: &InputFrame) {
        let mut changed = false;
        for c in &mut self.cells {
            if c.scene.on.is_some_and(|key| input.pressed(key)) {
                c.on = !c.on;
                changed = true;
                if c.on {
                    // Its buffers are new: what it writes only now and then, it writes again.
                    c.params_version += 1;
                    c.no_ticks = false;
                    c.wants.passes = true;
                }
                tracing::info!(cell = &*c.name, "switched {}", if c.on { "on" } else { "off" });
            }
        }
        if changed && self.after_change().is_err() {
            tracing::error!("the render thread is gone");
        }
    }

    /// Takes saved files: shaders are compiled, assets loaded again. Returns whether the scene at `scene` changed.
    ///
    /// # Errors
    /// When the render thread is gone.
    pub fn take_changes(
        &mut self,
        changes: &Changes,
        scene: &Path,
    ) -> Result<bool, engine_render::RendererGone> {
        let mut scene_changed = changes.all;
        let shaders: Vec<usize> = (0..self.cells.len())
            .filter(|n| {
                let path = self.cells[*n].shader_path.as_ref();
                changes.all || path.is_some_and(|p| changes.paths.contains(p))
            })
            .collect();
        for n in shaders {
            self.take_shader(n)?;
        }
        let root = self.services.assets.root().to_owned();
        for path in &changes.paths {
            scene_changed |= path == scene;
            let Some(asset) = path.strip_prefix(&root).ok().and_then(Path::to_str) else { continue };
            // A cell that is down may have waited for this very file: the scene is tried anew.
            scene_changed |= self.cells.iter().any(|c| matches!(c.life, Life::Down { .. }));
            let readers: Vec<usize> = self.readers_of(asset);
            if readers.is_empty() {
                continue;
            }
            match self.services.assets.refresh(asset) {
                Ok(false) => {}
                Ok(true) => {
                    for n in readers {
                        tracing::info!(cell = &*self.cells[n].name, "loads {asset} again");
                        self.cells[n].wants.load = true;
                    }
                }
                Err(error) => tracing::error!("{error}; the last content stays"),
            }
        }
        Ok(scene_changed)
    }

    fn readers_of(&self, asset: &str) -> Vec<usize> {
        let reads = |cx: &Arc<crate::cx::InstanceCx>| cx.io().assets.iter().any(|(p, _)| **p == *asset);
        (0..self.cells.len()).filter(|n| self.cells[*n].cx.as_ref().is_some_and(reads)).collect()
    }
}
