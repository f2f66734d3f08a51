//! Writing pictures.
use crate::output;
use anyhow::Context as _;
use engine_render::Image;
use image::{ExtendedColorType, ImageEncoder as _, codecs::png::PngEncoder};
use std::path::{Path, PathBuf};

/// Writes a PNG file. It appears whole or not at all.
pub(crate) fn write_png(path: &Path, image: &Image) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    // The alpha of a finished picture says nothing; a viewer must not show it as transparent.
    let rgb: Vec<u8> = image.rgba8.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
    PngEncoder::new(&mut bytes)
        .write_image(&rgb, image.width, image.height, ExtendedColorType::Rgb8)
        .context("the picture cannot be encoded")?;
    output::write("the picture", path, &bytes)
}

/// Returns the first free name for a screenshot in `folder`.
pub(crate) fn screenshot_path(folder: &Path) -> PathBuf {
    (1..)
        .map(|n| folder.join(format!("screenshot-{n:04}.png")))
        .find(|p| !p.exists())
        .expect("some number is free")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image { width: 2, height: 1, rgba8: vec![255, 0, 0, 0, 0, 0, 255, 255] }
    }

    #[test]
    fn a_picture_is_written_without_its_alpha() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        write_png(&path, &image()).unwrap();
        let read = image::open(&path).unwrap().to_rgba8();
        assert_eq!(read.as_raw(), &[255, 0, 0, 255, 0, 0, 255, 255]);
        assert_eq!(screenshot_path(dir.path()), dir.path().join("screenshot-0001.png"));
    }

    #[test]
    fn a_full_disk_is_an_error_that_names_the_file() {
        let error = write_png(Path::new("/dev/full/a.png"), &image()).unwrap_err();
        assert!(format!("{error:#}").contains("/dev/full"), "{error:#}");
    }
}
