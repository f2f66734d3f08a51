//! What `#[derive(Builder)]` makes use of: a field that was given, told from one that is missing by its type.

/// A field that was given.
#[derive(Clone, Debug)]
pub struct Given<T>(pub T);

/// What a field of a builder is once it was given.
#[diagnostic::on_unimplemented(
    message = "a field is missing: `{Self}`",
    label = "call the method of its name before `build`",
    note = "only fields of the type `Option` need not be given"
)]
pub trait IsGiven<T> {
    /// Returns the value.
    fn take(self) -> T;
}

impl<T> IsGiven<T> for Given<T> {
    fn take(self) -> T {
        self.0
    }
}
