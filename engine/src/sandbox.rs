//! `engine doctor` and `--require-sandbox`: what this machine gives to the sandbox of cells in processes.
use crate::args::RunArgs;
use anyhow::{Context as _, bail};
use engine_host::process_cell::Start;
use engine_sys::jail::{Jail, probe};
use std::{io::Write as _, process::ExitCode};

/// Prints what the machine offers.
pub(crate) fn doctor() -> anyhow::Result<ExitCode> {
    let text = format!("The sandbox of cells in processes, on this machine:\n{}", probe());
    std::io::stdout().write_all(text.as_bytes()).context("the findings cannot be printed")?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to go on when the full sandbox is required and not to be had.
pub(crate) fn check(args: &RunArgs) -> anyhow::Result<()> {
    if !args.require_sandbox {
        return Ok(());
    }
    let missing = probe().lacks();
    if missing.is_empty() {
        return Ok(());
    }
    bail!(
        "--require-sandbox: this machine does not give the full sandbox to cells in processes; missing: {missing}. \
         `engine doctor` says what each means and how to get it"
    )
}

/// Returns how the processes of cells are started.
pub(crate) fn start(args: &RunArgs) -> Start {
    let jail = if args.require_sandbox { Jail::default().require_full() } else { Jail::default() };
    Start { jail, ..Start::default() }
}
