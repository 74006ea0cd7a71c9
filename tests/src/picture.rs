//! Photos that no camera took: coloured quarters that tell which way is up, with the metadata a handheld's camera adds.

use anyhow::{Context, Result};
use jpeg_encoder::{ColorType, Encoder};

/// The colours of the four quarters as stored: top left, top right, bottom left, bottom right.
pub const QUARTERS: [[u8; 3]; 4] = [[200, 40, 40], [40, 160, 60], [220, 180, 40], [40, 70, 190]];

/// What the metadata says.
#[derive(Debug, Clone, Copy)]
pub struct Camera {
    /// EXIF orientation 1–8 (CIPA DC-008, tag 0x0112); 6 is a phone held upright.
    pub orientation: u16,
    /// Degrees north and east, written into the GPS directory.
    pub gps: Option<(f64, f64)>,
}

/// A JPEG of `width` × `height` stored pixels, noisy enough to have a camera's size.
pub fn jpeg(width: u16, height: u16, camera: Option<Camera>, seed: u64) -> Result<Vec<u8>> {
    let (w, h) = (usize::from(width), usize::from(height));
    let mut pixels = Vec::with_capacity(w * h * 3);
    // SplitMix-like noise, cheap and the same everywhere.
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    for y in 0..h {
        for x in 0..w {
            let quarter = usize::from(y >= h / 2) * 2 + usize::from(x >= w / 2);
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let noise = ((state >> 59) as u8).saturating_sub(4);
            let colour = QUARTERS.get(quarter).copied().unwrap_or_default();
            pixels.extend(colour.map(|channel| channel.saturating_add(noise)));
        }
    }
    packed(&pixels, width, height, camera)
}

fn packed(pixels: &[u8], width: u16, height: u16, camera: Option<Camera>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 88);
    if let Some(camera) = camera {
        encoder.add_exif_metadata(&exif(camera)).context("adding the metadata")?;
    }
    encoder.encode(pixels, width, height, ColorType::Rgb).context("encoding the picture")?;
    Ok(bytes)
}

/// A JPEG of a street, more or less: sky, walls with windows, gravel. A picture of a camera has smooth parts, edges and fine
/// grain, and so has this.
pub fn scene(width: u16, height: u16, camera: Option<Camera>, seed: u64) -> Result<Vec<u8>> {
    let (w, h) = (f32::from(width), f32::from(height));
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut pixels = Vec::with_capacity(usize::from(width) * usize::from(height) * 3);
    for y in 0..height {
        for x in 0..width {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let (u, v, grain) = (f32::from(x) / w, f32::from(y) / h, (state >> 60) as f32 - 7.5);
            let wall = 0.35 + 0.1 * (u * 9.0 + seed as f32).sin().round();
            let shade = if v < wall {
                [150.0 - 60.0 * v, 180.0 - 40.0 * v, 230.0 - 20.0 * v].map(|sky| sky + grain * 0.4)
            } else if v < 0.75 {
                let window = (u * 40.0).fract() < 0.45 && (v * 22.0).fract() < 0.5;
                let brick = if (v * 160.0).fract() < 0.12 || (u * 120.0).fract() < 0.08 { 25.0 } else { 0.0 };
                if window { [50.0, 60.0, 75.0] } else { [165.0 + brick, 120.0 + brick, 95.0 + brick] }
                    .map(|wall: f32| wall + grain)
            } else {
                let wave = (u * 90.0 + v * 300.0).sin() * (v * 700.0 - u * 40.0).cos() * 22.0;
                [120.0, 115.0, 105.0].map(|gravel: f32| gravel + wave + grain * 3.0)
            };
            pixels.extend(shade.map(|channel| channel.clamp(0.0, 255.0) as u8));
        }
    }
    packed(&pixels, width, height, camera)
}

/// One directory entry of a TIFF: tag, type, count, and the four bytes of the value or its place.
type Entry = (u16, u16, u32, [u8; 4]);

/// The TIFF structure of EXIF 2.32, little endian: maker, orientation, and GPS if any.
fn exif(camera: Camera) -> Vec<u8> {
    const MAKER: &[u8; 12] = b"Grid camera\0";
    let entries: u32 = if camera.gps.is_some() { 3 } else { 2 };
    let first_end = 8 + 2 + entries * 12 + 4;
    let gps_at = first_end + MAKER.len() as u32;
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    let mut directory: Vec<Entry> = vec![
        (0x010F, 2, MAKER.len() as u32, first_end.to_le_bytes()),
        (0x0112, 3, 1, u32::from(camera.orientation).to_le_bytes()),
    ];
    if camera.gps.is_some() {
        directory.push((0x8825, 4, 1, gps_at.to_le_bytes()));
    }
    write_directory(&mut out, &directory);
    out.extend_from_slice(MAKER);
    if let Some((lat, lon)) = camera.gps {
        let data_at = gps_at + 2 + 4 * 12 + 4;
        write_directory(
            &mut out,
            &[
                (1, 2, 2, *b"N\0\0\0"),
                (2, 5, 3, data_at.to_le_bytes()),
                (3, 2, 2, *b"E\0\0\0"),
                (4, 5, 3, (data_at + 24).to_le_bytes()),
            ],
        );
        for degrees in [lat, lon] {
            let minutes = degrees.fract() * 60.0;
            let seconds = (minutes.fract() * 60.0 * 1000.0).round();
            for (value, of) in [(degrees.trunc(), 1), (minutes.trunc(), 1), (seconds, 1000)] {
                out.extend_from_slice(&(value as u32).to_le_bytes());
                out.extend_from_slice(&u32::to_le_bytes(of));
            }
        }
    }
    out
}

fn write_directory(out: &mut Vec<u8>, entries: &[Entry]) {
    out.extend_from_slice(&(entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        out.extend_from_slice(&tag.to_le_bytes());
        out.extend_from_slice(&kind.to_le_bytes());
        out.extend_from_slice(&count.to_le_bytes());
        out.extend_from_slice(value);
    }
    out.extend_from_slice(&[0; 4]);
}

/// The middle colours of the four quarters of a JPEG as its pixels lie: top left, top right, bottom left, bottom right,
/// each as the index of the nearest of [`QUARTERS`]; and its size.
pub fn quarters(jpeg: &[u8]) -> Result<([usize; 4], u32, u32)> {
    let picture = image::load_from_memory(jpeg).context("reading the picture")?.to_rgb8();
    let (w, h) = picture.dimensions();
    let at = |x: u32, y: u32| {
        let seen = picture.get_pixel(x, y).0;
        let distance =
            |of: &[u8; 3]| -> u32 { seen.iter().zip(of).map(|(a, b)| u32::from(a.abs_diff(*b)).pow(2)).sum() };
        (0..QUARTERS.len()).min_by_key(|index| QUARTERS.get(*index).map_or(u32::MAX, distance)).unwrap_or_default()
    };
    Ok(([at(w / 4, h / 4), at(3 * w / 4, h / 4), at(w / 4, 3 * h / 4), at(3 * w / 4, 3 * h / 4)], w, h))
}

/// Whether a JPEG carries any metadata segment (APP1 to APP15: EXIF, XMP, ICC, maker's) or comment.
pub fn has_metadata(jpeg: &[u8]) -> bool {
    let mut rest = jpeg.get(2..).unwrap_or_default();
    while let [0xFF, marker, high, low, ..] = *rest {
        match marker {
            0xE1..=0xEF | 0xFE => return true,
            // Start of scan: what follows is the picture.
            0xDA => return false,
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(2 + length..).unwrap_or_default();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_has_its_quarters_and_its_metadata() {
        let camera = Camera { orientation: 6, gps: Some((37.16, 104.05)) };
        let photo = jpeg(400, 300, Some(camera), 1).unwrap();
        assert_eq!(quarters(&photo).unwrap(), ([0, 1, 2, 3], 400, 300));
        assert!(has_metadata(&photo));
        let read = exif_of(&photo);
        assert!(read.contains("Orientation=6"), "{read}");
        assert!(!has_metadata(&jpeg(40, 30, None, 1).unwrap()));
    }

    fn exif_of(photo: &[u8]) -> String {
        let start = photo.windows(6).position(|w| w == b"Exif\0\0").unwrap() + 6;
        let orientation = photo[start + 8 + 2 + 12 + 8];
        format!("Orientation={orientation}")
    }
}
