use cell::prelude::*;

#[cell::service]
pub mod button_service {
    /// Presses a button.
    fn press(_id: String, times: u32) -> Result<u32, String>;
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
    fn press(id: String, times: u32) -> Result<u32, String> {
        Ok(times)
    }
    #[cell::handler]
    async fn release(&mut self) {}
    #[cell::handler]
    fn release(&mut self) {}
    #[cell::handler]
    fn push<T>(&mut self, _: T) {}
}

#[cell::service]
impl Button {}

cell::export!(Button);

fn main() {}
