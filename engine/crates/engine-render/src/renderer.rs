//! The handle of the render thread.
use crate::{
    command::{Command, RendererGone, SealError, SealedData, SealedShape, ShaderSource},
    config::{AdapterReport, OpenError, RenderConfig, SurfaceSource},
    event::RenderEvent,
    outbox::Outbox,
    worker::Worker,
};
use crossbeam::channel::{self, Receiver, Sender, TrySendError};
use engine_frame::{packet::Packet, plan::ShaderId};
use std::thread::{self, JoinHandle};

/// Commands that wait; a sender waits beyond.
const WAITING: usize = 256;
/// wgpu's back-ends call themselves per level of nesting of a shader.
const STACK_BYTES: usize = 16 << 20;

/// The handle of the render thread. All calls return at once unless they say otherwise; they take effect in
/// the order in which they are made, before the packets submitted after them. Dropping it ends the thread
/// after the frame in progress.
pub struct Renderer {
    commands: Sender<Command>,
    /// One token per packet that waits: the queue of 1.
    queue: Sender<()>,
    events: Receiver<RenderEvent>,
    adapter: AdapterReport,
    thread: Option<JoinHandle<()>>,
}

/// Why a packet was not taken.
#[derive(thiserror::Error)]
pub enum SubmitError {
    /// A packet waits already.
    #[error("a frame waits already")]
    Full(Packet),
    /// The render thread has ended.
    #[error("{RendererGone}")]
    Gone(Packet),
}

impl std::fmt::Debug for SubmitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{self}")
    }
}

#[expect(
    clippy::result_large_err,
    reason = "a refused packet goes back to be used again, without a box per frame"
)]
impl Renderer {
    /// Opens the driver on a new render thread and waits until it is open (some 75 ms with a software driver).
    ///
    /// # Errors
    /// [`OpenError`] when there is no driver, the window does not fit it, or a thread does not start.
    pub fn start(config: RenderConfig) -> Result<Self, OpenError> {
        let (commands, take_commands) = channel::bounded(WAITING);
        let (queue, take_queue) = channel::bounded(1);
        let (outbox, events) = Outbox::new();
        let (opened, wait) = channel::bounded(1);
        let thread =
            thread::Builder::new().name("render".into()).stack_size(STACK_BYTES).spawn(move || {
                match Worker::open(config, outbox) {
                    Ok(worker) => {
                        let _ = opened.send(Ok(worker.gpu().report()));
                        worker.run(&take_commands, &take_queue);
                    }
                    Err(error) => drop(opened.send(Err(error))),
                }
            })?;
        let adapter = wait.recv().map_err(|_| OpenError::Ended)??;
        Ok(Self { commands, queue, events, adapter, thread: Some(thread) })
    }

    /// Returns what was opened.
    #[must_use]
    pub fn adapter(&self) -> &AdapterReport {
        &self.adapter
    }

    /// Returns the channel of events. Each submitted packet comes back in a
    /// [`RenderEvent::FrameDone`]; the channel closes when the render thread ends.
    #[must_use]
    pub fn events(&self) -> &Receiver<RenderEvent> {
        &self.events
    }

    /// Hands over a frame; waits while another one waits.
    ///
    /// # Errors
    /// [`SubmitError::Gone`] with the packet.
    pub fn submit(&self, packet: Packet) -> Result<(), SubmitError> {
        match self.queue.send(()) {
            Ok(()) => self.send_frame(packet),
            Err(_) => Err(SubmitError::Gone(packet)),
        }
    }

    /// Hands over a frame unless another one waits.
    ///
    /// # Errors
    /// [`SubmitError`] with the packet.
    pub fn try_submit(&self, packet: Packet) -> Result<(), SubmitError> {
        match self.queue.try_send(()) {
            Ok(()) => self.send_frame(packet),
            Err(TrySendError::Full(())) => Err(SubmitError::Full(packet)),
            Err(TrySendError::Disconnected(())) => Err(SubmitError::Gone(packet)),
        }
    }

    /// Gives a shader its text; also replaces it. The answer is a [`RenderEvent::ShaderReady`] or
    /// [`RenderEvent::ShaderRejected`]; until then, and after a rejection, the last good one draws.
    ///
    /// # Errors
    /// [`RendererGone`].
    pub fn set_shader(&self, source: ShaderSource) -> Result<(), RendererGone> {
        self.send(Command::Shader(source))
    }

    /// Forgets a shader: its cell is gone.
    ///
    /// # Errors
    /// [`RendererGone`].
    pub fn remove_shader(&self, id: ShaderId) -> Result<(), RendererGone> {
        self.send(Command::RemoveShader(id))
    }

    /// Makes a sealed resource, or replaces the one of the same id.
    ///
    /// # Errors
    /// [`SealError`] when the bytes do not fit the shape, or the shape not the adapter.
    pub fn seal(&self, data: SealedData) -> Result<(), SealError> {
        let found = (*data.bytes).as_ref().len() as u64;
        match data.kind {
            SealedShape::Buffer if found > self.adapter.max_buffer_bytes => {
                return Err(SealError::TooLarge { found, max: self.adapter.max_buffer_bytes });
            }
            SealedShape::Buffer => {}
            SealedShape::Texture { format, size_px: [width, height], mips } => {
                let max = self.adapter.max_texture_px;
                let sides = 1..=max;
                let most_mips = 32 - width.max(height).leading_zeros();
                if !sides.contains(&width) || !sides.contains(&height) || mips == 0 || mips > most_mips {
                    return Err(SealError::NoSuchTexture { width, height, mips, max });
                }
                let expected = data.kind.expected_bytes().unwrap_or(0);
                if expected != found {
                    return Err(SealError::WrongLength { format, width, height, mips, expected, found });
                }
            }
        }
        Ok(self.send(Command::Seal(data))?)
    }

    /// Drops a sealed resource; frames in progress keep it until they are done.
    ///
    /// # Errors
    /// [`RendererGone`].
    pub fn unseal(&self, id: u64) -> Result<(), RendererGone> {
        self.send(Command::Unseal(id))
    }

    /// Presents to another window from the next frame on, or to none. The window's size must be the plan's
    /// `screen_px`: there is no other resize.
    ///
    /// # Errors
    /// [`RendererGone`].
    pub fn set_surface(&self, source: Option<SurfaceSource>) -> Result<(), RendererGone> {
        self.send(Command::Surface(source))
    }

    /// Makes the device as if the driver had lost it. For tests and drills.
    ///
    /// # Errors
    /// [`RendererGone`].
    pub fn simulate_device_loss(&self) -> Result<(), RendererGone> {
        self.send(Command::LoseDevice)
    }

    fn send(&self, command: Command) -> Result<(), RendererGone> {
        self.commands.send(command).map_err(|_| RendererGone)
    }

    fn send_frame(&self, packet: Packet) -> Result<(), SubmitError> {
        self.commands.send(Command::Frame(packet)).map_err(|e| match e.into_inner() {
            Command::Frame(packet) => SubmitError::Gone(packet),
            _ => unreachable!("a channel gives back what was sent"),
        })
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
