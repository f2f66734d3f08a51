//! Clips: how nodes move over time.
use crate::{
    accessor,
    document::Document,
    error::SceneError,
    nodes::{ByIndex, Local},
    notes::Notes,
};
use bevy_ecs::prelude::*;
use glam::{Mat4, Quat, Vec3, Vec4};
use gltf::animation::{Interpolation, Property};
use std::collections::BTreeMap;

/// Where a node stands, taken apart.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Trs {
    translation: Vec3,
    rotation: Quat,
    scale: Vec3,
}

/// The values of a channel, one for each time, or three (in-tangent, value, out-tangent) where it is a spline.
#[derive(Clone, Debug)]
struct Track {
    /// Its node's number among those that move.
    moved: usize,
    property: Property,
    interpolation: Interpolation,
    times: Vec<f32>,
    values: Vec<Vec4>,
}

/// A clip of a file.
#[derive(Clone, Debug)]
pub(crate) struct Clip {
    /// As in the file; its number if it has none.
    pub(crate) name: String,
    /// How long it lasts, above 0.
    seconds: f32,
    tracks: Vec<Track>,
}

/// A node that clips move.
#[derive(Clone, Copy, Debug)]
struct Moved {
    /// Its number in the file.
    node: usize,
    /// Where it stands without them.
    rest: Trs,
    now: Trs,
}

/// All clips, and the nodes that they move.
#[derive(Resource, Clone, Debug, Default)]
pub(crate) struct Clips {
    /// The clips.
    pub(crate) list: Vec<Clip>,
    moved: Vec<Moved>,
}

/// Which clip plays, and where it is.
#[derive(Resource, Clone, Copy, Debug, Default)]
pub(crate) struct Playing {
    /// Its number among the clips.
    pub(crate) clip: usize,
    /// Seconds since its start; more than it lasts means that it runs again.
    pub(crate) seconds: f32,
}

impl Clips {
    /// Reads the clips of a file.
    ///
    /// # Errors
    /// [`SceneError`] when an accessor is broken or does not fit its channel.
    pub(crate) fn read(doc: &Document, notes: &mut Notes) -> Result<Self, SceneError> {
        let mut out = Self::default();
        let nodes: Vec<_> = doc.json.nodes().collect();
        let mut numbers: BTreeMap<usize, usize> = BTreeMap::new();
        for clip in doc.json.animations() {
            let name = clip.name().map_or_else(|| clip.index().to_string(), str::to_owned);
            let mut tracks = Vec::new();
            for (n, channel) in clip.channels().enumerate() {
                if channel.target().property() == Property::MorphTargetWeights {
                    notes.add(format!("the clip {name:?} moves morph targets, which are not moved"));
                    continue;
                }
                let node = channel.target().node().index();
                let moved = *numbers.entry(node).or_insert_with(|| {
                    let (t, r, s) = nodes[node].transform().decomposed();
                    let rest = Trs { translation: t.into(), rotation: Quat::from_array(r), scale: s.into() };
                    out.moved.push(Moved { node, rest, now: rest });
                    out.moved.len() - 1
                });
                let what = format!("animation {} channel {n}", clip.index());
                tracks.push(track(doc, &what, &channel, moved)?);
            }
            let seconds = tracks.iter().filter_map(|t| t.times.last()).fold(0.0, |a: f32, b| a.max(*b));
            if seconds > 0.0 {
                out.list.push(Clip { name, seconds, tracks });
            }
        }
        Ok(out)
    }

    /// Returns the nodes that any clip moves.
    pub(crate) fn moved(&self) -> impl Iterator<Item = usize> {
        self.moved.iter().map(|m| m.node)
    }

    /// Returns the number of the clip that is called `name`; the first for an empty name.
    pub(crate) fn find(&self, name: &str) -> Option<usize> {
        if name.is_empty() { Some(0) } else { self.list.iter().position(|c| c.name == name) }
    }

    /// Returns moments of all clips, close enough to know where they reach.
    pub(crate) fn moments(&self) -> impl Iterator<Item = Playing> {
        const STEPS: u16 = 48;
        self.list.iter().enumerate().flat_map(|(clip, c)| {
            (0..STEPS).map(move |i| Playing { clip, seconds: c.seconds * f32::from(i) / f32::from(STEPS) })
        })
    }
}

/// System: puts the nodes where the clip that plays has them.
pub(crate) fn animate(
    mut clips: ResMut<Clips>,
    playing: Res<Playing>,
    nodes: Res<ByIndex>,
    mut locals: Query<&mut Local>,
) {
    let Clips { list, moved } = &mut *clips;
    let Some(clip) = list.get(playing.clip) else { return };
    let seconds = playing.seconds.rem_euclid(clip.seconds);
    for m in &mut *moved {
        m.now = m.rest;
    }
    for track in &clip.tracks {
        let (now, v) = (&mut moved[track.moved].now, track.at(seconds));
        match track.property {
            Property::Translation => now.translation = v.truncate(),
            Property::Rotation => now.rotation = turn(v),
            _ => now.scale = v.truncate(),
        }
    }
    for Moved { node, now, .. } in moved {
        if let Some(mut local) = nodes.0[*node].and_then(|e| locals.get_mut(e).ok()) {
            local.0 = Mat4::from_scale_rotation_translation(now.scale, now.rotation, now.translation);
        }
    }
}

fn turn(v: Vec4) -> Quat {
    let q = Quat::from_vec4(v);
    if q.length_squared() > 1e-12 { q.normalize() } else { Quat::IDENTITY }
}

fn track(
    doc: &Document,
    what: &str,
    channel: &gltf::animation::Channel<'_>,
    moved: usize,
) -> Result<Track, SceneError> {
    let (sampler, target) = (channel.sampler(), channel.target());
    let times: Vec<f32> = accessor::floats::<1>(doc, &sampler.input())?.into_iter().map(|[t]| t).collect();
    let values: Vec<Vec4> = if target.property() == Property::Rotation {
        accessor::floats::<4>(doc, &sampler.output())?.into_iter().map(Vec4::from).collect()
    } else {
        let three = accessor::floats::<3>(doc, &sampler.output())?;
        three.into_iter().map(|v| Vec3::from(v).extend(0.0)).collect()
    };
    let interpolation = sampler.interpolation();
    let each = if interpolation == Interpolation::CubicSpline { 3 } else { 1 };
    if times.is_empty() || values.len() != times.len() * each {
        let cause = format!("has {} times and {} values", times.len(), values.len());
        return Err(doc.blame().broken(what, cause));
    }
    let rising = times.windows(2).all(|t| t[0] <= t[1]);
    if !rising || !times.iter().all(|t| t.is_finite() && *t >= 0.0) || !values.iter().all(|v| v.is_finite()) {
        return Err(doc.blame().broken(what, "has times that do not rise, or numbers that are none"));
    }
    let property = target.property();
    Ok(Track { moved, property, interpolation, times, values })
}

impl Track {
    /// Returns the value at a time; before the first and after the last it is theirs.
    fn at(&self, time: f32) -> Vec4 {
        let spline = self.interpolation == Interpolation::CubicSpline;
        let value = |i: usize| self.values[if spline { 3 * i + 1 } else { i }];
        let after = self.times.partition_point(|t| *t <= time);
        if after == 0 {
            return value(0);
        }
        if after == self.times.len() || self.interpolation == Interpolation::Step {
            return value(after - 1);
        }
        let (i, j) = (after - 1, after);
        let span = self.times[j] - self.times[i];
        let t = if span > 0.0 { (time - self.times[i]) / span } else { 0.0 };
        if spline {
            // Hermite: glTF 2.0, appendix C.5.
            let (t2, t3) = (t * t, t * t * t);
            return value(i) * (2.0 * t3 - 3.0 * t2 + 1.0)
                + self.values[3 * i + 2] * (span * (t3 - 2.0 * t2 + t))
                + value(j) * (3.0 * t2 - 2.0 * t3)
                + self.values[3 * j] * (span * (t3 - t2));
        }
        match self.property {
            Property::Rotation => turn(value(i)).slerp(turn(value(j)), t).into(),
            _ => value(i).lerp(value(j), t),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn track(interpolation: Interpolation, values: &[f32]) -> Track {
        let values = values.iter().map(|v| Vec4::splat(*v)).collect();
        Track { moved: 0, property: Property::Translation, interpolation, times: vec![1.0, 2.0, 4.0], values }
    }

    #[test]
    fn between_two_times_each_interpolation_does_what_it_says() {
        let step = track(Interpolation::Step, &[1.0, 3.0, 7.0]);
        assert_eq!([0.0, 1.9, 2.0, 9.0].map(|t| step.at(t).x), [1.0, 1.0, 3.0, 7.0]);
        let linear = track(Interpolation::Linear, &[1.0, 3.0, 7.0]);
        assert_eq!([0.0, 1.5, 3.0, 9.0].map(|t| linear.at(t).x), [1.0, 2.0, 5.0, 7.0]);
        // Tangents of 2 at every point: the straight line through (1, 1), (2, 3), (4, 7).
        let cubic = track(Interpolation::CubicSpline, &[2.0, 1.0, 2.0, 2.0, 3.0, 2.0, 2.0, 7.0, 2.0]);
        for (t, v) in [(1.0, 1.0), (1.25, 1.5), (3.0, 5.0), (4.0, 7.0)] {
            assert!((cubic.at(t).x - v).abs() < 1e-5, "{t}: {}", cubic.at(t).x);
        }
    }

    #[test]
    fn rotations_take_the_short_way_round() {
        let half = Quat::from_rotation_y(1.0);
        let t = Track {
            moved: 0,
            property: Property::Rotation,
            interpolation: Interpolation::Linear,
            times: vec![0.0, 1.0],
            values: vec![Quat::IDENTITY.into(), (-half).into()],
        };
        let middle = Quat::from_vec4(t.at(0.5));
        assert!(middle.angle_between(Quat::from_rotation_y(0.5)) < 1e-3, "{middle}");
    }
}
