//! A cell: the view. It flies by hand (`fly`) or circles a point that another cell publishes (`follow`), and
//! publishes `camera` for the cells that draw.
//!
//! Flying: W A S D along the view, Q and E down and up, Shift four times as fast, the mouse turns while its
//! right button is held, the wheel changes the speed. Following: the mouse circles, the wheel changes the
//! distance. `orbit_speed` circles by itself, in degrees per second, so that a run without a window moves too.
mod fly;
mod follow;
mod view;

use camera_api::{CameraView, FollowTarget};
use cell::prelude::*;
use fly::Fly;
use follow::Follow;

signal_receptor! {
    name: camera_v1,
    params: {
        fov: f32 = 60.0, near: f32 = 0.1, speed: f32 = 12.0, orbit_speed: f32 = 0.0,
        fly?: { at: Vec3 = [0.0, 30.0, 80.0], look: Vec3 = [0.0, 10.0, 0.0] },
        follow?: { distance: f32 = 12.0, height: f32 = 4.0, angle: f32 = 0.0 },
    },
    input:  CameraFollows { follow_target: now Uniform<FollowTarget> },
    output: CameraMakes { camera: Uniform<CameraView> },
}

/// Where it starts when the scene says neither `fly` nor `follow`.
const AT: [f32; 3] = [0.0, 30.0, 80.0];
/// Where it looks then.
const LOOK: [f32; 3] = [0.0, 10.0, 0.0];

#[derive(Default)]
struct Camera {
    fly: Fly,
    follow: Follow,
}

impl Cell for Camera {
    fn tick(&mut self, cx: &mut Cx<camera_v1>) {
        let seconds = cx.dt() * cx.steps() as f32;
        let (screen, input) = (cx.screen_px(), *cx.input());
        let params = cx.params();
        let orbit = (params.orbit_speed * seconds).to_radians();
        let (eye, look) = match (&params.follow, &params.fly) {
            (Some(follow), _) => {
                let target = *cx.follow_target();
                self.follow.start_from(follow.distance, follow.height, follow.angle);
                self.follow.step(&input, orbit, target)
            }
            (None, fly) => {
                let (at, look) = fly.as_ref().map_or((AT, LOOK), |f| (f.at, f.look));
                self.fly.start_from(at.into(), look.into());
                self.fly.step(&input, seconds, params.speed, orbit)
            }
        };
        let next = view::view(eye, look, params.fov, params.near, screen);
        if *cx.camera().last() != next {
            cx.camera().set(&next);
        }
    }
}

cell::export!(Camera);
