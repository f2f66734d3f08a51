// A library as a cell is one, with a standard library of its own. Built by the test with rustc.

use std::{collections::HashMap, sync::mpsc::sync_channel};

/// Works a little, panics on a thread and goes on. Returns the sum of 0 to 7.
#[unsafe(no_mangle)]
pub extern "C" fn work() -> i32 {
    println!("a word from the cell");
    let (send, got) = sync_channel(2);
    let threads: Vec<_> = (0..8)
        .map(|n| {
            let send = send.clone();
            std::thread::spawn(move || send.send(vec![n; 1 << 20][1 << 19]).unwrap())
        })
        .collect();
    drop(send);
    let seen: HashMap<i32, usize> = got.iter().map(|n| (n, 1)).collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let panicked = std::thread::spawn(move || deep_in_the_cell(seen.len() as f64)).join();
    if panicked.is_ok() { -1 } else { (0..8).sum() }
}

#[inline(never)]
fn deep_in_the_cell(n: f64) -> f64 {
    assert!(n.sin() > 2.0, "the cell's last words");
    n
}
