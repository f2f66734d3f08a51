//! `engine clean`: removes what engines left behind, and nothing that a running one uses.
use crate::{
    ctl::{folder, show},
    start,
};
use anyhow::Context as _;
use engine_host::{
    Project,
    builder::{Leftover, is_being_written},
};
use engine_sys::jail;
use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    process::ExitCode,
};

/// Removes it, or only says what would go.
pub(crate) fn clean(root: Option<&Path>, dry_run: bool) -> anyhow::Result<ExitCode> {
    let project = start::project(root)?;
    let mut gone = if dry_run { project.leftovers() } else { project.remove_leftovers() }?;
    gone.extend(crash_files(&project, dry_run)?);
    gone.extend(dead_sockets(dry_run)?);
    let groups = if dry_run { jail::dead_groups() } else { jail::remove_dead_groups() };
    gone.extend(groups.into_iter().map(|path| Leftover { path, bytes: 0 }));
    let word = if dry_run { "would remove" } else { "removed" };
    let shown = |path: &Path| path.strip_prefix(&project.root).unwrap_or(path).display().to_string();
    let line = |l: &Leftover| format!("{word} {} ({})\n", shown(&l.path), show::bytes(Some(l.bytes)));
    let mut text: String = gone.iter().map(line).collect();
    let bytes = gone.iter().map(|l| l.bytes).sum();
    text += &match gone.len() {
        0 => "nothing was left behind\n".to_owned(),
        n => format!("{word} {n} leftover(s), {} in all\n", show::bytes(Some(bytes))),
    };
    io::stdout().write_all(text.as_bytes()).context("the list cannot be printed")?;
    Ok(ExitCode::SUCCESS)
}

/// Removes a file. Returns whether it is this that did: somebody else may be faster.
fn is_removed<'a>(path: &'a Path, remove: impl FnOnce(&'a Path) -> io::Result<()>) -> anyhow::Result<bool> {
    match remove(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        other => other.map(|()| true).with_context(|| format!("{} cannot be removed", path.display())),
    }
}

/// The files of crashes, of all profiles.
fn crash_files(project: &Project, dry_run: bool) -> anyhow::Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for profile in fs::read_dir(&project.target).into_iter().flatten().flatten() {
        for entry in fs::read_dir(profile.path().join("crashes")).into_iter().flatten().flatten() {
            let path = entry.path();
            let Ok(m) = fs::symlink_metadata(&path) else { continue };
            if m.is_file() && !is_being_written(&path) && (dry_run || is_removed(&path, fs::remove_file)?) {
                found.push(Leftover { path, bytes: m.len() });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// The sockets of engines that have ended.
fn dead_sockets(dry_run: bool) -> anyhow::Result<Vec<Leftover>> {
    let folder = folder::folder();
    let mut found = Vec::new();
    for socket in folder::sockets(&folder).with_context(|| format!("{} cannot be read", folder.display()))? {
        let is_dead = matches!(socket.connect(), Ok(None));
        if is_dead && (dry_run || is_removed(&socket.path, |_| socket.remove())?) {
            found.push(Leftover { path: socket.path, bytes: 0 });
        }
    }
    Ok(found)
}
