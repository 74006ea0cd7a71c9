//! Pictures that the public sends: looked at by what they are, not by their name, and drawn anew, so that nothing of what
//! the camera wrote into them (place, time, model) goes along.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use shared::limits::{PHOTO_PIXELS, PHOTO_SIDE, THUMBNAIL_SIDE};

/// The quality of the JPEG.
const QUALITY: u8 = 80;
/// The most memory that reading one may take.
const MEMORY: u64 = 320 * 1024 * 1024;

/// It is no picture that is taken here: JPEG, PNG or WebP, whole, of a usual size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a picture that is taken")]
pub struct NoPicture;

/// The picture, upright, at most as large as photos of handhelds, as JPEG without metadata.
pub fn anew(bytes: &[u8]) -> Result<Vec<u8>, NoPicture> {
    pack(&read(bytes)?, PHOTO_SIDE)
}

/// The thumbnail of a picture that was drawn anew, and its size.
pub fn thumbnail(bytes: &[u8]) -> Result<(Vec<u8>, u32, u32), NoPicture> {
    let picture = read(bytes)?;
    Ok((pack(&picture, THUMBNAIL_SIDE)?, picture.width(), picture.height()))
}

fn read(bytes: &[u8]) -> Result<DynamicImage, NoPicture> {
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|_| NoPicture)?;
    if !matches!(reader.format(), Some(ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) {
        return Err(NoPicture);
    }
    let mut limits = Limits::default();
    limits.max_alloc = Some(MEMORY);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| NoPicture)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PHOTO_PIXELS {
        return Err(NoPicture);
    }
    let orientation = decoder.orientation().map_err(|_| NoPicture)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|_| NoPicture)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

fn pack(picture: &DynamicImage, side: u32) -> Result<Vec<u8>, NoPicture> {
    let smaller = (picture.width() > side || picture.height() > side).then(|| picture.thumbnail(side, side));
    let pixels = smaller.as_ref().unwrap_or(picture).to_rgb8();
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&pixels).map_err(|_| NoPicture)?;
    Ok(bytes)
}
