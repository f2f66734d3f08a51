//! Flying by hand.
use cell::prelude::*;
use glam::Vec3;
use std::f32::consts::FRAC_PI_2;

/// Radians per pixel of mouse travel.
pub(crate) const TURN: f32 = 0.0035;
/// How much faster with Shift.
const FAST: f32 = 4.0;
/// How much one wheel line changes the speed.
const WHEEL: f32 = 1.15;

/// A camera that flies by hand.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fly {
    start: Option<(Vec3, Vec3)>,
    eye: Vec3,
    /// What the orbit turns about.
    middle: Vec3,
    /// About y, 0 towards -z, growing to the left.
    yaw: f32,
    pitch: f32,
    speed_factor: f32,
}

impl Fly {
    /// Starts (again) at `at`, looking at `look`, unless these are what it started from already.
    pub(crate) fn start_from(&mut self, at: Vec3, look: Vec3) {
        if self.start == Some((at, look)) {
            return;
        }
        let d = (look - at).try_normalize().unwrap_or(Vec3::NEG_Z);
        *self = Self {
            start: Some((at, look)),
            eye: at,
            middle: look,
            yaw: (-d.x).atan2(-d.z),
            pitch: d.y.clamp(-1.0, 1.0).asin(),
            speed_factor: 1.0,
        };
    }

    /// Moves on by `seconds`; `speed` is in metres per second, `orbit` in radians. Returns eye and look.
    pub(crate) fn step(&mut self, input: &InputFrame, seconds: f32, speed: f32, orbit: f32) -> (Vec3, Vec3) {
        if input.button(MouseButton::Right) {
            let [x, y] = input.mouse_delta_px;
            self.yaw -= x * TURN;
            self.pitch = (self.pitch - y * TURN).clamp(-FRAC_PI_2 + 0.01, FRAC_PI_2 - 0.01);
        }
        self.speed_factor = (self.speed_factor * WHEEL.powf(input.wheel_lines[1])).clamp(0.01, 100.0);
        let forward = self.forward();
        let right = Vec3::new(self.yaw.cos(), 0.0, -self.yaw.sin());
        let way = forward * axis(input, Key::W, Key::S)
            + right * axis(input, Key::D, Key::A)
            + Vec3::Y * axis(input, Key::E, Key::Q);
        let fast = input.down(Key::ShiftLeft) || input.down(Key::ShiftRight);
        let pace = speed * self.speed_factor * if fast { FAST } else { 1.0 };
        self.eye += way.normalize_or_zero() * (pace * seconds);
        if orbit != 0.0 {
            self.eye = self.middle + glam::Quat::from_rotation_y(orbit) * (self.eye - self.middle);
            self.yaw += orbit;
        }
        (self.eye, self.eye + self.forward())
    }

    fn forward(&self) -> Vec3 {
        let (sin, cos) = self.yaw.sin_cos();
        Vec3::new(-sin * self.pitch.cos(), self.pitch.sin(), -cos * self.pitch.cos())
    }
}

fn axis(input: &InputFrame, plus: Key, minus: Key) -> f32 {
    f32::from(u8::from(input.down(plus))) - f32::from(u8::from(input.down(minus)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> Fly {
        let mut fly = Fly::default();
        fly.start_from(Vec3::new(0.0, 0.0, 10.0), Vec3::ZERO);
        fly
    }

    #[test]
    fn it_starts_where_it_is_told_and_looks_there() {
        let mut fly = Fly::default();
        let (at, look) = (Vec3::new(3.0, 30.0, 80.0), Vec3::new(-7.0, 10.0, 5.0));
        fly.start_from(at, look);
        let (eye, towards) = fly.step(&InputFrame::default(), 1.0, 5.0, 0.0);
        assert_eq!(eye, at);
        assert!((towards - eye).distance((look - at).normalize()) < 1e-4, "{towards}");
    }

    #[test]
    fn keys_move_along_the_view_and_shift_is_faster() {
        let mut input = InputFrame::default();
        input.press(Key::W);
        let (slow, _) = started().step(&input, 0.5, 8.0, 0.0);
        assert!(slow.distance(Vec3::new(0.0, 0.0, 6.0)) < 1e-4, "{slow}");
        input.press(Key::ShiftLeft);
        let (fast, _) = started().step(&input, 0.5, 8.0, 0.0);
        assert!(fast.distance(Vec3::new(0.0, 0.0, -6.0)) < 1e-4, "{fast}");
    }

    #[test]
    fn the_mouse_turns_only_while_its_right_button_is_held() {
        let mut input = InputFrame { mouse_delta_px: [100.0, 0.0], ..InputFrame::default() };
        let (eye, look) = started().step(&input, 0.0, 1.0, 0.0);
        assert!((look - eye).x.abs() < 1e-5);
        input.buttons_down = 1 << MouseButton::Right as u32;
        let (eye, look) = started().step(&input, 0.0, 1.0, 0.0);
        assert!((look - eye).x > 0.1, "a move to the right looks to the right: {}", look - eye);
    }

    #[test]
    fn an_orbit_keeps_the_distance_and_the_middle_in_view() {
        let mut fly = started();
        let mut last = (Vec3::ZERO, Vec3::ZERO);
        for _ in 0..90 {
            last = fly.step(&InputFrame::default(), 1.0 / 60.0, 1.0, 0.02);
        }
        let (eye, look) = last;
        assert!((eye.length() - 10.0).abs() < 1e-3, "{eye}");
        assert!((look - eye).distance(-eye.normalize()) < 1e-3, "{look}");
    }

    #[test]
    fn only_another_start_resets_it() {
        let mut input = InputFrame::default();
        input.press(Key::W);
        let mut fly = started();
        let (moved, _) = fly.step(&input, 1.0, 1.0, 0.0);
        fly.start_from(Vec3::new(0.0, 0.0, 10.0), Vec3::ZERO);
        assert_eq!(fly.eye, moved);
        fly.start_from(Vec3::new(0.0, 0.0, 11.0), Vec3::ZERO);
        assert_eq!(fly.eye, Vec3::new(0.0, 0.0, 11.0));
    }
}
