//! Locks of contracts, as a user meets them: real cargo, real macros, the engine's commands, a workspace of one's own.
#![allow(clippy::unwrap_used, reason = "tests")]

use engine_tests::scratch_workspace;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

const EXE: &str = env!("CARGO_BIN_EXE_engine");

/// A workspace with a cell of its own. Cells of one name would share a file in the target folder.
struct Workspace {
    dir: tempfile::TempDir,
    cell: &'static str,
}

impl Workspace {
    fn new(cell: &'static str) -> Self {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        scratch_workspace(dir.path());
        let this = Self { dir, cell };
        let manifest = fs::read_to_string(this.path("cells/template/Cargo.toml")).unwrap();
        fs::create_dir_all(this.source().parent().unwrap()).unwrap();
        fs::write(
            this.path(&format!("cells/{cell}/Cargo.toml")),
            manifest.replace("\"template\"", &format!("{cell:?}")),
        )
        .unwrap();
        this.write("half_color: Screen<Rgba16Float, 1, 2>");
        this
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn source(&self) -> PathBuf {
        self.path(&format!("cells/{}/src/lib.rs", self.cell))
    }

    /// Writes the cell with these inputs.
    fn write(&self, input: &str) {
        let source = format!(
            "//! A cell.\nuse cell::prelude::*;\n\n#[derive(Clone, Copy, cell::Gpu)]\n#[repr(C)]\npub struct Pose {{\n    \
             at: [f32; 3],\n    scale: f32,\n}}\n\nsignal_receptor! {{\n    name: drifting_v1,\n    params: {{ gain: f32 = 1.0 \
             }},\n    input: Reads {{\n        {input},\n        poses: Instances<Pose, 8>,\n    }},\n}}\n\n#[derive(Default)]\n\
             struct Drifting;\n\nimpl Cell for Drifting {{}}\n\ncell::export!(Drifting);\n"
        );
        fs::write(self.source(), source).unwrap();
    }

    fn run(&self, mut command: Command, env: &[(&str, &Path)]) -> (Option<i32>, String) {
        for (key, _) in std::env::vars_os() {
            let key = key.to_string_lossy();
            if key.starts_with("CARGO") && key != "CARGO_HOME" || key == "LD_LIBRARY_PATH" {
                command.env_remove(&*key);
            }
        }
        command.env_remove("CELL_LOCK").env_remove("CELL_DIR").stdin(Stdio::null());
        let target = Path::new(EXE).ancestors().nth(2).unwrap();
        command.current_dir(self.dir.path()).env("CARGO_TARGET_DIR", target);
        command.envs(env.iter().copied());
        let Output { status, stdout, stderr } = command.output().unwrap();
        (status.code(), [stdout, stderr].map(|o| String::from_utf8_lossy(&o).into_owned()).concat())
    }

    fn engine(&self, args: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(EXE);
        command.args(args);
        self.run(command, &[])
    }

    fn cargo(&self, what: &str, env: &[(&str, &Path)]) -> (Option<i32>, String) {
        let mut command = Command::new("cargo");
        command.args([what, "-p", self.cell, "--offline"]);
        self.run(command, env)
    }

    /// Everything under `.cell`.
    fn kept(&self) -> BTreeMap<PathBuf, String> {
        let mut out = BTreeMap::new();
        for folder in ["lock", "schema"] {
            for entry in fs::read_dir(self.path(".cell").join(folder)).into_iter().flatten() {
                let path = entry.unwrap().path();
                out.insert(path.clone(), fs::read_to_string(path).unwrap());
            }
        }
        out
    }
}

#[track_caller]
fn says((code, log): (Option<i32>, String), expected: i32, words: &[&str]) -> String {
    assert_eq!(code, Some(expected), "{log}");
    for word in words {
        assert!(log.contains(word), "{word:?} is not in:\n{log}");
    }
    log
}

const FROZEN: &[(&str, &str)] = &[("CELL_LOCK", "frozen")];

fn frozen() -> Vec<(&'static str, &'static Path)> {
    FROZEN.iter().map(|(k, v)| (*k, Path::new(*v))).collect()
}

#[test]
fn the_commands_check_show_and_take_a_change() {
    let w = Workspace::new("drifter");
    says(w.engine(&["lock", "check"]), 1, &["C0001", "`drifting_v1`", "`bloom_v1`"]);
    assert!(w.kept().is_empty(), "a check writes nothing");
    says(w.engine(&["lock", "accept"]), 0, &["`drifting_v1` has a lock now: 0x"]);
    let kept = w.kept();
    assert!(kept.contains_key(&w.path(".cell/schema/drifting_v1.json")), "{:?}", kept.keys());
    says(w.engine(&["lock", "check"]), 0, &["are as their locks say"]);
    says(w.engine(&["lock", "diff"]), 0, &[]);

    w.write("half_color: Screen<Rgba16Float, 1, 4>");
    let difference = "`half_color`: screen 1/2 in the lock, screen 1/4 here";
    let log = says(w.engine(&["lock", "check"]), 1, &["C0003", difference, "engine lock accept drifting_v1"]);
    assert_eq!(log.matches("C0003:").count(), 1, "the others are as they were: {log}");
    says(w.engine(&["lock", "diff", "drifter"]), 1, &[difference, "drifting_v1 (drifter): 0x"]);
    says(w.engine(&["lock", "check", "bloom"]), 0, &["`bloom_v1` is as its lock says"]);
    says(w.engine(&["lock", "accept", "drifing_v1"]), 2, &["did you mean `drifting_v1`?"]);
    assert_eq!(w.kept(), kept, "nobody has accepted it yet");
    says(w.engine(&["lock", "accept", "drifter"]), 0, &["screen 1/2 before, screen 1/4 now"]);
    says(w.engine(&["lock", "check", "--no-build"]), 0, &[]);
    says(w.engine(&["lock", "accept"]), 0, &["nothing to accept"]);

    // What the library says, for people and for programs.
    let shown = says(
        w.engine(&["schema", "show", "drifter"]),
        0,
        &["drifting_v1 0x", "screen 1/4", "param gain: f32"],
    );
    assert!(shown.contains("  at: vec3f at 0"), "{shown}");
    let (_, json) = w.engine(&["schema", "show", "drifter", "--json"]);
    assert_eq!(w.kept()[&w.path(".cell/schema/drifting_v1.json")], json);
    says(w.engine(&["schema", "show", "drfter"]), 2, &["did you mean `drifter`?"]);

    // A library as it is sent around: stripped, cut, or no cell at all.
    let library = Path::new(EXE).with_file_name("libdrifter.so");
    let (stripped, cut) = (w.path("stripped.so"), w.path("cut.so"));
    let strip = Command::new("strip").args(["-s", "-o"]).arg(&stripped).arg(&library).status();
    assert!(strip.unwrap().success());
    let bytes = fs::read(&library).unwrap();
    fs::write(&cut, &bytes[..bytes.len() / 2]).unwrap();
    says(w.engine(&["schema", "diff", "drifter", "stripped.so"]), 0, &[]);
    says(w.engine(&["schema", "diff", "drifter", "cut.so"]), 2, &["cut.so"]);
    says(w.engine(&["schema", "diff", "stripped.so", "bloom"]), 1, &["in stripped.so", "in bloom"]);
    says(w.engine(&["schema", "show", EXE]), 2, &["there is no cell"]);
}

#[test]
fn a_frozen_compiler_points_at_the_field_that_drifted() {
    let w = Workspace::new("drifting");
    says(w.cargo("build", &frozen()), 101, &["C0001", "name: drifting_v1"]);
    says(w.engine(&["lock", "accept", "drifting"]), 0, &["has a lock now"]);
    let kept = w.kept();
    says(w.cargo("build", &frozen()), 0, &[]);

    // While somebody designs, nothing is compared, and an editor's check writes nothing.
    w.write("half_color: Screen<Rgba16Float, 1, 4>");
    says(w.cargo("check", &[]), 0, &[]);
    says(w.cargo("build", &[]), 0, &[]);
    w.write("half_color: Screen<Rgba16Float, 1,");
    says(w.cargo("check", &[]), 101, &[]);
    assert_eq!(w.kept(), kept);

    w.write("half_color: Screen<Rgba16Float, 1, 4>");
    let log = says(
        w.cargo("build", &frozen()),
        101,
        &["C0003", "`half_color`: screen 1/2 in the lock, screen 1/4 here", "engine lock accept drifting_v1"],
    );
    assert!(log.contains("cells/drifting/src/lib.rs:15:9"), "at the field: {log}");
    assert_eq!(log.matches("C0003:").count(), 1, "{log}");
    // The build that nobody froze goes on; so does one that accepts.
    says(w.cargo("build", &[]), 0, &[]);
    says(w.cargo("build", &[("CELL_LOCK", Path::new("accept"))]), 0, &[]);
    says(w.cargo("build", &[("CELL_LOCK", Path::new("frosty"))]), 101, &["C0008", "`frosty`"]);

    // Other ways to drift: gone, new, and the inside of an element.
    w.write("other: Screen<Rgba16Float, 1, 2>");
    says(
        w.cargo("build", &frozen()),
        101,
        &["`other`: not there in the lock", "`half_color`: input half_color: texture", "not there here"],
    );
    w.write("half_color: Screen<Rgba16Float, 2, 4>");
    says(w.cargo("build", &frozen()), 0, &[]);
    let source = fs::read_to_string(w.source()).unwrap();
    fs::write(w.source(), source.replace("scale: f32", "size: f32")).unwrap();
    says(w.cargo("build", &frozen()), 101, &["`poses`: scale: f32 at 12 in the lock, size: f32 at 12 here"]);

    // The lock changes under a build that is done, and cargo sees it.
    w.write("half_color: Screen<Rgba16Float, 1, 2>");
    says(w.cargo("build", &frozen()), 0, &[]);
    let lock = w.path(".cell/lock/drifting_v1.lock");
    let good = fs::read_to_string(&lock).unwrap();
    fs::write(&lock, good.replace("gain: f32", "gain: u32")).unwrap();
    says(w.cargo("build", &frozen()), 101, &["C0002", "edited by hand"]);
    fs::write(&lock, &good[..good.len() / 2]).unwrap();
    says(w.cargo("build", &frozen()), 101, &["C0002"]);

    // A workspace that uses another one's locks is compared always.
    fs::write(&lock, &good).unwrap();
    let guest = Workspace::new("guest");
    guest.write("half_color: Screen<Rgba16Float, 1, 4>");
    says(guest.cargo("build", &[]), 0, &[]);
    let theirs = w.path(".cell");
    says(
        guest.cargo("build", &[("CELL_DIR", &theirs)]),
        101,
        &["C0003", "screen 1/2 in the lock, screen 1/4 here"],
    );
    guest.write("half_color: Screen<Rgba16Float, 1, 2>");
    says(guest.cargo("build", &[("CELL_DIR", &theirs)]), 0, &[]);
    assert!(guest.kept().is_empty());
}
