//! Builds the scene's cells with cargo and gives each build a file name of its own.
//!
//! Cargo is asked only when a source is newer than the last good build: cargo's own dep-info files name the
//! sources. All cells of the workspace are always built together, with the profile and target folder of the
//! running engine, so that shared dependencies are built once. A library is loaded from a copy named by its
//! content, because the dynamic linker returns the old code for an old name.
use crate::library::{LibraryError, ports_of};
use cell_abi::ports::PortTable;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, IsTerminal as _, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::SystemTime,
};

/// Where a project and its builds lie.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder with `Cargo.toml`, `cells/`, `shaders/`, `assets/`.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Cargo's profile: `dev`, `release` or another.
    pub profile: String,
}

/// Why cells could not be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// No project around the current folder.
    #[error(
        "{0} and the folders above it hold no project (a Cargo.toml beside a cells/ folder); start in one, or give --root"
    )]
    NoProject(PathBuf),
    /// The scene names a cell that does not exist.
    #[error("there is no cell `{name}` under {cells}{}", hint(.meant))]
    UnknownCell {
        /// The name.
        name: String,
        /// The folder.
        cells: PathBuf,
        /// A similar name.
        meant: Option<String>,
    },
    /// Cargo cannot be started.
    #[error("cargo cannot be started: {0}; install Rust, or start with --no-build when everything is built")]
    NoCargo(std::io::Error),
    /// Cargo failed; it has printed the compiler's errors.
    #[error("the build failed; the compiler's errors are above")]
    Failed,
    /// The library is missing though cargo succeeded, or with `--no-build`.
    #[error("{path} is missing; build the cells first (start without --no-build)")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file operation failed.
    #[error("{path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The file is no cell.
    #[error(transparent)]
    Library(#[from] LibraryError),
}

fn hint(meant: &Option<String>) -> String {
    meant.as_ref().map(|m| format!("; did you mean `{m}`?")).unwrap_or_default()
}

/// A built cell, ready to load.
#[derive(Clone, Debug)]
pub struct BuiltCell {
    /// The copy named by its content.
    pub path: PathBuf,
    /// What it declares.
    pub ports: Arc<PortTable>,
    /// Its folder of shaders.
    pub shaders: PathBuf,
}

/// What happens during a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BuildEvent<'a> {
    /// Cargo was started.
    Started,
    /// A crate was compiled.
    Compiled(&'a str),
    /// A message of the compiler, as cargo prints it.
    Message(&'a str),
    /// Cargo has ended.
    Finished,
}

impl Project {
    /// Finds the project around `from` for the engine binary `exe`.
    ///
    /// # Errors
    /// [`BuildError::NoProject`].
    pub fn find(from: &Path, exe: &Path) -> Result<Self, BuildError> {
        let root = from
            .ancestors()
            .find(|d| d.join("Cargo.toml").is_file() && d.join("cells").is_dir())
            .ok_or_else(|| BuildError::NoProject(from.to_owned()))?
            .to_owned();
        // target/<profile>/engine, or target/<profile>/deps/<test>.
        let mut folder = exe.parent().unwrap_or(Path::new(""));
        if folder.file_name().is_some_and(|n| n == "deps") {
            folder = folder.parent().unwrap_or(folder);
        }
        let (target, profile) = match (folder.parent(), folder.file_name().and_then(|n| n.to_str())) {
            (Some(target), Some("debug")) => (target.to_owned(), "dev".to_owned()),
            (Some(target), Some(p)) if folder.join(".fingerprint").is_dir() => {
                (target.to_owned(), p.to_owned())
            }
            _ => (root.join("target"), "dev".to_owned()),
        };
        Ok(Self { root, target, profile })
    }

    /// Returns the folder into which cargo puts libraries.
    #[must_use]
    pub fn output(&self) -> PathBuf {
        self.target.join(if self.profile == "dev" { "debug" } else { &self.profile })
    }

    /// Returns the names of the cells of this project (the packages under `cells/` that are libraries for the
    /// engine), in alphabetical order.
    ///
    /// # Errors
    /// [`BuildError::Io`].
    pub fn cells(&self) -> Result<Vec<String>, BuildError> {
        let dir = self.root.join("cells");
        let io = |source| BuildError::Io { path: dir.clone(), source };
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&dir).map_err(io)? {
            let path = entry.map_err(io)?.path();
            let manifest = std::fs::read_to_string(path.join("Cargo.toml")).unwrap_or_default();
            if manifest.contains("\"cdylib\"")
                && let Some(name) = path.file_name().and_then(|n| n.to_str())
            {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Returns the library that cargo makes of the cell `name`.
    #[must_use]
    pub fn library(&self, name: &str) -> PathBuf {
        self.output().join(format!("lib{}.so", name.replace('-', "_")))
    }

    fn stamp(&self) -> PathBuf {
        self.output().join(".cells-built")
    }

    /// Returns whether every one of `names` was built after its newest source.
    #[must_use]
    pub fn is_fresh(&self, names: &[String]) -> bool {
        let Ok(built) = std::fs::metadata(self.stamp()).and_then(|m| m.modified()) else { return false };
        let older = |path: &Path| modified(path).is_some_and(|m| m < built);
        let manifests = ["Cargo.toml", "Cargo.lock"].iter().all(|f| older(&self.root.join(f)));
        manifests
            && names.iter().all(|name| {
                let library = self.library(name);
                let manifest = self.root.join("cells").join(name).join("Cargo.toml");
                let Ok(info) = std::fs::read_to_string(library.with_extension("d")) else { return false };
                library.is_file() && older(&manifest) && sources(&info).all(|s| older(Path::new(&s)))
            })
    }

    /// Builds the cells `names` if a source changed, with the build's events going to `report`.
    ///
    /// # Errors
    /// [`BuildError`]; on [`BuildError::Failed`] the compiler's messages went to `report`.
    pub fn build(&self, names: &[String], mut report: impl FnMut(BuildEvent<'_>)) -> Result<(), BuildError> {
        let all = self.cells()?;
        for name in names {
            known(name, &all, &self.root)?;
        }
        if names.is_empty() || self.is_fresh(names) {
            return Ok(());
        }
        let started = SystemTime::now();
        report(BuildEvent::Started);
        let format = if std::io::stderr().is_terminal() { "json-diagnostic-rendered-ansi" } else { "json" };
        let mut cargo = Command::new("cargo");
        for (key, _) in std::env::vars_os() {
            // What the outer cargo set for the engine must not reach the inner one.
            let text = key.to_string_lossy();
            if (text.starts_with("CARGO_") && text != "CARGO_HOME") || text == "LD_LIBRARY_PATH" {
                cargo.env_remove(&key);
            }
        }
        cargo.current_dir(&self.root).env("CARGO_TARGET_DIR", &self.target).args([
            "build",
            "--message-format",
            format,
            "--profile",
            &self.profile,
        ]);
        for name in &all {
            cargo.args(["-p", name]);
        }
        let mut child = cargo
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(BuildError::NoCargo)?;
        let mut stderr = child.stderr.take().expect("it was asked for");
        let complaints = std::thread::spawn(move || {
            let mut text = String::new();
            // What cannot be read is not worth failing the build for.
            let _ = stderr.read_to_string(&mut text);
            text
        });
        let stdout = child.stdout.take().expect("it was asked for");
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            let Ok(message) = serde_json::from_str::<serde_json::Value>(&line) else { continue };
            match message["reason"].as_str() {
                Some("compiler-message") => {
                    if let Some(text) = message["message"]["rendered"].as_str() {
                        report(BuildEvent::Message(text));
                    }
                }
                Some("compiler-artifact") if message["fresh"] == false => {
                    if let Some(name) = message["target"]["name"].as_str() {
                        report(BuildEvent::Compiled(name));
                    }
                }
                _ => {}
            }
        }
        let status = child.wait().map_err(BuildError::NoCargo)?;
        let complaints = complaints.join().unwrap_or_default();
        if !status.success() {
            let errors: String = complaints
                .lines()
                .filter(|l| !l.contains("Compiling") && !l.is_empty())
                .map(|l| format!("{l}\n"))
                .collect();
            report(BuildEvent::Message(&errors));
            report(BuildEvent::Finished);
            return Err(BuildError::Failed);
        }
        report(BuildEvent::Finished);
        let stamp = self.stamp();
        let io = |source| BuildError::Io { path: stamp.clone(), source };
        std::fs::File::create(&stamp).and_then(|f| f.set_modified(started)).map_err(io)
    }

    /// Copies the built library of the cell `name` under the name of its content and reads its ports. `name`
    /// may also be the path of a `.so`, relative to the project.
    ///
    /// # Errors
    /// [`BuildError`] when it is missing or no cell.
    pub fn stage(&self, name: &str) -> Result<BuiltCell, BuildError> {
        let (source, stem) = match name.strip_suffix(".so") {
            Some(path) => {
                let stem = Path::new(path).file_name().and_then(|n| n.to_str()).unwrap_or("cell");
                (self.root.join(name), stem.strip_prefix("lib").unwrap_or(stem).to_owned())
            }
            None => {
                known(name, &self.cells()?, &self.root)?;
                (self.library(name), name.to_owned())
            }
        };
        if !source.is_file() {
            return Err(BuildError::Missing { path: source });
        }
        let read = |path: &Path| {
            std::fs::read(path).map_err(|source| BuildError::Io { path: path.to_owned(), source })
        };
        let bytes = read(&source)?;
        let ports = Arc::new(ports_of(&bytes, &source)?);
        let hash = blake3::hash(&bytes).to_hex();
        let folder = self.output().join("cells");
        let path = folder.join(format!("{stem}-{}.so", &hash[..16]));
        if !path.is_file() {
            let io = |source| BuildError::Io { path: path.clone(), source };
            std::fs::create_dir_all(&folder).map_err(io)?;
            engine_sys::write_atomically(&path, &bytes).map_err(io)?;
        }
        Ok(BuiltCell { path, ports, shaders: self.root.join("shaders").join(stem) })
    }
}

fn known(name: &str, all: &[String], root: &Path) -> Result<(), BuildError> {
    if all.iter().any(|n| n == name) {
        return Ok(());
    }
    let meant = engine_frame::names::did_you_mean(name, all.iter().map(String::as_str));
    Err(BuildError::UnknownCell {
        name: name.to_owned(),
        cells: root.join("cells"),
        meant: meant.map(str::to_owned),
    })
}

fn modified(path: &Path) -> Option<SystemTime> {
    std::fs::metadata(path).and_then(|m| m.modified()).ok()
}

/// Returns the sources that a dep-info file names: `target: source source`, spaces escaped.
fn sources(info: &str) -> impl Iterator<Item = String> {
    let mut found = BTreeMap::new();
    for line in info.lines() {
        let Some((_, list)) = line.split_once(": ") else { continue };
        let mut word = String::new();
        let mut chars = list.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '\\' if chars.peek() == Some(&' ') => {
                    chars.next();
                    word.push(' ');
                }
                ' ' => {
                    found.insert(std::mem::take(&mut word), ());
                }
                c => word.push(c),
            }
        }
        found.insert(word, ());
    }
    found.into_keys().filter(|w| !w.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dep_info_names_its_sources_also_with_spaces() {
        let all: Vec<String> = sources("/t/liba.so: /my\\ dir/a.rs /b.rs\n\n/my\\ dir/a.rs:\n").collect();
        assert_eq!(all, ["/b.rs", "/my dir/a.rs"]);
    }

    #[test]
    fn the_profile_follows_the_running_binary() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("cells/deep")).unwrap();
        std::fs::create_dir_all(root.join("t/release/.fingerprint")).unwrap();
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        let p = Project::find(&root.join("cells/deep"), &root.join("t/release/engine")).unwrap();
        assert_eq!((p.root.as_path(), p.profile.as_str()), (root, "release"));
        assert_eq!(p.output(), root.join("t/release"));
        let p = Project::find(root, &root.join("t/debug/deps/test-1")).unwrap();
        assert_eq!((p.target, p.profile.as_str()), (root.join("t"), "dev"));
        assert!(matches!(Project::find(Path::new("/"), root), Err(BuildError::NoProject(_))));
    }

    #[test]
    fn an_unknown_cell_is_named_with_a_similar_one() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        std::fs::create_dir_all(root.join("cells/bloom")).unwrap();
        std::fs::write(root.join("Cargo.toml"), "").unwrap();
        std::fs::write(root.join("cells/bloom/Cargo.toml"), "crate-type = [\"cdylib\"]").unwrap();
        let p = Project::find(root, &root.join("t/debug/engine")).unwrap();
        let e = p.build(&["blom".to_owned()], |_| {}).unwrap_err();
        assert!(e.to_string().contains("did you mean `bloom`?"), "{e}");
        assert!(matches!(p.stage("bloom"), Err(BuildError::Missing { .. })));
    }
}
