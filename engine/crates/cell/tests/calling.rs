//! Calls between two cells, with a test in place of an engine.
#![allow(clippy::unwrap_used, reason = "tests")]

use cell::{
    prelude::*,
    testing::{Status, TestCell},
};
use cell_abi::{CallStatus, MessageHead, MessageKind};

/// What an api crate holds.
mod api {
    #![allow(unreachable_pub, reason = "in a crate of its own it is reachable")]
    #![deny(warnings, missing_docs, clippy::all, clippy::pedantic)]
    use cell::Protein;

    /// How a button is.
    #[derive(Clone, Debug, PartialEq, Protein)]
    pub struct ButtonState {
        /// Its name.
        pub id: String,
        /// How often it was pressed.
        pub count: u32,
    }

    /// There is no such button.
    #[derive(Clone, Debug, PartialEq, Protein)]
    pub struct NoSuchButton {
        /// Which was wanted.
        pub id: String,
    }

    /// Buttons that can be pressed.
    #[cell::service]
    pub mod button_service {
        use super::{ButtonState, NoSuchButton};

        /// Returns how a button is.
        fn get_state(id: String) -> Result<ButtonState, NoSuchButton>;
        /// Presses a button.
        fn press(id: String);
        /// Returns the sum, some turns later.
        fn sum_later(a: u32, b: u32) -> u32;
        /// Returns as many bytes.
        fn fill(bytes: u32) -> Vec<u8>;
    }

    /// The same interface in another time.
    pub mod later {
        use cell::Protein;

        /// Another form.
        #[derive(Clone, Debug, PartialEq, Protein)]
        pub struct ButtonState {
            /// Its name.
            pub id: String,
            /// Its type has changed.
            pub count: u64,
        }

        /// Buttons that can be pressed.
        #[cell::service]
        pub mod button_service {
            use super::{super::NoSuchButton, ButtonState};

            /// Returns how a button is.
            fn get_state(id: String) -> Result<ButtonState, NoSuchButton>;
            /// Presses a button.
            fn press(id: String);
            /// Is new.
            fn release(id: String) -> Option<super::ButtonState>;
        }
    }
}
use api::{ButtonState, NoSuchButton, button_service, later};

signal_receptor! { name: desk_v1, params: { does: Text = "" } }

/// Serves buttons, and asks another desk as the test wants.
#[derive(Default)]
struct Desk {
    presses: u32,
    asked: Option<cell::Call<ButtonState, NoSuchButton>>,
    of_task: Option<TaskCx<Self>>,
}

#[cell::service(button_service)]
impl Desk {
    #[cell::handler]
    fn get_state(&self, id: String) -> Result<ButtonState, NoSuchButton> {
        if id == "start" { Ok(ButtonState { id, count: self.presses }) } else { Err(NoSuchButton { id }) }
    }

    #[cell::handler]
    fn press(&mut self, cx: &mut Cx<desk_v1>, id: String) {
        self.presses += 1;
        info!("frame {}: {id} is pressed, {} now", cx.frame(), self.presses);
    }

    #[cell::handler]
    async fn sum_later(cx: TaskCx<Self>, a: u32, b: u32) -> u32 {
        // Asks itself, which takes two frames.
        let own = cx.synapse::<button_service::Client>("serves");
        let state = own.get_state("start").await.unwrap();
        a + b + 100 * state.count
    }

    #[cell::handler]
    fn fill(&mut self, bytes: u32) -> Vec<u8> {
        vec![7; bytes as usize]
    }
}

impl Cell for Desk {
    fn tick(&mut self, cx: &mut Cx<desk_v1>) {
        for mail in cx.mail() {
            info!("mail of {}: {:?}", mail.from, mail.bytes);
        }
        let does = cx.params().does.clone();
        let first = cx.params_changed();
        let (now, next) = (cx.synapse::<button_service::Client>("serves"), later(cx));
        match &*does {
            "asks in ticks" => {
                if first {
                    self.asked = Some(now.get_state("start"));
                }
                if let Some(answer) = self.asked.as_mut().and_then(cell::Call::answer) {
                    info!("frame {}: {answer:?}", cx.frame());
                }
            }
            "asks for nothing there" if first => say(cx, now.get_state("stop")),
            "asks for a sum" if first => say(cx, now.sum_later(3, 4)),
            "asks for much" if first => say(cx, now.fill(100_000)),
            "asks in another form" if first => say(cx, next.get_state("start")),
            "asks for what is new" if first => say(cx, next.release("start")),
            "presses in both forms" if first => {
                say(cx, now.press("old"));
                say(cx, next.press("new"));
            }
            "presses in a task" if first => cx.spawn(async |cx: TaskCx<Self>| {
                let button = cx.synapse::<button_service::Client>("serves");
                for _ in 0..3 {
                    button.press("start").await.unwrap();
                }
                let state = button.get_state("start").await.unwrap();
                let frame = cx.frame();
                cx.state(|desk| desk.presses = 1000 + state.count);
                info!("frame {frame}: done");
            }),
            "reaches its state twice" if first => {
                cx.spawn(async |cx: TaskCx<Self>| cx.state(|_| cx.state(|_| ())));
            }
            "two at once" if first => cx.spawn(async |cx: TaskCx<Self>| {
                let button = cx.synapse::<button_service::Client>("serves");
                let (a, b) = (button.sum_later(1, 1), button.sum_later(2, 2));
                let sum = a.await.unwrap() + b.await.unwrap();
                info!("frame {}: {sum}", cx.frame());
            }),
            "asks in a loop" if first => {
                let mut said = vec![String::new(); 4];
                cx.par_for(&mut said, 1, |_, said| {
                    *said = format!("{:?}", now.get_state("start").answer().unwrap().unwrap_err());
                });
                assert!(said.iter().all(|said| said.starts_with("NotInATurn")), "{said:?}");
                say(cx, now.get_state("start"));
            }
            "spawns in a loop" if first => cx.spawn(async |cx: TaskCx<Self>| {
                cx.state(|desk| desk.of_task = Some(cx.clone()));
            }),
            "spawns in a loop" => {
                let Some(task) = self.of_task.take() else { return };
                cx.par_for(&mut [(); 1], 1, |_, ()| task.spawn(async |_| ()));
            }
            "yields in a task" if first => cx.spawn(async |cx: TaskCx<Self>| {
                for _ in 0..3 {
                    info!("frame {}", cx.frame());
                    yield_once().await;
                }
            }),
            "asks and forgets" if first => drop(now.get_state("start")),
            _ => {}
        }
    }
}

/// Wakes itself and waits, as `yield_now` of other executors does.
async fn yield_once() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut yielded, true) {
            return std::task::Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        std::task::Poll::Pending
    })
    .await;
}

fn later(cx: &Cx<desk_v1>) -> later::button_service::Client {
    cx.synapse("serves")
}

/// Logs the answer when it comes.
fn say<T, E>(cx: &Cx<desk_v1>, call: cell::Call<T, E>)
where
    T: std::fmt::Debug + Send + 'static,
    E: std::fmt::Debug + Send + 'static,
{
    cx.spawn(async move |cx: TaskCx<Desk>| match call.await {
        Ok(answer) => info!("frame {}: {answer:?}", cx.frame()),
        Err(e) => info!("frame {}: {e}", cx.frame()),
    });
}

cell::export!(Desk);

/// A desk that asks and one that serves; the test carries their mail.
struct Both {
    asks: TestCell<Desk>,
    serves: TestCell<Desk>,
}

impl Both {
    fn new(does: &str) -> Self {
        let (mut asks, serves) = (TestCell::<Desk>::new().unwrap(), TestCell::new().unwrap());
        asks.set("does", does);
        Self { asks, serves }
    }

    /// Runs a frame of both. What they send is there in the next.
    fn frame(&mut self) {
        self.asks.tick().unwrap();
        self.serves.tick().unwrap();
        let sent = [("asks", take_sent(&self.asks)), ("serves", take_sent(&self.serves))];
        for (from, mail) in sent {
            for (to, bytes) in mail {
                match &*to {
                    "asks" => self.asks.mail(from, &bytes),
                    "serves" => self.serves.mail(from, &bytes),
                    other => panic!("nobody is called {other}"),
                }
            }
        }
    }

    /// Runs some frames; returns what both said.
    fn run(&mut self, frames: u32) -> [Vec<String>; 2] {
        (0..frames).for_each(|_| self.frame());
        [said(&self.asks), said(&self.serves)]
    }
}

fn take_sent(cell: &TestCell<Desk>) -> Vec<(String, Vec<u8>)> {
    std::mem::take(&mut cell.told().sent)
}

fn said(cell: &TestCell<Desk>) -> Vec<String> {
    cell.told().log.drain(..).map(|l| l.message).collect()
}

fn asked(does: &str) -> Vec<String> {
    Both::new(does).run(12)[0].clone()
}

#[test]
fn an_answer_is_there_two_frames_after_the_call() {
    assert_eq!(asked("asks in ticks"), [r#"frame 2: Ok(ButtonState { id: "start", count: 0 })"#]);
}

#[test]
fn a_handlers_own_error_is_the_callers_to_match() {
    assert_eq!(
        asked("asks for nothing there"),
        [r#"frame 2: the call returned an error: NoSuchButton { id: "stop" }"#]
    );
}

#[test]
fn tasks_wait_while_their_cell_goes_on() {
    let mut both = Both::new("presses in a task");
    let [asks, serves] = both.run(12);
    let pressed =
        [(1, 1), (3, 2), (5, 3)].map(|(frame, n)| format!("frame {frame}: start is pressed, {n} now"));
    assert_eq!(serves, pressed);
    assert_eq!(asks, ["frame 8: done"], "four calls, one after the other, of two frames each");
}

#[test]
fn a_task_that_yields_goes_on_in_the_next_turn_and_does_not_hold_this_one() {
    assert_eq!(asked("yields in a task"), ["frame 0", "frame 1", "frame 2"]);
}

#[test]
fn an_async_handler_answers_when_it_is_done_and_many_wait_at_once() {
    assert_eq!(asked("asks for a sum"), ["frame 4: 7"], "two frames more: it asks somebody itself");
    assert_eq!(asked("two at once"), ["frame 4: 6"], "both are under way together");
}

#[test]
fn a_function_in_another_form_is_refused_unread_and_both_forms_are_named() {
    let [now, new] = [button_service::routes::GET_STATE, later::button_service::routes::GET_STATE];
    assert_eq!(
        asked("asks in another form"),
        [format!(
            "frame 2: `get_state` of `serves` has drifted: it is {} here and {} there; build both against the same \
             interface",
            new.fingerprint, now.fingerprint
        )]
    );
    let release = later::button_service::routes::RELEASE.fingerprint;
    assert_eq!(
        asked("asks for what is new"),
        [format!("frame 2: `serves` serves no `release`: it is {release} here")]
    );
}

#[test]
fn a_function_that_did_not_change_is_served_whatever_else_did() {
    let [asks, serves] = Both::new("presses in both forms").run(4);
    assert_eq!(asks, ["frame 2: ()", "frame 2: ()"]);
    assert_eq!(serves, ["frame 1: old is pressed, 1 now", "frame 1: new is pressed, 2 now"]);
}

#[test]
fn names_arguments_and_all_types_behind_them_make_the_fingerprint() {
    use button_service::routes::{FILL, GET_STATE, PRESS, SUM_LATER};
    let text = "rkyv-0.8 le aligned ptr32\nshape get_state\nstruct get_state\n  id String\n  \
                -> Result<ButtonState, NoSuchButton>\nstruct ButtonState\n  id String\n  count u32\n\
                struct NoSuchButton\n  id String\n";
    assert_eq!(GET_STATE.fingerprint, cell::Fingerprint::of(text.as_bytes()));
    let all = [PRESS, SUM_LATER, FILL, GET_STATE].map(|r| r.fingerprint);
    assert_eq!(std::collections::BTreeSet::from(all).len(), all.len());
    assert_eq!(PRESS, later::button_service::routes::PRESS);
}

/// Has a desk that asks get this answer in place of the true one.
fn answered(does: &str, answer: impl Fn(&mut Vec<u8>)) -> Vec<String> {
    let mut asks = TestCell::<Desk>::new().unwrap();
    asks.set("does", does);
    asks.tick().unwrap();
    let [(_, call)] = &take_sent(&asks)[..] else { panic!("one call") };
    let (head, _) = MessageHead::read(call).unwrap();
    let mut bytes = MessageHead { kind: MessageKind::ANSWER, ..head }.to_bytes().to_vec();
    answer(&mut bytes);
    asks.mail("serves", &bytes);
    asks.tick().unwrap();
    asks.tick().unwrap();
    said(&asks)
}

#[test]
fn what_the_host_answers_has_an_error_of_its_own() {
    for (status, says) in [
        (CallStatus::TIMEOUT, "was not answered in time"),
        (CallStatus::MAILBOX_FULL, "found a full mailbox: ask less often, or for more at once"),
        (
            CallStatus::CELL_RESTARTED,
            "was not answered, because the cell was restarted or has left the scene",
        ),
        (CallStatus::NO_SUCH_CELL, "was not sent: the scene has no such cell, or none that may be asked"),
        (CallStatus::TOO_MANY, "was not sent, because the outbox is full: send less in one turn"),
        (CallStatus(99), "could not be read, though both sides know the same types"),
    ] {
        let said = answered("asks for nothing there", |answer| answer[5] = status.0);
        assert_eq!(said, [format!("frame 1: the call of `get_state` of `serves` {says}")]);
    }
}

#[test]
fn garbage_in_an_answer_or_a_call_is_an_error_and_nothing_else() {
    for content in [&[0xff; 64][..], &[], &[2; 3]] {
        let said = answered("asks for nothing there", |answer| answer.extend(content));
        assert_eq!(
            said,
            [
                "frame 1: the call of `get_state` of `serves` could not be read, though both sides know the same types"
            ]
        );
    }
    let mut serves = TestCell::<Desk>::new().unwrap();
    let route = button_service::routes::GET_STATE.fingerprint.key();
    let head = MessageHead { kind: MessageKind::CALL, status: CallStatus::DONE, frames: 60, id: 3, route };
    serves.mail("hostile", &[&head.to_bytes()[..], &[0xee; 40]].concat());
    serves.mail("hostile", &MessageHead { kind: MessageKind(200), ..head }.to_bytes());
    serves.mail("hostile", &MessageHead { kind: MessageKind::ANSWER, ..head }.to_bytes());
    serves.tick().unwrap();
    let sent = take_sent(&serves);
    let heads: Vec<_> = sent.iter().map(|(to, m)| (&**to, MessageHead::read(m).unwrap().0)).collect();
    let refused =
        MessageHead { kind: MessageKind::ANSWER, status: CallStatus::UNREADABLE, frames: 0, ..head };
    assert_eq!(heads, [("hostile", refused)], "and an answer that nobody asked for says nothing");
}

#[test]
fn what_cannot_be_sent_says_why() {
    for (status, says) in [
        (Status::OUTBOX_FULL, "was not sent, because the outbox is full: send less in one turn"),
        (Status::CANCELLED, "was not sent: this instance of the cell was replaced"),
    ] {
        let mut asks = TestCell::<Desk>::new().unwrap();
        asks.set("does", "asks for nothing there");
        asks.refuse(Some(status));
        asks.tick().unwrap();
        assert_eq!(said(&asks), [format!("frame 0: the call of `get_state` of `serves` {says}")]);
    }
}

#[test]
fn a_forgotten_call_leaves_nothing_behind() {
    let mut both = Both::new("asks and forgets");
    assert_eq!(both.run(6), [vec![], vec![]] as [Vec<String>; 2]);
}

#[test]
fn nothing_goes_out_of_a_parallel_loop_and_all_does_after_it() {
    assert_eq!(asked("asks in a loop"), [r#"frame 2: ButtonState { id: "start", count: 0 }"#]);
    let mut asks = TestCell::<Desk>::new().unwrap();
    asks.set("does", "spawns in a loop");
    asks.tick().unwrap();
    let e = asks.tick().unwrap_err().to_string();
    assert!(e.contains("outside of `par_for`"), "{e}");
}

#[test]
fn two_states_at_once_are_a_panic_with_a_sentence() {
    let mut asks = TestCell::<Desk>::new().unwrap();
    asks.set("does", "reaches its state twice");
    let e = asks.tick().unwrap_err().to_string();
    assert!(e.contains("by one `state` at a time"), "{e}");
}

#[test]
fn no_two_calls_have_one_number_whichever_instance_makes_them() {
    let ids = |cell: &TestCell<Desk>| -> Vec<u64> {
        take_sent(cell).iter().map(|(_, m)| MessageHead::read(m).unwrap().0.id).collect()
    };
    let mut old = TestCell::<Desk>::new().unwrap();
    old.frame = 5;
    old.set("does", "two at once");
    old.tick().unwrap();
    // Another turn in the same frame, as cells on mail have.
    old.frame = 5;
    old.set("does", "presses in both forms");
    old.tick().unwrap();
    let mut all = ids(&old);
    let mut new = TestCell::<Desk>::new().unwrap();
    new.frame = 6;
    new.set("does", "two at once");
    new.tick().unwrap();
    all.extend(ids(&new));
    let distinct: std::collections::BTreeSet<_> = all.iter().collect();
    assert_eq!((all.len(), distinct.len()), (6, 6), "{all:?}");
}

#[test]
fn other_mail_is_the_cells_own_and_calls_are_not_in_it() {
    let mut both = Both::new("presses in both forms");
    both.frame();
    both.serves.mail("asks", b"hello");
    both.frame();
    let own = "mail of asks: [104, 101, 108, 108, 111]";
    assert_eq!(said(&both.serves), ["frame 1: old is pressed, 1 now", "frame 1: new is pressed, 2 now", own]);
}

#[test]
fn long_answers_come_whole() {
    assert_eq!(asked("asks for much"), [format!("frame 2: {:?}", [7_u8; 100_000])]);
}

/// Has a builder.
#[derive(Clone, Debug, PartialEq, Protein, Builder)]
struct Order {
    id: String,
    count: u32,
    note: Option<String>,
}

#[test]
fn a_builder_takes_fields_in_any_order_and_options_or_none() {
    let order = Order::builder().count(3).id("start").build();
    assert_eq!(order, Order { id: "start".into(), count: 3, note: None });
    let order = Order::builder().note("now").id(String::from("stop")).count(4).build();
    assert_eq!(order, Order { id: "stop".into(), count: 4, note: Some("now".into()) });
}
