//! The tests run this test program again: `child_entry` is then the child's main.

use std::os::fd::AsFd;

use super::*;
use crate::{Memfd, OpenFiles, RingConsumer, RingProducer, Seals, WaitOutcome, create_ring};

const ROLE: &str = "ENGINE_SYS_TEST_ROLE";
const ROUNDS: u64 = 5_000;
/// A watchdog against hangs, not a limit that is tested.
const PATIENCE: Duration = Duration::from_secs(120);

fn spawn(role: &str) -> (ChildProcess, ControlSocket) {
    let (ours, theirs) = ControlSocket::pair().unwrap();
    let env = [(ROLE.into(), role.into()), ("PARENT".into(), std::process::id().to_string().into())];
    let args = ["child::tests::child_entry", "--exact", "--quiet"];
    (spawn_self(&args, &env, theirs).unwrap(), ours)
}

/// What the child does, by role. Without one (an ordinary test run) there is nothing to do.
#[test]
fn child_entry() {
    let Ok(role) = std::env::var(ROLE) else {
        return;
    };
    let control = ControlSocket::take_inherited().unwrap();
    assert!(ControlSocket::take_inherited().is_err(), "it is taken once");
    let parent = std::env::var("PARENT").unwrap().parse().unwrap();
    bind_to_parent(parent).unwrap();
    let mut bytes = Vec::new();
    match role.as_str() {
        "exit" => std::process::exit(7),
        "abort" => std::process::abort(),
        "inventory" => {
            let mut names: Vec<_> = std::env::vars().map(|(name, _)| name).collect();
            names.sort();
            let list = std::fs::read_dir("/proc/self/fd").unwrap();
            let mut fds: Vec<String> = list
                .map(|e| e.unwrap().path())
                .map(|p| format!("{:?}={:?}", p.file_name().unwrap(), std::fs::read_link(&p)))
                .collect();
            fds.sort();
            let report = format!("{}\n{}", names.join(","), fds.join("\n"));
            control.send(report.as_bytes(), &[]).unwrap();
        }
        "limits" => {
            let born = OpenFiles::now();
            let low = rustix::process::Rlimit { current: Some(20), maximum: born.hard };
            rustix::process::setrlimit(rustix::process::Resource::Nofile, low).unwrap();
            let mut held = Vec::new();
            let error = loop {
                match Memfd::create("one more", 4096) {
                    Ok(memfd) => held.push(memfd),
                    Err(error) => break error.to_string(),
                }
            };
            let room = std::fs::File::open("/proc/self/stat").is_ok();
            let raised = OpenFiles::raise().unwrap();
            let more = Memfd::create("one more", 4096).is_ok();
            control.send(format!("{born:?}\n{error}\n{raised:?}\n{more} {room}").as_bytes(), &[]).unwrap();
        }
        "echo" => {
            let mut fds = control.recv(&mut bytes, 8, None).unwrap().into_iter();
            let mut ring = || {
                let len = usize::from_le_bytes(bytes.as_slice().try_into().unwrap());
                Memfd::from_received(fds.next().unwrap(), len, Seals::SHRINK).unwrap()
            };
            let mut inbox = RingConsumer::attach(&ring()).unwrap();
            let mut back = RingProducer::attach(&ring()).unwrap();
            let mut message = Vec::new();
            for _ in 0..ROUNDS {
                assert_eq!(inbox.wait(Some(PATIENCE), 0), WaitOutcome::Ready);
                assert!(inbox.try_pop(&mut message).unwrap());
                back.try_push(&[&message, b"!"]).unwrap();
                back.wake();
            }
        }
        "nest" => {
            // A child of its own, whose pidfd goes up to the test, which outlives both.
            let (grandchild, link) = spawn("sleep");
            link.recv(&mut bytes, 8, None).unwrap();
            control.send(b"pidfd", &[grandchild.as_fd()]).unwrap();
            let _ = control.recv(&mut bytes, 8, None);
        }
        "sleep" => {
            control.send(b"bound", &[]).unwrap();
            let _ = control.recv(&mut bytes, 8, Some(PATIENCE));
            loop {
                std::thread::park();
            }
        }
        other => panic!("no such role: {other}"),
    }
    std::process::exit(0);
}

#[test]
fn the_cause_of_an_end_is_named() {
    let (mut child, _control) = spawn("exit");
    let cause = child.wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(cause, ExitCause::Code(7));
    assert_eq!(child.try_wait().unwrap(), Some(cause), "it is remembered");
    child.kill().unwrap();

    let (mut child, _control) = spawn("abort");
    let cause = child.wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(cause.to_string(), "aborted (SIGABRT)");

    let (mut child, control) = spawn("sleep");
    control.recv(&mut Vec::new(), 8, Some(PATIENCE)).unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    assert_eq!(child.wait_timeout(Duration::from_millis(5)).unwrap(), None);
    child.kill().unwrap();
    let cause = child.wait_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(cause.to_string(), "killed by SIGKILL");
}

#[test]
fn a_dropped_child_is_gone_and_its_socket_ends() {
    let (child, control) = spawn("sleep");
    control.recv(&mut Vec::new(), 8, Some(PATIENCE)).unwrap();
    let pid = child.pid;
    drop(child);
    assert_eq!(rustix::process::test_kill_process(pid), Err(Errno::SRCH), "reaped, not a zombie");
    assert!(matches!(control.recv(&mut Vec::new(), 8, Some(PATIENCE)), Err(crate::ControlError::Closed)));
}

#[test]
fn a_child_inherits_what_it_is_given_and_no_more() {
    let leak = Memfd::create("leak", 4096).unwrap();
    rustix::io::fcntl_setfd(leak.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let (mut child, control) = spawn("inventory");
    let mut bytes = Vec::new();
    control.recv(&mut bytes, 1 << 16, Some(PATIENCE)).unwrap();
    let report = String::from_utf8(bytes).unwrap();
    let (names, fds) = report.split_once('\n').unwrap();
    assert_eq!(names, format!("{ROLE},PARENT"));
    // Standard streams, the socket, and the directory being listed.
    assert!(!fds.contains("leak"), "{fds}");
    assert_eq!(fds.lines().count(), 5, "{fds}");
    assert!(fds.lines().nth(3).unwrap().contains("socket:"), "{fds}");
    assert_eq!(child.wait_timeout(PATIENCE).unwrap(), Some(ExitCause::Code(0)));
}

#[test]
fn a_child_may_open_few_descriptors_and_an_error_for_lack_of_them_names_the_limit() {
    let (mut child, control) = spawn("limits");
    let mut bytes = Vec::new();
    control.recv(&mut bytes, 1 << 16, Some(PATIENCE)).unwrap();
    let report = String::from_utf8(bytes).unwrap();
    let lines: Vec<&str> = report.lines().collect();
    let few = OpenFiles { soft: Some(CHILD_OPEN_FILES), hard: Some(CHILD_OPEN_FILES) };
    assert_eq!(lines[0], format!("{few:?}"), "the limit that it is born with");
    assert!(lines[1].contains("20 descriptors open") && lines[1].contains("at most 256"), "{}", lines[1]);
    let raised = format!("{few:?}");
    assert_eq!(
        lines[2..],
        [&raised, "true true"],
        "it is raised, which helps; files could be opened all along"
    );
    assert_eq!(child.wait_timeout(PATIENCE).unwrap(), Some(ExitCause::Code(0)));
}

#[test]
fn many_children_are_waited_for_at_once() {
    let (mut one, control) = spawn("sleep");
    let (mut other, _second_control) = spawn("sleep");
    control.recv(&mut Vec::new(), 8, Some(PATIENCE)).unwrap();
    assert!(!wait_for_any([&one, &other], Duration::from_millis(5)).unwrap());
    other.kill().unwrap();
    assert!(wait_for_any([&one, &other], PATIENCE).unwrap());
    assert!(other.try_wait().unwrap().is_some() && one.try_wait().unwrap().is_none());
    assert!(wait_for_any([&one, &other], PATIENCE).unwrap(), "one that was reaped counts");
}

#[test]
fn a_ring_works_between_processes() {
    let (to, back) = (create_ring("to", 4096).unwrap(), create_ring("back", 4096).unwrap());
    let mut outbox = RingProducer::attach(&to).unwrap();
    let mut inbox = RingConsumer::attach(&back).unwrap();
    let (mut child, control) = spawn("echo");
    let fds = [to.as_fd(), back.as_fd()];
    control.send(&to.len().to_le_bytes(), &fds).unwrap();
    let mut message = Vec::new();
    for round in 0..ROUNDS {
        let text = format!("message {round}");
        outbox.try_push(&[text.as_bytes()]).unwrap();
        outbox.wake();
        assert_eq!(inbox.wait(Some(PATIENCE), 0), WaitOutcome::Ready);
        assert!(inbox.try_pop(&mut message).unwrap());
        assert_eq!(message, format!("{text}!").as_bytes());
    }
    assert_eq!(child.wait_timeout(PATIENCE).unwrap(), Some(ExitCause::Code(0)));
}

#[test]
fn a_child_dies_with_its_parent() {
    let (middle, control) = spawn("nest");
    let fds = control.recv(&mut Vec::new(), 8, Some(PATIENCE)).unwrap();
    let still_runs = !wait_readable(fds[0].as_fd(), Some(Duration::ZERO)).unwrap();
    assert!(still_runs);
    middle.kill().unwrap();
    assert!(wait_readable(fds[0].as_fd(), Some(PATIENCE)).unwrap());
}

#[test]
fn a_child_of_another_parent_is_told() {
    let wrong = std::process::id() + 1;
    // On a thread of its own: the death signal it asks for belongs to that thread and ends with it.
    let told = std::thread::spawn(move || bind_to_parent(wrong)).join();
    assert!(told.unwrap().unwrap_err().to_string().contains("has ended"));
}
