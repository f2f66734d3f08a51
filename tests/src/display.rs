//! A display without a monitor (Xvfb, which `./setup.sh` installs).
use image::RgbImage;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};
use x11rb::{
    COPY_DEPTH_FROM_PARENT, COPY_FROM_PARENT,
    connection::Connection as _,
    protocol::xproto::{ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, WindowClass},
    rust_connection::RustConnection,
};

/// Ends a wait that hangs. A watchdog, not a measure.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A display of 800x600 pixels without a monitor. It is closed when dropped.
#[derive(Debug)]
pub struct Display {
    server: Child,
    name: String,
}

impl Display {
    /// Opens one.
    #[must_use]
    pub fn open() -> Self {
        // Without `-noreset` the server starts anew whenever its last client leaves, and throws out who comes meanwhile:
        // each tool is a client.
        let mut server = Command::new("Xvfb")
            .args(["-displayfd", "1", "-screen", "0", "800x600x24", "-nolisten", "tcp", "-noreset"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("Xvfb starts; ./setup.sh installs it");
        let mut number = String::new();
        let stdout = server.stdout.take().expect("it was asked for");
        BufReader::new(stdout).read_line(&mut number).expect("Xvfb says its number");
        Self { server, name: format!(":{}", number.trim()) }
    }

    /// Returns its name, for the variable `DISPLAY`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs a tool on it.
    pub fn tool(&self, program: &str, args: &[&str]) -> Output {
        Command::new(program)
            .args(args)
            .env("DISPLAY", &self.name)
            .output()
            .expect("./setup.sh installs the tool")
    }

    /// Waits for the window called `title` and returns its number.
    #[must_use]
    pub fn window(&self, title: &str) -> String {
        let begun = Instant::now();
        loop {
            let found = self.tool("xdotool", &["search", "--name", title]);
            if let Some(id) = String::from_utf8_lossy(&found.stdout).lines().next() {
                return id.to_owned();
            }
            assert!(begun.elapsed() < WATCHDOG, "no window `{title}` appeared");
        }
    }

    /// Asks the window `id` to close, as the button of its frame does. (`xdotool windowclose` destroys it under the
    /// engine's feet instead, which nobody's window manager does, and which winit does not always survive.)
    pub fn close(&self, id: &str) {
        let window = id.parse().expect("xdotool gives numbers");
        let (server, _) = x11rb::connect(Some(&self.name)).expect("the display is open");
        let atom = |name: &str| {
            let asked = server.intern_atom(false, name.as_bytes()).expect("the display is open");
            asked.reply().expect("any name can become an atom").atom
        };
        let data = [atom("WM_DELETE_WINDOW"), 0, 0, 0, 0];
        let wish = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS"), data);
        let sent = server.send_event(false, window, EventMask::NO_EVENT, wish).expect("the display is open");
        sent.check().expect("the window is there");
    }

    /// Covers all windows that there are with one, until what is returned is dropped.
    #[must_use]
    pub fn cover(&self) -> RustConnection {
        let (server, screen) = x11rb::connect(Some(&self.name)).expect("the display is open");
        let (root, id) = (server.setup().roots[screen].root, server.generate_id().expect("numbers are left"));
        let aux = CreateWindowAux::new().override_redirect(1).background_pixel(0);
        let (kind, depth) = (WindowClass::INPUT_OUTPUT, COPY_DEPTH_FROM_PARENT);
        let made = server.create_window(depth, id, root, 0, 0, 800, 600, 0, kind, COPY_FROM_PARENT, &aux);
        made.expect("the display is open").check().expect("a window can be made");
        server.map_window(id).expect("the display is open").check().expect("it can be shown");
        server
    }

    /// Saves what it shows to `path` and returns it.
    #[must_use]
    pub fn screenshot(&self, path: &Path) -> RgbImage {
        let shot = self.tool("import", &["-window", "root", path.to_str().expect("test paths are text")]);
        assert!(shot.status.success(), "{}", String::from_utf8_lossy(&shot.stderr));
        image::open(path).expect("a screenshot is a picture").to_rgb8()
    }

    /// Waits until `good` holds of what it shows; screenshots go to `path`.
    pub fn until(&self, path: &Path, what: &str, good: impl Fn(&RgbImage) -> bool) {
        let begun = Instant::now();
        while !good(&self.screenshot(path)) {
            assert!(begun.elapsed() < WATCHDOG, "never seen on the screen: {what}");
        }
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
