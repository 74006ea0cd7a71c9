//! QR codes in a picture of the camera.

use rqrr::PreparedImage;

use super::BadPhoto;
use super::intake;
use super::pixels::{Pixels, Space};

/// Sizes at which codes are looked for, pixels of the longer side: the first finds what is clear, the others what is small in its
/// picture or grainy close by.
const SIDES: [u32; 3] = [1_200, 2_400, 600];

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Codes {
    /// One or several, as text.
    Read(Vec<String>),
    /// There is one, but it cannot be made out: blurred, bent, half in the shade.
    Unclear,
    /// There is none.
    None,
}

/// Reads the codes of a picture. Up to a second on a cheap handheld.
pub fn read(bytes: &[u8]) -> Result<Codes, BadPhoto> {
    let picture = intake::read(bytes)?;
    let mut seen = false;
    for side in SIDES {
        let grey = picture.fit(side).map_err(BadPhoto::Damaged)?;
        let width = grey.width as usize;
        let light = light(&grey);
        let at = |x: usize, y: usize| light.get(y * width + x).copied().unwrap_or(u8::MAX);
        let mut prepared = PreparedImage::prepare_from_greyscale(width, grey.height as usize, at);
        let grids = prepared.detect_grids();
        seen |= !grids.is_empty();
        let texts: Vec<String> = grids.iter().filter_map(|grid| grid.decode().ok()).map(|(_, text)| text).collect();
        if !texts.is_empty() {
            return Ok(Codes::Read(texts));
        }
    }
    Ok(if seen { Codes::Unclear } else { Codes::None })
}

/// How light each pixel is (ITU-R BT.601).
fn light(picture: &Pixels) -> Vec<u8> {
    let pixels = picture.data.chunks_exact(3);
    match picture.space {
        Space::YCbCr => pixels.filter_map(|pixel| pixel.first().copied()).collect(),
        Space::Rgb => pixels
            .map(|pixel| {
                let sum: u32 =
                    pixel.iter().zip([299_u32, 587, 114]).map(|(part, weight)| u32::from(*part) * weight).sum();
                u8::try_from(sum / 1_000).unwrap_or(u8::MAX)
            })
            .collect(),
    }
}
