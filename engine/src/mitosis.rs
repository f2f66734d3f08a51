//! `engine mitosis [DIR] [--watch]`: builds all cells of a project, verifies each, and runs a scene.
//!
//! It is a plain run that is asked for more; what it does in between lies with [`crate::start`] and [`crate::live`].
use crate::args::RunArgs;
use anyhow::bail;
use engine_host::Project;
use std::path::PathBuf;

/// Returns the run that is meant.
pub(crate) fn run_args(dir: Option<PathBuf>, watch: bool, run: RunArgs) -> anyhow::Result<RunArgs> {
    if run.no_build {
        bail!(
            "`engine mitosis` builds the cells; to run what is built, leave `mitosis` out: engine --no-build ..."
        );
    }
    let root = dir.or(run.root);
    Ok(RunArgs { root, all_cells: true, follow_code: watch, ..run })
}

/// Looks at the built library of each cell: whether it is one, for this engine's ABI, with ports and a shape that can be
/// read. One that is not costs itself: the scene says so when it needs it.
pub(crate) fn verify(project: &Project, names: &[String]) {
    let mut good = 0;
    for name in names {
        match project.stage(name) {
            Ok(built) => {
                good += 1;
                let kept = built.shape.as_ref().map_or("", |_| ", keeps its state");
                let ports = built.ports.ports.len();
                tracing::info!(cell = &**name, "build {}: {ports} port(s){kept}", built.hash());
            }
            Err(error) => tracing::error!(cell = &**name, "{error}"),
        }
    }
    tracing::info!("{good} of {} cells are verified", names.len());
}
