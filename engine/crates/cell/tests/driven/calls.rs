//! What a cell says to its host: mail, log lines, requests.
use super::*;
use cell::testing::Request;

#[test]
fn mail_comes_in_and_goes_out_and_a_full_outbox_says_so() {
    let mut cell = probe("mail");
    cell.mail("a", b"1");
    cell.mail("b", b"2");
    cell.tick().unwrap();
    assert_eq!(cell.told().sent, [("echo".to_owned(), b"a1b2".to_vec())]);
    for (status, says) in [
        (Status::OUTBOX_FULL, "the outbox is full"),
        (Status::NOT_FOUND, "no cell called `echo`"),
        (Status::CANCELLED, "was replaced"),
        (Status::QUOTA, "0 bytes is too large"),
    ] {
        cell.refuse(Some(status));
        cell.tick().unwrap();
        assert!(cell.told().log.last().unwrap().message.contains(says), "{says}");
    }
}

#[test]
fn events_land_in_the_log_with_level_target_and_fields() {
    let mut cell = probe("log");
    cell.tick().unwrap();
    {
        let told = cell.told();
        let [logged] = told.log.as_slice() else { panic!("{:?}", told.log) };
        assert_eq!((logged.level, logged.target.as_str()), (cell::tracing::Level::INFO, "driven"));
        assert_eq!(logged.message, "ready frame=0 what=\"tea\"");
    }
    cell.log_up_to(cell::tracing::Level::TRACE);
    cell.tick().unwrap();
    assert_eq!(cell.told().log.len(), 3);
}

#[test]
fn requests_reach_the_host() {
    let mut cell = probe("requests");
    cell.input.press(Key::Escape);
    cell.tick().unwrap();
    assert_eq!(cell.told().requests, [Request::PASSES, Request::LOAD, Request::QUIT]);
}
