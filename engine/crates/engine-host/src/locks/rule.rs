//! Who may change a lock: the rules, without files.
use super::{
    LockFault,
    fault::{Gap, listed},
};
use cell_abi::interface::{Interface, LockFile, LockMode, differences, in_short};
use std::{collections::BTreeSet, path::Path};

/// A built cell of this project that takes part in a contract.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The cell.
    pub(crate) cell: String,
    /// What it was built with.
    pub(crate) interface: Interface,
}

/// What becomes of a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ruling {
    /// It stays.
    Keep,
    /// It says this from now on. The sentence is what to tell.
    Write(LockFile, String),
    /// Nobody takes part any more.
    Remove,
}

/// The lock and the terms under which it is judged.
pub(crate) struct Case<'a> {
    /// The contract.
    pub(crate) contract: &'a str,
    /// Its lock, as it was found.
    pub(crate) found: Result<Option<LockFile>, LockFault>,
    /// The lock's file.
    pub(crate) path: &'a Path,
    /// What becomes of a change.
    pub(crate) mode: LockMode,
    /// The locks are this project's own.
    pub(crate) home: bool,
}

/// Judges one contract: `seen` are all cells of this project that have it now. Returns what becomes of the lock, and the
/// cells that cannot run with what is wrong with each.
pub(crate) fn rule(case: Case<'_>, seen: &[Seen]) -> (Ruling, Vec<(String, LockFault)>) {
    let broken = case.found.as_ref().err().cloned();
    let lock = case.found.as_ref().ok().and_then(Option::as_ref);
    let next = next(&case, lock, seen);
    let mut faults = Vec::new();
    let Some(chosen) = chosen(lock, seen, case.mode) else {
        return nobody(&case, lock, next);
    };
    for one in seen.iter().filter(|s| s.interface != chosen.interface) {
        faults.push((one.cell.clone(), apart(case.contract, one, chosen)));
    }
    let next = LockFile { interface: chosen.interface.clone(), ..next };
    let holders = || seen.iter().filter(|s| s.interface == chosen.interface);
    let Some(lock) = lock else {
        if case.mode == LockMode::Frozen {
            let fault = |s: &Seen| match &broken {
                Some(broken) => broken.clone(),
                None => LockFault::Missing {
                    contract: case.contract.to_owned(),
                    cell: s.cell.clone(),
                    path: case.path.to_owned(),
                },
            };
            faults.extend(holders().map(|s| (s.cell.clone(), fault(s))));
            return (Ruling::Keep, faults);
        }
        let print = next.interface.fingerprint();
        let said = match broken {
            Some(LockFault::Broken { what, .. }) => {
                format!(
                    "the lock of `{}` could not be used ({what}) and is made anew: {print}",
                    case.contract
                )
            }
            _ => format!("`{}` has a lock now: {print}", case.contract),
        };
        return (Ruling::Write(next, said), faults);
    };
    if lock.interface == next.interface {
        return (same(&case, lock, next, &mut faults, chosen), faults);
    }
    let (old, new) = (lock.interface.fingerprint(), next.interface.fingerprint());
    let others = unreached(lock, seen, case.home);
    if case.mode == LockMode::Frozen {
        faults.extend(
            holders()
                .map(|s| (s.cell.clone(), LockFault::drifted(&s.cell, &lock.interface, &next.interface))),
        );
        return (Ruling::Keep, faults);
    }
    if case.mode == LockMode::Normal && !others.is_empty() {
        let out_of_reach = |s: &Seen| LockFault::OutOfReach {
            contract: case.contract.to_owned(),
            cell: s.cell.clone(),
            others: others.clone(),
            gap: Gap::from_lock(&lock.interface, &next.interface),
        };
        faults.extend(holders().map(|s| (s.cell.clone(), out_of_reach(s))));
        return (Ruling::Keep, faults);
    }
    let cells: Vec<String> = holders().map(|s| s.cell.clone()).collect();
    let reached = if others.is_empty() {
        format!("all that take part are built with it: {}", listed(&cells))
    } else {
        format!("still to be built with it: {}", listed(&others))
    };
    let what = between(lock, &next);
    let said = format!("`{}` has changed, {old} is now {new}: {what}; {reached}", case.contract);
    (Ruling::Write(next, said), faults)
}

/// Returns whose interface counts.
fn chosen<'a>(lock: Option<&LockFile>, seen: &'a [Seen], mode: LockMode) -> Option<&'a Seen> {
    let is_locked = |s: &&Seen| lock.is_some_and(|lock| lock.interface == s.interface);
    let by_rule = match mode {
        // The change is what is to be taken.
        LockMode::Accept => seen.iter().find(|s| !is_locked(s)),
        LockMode::Normal | LockMode::Frozen => seen.iter().find(is_locked),
    };
    by_rule.or_else(|| seen.first())
}

/// Returns the lock that fits those who take part now.
fn next(case: &Case<'_>, lock: Option<&LockFile>, seen: &[Seen]) -> LockFile {
    let mine: BTreeSet<String> = seen.iter().map(|s| s.cell.clone()).collect();
    let old = |which: fn(&LockFile) -> &BTreeSet<String>| lock.map(which).cloned().unwrap_or_default();
    let (participants, elsewhere) = if case.home {
        (mine, old(|l| &l.elsewhere))
    } else {
        // What a guest of this name was before, only the guests themselves know.
        (old(|l| &l.participants), old(|l| &l.elsewhere).union(&mine).cloned().collect())
    };
    let interface = lock.map_or_else(|| Interface::new(case.contract, Vec::new()), |l| l.interface.clone());
    LockFile { interface, participants, elsewhere }
}

/// Returns who takes part and is not built with this project's cells.
fn unreached(lock: &LockFile, seen: &[Seen], home: bool) -> Vec<String> {
    let is_mine = |name: &&String| seen.iter().any(|s| s.cell == **name);
    let guests = lock.elsewhere.iter();
    match home {
        true => guests.cloned().collect(),
        false => lock.participants.iter().chain(guests.filter(|g| !is_mine(g))).cloned().collect(),
    }
}

fn nobody(case: &Case<'_>, lock: Option<&LockFile>, next: LockFile) -> (Ruling, Vec<(String, LockFault)>) {
    if case.mode == LockMode::Frozen
        && let Err(broken) = &case.found
    {
        return (Ruling::Keep, vec![(String::new(), broken.clone())]);
    }
    let Some(lock) = lock.filter(|_| case.home) else { return (Ruling::Keep, Vec::new()) };
    if case.mode == LockMode::Frozen {
        let fault = participants(case, lock, &next);
        return (Ruling::Keep, vec![(String::new(), fault)]);
    }
    if next.elsewhere.is_empty() {
        (Ruling::Remove, Vec::new())
    } else {
        (
            Ruling::Write(next, format!("only other workspaces take part in `{}` now", case.contract)),
            Vec::new(),
        )
    }
}

/// The interface is the lock's; those who take part may be others.
fn same(
    case: &Case<'_>,
    lock: &LockFile,
    next: LockFile,
    faults: &mut Vec<(String, LockFault)>,
    chosen: &Seen,
) -> Ruling {
    if next == *lock {
        return Ruling::Keep;
    }
    if case.mode == LockMode::Frozen {
        faults.push((chosen.cell.clone(), participants(case, lock, &next)));
        return Ruling::Keep;
    }
    let said = format!("in `{}` take part now: {}", case.contract, listed(&all(&next)));
    Ruling::Write(next, said)
}

fn participants(case: &Case<'_>, lock: &LockFile, next: &LockFile) -> LockFault {
    LockFault::Participants {
        contract: case.contract.to_owned(),
        path: case.path.to_owned(),
        lock: all(lock),
        here: all(next),
    }
}

fn all(lock: &LockFile) -> Vec<String> {
    lock.participants.iter().chain(&lock.elsewhere).cloned().collect()
}

fn apart(contract: &str, one: &Seen, other: &Seen) -> LockFault {
    LockFault::Apart {
        contract: contract.to_owned(),
        cell: one.cell.clone(),
        other: other.cell.clone(),
        gap: Gap::between_cells((&other.cell, &other.interface), (&one.cell, &one.interface)),
    }
}

fn between(old: &LockFile, new: &LockFile) -> String {
    in_short(&differences(&old.interface, &new.interface), "before", "now")
}
