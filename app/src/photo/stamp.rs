//! A line of writing in a picture: when and in which grid it was taken.
//!
//! Drawn with GNU Unifont (crate `unifont`; the font itself under SIL OFL 1.1 or GPL 2 with the font exception): it has every
//! character of the basic plane in 16 by 16 dots, and needs no font of the machine, so that a photo made again of its
//! original is the same to the byte.

use super::pixels::{Pixels, Space};

/// Dots of a character's height.
const DOTS: usize = 16;
/// The writing's height is this part of the picture's shorter side.
const PART: usize = 28;

/// Writes `text` into the lower left corner, white on a darkened bar, as large as the picture is and as much of it as there
/// is room for. Nothing where it could not be read: below two screen dots a dot. Empty text changes nothing.
pub(super) fn draw(picture: &mut Pixels, text: &str) {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let size = (width.min(height) / PART).div_ceil(DOTS);
    let bar = size * (DOTS + 4);
    if text.is_empty() || size < 2 || bar > height {
        return;
    }
    let black = match picture.space {
        Space::Rgb => [0, 0, 0],
        Space::YCbCr => [0, 128, 128],
    };
    let white = match picture.space {
        Space::Rgb => [255, 255, 255],
        Space::YCbCr => [255, 128, 128],
    };
    let long: usize = text.chars().map(|one| unifont::get_glyph(one).map_or(DOTS, unifont::Glyph::get_width)).sum();
    let right = width.min((long + DOTS) * size);
    for y in height - bar..height {
        for x in 0..right {
            mix(picture, x, y, black, 3);
        }
    }
    let (mut left, top) = (size * DOTS / 2, height - bar + size * 2);
    for one in text.chars() {
        // What the font lacks is left as a gap.
        let glyph = unifont::get_glyph(one);
        let wide = glyph.map_or(DOTS, unifont::Glyph::get_width);
        if left + wide * size > width {
            return;
        }
        for y in 0..DOTS * size {
            for x in 0..wide * size {
                if glyph.is_some_and(|glyph| glyph.get_pixel(x / size, y / size)) {
                    mix(picture, left + x, top + y, white, 8);
                }
            }
        }
        left += wide * size;
    }
}

/// Moves a pixel towards a colour by so many eighths.
fn mix(picture: &mut Pixels, x: usize, y: usize, colour: [u8; 3], eighths: u16) {
    let at = (y * picture.width as usize + x) * 3;
    let Some(pixel) = picture.data.get_mut(at..at + 3) else { return };
    for (old, new) in pixel.iter_mut().zip(colour) {
        let mixed = (u16::from(*old) * (8 - eighths) + u16::from(new) * eighths) / 8;
        *old = u8::try_from(mixed).unwrap_or(u8::MAX);
    }
}
