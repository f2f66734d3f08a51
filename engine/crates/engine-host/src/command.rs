//! What a user tells one cell while the world runs: start again, on, off, another build, another place.
//!
//! Carried out between frames. The scene file stays as it is: what it says of a cell's place, or whether it is on, holds
//! again when its line says something else of that.
use crate::{builder::BuiltCell, swap::Ask, world::World};
use engine_frame::names::did_you_mean;
use engine_render::RendererGone;
use engine_scene::Placement;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What one cell is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellCommand {
    /// A new instance of its newest build, which begins from its defaults. One that is down starts again.
    Restart,
    /// Switch it on. It stays so until its scene line gets another `enabled:` or `on:`.
    Enable,
    /// Switch it off. It stays so until its scene line gets another `enabled:` or `on:`.
    Disable,
    /// Run its newest build, if that is another one; the state is taken over.
    Swap,
    /// Run it elsewhere; the state is taken over. It stays there until its scene line gets another `at:`.
    Move(Placement),
}

/// Why a cell does not do what it was told.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The scene has no cell of this name.
    #[error("the scene has no cell `{name}`{}", hint(.meant, .known))]
    UnknownCell {
        /// The name.
        name: String,
        /// A similar one.
        meant: Option<String>,
        /// The names there are.
        known: Vec<String>,
    },
    /// It is switched off.
    #[error("`{0}` is switched off; enable it first")]
    Disabled(String),
    /// It is untrusted, and nobody of those runs on a thread.
    #[error(
        "`{0}` is untrusted and runs in a process of its own only; if you answer for its code, write `trust: Own` in its \
         scene line"
    )]
    Untrusted(String),
    /// It has no build to run.
    #[error("`{name}` cannot be started: {why}")]
    NotBuilt {
        /// The cell.
        name: String,
        /// Why not.
        why: String,
    },
    /// The render thread is gone.
    #[error(transparent)]
    Renderer(#[from] RendererGone),
}

fn hint(meant: &Option<String>, known: &[String]) -> String {
    match meant {
        Some(meant) => format!("; did you mean `{meant}`?"),
        None if known.is_empty() => "; it has none".to_owned(),
        None if known.len() > 20 => String::new(),
        None => format!("; there is `{}`", known.join("`, `")),
    }
}

impl World {
    /// Tells a cell something. Returns what it is about to do, as a sentence; what comes of a replacement is in
    /// [`World::swaps`]. To be called between frames.
    ///
    /// # Errors
    /// [`CommandError`]; nothing has changed then.
    pub fn command(&mut self, name: &str, command: CellCommand) -> Result<String, CommandError> {
        let n = self.find(name)?;
        match command {
            CellCommand::Enable => self.switch(n, true),
            CellCommand::Disable => self.switch(n, false),
            CellCommand::Restart => self.restart(n),
            CellCommand::Swap => self.swap(n),
            CellCommand::Move(to) => self.move_to(n, to),
        }
    }

    fn find(&self, name: &str) -> Result<usize, CommandError> {
        self.by_name.get(name).copied().ok_or_else(|| CommandError::UnknownCell {
            name: name.to_owned(),
            meant: did_you_mean(name, self.names.iter().map(|n| &**n)).map(str::to_owned),
            known: self.names.iter().map(|n| n.to_string()).collect(),
        })
    }

    fn switch(&mut self, n: usize, on: bool) -> Result<String, CommandError> {
        let entry = &mut self.cells[n];
        let word = if on { "on" } else { "off" };
        if entry.on == on {
            return Ok(format!("`{}` is {word} already", entry.name));
        }
        // Not in its scene line: any code that is saved has the file read again, and nothing of it has changed.
        entry.on = on;
        let name = Arc::clone(&entry.name);
        tracing::info!(cell = &*name, "switched {word}");
        self.after_change()?;
        Ok(format!("`{name}` is {word}"))
    }

    fn restart(&mut self, n: usize) -> Result<String, CommandError> {
        let newest = self.newest(n)?;
        if self.cells[n].is_about_to_restart(&newest) {
            let (name, hash) = (&self.cells[n].name, newest.hash());
            return Ok(format!("`{name}` is about to start again already, from build {hash}"));
        }
        let sentence = format!("`{}` starts again, from build {}", self.cells[n].name, newest.hash());
        Ok(self.plan(n, Ask::RESTART, sentence))
    }

    fn swap(&mut self, n: usize) -> Result<String, CommandError> {
        let newest = self.newest(n)?;
        let (entry, hash) = (&self.cells[n], newest.hash());
        if entry.built.as_ref().is_some_and(|b| b.path == newest.path) && entry.fault().is_none() {
            return Ok(format!("`{}` runs its newest build already ({hash})", entry.name));
        }
        let sentence = format!("`{}` goes over to build {hash} when that has been tried", entry.name);
        Ok(self.plan(n, Ask::SWAP, sentence))
    }

    fn move_to(&mut self, n: usize, to: Placement) -> Result<String, CommandError> {
        let (entry, place) = (&self.cells[n], place(to));
        if !entry.on {
            return Err(CommandError::Disabled(entry.name.to_string()));
        }
        if to == Placement::Thread && entry.scene.trust.is_untrusted() {
            return Err(CommandError::Untrusted(entry.name.to_string()));
        }
        if entry.epoch > 0 && entry.goes_to() == to {
            let does = if entry.placed == to { "runs" } else { "is about to run" };
            return Ok(format!("`{}` {does} {place} already", entry.name));
        }
        let sentence = format!("`{}` moves: from now on it runs {place}", entry.name);
        Ok(self.plan(n, Ask::to(to), sentence))
    }

    /// Returns the newest build of a cell that is on.
    fn newest(&self, n: usize) -> Result<BuiltCell, CommandError> {
        let entry = &self.cells[n];
        if !entry.on {
            return Err(CommandError::Disabled(entry.name.to_string()));
        }
        let newest = self.project.stage(entry.scene.cell.as_str());
        newest.map_err(|why| CommandError::NotBuilt { name: entry.name.to_string(), why: why.to_string() })
    }

    fn plan(&mut self, n: usize, ask: Ask, sentence: String) -> String {
        let entry = &mut self.cells[n];
        tracing::info!(cell = &*entry.name, "{sentence}");
        self.swaps.plan(entry, ask, self.frame);
        sentence
    }
}

fn place(at: Placement) -> &'static str {
    match at {
        Placement::Thread => "on a thread of the engine",
        Placement::Process => "in a process of its own",
    }
}
