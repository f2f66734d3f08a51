//! Driving a cell in a unit test: no engine, no GPU, no scene.
//!
//! A [`TestCell`] is what the engine is to a cell, as small as can be: it makes an instance, hands it a record per
//! turn, publishes what a tick wrote and keeps what the cell said. Nothing in it waits or draws lots, so a test
//! sees the same each time.
//!
//! ```
//! use cell::prelude::*;
//! use cell::testing::TestCell;
//!
//! signal_receptor! {
//!     name: chase_v1,
//!     params: { speed: f32 = 2.0 },
//!     input:  ChaseReads { goal: Uniform<[f32; 2]> },
//!     output: ChaseWrites { place: Uniform<[f32; 2]> },
//! }
//!
//! #[derive(Default)]
//! struct Chase { x: f32 }
//!
//! impl Cell for Chase {
//!     fn tick(&mut self, cx: &mut Cx<chase_v1>) {
//!         let step = cx.params().speed * cx.dt();
//!         self.x += (cx.goal()[0] - self.x).clamp(-step, step);
//!         cx.place().set(&[self.x, 0.0]);
//!     }
//! }
//!
//! cell::export!(Chase);
//!
//! # fn main() { moves_towards_the_goal() }
//! // With `#[test]`, in a `#[cfg(test)] mod tests` of the cell's `lib.rs`.
//! fn moves_towards_the_goal() {
//!     let mut chase = TestCell::<Chase>::new().unwrap();
//!     chase.set("speed", 6.0);
//!     chase.feed(goal, &[[10.0, 0.0]]);
//!     for _ in 0..60 {
//!         chase.tick().unwrap(); // 60 ticks a second
//!     }
//!     assert!((chase.published(place)[0][0] - 6.0).abs() < 1e-4);
//! }
//! ```
#![expect(unsafe_code, reason = "plays the host's side of the C border")]
mod host;
mod params;
mod slots;

pub use cell_abi::{DirtyRange, Request, SealDesc, Status, header::Publication};
pub use cell_wire::PassList;
pub use host::{Logged, Panicked, Told};
pub use params::Value;

use crate::{
    InputFrame, Save,
    contract::Plugin,
    entry,
    ports::{AsPort, BufferKind, Format, Input, PixelKind, Writable},
    raw,
};
use cell_abi::{
    Bytes, CellState, CellTable, HostTable, MailView, PortView, TickRecord,
    ports::{Direction, PortKind, PortTable},
    table::TurnFn,
};
use core::{ffi::c_void, ptr};
use host::TestHost;
use params::Params;
use slots::{Blocks, Slots};
use std::sync::{Arc, MutexGuard};

/// An instance of the cell `T`, with everything that it sees of the outside in the hands of a test.
///
/// Fields count for the turns that follow.
pub struct TestCell<T: Plugin> {
    /// The frame of the next tick; each tick adds one. 0 at first.
    pub frame: u64,
    /// How many steps a tick covers. 1 at first.
    pub steps: u32,
    /// Ticks per second, which `dt` and `time` are made of. 60 at first, whatever the cell asks for.
    pub rate: u32,
    /// What `seed` returns. 0 at first.
    pub seed: u64,
    /// The output size in pixels, `[width, height]`. 64 x 36 at first.
    pub screen_px: [u32; 2],
    /// Keyboard and mouse. Untouched at first; a key stays pressed until the test says otherwise.
    pub input: InputFrame,
    /// Where `history` ports lie between their two publications: 0 to 1. 1 at first.
    pub blend: f32,
    params: Params,
    mail: Vec<(String, Blocks)>,
    /// One for each port; those without buffers have none.
    ports: Vec<Option<Slots>>,
    state: *mut CellState,
    host: Arc<TestHost>,
    what: core::marker::PhantomData<T>,
}

/// Why a turn did not end well. What the cell published before stays.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TurnError {
    /// The cell's code panicked; an engine would make a new instance.
    #[error("the cell panicked: {0}")]
    Panicked(Panicked),
    /// The cell said that it cannot go on: `load` returned an error, or the parameters did not fit.
    #[error("the cell cannot go on: {reason}")]
    Failed {
        /// What it said.
        reason: String,
    },
    /// The turn ended early for another reason.
    #[error("the turn ended with status {}", .status.0)]
    Ended {
        /// The status; see [`TestCell::refuse`].
        status: Status,
    },
}

impl<T: Plugin> TestCell<T> {
    const TABLE: CellTable = entry::table::<T>();
    const HOST: &'static HostTable = &HostTable::of::<TestHost>();

    /// Makes an instance: `T::default()`. Call [`TestCell::load`] next if the cell has a `load`.
    ///
    /// # Errors
    /// [`TurnError::Panicked`] when `default` panics.
    ///
    /// # Panics
    /// When the cell's port table cannot be read; the engine would refuse the cell.
    pub fn new() -> Result<Self, TurnError> {
        let text = params::table_text::<T::Contract>();
        let table = PortTable::parse(&text).unwrap_or_else(|e| panic!("{e}\n{text}"));
        let ports = table.ports.iter().map(|port| match &port.kind {
            PortKind::Buffer(buffer) => {
                let capacity = buffer.element_size(&table) as usize * buffer.max_count as usize;
                Some(Slots::new(capacity, port.direction != Direction::Input))
            }
            PortKind::Texture(desc) if port.readback => {
                let [width, height] = desc.size.resolve([1, 1]).map(|n| n as usize);
                Some(Slots::new(width * height * desc.format.bytes() as usize, false))
            }
            _ => None,
        });
        let ports = ports.collect();
        let host = Arc::new(TestHost::default());
        let mut state = ptr::null_mut();
        // SAFETY: the table is this crate's; `host` is kept as long as the instance.
        let status = unsafe { (Self::TABLE.create)(Self::HOST, Arc::as_ptr(&host).cast(), &mut state) };
        host.end_turn(status)?;
        Ok(Self {
            frame: 0,
            steps: 1,
            rate: 60,
            seed: 0,
            screen_px: [64, 36],
            input: InputFrame::default(),
            blend: 1.0,
            params: Params::new(table),
            mail: Vec::new(),
            ports,
            state,
            host,
            what: core::marker::PhantomData,
        })
    }

    /// Gives a parameter, as a scene does: `set("speed", 2.0)`, `set("fly.at", [0.0, 30.0, 80.0])`. The others keep
    /// their defaults. A member of an optional group gives the group.
    ///
    /// # Panics
    /// When the cell has no such parameter, or one of another type.
    #[track_caller]
    pub fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.params.set(name, value.into());
    }

    /// Gives an optional group of parameters; its members keep their defaults until they are set.
    ///
    /// # Panics
    /// When the cell has no such group.
    #[track_caller]
    pub fn give(&mut self, group: &str) {
        self.params.give(group);
    }

    /// Gives all parameters as encoded bytes, as an engine does that has another build's port table.
    pub fn set_encoded(&mut self, bytes: Vec<u8>) {
        self.params.set_encoded(bytes);
    }

    /// Puts a file into the assets folder, or a new content into one.
    pub fn asset(&mut self, path: &str, content: impl Into<Vec<u8>>) {
        self.host.settings().assets.push((path.to_owned(), content.into().into()));
    }

    /// Takes events up to this level; the others cost the cell nothing. `DEBUG` at first.
    pub fn log_up_to(&mut self, level: tracing::Level) {
        self.host.settings().log_level = crate::log::level_of(level);
    }

    /// Has `send` and `par_for` answer this in place of doing their work: [`Status::OUTBOX_FULL`],
    /// [`Status::CANCELLED`] as for an instance that was replaced, and so on. `None` lets them work again.
    pub fn refuse(&mut self, with: Option<Status>) {
        self.host.settings().refuse = with;
    }

    /// Puts a message into the mailbox; the next tick gets it.
    pub fn mail(&mut self, from: &str, bytes: &[u8]) {
        self.mail.push((from.to_owned(), Blocks::of(bytes)));
    }

    /// Publishes `items` on an input port in place of its owner, under the frame before the next tick's. The last
    /// two are what a `history` port has.
    ///
    /// # Panics
    /// When there are more than the port holds.
    #[track_caller]
    pub fn feed<P>(&mut self, port: P, items: &[<P::Kind as BufferKind>::Element])
    where
        P: AsPort<Direction = Input>,
        P::Kind: BufferKind,
    {
        let frame = self.frame.saturating_sub(1);
        self.slots_mut(port).feed(raw::as_bytes(items), frame);
    }

    /// Gives the pixels of a `readback` port in place of the GPU, row by row from the top, as drawn in the frame before
    /// the next tick's.
    ///
    /// ```
    /// # use cell::prelude::*;
    /// # use cell::testing::TestCell;
    /// # signal_receptor! { name: eye_v1, own: Owns { sees: readback TextureRef<R32Float, 2, 1> }, output: Out { seen: Uniform<f32> } }
    /// # #[derive(Default)]
    /// # struct Eye;
    /// # impl Cell for Eye {
    /// #     fn tick(&mut self, cx: &mut Cx<eye_v1>) { cx.seen().set(&cx.sees().at(1, 0)[0]); }
    /// # }
    /// # cell::export!(Eye);
    /// # fn main() {
    /// let mut eye = TestCell::<Eye>::new().unwrap();
    /// eye.feed_pixels(sees, &[0.25, 0.5]);
    /// eye.tick().unwrap();
    /// assert_eq!(eye.published(seen), [0.5]);
    /// # }
    /// ```
    ///
    /// # Panics
    /// When they are not as many as the texture has, or the port is not declared `readback`.
    #[track_caller]
    pub fn feed_pixels<P>(&mut self, port: P, texels: &[<<P::Kind as PixelKind>::Format as Format>::Texel])
    where
        P: AsPort,
        P::Kind: PixelKind,
    {
        let frame = self.frame.saturating_sub(1);
        let slots = self.ports[usize::from(port.as_port().index())].as_mut();
        let slots = slots.expect("only a port that is declared `readback` sees pixels");
        let bytes = raw::texel_bytes(texels);
        assert_eq!(bytes.len(), slots.capacity(), "these are not the bytes of all pixels of the texture");
        slots.feed(bytes, frame);
    }

    /// Returns what an output or own port holds: its newest publication, or nothing before the first.
    ///
    /// # Panics
    /// When the port is another cell's.
    #[must_use]
    pub fn published<P>(&self, port: P) -> Vec<<P::Kind as BufferKind>::Element>
    where
        P: AsPort,
        P::Direction: Writable,
        P::Kind: BufferKind,
    {
        raw::elements(&self.slots(port).latest()).to_vec()
    }

    /// Returns what the last tick told of an output or own port: which bytes it changed; `None` if it published
    /// nothing there.
    ///
    /// # Panics
    /// When the port is another cell's.
    #[must_use]
    pub fn publication<P>(&self, port: P) -> Option<Publication>
    where
        P: AsPort,
        P::Direction: Writable,
        P::Kind: BufferKind,
    {
        self.slots(port).publication()
    }

    /// Calls `load`.
    ///
    /// # Errors
    /// [`TurnError`]; the cell's own reason is in [`TurnError::Failed`].
    pub fn load(&mut self) -> Result<(), TurnError> {
        self.turn(Self::TABLE.load, 0)
    }

    /// Calls `tick` and publishes what it wrote, if it ended well.
    ///
    /// # Errors
    /// [`TurnError`].
    pub fn tick(&mut self) -> Result<(), TurnError> {
        let ended = self.turn(Self::TABLE.tick, self.steps);
        let stamp = self.stamp();
        for slots in self.ports.iter_mut().flatten() {
            slots.commit(stamp, ended.is_ok());
        }
        self.frame += 1;
        self.mail.clear();
        ended
    }

    /// Calls `passes` and returns the list.
    ///
    /// # Errors
    /// [`TurnError`].
    ///
    /// # Panics
    /// When the list is none, which is a fault of the crate `cell`.
    pub fn passes(&mut self) -> Result<PassList, TurnError> {
        self.turn(Self::TABLE.passes, 0)?;
        let list = self.host.told().passes.take().expect("a `passes` turn that ends well submits a list");
        Ok(cell_wire::decode(&list).unwrap_or_else(|e| panic!("the list cannot be read: {e}")))
    }

    /// Ends the instance, which drops the cell.
    ///
    /// # Errors
    /// [`TurnError::Panicked`] when the cell's `drop` panics.
    pub fn end(mut self) -> Result<(), TurnError> {
        let status = self.destroy();
        self.host.end_turn(status)
    }

    /// Returns what the cell told its host so far: log lines, messages, sealed resources, requests, panics.
    pub fn told(&self) -> MutexGuard<'_, Told> {
        self.host.told()
    }

    fn slots<P: AsPort>(&self, port: P) -> &Slots {
        self.ports[usize::from(port.as_port().index())].as_ref().expect("a port of a buffer type has slots")
    }

    fn slots_mut<P: AsPort>(&mut self, port: P) -> &mut Slots {
        self.ports[usize::from(port.as_port().index())].as_mut().expect("a port of a buffer type has slots")
    }

    /// Returns the stamp of this frame's tick; never 0, which is what an unwritten header holds.
    fn stamp(&self) -> u32 {
        self.frame as u32 | 1 << 31
    }

    fn turn(&mut self, f: TurnFn, steps: u32) -> Result<(), TurnError> {
        let (params, params_version) = self.params.encoded();
        let (blend, stamp) = (self.blend, self.stamp());
        let view =
            |slots: &mut Option<Slots>| slots.as_mut().map_or(PortView::EMPTY, |s| s.view(blend, stamp));
        let ports: Vec<PortView> = self.ports.iter_mut().map(view).collect();
        let message = |(n, (from, payload)): (usize, &(String, Blocks))| MailView {
            from: Bytes::of(from.as_bytes()),
            sequence: n as u64,
            payload: Bytes::of(payload.bytes()),
        };
        let mail: Vec<MailView> = self.mail.iter().enumerate().map(message).collect();
        let dt_ns = 1_000_000_000 / u64::from(self.rate);
        let record = TickRecord {
            size: size_of::<TickRecord>() as u32,
            steps,
            frame: self.frame,
            dt_ns,
            time_ns: self.frame * dt_ns,
            seed: self.seed,
            screen_px: self.screen_px,
            input: &raw const self.input,
            ports: ports.as_ptr(),
            port_count: ports.len(),
            mail: mail.as_ptr(),
            mail_count: mail.len(),
            params: Bytes::of(&params),
            params_version,
        };
        // SAFETY: the state is what `create` made and has not been destroyed, `&mut self` keeps other turns away, and
        // all that the record points to lives until the call returns.
        let status = unsafe { f(self.state, &raw const record) };
        self.host.end_turn(status)
    }

    fn destroy(&mut self) -> Status {
        let state = core::mem::replace(&mut self.state, ptr::null_mut());
        // SAFETY: the state is what `create` made, and is given back once; null is refused.
        unsafe { (Self::TABLE.destroy)(state) }
    }
}

impl<T: Plugin + Save> TestCell<T> {
    /// Saves the state, as an engine does before it ends the instance.
    ///
    /// # Errors
    /// [`TurnError::Panicked`].
    pub fn save(&mut self) -> Result<Vec<u8>, TurnError> {
        unsafe extern "C" fn sink(context: *mut c_void, bytes: Bytes) -> Status {
            // SAFETY: `context` is the vector below, which nobody else uses during the call.
            unsafe { (*context.cast::<Vec<u8>>()).extend(raw::call_bytes(&bytes)) };
            Status::OK
        }
        let mut saved = Vec::new();
        // SAFETY: as in `turn`; `sink` gets the context that it expects.
        let status = unsafe { entry::save::<T>(self.state, sink, (&raw mut saved).cast()) };
        self.host.end_turn(status)?;
        Ok(saved)
    }

    /// Restores a saved state, as an engine does before the first `load`.
    ///
    /// # Errors
    /// [`TurnError::Failed`] when it is damaged or of another shape; the state is as it was.
    pub fn restore(&mut self, saved: &[u8]) -> Result<(), TurnError> {
        // SAFETY: as in `turn`; the bytes live during the call.
        let status = unsafe { entry::restore::<T>(self.state, Bytes::of(saved)) };
        self.host.end_turn(status)
    }
}

impl<T: Plugin> Drop for TestCell<T> {
    fn drop(&mut self) {
        self.destroy();
    }
}
