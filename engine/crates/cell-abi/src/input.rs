//! The input of one frame, as every cell of that frame sees it.

macro_rules! keys {
    ($($name:ident),* $(,)?) => {
        /// A physical key, named by its place on a US keyboard.
        #[repr(u8)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "the names say it: W3C UI Events key codes")]
        pub enum Key { $($name),* }

        impl Key {
            /// All keys, in the order of their bits.
            pub const ALL: &'static [Key] = &[$(Key::$name),*];

            /// Returns the name, as written in scenes (`on: "F1"`).
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Key::$name => stringify!($name)),* }
            }
        }
    };
}

keys! {
    A, B, C, D, E, F, G, H, I, J, K, L, M, N, O, P, Q, R, S, T, U, V, W, X, Y, Z,
    Digit0, Digit1, Digit2, Digit3, Digit4, Digit5, Digit6, Digit7, Digit8, Digit9,
    F1, F2, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12,
    Escape, Space, Enter, Tab, Backspace, Delete, Insert, Home, End, PageUp, PageDown,
    ArrowLeft, ArrowRight, ArrowUp, ArrowDown,
    ShiftLeft, ShiftRight, ControlLeft, ControlRight, AltLeft, AltRight, SuperLeft, SuperRight,
    Minus, Equal, BracketLeft, BracketRight, Backslash, Semicolon, Quote, Backquote, Comma, Period, Slash,
    CapsLock,
    Numpad0, Numpad1, Numpad2, Numpad3, Numpad4, Numpad5, Numpad6, Numpad7, Numpad8, Numpad9,
    NumpadAdd, NumpadSubtract, NumpadMultiply, NumpadDivide, NumpadEnter, NumpadDecimal,
}

const _: () = assert!(Key::ALL.len() <= 128);

impl Key {
    /// Returns the key called `name`, if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|k| k.name() == name)
    }
}

/// A mouse button.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MouseButton {
    /// The main button.
    Left,
    /// The context button.
    Right,
    /// The wheel, pressed.
    Middle,
    /// The first thumb button.
    Back,
    /// The second thumb button.
    Forward,
}

/// What the keyboard and mouse did up to the start of one frame. All zero when headless without a script.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct InputFrame {
    /// Keys held at the frame's start, one bit per [`Key`].
    pub keys_down: [u64; 2],
    /// Keys that went down since the last frame.
    pub keys_pressed: [u64; 2],
    /// Keys that went up since the last frame.
    pub keys_released: [u64; 2],
    /// Mouse buttons held, one bit per [`MouseButton`].
    pub buttons_down: u32,
    /// Mouse buttons that went down since the last frame.
    pub buttons_pressed: u32,
    /// The pointer in pixels from the upper left corner.
    pub mouse_px: [f32; 2],
    /// The pointer's way since the last frame in pixels, also beyond the window's edge.
    pub mouse_delta_px: [f32; 2],
    /// Wheel lines since the last frame: x to the right, y up.
    pub wheel_lines: [f32; 2],
    /// 1 while the window has the keyboard's focus.
    pub focused: u32,
    /// Zero.
    pub reserved: u32,
}

impl InputFrame {
    /// Returns whether `key` is held.
    #[must_use]
    pub const fn down(&self, key: Key) -> bool {
        has(&self.keys_down, key)
    }

    /// Returns whether `key` went down since the last frame.
    #[must_use]
    pub const fn pressed(&self, key: Key) -> bool {
        has(&self.keys_pressed, key)
    }

    /// Returns whether `key` went up since the last frame.
    #[must_use]
    pub const fn released(&self, key: Key) -> bool {
        has(&self.keys_released, key)
    }

    /// Returns whether `button` is held.
    #[must_use]
    pub const fn button(&self, button: MouseButton) -> bool {
        self.buttons_down & (1 << button as u32) != 0
    }

    /// Notes that `key` went down (or is repeated: no change then).
    pub const fn press(&mut self, key: Key) {
        let (w, b) = bit(key);
        if self.keys_down[w] & b == 0 {
            self.keys_down[w] |= b;
            self.keys_pressed[w] |= b;
        }
    }

    /// Notes that `key` went up.
    pub const fn release(&mut self, key: Key) {
        let (w, b) = bit(key);
        self.keys_down[w] &= !b;
        self.keys_released[w] |= b;
    }

    /// Forgets what belongs to one frame only; held keys stay held.
    pub const fn end_frame(&mut self) {
        self.keys_pressed = [0; 2];
        self.keys_released = [0; 2];
        self.buttons_pressed = 0;
        self.mouse_delta_px = [0.0; 2];
        self.wheel_lines = [0.0; 2];
    }
}

const fn bit(key: Key) -> (usize, u64) {
    (key as usize / 64, 1 << (key as usize % 64))
}

const fn has(bits: &[u64; 2], key: Key) -> bool {
    let (w, b) = bit(key);
    bits[w] & b != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_press_lasts_one_frame_and_a_hold_until_released() {
        let mut i = InputFrame::default();
        i.press(Key::W);
        assert!(i.down(Key::W) && i.pressed(Key::W) && !i.down(Key::A));
        i.end_frame();
        i.press(Key::W);
        assert!(i.down(Key::W) && !i.pressed(Key::W), "a key repeat is no new press");
        i.release(Key::W);
        assert!(!i.down(Key::W) && i.released(Key::W));
    }

    #[test]
    fn every_key_has_its_own_bit_and_name() {
        for (n, k) in Key::ALL.iter().enumerate() {
            assert_eq!(*k as usize, n);
            assert_eq!(Key::from_name(k.name()), Some(*k));
        }
    }
}
