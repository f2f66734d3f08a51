//! `engine new NAME`: a new cell from `cells/template/`.
use anyhow::{Context, bail};
use std::{fs, path::Path};

/// Makes `cells/NAME/` and `shaders/NAME/` in the project `root`. Both appear whole or not at all.
pub(crate) fn new_cell(root: &Path, name: &str) -> anyhow::Result<()> {
    check_name(name)?;
    let (cell, shaders) = (root.join("cells").join(name), root.join("shaders").join(name));
    for path in [&cell, &shaders] {
        if path.exists() {
            bail!("{} exists already; choose another name", path.display());
        }
    }
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap_or_default();
    if lock.lines().any(|l| l == format!("name = \"{name}\"")) {
        bail!("`{name}` is the name of a crate that this project builds on already; choose another name");
    }
    // A half-made folder under cells/ would break every cargo command: make it elsewhere and rename.
    let making = root.join("target").join(format!("new-{name}"));
    if making.exists() {
        fs::remove_dir_all(&making).with_context(|| format!("{} is in the way", making.display()))?;
    }
    let made = (|| {
        copy(&root.join("cells/template"), &making.join("cell"), name)?;
        copy(&root.join("shaders/template"), &making.join("shaders"), name)?;
        fs::rename(making.join("shaders"), &shaders)
            .with_context(|| format!("{} cannot be made", shaders.display()))?;
        fs::rename(making.join("cell"), &cell).with_context(|| format!("{} cannot be made", cell.display()))
    })();
    // What is left of the making is of no use to anybody.
    let _ = fs::remove_dir_all(&making);
    if made.is_err() {
        let _ = fs::remove_dir_all(&shaders);
    }
    made
}

fn check_name(name: &str) -> anyhow::Result<()> {
    let ok = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !name.ends_with('-')
        && !name.contains("--");
    if !ok {
        bail!(
            "`{name}` is no name for a cell; use lower-case letters, digits and single dashes, like `rain-drops`"
        );
    }
    if ["template", "cell", "engine", "self", "super", "crate", "test", "core", "std"].contains(&name) {
        bail!("`{name}` is taken; choose another name");
    }
    Ok(())
}

/// Copies a folder, with `template` and `Template` replaced by the cell's name in files and file names.
fn copy(from: &Path, to: &Path, name: &str) -> anyhow::Result<()> {
    fs::create_dir_all(to).with_context(|| format!("{} cannot be made", to.display()))?;
    let entries = fs::read_dir(from).with_context(|| format!("{} cannot be read", from.display()))?;
    let ident = name.replace('-', "_");
    let type_name: String = name
        .split('-')
        .map(|part| {
            let (first, rest) = part.split_at(1);
            first.to_uppercase() + rest
        })
        .collect();
    for entry in entries {
        let path = entry?.path();
        let file =
            path.file_name().and_then(|n| n.to_str()).context("a file name in the template is no text")?;
        let target = to.join(file.replace("template", &ident));
        if path.is_dir() {
            copy(&path, &target, name)?;
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        let text = text
            .replace("name = \"template\"", &format!("name = \"{name}\""))
            .replace("template", &ident)
            .replace("Template", &type_name);
        fs::write(&target, text).with_context(|| format!("{} cannot be written", target.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("cells/template/Cargo.toml", "name = \"template\""),
            ("cells/template/src/lib.rs", "template_v1 template.wgsl Template"),
            ("shaders/template/template.wgsl", "// template"),
        ] {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        dir
    }

    #[test]
    fn a_new_cell_carries_its_own_name_everywhere() {
        let dir = project();
        new_cell(dir.path(), "rain-drops").unwrap();
        let read = |f: &str| fs::read_to_string(dir.path().join(f)).unwrap();
        assert_eq!(read("cells/rain-drops/Cargo.toml"), "name = \"rain-drops\"");
        assert_eq!(read("cells/rain-drops/src/lib.rs"), "rain_drops_v1 rain_drops.wgsl RainDrops");
        assert_eq!(read("shaders/rain-drops/rain_drops.wgsl"), "// rain_drops");
        let again = new_cell(dir.path(), "rain-drops").unwrap_err().to_string();
        assert!(again.contains("exists already"), "{again}");
    }

    #[test]
    fn a_name_that_cargo_knows_already_is_refused() {
        let dir = project();
        fs::write(dir.path().join("Cargo.lock"), "[[package]]\nname = \"glam\"\n").unwrap();
        let e = new_cell(dir.path(), "glam").unwrap_err().to_string();
        assert!(e.contains("builds on already"), "{e}");
    }

    #[test]
    fn bad_names_are_refused_with_an_example() {
        let dir = project();
        for bad in ["", "Rain", "1st", "a/b", "..", "a--b", "template", "crate"] {
            let e = new_cell(dir.path(), bad).unwrap_err().to_string();
            assert!(e.contains("no name for a cell") || e.contains("is taken"), "{bad}: {e}");
        }
        assert!(!dir.path().join("target/new-").exists());
    }
}
