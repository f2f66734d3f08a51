//! A tick: what a cell sees and does in it.
use crate::{
    Contract, FrameIndex, Gpu, History, InputFrame, Pixels, Service, Synapse, TaskCx, UniformWriter, View,
    Writer, calls::Exchange, contract::Plugin, host::Host, par, ports::Format, raw, writer::Writes,
};
use cell_abi::{MessageHead, PortView, Request, Status, TickRecord};
use core::future::Future;
use std::sync::Arc;

/// What every turn has.
pub(crate) struct Turn<'r> {
    pub(crate) record: &'r TickRecord,
    pub(crate) host: &'r Host,
    pub(crate) writes: &'r Writes,
    pub(crate) exchange: &'r Arc<Exchange>,
    /// Whether it is to be called for mail, though it has no tick of its own.
    pub(crate) serves: bool,
}

/// One tick of a cell with the contract `C`: everything it may see, and where its results go.
///
/// The record was frozen at the frame's start, so a tick is a function of the cell's state and this. For each
/// buffer port `signal_receptor!` adds a method of its name: a [`crate::View`] for inputs, a [`crate::Writer`] for
/// outputs and own ports; and [`crate::Pixels`] for each texture that is declared `readback`.
///
/// ```no_run
/// use cell::prelude::*;
///
/// signal_receptor! {
///     name: swarm_v1,
///     params: { speed: f32 = 2.0, size: f32 = 0.5 },
///     input:  SwarmReads { goal: Uniform<Goal> },
///     output: SwarmWrites { swarm: Instances<Fly, 1000> },
/// }
///
/// #[derive(Clone, Copy, Gpu)]
/// #[repr(C)]
/// struct Goal { at: [f32; 3], pull: f32 }
///
/// #[derive(Clone, Copy, Gpu)]
/// #[repr(C)]
/// struct Fly { at: [f32; 3], size: f32 }
///
/// #[derive(Default)]
/// struct Swarm { x: Vec<f32> }
///
/// impl Cell for Swarm {
///     fn tick(&mut self, cx: &mut Cx<swarm_v1>) {
///         let (goal, step) = (cx.goal(), cx.params().speed * cx.dt());
///         self.x.resize(1000, 0.0);
///         cx.par_for(&mut self.x, 64, |_, x| *x += step * goal.pull * (goal.at[0] - *x));
///         let size = cx.params().size;
///         cx.swarm().write_with(self.x.len(), |flies| {
///             for (fly, x) in flies.iter_mut().zip(&self.x) {
///                 *fly = Fly { at: [*x, 1.0, 0.0], size };
///             }
///         });
///     }
/// }
/// # fn main() {}
/// ```
pub struct Cx<'r, C: Contract> {
    turn: Turn<'r>,
    params: &'r C::Params,
    params_changed: bool,
}

impl<'r, C: Contract> Cx<'r, C> {
    pub(crate) fn new(turn: Turn<'r>, params: &'r C::Params, params_changed: bool) -> Self {
        Self { turn, params, params_changed }
    }

    /// Returns the frame.
    #[must_use]
    pub fn frame(&self) -> FrameIndex {
        FrameIndex(self.turn.record.frame)
    }

    /// Returns the length of one step in seconds: 1 / rate.
    #[must_use]
    pub fn dt(&self) -> f32 {
        seconds(self.turn.record.dt_ns)
    }

    /// Returns how many steps of [`Cx::dt`] this tick covers: 1, or up to 4 for a cell faster than the frames.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.turn.record.steps
    }

    /// Returns the seconds since the run's start, in whole steps; never a clock.
    #[must_use]
    pub fn time(&self) -> f32 {
        seconds(self.turn.record.time_ns)
    }

    /// Returns the seed of this cell and frame: the same in every run with the same scene.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.turn.record.seed
    }

    /// Returns the output size in pixels, `[width, height]`.
    #[must_use]
    pub fn screen_px(&self) -> [u32; 2] {
        self.turn.record.screen_px
    }

    /// Returns the keyboard and mouse of this frame.
    #[must_use]
    pub fn input(&self) -> &'r InputFrame {
        raw::input(self.turn.record)
    }

    /// Returns the parameters, as the scene gives them.
    #[must_use]
    pub fn params(&self) -> &'r C::Params {
        self.params
    }

    /// Returns whether the parameters changed since the last tick; true in the first.
    #[must_use]
    pub fn params_changed(&self) -> bool {
        self.params_changed
    }

    /// Returns the messages of this tick, ordered by (the sender's line in the scene, its sequence). Those of calls
    /// and signals went to their handlers and to who waits for them.
    ///
    /// ```no_run
    /// # use cell::prelude::*;
    /// # fn tick<C: Contract>(cx: &mut Cx<C>) {
    /// for mail in cx.mail() {
    ///     if let Err(e) = cx.send(mail.from, b"thanks") {
    ///         warn!("no answer to {}: {e}", mail.from);
    ///     }
    /// }
    /// # }
    /// ```
    pub fn mail(&self) -> impl Iterator<Item = Mail<'r>> + use<'r, C> {
        let all = raw::mail(self.turn.record).iter().map(|m| Mail {
            from: core::str::from_utf8(raw::mail_bytes(m.from, m)).unwrap_or(""),
            bytes: raw::mail_bytes(m.payload, m),
            sequence: m.sequence,
        });
        all.filter(|m| !MessageHead::is_in(m.bytes))
    }

    /// Connects to the cell called `cell` in the scene, by the client of the interface that it serves:
    /// `cx.synapse::<button_service::Client>("panel")`. It may be kept; nothing goes out before the first call.
    #[must_use]
    pub fn synapse<S: Service>(&self, cell: &str) -> S {
        S::over(Synapse::grow(self.turn.exchange, cell))
    }

    /// Starts a task: code that may wait for answers while the cell goes on. It runs in the turns of this instance and
    /// ends with it. `T` is the cell: `cx.spawn(async |cx: TaskCx<Self>| ...)`; see [`TaskCx`].
    pub fn spawn<T, F>(&self, task: impl FnOnce(TaskCx<T>) -> F)
    where
        T: Plugin<Contract = C>,
        F: Future<Output = ()> + Send + 'static,
    {
        self.task().spawn(task);
    }

    /// Sends `bytes` to the cell called `to` in the scene; it gets them in the next frame.
    ///
    /// # Errors
    /// [`SendError`]; nothing was sent then.
    pub fn send(&self, to: &str, bytes: &[u8]) -> Result<(), SendError> {
        sent(self.turn.host.send(to, bytes), to, bytes.len())
    }

    /// Calls `body(index, item)` for each item, on several threads, in chunks of `grain` items. Returns when all
    /// are done. The chunks depend on the number of items and `grain` alone, never on the machine. Calls and signals do
    /// not go out of `body` ([`crate::CallError::NotInATurn`]): their order would be another each time.
    ///
    /// # Panics
    /// When `body` panics; the tick ends then.
    pub fn par_for<S: Send>(&self, items: &mut [S], grain: usize, body: impl Fn(usize, &mut S) + Sync) {
        par::par_for(*self.turn.host, items, grain, &body);
    }

    /// Has `passes` called again after this tick.
    pub fn resubmit_passes(&self) {
        self.turn.host.request(Request::PASSES);
    }

    /// Has `load` called again after this tick, on the same state.
    pub fn reload(&self) {
        self.turn.host.request(Request::LOAD);
    }

    /// Ends the run after this frame.
    pub fn quit(&self) {
        self.turn.host.request(Request::QUIT);
    }

    /// What a cell without a `tick` says once.
    #[doc(hidden)]
    pub fn no_tick(&self) {
        if !self.turn.serves {
            self.turn.host.request(Request::NO_TICKS);
        }
    }

    pub(crate) fn exchange(&self) -> &Arc<Exchange> {
        self.turn.exchange
    }

    fn port(&self, index: u16) -> &'r PortView {
        raw::port(self.turn.record, index)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn port_value<T: Gpu>(&self, index: u16) -> View<'r, T> {
        View::value(self.port(index))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn port_array<T: Gpu>(&self, index: u16) -> View<'r, [T]> {
        View::array(self.port(index))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn port_pixels<F: Format>(&self, index: u16, size_px: [u32; 2]) -> Pixels<'r, F> {
        Pixels::new(self.port(index), size_px)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn port_value_history<T: Gpu>(&self, index: u16) -> History<'r, T> {
        History::value(self.port(index))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn port_array_history<T: Gpu>(&self, index: u16) -> History<'r, [T]> {
        History::array(self.port(index))
    }

    #[doc(hidden)]
    #[must_use]
    pub fn port_writer<T: Gpu>(&self, index: u16) -> Writer<'r, T> {
        Writer::new(C::PORTS[usize::from(index)], index, self.port(index), self.turn.writes)
    }

    #[doc(hidden)]
    #[must_use]
    pub fn port_value_writer<T: Gpu>(&self, index: u16) -> UniformWriter<'r, T> {
        UniformWriter::new(self.port_writer(index))
    }
}

/// Returns what the host's answer to a message means.
pub(crate) fn sent(status: Status, to: &str, bytes: usize) -> Result<(), SendError> {
    match status {
        s if s.is_ok() => Ok(()),
        Status::OUTBOX_FULL => Err(SendError::OutboxFull),
        Status::NOT_FOUND => Err(SendError::NoSuchCell { to: to.to_owned() }),
        Status::CANCELLED => Err(SendError::Cancelled),
        Status::NOT_NOW => Err(SendError::NotInATurn),
        _ => Err(SendError::TooLarge { bytes }),
    }
}

fn seconds(ns: u64) -> f32 {
    (ns as f64 * 1e-9) as f32
}

/// A message, borrowed for the tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mail<'r> {
    /// The sender's name in the scene.
    pub from: &'r str,
    /// The bytes as sent; aligned to 16.
    pub bytes: &'r [u8],
    /// The sender's count of messages so far.
    pub sequence: u64,
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// This cell sent too much in one frame.
    #[error("the outbox is full: send less in one frame, or one larger message in place of many small ones")]
    OutboxFull,
    /// Nobody has that name.
    #[error("the scene has no cell called `{to}`")]
    NoSuchCell {
        /// The name.
        to: String,
    },
    /// The message is larger than the host takes.
    #[error("a message of {bytes} bytes is too large; put large data into a port")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
    /// This instance was replaced; nothing it does counts any more.
    #[error("this instance of the cell was replaced")]
    Cancelled,
    /// Messages go out in ticks, handlers and tasks of the cell only.
    #[error("messages go out in the cell's own ticks, handlers and tasks only")]
    NotInATurn,
}
