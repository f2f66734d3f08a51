//! Which copies of libraries somebody here answers for: those that ran as our own, by a scene of this machine. A file
//! without content beside the copy says so; where it is missing, the code is a stranger's.
//!
//! A crash file is a file that anybody can send; what it says of its cell's trust counts only together with this.
use super::BuiltCell;
use std::{
    fs::{File, remove_file},
    io,
    path::{Path, PathBuf},
};

fn mark(copy: &Path) -> PathBuf {
    copy.with_extension("own")
}

/// Says that the copy ran as our own.
///
/// # Errors
/// The system's, when the mark cannot be made.
pub(crate) fn answer_for(copy: &Path) -> io::Result<()> {
    File::create(mark(copy)).map(drop)
}

/// Removes a copy and its mark.
///
/// # Errors
/// The system's, when the copy stays.
pub(super) fn remove_copy(path: &Path) -> io::Result<()> {
    // Before the copy: no mark stays alone.
    let _ = remove_file(mark(path));
    remove_file(path)
}

impl BuiltCell {
    /// Returns whether the copy has run as our own: somebody here answers for its code.
    #[must_use]
    pub fn is_answered_for(&self) -> bool {
        mark(&self.path).is_file()
    }
}
