//! The interface of the `button` cell: messages and functions, no behaviour. Who calls it depends on this crate only.

use cell::Protein;

/// How a button is.
#[derive(Clone, Debug, PartialEq, Protein)]
pub struct ButtonState {
    /// Its name.
    pub id: String,
    /// How often it was pressed.
    pub count: u32,
}

/// There is no button of that name.
#[derive(Clone, Debug, PartialEq, Protein)]
pub struct NoSuchButton {
    /// The name.
    pub id: String,
}

/// A signal: a button was pressed.
#[derive(Clone, Debug, PartialEq, Protein)]
pub struct Pressed {
    /// Its name.
    pub id: String,
    /// How often, in all.
    pub count: u32,
}

/// Buttons that can be pressed.
#[cell::service]
pub mod button_service {
    use super::{ButtonState, NoSuchButton};

    /// Returns how a button is.
    fn get_state(id: String) -> Result<ButtonState, NoSuchButton>;
    /// Presses a button; returns how often it was pressed. Whoever subscribes to [`super::Pressed`] is told.
    fn press(id: String) -> Result<u32, NoSuchButton>;
    /// Presses the button of another cell of this kind.
    fn press_other(cell: String, id: String) -> Result<u32, NoSuchButton>;
    /// Never returns.
    fn wait();
    /// Ends the instance in this way: `panic`, or `abort`, which takes the process along.
    fn fail(how: String);
}
