//! Where kept turns are run again, and what their cell may do there. A crash file is a file that anybody can send: it
//! can make a cell a stranger's, and never our own.
use anyhow::bail;
use engine_host::{
    builder::BuiltCell,
    cx::{InstanceCx, Services},
    kept::{Head, Terms},
    library::Libraries,
    process_cell::ProcessCell,
    thread_cell::ThreadCell,
    trust::sandbox_fault,
    turn::{Maker, Placed},
};
use engine_scene::Placement;
use std::sync::Arc;

/// Where, and under which terms.
#[derive(Debug)]
pub(super) struct Place {
    at: Placement,
    terms: Terms,
}

impl Place {
    /// Returns where the turns of `head` are run in the build `built`: where they ran then, or `here`, in this process.
    /// `ours` says that the build was just made from the project's sources.
    pub(super) fn of(head: &Head, built: &BuiltCell, ours: bool, here: bool) -> anyhow::Result<Self> {
        let cell = &*head.cell;
        let says_own = !head.terms.are_of_stranger();
        if says_own && (ours || built.is_answered_for()) {
            let thread = here || head.placement == "Thread";
            let at = if thread { Placement::Thread } else { Placement::Process };
            return Ok(Self { at, terms: head.terms.clone() });
        }
        if here {
            bail!(
                "--here runs a cell in the engine's own process, which is for our own code, and this build of `{cell}` did \
                 not run as such on this machine: leave --here out, and it is run in the sandbox"
            );
        }
        if let Some(why) = sandbox_fault() {
            bail!("the turns of `{cell}` cannot be run again: {why}");
        }
        if says_own {
            tracing::warn!(
                cell,
                "the file calls it our own, but this build did not run as such on this machine: it is run as a stranger's, \
                 without assets, and may not end as it did"
            );
        }
        Ok(Self { at: Placement::Process, terms: head.terms.of_stranger() })
    }

    /// Returns who writes the regions of the cell's buffers.
    pub(super) fn writer(&self) -> Placement {
        if self.terms.are_of_stranger() { Placement::Thread } else { self.at }
    }

    /// Returns whether a debugger of this process sees the cell, or would with `--here`.
    pub(super) fn is_open_to_debugger(&self) -> bool {
        !self.terms.are_of_stranger()
    }

    /// Says where it is.
    pub(super) fn told(&self) -> &'static str {
        match (self.at, self.terms.are_of_stranger()) {
            (Placement::Thread, _) => "in this process",
            (Placement::Process, false) => "in a process of its own",
            (Placement::Process, true) => "in a sandbox of its own",
        }
    }

    /// Returns the host's side of the instance.
    pub(super) fn cx(&self, cell: &str, services: Services) -> Arc<InstanceCx> {
        InstanceCx::with_rights(cell.into(), Arc::new(services), self.terms.rights())
    }

    /// Returns what makes the instance.
    pub(super) fn maker(&self, built: &BuiltCell) -> anyhow::Result<Maker> {
        Ok(match self.at {
            Placement::Thread => {
                let library = Libraries::default().load(&built.path)?;
                Box::new(move |cx| ThreadCell::create(&library, cx).map(|c| Box::new(c) as Box<dyn Placed>))
            }
            Placement::Process => {
                let (path, start) = (built.path.clone(), self.terms.start());
                Box::new(move |cx| {
                    ProcessCell::create(&path, cx, &start).map(|c| Box::new(c) as Box<dyn Placed>)
                })
            }
        })
    }
}
