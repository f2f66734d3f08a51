pub struct NotSent;

#[cell::service]
pub mod button_service {
    fn press(what: super::NotSent) -> u32;
}

fn main() {}
