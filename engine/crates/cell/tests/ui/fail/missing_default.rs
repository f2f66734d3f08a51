use cell::prelude::*;

signal_receptor! { name: demo_v1, output: Writes { picture: Backbuffer } }

struct Demo;

impl Cell for Demo {}

cell::export!(Demo, rate: Often);

fn main() {}
