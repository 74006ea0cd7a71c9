//! A picture as a browser brings it, made what the app sends: upright, no side above [`PHOTO_SIDE`], without anything written
//! beside the pixels (place, device, author), with its thumbnail.

use std::io::{self, Cursor};
use std::sync::{Mutex, PoisonError};

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};
use shared::area::AreaId;
use shared::form::PhotoParticulars;
use shared::ids::{PhotoHash, UserId};
use shared::limits::{PHOTO_PIXELS, PHOTO_SIDE, THUMBNAIL_SIDE};

use super::{FinishError, hash};
use crate::AppState;
use crate::store::{self, Photo, StoreError};

/// The most bytes of a picture as it is brought.
pub const BYTES: usize = 20 * 1024 * 1024;
/// As the app encodes.
const QUALITY: u8 = 80;

/// Why a file is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NoPicture {
    /// No JPEG, PNG or WebP, or damaged.
    #[error("no picture: {0}")]
    Unreadable(#[from] ImageError),
    /// More pixels than anything here decodes.
    #[error("more than {PHOTO_PIXELS} pixels")]
    TooLarge,
    /// The disk.
    #[error("cannot keep the photo")]
    Io(#[from] io::Error),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was made of it is no photo.
    #[error(transparent)]
    Made(#[from] FinishError),
}

/// What was made of a picture.
#[derive(Debug)]
pub struct Picture {
    /// JPEG.
    pub photo: Vec<u8>,
    /// JPEG.
    pub thumbnail: Vec<u8>,
    /// Pixels, upright.
    pub width: u32,
    /// Pixels, upright.
    pub height: u32,
}

/// Makes a photo and its thumbnail of a picture. One at a time: each may take a hundred megabytes meanwhile.
pub fn prepared(bytes: &[u8]) -> Result<Picture, NoPicture> {
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format()?;
    let mut decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PHOTO_PIXELS {
        return Err(NoPicture::TooLarge);
    }
    let orientation = decoder.orientation()?;
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation);
    let photo = fit(&picture, PHOTO_SIDE);
    let thumbnail = fit(&photo, THUMBNAIL_SIDE);
    let (width, height) = (photo.width(), photo.height());
    Ok(Picture { photo: jpeg(&photo)?, thumbnail: jpeg(&thumbnail)?, width, height })
}

fn fit(picture: &DynamicImage, side: u32) -> DynamicImage {
    if picture.width().max(picture.height()) <= side {
        return picture.clone();
    }
    picture.resize(side, side, FilterType::Triangle)
}

fn jpeg(picture: &DynamicImage) -> Result<Vec<u8>, NoPicture> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, QUALITY).encode_image(&picture.to_rgb8())?;
    Ok(bytes)
}

/// Keeps a picture as somebody's photo, delivered and verified. What an edit says of it, under its hash.
pub fn keep(
    app: &AppState,
    town: AreaId,
    sender: UserId,
    bytes: &[u8],
) -> Result<(PhotoHash, PhotoParticulars), NoPicture> {
    let picture = prepared(bytes)?;
    let thumbnail = put(app, town, sender, &picture.thumbnail)?;
    let hash = put(app, town, sender, &picture.photo)?;
    let particulars = PhotoParticulars {
        thumbnail,
        bytes: u64::try_from(picture.photo.len()).unwrap_or(u64::MAX),
        width: picture.width,
        height: picture.height,
        at: app.outside.now().timestamp_millis(),
        position: None,
    };
    Ok((hash, particulars))
}

fn put(app: &AppState, town: AreaId, sender: UserId, bytes: &[u8]) -> Result<PhotoHash, NoPicture> {
    let hash = hash(bytes);
    let (id, received) = (app.outside.uuid(), app.outside.now());
    let _settling = app.blobs.settling();
    app.blobs.put(id, &hash, bytes)?;
    let photo = Photo { hash: hash.clone(), bytes: u64::try_from(bytes.len()).unwrap_or(u64::MAX), received };
    store::write::<_, StoreError>(&*app.store, town, |tx| tx.put_photo(&photo, sender))?;
    Ok(hash)
}
