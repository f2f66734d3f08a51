//! Changes while a world runs: another scene, keys that switch cells.
use crate::{
    cells::{CellEntry, Life},
    swap::Ask,
    world::World,
};
use cell_abi::InputFrame;
use engine_frame::plan::CellLine;
use engine_scene::{Scene, diff};
use std::collections::BTreeMap;

impl World {
    /// Goes over to another reading of the scene. Cells that both have keep their instance, state and buffers;
    /// wrong parameters leave a cell with those it had.
    ///
    /// # Errors
    /// When the render thread is gone.
    pub fn apply_scene(&mut self, scene: Scene) -> Result<(), engine_render::RendererGone> {
        let changes = diff(&self.scene, &scene);
        let faulty = self.cells.iter().any(|c| c.fault().is_some());
        if changes.is_empty() && !faulty {
            return Ok(());
        }
        if changes.clock {
            tracing::warn!("the scene's rate and seed count from the next start on");
        }
        let mut old: Vec<Option<CellEntry>> = std::mem::take(&mut self.cells).into_iter().map(Some).collect();
        for line in &scene.cells {
            let kept = old
                .iter_mut()
                .find(|c| c.as_ref().is_some_and(|c| *c.name == *line.name && c.scene.is_same_code(line)))
                .and_then(Option::take);
            let entry = match kept {
                None => self.new_entry(line.clone(), |_| ()),
                Some(mut entry) => {
                    let before = std::mem::replace(&mut entry.scene, line.clone());
                    let anew = self.is_built_anew(&entry);
                    if !anew && entry.stays_ended(&before) {
                        entry
                    } else if matches!(entry.life, Life::Down { .. }) {
                        // Whatever was wrong may be mended: start it anew.
                        let mut next = self.new_entry(line.clone(), |next| {
                            // What a user told it holds until its line says something else.
                            if !changes.toggled.contains(&line.name) {
                                next.on = entry.on;
                            }
                            if !changes.moved.contains(&line.name) {
                                next.moved_to = entry.moved_to;
                            }
                        });
                        if anew {
                            next.succession = std::mem::take(&mut entry.succession);
                        }
                        self.leave(entry)?;
                        next
                    } else {
                        if changes.toggled.contains(&line.name) {
                            entry.on = line.enabled;
                        }
                        self.change_params(&mut entry);
                        if changes.moved.contains(&line.name) && !line.trust.is_untrusted() {
                            let at = self.options.placement.unwrap_or(line.at);
                            self.swaps.plan_move(&mut entry, at, self.frame);
                        }
                        if anew {
                            self.swaps.plan(&mut entry, Ask::SWAP, self.frame);
                        }
                        if changes.limited.contains(&line.name) {
                            entry.change_quotas(&before.quotas, self.placement(&entry));
                        }
                        if changes.checkpointed.contains(&line.name) {
                            entry.change_checkpoint();
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
        let old_lines = self.lines.iter().enumerate();
        let key_of: BTreeMap<usize, u32> =
            old_lines.filter_map(|(key, n)| n.map(|n| (n, key as u32))).collect();
        let new_line = |old: CellLine| {
            let key = key_of.get(&(old.0 as usize))?;
            new_lines.get(key).map(|n| CellLine(*n as u32))
        };
        self.lists.renumber(new_line);
        for (n, c) in self.cells.iter_mut().enumerate() {
            c.mailbox.renumber(CellLine(n as u32), new_line);
        }
        self.sealed_changed = true;
        self.share_records();
        self.after_change()?;
        for key in key_of.values().filter(|key| !new_lines.contains_key(key)) {
            self.drop_calls(*key);
        }
        Ok(())
    }

    /// Lets go of an entry that is no longer in the scene.
    pub(crate) fn leave(&mut self, mut gone: CellEntry) -> Result<(), engine_render::RendererGone> {
        self.swaps.leave(&mut gone, self.frame, "the cell left the scene");
        self.book.discard(&gone.name);
        if gone.turn.is_none() {
            // Its turn is under way: nothing that it does counts any more.
            gone.cancel();
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

    /// Resolves everything anew after cells have changed.
    pub(crate) fn after_change(&mut self) -> Result<(), engine_render::RendererGone> {
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
        for (_, n) in self.switches.iter().filter(|(key, _)| input.pressed(*key)) {
            let c = &mut self.cells[*n];
            c.on = !c.on;
            changed = true;
            tracing::info!(cell = &*c.name, "switched {}", if c.on { "on" } else { "off" });
        }
        if changed && self.after_change().is_err() {
            tracing::error!("the render thread is gone");
        }
    }
}
