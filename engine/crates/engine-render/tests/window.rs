//! A window under Xvfb (installed by `./setup.sh`): presenting, resizing, capture, losing device and window.
#![allow(clippy::unwrap_used, reason = "tests")]
#[path = "render/kit.rs"]
#[allow(dead_code, reason = "the kit serves the other tests too")]
mod kit;

use engine_frame::plan::*;
use engine_render::{FrameReport, RenderConfig, RenderEvent, SurfaceSource};
use kit::*;
use std::io::Read as _;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use winit::application::ApplicationHandler;
use winit::dpi::PhysicalSize;
use winit::event::WindowEvent;
use winit::event_loop::{ActiveEventLoop, ControlFlow, EventLoop};
use winit::platform::x11::EventLoopBuilderExtX11 as _;
use winit::window::{Window, WindowId};

/// Set in the child that opens the window.
const CHILD: &str = "ENGINE_RENDER_IN_XVFB";

/// An X server without a screen, ended with the test.
struct Xvfb(Child);

impl Xvfb {
    /// Starts a server on a free display and returns it with the display's name.
    fn start() -> (Self, String) {
        // With -displayfd the server writes the number that it chose, once it takes connections.
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp"]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("./setup.sh installs Xvfb");
        let mut number = Vec::new();
        let mut out = child.stdout.take().unwrap();
        let mut byte = [0];
        while out.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
            number.push(byte[0]);
        }
        (Self(child), format!(":{}", String::from_utf8(number).unwrap()))
    }
}

impl Drop for Xvfb {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[derive(Default)]
struct App {
    window: Option<Arc<Window>>,
    kit: Option<Kit>,
    asked: bool,
    size: [u32; 2],
    done: bool,
}

fn red_plan(version: u64, size: [u32; 2]) -> Arc<Plan> {
    Arc::new(plan(version, size, vec![run(0, vec![full("red")])]))
}

/// The picture of a frame is red all over.
fn assert_red(report: &FrameReport, size: [u32; 2]) {
    let image = report.capture.as_ref().expect("captured");
    assert_eq!([image.width, image.height], size);
    assert!(image.rgba8.chunks(4).all(|p| p == [255, 0, 0, 255]), "red, not blue");
}

impl App {
    /// What the window shows at its first size.
    fn at_first_size(&mut self) {
        let kit = self.kit.as_mut().unwrap();
        kit.shader(0, RED);
        for _ in 0..3 {
            let report = kit.run(&red_plan(1, self.size), true);
            assert!(report.presented);
            assert_red(&report, self.size);
        }
        // Nothing draws the picture: the window keeps what it shows.
        assert!(!kit.run(&Arc::new(plan(2, self.size, vec![])), false).presented);
        // A plan of another size than the window's never brings the renderer down.
        kit.run(&red_plan(3, [self.size[0] / 2, self.size[1] / 3]), true);
        assert!(kit.run(&red_plan(4, self.size), false).presented);
        assert_eq!(kit.faults(), vec![]);
    }

    /// After a resize: the device is lost, the window goes and comes back.
    fn at_second_size(&mut self) {
        let kit = self.kit.as_mut().unwrap();
        let plan = red_plan(5, self.size);
        let present = |kit: &mut Kit| {
            // A window system may ask for the swapchain once more.
            let report = (0..3).map(|_| kit.run(&plan, true)).find(|r| r.presented).expect("presented");
            assert_red(&report, self.size);
        };
        present(kit);
        kit.renderer.simulate_device_loss().unwrap();
        present(kit);
        assert!(kit.events.iter().any(|e| matches!(e, RenderEvent::DeviceRebuilt)));
        kit.renderer.set_surface(None).unwrap();
        let report = kit.run(&plan, true);
        assert!(!report.presented);
        assert_red(&report, self.size);
        kit.renderer
            .set_surface(Some(SurfaceSource::new(Arc::clone(self.window.as_ref().unwrap()))))
            .unwrap();
        present(kit);
        assert!(!kit.events.iter().any(|e| matches!(e, RenderEvent::SurfaceFailed { .. })));
        assert_eq!(kit.faults(), vec![]);
    }
}

impl ApplicationHandler for App {
    fn resumed(&mut self, event_loop: &ActiveEventLoop) {
        let attributes = Window::default_attributes().with_inner_size(PhysicalSize::new(320, 180));
        let window = Arc::new(event_loop.create_window(attributes).unwrap());
        let surface = Some(SurfaceSource::new(Arc::clone(&window)));
        self.kit = Some(Kit::start(RenderConfig { surface, ..RenderConfig::headless() }));
        self.size = window.inner_size().into();
        self.window = Some(window);
        self.at_first_size();
    }

    fn window_event(&mut self, event_loop: &ActiveEventLoop, _: WindowId, event: WindowEvent) {
        if let WindowEvent::Resized(size) = event
            && self.asked
            && self.size != <[u32; 2]>::from(size)
        {
            self.size = size.into();
            self.at_second_size();
            self.done = true;
            event_loop.exit();
        }
    }

    fn about_to_wait(&mut self, _: &ActiveEventLoop) {
        if !std::mem::replace(&mut self.asked, true) {
            let _ = self.window.as_ref().unwrap().request_inner_size(PhysicalSize::new(400, 300));
        }
    }
}

#[test]
fn a_window_shows_the_picture() {
    if std::env::var_os(CHILD).is_none() {
        // DISPLAY is set for a child: changing the own environment is not safe.
        let (_server, display) = Xvfb::start();
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["a_window_shows_the_picture", "--exact", "--nocapture"]);
        child.env("DISPLAY", &display).env_remove("WAYLAND_DISPLAY").env(CHILD, "1");
        assert!(child.status().unwrap().success());
        return;
    }
    let event_loop = EventLoop::builder().with_any_thread(true).build().unwrap();
    event_loop.set_control_flow(ControlFlow::Wait);
    let mut app = App::default();
    event_loop.run_app(&mut app).unwrap();
    assert!(app.done, "the window was resized");
}
