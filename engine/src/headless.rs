//! A run without a window.
use crate::{
    args::{Press, RunArgs},
    ctl::{Desk, Next},
    interrupt::Interrupt,
    leaving::{Ran, leave},
    live::Live,
    screen, start,
};
use cell_abi::InputFrame;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    process::ExitCode,
    time::{Duration, Instant},
};

/// How many frames a headless run without `--frames` has.
const DEFAULT_FRAMES: u64 = 60;

/// Runs a scene without a window.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let prepared = start::prepare(args)?;
    let interrupt = Interrupt::listen()?;
    let frames = args.frames.unwrap_or(DEFAULT_FRAMES).max(1);
    let renderer = start::renderer(args, &prepared, None)?;
    let size = start::size(args, &renderer);
    let mut world = start::world(args, &prepared, renderer, size)?;
    let mut live = Live::new(&prepared, args);
    let mut desk = Desk::open(&prepared, args);
    // The table of `mitosis` says more.
    let bar = if args.all_cells { ProgressBar::hidden() } else { screen::add(ProgressBar::new(frames)) };
    bar.set_style(
        ProgressStyle::with_template("{bar:40} frame {pos} of {len} ({elapsed})")
            .expect("the template is fixed and valid"),
    );
    let period = Duration::from_nanos(1_000_000_000 / u64::from(world.scene().rate));
    let mut input = InputFrame::default();
    let mut last = Instant::now();
    let mut first_frame = None;
    let mut ended = "all frames were run";
    let mut n = 0;
    while n < frames {
        if interrupt.asked().is_some() {
            ended = "it was interrupted";
            break;
        }
        match desk.before_frame(&mut world, period)? {
            Next::Frame => {}
            Next::Stand => {
                live.poll(&mut world)?;
                // The time that it stood still is not made up for.
                last = Instant::now();
                continue;
            }
            Next::Quit => {
                ended = "`engine ctl quit`";
                break;
            }
        }
        press(&mut input, &args.press, n);
        for act in args.act.iter().filter(|a| a.frame == n) {
            world.command(&act.cell, act.command)?;
        }
        let now = Instant::now();
        let elapsed = now - last;
        last = now;
        n += 1;
        let is_wanted = desk.wants_capture(world.frame_index());
        let capture = is_wanted || n == frames && (args.capture.is_some() || args.report.is_some());
        world.frame(&input, elapsed.as_nanos() as u64, now + period, capture)?;
        input.end_frame();
        live.poll(&mut world)?;
        bar.inc(1);
        if first_frame.is_none() {
            world.drain()?;
            first_frame = Some(began.elapsed());
        }
        if world.wants_quit() {
            ended = "a cell asked for the end";
            break;
        }
        if !args.lockstep {
            // In real time a frame takes its period.
            std::thread::sleep((now + period).saturating_duration_since(Instant::now()));
        }
    }
    bar.finish_and_clear();
    drop(desk);
    world.drain()?;
    let mut picture = world.take_capture();
    if picture.is_none() && (args.capture.is_some() || args.report.is_some()) {
        // The run ended before the frame that was to be captured: take the next one.
        world.frame(&input, 0, Instant::now() + period, true)?;
        world.drain()?;
        picture = world.take_capture();
    }
    let ran = Ran { ended, first_frame, took: began.elapsed() };
    leave(args, &mut world, &ran, picture.as_ref())?;
    let down = world.down_cells();
    world.close();
    if down.is_empty() {
        return Ok(interrupt.asked().unwrap_or(ExitCode::SUCCESS));
    }
    for (name, why) in &down {
        tracing::error!("the cell `{name}` is down: {why}");
    }
    Ok(ExitCode::from(3))
}

fn press(input: &mut InputFrame, presses: &[Press], frame: u64) {
    input.focused = 1;
    for p in presses {
        if p.from == frame {
            input.press(p.key);
        }
        if p.until == frame {
            input.release(p.key);
        }
    }
}
