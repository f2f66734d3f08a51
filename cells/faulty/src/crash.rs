//! Ways to fail that no entry can catch. They end the process that the cell runs in.
#![expect(unsafe_code, reason = "a real memory fault is what the tests of containment are about")]

/// Fails in the way called `how`; an empty name is none.
pub(crate) fn fail(how: &str) {
    match how {
        "" => {}
        "panic" => panic!("the scene asked for a panic"),
        "hang" => loop {
            std::hint::spin_loop();
        },
        "segv" => bad_write(),
        "abort" => std::process::abort(),
        "overflow" => drop(std::hint::black_box(deep(0))),
        "exit" => std::process::exit(0),
        "memory" => drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 60))),
        other => panic!("there is no way to fail called `{other}`"),
    }
}

/// Writes where nothing is mapped.
fn bad_write() {
    // SAFETY: there is none; the kernel ends the process, and nothing after this runs.
    unsafe { std::ptr::without_provenance_mut::<u64>(8).write_volatile(1) };
}

/// Needs more stack than there is.
fn deep(n: u64) -> u64 {
    let frame = std::hint::black_box([n; 512]);
    if n == u64::MAX { 0 } else { deep(n + 1).wrapping_add(frame[1]) }
}
