//! A project of its own for new cells, in which cargo works.
use crate::{root, scratch_project};
use std::{fs, os::unix::fs::symlink, path::Path};

/// Makes a workspace in `to` of the same shape as the real one, by links, with shaders, assets, scenes and further
/// cells of its own. The engine builds it in the same target folder: cargo takes what is built there and compiles the
/// new cells only. `to` must lie in the target's folder for tests (`CARGO_TARGET_TMPDIR`).
pub fn scratch_workspace(to: &Path) {
    scratch_project(to);
    let link = |from: &Path, to: &Path| symlink(from, to).expect("a link can be made");
    fs::remove_file(to.join("cells")).expect("the link to cells/ can be removed");
    fs::create_dir(to.join("cells")).expect("a folder can be made");
    for entry in fs::read_dir(root().join("cells")).expect("cells/ can be read") {
        let path = entry.expect("an entry can be read").path();
        link(&path, &to.join("cells").join(path.file_name().expect("entries have names")));
    }
    for folder in ["benches", "tests"] {
        link(&root().join(folder), &to.join(folder));
    }
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(root().join(file), to.join(file)).expect("a manifest can be copied");
    }
}
