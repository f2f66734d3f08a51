//! A cell that calls another: what the tests of calls run. `does` names what it does; the tests read its log.
use button_api::{ButtonState, NoSuchButton, Pressed, button_service};
use cell::{Call, prelude::*};

signal_receptor! {
    name: panel_v1,
    params: { does: Text = "", calls: Text = "button", listens: bool = false },
}

#[derive(Default)]
struct Panel {
    asked: Option<Call<ButtonState, NoSuchButton>>,
    pressed: Option<Signals<Pressed>>,
}

impl Panel {
    /// Presses three times, one after the other, and looks at what came of it.
    async fn press(cx: TaskCx<Self>, cell: String) -> Result<(), CallError<NoSuchButton>> {
        let button = cx.synapse::<button_service::Client>(&cell);
        for _ in 0..3 {
            let count = button.press("start").await?;
            info!("in frame {} it was pressed {count} times", cx.frame());
        }
        let other = button.press_other("button", "start").await?;
        info!("in frame {} it was pressed {other} times", cx.frame());
        let state = button.get_state("start").await?;
        info!("in frame {} it is {state:?}", cx.frame());
        button.get_state("stop").await?;
        Ok(())
    }

    /// Logs what it is told by others.
    fn listen(&mut self, cx: &Cx<panel_v1>) {
        if self.pressed.is_none() {
            self.pressed = cx.subscribe().map_err(|e| warn!("{e}")).ok();
        }
        while let Some(pressed) = self.pressed.as_mut().and_then(Signals::take) {
            info!("in frame {} it hears {pressed:?}", cx.frame());
        }
    }

    /// Logs an answer when it comes.
    fn say<T, E>(cx: &Cx<panel_v1>, call: Call<T, E>)
    where
        T: std::fmt::Debug + Send + 'static,
        E: std::fmt::Debug + Send + 'static,
    {
        cx.spawn(async move |cx: TaskCx<Self>| match call.await {
            Ok(answer) => info!("in frame {} the answer is {answer:?}", cx.frame()),
            Err(e) => info!("in frame {}: {e}", cx.frame()),
        });
    }
}

impl Cell for Panel {
    fn tick(&mut self, cx: &mut Cx<panel_v1>) {
        let (calls, frame) = (cx.params().calls.clone(), cx.frame().0);
        let button = cx.synapse::<button_service::Client>(&calls);
        match (cx.params().does.as_str(), frame) {
            ("presses", 1) => cx.spawn(async move |cx: TaskCx<Self>| {
                if let Err(e) = Self::press(cx.clone(), calls).await {
                    info!("in frame {} it ends: {e}", cx.frame());
                }
            }),
            ("asks in ticks", _) => {
                let asked = self.asked.get_or_insert_with(|| button.get_state("start"));
                if let Some(answer) = asked.answer() {
                    info!("in frame {frame} the answer is {answer:?}");
                    self.asked = None;
                }
            }
            ("waits", 1) => Self::say(cx, button.within(5).wait()),
            ("lets it panic", 1) => {
                Self::say(cx, button.wait());
                Self::say(cx, button.fail("panic"));
            }
            ("lets it abort", 1) => {
                Self::say(cx, button.wait());
                Self::say(cx, button.fail("abort"));
            }
            ("lets it panic" | "lets it abort", 120) => Self::say(cx, button.get_state("start")),
            ("fills its mailbox", 0) => {
                for n in 0..1024_u32 {
                    if let Err(e) = cx.send(&calls, &n.to_le_bytes()) {
                        warn!("message {n} was not sent: {e}");
                    }
                }
            }
            ("fills its mailbox", 1) => Self::say(cx, button.get_state("start")),
            ("fills its outbox", 1) => {
                let all: Vec<_> = (0..1026).map(|_| button.get_state("start")).collect();
                all.into_iter().skip(1023).for_each(|call| Self::say(cx, call));
            }
            _ => {}
        }
        if cx.params().listens {
            self.listen(cx);
        }
    }
}

cell::export!(Panel);
