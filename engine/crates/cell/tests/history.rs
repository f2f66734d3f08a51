//! `history` ports: the two newest publications of a slower owner, and where a frame lies between them.
#![allow(clippy::unwrap_used, reason = "tests")]

use cell::{prelude::*, testing::TestCell};

signal_receptor! {
    name: follower_v1,
    input: Reads { height: history Uniform<f32>, lamps: now history Buffer<f32, 4> },
    output: Writes { seen: Buffer<f32, 3>, lengths: Buffer<u32, 2>, between: Buffer<f32, 1> },
}

#[derive(Default)]
struct Follower;

impl Cell for Follower {
    fn tick(&mut self, cx: &mut Cx<follower_v1>) {
        let (height, lamps) = (cx.height(), cx.lamps());
        cx.seen().write(&[*height.previous(), *height, height.frame().map_or(-1.0, |f| f.0 as f32)]);
        cx.lengths().write(&[lamps.previous().len() as u32, lamps.len() as u32]);
        cx.between().write(&[height.previous() + height.blend() * (*height - height.previous())]);
    }
}

cell::export!(Follower);

#[test]
fn a_value_moves_smoothly_between_its_two_newest_publications() {
    let mut cell = TestCell::<Follower>::new().unwrap();
    cell.tick().unwrap();
    assert_eq!(cell.published(seen), [0.0, 0.0, -1.0], "zeros, and no frame, before the first publication");
    cell.feed(height, &[4.0]);
    cell.tick().unwrap();
    assert_eq!(cell.published(seen), [4.0, 4.0, 0.0], "one publication is its own previous");
    cell.feed(height, &[8.0]);
    for (blend, expected) in [(0.0, 4.0), (0.25, 5.0), (1.0, 8.0)] {
        cell.blend = blend;
        cell.tick().unwrap();
        assert_eq!(cell.published(seen), [4.0, 8.0, 1.0], "both stay while the owner publishes nothing");
        assert_eq!(cell.published(between), [expected]);
    }
    cell.feed(height, &[10.0]);
    cell.tick().unwrap();
    assert_eq!(cell.published(seen)[..2], [8.0, 10.0], "the newest becomes the previous");
}

#[test]
fn two_publications_of_an_array_may_differ_in_length() {
    let mut cell = TestCell::<Follower>::new().unwrap();
    for (fed, expected) in [(vec![1.0], [1, 1]), (vec![1.0, 2.0, 3.0], [1, 3]), (vec![], [3, 0])] {
        cell.feed(lamps, &fed);
        cell.tick().unwrap();
        assert_eq!(cell.published(lengths), expected);
    }
}
