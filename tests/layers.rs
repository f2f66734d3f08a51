//! The floors and bans of the house (ARCHITECTURE.md), checked over `cargo metadata` and the sources.
#![allow(clippy::unwrap_used, reason = "tests")]

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// A crate sees lower floors only. What is not listed here is a plugin (under `cells/`) or a test package.
const FLOORS: &[(&str, u32)] = &[
    ("engine", 5),
    ("engine-host", 4),
    ("engine-render", 3),
    ("engine-frame", 2),
    ("engine-scene", 2),
    ("engine-sys", 1),
    ("engine-unify", 0),
    ("cell-wire", 1),
    ("cell-abi", 0),
];
/// What a plugin may build on.
const PLUGIN_SIDE: &[&str] = &["cell", "cell-ecs", "cell-macros", "cell-abi", "cell-wire"];
/// Who may name a crate directly, and why nobody else may.
const ALONE: &[(&str, &[&str], &str)] = &[
    ("wgpu", &["engine-render", "engine-benches"], "the renderer alone knows the GPU"),
    ("ash", &["engine-render"], "the renderer alone knows the GPU"),
    ("naga", &["engine-render", "engine-frame", "engine-benches"], "the renderer alone compiles shaders"),
    ("winit", &["engine"], "the binary alone knows windows"),
    ("libloading", &["engine-host", "engine-benches"], "the host alone loads libraries"),
    ("anyhow", &["engine", "engine-benches"], "libraries have typed errors"),
    (
        "rustix",
        &["engine-sys", "engine-benches"],
        "every syscall lies in engine-sys, but those of bare programs",
    ),
    ("libc", &["engine-sys", "engine-unify"], "every syscall lies in engine-sys"),
    ("seccompiler", &["engine-sys"], "the jail is built in engine-sys"),
    ("landlock", &["engine-sys"], "the jail is built in engine-sys"),
];
/// What no plugin build contains.
const NEVER_IN_A_PLUGIN: &[&str] =
    &["wgpu", "wgpu-core", "wgpu-hal", "naga", "tokio", "winit", "rayon", "libloading"];
/// The rooms of `unsafe` (see ARCHITECTURE.md).
const UNSAFE_ROOMS: &[&str] = &[
    "engine/crates/cell-abi",
    "engine/crates/engine-sys",
    "engine/crates/engine-host",
    // Shared memory as a GPU buffer; nothing else of the renderer.
    "engine/crates/engine-render/src/upload/import.rs",
    "engine/crates/cell/",
    "engine/crates/cell-macros",
    "benches/",
    // A cell that crashes on demand.
    "cells/faulty/src/crash.rs",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(root().join("Cargo.toml"))
        .other_options(
            ["--offline", "--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from).to_vec(),
        )
        .exec()
        .unwrap()
}

fn members(meta: &Metadata) -> Vec<&Package> {
    let all = meta.workspace_packages();
    assert!(all.len() > 10, "a check that finds no packages checks nothing");
    all
}

fn is_plugin(p: &Package) -> bool {
    p.manifest_path.as_str().contains("/cells/")
}

#[test]
fn every_crate_sees_lower_floors_only() {
    let meta = metadata();
    let floors: BTreeMap<&str, u32> = FLOORS.iter().copied().collect();
    let plugins: BTreeSet<&str> =
        members(&meta).into_iter().filter(|p| is_plugin(p)).map(|p| p.name.as_str()).collect();
    for p in members(&meta) {
        for d in p.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            let (from, to) = (p.name.as_str(), d.name.as_str());
            if let (Some(a), Some(b)) = (floors.get(from), floors.get(to)) {
                assert!(a > b, "{from} (floor {a}) must not depend on {to} (floor {b})");
            }
            if floors.contains_key(from) {
                assert!(!plugins.contains(to), "{from} must not know the plugin {to}");
                assert!(!matches!(to, "cell" | "cell-ecs" | "cell-macros"), "{from} is no plugin: not {to}");
            }
            if is_plugin(p) || PLUGIN_SIDE.contains(&from) {
                let engine = to == "engine" || to.starts_with("engine-");
                assert!(!engine, "{from} is on the plugin side and must not know {to}");
                let cell_crate = plugins.contains(to) && !to.ends_with("-api");
                assert!(!cell_crate, "{from} must know {to} only through {to}-api");
            }
        }
    }
}

#[test]
fn crates_with_one_user_have_one() {
    let meta = metadata();
    for (what, who, why) in ALONE {
        let mut users = 0;
        for p in members(&meta) {
            let normal =
                |d: &&cargo_metadata::Dependency| d.kind == DependencyKind::Normal && d.name == *what;
            if p.dependencies.iter().any(|d| normal(&d)) {
                assert!(who.contains(&p.name.as_str()), "{} must not depend on {what}: {why}", p.name);
                users += 1;
            }
        }
        assert!(users > 0, "nobody uses {what}: take it out of this list");
    }
}

#[test]
fn no_plugin_build_contains_the_gpu_a_runtime_or_a_thread_pool() {
    let meta = metadata();
    let resolve = meta.resolve.as_ref().unwrap();
    let nodes: BTreeMap<_, _> = resolve.nodes.iter().map(|n| (&n.id, n)).collect();
    let names: BTreeMap<_, _> = meta.packages.iter().map(|p| (&p.id, p.name.as_str())).collect();
    let mut checked = 0;
    for p in members(&meta).into_iter().filter(|p| is_plugin(p)) {
        checked += 1;
        let (mut seen, mut todo) = (BTreeSet::new(), vec![&p.id]);
        while let Some(id) = todo.pop() {
            if !seen.insert(id) {
                continue;
            }
            let name = names[id];
            assert!(!NEVER_IN_A_PLUGIN.contains(&name), "the plugin {} contains {name}", p.name);
            for d in &nodes[id].deps {
                if d.dep_kinds.iter().any(|k| k.kind == DependencyKind::Normal) {
                    todo.push(&d.pkg);
                }
            }
        }
    }
    assert!(checked > 5, "only {checked} plugins were found");
}

/// Returns the features of each dependency that a cargo command for these packages turns on, as cargo prints them.
fn features(selection: &[&str], edges: &str) -> BTreeMap<String, BTreeSet<String>> {
    let out = std::process::Command::new(env!("CARGO"))
        .current_dir(root())
        .args(["tree", "--offline", "--target", "x86_64-unknown-linux-gnu", "--prefix", "none"])
        .args(["--no-dedupe", "--format", "{p} [{f}]", "--edges", edges])
        .args(selection)
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let mut all = BTreeMap::<String, BTreeSet<String>>::new();
    for line in String::from_utf8(out.stdout).unwrap().lines() {
        let Some((package, features)) = line.split_once(" [") else { continue };
        if !package.contains(" (/") {
            let package = package.replace(" (proc-macro)", "");
            all.entry(package).or_default().insert(features.trim_end_matches(']').to_owned());
        }
    }
    all
}

/// Else `cargo run -p engine`, the engine's own build of the cells and `cargo test` each compile half of the
/// dependencies anew.
#[test]
fn every_cargo_command_turns_on_the_same_features() {
    let meta = metadata();
    let cells: Vec<_> = members(&meta).into_iter().filter(|p| is_plugin(p)).collect();
    let mut plugins: Vec<&str> = cells.iter().flat_map(|p| ["-p", p.name.as_str()]).collect();
    plugins.extend(["-p", "engine-unify"]);
    let whole = features(&["--workspace"], "normal,build,dev");
    assert!(whole.len() > 100, "only {} dependencies were found", whole.len());
    let mut drifted = Vec::new();
    for (what, part) in [
        ("-p engine", features(&["-p", "engine"], "normal,build")),
        ("-p engine-benches", features(&["-p", "engine-benches"], "normal,build")),
        ("the cells", features(&plugins, "normal,build")),
    ] {
        for (package, sets) in part {
            for set in sets.difference(&whole[&package]) {
                drifted.push(format!("{what}: {package} [{set}], the workspace: {:?}", whole[&package]));
            }
        }
    }
    assert!(
        drifted.is_empty(),
        "these would be compiled once more; name them with the workspace's features in \
         engine/crates/engine-unify/Cargo.toml:\n{}",
        drifted.join("\n")
    );
}

#[test]
fn unsafe_stays_in_its_rooms_and_every_block_says_why() {
    let mut files = Vec::new();
    for folder in ["engine", "cells", "benches", "tests"] {
        rust_files(&root().join(folder), &mut files);
    }
    assert!(files.len() > 60, "only {} sources were found", files.len());
    for file in files {
        let shown = file.strip_prefix(root()).unwrap().display().to_string();
        let text = std::fs::read_to_string(&file).unwrap();
        let word = |l: &str| {
            let code = l.split("//").next().unwrap_or_default();
            ["unsafe {", "unsafe fn ", "unsafe impl ", "unsafe extern"].iter().any(|w| code.contains(w))
                && !code.contains('"')
        };
        if text.lines().any(word) {
            assert!(
                UNSAFE_ROOMS.iter().any(|r| shown.starts_with(r)),
                "{shown} has `unsafe` outside of its rooms"
            );
        }
    }
}

#[test]
fn no_source_names_a_machine_or_a_registry() {
    let mut files = Vec::new();
    for folder in ["engine", "cells", "benches", "tests", "shaders", "assets", "docs", ".ci"] {
        all_files(&root().join(folder), &mut files);
    }
    let bad = ["/wor".to_owned() + "k/", "/ro".to_owned() + "ot/", "static.crates".to_owned() + ".io"];
    for file in files {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        for b in &bad {
            assert!(!text.contains(b.as_str()), "{} names {b}", file.display());
        }
    }
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut all = Vec::new();
    all_files(dir, &mut all);
    out.extend(all.into_iter().filter(|f| f.extension().is_some_and(|e| e == "rs")));
}

fn all_files(dir: &Path, out: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        if path.is_dir() {
            all_files(&path, out);
        } else {
            out.push(path);
        }
    }
}
