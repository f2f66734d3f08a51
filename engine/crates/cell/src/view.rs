//! Reading buffer ports.
use crate::{FrameIndex, Gpu, raw};
use cell_abi::PortView;
use core::{fmt, ops::Deref};

/// What a buffer port held at the frame's start: derefs to `T` for `Uniform` ports, to `[T]` for the others.
///
/// It is borrowed from the turn's record, not from `cx`: several views and writers can be held at once. Before
/// the first publication a `Uniform` is all zeros and an array is empty.
pub struct View<'r, T: ?Sized> {
    now: &'r T,
    frame: Option<FrameIndex>,
}

impl<'r, T: ?Sized> View<'r, T> {
    /// Returns the data for as long as the turn lasts.
    #[must_use]
    pub fn get(&self) -> &'r T {
        self.now
    }

    /// Returns whether the owner has published yet.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.frame.is_some()
    }

    /// Returns the frame of the tick that published it.
    #[must_use]
    pub fn frame(&self) -> Option<FrameIndex> {
        self.frame
    }
}

impl<'r, T: Gpu> View<'r, [T]> {
    pub(crate) fn array(port: &'r PortView) -> Self {
        Self { now: raw::elements(&port.read), frame: frame_of(port) }
    }
}

impl<'r, T: Gpu> View<'r, T> {
    pub(crate) fn value(port: &'r PortView) -> Self {
        Self { now: raw::elements(&port.read).first().unwrap_or(T::ZEROED), frame: frame_of(port) }
    }
}

fn frame_of(port: &PortView) -> Option<FrameIndex> {
    (!port.read.ptr.is_null()).then_some(FrameIndex(port.read.frame))
}

/// What a `history` port held: the newest publication (it derefs to it), the one before, and where this frame
/// lies between them; so that a cell of 30 ticks a second moves smoothly at 60 frames.
///
/// ```no_run
/// # use cell::History;
/// # fn tick(heights: History<'_, [f32]>) {
/// let t = heights.blend();
/// let smooth: Vec<f32> =
///     heights.previous().iter().zip(heights.get()).map(|(old, new)| old + t * (new - old)).collect();
/// # }
/// ```
pub struct History<'r, T: ?Sized> {
    view: View<'r, T>,
    previous: &'r T,
    blend: f32,
}

impl<'r, T: ?Sized> History<'r, T> {
    /// Returns the newest publication for as long as the turn lasts.
    #[must_use]
    pub fn get(&self) -> &'r T {
        self.view.now
    }

    /// Returns the publication before the newest; the newest itself while there is only one.
    #[must_use]
    pub fn previous(&self) -> &'r T {
        self.previous
    }

    /// Returns where this frame lies: 0 at [`History::previous`], 1 at the newest.
    #[must_use]
    pub fn blend(&self) -> f32 {
        self.blend
    }

    /// Returns whether the owner has published yet.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.view.is_published()
    }

    /// Returns the frame of the tick that published the newest.
    #[must_use]
    pub fn frame(&self) -> Option<FrameIndex> {
        self.view.frame
    }
}

impl<'r, T: Gpu> History<'r, [T]> {
    pub(crate) fn array(port: &'r PortView) -> Self {
        let view = View::array(port);
        let previous = if port.previous.ptr.is_null() { view.now } else { raw::elements(&port.previous) };
        Self { view, previous, blend: port.blend }
    }
}

impl<'r, T: Gpu> History<'r, T> {
    pub(crate) fn value(port: &'r PortView) -> Self {
        let view = View::value(port);
        let previous = raw::elements(&port.previous).first().unwrap_or(view.now);
        Self { view, previous, blend: port.blend }
    }
}

impl<T: ?Sized> Deref for View<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.now
    }
}

impl<T: ?Sized> Deref for History<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.view.now
    }
}

impl<T: ?Sized> Clone for View<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for View<'_, T> {}

impl<T: ?Sized> Clone for History<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for History<'_, T> {}

impl<T: ?Sized + fmt::Debug> fmt::Debug for View<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View").field("now", &self.now).field("frame", &self.frame).finish()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for History<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("History")
            .field("view", &self.view)
            .field("previous", &self.previous)
            .field("blend", &self.blend)
            .finish()
    }
}
