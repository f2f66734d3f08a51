//! Builds the scene's cells with cargo and gives each build a file name of its own.
//!
//! Cargo is asked only when a source is newer than the last good build: cargo's own dep-info files name the
//! sources. All cells of the workspace are always built together, with the profile and target folder of the
//! running engine, so that shared dependencies are built once. A cell that does not compile costs itself only. A
//! library is loaded from a copy named by its content, because the dynamic linker returns the old code for an old
//! name.
pub(crate) mod answered;
mod cargo;
mod contracts;
mod fresh;
mod known;
mod leases;

pub use known::KnownBuilds;
pub use leases::{Leftover, is_being_written};

use crate::{
    library::{LibraryError, ports_of, shape_of},
    locks::{LockFault, LockTermsError, Locks},
    staged::HASH_DIGITS,
};
use cell_abi::{ports::PortTable, shape::ShapeSection};
use known::FileStamp;
use leases::Turn;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

/// This crate as it was compiled: the project that holds it builds into the engine's own target folder.
const OWN: &str = env!("CARGO_MANIFEST_DIR");
/// Where it lies in its project.
const OWN_IN_PROJECT: &str = "engine/crates/engine-host";
/// The folder for those of other projects, in the target folder: cargo gives cells of one name one file.
const OTHERS: &str = "workspaces";

/// How long a copy of a library is kept that nobody loads.
const KEPT: Duration = Duration::from_secs(7 * 24 * 3600);

/// Where a project and its builds lie.
#[derive(Clone, Debug)]
pub struct Project {
    /// The folder with `Cargo.toml`, `cells/`, `shaders/`, `assets/`.
    pub root: PathBuf,
    /// Cargo's target folder.
    pub target: PathBuf,
    /// Cargo's profile: `dev`, `release` or another.
    pub profile: String,
    /// Where the locks of its contracts lie.
    pub locks: Locks,
    /// The compiler compares nothing with the locks: they are judged when all is built.
    pub judges_later: bool,
    /// What this process knows of the builds; clones share it.
    pub known: Arc<KnownBuilds>,
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
    /// Cargo refused the workspace before it compiled anything; it has printed why.
    #[error("cargo cannot build the cells; what it says is above. --no-build runs what is built already")]
    Refused,
    /// The cell's last build failed; cargo has printed the compiler's errors.
    #[error(
        "the cell `{name}` does not compile; the compiler's errors are above. Mend it and save: a running engine \
         builds and starts it then"
    )]
    DoesNotCompile {
        /// The cell.
        name: String,
    },
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
    /// The cell is not what its contract's lock says.
    #[error(transparent)]
    Lock(#[from] LockFault),
    /// Contracts have changed, and nothing new is taken.
    #[error(
        "the contracts are not as they were committed (CELL_LOCK=frozen):\n{}",
        .0.iter().map(|f| format!("  {f}")).collect::<Vec<_>>().join("\n")
    )]
    Frozen(Vec<LockFault>),
    /// The environment says something about locks that cannot be meant.
    #[error(transparent)]
    LockTerms(#[from] LockTermsError),
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
    /// The shape of the state that it saves and restores; `None` when it keeps none.
    pub shape: Option<Arc<ShapeSection>>,
    /// Its folder of shaders.
    pub shaders: PathBuf,
}

impl BuiltCell {
    /// Returns the first digits of its content's hash.
    #[must_use]
    pub fn hash(&self) -> &str {
        let name = self.path.file_stem().and_then(|n| n.to_str()).unwrap_or_default();
        name.rsplit_once('-').map_or(name, |(_, hash)| hash)
    }
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
    /// A lock was written, and what has changed: a sentence.
    Locked(&'a str),
    /// A lock could not be written: a sentence. The build is good all the same.
    NotLocked(&'a str),
    /// Cargo has ended.
    Finished,
}

impl Project {
    /// Finds the project around `from` for the engine binary `exe`. A project that neither holds the engine nor its
    /// target folder gets a folder of its own in that: two projects may have cells of the same name.
    ///
    /// # Errors
    /// [`BuildError::NoProject`], [`BuildError::LockTerms`].
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
        let target = if target.parent() == Some(root.as_path()) || is_own(&root) {
            target
        } else {
            let hash = blake3::hash(root.as_os_str().as_encoded_bytes()).to_hex();
            target.join(OTHERS).join(&hash[..HASH_DIGITS])
        };
        let locks = Locks::find(&root)?;
        Ok(Self { root, target, profile, locks, judges_later: false, known: Arc::default() })
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

    /// Builds the cells `names` if a source changed, with the build's events going to `report`. Returns the cells of
    /// the project that do not compile or are not what their lock says, whether asked for or not; [`Project::stage`]
    /// refuses them until they do. The locks of the others are written where they have changed.
    ///
    /// # Errors
    /// [`BuildError`] when nothing was built; on [`BuildError::Refused`] cargo's words went to `report`.
    pub fn build(
        &self,
        names: &[String],
        mut report: impl FnMut(BuildEvent<'_>),
    ) -> Result<BTreeSet<String>, BuildError> {
        let all = self.cells()?;
        for name in names {
            known(name, &all, &self.root)?;
        }
        if names.is_empty() {
            return Ok(BTreeSet::new());
        }
        if self.is_fresh(names) {
            self.check_frozen(&all)?;
            return Ok(BTreeSet::new());
        }
        let started = SystemTime::now();
        report(BuildEvent::Started);
        let ran = cargo::run(self, &all, &mut report);
        report(BuildEvent::Finished);
        let ran = ran?;
        if !ran.success && !ran.compiled {
            return Err(BuildError::Refused);
        }
        let is_built = |name: &&String| ran.success || ran.libraries.contains(&name.replace('-', "_"));
        let failed: BTreeSet<String> = all.iter().filter(|n| !is_built(n)).cloned().collect();
        let settled = self.settle(&all, &failed, &mut report);
        let refused = settled.as_ref().ok().cloned().unwrap_or_default();
        self.known.built(
            all.iter().map(|n| self.folder(n)),
            failed.iter().map(|n| self.folder(n)),
            refused.iter().map(|(n, fault)| (self.folder(n), fault.clone())),
        );
        let down = failed.into_iter().chain(refused.into_keys()).collect();
        // What was refused as a whole is looked at again by the next build, which may take it.
        settled?;
        self.write_stamp(started, &all, &down)?;
        Ok(down)
    }

    /// Returns the folder of the cell `name`.
    fn folder(&self, name: &str) -> PathBuf {
        self.root.join("cells").join(name)
    }

    /// Copies the built library of the cell `name` under the name of its content and reads its ports and shape. `name`
    /// may also be the path of a `.so`, relative to the project. A library is read once as long as it stays the same.
    ///
    /// # Errors
    /// [`BuildError`] when it is missing or no cell, when this process has seen it fail to compile, or when it is not what
    /// its contract's lock says.
    pub fn stage(&self, name: &str) -> Result<BuiltCell, BuildError> {
        let (source, stem) = match name.strip_suffix(".so") {
            Some(path) => {
                let stem = Path::new(path).file_name().and_then(|n| n.to_str()).unwrap_or("cell");
                (self.root.join(name), stem.strip_prefix("lib").unwrap_or(stem).to_owned())
            }
            None => {
                let (folder, library) = (self.folder(name), self.library(name));
                if !folder.join("Cargo.toml").is_file() || !library.is_file() {
                    known(name, &self.cells()?, &self.root)?;
                }
                // Another engine may have built it since.
                let refused = self.known.refused(&folder);
                if (refused.is_some() || self.known.has_failed(&folder)) && !self.is_fresh(&[name.to_owned()])
                {
                    let does_not_compile = BuildError::DoesNotCompile { name: name.to_owned() };
                    return Err(refused.map_or(does_not_compile, BuildError::Lock));
                }
                (library, name.to_owned())
            }
        };
        let Some(stamp) = FileStamp::of(&source) else {
            return Err(BuildError::Missing { path: source });
        };
        let shaders = self.root.join("shaders").join(&stem);
        if let Some(built) = self.known.staged(&source, stamp) {
            self.check_lock(name, &source, &built.ports)?;
            return Ok(BuiltCell { shaders, ..built });
        }
        let bytes =
            std::fs::read(&source).map_err(|error| BuildError::Io { path: source.clone(), source: error })?;
        let ports = Arc::new(ports_of(&bytes, &source)?);
        let shape = shape_of(&bytes, &source)?.map(Arc::new);
        self.check_lock(name, &source, &ports)?;
        let hash = blake3::hash(&bytes).to_hex();
        let folder = self.output().join("cells");
        let path = folder.join(format!("{stem}-{}.so", &hash[..HASH_DIGITS]));
        let io = |source| BuildError::Io { path: path.clone(), source };
        std::fs::create_dir_all(&folder).map_err(io)?;
        let turn = Turn::take(&folder).map_err(io)?;
        self.known.claim(&folder, &path, &turn).map_err(io)?;
        // A copy that is used again is as good as new.
        let renewed = std::fs::File::open(&path).and_then(|f| f.set_modified(SystemTime::now()));
        if renewed.is_err() {
            engine_sys::write_atomically(&path, &bytes).map_err(io)?;
            self.forget_old_copies(&folder, &stem, KEPT, &turn);
        }
        drop(turn);
        let built = BuiltCell { path, ports, shape, shaders };
        self.known.stage(source, stamp, built.clone());
        Ok(built)
    }

    /// Returns the copy of the build of `name` whose content has this BLAKE3 hash, in hexadecimal digits, if it is still
    /// there, and claims it.
    #[must_use]
    pub fn copy_of(&self, name: &str, hash: &str) -> Option<BuiltCell> {
        let digits = hash.get(..HASH_DIGITS)?;
        let stem = Path::new(name).file_stem()?.to_str()?;
        let stem = if name.ends_with(".so") { stem.strip_prefix("lib").unwrap_or(stem) } else { stem };
        let folder = self.output().join("cells");
        let path = folder.join(format!("{stem}-{digits}.so"));
        let turn = Turn::take(&folder).ok()?;
        let bytes = std::fs::read(&path).ok().filter(|b| blake3::hash(b).to_hex().as_str() == hash)?;
        self.known.claim(&folder, &path, &turn).ok()?;
        drop(turn);
        let (ports, shape) = (ports_of(&bytes, &path).ok()?, shape_of(&bytes, &path).ok()?);
        let shaders = self.root.join("shaders").join(stem);
        Some(BuiltCell { path, ports: Arc::new(ports), shape: shape.map(Arc::new), shaders })
    }
}

/// Returns whether the project at `root` is the one that the engine was made of, also by way of a link.
fn is_own(root: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(Path::new(OWN)).is_some_and(|own| real(&root.join(OWN_IN_PROJECT)) == Some(own))
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

#[cfg(test)]
mod tests;
