//! A cell that serves an interface: what the tests of calls run. It has one button, called `start`.
use button_api::{ButtonState, NoSuchButton, Pressed, button_service};
use cell::prelude::*;

signal_receptor! { name: button_v1 }

#[derive(Default)]
struct Button {
    count: u32,
}

#[cell::service(button_service)]
impl Button {
    #[cell::handler]
    fn get_state(&self, id: String) -> Result<ButtonState, NoSuchButton> {
        if id == "start" { Ok(ButtonState { id, count: self.count }) } else { Err(NoSuchButton { id }) }
    }

    #[cell::handler]
    fn press(&mut self, cx: &mut Cx<button_v1>, id: String) -> Result<u32, NoSuchButton> {
        let pressed = self.get_state(id)?;
        self.count += 1;
        if let Err(e) = cx.emit(&Pressed { id: pressed.id, count: self.count }) {
            warn!("nobody was told: {e}");
        }
        Ok(self.count)
    }

    #[cell::handler]
    async fn press_other(cx: TaskCx<Self>, cell: String, id: String) -> Result<u32, NoSuchButton> {
        let other = cx.synapse::<button_service::Client>(&cell);
        match other.press(id).await {
            Ok(count) => Ok(count),
            Err(CallError::Handler(none)) => Err(none),
            Err(e) => {
                warn!("{e}");
                Ok(cx.state(|button| button.count))
            }
        }
    }

    #[cell::handler]
    async fn wait(_cx: TaskCx<Self>) {
        std::future::pending::<()>().await;
    }

    #[cell::handler]
    fn fail(&mut self, how: String) {
        info!("it is asked to {how}");
        assert!(how != "panic", "it was asked to panic");
        if how == "abort" {
            std::process::abort();
        }
    }
}

impl Cell for Button {}

cell::export!(Button, rate: OnMail);
