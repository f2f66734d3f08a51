//! A run in a window.
use crate::{
    args::RunArgs,
    ctl::{Desk, Next},
    interrupt::Interrupt,
    keys,
    leaving::{Ran, leave},
    live::Live,
    picture,
    start::{self, Prepared},
};
use anyhow::Context as _;
use cell_abi::InputFrame;
use engine_host::World;
use engine_render::SurfaceSource;
use std::{
    path::Path,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};
use winit::{
    application::ApplicationHandler,
    dpi::PhysicalSize,
    event::{DeviceEvent, DeviceId, ElementState, MouseScrollDelta, WindowEvent},
    event_loop::{ActiveEventLoop, ControlFlow, EventLoop},
    keyboard::{KeyCode, PhysicalKey},
    window::{Window, WindowId},
};

/// Returns whether there is a display to open a window on.
pub(crate) fn has_display() -> bool {
    ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|v| std::env::var_os(v).is_some_and(|d| !d.is_empty()))
}

/// Runs a scene in a window until it is closed.
pub(crate) fn run(args: &RunArgs) -> anyhow::Result<ExitCode> {
    let began = Instant::now();
    let prepared = start::prepare(args)?;
    let event_loop =
        EventLoop::new().context("the display cannot be opened; use --headless to run without one")?;
    let mut app = App {
        args: args.clone(),
        live: Live::new(&prepared, args),
        prepared,
        began,
        interrupt: Interrupt::listen()?,
        running: None,
        ended: "the window was closed",
        failed: None,
    };
    event_loop.run_app(&mut app).context("the window's event loop ended with an error")?;
    if let Some(error) = app.failed {
        return Err(error);
    }
    Ok(app.interrupt.asked().unwrap_or(ExitCode::SUCCESS))
}

struct App {
    args: RunArgs,
    prepared: Prepared,
    live: Live,
    began: Instant,
    interrupt: Interrupt,
    running: Option<Running>,
    /// Why the run ended, once it has.
    ended: &'static str,
    failed: Option<anyhow::Error>,
}

struct Running {
    window: Arc<Window>,
    desk: Desk,
    world: World,
    input: InputFrame,
    /// When the next frame is due, and when the last one began.
    next: Instant,
    last: Instant,
    period: Duration,
    first_frame: Option<Duration>,
    /// The window has no pixels: minimised.
    hidden: bool,
    screenshot: bool,
    title: (Instant, u64),
}

impl App {
    fn open(&mut self, event_loop: &ActiveEventLoop) -> anyhow::Result<Running> {
        // The adapter, which is known only with a window, decides the default size: ask for the small one first.
        let wanted = self.args.size.unwrap_or(start::SIZE_CPU);
        let attributes = Window::default_attributes()
            .with_title(&self.prepared.scene.name)
            .with_inner_size(PhysicalSize::new(wanted[0], wanted[1]));
        let window = Arc::new(event_loop.create_window(attributes).context("no window can be opened")?);
        let renderer =
            start::renderer(&self.args, &self.prepared, Some(SurfaceSource::new(Arc::clone(&window))))?;
        let size = start::size(&self.args, &renderer);
        if size != wanted {
            let _ = window.request_inner_size(PhysicalSize::new(size[0], size[1]));
        }
        let inner = window.inner_size();
        let size = if inner.width > 0 && inner.height > 0 { [inner.width, inner.height] } else { size };
        let world = start::world(&self.args, &self.prepared, renderer, size)?;
        let now = Instant::now();
        Ok(Running {
            period: Duration::from_nanos(1_000_000_000 / u64::from(world.scene().rate)),
            window,
            desk: Desk::open(&self.prepared, &self.args),
            world,
            input: InputFrame { focused: 1, ..InputFrame::default() },
            next: now,
            last: now,
            first_frame: None,
            hidden: false,
            screenshot: false,
            title: (now, 0),
        })
    }

    fn fail(&mut self, event_loop: &ActiveEventLoop, error: anyhow::Error) {
        self.failed = Some(error);
        event_loop.exit();
    }

    /// Runs the frame that is due.
    fn frame(&mut self, event_loop: &ActiveEventLoop) -> anyhow::Result<()> {
        let Some(run) = self.running.as_mut() else { return Ok(()) };
        if self.interrupt.asked().is_some() {
            self.ended = "it was interrupted";
            event_loop.exit();
            return Ok(());
        }
        let now = Instant::now();
        if now < run.next {
            event_loop.set_control_flow(ControlFlow::WaitUntil(run.next.max(now + Duration::from_millis(1))));
            return Ok(());
        }
        match run.desk.before_frame(&mut run.world, Duration::ZERO)? {
            Next::Frame if !run.hidden || run.desk.awaits_frame() => {}
            Next::Frame | Next::Stand => {
                // The time that it stands still, or is not seen, is not made up for.
                (run.last, run.next) = (now, now + run.period);
                self.live.poll(&mut run.world)?;
                event_loop.set_control_flow(ControlFlow::WaitUntil(run.next));
                return Ok(());
            }
            Next::Quit => {
                self.ended = "`engine ctl quit`";
                event_loop.exit();
                return Ok(());
            }
        }
        let index = run.world.frame_index();
        let is_last = self.args.frames.is_some_and(|f| index + 1 >= f);
        let is_wanted = run.desk.wants_capture(index);
        let capture = is_wanted
            || run.screenshot
            || (is_last && (self.args.capture.is_some() || self.args.report.is_some()));
        let elapsed = now - run.last;
        run.last = now;
        // A frame that took too long is not made up for by a burst of short ones.
        run.next = (run.next + run.period).max(now);
        run.world.frame(&run.input, elapsed.as_nanos() as u64, now + run.period, capture)?;
        run.input.end_frame();
        self.live.poll(&mut run.world)?;
        if run.first_frame.is_none() {
            run.world.drain()?;
            run.first_frame = Some(self.began.elapsed());
            tracing::info!("first picture after {:.2} s", self.began.elapsed().as_secs_f64());
        }
        if run.screenshot {
            run.screenshot = false;
            run.world.drain()?;
            if let Some((_, image)) = run.world.take_capture() {
                let path = picture::screenshot_path(Path::new("."));
                // A full disk must not end the game.
                match picture::write_png(&path, &image) {
                    Ok(()) => tracing::info!("wrote {}", path.display()),
                    Err(error) => tracing::error!("{error:#}"),
                }
            }
        }
        if is_last || run.world.wants_quit() {
            self.ended = if is_last { "all frames were run" } else { "a cell asked for the end" };
            event_loop.exit();
            return Ok(());
        }
        let (since, frames) = run.title;
        let passed = now - since;
        if passed > Duration::from_secs(1) {
            let rate = (run.world.frame_index() - frames) as f64 / passed.as_secs_f64();
            run.window.set_title(&format!("{} - {rate:.0} frames/s", run.world.scene().name));
            run.title = (now, run.world.frame_index());
        }
        event_loop.set_control_flow(ControlFlow::WaitUntil(run.next));
        Ok(())
    }

    fn finish(&mut self) -> anyhow::Result<()> {
        let Some(mut run) = self.running.take() else { return Ok(()) };
        drop(run.desk);
        run.world.drain()?;
        let mut captured = run.world.take_capture();
        if captured.is_none() && self.args.capture.is_some() {
            // The window was closed before the frame that was to be captured: take the next one.
            run.world.frame(&run.input, 0, Instant::now() + run.period, true)?;
            run.world.drain()?;
            captured = run.world.take_capture();
        }
        let ran = Ran { ended: self.ended, first_frame: run.first_frame, took: self.began.elapsed() };
        let left = leave(&self.args, &mut run.world, &ran, captured.as_ref());
        run.world.close();
        left
    }
}

impl ApplicationHandler for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        if self.running.is_none() {
            match self.open(event_loop) {
                Ok(running) => self.running = Some(running),
                Err(error) => self.fail(event_loop, error),
            }
        }
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        let Some(run) = self.running.as_mut() else { return };
        let input = &mut run.input;
        match event {
            WindowEvent::CloseRequested | WindowEvent::Destroyed => event_loop.exit(),
            WindowEvent::Resized(size) => {
                run.hidden = size.width == 0 || size.height == 0;
                if !run.hidden {
                    run.world.resize([size.width, size.height]);
                }
            }
            WindowEvent::Occluded(hidden) => run.hidden = hidden,
            WindowEvent::Focused(focused) => {
                input.focused = u32::from(focused);
                if !focused {
                    // Releases that happen elsewhere are never reported.
                    for key in cell_abi::Key::ALL {
                        if input.down(*key) {
                            input.release(*key);
                        }
                    }
                    input.buttons_down = 0;
                }
            }
            WindowEvent::KeyboardInput { event, is_synthetic: false, .. } => {
                if event.physical_key == PhysicalKey::Code(KeyCode::F12)
                    && event.state.is_pressed()
                    && !event.repeat
                {
                    run.screenshot = true;
                }
                if let Some(key) = keys::key(event.physical_key) {
                    match event.state {
                        ElementState::Pressed => input.press(key),
                        ElementState::Released => input.release(key),
                    }
                }
            }
            WindowEvent::CursorMoved { position, .. } => {
                input.mouse_px = [position.x as f32, position.y as f32];
            }
            WindowEvent::MouseInput { state, button, .. } => {
                if let Some(button) = keys::button(button) {
                    let bit = 1 << button as u32;
                    if state.is_pressed() {
                        input.buttons_down |= bit;
                        input.buttons_pressed |= bit;
                    } else {
                        input.buttons_down &= !bit;
                    }
                }
            }
            WindowEvent::MouseWheel { delta, .. } => {
                let [x, y] = match delta {
                    MouseScrollDelta::LineDelta(x, y) => [x, y],
                    MouseScrollDelta::PixelDelta(p) => [p.x as f32 / 20.0, p.y as f32 / 20.0],
                };
                input.wheel_lines[0] += x;
                input.wheel_lines[1] += y;
            }
            _ => {}
        }
    }

    fn device_event(&mut self, _: &ActiveEventLoop, _: DeviceId, event: DeviceEvent) {
        if let (Some(run), DeviceEvent::MouseMotion { delta }) = (self.running.as_mut(), event) {
            run.input.mouse_delta_px[0] += delta.0 as f32;
            run.input.mouse_delta_px[1] += delta.1 as f32;
        }
    }

    fn about_to_wait(&mut self, event_loop: &ActiveEventLoop) {
        if !event_loop.exiting()
            && let Err(error) = self.frame(event_loop)
        {
            self.fail(event_loop, error);
        }
    }

    fn exiting(&mut self, _: &ActiveEventLoop) {
        if let Err(error) = self.finish() {
            self.failed.get_or_insert(error);
        }
    }
}
