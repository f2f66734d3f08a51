//! iceoryx2's publish-subscribe between two processes: 64 loaned bytes there and back, both spinning.
//!
//! For each line with a number on its input it makes as many round trips and prints the nanoseconds of one. The process
//! that answers is this program again; it sleeps on its input between batches.
use iceoryx2::prelude::*;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::{
    error::Error,
    hint::spin_loop,
    io::{BufRead, BufReader, Write},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const BYTES: usize = 64;
const ANSWERS: &str = "--answer";

type Service = ipc::Service;
type Any = Box<dyn Error>;

fn main() -> Result<(), Any> {
    set_log_level(LogLevel::Error);
    let mut args = std::env::args().skip(1);
    match (args.next().as_deref(), args.next()) {
        (Some(ANSWERS), Some(id)) => answer(&id),
        _ => ask(&std::process::id().to_string()),
    }
}

/// Keeps this thread on one of the cores it may use.
fn pin(nth: usize) -> Result<(), Any> {
    let all = sched_getaffinity(None)?;
    let core = (0..CpuSet::MAX_CPU).filter(|c| all.is_set(*c)).nth(nth).ok_or("two cores are needed")?;
    let mut one = CpuSet::new();
    one.set(core);
    Ok(sched_setaffinity(None, &one)?)
}

macro_rules! service {
    ($node:expr, $id:expr, $way:literal) => {
        $node
            .service_builder(&format!(concat!("cell-bench-{}-", $way), $id).as_str().try_into()?)
            .publish_subscribe::<[u8; BYTES]>()
            .history_size(0)
            .subscriber_max_buffer_size(2)
            .open_or_create()?
    };
}

fn answer(id: &str) -> Result<(), Any> {
    pin(1)?;
    let node = NodeBuilder::new().create::<Service>()?;
    let (there, back) = (service!(node, id, "there"), service!(node, id, "back"));
    let subscriber = there.subscriber_builder().create()?;
    let publisher = back.publisher_builder().create()?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        let rounds: usize = line?.trim().parse()?;
        println!("go");
        for _ in 0..rounds {
            let sample = loop {
                if let Some(sample) = subscriber.receive()? {
                    break sample;
                }
                spin_loop();
            };
            let payload = *sample.payload();
            drop(sample);
            publisher.loan_uninit()?.write_payload(payload).send()?;
        }
    }
    Ok(())
}

fn ask(id: &str) -> Result<(), Any> {
    let mut child = Command::new(std::env::current_exe()?)
        .args([ANSWERS, id])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    // Not before: what it starts inherits its core.
    pin(0)?;
    let mut to = child.stdin.take().ok_or("no input")?;
    let mut from = BufReader::new(child.stdout.take().ok_or("no output")?);
    let node = NodeBuilder::new().create::<Service>()?;
    let (there, back) = (service!(node, id, "there"), service!(node, id, "back"));
    let publisher = there.publisher_builder().create()?;
    let subscriber = back.subscriber_builder().create()?;
    let mut line = String::new();
    from.read_line(&mut line)?;
    let begun = Instant::now();
    while there.dynamic_config().number_of_subscribers() == 0
        || back.dynamic_config().number_of_publishers() == 0
    {
        if begun.elapsed() > Duration::from_secs(10) {
            return Err("the other process does not come up".into());
        }
        spin_loop();
    }
    println!("ready");
    for asked in std::io::stdin().lock().lines() {
        let rounds: usize = asked?.trim().parse()?;
        writeln!(to, "{rounds}")?;
        line.clear();
        from.read_line(&mut line)?;
        let begun = Instant::now();
        for round in 0..rounds {
            publisher.loan_uninit()?.write_payload([round as u8; BYTES]).send()?;
            let sample = loop {
                if let Some(sample) = subscriber.receive()? {
                    break sample;
                }
                spin_loop();
            };
            if sample.payload()[0] != round as u8 {
                return Err("another round's bytes came back".into());
            }
        }
        println!("{}", begun.elapsed().as_nanos() as f64 / rounds as f64);
    }
    drop(to);
    child.wait()?;
    Ok(())
}
