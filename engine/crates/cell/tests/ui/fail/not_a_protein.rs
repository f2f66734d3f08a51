use cell::{Protein, Save};

struct Grid(Vec<f32>);

#[derive(Protein)]
struct Body {
    at: [f32; 3],
    grid: Option<Grid>,
}

#[derive(Default, Save)]
struct Physics {
    near: std::collections::HashMap<u32, usize>,
    #[save(skipped)]
    time: f32,
}

fn main() {}
