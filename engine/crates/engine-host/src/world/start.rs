//! A line of the scene becomes a cell: staged, loaded, checked, and given its first instance.
use super::{World, WorldError};
use crate::{
    builder::{BuildError, BuiltCell},
    cells::{CellEntry, Life},
    closer::Ends,
    cx::InstanceCx,
    frame::LOAD_LIMIT,
    library::CellLibrary,
    process_cell::{ProcessCell, Start},
    quotas, spawner,
    thread_cell::ThreadCell,
    trust::{self, Rights},
    turn::{Maker, Placed, Work},
};
use cell_abi::ports::PortTable;
use engine_frame::{links::start_order, plan::ShaderId, wgsl};
use engine_render::{RendererGone, ShaderSource};
use engine_scene::{CheckedParams, Placement, SceneCell, SceneFault, check_params};
use std::{path::Path, sync::Arc, time::Duration};

impl World {
    /// Returns an entry for a scene line, ready to start unless it is at fault. It is changed before it is prepared.
    pub(crate) fn new_entry(&mut self, line: SceneCell, change: impl FnOnce(&mut CellEntry)) -> CellEntry {
        let key = self.next_key;
        self.next_key += 1;
        let mut entry = CellEntry::new(line, key, ShaderId(key));
        change(&mut entry);
        self.prepare(&mut entry);
        entry
    }

    /// Stages the build of a cell, loads it and checks its parameters. A fault leaves it down.
    pub(crate) fn prepare(&self, entry: &mut CellEntry) {
        let built = match self.project.stage(entry.scene.cell.as_str()) {
            Ok(built) => built,
            Err(e) => return self.down(entry, &e),
        };
        if let Some(why) = entry.scene.trust.grants().and_then(|_| trust::sandbox_fault()) {
            let fault = entry.scene.trust_fault(why.clone(), None);
            tracing::error!(cell = &*entry.name, "\n{fault}");
            entry.life = Life::Down { why };
            return;
        }
        let placement = self.placement(entry);
        entry.warn_of_quotas(placement);
        if placement == Placement::Thread {
            match self.libraries.load(&built.path) {
                Ok(library) => entry.library = Some(library),
                Err(e) => return self.down(entry, &BuildError::Library(e)),
            }
        }
        entry.set_rate(entry.scene.rate.unwrap_or(built.ports.rate), self.scene.rate);
        entry.shader_path = built.ports.shader.as_ref().map(|s| built.shaders.join(s));
        entry.built = Some(built);
        entry.warn_of_checkpoint();
        if let Err(faults) = self.take_params(entry) {
            for f in &faults {
                tracing::error!(cell = &*entry.name, "\n{f}");
            }
            entry.built = None;
            entry.life =
                Life::Down { why: faults.iter().map(|f| f.what.clone()).collect::<Vec<_>>().join("; ") };
        }
    }

    fn down(&self, entry: &mut CellEntry, error: &BuildError) {
        let fault = entry.scene.fault(error.to_string(), None);
        tracing::error!(cell = &*entry.name, "\n{fault}");
        entry.built = None;
        entry.life = Life::Down { why: error.to_string() };
    }

    /// Checks the parameters of a built cell and takes them.
    pub(crate) fn take_params(&self, entry: &mut CellEntry) -> Result<bool, Vec<SceneFault>> {
        let Some(built) = &entry.built else { return Ok(false) };
        let checked = self.checked_params(entry, &built.ports)?;
        if *entry.params != *checked.encoded || entry.params_version == 0 {
            entry.asset_paths = checked.assets.iter().map(|a| a.path.clone()).collect();
            entry.params = checked.encoded.into();
            entry.params_version += 1;
            entry.params_sent = false;
            return Ok(true);
        }
        Ok(false)
    }

    /// Checks the parameters of a scene line by a port table, and whether the assets are there that they name.
    pub(crate) fn checked_params(
        &self,
        entry: &CellEntry,
        ports: &PortTable,
    ) -> Result<CheckedParams, Vec<SceneFault>> {
        let checked = check_params(&entry.scene, ports)?;
        let mut faults = Vec::new();
        for asset in &checked.assets {
            let file = self.services.assets.root().join(&asset.path);
            if !file.is_file() {
                let what = format!("the asset `{}` of `{}` does not exist", asset.path, asset.param);
                let help = Some(format!("put the file at {}", file.display()));
                faults.push(entry.scene.fault_at(asset.span, what, help));
            }
        }
        if faults.is_empty() { Ok(checked) } else { Err(faults) }
    }

    /// Returns where a cell runs: as the scene says, but one that hung on a thread is kept in a process of its own.
    pub(crate) fn placement(&self, entry: &CellEntry) -> Placement {
        if entry.quarantined || entry.scene.trust.is_untrusted() {
            return Placement::Process;
        }
        entry.moved_to.or(self.options.placement).unwrap_or(entry.scene.at)
    }

    /// Hands a cell's shader to the renderer if its text changed. An empty or unreadable file changes nothing when
    /// there was a text before.
    pub(crate) fn take_shader(&mut self, n: usize) -> Result<(), RendererGone> {
        let root = self.project.root.clone();
        let entry = &mut self.cells[n];
        let (Some(path), Some(built)) = (&entry.shader_path, &entry.built) else { return Ok(()) };
        let shown = shown(path, &root);
        let had = entry.shader_hash.is_some();
        let text = match std::fs::read_to_string(path) {
            // Some editors save through an empty file; the real text follows.
            Ok(text) if text.trim().is_empty() && had => {
                tracing::warn!(cell = &*entry.name, "the shader {shown} is empty; the last good one stays");
                return Ok(());
            }
            Ok(text) => text,
            Err(error) if had => {
                tracing::warn!(
                    cell = &*entry.name,
                    "the shader {shown} cannot be read ({error}); the last good one stays"
                );
                return Ok(());
            }
            Err(error) => {
                tracing::error!(
                    cell = &*entry.name,
                    "the shader {shown} cannot be read ({error}); its passes draw nothing"
                );
                entry.shader_fault = Some(format!("the shader {shown} cannot be read: {error}"));
                return Ok(());
            }
        };
        let hash = blake3::hash(text.as_bytes());
        if entry.shader_hash == Some(hash) {
            return Ok(());
        }
        entry.shader_hash = Some(hash);
        let header = wgsl::header(&built.ports);
        self.renderer.set_shader(ShaderSource {
            id: entry.shader,
            path: shown,
            header,
            body: text,
            origin: trust::shader_origin(&entry.scene),
        })
    }

    /// Makes an instance for each declared cell that has none, and waits for them. In start order: a cell comes
    /// after the owners of the buffers that it reads.
    pub(super) fn start_and_wait(&mut self) -> Result<(), WorldError> {
        for line in start_order(&self.contracts) {
            if !self.cells[line.0 as usize].is_declared() {
                continue;
            }
            self.take_shader(line.0 as usize)?;
            self.begin_instance(line.0 as usize);
        }
        let mut waited = Duration::ZERO;
        while self.in_flight > 0 {
            let step = Duration::from_millis(100);
            match self.pool.finished_within(step, 1) {
                Some(turn) => self.finish(turn),
                None => waited += step,
            }
            if waited.as_millis().is_multiple_of(5000) && !waited.is_zero() {
                for c in self.cells.iter().filter(|c| matches!(c.life, Life::Busy { .. })) {
                    tracing::warn!(cell = &*c.name, "still loading after {} s", waited.as_secs());
                }
            }
            if waited >= LOAD_LIMIT && self.options.lockstep {
                return Err(self.tick_limit());
            }
            if waited >= LOAD_LIMIT {
                tracing::error!("going on without the cells that are still loading");
                break;
            }
        }
        Ok(())
    }

    /// Returns how the processes of a cell's instances are started, and what these may do: the same for each, however
    /// it comes.
    pub(crate) fn terms(&self, entry: &CellEntry) -> (Start, Rights) {
        let mut start = self.options.processes.clone();
        start.jail = start.jail.with_quotas(quotas::jail(&entry.scene.quotas));
        if entry.scene.trust.is_untrusted() {
            start.jail = start.jail.require_full();
        }
        (start, Rights::of(&entry.scene))
    }

    /// Starts a new instance of a cell: create, load, passes.
    pub(crate) fn begin_instance(&mut self, n: usize) {
        let placement = self.placement(&self.cells[n]);
        let (services, ends) = (Arc::clone(&self.services), self.closer.ends());
        let (start, rights) = self.terms(&self.cells[n]);
        let Some(built) = self.cells[n].built.clone() else { return };
        let kept = self.new_kept(&built);
        let entry = &mut self.cells[n];
        (entry.hung, entry.has_loaded) = (false, false);
        entry.counters.restarts += u64::from(entry.epoch > 0);
        entry.epoch = entry.next_epoch();
        entry.gpu.ended = false;
        entry.placed = placement;
        let cx = InstanceCx::with_rights(Arc::clone(&entry.name), services, rights);
        entry.kept = kept;
        let mut turn = entry.new_turn(&cx);
        turn.maker = Some(maker(placement, &built, entry.library.as_ref(), start, ends));
        turn.renewal = self.book.replace_instance(&entry.name, trust::writer(&entry.scene, placement));
        turn.legacy = entry.legacy();
        entry.cx = Some(cx);
        entry.turn = Some(turn);
        entry.no_ticks = false;
        entry.wants = Work { load: true, passes: true, ..Work::default() };
        self.plan_checkpoint(n);
        self.start_turn(n, 0, false);
    }
}

/// Returns what makes an instance of a build at `placement`; on a thread, of its loaded library.
pub(crate) fn maker(
    placement: Placement,
    built: &BuiltCell,
    library: Option<&Arc<CellLibrary>>,
    start: Start,
    ends: Ends,
) -> Maker {
    match (placement, library.map(Arc::clone)) {
        (Placement::Thread, None) => Box::new(|_| Err("its library is not loaded".to_owned())),
        (Placement::Thread, Some(library)) => Box::new(move |cx| {
            ThreadCell::create(&library, cx).map(|c| Box::new(ends.hold(c)) as Box<dyn Placed>)
        }),
        (Placement::Process, _) => {
            spawner::prepare();
            let path = built.path.clone();
            Box::new(move |cx| {
                let cell = ProcessCell::create(&path, cx, &start)?;
                Ok(Box::new(ends.hold(cell)) as Box<dyn Placed>)
            })
        }
    }
}

fn shown(path: &Path, root: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}
