//! The locks that a build writes, over small workspaces with real cargo.
use super::*;
use cell_abi::interface::{LockFile, LockMode};
use std::os::unix::fs::MetadataExt as _;

/// Writes a cell's source with these lines in its port table.
fn write_contract(root: &Path, cell: &str, contract: &str, lines: &str) {
    let table = format!(
        "cell-ports 1\nabi {}.{}\nname {contract}\n{lines}end\n",
        cell_abi::ABI_MAJOR,
        cell_abi::ABI_MINOR
    );
    let source = format!(
        "#[used]\n#[unsafe(link_section = \"{}\")]\nstatic PORTS: [u8; {}] = *b{table:?};\n\
         #[unsafe(no_mangle)]\npub static {}: u64 = 0;\n",
        cell_abi::PORTS_SECTION,
        table.len(),
        cell_abi::CELL_TABLE_SYMBOL,
    );
    std::fs::write(root.join("cells").join(cell).join("src/lib.rs"), source).unwrap();
}

const HALF: &str = "rate 60\nport input half_color texture rgba16float screen 1/2 mips 1 clear 0 0 0 0\n";
const QUARTER: &str = "rate 60\nport input half_color texture rgba16float screen 1/4 mips 1 clear 0 0 0 0\n";
const DIFFERENCE: &str = "`half_color`: screen 1/2 in the lock, screen 1/4 here";

/// Builds and returns which cells may not run, and what was said of locks.
fn settle(p: &Project, cells: &[&str]) -> (Vec<String>, Vec<String>) {
    let mut said = Vec::new();
    let mut errors = String::new();
    let failed = p.build(&names(cells), |e| match e {
        BuildEvent::Locked(what) => said.push(what.to_owned()),
        BuildEvent::NotLocked(what) => said.push(format!("NOT: {what}")),
        BuildEvent::Message(m) => errors += m,
        _ => {}
    });
    (failed.unwrap_or_else(|e| panic!("{e}\n{errors}")).into_iter().collect(), said)
}

fn with_mode(p: &Project, mode: LockMode) -> Project {
    Project { locks: Locks { mode, ..p.locks.clone() }, known: Arc::default(), ..p.clone() }
}

fn lock(p: &Project, contract: &str) -> LockFile {
    p.locks.read(contract).unwrap().expect("there is a lock")
}

#[test]
fn a_good_build_writes_the_lock_and_a_change_moves_it() {
    let (dir, p) = workspace(&["one"]);
    write_contract(dir.path(), "one", "one_v1", HALF);
    let (failed, said) = settle(&p, &["one"]);
    let first = lock(&p, "one_v1");
    assert_eq!(failed, names(&[]));
    assert_eq!(said, [format!("`one_v1` has a lock now: {}", first.interface.fingerprint())]);
    assert_eq!(first.participants, ["one".to_owned()].into());
    let inode = || std::fs::metadata(p.locks.path("one_v1")).unwrap().ino();
    let before = inode();

    // What nobody else sees.
    write_contract(dir.path(), "one", "one_v1", &HALF.replace("rate 60", "rate 30\nshader a.wgsl"));
    assert_eq!(settle(&p, &["one"]), (names(&[]), Vec::new()));
    assert_eq!(inode(), before, "the same lock is not written again");

    // While it does not compile, nobody knows what it will be.
    std::fs::write(dir.path().join("cells/one/src/lib.rs"), "half typed").unwrap();
    assert_eq!(settle(&p, &["one"]), (names(&["one"]), Vec::new()));
    assert_eq!(inode(), before);

    write_contract(dir.path(), "one", "one_v1", QUARTER);
    let (failed, said) = settle(&p, &["one"]);
    let second = lock(&p, "one_v1");
    assert_eq!(failed, names(&[]));
    let [said] = said.as_slice() else { panic!("one sentence: {said:?}") };
    for part in [
        first.interface.fingerprint().to_string(),
        second.interface.fingerprint().to_string(),
        "`half_color`: screen 1/2 before, screen 1/4 now".to_owned(),
        "all that take part are built with it: `one`".to_owned(),
    ] {
        assert!(said.contains(&part), "{part} is not in: {said}");
    }

    // A contract under another name is another contract.
    write_contract(dir.path(), "one", "one_v2", QUARTER);
    let (_, said) = settle(&p, &["one"]);
    assert!(said.iter().any(|s| s.contains("`one_v1`") && s.contains("removed")), "{said:?}");
    assert_eq!(p.locks.names().unwrap(), ["one_v2".to_owned()].into());
}

#[test]
fn frozen_takes_nothing_new_and_says_what_differs() {
    let (dir, p) = workspace(&["one"]);
    let frozen = |p: &Project| {
        let error = with_mode(p, LockMode::Frozen).build(&names(&["one"]), |_| {});
        error.map(drop).map_err(|e| e.to_string())
    };
    write_contract(dir.path(), "one", "one_v1", HALF);
    let error = frozen(&p).unwrap_err();
    assert!(error.contains("C0001") && error.contains("one_v1.lock"), "{error}");
    assert!(!p.locks.folder.exists(), "nothing is written");

    settle(&p, &["one"]);
    assert_eq!(frozen(&p), Ok(()));
    let (path, good) = (p.locks.path("one_v1"), lock(&p, "one_v1"));
    // Edited by hand, half-written, deleted: nobody built anything.
    for (text, code) in [
        (good.to_text().replace("1/2", "1/4"), "C0002"),
        (good.to_text()[..good.to_text().len() / 2].to_owned(), "C0002"),
        (LockFile { participants: ["two".to_owned()].into(), ..good.clone() }.to_text(), "C0009"),
    ] {
        std::fs::write(&path, &text).unwrap();
        let error = frozen(&p).unwrap_err();
        assert!(error.contains(code), "{code}: {error}");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text, "it is left alone");
    }
    std::fs::remove_file(&path).unwrap();
    assert!(frozen(&p).unwrap_err().contains("C0001"));
    std::fs::write(&path, good.to_text()).unwrap();

    write_contract(dir.path(), "one", "one_v1", QUARTER);
    let error = frozen(&p).unwrap_err();
    let here = LockFile::parse(&good.to_text()).unwrap().interface.to_text().replace("1/2", "1/4");
    let here = cell_abi::Fingerprint::of(here.as_bytes()).to_string();
    for part in
        ["C0003", DIFFERENCE, &here, &good.interface.fingerprint().to_string(), "engine lock accept one_v1"]
    {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    let staged = with_mode(&p, LockMode::Frozen).stage("one").unwrap_err();
    assert!(matches!(staged, BuildError::Lock(LockFault::Drifted { .. })), "also with --no-build: {staged}");
    // A build that nobody froze takes it.
    assert_eq!(settle(&p, &["one"]).0, names(&[]));
    assert_eq!(frozen(&p), Ok(()));
}

#[test]
fn a_build_whose_locks_are_judged_afterwards_compiles_what_differs() {
    let (dir, p) = workspace(&["one"]);
    write_contract(dir.path(), "one", "one_v1", HALF);
    // As the macros do where they compare: it compiles only where all is taken.
    let path = dir.path().join("cells/one/src/lib.rs");
    let strict = "const _: () = assert!(matches!(option_env!(\"CELL_LOCK\"), Some(v) if v.len() == 6));\n";
    std::fs::write(&path, std::fs::read_to_string(&path).unwrap() + strict).unwrap();
    let guest = Project { locks: Locks { home: false, ..p.locks.clone() }, ..p.clone() };
    assert_eq!(settle(&guest, &["one"]).0, names(&["one"]), "the compiler stops at it");
    for project in [guest, with_mode(&p, LockMode::Frozen)] {
        let built = project.to_be_judged().build(&names(&["one"]), |_| {});
        assert!(matches!(built, Err(BuildError::Frozen(_))), "it is built, and judged: {built:?}");
        assert_eq!(project.contracts().unwrap().len(), 1);
    }
    assert!(!p.to_be_judged().judges_later, "at home nothing is compared anyway");
}

#[test]
fn a_broken_lock_of_a_contract_that_no_cell_has_is_found_when_frozen() {
    let (dir, p) = workspace(&["one"]);
    write_contract(dir.path(), "one", "one_v1", HALF);
    settle(&p, &["one"]);
    std::fs::write(p.locks.path("old_v1"), "<<<<<<< HEAD\n").unwrap();
    let faults = p.check_locks().unwrap();
    assert!(
        matches!(faults.as_slice(), [LockFault::Broken { contract, .. }] if contract == "old_v1"),
        "{faults:?}"
    );
}

#[test]
fn cells_of_one_contract_change_together_or_not_at_all() {
    let (dir, p) = workspace(&["one", "two"]);
    for cell in ["one", "two"] {
        write_contract(dir.path(), cell, "shared_v1", HALF);
    }
    settle(&p, &["one", "two"]);
    let first = lock(&p, "shared_v1");
    assert_eq!(first.participants, ["one", "two"].map(str::to_owned).into());

    write_contract(dir.path(), "one", "shared_v1", QUARTER);
    for later in [p.clone(), Project { known: Arc::default(), ..p.clone() }] {
        assert_eq!(settle(&later, &["one", "two"]), (names(&["one"]), Vec::new()));
        let error = later.stage("one").unwrap_err().to_string();
        for part in ["C0005", "`two`", "screen 1/2 in `two`, screen 1/4 in `one`"] {
            assert!(error.contains(part), "{part} is not in: {error}");
        }
        assert!(later.stage("two").is_ok());
    }
    assert_eq!(lock(&p, "shared_v1"), first);

    write_contract(dir.path(), "two", "shared_v1", QUARTER);
    let (failed, said) = settle(&p, &["one", "two"]);
    assert_eq!(failed, names(&[]), "{said:?}");
    assert!(said[0].contains("`one`, `two`"), "{said:?}");
    assert!(p.stage("one").is_ok() && p.stage("two").is_ok());
}

#[test]
fn a_change_that_another_workspace_has_not_is_refused_until_it_is_accepted() {
    let (dir, p) = workspace(&["one"]);
    write_contract(dir.path(), "one", "one_v1", HALF);
    settle(&p, &["one"]);
    // Another workspace builds a cell of the same contract against these locks.
    let (guest_dir, guest) = workspace(&["guest"]);
    let guest = Project { locks: Locks { home: false, ..p.locks.clone() }, ..guest };
    write_contract(guest_dir.path(), "guest", "one_v1", QUARTER);
    assert_eq!(settle(&guest, &["guest"]).0, names(&["guest"]));
    let error = guest.stage("guest").unwrap_err().to_string();
    for part in ["C0006", "`one` of another workspace is not", DIFFERENCE, "engine lock accept one_v1"] {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    write_contract(guest_dir.path(), "guest", "one_v1", HALF);
    let (failed, said) = settle(&guest, &["guest"]);
    assert_eq!(failed, names(&[]));
    assert_eq!(said, ["in `one_v1` take part now: `one`, `guest`"]);

    // Now the first one changes.
    write_contract(dir.path(), "one", "one_v1", QUARTER);
    assert_eq!(settle(&p, &["one"]).0, names(&["one"]));
    assert!(p.stage("one").unwrap_err().to_string().contains("`guest` of another workspace"));
    let (failed, said) = settle(&with_mode(&p, LockMode::Accept), &["one"]);
    assert_eq!(failed, names(&[]));
    assert!(said[0].contains("still to be built with it: `guest`"), "{said:?}");
}

#[test]
fn a_lock_that_is_gone_or_cut_is_made_anew_by_the_next_build() {
    let (dir, p) = workspace(&["one"]);
    write_contract(dir.path(), "one", "one_v1", HALF);
    settle(&p, &["one"]);
    let (path, good) = (p.locks.path("one_v1"), lock(&p, "one_v1").to_text());
    let touch = |n: u8| write_contract(dir.path(), "one", "one_v1", &HALF.replace("60", &n.to_string()));
    std::fs::write(&path, &good[..good.len() - 9]).unwrap();
    touch(31);
    let (_, said) = settle(&p, &["one"]);
    assert!(said[0].contains("could not be used") && said[0].contains("made anew"), "{said:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), good);
    std::fs::remove_file(&path).unwrap();
    touch(32);
    settle(&p, &["one"]);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), good);

    // Where nothing can be written, the build is good all the same.
    std::fs::remove_dir_all(&p.locks.folder).unwrap();
    std::fs::write(&p.locks.folder, "no folder").unwrap();
    touch(33);
    let (failed, said) = settle(&p, &["one"]);
    assert_eq!(failed, names(&[]));
    assert!(said[0].starts_with("NOT: ") && said[0].contains("cannot be written"), "{said:?}");
    assert!(p.stage("one").is_ok());
}

#[test]
fn a_library_from_elsewhere_is_refused_when_its_contract_is_another_one_here() {
    let (dir, p) = workspace(&["one"]);
    write_contract(dir.path(), "one", "one_v1", HALF);
    settle(&p, &["one"]);
    let mods = dir.path().join("mods");
    std::fs::create_dir(&mods).unwrap();
    std::fs::copy(p.library("one"), mods.join("old.so")).unwrap();
    assert!(p.stage("mods/old.so").is_ok());
    write_contract(dir.path(), "one", "one_v1", QUARTER);
    settle(&p, &["one"]);
    let error = p.stage("mods/old.so").unwrap_err().to_string();
    for part in
        ["C0004", "old.so", "`half_color`: screen 1/4 in the lock, screen 1/2 here", "engine lock accept"]
    {
        assert!(error.contains(part), "{part} is not in: {error}");
    }
    // A contract that nobody here has is nobody's to lock.
    p.locks.remove("one_v1").unwrap();
    assert!(p.stage("mods/old.so").is_ok());
}

#[test]
fn locks_that_two_builds_write_at_once_are_always_whole() {
    let dir = tempfile::tempdir().unwrap();
    let locks = Locks { folder: dir.path().to_owned(), mode: LockMode::Normal, home: true };
    let of = |lines: &str| {
        let text = format!("cell-interface 1\ncontract one_v1\n{lines}");
        let interface = cell_abi::interface::Interface::parse(&text).unwrap();
        LockFile { interface, participants: ["one".to_owned()].into(), elsewhere: BTreeSet::new() }
    };
    let both = [of("param a: f32\n"), of("param a: u32\nparam b: f32\n")];
    locks.write(&both[0]).unwrap();
    std::thread::scope(|s| {
        for lock in &both {
            let locks = &locks;
            s.spawn(move || (0..20).for_each(|_| _ = locks.write(lock).unwrap()));
        }
        for _ in 0..200 {
            let found = locks.read("one_v1").unwrap().expect("it is never gone");
            assert!(both.contains(&found));
        }
    });
    let left: Vec<_> = std::fs::read_dir(dir.path().join("lock")).unwrap().collect();
    assert_eq!(left.len(), 1, "nothing else is left: {left:?}");
}
