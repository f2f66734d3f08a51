use cell::prelude::*;

#[cell::service]
pub mod button_service {
    /// Presses a button.
    fn press(id: String, times: u32) -> Result<u32, String>;
    /// Releases all.
    fn release();
}

signal_receptor! { name: button_v1 }

#[derive(Default)]
struct Button;

impl Cell for Button {}

#[cell::service(button_service)]
impl Button {
    #[cell::handler]
    fn press(&mut self, _id: String, times: u64) -> Result<u32, String> {
        Ok(times as u32)
    }
    #[cell::handler]
    fn release(&mut self) -> u32 {
        7
    }
}

cell::export!(Button);

fn main() {}
