//! From whatever a camera or a file gives to the JPEG that is sent.

use std::io::Cursor;

use image::ImageDecoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use sha2::{Digest, Sha256};
use shared::ids::PhotoHash;
use shared::limits::{PHOTO_BYTES, PHOTO_PIXELS, PHOTO_SIDE, THUMBNAIL_SIDE};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::pixels::{Pixels, Space};
use super::shot::{self, Shot};
use super::stamp;
use crate::handheld::Message;

/// JPEG quality of what is sent.
const QUALITY: u8 = 80;
/// The most bytes of a file taken in.
const FILE_BYTES: usize = 64 * 1024 * 1024;
/// The longest side a decoder is let loose on.
const SIDE: usize = 30_000;

/// Why a file is no photo. Never a panic: these bytes come from outside.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum BadPhoto {
    /// 0 bytes.
    #[error("the file is empty")]
    Empty,
    /// Not JPEG, PNG or WebP.
    #[error("the file is no picture")]
    NotAPicture,
    /// HEIC or AVIF, which some telephones give instead of JPEG.
    #[error("the file is HEIC")]
    Heic,
    /// It ends too early.
    #[error("the picture is cut off")]
    CutOff,
    /// It begins like a picture but does not hold together.
    #[error("the picture is damaged: {0}")]
    Damaged(String),
    /// More pixels than are taken.
    #[error("the picture has {0} megapixels")]
    TooManyPixels(u64),
    /// More bytes than are taken.
    #[error("the file has {0} bytes")]
    TooManyBytes(usize),
}

impl BadPhoto {
    /// In words for the user.
    pub fn message(&self) -> Message {
        match self {
            Self::Empty => Message::of("photo-empty"),
            Self::NotAPicture => Message::of("photo-not-a-picture"),
            Self::Heic => Message::of("photo-heic"),
            Self::CutOff => Message::of("photo-cut-off"),
            Self::Damaged(_) => Message::of("photo-damaged"),
            Self::TooManyPixels(megapixels) => Message::of("photo-too-many-pixels")
                .with("megapixels", megapixels)
                .with("most", PHOTO_PIXELS / 1_000_000),
            Self::TooManyBytes(bytes) => Message::of("photo-too-many-bytes")
                .with("megabytes", bytes.div_ceil(1024 * 1024))
                .with("most", FILE_BYTES / 1024 / 1024),
        }
    }
}

/// A photo as it is sent, and its thumbnail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// SHA-256 of `jpeg`.
    pub hash: PhotoHash,
    /// Upright, at most 1,600 px, no metadata.
    pub jpeg: Vec<u8>,
    /// SHA-256 of `thumbnail`.
    pub thumbnail_hash: PhotoHash,
    /// At most 320 px.
    pub thumbnail: Vec<u8>,
    /// Pixels of `jpeg`.
    pub width: u32,
    /// Pixels of `jpeg`.
    pub height: u32,
}

/// What the camera wrote beside a picture: when and where. Nothing of it is left in [`Taken::jpeg`].
pub fn shot(bytes: &[u8]) -> Shot {
    shot::read(bytes).0
}

/// Takes a picture in. `stamp` is written into its lower left corner, empty for none. The same bytes and stamp give the same
/// photo, byte for byte: what was lost can be made again of the original.
pub fn take_in(bytes: &[u8], stamp: &str) -> Result<Taken, BadPhoto> {
    let orientation = shot::read(bytes).1;
    // Shrunk first, turned then: turning 12 megapixels costs more than shrinking them.
    let mut picture = read(bytes)?.fit(PHOTO_SIDE).map_err(BadPhoto::Damaged)?.turned(orientation);
    stamp::draw(&mut picture, stamp);
    let thumbnail = picture.fit(THUMBNAIL_SIDE).map_err(BadPhoto::Damaged)?;
    let (jpeg, thumbnail) = (encode(&picture)?, encode(&thumbnail)?);
    Ok(Taken {
        hash: hash(&jpeg),
        thumbnail_hash: hash(&thumbnail),
        width: picture.width,
        height: picture.height,
        jpeg,
        thumbnail,
    })
}

/// The pixels of a picture as it lies in its file.
pub(super) fn read(bytes: &[u8]) -> Result<Pixels, BadPhoto> {
    if bytes.is_empty() {
        return Err(BadPhoto::Empty);
    }
    if bytes.len() > FILE_BYTES {
        return Err(BadPhoto::TooManyBytes(bytes.len()));
    }
    if bytes.starts_with(&[0xff, 0xd8, 0xff]) { jpeg(bytes) } else { other(bytes) }
}

/// The SHA-256 of a photo's bytes.
pub fn hash(bytes: &[u8]) -> PhotoHash {
    PhotoHash::from_bytes(&Sha256::digest(bytes).into())
}

fn check_pixels(width: usize, height: usize) -> Result<(), BadPhoto> {
    let pixels = (width as u64).saturating_mul(height as u64);
    if pixels > PHOTO_PIXELS || width > SIDE || height > SIDE {
        return Err(BadPhoto::TooManyPixels(pixels.div_ceil(1_000_000)));
    }
    if pixels == 0 { Err(BadPhoto::Damaged("no pixels".to_owned())) } else { Ok(()) }
}

fn jpeg(bytes: &[u8]) -> Result<Pixels, BadPhoto> {
    let damaged = |error: zune_jpeg::errors::DecodeErrors| BadPhoto::Damaged(error.to_string());
    let options = DecoderOptions::default().set_max_width(usize::from(u16::MAX)).set_max_height(usize::from(u16::MAX));
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    if let Err(error) = decoder.decode_headers() {
        return Err(if ends(bytes) { damaged(error) } else { BadPhoto::CutOff });
    }
    let (width, height) = decoder
        .info()
        .map(|info| (usize::from(info.width), usize::from(info.height)))
        .ok_or_else(|| BadPhoto::Damaged("no size".to_owned()))?;
    check_pixels(width, height)?;
    // The decoder fills what is missing with grey; half a picture must not pass for a whole one.
    if !ends(bytes) {
        return Err(BadPhoto::CutOff);
    }
    let (space, out) = match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr) => (Space::YCbCr, ColorSpace::YCbCr),
        _ => (Space::Rgb, ColorSpace::RGB),
    };
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let data = decoder.decode().map_err(damaged)?;
    Pixels::new(space, width, height, data).ok_or_else(|| BadPhoto::Damaged("not three bytes a pixel".to_owned()))
}

/// Whether a JPEG has its end mark after the beginning of its first scan. Within a scan `ff d9` cannot occur
/// (ITU T.81 B.1.1.5: a zero byte is stuffed after `ff`); a thumbnail within the metadata ends before the scan.
fn ends(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some([0xff, marker]) = bytes.get(at..at + 2) {
        match marker {
            0xff => at += 1,
            0xda => return memchr::memmem::find(bytes.get(at..).unwrap_or_default(), &[0xff, 0xd9]).is_some(),
            0xd0..=0xd8 | 0x01 => at += 2,
            _ => match bytes.get(at + 2..at + 4) {
                Some([high, low]) => at += 2 + usize::from(u16::from_be_bytes([*high, *low])),
                _ => return false,
            },
        }
    }
    false
}

fn other(bytes: &[u8]) -> Result<Pixels, BadPhoto> {
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(PHOTO_PIXELS * 16);
    // Each by its own name: the ready-made reader would bring every decoder that the window's library asks for into the app.
    match image::guess_format(bytes) {
        Ok(image::ImageFormat::Png) => {
            decoded(PngDecoder::with_limits(Cursor::new(bytes), limits.clone()).map_err(said)?, limits)
        }
        Ok(image::ImageFormat::WebP) => decoded(WebPDecoder::new(Cursor::new(bytes)).map_err(said)?, limits),
        _ if is_heic(bytes) => Err(BadPhoto::Heic),
        _ => Err(BadPhoto::NotAPicture),
    }
}

fn decoded(mut decoder: impl ImageDecoder, limits: image::Limits) -> Result<Pixels, BadPhoto> {
    let (width, height) = decoder.dimensions();
    check_pixels(width as usize, height as usize)?;
    decoder.set_limits(limits).map_err(said)?;
    let picture = image::DynamicImage::from_decoder(decoder).map_err(said)?.into_rgb8();
    Pixels::new(Space::Rgb, width as usize, height as usize, picture.into_raw())
        .ok_or_else(|| BadPhoto::Damaged("not three bytes a pixel".to_owned()))
}

/// By the brand in the first box (ISO/IEC 14496-12, 4.3).
fn is_heic(bytes: &[u8]) -> bool {
    let brand = bytes.get(8..12).filter(|_| bytes.get(4..8) == Some(b"ftyp"));
    brand.is_some_and(|brand| matches!(brand, b"heic" | b"heix" | b"heif" | b"mif1" | b"msf1" | b"avif"))
}

fn said(error: image::ImageError) -> BadPhoto {
    match error {
        image::ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => BadPhoto::CutOff,
        error => BadPhoto::Damaged(error.to_string()),
    }
}

fn encode(picture: &Pixels) -> Result<Vec<u8>, BadPhoto> {
    let side = |side: u32| u16::try_from(side).map_err(|_| BadPhoto::Damaged("too wide".to_owned()));
    let colours = match picture.space {
        Space::Rgb => jpeg_encoder::ColorType::Rgb,
        Space::YCbCr => jpeg_encoder::ColorType::Ycbcr,
    };
    let mut jpeg = Vec::with_capacity(picture.data.len() / 8);
    jpeg_encoder::Encoder::new(&mut jpeg, QUALITY)
        .encode(&picture.data, side(picture.width)?, side(picture.height)?, colours)
        .map_err(|error| BadPhoto::Damaged(error.to_string()))?;
    if jpeg.len() as u64 > PHOTO_BYTES {
        return Err(BadPhoto::TooManyBytes(jpeg.len()));
    }
    Ok(jpeg)
}
