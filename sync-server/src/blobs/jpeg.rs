//! Just enough of JPEG (ITU-T T.81, annex B) to say whether bytes are a whole picture and how large it is. Nothing is
//! decoded: a picture of 200 megapixels costs no more than its header.

/// Width and height in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Pixels.
    pub width: u16,
    /// Pixels.
    pub height: u16,
}

/// Why bytes are no JPEG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoJpeg {
    /// They do not begin like one, or hold no picture.
    #[error("not a JPEG")]
    NotJpeg,
    /// They end before the picture does.
    #[error("the JPEG is cut off")]
    Truncated,
}

/// The size of the picture, whole from its first marker to its last.
pub fn size(bytes: &[u8]) -> Result<Size, NoJpeg> {
    let Some(mut rest) = bytes.strip_prefix(&[0xff, 0xd8]) else { return Err(NoJpeg::NotJpeg) };
    let mut size = None;
    loop {
        let (marker, after) = marker(rest)?;
        match marker {
            // Markers without a segment.
            0x01 | 0xd0..=0xd7 => rest = after,
            0xd9 => return Err(NoJpeg::NotJpeg),
            _ => {
                let (segment, next) = segment(after)?;
                match marker {
                    // Start of frame, but for DHT, JPG and DAC between them.
                    0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => size = Some(frame(segment)?),
                    // Start of scan: from here on entropy-coded data up to the end of image.
                    0xda => {
                        let size = size.ok_or(NoJpeg::NotJpeg)?;
                        let ended = next.windows(2).any(|pair| pair == [0xff, 0xd9]);
                        return if ended { Ok(size) } else { Err(NoJpeg::Truncated) };
                    }
                    _ => {}
                }
                rest = next;
            }
        }
    }
}

fn marker(bytes: &[u8]) -> Result<(u8, &[u8]), NoJpeg> {
    let Some(rest) = bytes.strip_prefix(&[0xff]) else {
        return Err(if bytes.is_empty() { NoJpeg::Truncated } else { NoJpeg::NotJpeg });
    };
    // Any number of fill bytes may stand before a marker.
    let fill = rest.iter().take_while(|byte| **byte == 0xff).count();
    match rest.get(fill..).and_then(<[u8]>::split_first) {
        Some((marker, after)) => Ok((*marker, after)),
        None => Err(NoJpeg::Truncated),
    }
}

fn segment(bytes: &[u8]) -> Result<(&[u8], &[u8]), NoJpeg> {
    let (length, rest) = bytes.split_first_chunk::<2>().ok_or(NoJpeg::Truncated)?;
    let length = usize::from(u16::from_be_bytes(*length)).checked_sub(2).ok_or(NoJpeg::NotJpeg)?;
    rest.split_at_checked(length).ok_or(NoJpeg::Truncated)
}

fn frame(segment: &[u8]) -> Result<Size, NoJpeg> {
    match segment {
        [_, h1, h0, w1, w0, ..] => {
            let size = Size { width: u16::from_be_bytes([*w1, *w0]), height: u16::from_be_bytes([*h1, *h0]) };
            if size.width == 0 || size.height == 0 { Err(NoJpeg::NotJpeg) } else { Ok(size) }
        }
        _ => Err(NoJpeg::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(sof: u8, width: u16, height: u16) -> Vec<u8> {
        let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, sof, 0, 11, 8];
        bytes.extend(height.to_be_bytes());
        bytes.extend(width.to_be_bytes());
        bytes.extend([1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0xaa, 0xff, 0, 0x55, 0xff, 0xd9]);
        bytes
    }

    #[test]
    fn baseline_and_progressive_have_a_size() {
        for sof in [0xc0, 0xc2] {
            assert_eq!(size(&picture(sof, 1600, 1200)), Ok(Size { width: 1600, height: 1200 }));
        }
    }

    #[test]
    fn whatever_is_cut_off_or_something_else_is_told_apart_and_never_panics() {
        let whole = picture(0xc0, 1600, 1200);
        for end in 2..whole.len() {
            assert_eq!(size(&whole[..end]), Err(NoJpeg::Truncated), "cut at {end}");
        }
        assert_eq!(size("这不是照片".as_bytes()), Err(NoJpeg::NotJpeg));
        assert_eq!(size(b""), Err(NoJpeg::NotJpeg));
        assert_eq!(size(&[0xff, 0xd8, 0xff, 0xd9]), Err(NoJpeg::NotJpeg));
        assert_eq!(size(&picture(0xc0, 0, 1200)), Err(NoJpeg::NotJpeg));
        for place in 0..whole.len() {
            for byte in [0, 0x7f, 0xc4, 0xd9, 0xff] {
                let mut bytes = whole.clone();
                bytes[place] = byte;
                size(&bytes).ok();
            }
        }
    }
}
