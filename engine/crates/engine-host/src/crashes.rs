//! Crash files: when an instance is over that should not be, its kept records and a report for people go to a folder.
//!
//! Everything but the noting is done on a thread of its own, which is started at the first crash: the frame waits for
//! nothing. A folder holds a bounded number of them, of each cell a few; the oldest go first. A file appears whole or not at all.
mod report;

use crate::{
    builder::BuiltCell,
    cx::InstanceCx,
    kept::{Kept, Terms},
    turn::Turn,
    world::World,
};
use crossbeam::channel::{Receiver, Sender, bounded};
use engine_scene::Placement;
use report::{Case, Files};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    thread::JoinHandle,
};

/// Crashes that can wait for being written; of further ones nothing is kept.
const QUEUE: usize = 8;
/// How many crash files a folder holds.
pub(crate) const MOST_FILES: usize = 16;
/// How many of them are of one cell: the first of a run, and the newest.
pub(crate) const MOST_OF_CELL: usize = 4;
/// How many bytes they have in all.
pub(crate) const MOST_BYTES: u64 = 256 << 20;

/// Writes crash files. Dropping it waits until those that it got are written.
pub(crate) struct Crashes {
    folder: PathBuf,
    writer: OnceLock<Option<(Sender<Case>, JoinHandle<()>)>>,
}

impl Crashes {
    /// Returns a writer to `folder`, which is made when it is needed.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), writer: OnceLock::new() }
    }

    fn write(&self, case: Case) {
        let writer = self.writer.get_or_init(|| {
            let (cases, wait) = bounded(QUEUE);
            let folder = self.folder.clone();
            let thread = std::thread::Builder::new().name("crashes".to_owned());
            match thread.spawn(move || write_all(&wait, &folder)) {
                Ok(thread) => Some((cases, thread)),
                Err(error) => {
                    tracing::error!("no thread could be started to write crash files: {error}");
                    None
                }
            }
        });
        let Some((cases, _)) = writer else { return };
        if let Err(error) = cases.try_send(case) {
            let case = error.into_inner();
            tracing::warn!(cell = &*case.cell, "no crash file of it is written: too many crashes at a time");
        }
    }
}

impl Drop for Crashes {
    fn drop(&mut self) {
        if let Some(Some((cases, thread))) = self.writer.take() {
            drop(cases);
            if thread.join().is_err() {
                tracing::error!("the thread that writes crash files has panicked; some are missing");
            }
        }
    }
}

fn write_all(cases: &Receiver<Case>, folder: &Path) {
    // Of each cell in this run: what ends it again and again began there.
    let mut first: BTreeMap<Arc<str>, PathBuf> = BTreeMap::new();
    for case in cases {
        let cell = Arc::clone(&case.cell);
        match Files::write(case, folder, first.get(&cell).map(PathBuf::as_path)) {
            Ok(files) => {
                tracing::warn!(
                    cell = &*cell,
                    "how it ended is told in {}; its last {} turns are in {}: run them again with `engine replay {}`",
                    files.report.display(),
                    files.turns,
                    files.records.display(),
                    files.records.display()
                );
                first.entry(cell).or_insert(files.records);
            }
            Err(error) => tracing::error!(
                cell = &*cell,
                "its crash file cannot be written to {} ({error}); the world goes on without it",
                folder.display()
            ),
        }
    }
}

/// An instance that has ended, and what is known of it.
struct Ended<'a> {
    kept: &'a Arc<Kept>,
    built: &'a BuiltCell,
    placed: Placement,
    cx: Option<&'a Arc<InstanceCx>>,
    standing: Option<String>,
}

impl World {
    /// Keeps the records of a cell whose instance has ended as it should not, and tells how.
    pub(crate) fn keep_crash(&self, n: usize, why: &str) {
        let entry = &self.cells[n];
        let (Some(kept), Some(built)) = (&entry.kept, &entry.built) else { return };
        let standing = entry.probation.as_ref().map(|f| f.standing(entry.counters.ticks));
        self.write_crash(
            n,
            why,
            Ended { kept, built, placed: entry.placed, cx: entry.cx.as_ref(), standing },
        );
    }

    /// Does the same for an instance that was to take over, and has ended as it was made.
    pub(crate) fn keep_failed_candidate(
        &self,
        n: usize,
        why: &str,
        turn: &Turn,
        built: &BuiltCell,
        placed: Placement,
    ) {
        let Some(kept) = &turn.kept else { return };
        let standing = Some("as it was made to take over".to_owned());
        self.write_crash(n, why, Ended { kept, built, placed, cx: Some(&turn.cx), standing });
    }

    fn write_crash(&self, n: usize, why: &str, ended: Ended<'_>) {
        let entry = &self.cells[n];
        let Ended { kept, built, placed, cx, standing } = ended;
        self.crashes.write(Case {
            cell: Arc::clone(&entry.name),
            library: entry.scene.cell.as_str().to_owned(),
            scene: self.scene.name.clone(),
            frame: self.frame,
            cause: why.to_owned(),
            standing,
            build: built.path.clone(),
            shape: built.shape.clone(),
            placement: match placed {
                Placement::Thread => "Thread",
                Placement::Process => "Process",
            },
            terms: Terms::of(&entry.scene),
            kept: Arc::clone(kept),
            lines: cx.map(|cx| cx.last_lines().all()).unwrap_or_default(),
            backtrace: cx.and_then(|cx| cx.take_backtrace()),
        });
    }
}

/// Says how much is known of an instance's past, as a sentence.
fn reach(records: &crate::kept::Records) -> String {
    let run = records.run();
    let span = run.frames().map_or_else(String::new, |(a, b)| format!(", frames {a} to {b}"));
    match run.why {
        None => format!("it can be run again from {}{span}", run.origin()),
        Some(why) => format!("its last turns{span}; what it knew before is missing: {why}"),
    }
}
