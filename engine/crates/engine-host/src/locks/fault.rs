//! What can be wrong between a contract and its lock. Each has a page under `docs/errors/`.
use cell_abi::{
    Fingerprint,
    interface::{Interface, differences, in_short},
};
use std::path::{Path, PathBuf};

/// Why a cell is not what its contract's lock says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LockFault {
    /// Nothing new is taken, and there is no lock.
    #[error(
        "C0001: `{contract}`, the contract of `{cell}`, has no lock, and nothing new is taken now; build it without \
         CELL_LOCK=frozen and commit {path}; see docs/errors/C0001.md"
    )]
    Missing {
        /// The contract.
        contract: String,
        /// The cell.
        cell: String,
        /// Where the lock would be.
        path: PathBuf,
    },
    /// The lock cannot be used.
    #[error(
        "C0002: the lock of `{contract}` ({path}) cannot be used: {what}; take it from version control, or make it anew \
         with `engine lock accept {contract}`; see docs/errors/C0002.md"
    )]
    Broken {
        /// The contract.
        contract: String,
        /// The file.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// A change, and none is taken.
    #[error(
        "C0003: `{contract}`, the contract of `{cell}`, is not what its lock says. {gap}. If the change is meant: `engine lock accept {contract}`; see docs/errors/C0003.md"
    )]
    Drifted {
        /// The contract.
        contract: String,
        /// The cell.
        cell: String,
        /// What differs.
        gap: Box<Gap>,
    },
    /// A library that was built elsewhere or earlier.
    #[error(
        "C0004: {path} was built for another `{contract}`. {gap}. Build it anew against this project, or, if it is the lock that is behind: `engine lock accept {contract}`; see \
         docs/errors/C0004.md"
    )]
    Prebuilt {
        /// The file.
        path: PathBuf,
        /// The contract.
        contract: String,
        /// What differs.
        gap: Box<Gap>,
    },
    /// Two cells of this project mean different things by one contract.
    #[error(
        "C0005: `{cell}` and `{other}` both have the contract `{contract}`, and it is not the same. {gap}. Change both, or give one of them a contract of its own; see \
         docs/errors/C0005.md"
    )]
    Apart {
        /// The contract.
        contract: String,
        /// The cell at fault.
        cell: String,
        /// The one whose word counts.
        other: String,
        /// What differs.
        gap: Box<Gap>,
    },
    /// A change that does not reach everybody.
    #[error(
        "C0006: `{contract}` is changed in `{cell}`, and {} of another workspace {} not. {gap}. If the change is meant: `engine lock accept {contract}`, then build the others; see \
         docs/errors/C0006.md",
        listed(.others), if .others.len() == 1 { "is" } else { "are" }
    )]
    OutOfReach {
        /// The contract.
        contract: String,
        /// The cell.
        cell: String,
        /// Who is not reached.
        others: Vec<String>,
        /// What differs.
        gap: Box<Gap>,
    },
    /// The lock does not know who takes part, and nothing new is taken.
    #[error(
        "C0009: the lock of `{contract}` names {} as taking part, and it is {}; build without CELL_LOCK=frozen and commit \
         {path}; see docs/errors/C0009.md",
        listed(.lock), listed(.here)
    )]
    Participants {
        /// The contract.
        contract: String,
        /// The file.
        path: PathBuf,
        /// Whom the lock names.
        lock: Vec<String>,
        /// Who takes part.
        here: Vec<String>,
    },
}

impl LockFault {
    /// The cell `cell` is `here` and not what its lock says.
    pub(crate) fn drifted(cell: &str, lock: &Interface, here: &Interface) -> Self {
        Self::Drifted {
            contract: lock.contract.clone(),
            cell: cell.to_owned(),
            gap: Gap::from_lock(lock, here),
        }
    }

    /// The library at `path`, which was not built here, is `here` and not what the lock says.
    pub(crate) fn prebuilt(path: &Path, lock: &Interface, here: &Interface) -> Self {
        Self::Prebuilt {
            path: path.to_owned(),
            contract: lock.contract.clone(),
            gap: Gap::from_lock(lock, here),
        }
    }

    /// Returns the contract that it is about.
    #[must_use]
    pub fn contract(&self) -> &str {
        match self {
            Self::Missing { contract, .. }
            | Self::Broken { contract, .. }
            | Self::Drifted { contract, .. }
            | Self::Prebuilt { contract, .. }
            | Self::Apart { contract, .. }
            | Self::OutOfReach { contract, .. }
            | Self::Participants { contract, .. } => contract,
        }
    }
}

pub(super) fn listed(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { format!("`{}`", names.join("`, `")) }
}

/// What lies between two interfaces.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{difference}. {left} has {lock}, {right} {here}")]
pub struct Gap {
    /// What differs.
    pub difference: String,
    left: String,
    right: String,
    /// The fingerprint of what counts.
    pub lock: Fingerprint,
    /// The other one.
    pub here: Fingerprint,
}

impl Gap {
    /// From a lock to a cell.
    pub(super) fn from_lock(lock: &Interface, here: &Interface) -> Box<Self> {
        let difference = in_short(&differences(lock, here), "in the lock", "here");
        let (left, right) = ("The lock".to_owned(), "what was built".to_owned());
        let (lock, here) = (lock.fingerprint(), here.fingerprint());
        Box::new(Self { difference, left, right, lock, here })
    }

    /// From the cell `there` to the cell `here`.
    pub(super) fn between_cells((there, a): (&str, &Interface), (here, b): (&str, &Interface)) -> Box<Self> {
        let (left, right) = (format!("`{there}`"), format!("`{here}`"));
        let difference = in_short(&differences(a, b), &format!("in {left}"), &format!("in {right}"));
        Box::new(Self { difference, left, right, lock: a.fingerprint(), here: b.fingerprint() })
    }
}
