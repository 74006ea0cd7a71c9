//! Pixels: shrinking and turning.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

/// What the three bytes of a pixel say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Space {
    /// Red, green, blue.
    Rgb,
    /// As a JPEG has them (JFIF 1.02): a camera's picture stays in it from the first byte to the last, which saves turning
    /// 12 megapixels into colours and back. Shrinking is linear, so it gives the same in both.
    YCbCr,
}

/// A picture of three bytes a pixel, rows from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pixels {
    pub space: Space,
    pub width: u32,
    pub height: u32,
    pub data: Vec<u8>,
}

impl Pixels {
    /// `None` if `data` is not exactly three bytes a pixel.
    pub(super) fn new(space: Space, width: usize, height: usize, data: Vec<u8>) -> Option<Self> {
        let whole = width.checked_mul(height)?.checked_mul(3)? == data.len();
        whole.then_some(Self { space, width: u32::try_from(width).ok()?, height: u32::try_from(height).ok()?, data })
    }

    /// The same with no side longer than `side`; never enlarged.
    pub(super) fn fit(&self, side: u32) -> Result<Self, String> {
        let longest = self.width.max(self.height);
        if longest <= side {
            return Ok(self.clone());
        }
        let scaled = |length: u32| {
            let rounded = (u64::from(length) * u64::from(side) + u64::from(longest) / 2) / u64::from(longest);
            u32::try_from(rounded).unwrap_or(side).clamp(1, side)
        };
        let (width, height) = (scaled(self.width), scaled(self.height));
        let from = ImageRef::new(self.width, self.height, &self.data, PixelType::U8x3).map_err(|e| e.to_string())?;
        let mut to = Image::new(width, height, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Lanczos3));
        Resizer::new().resize(&from, &mut to, &options).map_err(|e| e.to_string())?;
        Ok(Self { width, height, data: to.into_vec(), space: self.space })
    }

    /// Upright, by the EXIF orientation (CIPA DC-008, table 6): 1 stays, 2 mirrored, 3 upside down, 4 both, 5 to 8 lie
    /// on their side.
    pub(super) fn turned(self, orientation: u32) -> Self {
        if !(2..=8).contains(&orientation) {
            return self;
        }
        let (w, h) = (self.width as usize, self.height as usize);
        let (width, height) = if orientation >= 5 { (h, w) } else { (w, h) };
        let mut data = Vec::with_capacity(self.data.len());
        for y in 0..height {
            for x in 0..width {
                let (from_x, from_y) = match orientation {
                    2 => (w - 1 - x, y),
                    3 => (w - 1 - x, h - 1 - y),
                    4 => (x, h - 1 - y),
                    5 => (y, x),
                    6 => (y, h - 1 - x),
                    7 => (w - 1 - y, h - 1 - x),
                    _ => (w - 1 - y, x),
                };
                let at = (from_y * w + from_x) * 3;
                data.extend_from_slice(self.data.get(at..at + 3).unwrap_or(&[0; 3]));
            }
        }
        let (width, height) = if orientation >= 5 { (self.height, self.width) } else { (self.width, self.height) };
        Self { width, height, data, space: self.space }
    }
}
