//! State that outlives its instance.
use crate::{Protein, contract::Plugin, entry};
use cell_abi::{
    Fingerprint,
    saved::{Saved, SavedError},
    shape::StateShape,
    table::{RestoreFn, SaveFn},
};
use cell_wire::DecodeError;
use core::marker::PhantomData;
use rkyv::util::AlignedVec;

/// State that outlives its instance: handed over when the cell is swapped for a new build or moved to another place,
/// and kept in checkpoints for a restart.
///
/// Derive it for a cell and [`crate::export!`] does the rest. A cell without it starts from its `Default`, also after
/// a restart. What its fields hold must be a [`Protein`]; leave out what can be made again:
///
/// ```
/// use cell::{Protein, Save};
///
/// #[derive(Clone, Debug, PartialEq, Protein)]
/// struct Ball {
///     at: [f32; 3],
///     speed: [f32; 3],
/// }
///
/// #[derive(Default, Save)]
/// struct Physics {
///     balls: Vec<Ball>,
///     time: f64,
///     #[save(skip)] // made again in each tick
///     near: Vec<(u32, u32)>,
/// }
///
/// let ball = Ball { at: [0.0, 1.0, 0.0], speed: [0.0; 3] };
/// let old = Physics { balls: vec![ball.clone()], time: 12.5, near: vec![(0, 1)] };
/// let bytes = old.save();
///
/// let mut new = Physics::default();
/// new.restore(&bytes)?;
/// assert_eq!((new.balls, new.time, new.near), (vec![ball], 12.5, vec![]));
/// # Ok::<(), cell::RestoreError>(())
/// ```
///
/// Lists and boxes may lie inside one another 2048 deep; deeper state is saved but not taken over.
///
/// State that was saved in another shape is refused with a sentence on what differs. To read it all the same, leave
/// the old struct in a module of its own and say how it becomes the new one:
///
/// ```
/// mod past {
///     #[derive(Default, cell::Save)]
///     pub struct Physics {
///         pub time: f32,
///     }
/// }
///
/// #[derive(Default, cell::Save)]
/// #[save(from = past::Physics)]
/// struct Physics {
///     time_ms: u64,
/// }
///
/// impl From<past::Physics> for Physics {
///     fn from(old: past::Physics) -> Self {
///         Self { time_ms: (old.time * 1000.0) as u64 }
///     }
/// }
///
/// # use cell::Save;
/// let bytes = past::Physics { time: 1.5 }.save();
/// let mut new = Physics::default();
/// new.restore(&bytes)?;
/// assert_eq!(new.time_ms, 1500);
/// # Ok::<(), cell::RestoreError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` keeps no state",
    note = "put `#[derive(Default, cell::Save)]` on it"
)]
pub trait Save: Protein + Default {
    #[doc(hidden)]
    const STATE: &'static StateShape;
    #[doc(hidden)]
    fn payload(&self) -> AlignedVec;
    #[doc(hidden)]
    fn of_payload(payload: &[u8]) -> Result<Self, DecodeError>;
    #[doc(hidden)]
    fn of_past(saved: &Saved<'_>) -> Option<Result<Self, DecodeError>>;

    /// Returns the state if it was saved in this shape or in one that it is made from.
    #[doc(hidden)]
    fn of_saved(saved: &Saved<'_>) -> Option<Result<Self, DecodeError>> {
        if saved.fingerprint == Self::STATE.fingerprint {
            Some(Self::of_payload(saved.payload))
        } else {
            Self::of_past(saved)
        }
    }

    /// Returns the state as bytes that explain themselves: shape, checksum, content.
    #[must_use]
    fn save(&self) -> Vec<u8> {
        Saved::write(Self::STATE, &self.payload())
    }

    /// Takes a saved state over; what was left out is as `Default` makes it. On an error, nothing changed.
    ///
    /// # Errors
    /// [`RestoreError`] when the bytes are damaged, or were saved in another shape.
    fn restore(&mut self, bytes: &[u8]) -> Result<(), RestoreError> {
        let saved = Saved::read(bytes)?;
        match Self::of_saved(&saved) {
            Some(state) => {
                *self = state?;
                Ok(())
            }
            None => Err(RestoreError::OtherShape {
                saved: saved.fingerprint,
                now: Self::STATE.fingerprint,
                difference: saved
                    .difference(Self::STATE.text)
                    .unwrap_or_else(|| "its fingerprint is not its text's".into()),
            }),
        }
    }
}

/// Why saved state was not taken over.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// The bytes are no saved state, or are damaged.
    #[error("the saved state cannot be read: {0}")]
    Unreadable(#[from] SavedError),
    /// It has another shape.
    #[error(
        "the state was saved in another shape ({saved}, now it is {now}): {difference}; `#[save(from = ..)]` can \
         say how the old becomes the new"
    )]
    OtherShape {
        /// The fingerprint of what was saved.
        saved: Fingerprint,
        /// The fingerprint of what this build saves.
        now: Fingerprint,
        /// What differs, as a sentence.
        difference: String,
    },
    /// The shape is right, but the content is none of it: the build that saved it did not say the truth.
    #[error("the saved state's content is not of its shape: {0}")]
    Broken(#[from] DecodeError),
}

/// Answers whether `T` is `Save`: its own constants are there only if it is, and hide those of [`SavesNothing`].
pub struct Saves<T>(PhantomData<T>);

impl<T: Plugin + Save> Saves<T> {
    /// An entry of the table.
    pub const SAVE: Option<SaveFn> = Some(entry::save::<T>);
    /// An entry of the table.
    pub const RESTORE: Option<RestoreFn> = Some(entry::restore::<T>);
    /// The shape of what is kept.
    pub const STATE: Option<&'static StateShape> = Some(T::STATE);
}

/// See [`Saves`].
pub trait SavesNothing {
    /// No entry.
    const SAVE: Option<SaveFn> = None;
    /// No entry.
    const RESTORE: Option<RestoreFn> = None;
    /// No shape.
    const STATE: Option<&'static StateShape> = None;
}

impl<T> SavesNothing for Saves<T> {}
