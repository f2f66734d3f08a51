//! From winit's keys and buttons to ours.
use cell_abi::{Key, MouseButton};
use winit::{
    event::MouseButton as WinitButton,
    keyboard::{KeyCode, PhysicalKey},
};

/// Returns our name of a physical key, if it has one.
pub(crate) fn key(key: PhysicalKey) -> Option<Key> {
    let PhysicalKey::Code(code) = key else { return None };
    macro_rules! same {
        ($($name:ident),* $(,)?) => {
            match code { $(KeyCode::$name => Some(Key::$name),)* other => letter(other) }
        };
    }
    same!(
        Digit0,
        Digit1,
        Digit2,
        Digit3,
        Digit4,
        Digit5,
        Digit6,
        Digit7,
        Digit8,
        Digit9,
        F1,
        F2,
        F3,
        F4,
        F5,
        F6,
        F7,
        F8,
        F9,
        F10,
        F11,
        F12,
        Escape,
        Space,
        Enter,
        Tab,
        Backspace,
        Delete,
        Insert,
        Home,
        End,
        PageUp,
        PageDown,
        ArrowLeft,
        ArrowRight,
        ArrowUp,
        ArrowDown,
        ShiftLeft,
        ShiftRight,
        ControlLeft,
        ControlRight,
        AltLeft,
        AltRight,
        SuperLeft,
        SuperRight,
        Minus,
        Equal,
        BracketLeft,
        BracketRight,
        Backslash,
        Semicolon,
        Quote,
        Backquote,
        Comma,
        Period,
        Slash,
        CapsLock,
        Numpad0,
        Numpad1,
        Numpad2,
        Numpad3,
        Numpad4,
        Numpad5,
        Numpad6,
        Numpad7,
        Numpad8,
        Numpad9,
        NumpadAdd,
        NumpadSubtract,
        NumpadMultiply,
        NumpadDivide,
        NumpadEnter,
        NumpadDecimal,
    )
}

fn letter(code: KeyCode) -> Option<Key> {
    macro_rules! letters {
        ($($winit:ident = $ours:ident),* $(,)?) => {
            match code { $(KeyCode::$winit => Some(Key::$ours),)* _ => None }
        };
    }
    letters!(
        KeyA = A,
        KeyB = B,
        KeyC = C,
        KeyD = D,
        KeyE = E,
        KeyF = F,
        KeyG = G,
        KeyH = H,
        KeyI = I,
        KeyJ = J,
        KeyK = K,
        KeyL = L,
        KeyM = M,
        KeyN = N,
        KeyO = O,
        KeyP = P,
        KeyQ = Q,
        KeyR = R,
        KeyS = S,
        KeyT = T,
        KeyU = U,
        KeyV = V,
        KeyW = W,
        KeyX = X,
        KeyY = Y,
        KeyZ = Z,
    )
}

/// Returns our name of a mouse button, if it has one.
pub(crate) fn button(button: WinitButton) -> Option<MouseButton> {
    match button {
        WinitButton::Left => Some(MouseButton::Left),
        WinitButton::Right => Some(MouseButton::Right),
        WinitButton::Middle => Some(MouseButton::Middle),
        WinitButton::Back => Some(MouseButton::Back),
        WinitButton::Forward => Some(MouseButton::Forward),
        WinitButton::Other(_) => None,
    }
}
