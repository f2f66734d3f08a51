//! The builder over small workspaces of its own.
use super::*;

mod locks;

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

/// A workspace of cells that need nothing, in a folder of its own.
fn workspace(cells: &[&str]) -> (tempfile::TempDir, Project) {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    std::fs::write(root.join("Cargo.toml"), "[workspace]\nmembers = [\"cells/*\"]\nresolver = \"3\"\n")
        .unwrap();
    for cell in cells {
        std::fs::create_dir_all(root.join("cells").join(cell).join("src")).unwrap();
        let manifest =
            format!("[package]\nname = \"{cell}\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n");
        std::fs::write(root.join("cells").join(cell).join("Cargo.toml"), manifest).unwrap();
        write_source(root, cell, "");
    }
    let project = Project::find(root, &root.join("target/debug/engine")).unwrap();
    (dir, project)
}

/// Writes a cell's source: its port table, and `more`.
fn write_source(root: &Path, cell: &str, more: &str) {
    let table = format!(
        "cell-ports 1\nabi {}.{}\nname {}_v1\nrate 60\nend\n",
        cell_abi::ABI_MAJOR,
        cell_abi::ABI_MINOR,
        cell.replace('-', "_")
    );
    let source = format!(
        "#[used]\n#[unsafe(link_section = \"{}\")]\nstatic PORTS: [u8; {}] = *b{table:?};\n\
         #[unsafe(no_mangle)]\npub static {}: u64 = 0;\n{more}\n",
        cell_abi::PORTS_SECTION,
        table.len(),
        cell_abi::CELL_TABLE_SYMBOL,
    );
    std::fs::write(root.join("cells").join(cell).join("src/lib.rs"), source).unwrap();
}

fn names(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|c| (*c).to_owned()).collect()
}

/// Builds and returns what does not compile, and the compiler's words.
fn build(p: &Project, cells: &[&str]) -> (Vec<String>, String) {
    let mut said = String::new();
    let failed = p
        .build(&names(cells), |e| {
            if let BuildEvent::Message(m) = e {
                said += m;
            }
        })
        .unwrap_or_else(|e| panic!("{e}:\n{said}"));
    (failed.into_iter().collect(), said)
}

#[test]
fn a_cell_that_does_not_compile_costs_itself_until_it_does() {
    let (dir, p) = workspace(&["good", "so-bad"]);
    // The first call makes Cargo.lock, which is newer than the build then.
    assert_eq!(build(&p, &["good", "so-bad"]).0, names(&[]));
    assert_eq!(build(&p, &["good", "so-bad"]).0, names(&[]));
    assert!(p.is_fresh(&names(&["good", "so-bad"])));
    p.stage("so-bad").unwrap();

    write_source(dir.path(), "so-bad", "const X: u8 = 256;");
    write_source(dir.path(), "good", "pub fn more() {}");
    let (failed, said) = build(&p, &["good", "so-bad"]);
    assert_eq!(failed, names(&["so-bad"]));
    assert!(said.contains("so-bad/src/lib.rs") && said.contains("256"), "as cargo prints it: {said}");
    assert!(p.stage("good").is_ok(), "the other one is built");
    let error = p.stage("so-bad").unwrap_err();
    assert!(matches!(error, BuildError::DoesNotCompile { .. }), "its old library is no build of it: {error}");
    assert!(p.is_fresh(&names(&["good"])), "who does not need it starts without cargo");
    assert!(!p.is_fresh(&names(&["so-bad"])), "who needs it hears of it at every start");
    let later = Project { known: Arc::default(), ..p.clone() };
    assert_eq!(build(&later, &["so-bad"]).0, names(&["so-bad"]));
    assert!(matches!(later.stage("so-bad"), Err(BuildError::DoesNotCompile { .. })));

    write_source(dir.path(), "so-bad", "");
    assert_eq!(build(&later, &["good", "so-bad"]).0, names(&[]));
    assert!(later.stage("so-bad").is_ok());
    assert!(p.stage("so-bad").is_ok(), "another engine has built it");
}

#[test]
fn a_workspace_that_cargo_refuses_is_an_error_with_its_words() {
    let (dir, p) = workspace(&["good"]);
    std::fs::write(dir.path().join("Cargo.toml"), "[workspace").unwrap();
    let mut said = String::new();
    let error = p.build(&names(&["good"]), |e| {
        if let BuildEvent::Message(m) = e {
            said += m;
        }
    });
    assert!(matches!(error, Err(BuildError::Refused)) && said.contains("Cargo.toml"), "{said}");
}

#[test]
fn a_library_is_read_once_for_all_its_instances_and_again_when_it_changed() {
    let (dir, p) = workspace(&["one"]);
    assert_eq!(build(&p, &["one"]).0, names(&[]));
    let first = p.stage("one").unwrap();
    for _ in 0..1000 {
        assert_eq!(p.clone().stage("one").unwrap().path, first.path);
    }
    assert_eq!(p.known.reads(), 1);
    write_source(dir.path(), "one", "#[unsafe(no_mangle)]\npub extern \"C\" fn more() -> u32 { 7 }");
    assert_eq!(build(&p, &["one"]).0, names(&[]));
    assert_ne!(p.stage("one").unwrap().path, first.path, "another content has another name");
    assert_eq!(p.known.reads(), 2);
}

#[test]
fn saved_sources_are_known_by_folder_and_by_what_was_compiled() {
    let (dir, p) = workspace(&["one", "two"]);
    let shared = dir.path().join("shared.rs");
    std::fs::write(&shared, "").unwrap();
    write_source(dir.path(), "two", "#[path = \"../../../shared.rs\"]\nmod shared;");
    assert_eq!(build(&p, &["one", "two"]).0, names(&[]));
    let all = names(&["one", "two"]);
    let with = |path: &str| p.cells_with(&[dir.path().join(path)], &all);
    assert_eq!(with("cells/one/src/new.rs"), names(&["one"]));
    assert_eq!(with("shared.rs"), names(&["two"]));
    let root = dir.path().canonicalize().unwrap();
    let own = |cell: &str| root.join("cells").join(cell).join("src");
    assert_eq!(p.source_folders(&names(&["one"])), [own("one")].into());
    assert_eq!(p.source_folders(&all), [own("one"), own("two"), root.clone()].into());
    assert_eq!(with("cells/three/src/lib.rs"), names(&[]));
}

#[test]
fn old_copies_that_nobody_loads_go_when_a_new_build_is_staged() {
    let (dir, project) = workspace(&["one"]);
    project.build(&["one".to_owned()], |_| {}).unwrap();
    let copies = project.output().join("cells");
    std::fs::create_dir_all(&copies).unwrap();
    let long_ago = SystemTime::now() - 2 * KEPT;
    let copy = |name: &str, old: bool| {
        let file = std::fs::File::create(copies.join(name)).unwrap();
        if old {
            file.set_modified(long_ago).unwrap();
        }
        copies.join(name)
    };
    let old = copy("one-0123456789abcdef.so", true);
    let young = copy("one-0123456789abcdee.so", false);
    let other = copy("one-more-0123456789abcdef.so", true);
    let used = project.stage("one").unwrap().path;
    assert!(!old.exists(), "an old copy stayed");
    assert!(young.is_file() && other.is_file(), "a young one and another cell's stay");
    // One that this process has staged stays however old it is.
    std::fs::File::open(&used).unwrap().set_modified(long_ago).unwrap();
    write_source(dir.path(), "one", "#[unsafe(no_mangle)]\npub static MORE: u64 = 1;");
    project.build(&["one".to_owned()], |_| {}).unwrap();
    assert_ne!(project.stage("one").unwrap().path, used);
    assert!(used.is_file(), "a cell of this process may still be started from it");
}

#[test]
fn a_build_of_another_project_says_nothing_of_this_one_s_cells() {
    let (dir, p) = workspace(&["one"]);
    for _ in 0..2 {
        // The first call makes Cargo.lock, which is newer than the build then.
        assert_eq!(build(&p, &["one"]).0, names(&[]));
    }
    let (_other_dir, other) = workspace(&["two"]);
    let other = Project { target: p.target.clone(), ..other };
    write_source(dir.path(), "one", "pub fn more() {}");
    assert_eq!(build(&other, &["two"]).0, names(&[]));
    assert!(
        !p.is_fresh(&names(&["one"])),
        "what was saved before the other one's build is still to be built"
    );
    assert_eq!(build(&p, &["one"]).0, names(&[]));
    assert!(p.is_fresh(&names(&["one"])));
    // The same cells by another way are the same.
    let linked = tempfile::tempdir().unwrap();
    for name in ["Cargo.toml", "Cargo.lock", "cells"] {
        std::os::unix::fs::symlink(dir.path().join(name), linked.path().join(name)).unwrap();
    }
    let linked = Project { root: linked.path().to_owned(), ..p.clone() };
    assert!(linked.is_fresh(&names(&["one"])));
}

#[test]
fn cells_of_one_name_in_two_workspaces_are_two_cells() {
    let engine = tempfile::tempdir().unwrap();
    let exe = engine.path().join("debug/engine");
    let [(a_dir, a), (b_dir, b)] = [(); 2].map(|()| {
        let (dir, p) = workspace(&["one"]);
        let found = Project::find(&p.root, &exe).unwrap();
        (dir, found)
    });
    write_source(b_dir.path(), "one", "#[unsafe(no_mangle)]\npub static OTHER: u64 = 1;");
    for p in [&a, &b] {
        assert!(p.target.starts_with(engine.path()), "{}", p.target.display());
        assert_eq!(p.profile, "dev");
        assert_eq!(build(p, &["one"]).0, names(&[]));
    }
    let first = a.stage("one").unwrap();
    assert_ne!(first.hash(), b.stage("one").unwrap().hash(), "each has its own code");
    // Built again, where the other's was built last: still its own.
    write_source(a_dir.path(), "one", "#[unsafe(no_mangle)]\npub static THIRD: u64 = 1;");
    assert_eq!(build(&a, &["one"]).0, names(&[]));
    write_source(a_dir.path(), "one", "");
    assert_eq!(build(&a, &["one"]).0, names(&[]));
    assert_eq!(a.stage("one").unwrap().hash(), first.hash());
    // The project that the engine was made of shares its folder.
    let own = Path::new(OWN).ancestors().nth(3).unwrap();
    assert_eq!(Project::find(own, &exe).unwrap().target, engine.path());
}

/// Makes the library of a cell another build, without a compiler: what stands behind its end changes nothing.
fn another_build(p: &Project, cell: &str, mark: u8) -> PathBuf {
    use std::io::Write as _;
    let mut library = std::fs::File::options().append(true).open(p.library(cell)).unwrap();
    library.write_all(&[mark]).unwrap();
    p.stage(cell).unwrap().path
}

#[test]
fn copies_are_left_over_when_no_engine_has_claimed_them() {
    let (_dir, p) = workspace(&["one"]);
    assert_eq!(build(&p, &["one"]).0, names(&[]));
    let other = Project { known: Arc::default(), ..p.clone() };
    let first = p.stage("one").unwrap().path;
    assert_eq!(other.stage("one").unwrap().path, first);
    let second = another_build(&p, "one", 2);
    let folder = p.output().join("cells");
    let (stray, dead) = (folder.join("one-0123456789abcdef.so"), folder.join(".engine-7-0"));
    std::fs::write(&stray, "12345").unwrap();
    std::fs::write(&dead, "one-0123456789abcdef.so\n").unwrap();
    std::fs::write(folder.join("notes.txt"), "").unwrap();
    let left = p.leftovers().unwrap();
    assert_eq!(left[0], Leftover { path: stray.clone(), bytes: 5 });
    assert_eq!(
        left.iter().map(|l| &l.path).collect::<Vec<_>>(),
        [&stray, &dead],
        "a dead engine's claim is none"
    );
    assert_eq!(p.remove_leftovers().unwrap(), left);
    assert!(!stray.exists() && !dead.exists() && first.exists() && second.exists());
    assert_eq!(p.leftovers().unwrap(), []);
    // An engine that ends gives up its claims; what another one has claimed too stays.
    drop(p);
    let left: Vec<PathBuf> = other.remove_leftovers().unwrap().into_iter().map(|l| l.path).collect();
    assert_eq!(left, [second]);
    assert!(first.exists() && folder.join("notes.txt").exists());
}

#[test]
fn a_running_engine_keeps_the_builds_that_run_and_its_two_newest() {
    let (_dir, p) = workspace(&["one"]);
    assert_eq!(build(&p, &["one"]).0, names(&[]));
    let mut builds = vec![p.stage("one").unwrap().path];
    builds.extend((1..=4).map(|mark| another_build(&p, "one", mark)));
    // Somebody else runs the third.
    let other = Project { known: Arc::default(), ..p.clone() };
    let turn = leases::Turn::take(&p.output().join("cells")).unwrap();
    other.known.claim(&p.output().join("cells"), &builds[2], &turn).unwrap();
    drop(turn);
    assert_eq!(p.forget_builds(&[builds[0].clone()].into()), 1);
    let there: Vec<bool> = builds.iter().map(|b| b.is_file()).collect();
    assert_eq!(there, [true, false, true, true, true], "the first runs, the third is another engine's");
    assert_eq!(p.leftovers().unwrap(), []);
    // Given up is given up: when the other engine ends, nobody has the third.
    drop(other);
    assert_eq!(p.leftovers().unwrap().iter().map(|l| &l.path).collect::<Vec<_>>(), [&builds[2]]);
}
