//! `engine replay FILE`: runs the kept turns of one cell again, alone.
mod place;

use crate::{building, start};
use anyhow::{Context as _, bail};
use engine_host::{
    Project,
    assets::AssetStore,
    builder::BuiltCell,
    cx::Services,
    kept::{Difference, Head, KeptTurn, MAX_BYTES, Player, Records, Run, read_records, shown},
    library::ports_section,
    par::ParPool,
    sealed::SealedStore,
    turn::Ending,
};
use place::Place;
use std::{collections::BTreeSet, path::Path, process::ExitCode};

/// Bytes of the stack of the cell's thread, as of the engine's tick threads.
const STACK: usize = 8 << 20;

/// How to replay.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    /// The last frame.
    pub(crate) until: Option<u64>,
    /// Whether to take the cell as it is built now.
    pub(crate) any_build: bool,
    /// Whether to run it in this process, wherever it ran then.
    pub(crate) here: bool,
    /// Whether cargo must not be called.
    pub(crate) no_build: bool,
    /// The project's folder.
    pub(crate) root: Option<&'a Path>,
}

/// Runs the turns in `file` again.
pub(crate) fn replay(file: &Path, options: Options<'_>) -> anyhow::Result<ExitCode> {
    let (head, records) = read(file)?;
    let project = start::project(options.root)?;
    let built = build_of(&project, &head, options)?;
    // What was just staged under the name of a crate is what cargo made of it.
    let ours = options.any_build && !head.library.ends_with(".so");
    let place = Place::of(&head, &built, ours, options.here)?;
    let assets = AssetStore::new(project.root.join("assets"));
    check_assets(&assets, &head, &records);
    // A thread as the engine's tick threads are, so that its stack ends where theirs do.
    let cell = std::thread::Builder::new().name("cell".to_owned()).stack_size(STACK);
    let (file, until) = (file.to_owned(), options.until);
    let run = cell.spawn(move || run(&file, &head, &records, &place, assets, &built, until))?;
    match run.join() {
        Ok(result) => result,
        Err(_) => bail!("the engine itself failed while it ran the cell again, please report it"),
    }
}

fn read(file: &Path) -> anyhow::Result<(Head, Records)> {
    let shown = file.display();
    let size = file.metadata().with_context(|| format!("{shown} cannot be read"))?;
    if !size.is_file() || size.len() > MAX_BYTES {
        bail!("{shown} is no file of records: it is no file, or one of more than {} MiB", MAX_BYTES >> 20);
    }
    let bytes = std::fs::read(file).with_context(|| format!("{shown} cannot be read"))?;
    read_records(&bytes).with_context(|| format!("{shown} cannot be run again"))
}

/// Returns the build that wrote the records, or whichever is there now if that is allowed.
fn build_of(project: &Project, head: &Head, options: Options<'_>) -> anyhow::Result<BuiltCell> {
    let short = |hash: &str| hash.chars().take(16).collect::<String>();
    if !options.any_build {
        return project.copy_of(&head.library, &head.build).with_context(|| {
            format!(
                "the turns are of build {} of the cell `{}`, which is not in {} any more: build it again from the \
                 sources as they were then, or add --any-build to run them in the cell as it is now",
                short(&head.build),
                head.library,
                project.output().join("cells").display()
            )
        });
    }
    if !options.no_build && !head.library.ends_with(".so") {
        building::build(project, std::slice::from_ref(&head.library))?;
    }
    let built = project.stage(&head.library)?;
    let elf = std::fs::read(&built.path).with_context(|| format!("{}", built.path.display()))?;
    let ports = ports_section(&elf).map(|text| cell_abi::Fingerprint::of(text).to_string());
    if ports.as_ref() != Some(&head.ports) {
        bail!(
            "the cell `{}` has other ports or parameters now than the build that the turns are of: they cannot be run in \
             it; take build {} (without --any-build)",
            head.library,
            short(&head.build)
        );
    }
    let now = blake3::hash(&elf).to_hex();
    if now.as_str() != head.build {
        tracing::warn!(
            cell = &*head.cell,
            "another build runs than the one that the turns are of: {}, not {}",
            short(&now),
            short(&head.build)
        );
    }
    Ok(built)
}

/// Says which assets are not what the cell loaded then.
fn check_assets(assets: &AssetStore, head: &Head, records: &Records) {
    let run = records.run();
    let ends = run.turns.iter().filter_map(|t| t.end.as_ref());
    let all: BTreeSet<_> = ends.flat_map(|e| &e.assets).map(|a| (a.path.clone(), a.hash)).collect();
    for (path, hash) in all {
        // As a cell reads it: below the assets folder, and no more than an asset may have.
        let now = assets.open(&path).ok().and_then(|asset| asset.hash).map(|hash| *hash.as_bytes());
        if now != hash {
            let what = match (hash, now) {
                (Some(_), None) => "is not there any more",
                (None, Some(_)) => "was not there then, and is now",
                _ => "is not what it was then",
            };
            tracing::warn!(cell = &*head.cell, "the asset {path} {what}: what the cell does may differ");
        }
    }
}

fn run(
    file: &Path,
    head: &Head,
    records: &Records,
    place: &Place,
    assets: AssetStore,
    built: &BuiltCell,
    until: Option<u64>,
) -> anyhow::Result<ExitCode> {
    let cell = &*head.cell;
    let services = Services {
        pool: ParPool::new(std::thread::available_parallelism().map_or(2, usize::from))?,
        assets,
        sealed: SealedStore::default(),
    };
    let (cx, maker) = (place.cx(cell, services), place.maker(built)?);
    let run = records.run();
    let turns = &run.turns;
    tell_start(file, head, &run, place);
    let mut player = Player::new(&cx, maker, place.writer(), run.legacy(built.shape.clone()));
    let mut differs = false;
    for (n, turn) in turns.iter().enumerate() {
        if until.is_some_and(|until| turn.work.tick && turn.frame > until) {
            let last = turns[..n].iter().rev().find(|t| t.work.tick).map_or(0, |t| t.frame);
            tracing::info!(cell, "stopped after frame {last}, as asked for");
            return Ok(code(differs));
        }
        if n + 1 == turns.len() {
            tracing::info!(cell, "next is its last turn, {}; then it ended: {}", told(turn), head.cause);
            if turn.end.is_none() {
                tracing::warn!(
                    cell,
                    "that turn never returned, and will not now: end the replay with Ctrl+C, or stop before it with --until"
                );
            }
        }
        let step = player.play(turn, &records.contents)?;
        if let Some(difference) = step.difference.filter(|_| !differs) {
            differs = true;
            tracing::warn!(cell, "{}: {}", told(turn), sentence(&difference, built));
        }
        match step.ending {
            Ending::Done => {}
            Ending::LoadFailed(why) => tracing::warn!(cell, "{}: {why}", told(turn)),
            Ending::Over(why) => {
                tracing::error!(cell, "{}: {why}", told(turn));
                let as_then = shown(&why) == head.cause && n + 1 == turns.len();
                if as_then {
                    tracing::info!(cell, "it ended as it did then");
                } else {
                    tracing::warn!(cell, "it ended otherwise than then: {}", head.cause);
                }
                return Ok(code(differs || !as_then));
            }
        }
    }
    tracing::warn!(cell, "it went on past its last turn; then it ended there: {}", head.cause);
    Ok(ExitCode::FAILURE)
}

fn code(differs: bool) -> ExitCode {
    if differs { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Says what is about to run.
fn tell_start(file: &Path, head: &Head, run: &Run<'_>, place: &Place) {
    let cell = &*head.cell;
    let count = run.turns.len();
    let (first, last) = run.frames().unwrap_or((head.frame, head.frame));
    if let Some(why) = run.why {
        tracing::warn!(
            cell,
            "its beginning is not kept: {why}; its {count} last turns, frames {first} to {last}, are run in a new \
             instance, which lacks what it knew of frames before {first} and may not end as it did"
        );
    } else {
        let (at, from) = (place.told(), run.origin());
        tracing::info!(cell, "runs {count} turns again, frames {first} to {last}, from {from}, {at}");
    }
    if !place.is_open_to_debugger() {
        return;
    }
    let exe = std::env::current_exe().map_or_else(|_| "engine".to_owned(), |exe| exe.display().to_string());
    tracing::info!(
        cell,
        "in a debugger: rust-gdb -ex 'break rust_panic' -ex run --args {exe} replay --here {}",
        file.display()
    );
}

/// Returns which turn it is.
fn told(turn: &KeptTurn) -> String {
    match (turn.work.tick, turn.work.load) {
        (true, _) => format!("the tick of frame {}", turn.frame),
        (_, true) => "its load".to_owned(),
        _ => "its passes".to_owned(),
    }
}

fn sentence(difference: &Difference, built: &BuiltCell) -> String {
    let name = |port: u32| {
        built
            .ports
            .ports
            .get(port as usize)
            .map_or_else(|| format!("port {port}"), |p| format!("`{}`", p.name))
    };
    match *difference {
        Difference::Ending => "it does not end as it did then".to_owned(),
        Difference::Published { port } => {
            format!("whether {} is published is not as it was then", name(port))
        }
        Difference::Length { port, then, now } => {
            format!("{} has {now} bytes; then it had {then}", name(port))
        }
        Difference::Bytes { port } => format!("{} has other bytes than then", name(port)),
        Difference::Mail => "it sends other messages than then".to_owned(),
    }
}
