//! The one benchmark runner: `cargo run --release -p engine-benches -- [ROW] [--json FILE] [--once]`.
//!
//! Every row is a promise about speed: our figure, what was run beside it, the ratio, the target, and whether it
//! was held. `ROW` is the beginning of a row's name. `--once` only shows that each row works. The exit code tells
//! whether rows ran, not whether targets were held: machines differ. The row `iceoryx2` runs only when it is named: it
//! builds a package of its own (`benches/iceoryx2`, 88 crates that nothing else needs).
//!
//! `harness` measures and prints, `world` runs the engine in this process, `bare` is the program without an
//! engine that it is compared with, `rows` has one file per promise.
#![expect(clippy::print_stdout, reason = "the table is what this program is for")]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod bare;
mod counting;
mod direct;
mod fill;
mod harness;
mod iceoryx2;
mod ipc;
mod machine;
mod rows;
mod slot_cell;
mod threads;
mod world;

use anyhow::Context as _;
use clap::Parser;
use engine_host::{BuildEvent, Project};
use harness::Effort;
use std::{path::PathBuf, process::ExitCode};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

/// Measures the engine against the same work done without it.
#[derive(Debug, Parser)]
#[command(name = "engine-benches")]
struct Args {
    /// Only rows whose names begin like this.
    row: Option<String>,
    /// Write the figures to this JSON file too.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// As few repetitions as possible: shows that the rows work.
    #[arg(long)]
    once: bool,
    /// Start the bare program, draw one frame of the scene FILE, print the milliseconds (row `start` runs this).
    #[arg(long, value_name = "FILE", hide = true)]
    bare_start: Option<PathBuf>,
    /// Answer the process PARENT over the inherited socket (rows `ipc-..` run this).
    #[arg(long, value_name = "PARENT", hide = true)]
    ipc_peer: Option<u32>,
}

/// What rows measure with.
struct Bench {
    project: Project,
    effort: Effort,
}

impl Bench {
    /// Returns the text of a scene.
    fn scene(&self, name: &str) -> anyhow::Result<String> {
        let path = self.project.root.join("assets/scenes").join(name);
        std::fs::read_to_string(&path).with_context(|| path.display().to_string())
    }
}

fn main() -> ExitCode {
    // Worlds in this process start their cells' processes from it.
    if let Some(code) = engine_host::process_cell::run_if_child() {
        return code;
    }
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .without_time()
        .init();
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the rows; returns whether all could be run.
fn run(args: &Args) -> anyhow::Result<bool> {
    if let Some(parent) = args.ipc_peer {
        return ipc::peer::serve(parent).map(|()| true);
    }
    let exe = std::env::current_exe().context("the program's own file cannot be found")?;
    let here = std::env::current_dir().context("the current folder is gone")?;
    let project = Project::find(&here, &exe)?;
    if let Some(scene) = &args.bare_start {
        return rows::start::bare_start(&project, scene).map(|()| true);
    }
    project.build(&project.cells()?, |event| match event {
        BuildEvent::Started => tracing::warn!("building cells"),
        BuildEvent::Message(text) | BuildEvent::Locked(text) | BuildEvent::NotLocked(text) => {
            tracing::warn!("{text}");
        }
        BuildEvent::Compiled(_) | BuildEvent::Finished => {}
    })?;
    let effort = if args.once { Effort::Once } else { Effort::Full };
    let bench = Bench { project, effort };
    let filter = args.row.as_deref().unwrap_or("");
    let mut all_ran = true;
    let mut rows = Vec::new();
    let mut failures = Vec::new();
    for (group, measure) in rows::groups(filter) {
        match measure(&bench) {
            Ok(measured) => {
                for row in measured.into_iter().filter(|r| r.name.starts_with(filter)) {
                    row.print();
                    rows.push(row);
                }
            }
            Err(error) => {
                println!("{group:<18} DID NOT RUN: {error:#}");
                failures.push(serde_json::json!({ "name": group, "error": format!("{error:#}") }));
                all_ran = false;
            }
        }
    }
    if rows.is_empty() && all_ran {
        let names: Vec<&str> = rows::GROUPS.iter().map(|(name, _)| *name).collect();
        anyhow::bail!("no row begins with `{filter}`; there are {}", names.join(", "));
    }
    let machine = machine::Machine::read();
    let missed = rows.iter().filter(|r| !r.is_held()).count();
    println!("\n{} of {} rows held, {} did not run", rows.len() - missed, rows.len(), failures.len());
    println!("{machine}");
    if let Some(path) = &args.json {
        let rows: Vec<_> = rows.iter().map(harness::Row::to_json).collect();
        let all = serde_json::json!({ "machine": machine.to_json(), "rows": rows, "failures": failures });
        engine_sys::write_atomically(path, serde_json::to_string_pretty(&all)?.as_bytes())
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    Ok(all_ran)
}
