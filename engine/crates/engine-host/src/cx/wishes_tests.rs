//! What an instance may have sealed and opened, and what it is told when that is not enough.
use super::*;
use crate::{
    assets::AssetStore,
    cx::{Rights, Services},
    par::ParPool,
    sealed::SealedStore,
};
use cell_abi::SealKind;

/// An instance that may have `sealed_bytes` sealed, in a load, and the folder of its assets.
fn in_load(sealed_bytes: u64) -> (tempfile::TempDir, Arc<InstanceCx>) {
    let dir = tempfile::tempdir().unwrap();
    let services = Services {
        pool: ParPool::without_threads(),
        assets: AssetStore::new(dir.path().to_owned()),
        sealed: SealedStore::default(),
    };
    let rights = Rights { sealed_bytes, ..Rights::default() };
    let cx = InstanceCx::with_rights("test".into(), Arc::new(services), rights);
    cx.io().begin(TurnKind::Load);
    (dir, cx)
}

const BUFFER: SealDesc = SealDesc {
    size: size_of::<SealDesc>() as u32,
    kind: SealKind::BUFFER,
    format: 0,
    width: 0,
    height: 0,
    mips: 0,
};

fn failure(cx: &InstanceCx) -> String {
    cx.io().failure.take().unwrap()
}

#[test]
fn small_resources_count_a_page_and_there_is_a_most_of_them() {
    let (_dir, cx) = in_load(3 * PAGE);
    for n in 0..3_u8 {
        cx.seal(BUFFER, &[n]).unwrap();
    }
    assert_eq!(cx.seal(BUFFER, &[3]), Err(Status::QUOTA));
    let why = failure(&cx);
    assert!(why.contains("has 12288 bytes") && why.contains("shared_mib"), "{why}");

    let (_dir, cx) = in_load(u64::MAX);
    for n in 0..MOST_SEALED {
        cx.seal(BUFFER, &n.to_le_bytes()).unwrap();
    }
    assert_eq!(cx.seal(BUFFER, &[7; 9]), Err(Status::QUOTA));
    assert!(failure(&cx).contains("4096 resources"));
    assert_eq!(cx.may_seal(u64::MAX), Err(Status::QUOTA));
}

#[test]
fn only_a_load_seals_and_opens() {
    let (_dir, cx) = in_load(1 << 20);
    for kind in [TurnKind::None, TurnKind::Tick, TurnKind::Passes, TurnKind::Save, TurnKind::Restore] {
        cx.io().begin(kind);
        assert_eq!(cx.seal(BUFFER, &[1]), Err(Status::NOT_NOW), "{kind:?}");
        let memfd = Memfd::create("test", 1).unwrap();
        assert_eq!(cx.seal_memfd(BUFFER, &memfd, 1), Err(Status::NOT_NOW), "{kind:?}");
        assert!(matches!(cx.asset("a"), Err(Status::NOT_NOW)), "{kind:?}");
    }
}

#[test]
fn memory_that_became_nothing_counts_for_ever() {
    let (_dir, cx) = in_load(4 * PAGE);
    let memfd = Memfd::create("test", 4096).unwrap();
    memfd.seal_size().unwrap();
    let held = engine_sys::MapRw::new(&memfd).unwrap();
    assert_eq!(cx.seal_memfd(BUFFER, &memfd, 4096), Err(Status::INVALID), "it can still be written");
    drop(held);
    cx.waste(2 * PAGE);
    cx.io().end_load(Status::OK);
    cx.io().begin(TurnKind::Load);
    cx.seal(BUFFER, &[1]).unwrap();
    assert_eq!(cx.seal(BUFFER, &[2]), Err(Status::QUOTA));
}

#[test]
fn loads_that_fail_do_not_add_up() {
    let (_dir, cx) = in_load(PAGE);
    cx.seal(BUFFER, &[0]).unwrap();
    cx.io().end_load(Status::OK);
    let good = cx.io().sealed[0].id;
    let mut last = good;
    for n in 1..4_u8 {
        cx.io().begin(TurnKind::Load);
        last = cx.seal(BUFFER, &[n]).unwrap();
        cx.io().end_load(Status::FAILED);
        let ids: Vec<u64> = cx.io().sealed.iter().map(|s| s.id).collect();
        assert_eq!(ids, [good, last], "what it draws, and what the newest load made");
    }
    cx.io().begin(TurnKind::Load);
    assert_eq!(cx.seal(BUFFER, &[3]), Ok(last));
    cx.io().end_load(Status::OK);
    assert_eq!(cx.io().sealed.len(), 1);
}

#[test]
fn paths_are_short_and_a_load_asks_for_so_many() {
    let (dir, cx) = in_load(0);
    std::fs::write(dir.path().join("a.txt"), "a").unwrap();
    assert!(matches!(cx.asset(&"a".repeat(LONGEST_PATH + 1)), Err(Status::QUOTA)));
    assert!(failure(&cx).contains("1025 bytes"));
    assert!(matches!(cx.asset(&"a".repeat(LONGEST_PATH)), Err(Status::NOT_FOUND)));
    assert!(cx.asset("a.txt").is_ok());
    let load = |prefix: &str| (0..MOST_ASSETS).map(|n| cx.asset(&format!("{prefix}{n}"))).collect::<Vec<_>>();
    let asked = load("one ");
    assert!(asked[..MOST_ASSETS - 2].iter().all(|a| matches!(a, Err(Status::NOT_FOUND))));
    assert!(asked[MOST_ASSETS - 2..].iter().all(|a| matches!(a, Err(Status::QUOTA))));
    assert!(failure(&cx).contains("4096 assets"));
    assert!(cx.asset("a.txt").is_ok(), "one of them can be had again");
    cx.io().end_load(Status::FAILED);
    cx.io().begin(TurnKind::Load);
    load("two ");
    cx.io().end_load(Status::FAILED);
    assert_eq!(cx.io().assets.len(), MOST_ASSETS, "what is watched does not grow with each load that fails");
}
