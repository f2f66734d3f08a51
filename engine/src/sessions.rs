//! `--record FILE` and `engine diff A B`: whole runs on record, and where two of them part.
use crate::{args::RunArgs, output, start::Prepared};
use anyhow::Context as _;
use engine_host::{
    World,
    session::{FrameHash, Session, compare},
};
use std::{path::Path, process::ExitCode};

/// `diff` found a difference.
const DIFFERS: u8 = 1;
/// `diff` could not compare; as the system's `diff` has it.
const TROUBLE: u8 = 2;

/// Begins the record of a run, if one is asked for.
pub(crate) fn begin(args: &RunArgs, prepared: &Prepared, world: &mut World) -> anyhow::Result<()> {
    let Some(path) = &args.record else { return Ok(()) };
    let scene = prepared.scene_path.strip_prefix(&prepared.project.root).unwrap_or(&prepared.scene_path);
    let seed = args.seed.unwrap_or(prepared.scene.seed);
    let how = if args.lockstep { "in lockstep" } else { "in real time" };
    let about = format!("{} with seed {seed}, {how}", scene.display());
    let session = Session::create(path, &about)
        .with_context(|| format!("the record {} cannot be written", path.display()))?;
    world.record_session(session);
    Ok(())
}

/// Ends it.
pub(crate) fn end(args: &RunArgs, world: &mut World) -> anyhow::Result<()> {
    let Some(path) = &args.record else { return Ok(()) };
    let written = world.end_session().with_context(|| {
        let hint = "free some space or choose another place";
        format!("the record {} could not be written whole; {hint}", path.display())
    })?;
    if let Some(recorded) = written {
        let (shown, hash) = (recorded.path.display(), hex(&recorded.hash));
        tracing::info!(
            "wrote {shown}, the hash of its frames is {hash}; compare it with another run's: engine diff {shown} OTHER"
        );
    }
    Ok(())
}

/// Tries the record's file before the run.
pub(crate) fn check(args: &RunArgs) -> anyhow::Result<()> {
    args.record.as_ref().map_or(Ok(()), |path| output::check("the record", path))
}

/// Compares two records.
pub(crate) fn diff(a: &Path, b: &Path) -> ExitCode {
    let compared = match compare(a, b) {
        Ok(compared) => compared,
        Err(error) => {
            tracing::error!("{error}");
            return ExitCode::from(TROUBLE);
        }
    };
    for note in &compared.notes {
        tracing::warn!("{note}");
    }
    match &compared.difference {
        None => {
            tracing::info!(
                "no difference in {} frames, their hash is {}",
                compared.frames,
                hex(&compared.hash)
            );
            ExitCode::SUCCESS
        }
        Some(what) => {
            tracing::error!("{what} (after {} frames without a difference)", compared.frames);
            ExitCode::from(DIFFERS)
        }
    }
}

fn hex(hash: &FrameHash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}
