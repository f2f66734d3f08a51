//! Assets and sealing.
use super::*;
use cell_abi::SealKind;

#[test]
fn a_load_seals_and_its_errors_are_sentences() {
    let mut cell = probe("");
    cell.load().unwrap();
    {
        let told = cell.told();
        let (desc, bytes) = &told.sealed[0];
        assert_eq!(
            (desc.kind, desc.format, desc.width, desc.height, desc.mips),
            (SealKind::TEXTURE_2D, 2, 2, 2, 2)
        );
        assert_eq!(bytes, &[1, 2, 3, 4, 5]);
        let vertices: Vec<u8> =
            [1.0f32, 2.0, 3.0, 4.0].repeat(3).into_iter().flat_map(f32::to_le_bytes).collect();
        assert_eq!(told.sealed[1].1, vertices);
        assert_eq!((told.sealed[2].0.kind, told.sealed[2].1.len()), (SealKind::BUFFER, 24));
    }
    for (mode, says) in [
        ("refuse", "the moon is not full"),
        ("bad texture", "rgba8unorm texture of 4x2 pixels with 3 levels has 44 bytes, but 40 were given"),
    ] {
        let failed = probe(mode).load().unwrap_err().to_string();
        assert!(failed.contains(says), "{mode}: {failed}");
    }
    let mut cell = probe("");
    cell.set("file", "b.bin");
    let reason = "the assets folder has no file `b.bin`".to_owned();
    assert_eq!(cell.load(), Err(TurnError::Failed { reason }));
}

#[test]
fn the_newest_content_of_a_file_is_loaded() {
    let mut cell = probe("");
    cell.load().unwrap();
    cell.asset("a.bin", [9, 9, 9, 9, 9]);
    cell.load().unwrap();
    assert_eq!(cell.told().sealed[3].1, [9, 9, 9, 9, 9]);
}
