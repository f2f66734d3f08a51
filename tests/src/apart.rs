//! An engine in a target folder of its own, for tests of what cleans up.
use crate::Engine;
use std::{
    fs,
    path::{Path, PathBuf},
};

impl Engine {
    /// Returns this engine as the only one of the target folder `target`, beside the libraries of `cells`: what it removes
    /// is nobody's work. The folder must lie where the built engine does (`CARGO_TARGET_TMPDIR`): the files are links.
    #[must_use]
    pub fn apart(mut self, target: &Path, cells: &[&str]) -> Self {
        let to = target.join("debug");
        fs::create_dir_all(&to).expect("a folder can be made");
        let built = self.exe.parent().expect("the binary lies in a folder").to_owned();
        let name = self.exe.file_name().expect("the binary has a name").to_owned();
        let libraries = cells.iter().map(|c| format!("lib{}.so", c.replace('-', "_")).into());
        for file in libraries.chain([name.clone()]) {
            fs::hard_link(built.join(&file), to.join(&file)).expect("a file can be linked");
        }
        self.exe = to.join(name);
        self
    }

    /// Returns the engine's file.
    #[must_use]
    pub fn exe(&self) -> PathBuf {
        self.exe.clone()
    }
}
