//! `engine lock check|accept|diff`: the contracts of the built cells, against what was committed.
use crate::{args::LockCommand, building, start};
use anyhow::bail;
use cell_abi::interface::{Interface, differences};
use engine_frame::names::did_you_mean;
use engine_host::{BuildError, BuildEvent, Project};
use std::{
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

/// Something differs.
const DIFFERS: u8 = 1;
/// It cannot be known; as the system's `diff` has it.
pub(crate) const TROUBLE: u8 = 2;

/// Runs it.
pub(crate) fn run(what: &LockCommand, no_build: bool, root: Option<&Path>) -> ExitCode {
    let differs = start::project(root).and_then(|project| {
        if !no_build {
            build(&project)?;
        }
        match what {
            LockCommand::Check { name } => check(&project, name.as_deref()),
            LockCommand::Accept { name } => accept(&project, name.as_deref()),
            LockCommand::Diff { name } => diff(&project, name.as_deref()),
        }
    });
    verdict(differs)
}

/// Turns whether something differs into the exit code.
pub(crate) fn verdict(differs: anyhow::Result<bool>) -> ExitCode {
    match differs {
        Ok(false) => ExitCode::SUCCESS,
        Ok(true) => ExitCode::from(DIFFERS),
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::from(TROUBLE)
        }
    }
}

/// Builds all cells and leaves the locks alone: what is to become of them is what was asked.
fn build(project: &Project) -> anyhow::Result<()> {
    match building::build(&project.to_be_judged(), &project.cells()?) {
        Ok(()) | Err(BuildError::Frozen(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Returns the contract that is meant.
fn contract(project: &Project, name: Option<&str>) -> anyhow::Result<Option<String>> {
    let Some(name) = name else { return Ok(None) };
    let cells = project.contracts()?;
    let locks = project.locks.names()?;
    if locks.contains(name) || cells.iter().any(|(_, i)| i.contract == name) {
        return Ok(Some(name.to_owned()));
    }
    if let Some((_, interface)) = cells.iter().find(|(cell, _)| cell == name) {
        return Ok(Some(interface.contract.clone()));
    }
    let known: Vec<&str> = cells
        .iter()
        .flat_map(|(cell, i)| [cell.as_str(), &i.contract])
        .chain(locks.iter().map(String::as_str))
        .collect();
    let hint = did_you_mean(name, known).map(|m| format!("; did you mean `{m}`?")).unwrap_or_default();
    bail!("there is neither a contract nor a cell `{name}`{hint}")
}

fn check(project: &Project, name: Option<&str>) -> anyhow::Result<bool> {
    let only = contract(project, name)?;
    let mut faults = project.check_locks()?;
    faults.retain(|f| only.as_ref().is_none_or(|only| f.contract() == only));
    for fault in &faults {
        tracing::error!("{fault}");
    }
    if faults.is_empty() {
        let count = project.contracts()?.len();
        match only {
            Some(only) => tracing::info!("`{only}` is as its lock says"),
            None => tracing::info!("the contracts of {count} cells are as their locks say"),
        }
    }
    Ok(!faults.is_empty())
}

fn accept(project: &Project, name: Option<&str>) -> anyhow::Result<bool> {
    let only = contract(project, name)?;
    let (mut written, mut trouble) = (0, None);
    let faults = project.accept_locks(only.as_deref(), |event| match event {
        BuildEvent::Locked(what) => {
            written += 1;
            tracing::info!("{what}");
        }
        BuildEvent::NotLocked(what) => trouble = Some(what.to_owned()),
        _ => {}
    })?;
    if let Some(what) = trouble {
        bail!("{what}");
    }
    for fault in &faults {
        tracing::error!("{fault}");
    }
    if written == 0 && faults.is_empty() {
        tracing::info!("there is nothing to accept");
    }
    Ok(!faults.is_empty())
}

fn diff(project: &Project, name: Option<&str>) -> anyhow::Result<bool> {
    let only = contract(project, name)?;
    let (mut out, mut differs) = (String::new(), false);
    let is_asked = |contract: &str| only.as_ref().is_none_or(|only| only == contract);
    for (cell, here) in project.contracts()?.iter().filter(|(_, i)| is_asked(&i.contract)) {
        let contract = &here.contract;
        match project.locks.read(contract) {
            Ok(Some(lock)) if lock.interface == *here => {}
            Ok(Some(lock)) => {
                differs = true;
                out += &compared(cell, &lock.interface, here);
            }
            Ok(None) => {
                differs = true;
                out += &format!("{contract} ({cell}): it has no lock\n");
            }
            Err(fault) => {
                differs = true;
                out += &format!("{fault}\n");
            }
        }
    }
    io::stdout().write_all(out.as_bytes())?;
    Ok(differs)
}

fn compared(cell: &str, lock: &Interface, here: &Interface) -> String {
    let lines: String =
        differences(lock, here).iter().map(|d| format!("  {}\n", d.say("in the lock", "here"))).collect();
    let (old, new) = (lock.fingerprint(), here.fingerprint());
    format!("{} ({cell}): {old} in the lock, {new} here\n{lines}", here.contract)
}
