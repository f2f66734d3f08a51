//! Locks: what a contract was to others when everybody who takes part was last built together.
//!
//! They lie in `.cell/lock/` of the project, a file for each contract, and are meant to be committed. A good build
//! writes them; nothing else does, but for `engine lock accept`. What a lock says is read in `cell-abi` (`interface`),
//! which the macros use too; here are the files, and who may change one.
mod fault;
mod rule;

pub use fault::{Gap, LockFault};
pub(crate) use rule::{Case, Ruling, Seen, rule};

use cell_abi::interface::{LockError, LockFile, LockMode};
use std::{
    collections::BTreeSet,
    fs::File,
    io,
    path::{Path, PathBuf},
};

/// The folder of locks and snapshots in a project.
const FOLDER: &str = ".cell";
/// Names another one.
const VARIABLE: &str = "CELL_DIR";

/// Where a project's locks lie, and what a build may do with them.
#[derive(Clone, Debug)]
pub struct Locks {
    /// The folder `.cell`.
    pub folder: PathBuf,
    /// What becomes of a change.
    pub mode: LockMode,
    /// The folder lies in the project itself: its cells are at home here.
    pub home: bool,
}

/// What the environment says about locks that cannot be meant.
#[derive(Debug, thiserror::Error)]
#[error("C0008: {0}; see docs/errors/C0008.md")]
pub struct LockTermsError(String);

impl Locks {
    /// Returns the locks of the project at `root`, by the variables `CELL_DIR` and `CELL_LOCK`.
    ///
    /// # Errors
    /// [`LockTermsError`] when one of them makes no sense.
    pub fn find(root: &Path) -> Result<Self, LockTermsError> {
        let value = std::env::var(LockMode::VARIABLE).unwrap_or_default();
        let mode = LockMode::from_value(&value).map_err(LockTermsError)?;
        let own = root.join(FOLDER);
        let folder = match std::env::var_os(VARIABLE).filter(|v| !v.is_empty()).map(PathBuf::from) {
            Some(given) if given.is_relative() => {
                let given = given.display();
                return Err(LockTermsError(format!("{VARIABLE} is `{given}`; give the whole path")));
            }
            Some(given) => given,
            None => own.clone(),
        };
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        Ok(Self { home: real(&folder) == real(&own), folder, mode })
    }

    fn locks(&self) -> PathBuf {
        self.folder.join("lock")
    }

    /// Returns the file of a contract's lock.
    #[must_use]
    pub fn path(&self, contract: &str) -> PathBuf {
        self.locks().join(format!("{contract}.lock"))
    }

    /// Returns the names of the contracts that have a lock, in alphabetical order.
    ///
    /// # Errors
    /// The system's, when the folder is there and cannot be read.
    pub fn names(&self) -> io::Result<BTreeSet<String>> {
        let entries = match std::fs::read_dir(self.locks()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeSet::new()),
            entries => entries?,
        };
        let mut names = BTreeSet::new();
        for entry in entries {
            let name = entry?.file_name().into_string().unwrap_or_default();
            // A file that is being written begins with a dot.
            if let Some(contract) = name.strip_suffix(".lock").filter(|n| !n.starts_with('.')) {
                names.insert(contract.to_owned());
            }
        }
        Ok(names)
    }

    /// Reads the lock of a contract; `None` when it has none.
    ///
    /// # Errors
    /// [`LockFault::Broken`].
    pub fn read(&self, contract: &str) -> Result<Option<LockFile>, LockFault> {
        let path = self.path(contract);
        let broken =
            |what: String| LockFault::Broken { contract: contract.to_owned(), path: path.clone(), what };
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            text => text.map_err(|e| broken(e.to_string()))?,
        };
        let lock = LockFile::parse(&text).map_err(|e: LockError| broken(e.to_string()))?;
        if lock.interface.contract == contract {
            Ok(Some(lock))
        } else {
            Err(broken(format!("it is the lock of `{}`", lock.interface.contract)))
        }
    }

    /// Writes a lock, if its file does not say so already. Returns whether it did.
    ///
    /// # Errors
    /// The system's.
    pub fn write(&self, lock: &LockFile) -> io::Result<bool> {
        write_if_other(&self.path(&lock.interface.contract), lock.to_text().as_bytes())
    }

    /// Writes the snapshot of a contract, if its file does not say so already.
    pub(crate) fn write_snapshot(&self, contract: &str, text: &str) -> io::Result<bool> {
        write_if_other(&self.snapshot(contract), text.as_bytes())
    }

    /// Returns the file of a contract's snapshot.
    #[must_use]
    pub fn snapshot(&self, contract: &str) -> PathBuf {
        self.folder.join("schema").join(format!("{contract}.json"))
    }

    /// Removes the lock of a contract, and its snapshot.
    ///
    /// # Errors
    /// The system's.
    pub fn remove(&self, contract: &str) -> io::Result<()> {
        // There may be none.
        let _ = std::fs::remove_file(self.snapshot(contract));
        std::fs::remove_file(self.path(contract))
    }

    /// Waits until nobody else reads and writes the locks. Held until it is dropped; `None` where there are none yet, or
    /// where the system has no such locks: each file is replaced as a whole all the same.
    pub(crate) fn turn(&self) -> Option<File> {
        let folder = File::open(self.locks()).ok()?;
        folder.lock().ok().map(|()| folder)
    }
}

/// Replaces a file as a whole if it holds anything else, so that nobody who watches it is woken for nothing.
fn write_if_other(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    engine_sys::write_atomically(path, bytes).map(|()| true)
}
