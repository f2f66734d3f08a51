use cell::Save;

#[derive(Default, Save)]
struct Old {
    time: f32,
}

#[derive(Default, Save)]
#[save(from = Old)]
struct New {
    time_ms: u64,
}

#[derive(Save)]
struct NoDefault {
    time: f32,
}

fn main() {}
