//! The ring under every order of steps and every view of memory (`just loom`).

use std::time::Duration;

use loom::model::Builder;
use loom::thread;

use crate::ring::{RingConsumer, RingProducer};
use crate::ring_error::{PushError, WaitOutcome};
use crate::ring_memory::RingMemory;

const FOREVER: Option<Duration> = None;

fn ends(capacity: usize) -> (RingProducer, RingConsumer) {
    let memory = RingMemory::new(capacity);
    (RingProducer::claim(memory.clone()).unwrap(), RingConsumer::claim(memory).unwrap())
}

fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// Messages of 0, 16, 16 bytes in a ring of 64: the third needs a wrap marker and the space of the first two.
#[test]
fn push_and_pop_with_a_wrap() {
    check(3, || {
        let (mut tx, mut rx) = ends(64);
        let writer = thread::spawn(move || {
            for message in [&[][..], &[1; 16], &[2; 16]] {
                while tx.try_push(&[message]) == Err(PushError::Full) {
                    thread::yield_now();
                }
            }
        });
        let mut out = Vec::new();
        for message in [&[][..], &[1; 16], &[2; 16]] {
            while !rx.try_pop(&mut out).unwrap() {
                thread::yield_now();
            }
            assert_eq!(out, message);
        }
        writer.join().unwrap();
    });
}

/// loom's futex never times out: a lost wake-up would be a deadlock, which it reports.
#[test]
fn a_sleeper_is_always_woken() {
    check(4, || {
        let (mut tx, mut rx) = ends(64);
        let writer = thread::spawn(move || {
            for i in 0..2u8 {
                tx.try_push(&[&[i]]).unwrap();
                tx.wake();
            }
        });
        let mut out = Vec::new();
        for i in 0..2u8 {
            assert_eq!(rx.wait(FOREVER, 0), WaitOutcome::Ready);
            assert!(rx.try_pop(&mut out).unwrap());
            assert_eq!(out, [i]);
        }
        writer.join().unwrap();
    });
}
