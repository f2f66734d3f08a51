//! What the `camera` cell shares with the cells that draw: the layout of a view.
//!
//! A cell that draws reads `camera: now Uniform<CameraView>`; a cell that wants to be followed writes
//! `follow_target: Uniform<FollowTarget>`. This crate holds layouts only, no behaviour: who draws does not
//! depend on the cell that moves the camera.

/// A view of the world: metres, right-handed, y up; depth reversed (1 at `near`, 0 at infinity).
///
/// All zeros until the camera published for the first time; `near` is above 0 from then on.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub struct CameraView {
    /// World to clip space, columns.
    pub view_proj: [[f32; 4]; 4],
    /// World to view space (x right, y up, z towards the viewer), columns.
    pub view: [[f32; 4]; 4],
    /// Clip space to world, columns.
    pub inv_view_proj: [[f32; 4]; 4],
    /// Where the eye is, in metres.
    pub position: [f32; 3],
    /// The distance of the near plane in metres.
    pub near: f32,
    /// Where the eye looks, of length 1.
    pub direction: [f32; 3],
    /// Tangent of half the vertical angle of view.
    pub tan_half_fov: f32,
    /// The output size in pixels: width, height.
    pub viewport: [f32; 2],
    /// Width divided by height.
    pub aspect: f32,
    /// Zero.
    pub reserved: f32,
}

/// A point that a camera in `follow` mode keeps in view.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, cell::Gpu)]
pub struct FollowTarget {
    /// Where it is, in metres.
    pub position: [f32; 3],
    /// Where it is headed: radians about y, 0 towards -z, growing to the left.
    pub heading: f32,
}
