//! One call of cargo, and what it says.
use super::{BuildError, BuildEvent, Project};
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, IsTerminal as _, Read},
    process::{Command, Stdio},
};

/// What came of a call of cargo.
pub(super) struct Ran {
    /// Library targets (names with `_`) that were made or are up to date.
    pub(super) libraries: BTreeSet<String>,
    /// Cargo came as far as compiling; else it refused the workspace as a whole.
    pub(super) compiled: bool,
    /// All went well.
    pub(super) success: bool,
}

/// Builds the packages `all`; what one of them lacks does not keep the others from being built.
pub(super) fn run(
    project: &Project,
    all: &[String],
    report: &mut impl FnMut(BuildEvent<'_>),
) -> Result<Ran, BuildError> {
    let mut child = command(project, all).spawn().map_err(BuildError::NoCargo)?;
    let mut stderr = child.stderr.take().expect("it was asked for");
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        // What cannot be read is not worth failing the build for.
        let _ = stderr.read_to_string(&mut text);
        text
    });
    let stdout = child.stdout.take().expect("it was asked for");
    let mut ran = Ran { libraries: BTreeSet::new(), compiled: false, success: false };
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
        match message["reason"].as_str() {
            Some("compiler-message") => {
                if let Some(text) = message["message"]["rendered"].as_str() {
                    report(BuildEvent::Message(text));
                }
            }
            Some("compiler-artifact") => {
                let target = &message["target"];
                let Some(name) = target["name"].as_str() else { continue };
                if target["kind"].as_array().is_some_and(|k| k.iter().any(|k| k == "cdylib")) {
                    ran.libraries.insert(name.to_owned());
                }
                if message["fresh"] == false {
                    report(BuildEvent::Compiled(name));
                }
            }
            Some("build-finished") => ran.compiled = true,
            _ => {}
        }
    }
    ran.success = child.wait().map_err(BuildError::NoCargo)?.success();
    let complaints = complaints.join().unwrap_or_default();
    if !ran.success {
        let progress = |l: &&str| !l.trim_start().starts_with("Compiling") && !l.is_empty();
        let errors: String = complaints.lines().filter(progress).map(|l| format!("{l}\n")).collect();
        report(BuildEvent::Message(&errors));
    }
    Ok(ran)
}

fn command(project: &Project, all: &[String]) -> Command {
    let format = if std::io::stderr().is_terminal() { "json-diagnostic-rendered-ansi" } else { "json" };
    let mut cargo = Command::new("cargo");
    for (key, _) in std::env::vars_os() {
        // What the outer cargo set for the engine must not reach the inner one.
        let text = key.to_string_lossy();
        if (text.starts_with("CARGO_") && text != "CARGO_HOME") || text == "LD_LIBRARY_PATH" {
            cargo.env_remove(&key);
        }
    }
    cargo.current_dir(&project.root).env("CARGO_TARGET_DIR", &project.target);
    cargo.args(["build", "--keep-going", "--message-format", format, "--profile", &project.profile]);
    for name in all {
        cargo.args(["-p", name]);
    }
    // Where the engine is built beside its cells, both use the same features of what they share.
    if project.root.join("engine/crates/engine-unify").is_dir() {
        cargo.args(["-p", "engine-unify"]);
    }
    cargo.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // An engine that is closed during a build leaves nothing behind.
    engine_sys::end_with_parent(&mut cargo);
    cargo
}
