//! Axis-aligned boxes and what a camera sees of them.
use glam::{Mat4, Vec3, Vec4};

/// An axis-aligned box in the world, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bounds {
    /// Its least corner.
    pub(crate) min: Vec3,
    /// Its greatest corner.
    pub(crate) max: Vec3,
}

impl Bounds {
    /// Holds nothing.
    pub(crate) const EMPTY: Self = Self { min: Vec3::INFINITY, max: Vec3::NEG_INFINITY };

    /// Returns whether it holds nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.min.x > self.max.x
    }

    /// Returns the box around all `points`.
    pub(crate) fn of(points: impl IntoIterator<Item = Vec3>) -> Self {
        points.into_iter().fold(Self::EMPTY, |b, p| Self { min: b.min.min(p), max: b.max.max(p) })
    }

    /// Returns the box around both.
    pub(crate) fn union(self, other: Self) -> Self {
        Self { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    /// Returns its middle.
    pub(crate) fn middle(&self) -> Vec3 {
        (self.min + self.max) * 0.5
    }

    /// Returns its eight corners.
    pub(crate) fn corners(&self) -> [Vec3; 8] {
        std::array::from_fn(|i| {
            let pick = |bit: usize, low: f32, high: f32| if i & bit == 0 { low } else { high };
            Vec3::new(
                pick(1, self.min.x, self.max.x),
                pick(2, self.min.y, self.max.y),
                pick(4, self.min.z, self.max.z),
            )
        })
    }

    /// Returns the box around this one moved by `m`.
    pub(crate) fn transformed(&self, m: Mat4) -> Self {
        if self.is_empty() { *self } else { Self::of(self.corners().map(|c| m.transform_point3(c))) }
    }
}

/// What a camera sees: the half spaces of its left, right, lower, upper and near plane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frustum([Vec4; 5]);

impl Frustum {
    /// Returns what a camera with this matrix sees (depth reversed, no far plane).
    pub(crate) fn new(view_proj: Mat4) -> Self {
        let [x, y, z, w] = [0, 1, 2, 3].map(|i| view_proj.row(i));
        Self([w + x, w - x, w + y, w - y, w - z])
    }

    /// Returns false only when nothing in the box can be seen.
    pub(crate) fn may_see(&self, b: &Bounds) -> bool {
        self.0.iter().all(|plane| {
            let normal = plane.truncate();
            let farthest = Vec3::select(normal.cmpge(Vec3::ZERO), b.max, b.min);
            normal.dot(farthest) + plane.w >= 0.0
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::camera::rh::{proj::directx::perspective_infinite_reverse, view::look_at_mat4};

    #[test]
    fn boxes_before_the_camera_are_seen_and_those_behind_or_beside_are_not() {
        let view = look_at_mat4(Vec3::new(0.0, 2.0, 10.0), Vec3::new(0.0, 2.0, 0.0), Vec3::Y);
        let seen = Frustum::new(perspective_infinite_reverse(1.0, 1.5, 0.1) * view);
        let cube =
            |x: f32, y: f32, z: f32| Bounds { min: Vec3::new(x, y, z) - 1.0, max: Vec3::new(x, y, z) + 1.0 };
        assert!(seen.may_see(&cube(0.0, 2.0, 0.0)));
        assert!(seen.may_see(&cube(0.0, 2.0, -1e6)), "there is no far plane");
        assert!(
            seen.may_see(&Bounds { min: Vec3::splat(-500.0), max: Vec3::splat(500.0) }),
            "around the eye"
        );
        assert!(!seen.may_see(&cube(0.0, 2.0, 15.0)), "behind");
        assert!(!seen.may_see(&cube(-30.0, 2.0, 0.0)), "to the left");
        assert!(!seen.may_see(&cube(0.0, 40.0, 0.0)), "above");
    }
}
