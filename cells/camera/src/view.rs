//! From eye and direction to matrices.
use camera_api::CameraView;
use glam::{
    Vec3,
    camera::rh::{proj::directx::perspective_infinite_reverse, view::look_at_mat4},
};

/// Returns the view from `eye` towards `look` with a vertical angle of `fov` degrees.
///
/// Angles outside 1 to 170 degrees and near planes below a millimetre are brought back into that range.
pub(crate) fn view(eye: Vec3, look: Vec3, fov: f32, near: f32, screen_px: [u32; 2]) -> CameraView {
    let [width, height] = screen_px.map(|n| n.max(1) as f32);
    let fov = finite(fov, 60.0).clamp(1.0, 170.0).to_radians();
    let near = finite(near, 0.1).max(0.001);
    let direction = (look - eye).try_normalize().unwrap_or(Vec3::NEG_Z);
    let up = if direction.y.abs() > 0.9999 { Vec3::NEG_Z } else { Vec3::Y };
    let view = look_at_mat4(eye, eye + direction, up);
    let view_proj = perspective_infinite_reverse(fov, width / height, near) * view;
    CameraView {
        view_proj: view_proj.to_cols_array_2d(),
        view: view.to_cols_array_2d(),
        inv_view_proj: view_proj.inverse().to_cols_array_2d(),
        position: eye.to_array(),
        near,
        direction: direction.to_array(),
        tan_half_fov: (fov * 0.5).tan(),
        viewport: [width, height],
        aspect: width / height,
        reserved: 0.0,
    }
}

fn finite(value: f32, otherwise: f32) -> f32 {
    if value.is_finite() { value } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::*;
    use glam::{Mat4, Vec4};

    fn project(v: &CameraView, at: Vec3) -> Vec3 {
        let p = Mat4::from_cols_array_2d(&v.view_proj) * at.extend(1.0);
        p.truncate() / p.w
    }

    #[test]
    fn the_point_looked_at_is_in_the_middle_and_nearer_is_greater() {
        let v = view(Vec3::new(0.0, 30.0, 80.0), Vec3::new(0.0, 10.0, 0.0), 60.0, 0.1, [1280, 720]);
        let far = project(&v, Vec3::new(0.0, 10.0, 0.0));
        assert!(far.x.abs() < 1e-4 && far.y.abs() < 1e-4, "{far}");
        let near = project(&v, Vec3::new(0.0, 20.0, 40.0));
        assert!(near.z > far.z && far.z > 0.0 && near.z < 1.0, "reverse Z: {near} {far}");
        assert!(project(&v, Vec3::new(0.0, 20.0, 0.0)).y > 0.0, "y is up");
        assert!(project(&v, Vec3::new(10.0, 10.0, 0.0)).x > 0.0, "x is to the right");
    }

    #[test]
    fn the_inverse_leads_back() {
        let v = view(Vec3::new(3.0, 4.0, 5.0), Vec3::ZERO, 45.0, 0.1, [800, 600]);
        let p = Mat4::from_cols_array_2d(&v.view_proj) * Vec4::new(1.0, -1.0, 2.0, 1.0);
        let back = Mat4::from_cols_array_2d(&v.inv_view_proj) * p;
        assert!((back.truncate() / back.w - Vec3::new(1.0, -1.0, 2.0)).length() < 1e-3, "{back}");
    }

    #[test]
    fn strange_numbers_still_give_a_finite_view() {
        for v in [
            view(Vec3::ZERO, Vec3::ZERO, f32::NAN, f32::NAN, [0, 0]),
            view(Vec3::ZERO, Vec3::Y, 500.0, -1.0, [1, 1]),
            view(Vec3::ZERO, Vec3::NEG_Y, 0.0, 0.0, [16384, 1]),
        ] {
            assert!(v.view_proj.iter().flatten().all(|x| x.is_finite()), "{v:?}");
            assert!(v.near > 0.0);
        }
    }
}
