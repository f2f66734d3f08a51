//! The Cell engine: runs a scene of cells, in a window or headless.
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "tests"))]

mod args;
mod building;
mod check;
mod clean;
mod ctl;
mod headless;
mod interrupt;
mod keys;
mod leaving;
mod live;
mod lock;
mod log;
mod mitosis;
mod new_cell;
mod output;
mod picture;
mod replay;
mod reports;
mod sandbox;
mod schema;
mod screen;
mod sessions;
mod start;
mod window;

use args::{Args, Command};
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = engine_host::process_cell::run_if_child() {
        return code;
    }
    let args = Args::parse();
    log::install(match &args.command {
        Some(Command::Mitosis { run, .. }) => run.log,
        _ => args.run.log,
    });
    // Cells need descriptors. Where the limit is still too low, the message that one is missing says so.
    if let Err(error) = engine_sys::OpenFiles::raise() {
        tracing::warn!("the limit of open descriptors stays as it is: {error}");
    }
    match run(args) {
        Ok(code) => code,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<ExitCode> {
    match args.command {
        Some(Command::Check { scene, no_build, root }) => check::check(&scene, no_build, root.as_deref()),
        Some(Command::Ctl { engine, what }) => ctl::client::run(&what, engine.as_deref()),
        Some(Command::Diff { a, b }) => Ok(sessions::diff(&a, &b)),
        Some(Command::Replay { file, until, any_build, here, no_build, root }) => {
            let root = root.as_deref();
            replay::replay(&file, replay::Options { until, any_build, here, no_build, root })
        }
        Some(Command::Doctor) => sandbox::doctor(),
        Some(Command::New { name, root }) => {
            let project = start::project(root.as_deref())?;
            new_cell::new_cell(&project.root, &name)?;
            tracing::info!(
                "made cells/{name}/ and shaders/{name}/; add `(cell: \"{name}\"),` to a scene to see it"
            );
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Lock { what, no_build, root }) => Ok(lock::run(&what, no_build, root.as_deref())),
        Some(Command::Schema { what, root }) => Ok(schema::run(&what, root.as_deref())),
        Some(Command::Mitosis { dir, watch, run }) => play(&mitosis::run_args(dir, watch, *run)?),
        Some(Command::Clean { dry_run, root }) => clean::clean(root.as_deref(), dry_run),
        None => play(&args.run),
    }
}

/// Runs a scene.
fn play(args: &args::RunArgs) -> anyhow::Result<ExitCode> {
    if args.headless {
        return headless::run(args);
    }
    if !window::has_display() {
        tracing::warn!("no display (neither DISPLAY nor WAYLAND_DISPLAY is set): running headless");
        return headless::run(args);
    }
    window::run(args)
}
