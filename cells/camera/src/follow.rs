//! Circling a point that another cell publishes.
use crate::fly::TURN;
use camera_api::FollowTarget;
use cell::prelude::*;
use glam::Vec3;

/// How much one wheel line changes the distance.
const WHEEL: f32 = 0.88;
/// The nearest and farthest distance in metres.
const DISTANCES: (f32, f32) = (0.5, 5000.0);

/// A camera that keeps a point in view.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Follow {
    start: Option<[f32; 3]>,
    distance: f32,
    height: f32,
    /// Radians from straight behind, to the left.
    angle: f32,
}

impl Follow {
    /// Starts (again) at `distance` and `height` in metres and `angle` in degrees from straight behind,
    /// unless these are what it started from already.
    pub(crate) fn start_from(&mut self, distance: f32, height: f32, angle: f32) {
        if self.start != Some([distance, height, angle]) {
            let start = Some([distance, height, angle]);
            *self = Self { start, distance, height, angle: angle.to_radians() };
        }
    }

    /// Moves on, by `orbit` radians besides what the mouse asks. Returns eye and look.
    pub(crate) fn step(&mut self, input: &InputFrame, orbit: f32, target: FollowTarget) -> (Vec3, Vec3) {
        self.angle += orbit;
        if input.button(MouseButton::Right) {
            let [x, y] = input.mouse_delta_px;
            self.angle -= x * TURN;
            self.height += y * TURN * self.distance;
        }
        let (nearest, farthest) = DISTANCES;
        self.distance = (self.distance * WHEEL.powf(input.wheel_lines[1])).clamp(nearest, farthest);
        let (sin, cos) = (target.heading + self.angle).sin_cos();
        let at = Vec3::from(target.position);
        (at + Vec3::new(sin * self.distance, self.height, cos * self.distance), at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_stays_behind_a_target_that_turns() {
        let mut follow = Follow::default();
        follow.start_from(10.0, 3.0, 0.0);
        let still = InputFrame::default();
        let target = FollowTarget { position: [5.0, 1.0, 0.0], heading: 0.0 };
        let (eye, look) = follow.step(&still, 0.0, target);
        assert_eq!((eye, look), (Vec3::new(5.0, 4.0, 10.0), Vec3::new(5.0, 1.0, 0.0)));
        let left = FollowTarget { heading: std::f32::consts::FRAC_PI_2, ..target };
        let (eye, _) = follow.step(&still, 0.0, left);
        assert!(eye.distance(Vec3::new(15.0, 4.0, 0.0)) < 1e-4, "headed to -x, seen from +x: {eye}");
    }

    #[test]
    fn the_wheel_comes_nearer_within_bounds() {
        let mut follow = Follow::default();
        follow.start_from(10.0, 0.0, 0.0);
        let target = FollowTarget { position: [0.0; 3], heading: 0.0 };
        let mut input = InputFrame { wheel_lines: [0.0, 1.0], ..InputFrame::default() };
        let (eye, _) = follow.step(&input, 0.0, target);
        assert!(eye.z < 10.0 && eye.z > 5.0);
        input.wheel_lines[1] = 1e6;
        assert!(follow.step(&input, 0.0, target).0.z >= 0.5);
    }
}
