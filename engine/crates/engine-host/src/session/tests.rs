use super::*;
use read::{MOST_HELD, Sessions};
use std::os::unix::fs::PermissionsExt as _;

type Items<'a> = &'a [(&'a str, &'a str, &'a [u8])];

/// Writes a session of these frames, in which the items come in the given order.
fn session(path: &Path, frames: &[Items<'_>]) {
    let mut s = Session::create(path, "a test").unwrap();
    for (n, items) in frames.iter().enumerate() {
        for (cell, resource, bytes) in *items {
            s.add(usize::from(cell.as_bytes()[0]), cell, resource, n as u64, bytes);
        }
        s.end_frame(n as u64);
    }
    s.finish().unwrap();
}

fn difference(a: &[Items<'_>], b: &[Items<'_>]) -> (u64, Option<String>) {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (dir.path().join("A"), dir.path().join("B"));
    session(&one, a);
    session(&other, b);
    let compared = compare(&one, &other).unwrap();
    assert_eq!(compared.notes, Vec::<String>::new());
    let text = compared.difference.map(|d| d.replace(&format!("{}/", dir.path().display()), ""));
    (compared.frames, text)
}

#[test]
fn equal_runs_are_equal_whatever_the_order_in_which_turns_returned() {
    let (x, y) = (("a", "x", &[1, 2, 3][..]), ("b", "y", &[4][..]));
    let one: [Items<'_>; 2] = [&[x, y], &[y, x]];
    let other: [Items<'_>; 2] = [&[y, x], &[x, y]];
    assert_eq!(difference(&one, &other), (2, None));
}

#[test]
fn names_are_put_in_order_by_their_text_and_not_by_which_came_first() {
    let (a, b) =
        ([("a", "x", &[1][..]), ("a", "same", &[2][..])], [("b", "same", &[3][..]), ("b", "y", &[4][..])]);
    let one = [a, b].concat();
    let other = [b, a].concat();
    assert_eq!(difference(&[&one], &[&other]), (1, None));
}

#[test]
fn a_frame_has_the_hash_of_all_that_was_made_up_to_it() {
    let hash = |frames: &[Items<'_>]| {
        let dir = tempfile::tempdir().unwrap();
        session(&dir.path().join("S"), frames);
        let compared = compare(&dir.path().join("S"), &dir.path().join("S")).unwrap();
        (compared.frames, compared.hash)
    };
    let (x, y) = (("a", "x", &[1, 2, 3][..]), ("b", "y", &[4][..]));
    let of: [&[Items<'_>]; 5] =
        [&[&[x, y], &[x]], &[&[x], &[x, y]], &[&[x, y]], &[&[x, y], &[]], &[&[y, x], &[x]]];
    let hashes = of.map(hash);
    assert_eq!(hashes.map(|h| h.0), [2, 2, 1, 2, 2]);
    assert_eq!(hashes[0], hashes[4], "turns return in any order");
    assert!((1..4).all(|n| hashes[n].1 != hashes[0].1) && hashes[2].1 != hashes[3].1, "{hashes:?}");
}

#[test]
fn the_first_byte_is_found_in_its_frame_cell_and_resource() {
    let mut large = vec![7; 1000];
    let frames = |large: &[u8]| [vec![9; 1000], vec![9; 1000], large.to_vec()];
    let before = frames(&large);
    large[777] = 8;
    let after = frames(&large);
    let of = |frames: &[Vec<u8>; 3]| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("S");
        let items: Vec<_> = frames.iter().map(|f| [("a", "x", &f[..]), ("b", "y", &[0][..])]).collect();
        session(&path, &items.iter().map(|i| &i[..]).collect::<Vec<_>>());
        (dir, path)
    };
    let ((_one, a), (_other, b)) = (of(&before), of(&after));
    let found = compare(&a, &b).unwrap();
    assert_eq!(found.frames, 2);
    let text = "frame 2: the cell `a` differs in `x` at byte 777: 0x07 and 0x08";
    assert_eq!(found.difference.as_deref(), Some(text));
    assert_eq!(compare(&a, &a).unwrap().difference, None);
}

#[test]
fn what_is_in_one_only_is_named() {
    let (x, y) = (("a", "x", &[1, 2][..]), ("b", "y", &[4][..]));
    let longer = ("a", "x", &[1, 2, 3][..]);
    let has = |a: &[Items<'_>], b: &[Items<'_>]| difference(a, b).1.unwrap();
    assert_eq!(has(&[&[x, y]], &[&[x]]), "frame 0: only in A the cell `b` made `y`");
    assert_eq!(has(&[&[y]], &[&[x, y]]), "frame 0: only in B the cell `a` made `x`");
    assert_eq!(has(&[&[x]], &[&[x], &[]]), "A ends before frame 1, B goes on");
    assert!(has(&[&[x]], &[&[longer]]).ends_with("it has 2 bytes and 3, the same as far as both go"));
}

#[test]
fn a_session_that_is_cut_off_is_read_as_far_as_it_goes_and_others_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("S");
    session(&path, &[&[("a", "x", &[1; 100])], &[("a", "x", &[2; 100])]]);
    let bytes = std::fs::read(&path).unwrap();
    let (mut refused, mut cut_frames) = (0, std::collections::BTreeSet::new());
    for len in 0..bytes.len() {
        let Ok(mut read) = Sessions::new(&bytes[..len], MOST_HELD) else {
            refused += 1;
            continue;
        };
        let mut frames = 0;
        while read.next().unwrap().is_some() {
            frames += 1;
        }
        assert!(!read.ended, "{len}");
        cut_frames.insert(frames);
    }
    assert_eq!((refused, Vec::from_iter(cut_frames)), (22, vec![0, 1, 2]));
    for at in 0..bytes.len() {
        let mut other = bytes.clone();
        other[at] ^= 0x81;
        // It is refused, or read as another session; never a panic.
        if let Ok(mut read) = Sessions::new(&other[..], 1 << 20) {
            while let Ok(Some(_)) = read.next() {}
        }
    }
    assert!(matches!(Sessions::new(&b"nothing at all"[..], MOST_HELD), Err(read::SessionError::NotSession)));
}

#[test]
fn mail_is_kept_with_nothing_before_it_and_made_up_receivers_cost_no_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("S");
    let mut s = Session::create(&path, "a test").unwrap();
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "nobody else may read it");
    for n in 0..MOST_RECEIVERS + 10 {
        s.add_mail(0, "a", &format!("nobody {n}"), 0, &[1; 100]);
        s.add_mail(0, "a", "b", 0, &[n as u8; 3]);
    }
    s.end_frame(0);
    assert!(s.last.is_empty() && s.names.len() == MOST_RECEIVERS + 2, "{} names", s.names.len());
    s.finish().unwrap();
    let mut read = Sessions::open(&path).unwrap();
    let frame = read.next().unwrap().unwrap();
    assert_eq!(frame.items.len(), 2 * (MOST_RECEIVERS + 10));
    let to = |name: &str| frame.items.iter().filter(|i| i.resource == format!("its mail to {name}")).count();
    assert_eq!((to("nobody 0"), to("nobody 4095"), to("others"), to("b")), (1, 0, 11, MOST_RECEIVERS + 10));
    assert!(frame.items.iter().all(|i| matches!(i.bytes.as_ref().map(Vec::len), Some(3 | 100))));
}

#[test]
fn a_file_cannot_say_that_there_is_more_than_any_world_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("S");
    let zeros = vec![0; 1000];
    session(&path, &[&[("a", "x", &zeros), ("a", "y", &zeros)], &[("a", "x", &zeros), ("b", "x", &zeros)]]);
    let bytes = std::fs::read(&path).unwrap();
    for (most, frames) in [(1999, 0), (2999, 1), (3000, 2)] {
        let mut read = Sessions::new(&bytes[..], most).unwrap();
        let good = (0..2).take_while(|_| read.next().is_ok()).count();
        assert_eq!(good, frames, "{most}");
    }
}
