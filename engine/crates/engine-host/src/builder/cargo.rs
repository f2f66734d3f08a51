//! One call of cargo, and what it says.
use super::{BuildError, BuildEvent, Project};
use cell_abi::interface::LockMode;
use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader, IsTerminal as _, Read},
    process::{Command, Stdio},
    sync::mpsc::sync_channel,
};

/// What cargo sets for the programs that it runs, and so for an engine under `cargo run`: it must not reach the inner one.
const SET_BY_CARGO: [&str; 6] = [
    "CARGO",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
    "CARGO_TARGET_TMPDIR",
    "LD_LIBRARY_PATH",
    // Of a user's own, this one alone: the target folder is the running engine's, which has the platform in it.
    "CARGO_BUILD_TARGET",
];
/// What the names of further ones begin with.
const SET_BY_CARGO_FOR: [&str; 3] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
/// How many lines wait to be looked at; then cargo waits.
const LINES: usize = 64;
/// What cargo says while another one works in the same folder.
const BLOCKING: &str = "Blocking waiting";

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
    let (said, lines) = sync_channel(LINES);
    let complains = said.clone();
    read_lines(child.stderr.take().expect("it was asked for"), move |line| {
        // Nobody hears it when the build is given up.
        let _ = complains.send(Line::Complaint(line));
    });
    read_lines(child.stdout.take().expect("it was asked for"), move |line| {
        let _ = said.send(Line::Message(line));
    });
    let mut ran = Ran { libraries: BTreeSet::new(), compiled: false, success: false };
    let mut errors = String::new();
    for line in lines {
        let line = match line {
            Line::Message(line) => line,
            // Before it has gone on, or nobody knows what it waits for.
            Line::Complaint(line) if line.trim_start().starts_with(BLOCKING) => {
                report(BuildEvent::Message(&(line + "\n")));
                continue;
            }
            Line::Complaint(line) => {
                if !line.trim_start().starts_with("Compiling") && !line.is_empty() {
                    errors += &(line + "\n");
                }
                continue;
            }
        };
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
    if !ran.success {
        report(BuildEvent::Message(&errors));
    }
    Ok(ran)
}

/// A line that cargo says.
enum Line {
    /// For programs.
    Message(String),
    /// For people.
    Complaint(String),
}

/// Hands on the lines of a stream as they come, on a thread of its own.
fn read_lines(from: impl Read + Send + 'static, hear: impl Fn(String) + Send + 'static) {
    // What cannot be read is not worth failing the build for.
    std::thread::spawn(move || BufReader::new(from).lines().map_while(Result::ok).for_each(hear));
}

fn is_set_by_cargo(variable: &str) -> bool {
    SET_BY_CARGO.contains(&variable) || SET_BY_CARGO_FOR.iter().any(|start| variable.starts_with(start))
}

fn command(project: &Project, all: &[String]) -> Command {
    let format = if std::io::stderr().is_terminal() { "json-diagnostic-rendered-ansi" } else { "json" };
    let mut cargo = Command::new("cargo");
    for (key, _) in std::env::vars_os() {
        if is_set_by_cargo(&key.to_string_lossy()) {
            cargo.env_remove(&key);
        }
    }
    cargo.current_dir(&project.root).env("CARGO_TARGET_DIR", &project.target);
    if project.judges_later {
        cargo.env(LockMode::VARIABLE, "accept");
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_outer_cargo_has_set_is_dropped_and_what_a_user_has_set_is_not() {
        for set in
            ["CARGO", "CARGO_PKG_NAME", "CARGO_MANIFEST_DIR", "CARGO_BIN_EXE_engine", "LD_LIBRARY_PATH"]
        {
            assert!(is_set_by_cargo(set), "{set}");
        }
        let users =
            ["CARGO_HOME", "CARGO_BUILD_JOBS", "CARGO_NET_OFFLINE", "CARGO_PROFILE_DEV_OPT_LEVEL", "PATH"];
        for own in users {
            assert!(!is_set_by_cargo(own), "{own}");
        }
    }

    #[test]
    fn lines_are_handed_on_as_they_come() {
        let (from, mut to) = std::io::pipe().unwrap();
        let (send, lines) = sync_channel(LINES);
        read_lines(from, move |line| send.send(line).unwrap());
        for line in ["    Blocking waiting for file lock on build directory", "", "   Compiling a v0.1.0"] {
            std::io::Write::write_all(&mut to, format!("{line}\n").as_bytes()).unwrap();
            // While the other end is open.
            assert_eq!(lines.recv().unwrap(), line);
        }
        drop(to);
        assert!(lines.recv().is_err());
    }
}
