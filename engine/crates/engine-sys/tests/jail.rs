//! The jail from both sides: what a hostile cell gets, what an ordinary one keeps, on this machine and on poorer ones.
//!
//! This executable is its own child (`/proc/self/exe` run again) and needs one thread in it, so it has its own `main`. All tests run four times:
//! as this user and as an ordinary one, with namespaces and on a machine that refuses them (pretended, by a filter over this process).
#![allow(clippy::print_stdout, reason = "a test runner reports")]
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "jail/inmate.rs"]
mod inmate;
#[path = "jail/rig.rs"]
mod rig;

use std::{
    io::{Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use engine_sys::{
    ControlSocket, ExitCause, MapRw, Memfd,
    jail::{Jail, JailSpawnError, Layer, Quotas, probe},
    spawn_self,
};
use inmate::FORBIDDEN;
use rig::{Machine, PATIENCE, Rig};

type Test = (&'static str, fn(&Rig) -> Outcome);

/// What a test has to say, besides panicking.
enum Outcome {
    Passed,
    Skipped(&'static str),
}
use Outcome::{Passed, Skipped};

const TESTS: &[Test] = &[
    ("each_forbidden_call_is_refused_and_reported", forbidden),
    ("the_same_calls_are_refused_while_loading", forbidden_early),
    ("a_forbidden_call_with_signals_blocked_ends_the_cell", blocked),
    ("stage_one_sees_nothing_of_the_machine", stage_one),
    ("the_kernel_says_that_the_layers_are_there", status),
    ("constructors_of_the_library_are_inside", constructor),
    ("ordinary_work_goes_on", ordinary),
    ("a_cell_in_a_library_works_and_its_panic_names_the_line", real_cell),
    ("ten_gibibytes_are_refused", allocate),
    ("the_control_group_ends_who_uses_more_than_its_memory", group_memory),
    ("a_thread_bomb_is_bounded", threads),
    ("a_write_to_read_only_memory_ends_the_child_alone", write_read_only),
    ("an_abort_is_called_one", abort),
    ("a_jail_is_entered_before_there_are_threads", too_late),
    ("a_killed_engine_leaves_nobody", orphans),
    ("a_full_jail_is_had_or_refused", full),
    ("what_nobody_reads_does_not_stop_the_cell", unread),
    ("nothing_is_left_after_twenty_children", leaks),
    ("control_groups_hold_the_child_and_go_with_it", groups),
    ("the_doctor_speaks", doctor),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [inmate::ARGUMENT, role] => {
            return match inmate::run(role) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("the inmate cannot go on: {error}");
                    ExitCode::from(70)
                }
            };
        }
        [rig::ENGINE_ARGUMENT] => rig::be_an_engine_that_waits(),
        _ => {}
    }
    let filter = arguments.iter().find(|a| !a.starts_with('-')).cloned().unwrap_or_default();
    if let Some(machine) = Machine::here() {
        return run(machine, &filter);
    }
    let libraries = tempfile::tempdir().unwrap();
    std::fs::set_permissions(&libraries, std::fs::Permissions::from_mode(0o755)).unwrap();
    rig::build_libraries(libraries.path());
    let mut code = ExitCode::SUCCESS;
    for machine in Machine::ALL {
        if let Some(why) = machine.cannot() {
            println!("SKIP {machine:?}: {why}");
        } else if !machine.run(&arguments, libraries.path()) {
            println!("{machine:?}: FAILED");
            code = ExitCode::FAILURE;
        }
    }
    code
}

fn run(machine: Machine, filter: &str) -> ExitCode {
    let rig = Rig::new(machine);
    let chosen: Vec<_> = TESTS.iter().filter(|t| t.0.contains(filter)).collect();
    let mut passed = 0;
    for (name, test) in &chosen {
        match test(&rig) {
            Passed => {
                println!("test {machine:?} {name} ... ok");
                passed += 1;
            }
            Skipped(why) => println!("test {machine:?} {name} ... SKIP: {why}"),
        }
    }
    if filter == "measure" {
        measure(&rig);
    } else {
        assert!(passed > 0, "a check that ran nothing fails");
        println!("{machine:?}: {passed} tests passed");
    }
    ExitCode::SUCCESS
}

fn forbidden(rig: &Rig) -> Outcome {
    let mut wrong = Vec::new();
    for (row, reported) in FORBIDDEN {
        let mut child = rig.start(row);
        let answer = child.ask();
        if answer != format!("-{}", libc::EPERM) {
            wrong.push(format!("{row} was answered {answer:?}: {}", child.last_words()));
        }
        child.expect_end(ExitCause::Code(0));
        let report = child.jailed.take_reports();
        assert!(report.entered.is_some(), "{row}");
        let shown: Vec<_> = report.offences.iter().map(ToString::to_string).collect();
        if !shown.iter().any(|s| s == reported) {
            wrong.push(format!("{row} was reported as {shown:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rig.nobody_knocked(), "no connection reached the sockets outside");
    Passed
}

fn forbidden_early(rig: &Rig) -> Outcome {
    let refused = format!("-{}", libc::EPERM);
    let hidden = [libc::ENOENT, libc::EACCES].map(|errno| format!("-{errno}"));
    let mut wrong = Vec::new();
    for (row, _) in FORBIDDEN {
        let mut child = rig.start(&format!("early {row}"));
        let answer = child.ask();
        // Files may be opened, were there any.
        let opens = ["open", "open_over_a_page", "open_at_the_end", "old_open"];
        let is_hidden = opens.contains(row) && hidden.contains(&answer);
        if answer != refused && !is_hidden {
            wrong.push(format!("{row} was answered {answer:?}: {}", child.last_words()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(rig.nobody_knocked(), "no connection reached the sockets outside");
    Passed
}

fn blocked(rig: &Rig) -> Outcome {
    let mut child = rig.start("spawn");
    child.hello();
    child.expect_end(ExitCause::Signal(libc::SIGSYS));
    Passed
}

fn stage_one(rig: &Rig) -> Outcome {
    let mut child = rig.start("between");
    let seen = child.ask();
    let has = |line: &str| assert!(seen.lines().any(|l| l == line), "no {line:?} in:\n{seen}");
    has("env RUST_BACKTRACE");
    has(&format!("stranger -{}", libc::EBADF));
    if rig.machine.has_namespaces() {
        has("passwd Err(NotFound)");
        has("up Err(NotFound)");
        has("pid 1");
        // It may not list its root itself: Landlock.
        let root = format!("/proc/{}/root", child.jailed.process().pid());
        let names = std::fs::read_dir(root).unwrap().map(|e| e.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["cell.so"]);
    }
    if !rig.machine.has_landlock() {
        return Skipped("no Landlock here: what it hides was not looked at");
    }
    if !rig.machine.has_namespaces() {
        has("passwd Err(PermissionDenied)");
    }
    has("root Permission denied (os error 13)");
    Passed
}

fn status(rig: &Rig) -> Outcome {
    let mut child = rig.start("wait");
    assert_eq!(child.ask(), "ready");
    let pid = child.jailed.process().pid();
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |name: &str| {
        let line = text.lines().find_map(|l| l.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(line("NoNewPrivs"), ["1"]);
    assert_eq!(line("Seccomp"), ["2"]);
    for set in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(line(set), ["0000000000000000"], "{set}");
    }
    assert!(line("Uid").iter().all(|uid| uid != "0"), "root has no business in there: {text}");
    assert_eq!(line("Threads"), ["1"]);
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    assert!(limits.contains("Max core file size        0                    0"), "{limits}");
    let spaces = ["user", "mnt", "pid", "net", "ipc", "uts"];
    let space = |pid: &str, name| std::fs::read_link(format!("/proc/{pid}/ns/{name}"));
    let mut own = 0;
    for name in spaces {
        // An ordinary user may not look into another user namespace.
        match (space(&pid.to_string(), name), space("self", name)) {
            (Ok(theirs), Ok(ours)) if theirs != ours => own += 1,
            (Err(_), Ok(_)) if rig.machine.has_namespaces() => own += 1,
            _ => {}
        }
    }
    assert_eq!(own, if rig.machine.has_namespaces() { spaces.len() } else { 0 });
    let entered = child.jailed.take_reports().entered.unwrap();
    for layer in
        [Layer::NoNewPrivileges, Layer::Landlock, Layer::LoadFilter, Layer::Limits, Layer::NoCapabilities]
    {
        let is_here = layer != Layer::Landlock || rig.machine.has_landlock();
        assert_eq!(entered.iter().all(|m| m.layer != layer), is_here, "{entered:?}");
    }
    let without_root = entered.iter().any(|m| m.layer == Layer::EmptyRoot);
    assert_eq!(without_root, !rig.machine.has_namespaces(), "{entered:?}");
    Passed
}

fn constructor(rig: &Rig) -> Outcome {
    let Some(library) = rig.library("misbehaves") else {
        return Skipped("rustc is not to be had here");
    };
    let mut child = rig.start_with("constructor", library);
    let results = child.ask();
    let results: Vec<i64> =
        results.trim_matches(['[', ']']).split(", ").map(|n| n.parse().unwrap_or(i64::MAX)).collect();
    let refused = i64::from(-libc::EPERM);
    let hidden = [i64::from(-libc::ENOENT), i64::from(-libc::EACCES)];
    assert!(hidden.contains(&results[0]), "/etc/passwd: {results:?}");
    // Opened for writing, socket, fork, kill, writable code.
    assert!(results[1..6].iter().all(|r| *r == refused), "{results:?} {}", child.last_words());
    assert_eq!(results[6], 0, "a thread is nothing wrong");
    assert_eq!(results[7], refused, "and stage 2 holds for it");
    Passed
}

fn ordinary(rig: &Rig) -> Outcome {
    let mut child = rig.start("ordinary");
    assert_eq!(child.ask(), "more", "{}", child.last_words());
    let own = Memfd::create("own", 4096).unwrap();
    child.control.send(b"own", &[own.as_fd()]).unwrap();
    let answer = child.answer();
    let enosys = libc::ENOSYS;
    assert_eq!(answer, format!("given true -{enosys} 28 100 true true"), "{}", child.last_words());
    child.expect_end(ExitCause::Code(0));
    let mut seen = [0; 13];
    MapRw::new(&own).unwrap().copy_out(0, &mut seen).unwrap();
    assert_eq!(&seen, b"from the jail");
    let words = child.last_words();
    assert!(words.contains("hello from inside") && words.contains("caught"), "{words}");
    // Asking how many processors there are reads a file where there is one; nothing else was refused.
    let report = child.jailed.take_reports();
    let offences =
        report.offences.iter().filter(|o| o.path.as_deref().is_none_or(|p| !is_about_processors(p)));
    let offences: Vec<_> = offences.map(ToString::to_string).collect();
    assert!(offences.iter().all(|o| !o.contains("clone")), "{offences:?}");
    Passed
}

fn is_about_processors(path: &str) -> bool {
    path.starts_with("/sys") || path.starts_with("/proc")
}

fn real_cell(rig: &Rig) -> Outcome {
    let Some(library) = Rig::library_path("ordinary").filter(|p| p.exists()) else {
        return Skipped("rustc is not to be had here");
    };
    real(rig.start_with("real", std::fs::read(&library).unwrap()));
    real(rig.start_with_file("real", &library));
    if rig.machine.has_namespaces() {
        // The very file, not a copy: its pages are there once for all cells.
        let mut child = rig.start_with_file("wait", &library);
        assert_eq!(child.ask(), "ready");
        let inside = PathBuf::from(format!("/proc/{}/root", child.jailed.process().pid()));
        assert_eq!(
            std::fs::metadata(inside.join("cell.so")).unwrap().ino(),
            std::fs::metadata(&library).unwrap().ino()
        );
    }
    Passed
}

fn real(mut child: rig::Child) {
    assert_eq!(child.ask(), "28", "{}", child.last_words());
    child.expect_end(ExitCause::Code(0));
    let words = child.last_words();
    // Its own words, and where it was: names and lines come from the library in the jail.
    for part in [
        "a word from the cell",
        "the cell's last words",
        "stack backtrace",
        "deep_in_the_cell",
        "ordinary.rs:",
    ] {
        assert!(words.contains(part), "no {part:?} in {words}");
    }
    let report = child.jailed.take_reports();
    assert!(report.offences.iter().all(|o| !o.is_hostile()), "{:?}", report.offences);
}

fn allocate(rig: &Rig) -> Outcome {
    let mut child = rig.start("allocate");
    let answer = child.ask();
    let (at_once, held) = answer.split_once(' ').unwrap();
    let held: u64 = held.parse().unwrap();
    assert_eq!(at_once, "true", "10 GiB at once are refused");
    let quota = Quotas::default().memory_bytes;
    assert!(held > quota / 2 && held <= quota, "{held} of {quota}");
    child.expect_end(ExitCause::Code(0));
    // A cell that does not ask whether it got them ends, and says why.
    let mut child = rig.start("use_too_much");
    child.hello();
    child.expect_end(ExitCause::Signal(libc::SIGABRT));
    let words = child.last_words();
    assert!(words.contains("memory allocation of 10737418240 bytes failed"), "{words}");
    Passed
}

fn group_memory(rig: &Rig) -> Outcome {
    // Shared memory of its own making is none that the process's own limits count.
    let quotas = Quotas { memory_bytes: 32 << 20, shared_bytes: 32 << 20, ..Quotas::default() };
    let mut child = rig.start_in(&Jail::new(quotas), "share_too_much");
    child.hello();
    let end = child.jailed.process_mut().wait_timeout(PATIENCE).unwrap();
    let entered = child.jailed.take_reports().entered.unwrap();
    if entered.iter().any(|m| m.layer == Layer::MemoryGroup) {
        return Skipped("this user may make no memory control group here");
    }
    assert_eq!(end, Some(ExitCause::Signal(libc::SIGKILL)), "{}", child.last_words());
    assert!(child.jailed.ran_out_of_memory(), "and the cause is known");
    Passed
}

fn threads(rig: &Rig) -> Outcome {
    let mut child = rig.start("threads");
    let answer = child.ask();
    let (started, why) = answer.split_once(' ').unwrap();
    let started: u32 = started.parse().unwrap();
    let quota = Quotas::default().threads;
    let entered = child.jailed.take_reports().entered.unwrap();
    let is_grouped = entered.iter().all(|m| m.layer != Layer::ThreadGroup);
    if !rig.machine.has_namespaces() && !is_grouped {
        return Skipped("neither user namespaces nor a pids control group here");
    }
    assert!(started > 8 && started <= quota + 1, "{started} threads of {quota}: {why}");
    assert_eq!(why, "WouldBlock");
    child.expect_end(ExitCause::Code(0));
    Passed
}

fn write_read_only(rig: &Rig) -> Outcome {
    let mut child = rig.start("write_read_only");
    assert_eq!(child.ask(), "now");
    child.expect_end(ExitCause::Signal(libc::SIGSEGV));
    Passed
}

fn abort(rig: &Rig) -> Outcome {
    let mut child = rig.start("abort");
    child.hello();
    child.expect_end(ExitCause::Signal(libc::SIGABRT));
    Passed
}

fn too_late(rig: &Rig) -> Outcome {
    let mut child = rig.start("too_late");
    let answer = child.answer();
    assert!(answer.contains("before there are threads; there are 2"), "{answer}");
    Passed
}

fn orphans(rig: &Rig) -> Outcome {
    let (ours, theirs) = ControlSocket::pair().unwrap();
    let engine = spawn_self(&[rig::ENGINE_ARGUMENT], &rig.environment(), theirs).unwrap();
    let fds = ours.recv(&mut Vec::new(), 64, Some(PATIENCE)).unwrap();
    let pidfd = fds.first().unwrap();
    assert!(!rig::is_over(pidfd, Duration::ZERO), "it runs");
    let killed = Instant::now();
    engine.kill().unwrap();
    assert!(rig::is_over(pidfd, PATIENCE));
    println!("  the child ended {:?} after its engine was killed", killed.elapsed());
    // The next engine does so if the child is still leaving.
    for group in rig::groups_of(engine.pid()) {
        let _ = std::fs::remove_dir(group);
    }
    Passed
}

fn full(rig: &Rig) -> Outcome {
    let jail = Jail::default().require_full();
    if probe().is_full() {
        let mut child = rig.start_in(&jail, "wait");
        assert_eq!(child.ask(), "ready");
        let entered = child.jailed.take_reports().entered.unwrap();
        assert!(entered.iter().all(|m| !m.layer.is_wall()), "{entered:?}");
        return Passed;
    }
    if rig.machine.has_namespaces() {
        return Skipped("something else than namespaces is missing here: the child itself finds out");
    }
    let (_ours, theirs) = ControlSocket::pair().unwrap();
    let refused = jail.spawn(&[inmate::ARGUMENT, "wait"], &[], theirs).unwrap_err();
    assert!(matches!(&refused, JailSpawnError::NotFull(missing) if !missing.is_empty()), "{refused}");
    assert!(refused.to_string().contains("no user namespace (Operation not permitted"), "{refused}");
    Passed
}

fn unread(rig: &Rig) -> Outcome {
    // Twenty thousand forbidden calls and more output than a pipe holds: nobody takes either.
    let mut child = rig.start("flood");
    assert_eq!(child.ask(), "flooded", "{}", child.last_words());
    child.expect_end(ExitCause::Code(0));
    Passed
}

fn leaks(rig: &Rig) -> Outcome {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let groups = rig::own_groups();
    rig.start("times").ask();
    let before = count();
    for n in 0..20 {
        let mut child = rig.start("wait");
        assert_eq!(child.ask(), "ready");
        if n % 2 == 0 {
            child.jailed.process().kill().unwrap();
        }
    }
    assert_eq!(count(), before, "descriptors");
    assert_eq!(rig::own_groups(), groups, "control groups");
    assert_eq!(rig::own_children(), 0, "processes");
    Passed
}

fn groups(rig: &Rig) -> Outcome {
    let before = rig::own_groups();
    let mut child = rig.start("wait");
    assert_eq!(child.ask(), "ready");
    let entered = child.jailed.take_reports().entered.unwrap();
    if entered.iter().any(|m| m.layer == Layer::ThreadGroup) {
        let why = entered.iter().find(|m| m.layer == Layer::ThreadGroup).unwrap();
        println!("  {why}");
        return Skipped("this user may make no pids control group here");
    }
    let groups = rig::own_groups();
    let dir = groups.iter().find(|g| !before.contains(g)).expect("a group was made");
    let mut procs = String::new();
    std::fs::File::open(dir.join("cgroup.procs")).unwrap().read_to_string(&mut procs).unwrap();
    assert_eq!(procs.trim(), child.jailed.process().pid().to_string());
    let max = groups.iter().find_map(|g| std::fs::read_to_string(g.join("pids.max")).ok()).unwrap();
    assert_eq!(max.trim(), (Quotas::default().threads + 2).to_string());
    drop(child);
    assert_eq!(rig::own_groups(), before);
    Passed
}

fn doctor(rig: &Rig) -> Outcome {
    let probe = probe();
    assert_eq!(probe.is_full(), rig.machine.has_namespaces() && rig.machine.has_landlock(), "{probe}");
    assert!(probe.findings.len() > 10, "{probe}");
    print!("{probe}");
    Passed
}

fn measure(rig: &Rig) {
    let median = |mut all: Vec<f64>| {
        all.sort_by(f64::total_cmp);
        all[all.len() / 2]
    };
    let mut all = [const { Vec::new() }; 4];
    // As long as the library of a small cell in the dev profile.
    let mut library = tempfile::NamedTempFile::new().unwrap();
    library.write_all(&vec![1; 5 << 20]).unwrap();
    std::fs::set_permissions(library.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for _ in 0..41 {
        let began = Instant::now();
        let mut child = rig.start_with_file("times", library.path());
        all[0].push(began.elapsed().as_secs_f64());
        let answer = child.ask();
        all[1].push(began.elapsed().as_secs_f64());
        for (n, ns) in answer.split(' ').enumerate() {
            all[n + 2].push(ns.parse::<f64>().unwrap() * 1e-9);
        }
    }
    let [start, ready, stage1, stage2] = all.map(|a| median(a) * 1e3);
    let bare = median((0..41).map(|_| rig.start_bare()).collect()) * 1e3;
    println!("{:?}: a bare child is there after {bare:.2} ms", rig.machine);
    println!(
        "  jailed: spawned {start:.2} ms, stage 1 {stage1:.2} ms, stage 2 {stage2:.2} ms, there after {ready:.2} ms"
    );
    let began = Instant::now();
    let mut many: Vec<_> = (0..200).map(|_| rig.start_with_file("wait", library.path())).collect();
    assert!(many.iter_mut().all(|c| c.ask() == "ready"));
    println!("  200 at once: there after {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    let began = Instant::now();
    drop(many);
    println!("  and gone after {:.0} ms", began.elapsed().as_secs_f64() * 1e3);
    let (inside, outside) = (rig.start("overhead").ask(), inmate::overhead());
    println!("  the cheapest call: {outside} ns outside, {inside} ns inside");
}
