//! A glowing ring over the scene.
use cell::prelude::*;

signal_receptor! {
    name: template_v1, shader: "template.wgsl",
    params: {
        color: Vec3 = [1.0, 0.6, 0.2],      // linear light; above 1 it glows through the bloom cell
        speed: f32 = 1.0,                   // waves per second
        radius: f32 = 0.3,                  // in heights of the picture
    },
    output: TemplateWrites { scene_color: Screen<Rgba16Float, 1, 1> },
}

/// Its state: what it keeps from tick to tick. This cell keeps nothing.
#[derive(Default)]
struct Template;

impl Cell for Template {
    /// Says what the GPU does in each frame: runs `ring` for every pixel and adds the result to the scene.
    fn passes(&self, p: &mut Passes<template_v1>) {
        p.full("ring").add(scene_color);
    }
}

cell::export!(Template);
