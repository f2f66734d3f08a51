//! After a build: what the cells say now, against the locks of their contracts.
use super::{BuildError, BuildEvent, Project};
use crate::{
    library::{ports_of, read_ports},
    locks::{Case, LockFault, Locks, Ruling, Seen, rule},
    snapshot::snapshot,
};
use cell_abi::{
    interface::{Interface, LockFile, LockMode},
    ports::PortTable,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// The locks and the built cells, read as far as somebody asks.
struct Judge<'a> {
    project: &'a Project,
    all: &'a [String],
    /// They did not compile: nobody knows what they are now.
    failed: &'a BTreeSet<String>,
    locks: BTreeMap<String, Result<LockFile, LockFault>>,
    read: BTreeMap<String, Option<(Interface, PortTable)>>,
}

/// What was found about one contract.
struct Finding {
    contract: String,
    ruling: Ruling,
    faults: Vec<(String, LockFault)>,
    /// The contract as JSON.
    snapshot: Option<String>,
}

impl Project {
    /// Looks at what was built and writes the locks that have changed. Returns the cells that may not run.
    ///
    /// # Errors
    /// [`BuildError::Frozen`].
    pub(super) fn settle(
        &self,
        all: &[String],
        failed: &BTreeSet<String>,
        report: &mut impl FnMut(BuildEvent<'_>),
    ) -> Result<BTreeMap<String, LockFault>, BuildError> {
        let is_frozen = self.locks.mode == LockMode::Frozen;
        let changed = if is_frozen { all.iter().cloned().collect() } else { self.unsettled(all) };
        let turn = self.locks.turn();
        let found = Judge::new(self, all, failed).judge(&changed);
        let faults = self.carry_out(found, report);
        drop(turn);
        if is_frozen && !faults.is_empty() {
            return Err(BuildError::Frozen(faults.into_iter().map(|(_, fault)| fault).collect()));
        }
        Ok(faults.into_iter().collect())
    }

    /// Writes what was found into the locks, and returns what is wrong.
    fn carry_out(
        &self,
        found: Vec<Finding>,
        report: &mut impl FnMut(BuildEvent<'_>),
    ) -> Vec<(String, LockFault)> {
        let mut faults = Vec::new();
        for Finding { contract, ruling, faults: more, snapshot } in found {
            faults.extend(more);
            if let Some(snapshot) = snapshot.filter(|_| self.locks.mode != LockMode::Frozen)
                && let Err(error) = self.locks.write_snapshot(&contract, &snapshot)
            {
                let what = format!("the snapshot of `{contract}` cannot be written: {error}");
                report(BuildEvent::NotLocked(&what));
            }
            let path = self.locks.path(&contract);
            let (written, said) = match ruling {
                Ruling::Keep => continue,
                Ruling::Write(lock, said) => (self.locks.write(&lock), said),
                Ruling::Remove => {
                    let said = format!("no cell has the contract `{contract}` any more: its lock is removed");
                    (self.locks.remove(&contract).map(|()| true), said)
                }
            };
            match written {
                Ok(true) => report(BuildEvent::Locked(&said)),
                // Another engine was faster.
                Ok(false) => {}
                Err(error) => {
                    let what = format!("{said}; but {} cannot be written: {error}", path.display());
                    report(BuildEvent::NotLocked(&what));
                }
            }
        }
        faults
    }

    /// Returns the cells of this project and the contract that each was built with.
    ///
    /// # Errors
    /// [`BuildError`] when one of them is not built, does not compile, or says nothing that can be read.
    pub fn contracts(&self) -> Result<Vec<(String, Interface)>, BuildError> {
        let mut found = Vec::new();
        for cell in self.cells()? {
            if self.known.has_failed(&self.folder(&cell)) {
                return Err(BuildError::DoesNotCompile { name: cell });
            }
            let library = self.library(&cell);
            if !library.is_file() {
                return Err(BuildError::Missing { path: library });
            }
            found.push((cell, Interface::of(&read_ports(&library)?)));
        }
        Ok(found)
    }

    /// Compares the built cells with the locks as they lie there, and returns everything that is not as it was
    /// committed. Nothing is written.
    ///
    /// # Errors
    /// [`BuildError`] as of [`Project::contracts`].
    pub fn check_locks(&self) -> Result<Vec<LockFault>, BuildError> {
        self.contracts()?;
        match self.with_locks(LockMode::Frozen).settle(&self.cells()?, &BTreeSet::new(), &mut |_| {}) {
            Err(BuildError::Frozen(faults)) => Ok(faults),
            other => other.map(|_| Vec::new()),
        }
    }

    /// Takes the contracts of the built cells as they are: all, or the one called `contract`. What was done goes to
    /// `report`; returned is what is still wrong.
    ///
    /// # Errors
    /// [`BuildError`] as of [`Project::contracts`].
    pub fn accept_locks(
        &self,
        contract: Option<&str>,
        mut report: impl FnMut(BuildEvent<'_>),
    ) -> Result<Vec<LockFault>, BuildError> {
        self.contracts()?;
        let (all, failed, taking) = (self.cells()?, BTreeSet::new(), self.with_locks(LockMode::Accept));
        let turn = self.locks.turn();
        let mut found = Judge::new(&taking, &all, &failed).judge(&all.iter().cloned().collect());
        found.retain(|f| contract.is_none_or(|only| f.contract == only));
        let faults = taking.carry_out(found, &mut report);
        drop(turn);
        Ok(faults.into_iter().map(|(_, fault)| fault).collect())
    }

    /// Returns the same project under other terms.
    #[must_use]
    pub fn with_locks(&self, mode: LockMode) -> Self {
        Self { locks: Locks { mode, ..self.locks.clone() }, ..self.clone() }
    }

    /// Returns the same project for a build after which the locks are judged: it takes nothing new, and what differs
    /// from a lock compiles all the same, so that somebody can say how it differs, or take it.
    #[must_use]
    pub fn to_be_judged(&self) -> Self {
        // Elsewhere the macros compare nothing anyway, and another variable would have cargo compile all twice.
        let judges_later = !self.locks.home || self.locks.mode == LockMode::Frozen;
        Self { judges_later, ..self.with_locks(LockMode::Frozen) }
    }

    /// Compares all cells with their locks when nothing new is taken.
    ///
    /// # Errors
    /// [`BuildError::Frozen`].
    pub(super) fn check_frozen(&self, all: &[String]) -> Result<(), BuildError> {
        if self.locks.mode != LockMode::Frozen {
            return Ok(());
        }
        let unbuilt = all.iter().filter(|n| !self.is_fresh(std::slice::from_ref(n))).cloned().collect();
        self.settle(all, &unbuilt, &mut |_| {}).map(drop)
    }

    /// Compares a library that is about to be loaded with the lock of its contract: one that was not built here, and
    /// each when nothing new is taken.
    pub(super) fn check_lock(&self, name: &str, file: &Path, ports: &PortTable) -> Result<(), LockFault> {
        let prebuilt = name.ends_with(".so");
        let is_frozen = self.locks.mode == LockMode::Frozen;
        if !prebuilt && !is_frozen {
            return Ok(());
        }
        let contract = ports.name.clone();
        let Some(lock) = self.locks.read(&contract)? else {
            // A stranger's contract that nobody here has is nobody's to lock.
            let path = self.locks.path(&contract);
            let missing = LockFault::Missing { contract, cell: name.to_owned(), path };
            return if prebuilt { Ok(()) } else { Err(missing) };
        };
        let here = Interface::of(ports);
        if here == lock.interface {
            return Ok(());
        }
        Err(if prebuilt {
            LockFault::prebuilt(file, &lock.interface, &here)
        } else {
            LockFault::drifted(name, &lock.interface, &here)
        })
    }
}

impl<'a> Judge<'a> {
    fn new(project: &'a Project, all: &'a [String], failed: &'a BTreeSet<String>) -> Self {
        // A folder that cannot be read holds no locks; writing into it will say why.
        let names = project.locks.names().unwrap_or_default();
        let lock = |name: String| {
            let lock = project.locks.read(&name).transpose()?;
            Some((name, lock))
        };
        Self {
            project,
            all,
            failed,
            locks: names.into_iter().filter_map(lock).collect(),
            read: BTreeMap::new(),
        }
    }

    /// Judges every contract that the cells `changed` have or had.
    fn judge(mut self, changed: &BTreeSet<String>) -> Vec<Finding> {
        let unknown =
            self.all.iter().filter(|cell| !self.locks.values().flatten().any(|l| self.has(l, cell)));
        let changed: BTreeSet<String> = changed.iter().chain(unknown).cloned().collect();
        let now: Vec<String> =
            changed.iter().filter_map(|cell| Some(self.interface(cell)?.contract)).collect();
        let is_frozen = self.project.locks.mode == LockMode::Frozen;
        let before = self.locks.iter().filter(|(_, lock)| {
            // A broken one may be that of any cell, which is then unknown.
            let mine = |lock: &LockFile| {
                self.mine(lock).iter().any(|c| changed.contains(c) || !self.all.contains(c))
            };
            // Committed, it is wrong all the same.
            lock.as_ref().map_or(is_frozen, mine)
        });
        let contracts: BTreeSet<String> = before.map(|(name, _)| name.clone()).chain(now).collect();
        contracts.into_iter().filter_map(|contract| self.finding(contract)).collect()
    }

    /// Returns the crates of this project that the lock names.
    fn mine<'l>(&self, lock: &'l LockFile) -> &'l BTreeSet<String> {
        if self.project.locks.home { &lock.participants } else { &lock.elsewhere }
    }

    fn has(&self, lock: &LockFile, cell: &str) -> bool {
        self.mine(lock).contains(cell)
    }

    /// Judges one contract; `None` while one of its cells does not compile.
    fn finding(&mut self, contract: String) -> Option<Finding> {
        let found = self.locks.get(&contract).cloned().transpose();
        let named: Vec<String> = match &found {
            Ok(Some(lock)) => self.mine(lock).iter().filter(|c| self.all.contains(c)).cloned().collect(),
            _ => Vec::new(),
        };
        for cell in named {
            // What it is now will be known when it compiles again.
            self.interface(&cell)?;
        }
        let mut tables = Vec::new();
        let mut seen = Vec::new();
        for (cell, read) in &self.read {
            if let Some((interface, table)) = read.as_ref().filter(|(i, _)| i.contract == contract) {
                seen.push(Seen { cell: cell.clone(), interface: interface.clone() });
                tables.push(table);
            }
        }
        let locks = &self.project.locks;
        let path = locks.path(&contract);
        let case = Case { contract: &contract, found, path: &path, mode: locks.mode, home: locks.home };
        let (ruling, faults) = rule(case, &seen);
        // While somebody is at fault, nobody knows whose it would be.
        let snapshot = tables.first().filter(|_| faults.is_empty()).map(|table| snapshot(table));
        Some(Finding { contract, ruling, faults, snapshot })
    }

    /// Returns what a cell was built with; `None` when nobody can know.
    fn interface(&mut self, cell: &str) -> Option<Interface> {
        if !self.read.contains_key(cell) {
            let library = self.project.library(cell);
            let read = || {
                let bytes = std::fs::read(&library).ok().filter(|_| !self.failed.contains(cell))?;
                let table = ports_of(&bytes, &library).ok()?;
                Some((Interface::of(&table), table))
            };
            let read = read();
            self.read.insert(cell.to_owned(), read);
        }
        self.read.get(cell)?.as_ref().map(|(interface, _)| interface.clone())
    }
}
