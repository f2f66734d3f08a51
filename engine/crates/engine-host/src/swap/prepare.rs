//! The new instance is prepared while the old one ticks: its build is staged and judged, its process started, the
//! instance made.
use super::{Act, Ask, Phase, Staged, Standing, Swap};
use crate::{
    builder::{BuildError, BuiltCell},
    cells::Life,
    cx::InstanceCx,
    frame::LOAD_LIMIT,
    turn::{Ending, Turn},
    world::{World, WorldError, maker},
};
use engine_scene::Placement;
use engine_sys::local_time;
use std::{
    sync::Arc,
    thread::JoinHandle,
    time::{Duration, Instant},
};

/// A build that is being staged on a thread of its own: files are read, hashed, and loaded.
pub(super) type Staging = JoinHandle<Result<Staged, BuildError>>;
/// All builds of the scene's cells, by their names in it, that are being staged after a build.
pub(super) type Restaging = JoinHandle<Vec<(Arc<str>, Result<BuiltCell, BuildError>)>>;

impl World {
    /// Lets the newest builds of all cells that run take over, where they are others: to be called after a build. A
    /// build that was taken back is not tried again.
    pub fn take_builds(&mut self) {
        let project = self.project.clone();
        let cells: Vec<(Arc<str>, String)> =
            self.cells.iter().map(|c| (Arc::clone(&c.name), c.scene.cell.as_str().to_owned())).collect();
        let stage = move || {
            let staged = |(name, cell): (Arc<str>, String)| (name, project.stage(&cell));
            cells.into_iter().map(staged).collect()
        };
        match std::thread::Builder::new().name("stage".to_owned()).spawn(stage) {
            Ok(thread) => self.swaps.staging = Some(thread),
            Err(error) => tracing::error!("new builds are not looked at: no thread: {error}"),
        }
    }

    fn take_restaged(&mut self) {
        let lockstep = self.options.lockstep;
        let Some(thread) = self.swaps.staging.take_if(|t| lockstep || t.is_finished()) else { return };
        for (name, built) in thread.join().unwrap_or_default() {
            let Some(&n) = self.by_name.get(&name) else { continue };
            let entry = &mut self.cells[n];
            let built = match built {
                Ok(built) => built,
                Err(error) => {
                    if entry.built.is_some() {
                        tracing::error!(cell = &*entry.name, "{error}; it runs on as it was built");
                    }
                    continue;
                }
            };
            let runs = entry.built.as_ref().is_some_and(|b| b.path != built.path);
            let comes = entry.swap.as_ref().is_some_and(|s| s.brings(&built.path));
            if runs && !comes && entry.rejected.as_ref() != Some(&built.path) {
                self.swaps.plan(entry, Ask::SWAP, self.frame);
            }
        }
    }

    /// Looks at what is being replaced. In lockstep it goes on until there is nothing to be done before the frame.
    pub(crate) fn step_swaps(&mut self) -> Result<(), WorldError> {
        self.take_restaged();
        loop {
            let mut goes_on = false;
            for at in 0..self.swaps.open.len() {
                if let Some(n) = self.line(self.swaps.open[at]) {
                    goes_on |= self.step_swap(n);
                }
            }
            let mut open = std::mem::take(&mut self.swaps.open);
            open.retain(|key| {
                let entry = self.line(*key).map(|n| &self.cells[n]);
                entry.is_some_and(|c| c.swap.is_some() || c.probation.is_some())
            });
            self.swaps.open = open;
            if !self.options.lockstep {
                return Ok(());
            }
            self.await_border()?;
            if !goes_on {
                self.take_renewals();
                return Ok(());
            }
        }
    }

    /// Lockstep: waits for the turns that belong between two frames.
    fn await_border(&mut self) -> Result<(), WorldError> {
        let begun = Instant::now();
        while self.in_flight > 0 {
            match self.pool.finished_within(Duration::from_millis(100), 1) {
                Some(turn) => self.finish(turn),
                None if begun.elapsed() > self.options.tick_limit.max(LOAD_LIMIT) => {
                    return Err(self.tick_limit());
                }
                None => {}
            }
        }
        Ok(())
    }

    /// Takes the next step of a cell's replacement. Returns whether another one may follow at once.
    fn step_swap(&mut self, n: usize) -> bool {
        self.end_probation(n);
        let entry = &mut self.cells[n];
        let Some(mut swap) = entry.swap.take() else { return false };
        match std::mem::replace(&mut swap.phase, Phase::Planned) {
            Phase::Planned => match self.stage(n, swap.ask) {
                Ok(staging) => swap.phase = Phase::Staging(staging),
                Err(error) => {
                    self.refuse(n, &swap, "the new instance", &format!("no thread: {error}"));
                    return false;
                }
            },
            Phase::Staging(thread) if !self.options.lockstep && !thread.is_finished() => {
                swap.phase = Phase::Staging(thread);
            }
            Phase::Staging(thread) => {
                match thread.join() {
                    Ok(Ok(staged)) => return self.judge(n, *swap, staged),
                    Ok(Err(error)) => self.refuse(n, &swap, "the new build", &error.to_string()),
                    Err(_) => self.refuse(n, &swap, "the new build", "the engine failed as it read it"),
                }
                return false;
            }
            Phase::Making { staged, cx, since_ns, .. }
                if self.now_ns().saturating_sub(since_ns) > LOAD_LIMIT.as_nanos() as u64 =>
            {
                cx.cancel();
                let why = format!("it was not made within {} s", LOAD_LIMIT.as_secs());
                self.refuse(n, &swap, &staged.subject, &why);
                return false;
            }
            Phase::Shadowing { staged, shadow } => return self.step_shadow(n, *swap, staged, shadow),
            Phase::Made { staged, turn } => return self.try_hand_over(n, *swap, staged, turn),
            making @ Phase::Making { .. } => {
                swap.phase = making;
                self.cells[n].swap = Some(swap);
                return false;
            }
        }
        let waits = matches!(swap.phase, Phase::Staging(_)) && !self.options.lockstep;
        self.cells[n].swap = Some(swap);
        !waits
    }

    /// Begins to stage the build that is asked for.
    fn stage(&self, n: usize, ask: Ask) -> std::io::Result<Staging> {
        let entry = &self.cells[n];
        let (project, libraries) = (self.project.clone(), Arc::clone(&self.libraries));
        let cell = entry.scene.cell.as_str().to_owned();
        let running = entry.built.clone();
        let at = match ask.at {
            Some(at) if !entry.scene.trust.is_untrusted() => at,
            None if entry.epoch > 0 => entry.placed,
            _ => self.placement(entry),
        };
        std::thread::Builder::new().name("stage".to_owned()).spawn(move || {
            let built = match (project.stage(&cell), running) {
                (Ok(newest), None) => newest,
                (Ok(newest), Some(_)) if ask.newest => newest,
                // What runs is good enough for a new instance of it.
                (_, Some(running)) if ask.act != Act::Swap => running,
                (Ok(_), Some(running)) => running,
                (Err(error), _) => return Err(error),
            };
            let library = match at {
                Placement::Thread => Some(libraries.load(&built.path)?),
                Placement::Process => None,
            };
            let subject = match ask.act {
                Act::Swap => subject_of(&built),
                Act::Move => format!("the instance at {at:?}"),
                Act::Restart => "the restarted instance".to_owned(),
            };
            Ok(Staged { built, library, at, subject, patience: LOAD_LIMIT })
        })
    }

    /// Decides whether a staged build may be tried, and has its instance made.
    fn judge(&mut self, n: usize, swap: Swap, staged: Staged) -> bool {
        let entry = &self.cells[n];
        let runs = entry.built.as_ref().is_some_and(|b| b.path == staged.built.path);
        let alive = !matches!(entry.life, Life::Down { .. }) && entry.epoch > 0;
        if swap.ask.act == Act::Swap && runs && alive && staged.at == entry.placed {
            let words = "it runs the newest build already".to_owned();
            tracing::info!(cell = &*entry.name, "{words}");
            self.swaps.tell(swap.number, Standing::Unchanged, self.frame, words);
            return false;
        }
        if let Some(why) = self.unfit(n, &staged.built) {
            self.refuse(n, &swap, &staged.subject, &why);
            return false;
        }
        let lives = matches!(entry.life, Life::Idle | Life::Busy { .. }) && entry.on;
        // What an untrusted one makes could be compared only through a twin there too: it shows in its probation whether it
        // works.
        if !runs && lives && !entry.scene.trust.is_untrusted() {
            return self.try_in_shadow(n, swap, staged);
        }
        self.make(n, swap, staged)
    }

    /// Has the new instance made, on a tick thread.
    pub(super) fn make(&mut self, n: usize, swap: Swap, staged: Staged) -> bool {
        let (services, ends) = (Arc::clone(&self.services), self.closer.ends());
        let ((start, rights), since_ns) = (self.terms(&self.cells[n]), self.now_ns());
        let kept = self.new_kept(&staged.built);
        let entry = &mut self.cells[n];
        let cx = InstanceCx::with_rights(Arc::clone(&entry.name), services, rights);
        let epoch = entry.next_epoch();
        let mut turn = Box::new(Turn::new(entry.key, epoch, &cx));
        turn.maker = Some(maker(staged.at, &staged.built, staged.library.as_ref(), start, ends));
        turn.wakes_host = true;
        turn.kept = kept;
        let phase = Phase::Making { staged: Box::new(staged), epoch, cx, since_ns };
        entry.swap = Some(Box::new(Swap { phase, ..swap }));
        self.in_flight += 1;
        self.pool.start(turn);
        true
    }

    /// Returns why a build does not fit the scene and the other cells, as a sentence.
    pub(super) fn unfit(&self, n: usize, built: &BuiltCell) -> Option<String> {
        let entry = &self.cells[n];
        if entry.built.as_ref().is_some_and(|b| b.ports == built.ports) {
            return None;
        }
        if let Err(faults) = self.checked_params(entry, &built.ports) {
            for f in &faults {
                tracing::error!(cell = &*entry.name, "\n{f}");
            }
            return Some(faults.iter().map(|f| f.what.clone()).collect::<Vec<_>>().join("; "));
        }
        if entry.on { self.misfit(n, &built.ports) } else { None }
    }

    /// Takes the turn in which a new instance was made.
    pub(crate) fn take_candidate(&mut self, mut turn: Box<Turn>) {
        let Some(n) = self.line(turn.cell) else { return };
        let is_it =
            |swap: &mut Box<Swap>| matches!(&swap.phase, Phase::Making { epoch, .. } if *epoch == turn.epoch);
        let Some(mut swap) = self.cells[n].swap.take_if(is_it) else { return };
        let Phase::Making { staged, .. } = std::mem::replace(&mut swap.phase, Phase::Planned) else { return };
        match std::mem::take(&mut turn.outcome.ending) {
            Ending::Done => {
                swap.phase = Phase::Made { staged, turn };
                self.cells[n].swap = Some(swap);
            }
            Ending::Over(why) | Ending::LoadFailed(why) => {
                self.keep_failed_candidate(n, &why, &turn, &staged.built, staged.at);
                self.refuse(n, &swap, &staged.subject, &why);
            }
        }
    }

    /// Says that a new instance does not take over.
    pub(super) fn refuse(&mut self, n: usize, swap: &Swap, subject: &str, why: &str) {
        let entry = &self.cells[n];
        let then = if entry.epoch > 0 { "; the old one goes on" } else { "" };
        let words = format!("{subject} does not take over: {why}{then}");
        tracing::error!(cell = &*entry.name, "{words}");
        self.swaps.tell(swap.number, Standing::Refused, self.frame, words);
    }
}

/// Returns what messages call a build: by the time at which it was made.
fn subject_of(built: &BuiltCell) -> String {
    let made = std::fs::metadata(&built.path).and_then(|m| m.modified()).ok();
    match made.and_then(local_time) {
        Some([hour, minute, _]) => format!("the build of {hour:02}:{minute:02}"),
        None => "the new build".to_owned(),
    }
}
