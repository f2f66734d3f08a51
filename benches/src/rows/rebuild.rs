//! Editing one cell rebuilds one crate.
use crate::{
    Bench,
    harness::{Row, Unit, interleave, wall},
};
use anyhow::ensure;
use engine_host::{BuildEvent, Project};
use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::SystemTime,
};

/// A source that counts as edited until this is dropped.
struct Edited {
    path: PathBuf,
    before: SystemTime,
}

impl Edited {
    fn new(path: PathBuf) -> anyhow::Result<Self> {
        let before = std::fs::metadata(&path)?.modified()?;
        touch(&path, SystemTime::now())?;
        Ok(Self { path, before })
    }
}

impl Drop for Edited {
    fn drop(&mut self) {
        if let Err(error) = touch(&self.path, self.before) {
            tracing::warn!("{} keeps its new time: {error}", self.path.display());
        }
    }
}

fn touch(path: &Path, time: SystemTime) -> std::io::Result<()> {
    File::options().append(true).open(path)?.set_modified(time)
}

/// Measures the row.
pub(crate) fn measure(bench: &Bench) -> anyhow::Result<Vec<Row>> {
    let project = &bench.project;
    let all = project.cells()?;
    let source = || Edited::new(project.root.join("cells/bloom/src/lib.rs"));
    {
        // Cargo is asked in any case: somebody may have built the cells with other features since.
        let _edited = source()?;
        project.build(&all, |_| {})?;
    }
    let mut compiled = Vec::new();
    let (ours, beside) = interleave(
        bench.effort.rounds(3),
        || {
            let _edited = source()?;
            let mut names = Vec::new();
            let (ns, done) = wall(|| {
                project.build(&["bloom".to_owned()], |event| {
                    if let BuildEvent::Compiled(name) = event {
                        names.push(name.to_owned());
                    }
                })
            });
            done?;
            compiled.push(names);
            anyhow::Ok(ns)
        },
        || {
            let _edited = source()?;
            let (ns, status) = wall(|| plain_cargo(project, &all));
            ensure!(status?, "cargo failed");
            Ok(ns)
        },
    )?;
    let most = compiled.iter().map(Vec::len).max().unwrap_or(0);
    // A count is no matter of the machine or the profile: it also ends the quick run of `.ci/run`.
    ensure!(
        most == 1,
        "an edit of cells/bloom/src/lib.rs compiled {most} crates: {}",
        compiled.concat().join(", ")
    );
    Ok(vec![Row {
        name: "rebuild",
        what: "crates that are compiled after an edit of cells/bloom/src/lib.rs",
        unit: Unit::Count,
        ours: most as f64,
        beside: None,
        limit: 1.0,
        target: "1 crate",
        notes: vec![
            format!("compiled: {}", compiled.concat().join(", ")),
            format!(
                "it takes {}; cargo alone, beside it, {}; ratio {:.2}",
                Unit::Ns.show(ours),
                Unit::Ns.show(beside),
                ours / beside
            ),
        ],
    }])
}

/// Runs cargo on the same cells, without the engine's builder.
fn plain_cargo(project: &Project, cells: &[String]) -> std::io::Result<bool> {
    let mut cargo = Command::new("cargo");
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        if (name.starts_with("CARGO_") && name != "CARGO_HOME") || name == "LD_LIBRARY_PATH" {
            cargo.env_remove(&key);
        }
    }
    cargo.current_dir(&project.root).env("CARGO_TARGET_DIR", &project.target);
    cargo.args(["build", "--quiet", "--profile", &project.profile]);
    // With the features that the builder asks for, see engine-unify's manifest: cargo keeps one library for each cell, and
    // others would compile them all anew, here and then there.
    cargo.args(["-p", "engine-unify"]);
    for cell in cells {
        cargo.args(["-p", cell]);
    }
    Ok(cargo.stdin(Stdio::null()).stdout(Stdio::null()).status()?.success())
}
