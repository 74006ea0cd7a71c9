//! Photos of places that do not exist, painted by the program: sky, houses, a road, something on it.

use anyhow::Result;
use jpeg_encoder::{ColorType, Encoder};
use sha2::{Digest, Sha256};
use shared::ids::PhotoHash;

use super::dice::Dice;

/// A photo with its thumbnail, as a handheld would send them.
#[derive(Debug, Clone)]
pub struct Photo {
    /// SHA-256 of `bytes`.
    pub hash: PhotoHash,
    /// JPEG.
    pub bytes: Vec<u8>,
    /// SHA-256 of `thumbnail`.
    pub thumbnail_hash: PhotoHash,
    /// JPEG.
    pub thumbnail: Vec<u8>,
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

/// `n` different ones.
pub fn all(dice: &mut Dice, n: usize) -> Result<Vec<Photo>> {
    (0..n).map(|_| photo(dice)).collect()
}

fn photo(dice: &mut Dice) -> Result<Photo> {
    const SIZE: (u16, u16) = (800, 600);
    const SMALL: (u16, u16) = (320, 240);
    let scene = Scene::new(dice);
    let (bytes, thumbnail) = (scene.paint(SIZE)?, scene.paint(SMALL)?);
    Ok(Photo { hash: hash(&bytes), thumbnail_hash: hash(&thumbnail), bytes, thumbnail, width: SIZE.0, height: SIZE.1 })
}

fn hash(bytes: &[u8]) -> PhotoHash {
    PhotoHash::from_bytes(&Sha256::digest(bytes).into())
}

/// In hundredths of the picture, so that it can be painted at any size.
struct Scene {
    sky: [u8; 3],
    houses: Vec<(f32, f32, f32, [u8; 3])>,
    thing: (f32, f32, f32, [u8; 3]),
    round: bool,
}

impl Scene {
    fn new(dice: &mut Dice) -> Self {
        let hundredth = |n: u32| f32::from(u16::try_from(n).unwrap_or_default()) / 100.0;
        let shade = |dice: &mut Dice, from: u32, to: u32| u8::try_from(dice.between(from, to)).unwrap_or(128);
        let sky = [shade(dice, 150, 200), shade(dice, 180, 215), shade(dice, 210, 240)];
        let houses = (0..dice.between(3, 6))
            .map(|n| {
                let colour = [shade(dice, 150, 220), shade(dice, 120, 180), shade(dice, 100, 160)];
                (
                    hundredth(n * 20 + dice.below(8)),
                    hundredth(dice.between(12, 20)),
                    hundredth(dice.between(18, 40)),
                    colour,
                )
            })
            .collect();
        let colour = [shade(dice, 30, 90), shade(dice, 30, 80), shade(dice, 30, 80)];
        let thing =
            (hundredth(dice.between(30, 70)), hundredth(dice.between(74, 84)), hundredth(dice.between(6, 13)), colour);
        Self { sky, houses, thing, round: dice.chance(60) }
    }

    fn colour(&self, x: f32, y: f32) -> [u8; 3] {
        let (tx, ty, r, thing) = self.thing;
        let (dx, dy) = ((x - tx) / r, (y - ty) / (r * 0.6));
        let inside = if self.round { dx * dx + dy * dy < 1.0 } else { dx.abs() < 1.0 && dy.abs() < 1.0 };
        if inside {
            // A crack across it.
            return if (dx * 1.7 - dy).abs() < 0.1 { [12, 12, 12] } else { thing };
        }
        if y > 0.62 {
            let lane = (x - 0.5).abs() < 0.006 && (y * 14.0).fract() < 0.5;
            return if lane {
                [225, 225, 215]
            } else if y < 0.65 {
                [150, 145, 135]
            } else {
                [95, 95, 98]
            };
        }
        for (hx, width, height, colour) in &self.houses {
            let (in_x, in_y) = ((x - hx) / width, (0.62 - y) / height);
            if (0.0..1.0).contains(&in_x) && (0.0..1.0).contains(&in_y) {
                let window = (in_x * 4.0).fract() > 0.35
                    && (in_x * 4.0).fract() < 0.75
                    && (in_y * 5.0).fract() > 0.35
                    && (in_y * 5.0).fract() < 0.75;
                return if window { [70, 90, 110] } else { *colour };
            }
        }
        // Lighter towards the horizon.
        self.sky.map(|channel| channel.saturating_add((y * 60.0) as u8))
    }

    fn paint(&self, (width, height): (u16, u16)) -> Result<Vec<u8>> {
        let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
        for y in 0..height {
            for x in 0..width {
                pixels.extend(self.colour(f32::from(x) / f32::from(width), f32::from(y) / f32::from(height)));
            }
        }
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, 80).encode(&pixels, width, height, ColorType::Rgb)?;
        Ok(bytes)
    }
}
