//! Assets: read once, read again when saved, kept as long as they are used.
use super::*;
use crate::{
    cx::{InstanceCx, Services, TurnKind},
    par::ParPool,
    sealed::SealedStore,
};
use cell_abi::Status;
use std::io::Write as _;

fn store() -> (tempfile::TempDir, AssetStore) {
    let dir = tempfile::tempdir().unwrap();
    let store = AssetStore::new(dir.path().to_owned());
    (dir, store)
}

/// Has files read again and waits for all of them; the test runner's limit is the watchdog.
fn refreshed(store: &AssetStore, paths: &[&str]) -> Vec<Refreshed> {
    paths.iter().for_each(|p| store.refresh_soon(p));
    let mut done = Vec::new();
    while done.len() < paths.len() {
        done.extend(store.take_refreshed());
        std::thread::yield_now();
    }
    done
}

#[test]
fn a_saved_file_is_read_again_and_its_version_rises_with_its_content() {
    let (dir, store) = store();
    std::fs::write(dir.path().join("a.txt"), "one").unwrap();
    let a = store.open("a.txt").unwrap();
    assert_eq!((a.bytes(), a.version), (&b"one"[..], 1));
    let (same, changed) = refreshed(&store, &["a.txt"]).remove(0).read.unwrap();
    assert!(!changed, "the same content is no change");
    assert!(Arc::ptr_eq(&same.memory, &a.memory));
    std::fs::write(dir.path().join("a.txt"), "two").unwrap();
    let (b, changed) = refreshed(&store, &["a.txt"]).remove(0).read.unwrap();
    assert!(changed);
    assert_eq!((b.bytes(), b.version), (&b"two"[..], 2));
    assert!(Arc::ptr_eq(&store.open("a.txt").unwrap().memory, &b.memory), "who opens it gets the newest");
    assert_eq!(a.bytes(), b"one", "a holder keeps the old bytes");
    std::fs::remove_file(dir.path().join("a.txt")).unwrap();
    assert!(matches!(refreshed(&store, &["a.txt"]).remove(0).read, Err(AssetError::Read { .. })));
    assert_eq!(store.open("a.txt").unwrap().bytes(), b"two", "a file that is gone changes nothing");
}

#[test]
fn a_content_that_nobody_uses_is_freed() {
    let (dir, store) = store();
    std::fs::write(dir.path().join("a.txt"), "one").unwrap();
    let a = store.open("a.txt").unwrap();
    let (first, b) = (Arc::downgrade(&a.memory), store.open("a.txt").unwrap());
    drop(a);
    assert!(first.upgrade().is_some(), "somebody uses it");
    drop(b);
    assert!(first.upgrade().is_none());
    assert_eq!(store.open("a.txt").unwrap().version, 1, "the same content has the same version");
    std::fs::write(dir.path().join("a.txt"), "two").unwrap();
    assert_eq!(store.open("a.txt").unwrap().version, 2);
}

#[test]
fn a_missing_file_can_be_had_once_it_is_there() {
    let (dir, store) = store();
    assert!(matches!(store.open("late.txt"), Err(AssetError::Read { .. })));
    assert!(matches!(refreshed(&store, &["late.txt"]).remove(0).read, Err(AssetError::Read { .. })));
    assert_eq!(store.0.known.lock().unwrap().len(), 0, "of a name that names nothing nothing is kept");
    std::fs::write(dir.path().join("late.txt"), "here").unwrap();
    let (asset, changed) = refreshed(&store, &["late.txt"]).remove(0).read.unwrap();
    assert!(changed && asset.bytes() == b"here");
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    assert!(matches!(store.open("folder"), Err(AssetError::NoFile { .. })));
}

#[test]
fn who_waits_for_one_file_keeps_nobody_from_another() {
    let (dir, store) = store();
    std::fs::write(dir.path().join("a.txt"), "a").unwrap();
    std::fs::write(dir.path().join("slow.txt"), "slow").unwrap();
    // The reader of `slow.txt` is held up for as long as this test wants.
    let slow = store.0.known("slow.txt").unwrap();
    let reading = slow.lock().unwrap();
    std::thread::scope(|s| {
        let waiting = s.spawn(|| store.open("slow.txt").unwrap());
        assert_eq!(store.open("a.txt").unwrap().bytes(), b"a");
        store.refresh_soon("a.txt");
        assert!(!waiting.is_finished());
        drop(reading);
        assert_eq!(waiting.join().unwrap().bytes(), b"slow");
    });
}

#[test]
fn many_readers_of_one_file_share_one_memory() {
    let (dir, store) = store();
    std::fs::File::create(dir.path().join("big")).unwrap().write_all(&[7; 1 << 20]).unwrap();
    let assets: Vec<Asset> = std::thread::scope(|s| {
        let readers: Vec<_> = (0..8).map(|_| s.spawn(|| store.open("big").unwrap())).collect();
        readers.into_iter().map(|r| r.join().unwrap()).collect()
    });
    assert!(assets.iter().all(|a| Arc::ptr_eq(&a.memory, &assets[0].memory)));
}

#[test]
fn paths_stay_inside_the_folder() {
    let store = AssetStore::new(PathBuf::from("assets"));
    for bad in ["../secret", "/etc/passwd", "a/../../b", ""] {
        assert!(matches!(store.resolve(bad), Err(AssetError::Outside(_))), "{bad}");
        assert!(matches!(store.open(bad), Err(AssetError::Outside(_))), "{bad}");
    }
}

#[test]
fn an_instance_lets_go_of_old_content_when_its_next_load_has_ended() {
    let (dir, assets) = store();
    let (a, b) = (dir.path().join("a.txt"), dir.path().join("b.txt"));
    std::fs::write(&a, "one").unwrap();
    std::fs::write(&b, "b").unwrap();
    let services = Services { pool: ParPool::without_threads(), assets, sealed: SealedStore::default() };
    let services = Arc::new(services);
    let cx = InstanceCx::new("reader".into(), Arc::clone(&services));
    let paths = || cx.io().assets.iter().map(|(p, a)| (p.to_string(), a.is_some())).collect::<Vec<_>>();

    cx.io().begin(TurnKind::Load);
    let first = Arc::downgrade(&cx.asset("a.txt").unwrap().memory);
    let other = Arc::downgrade(&cx.asset("b.txt").unwrap().memory);
    assert!(cx.asset("late.txt").is_err());
    cx.io().end_load(Status::OK);
    assert_eq!(paths(), [("a.txt".into(), true), ("b.txt".into(), true), ("late.txt".into(), false)]);

    std::fs::write(&a, "two").unwrap();
    let (second, _) = refreshed(&services.assets, &["a.txt"]).remove(0).read.unwrap();
    let newest = Arc::downgrade(&second.memory);
    cx.expect_asset("a.txt", second);
    assert!(first.upgrade().is_some() && newest.upgrade().is_some(), "a load may still read the old one");

    cx.io().begin(TurnKind::Load);
    assert_eq!(cx.asset("a.txt").unwrap().bytes(), b"two");
    cx.io().end_load(Status::FAILED);
    assert_eq!(paths().len(), 3, "after a load that failed all is still watched: {:?}", paths());

    cx.io().begin(TurnKind::Load);
    assert_eq!(cx.asset("a.txt").unwrap().bytes(), b"two");
    cx.io().end_load(Status::OK);
    assert_eq!(paths(), [("a.txt".into(), true)]);
    assert!(first.upgrade().is_none() && other.upgrade().is_none(), "what nobody uses is freed");
    assert!(newest.upgrade().is_some());
    drop(cx);
    assert!(newest.upgrade().is_none(), "also the newest, with its last reader");
}
