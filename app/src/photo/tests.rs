//! Pictures of every sort: each a good picture or a clear message, never a panic.

use std::io::Cursor;

use chrono::{DateTime, Utc};
use exif::{Field, In, Rational, Tag, Value};

use super::intake::{BadPhoto, Taken};

fn take_in(bytes: &[u8]) -> Result<Taken, BadPhoto> {
    super::take_in(bytes, "")
}

/// Left half red, right half blue, a green bar along the top.
fn pixels(width: u32, height: u32) -> Vec<u8> {
    let mut data = Vec::with_capacity((width * height * 3) as usize);
    for y in 0..height {
        for x in 0..width {
            let colour: [u8; 3] = if y < height / 4 {
                [0, 200, 0]
            } else if x < width / 2 {
                [220, 0, 0]
            } else {
                [0, 0, 220]
            };
            data.extend_from_slice(&colour);
        }
    }
    data
}

fn encode(width: u32, height: u32, change: impl FnOnce(&mut jpeg_encoder::Encoder<&mut Vec<u8>>)) -> Vec<u8> {
    let mut jpeg = Vec::new();
    let mut encoder = jpeg_encoder::Encoder::new(&mut jpeg, 90);
    change(&mut encoder);
    encoder.encode(&pixels(width, height), width as u16, height as u16, jpeg_encoder::ColorType::Rgb).unwrap();
    jpeg
}

/// A JPEG for tests elsewhere.
pub fn picture(width: u32, height: u32) -> Vec<u8> {
    encode(width, height, |_| {})
}

/// A JPEG that does not pack.
pub fn noise(width: u32, height: u32) -> Vec<u8> {
    let mut state = 7_u64;
    let pixels: Vec<u8> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
    .take((width * height * 3) as usize)
    .collect();
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 60)
        .encode(&pixels, width as u16, height as u16, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    jpeg
}

/// A JPEG whose camera says when, in Beijing, and where.
pub fn shot(at: DateTime<Utc>, (lat, lon): (f64, f64)) -> Vec<u8> {
    let time = shared::mask::in_beijing(at).unwrap().format("%Y:%m:%d %H:%M:%S").to_string();
    let degrees = |degrees: f64| {
        let part = |num: f64, denom: u32| Rational { num: num as u32, denom };
        let minutes = degrees.fract() * 60.0;
        Value::Rational(vec![part(degrees, 1), part(minutes, 1), part(minutes.fract() * 60_000.0, 1_000)])
    };
    let ascii = |text: &str| Value::Ascii(vec![text.as_bytes().to_vec()]);
    let fields = [
        (Tag::DateTimeOriginal, ascii(&time)),
        (Tag::GPSLatitudeRef, ascii("N")),
        (Tag::GPSLatitude, degrees(lat)),
        (Tag::GPSLongitudeRef, ascii("E")),
        (Tag::GPSLongitude, degrees(lon)),
    ]
    .map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value });
    let mut writer = exif::experimental::Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut tiff = Cursor::new(Vec::new());
    writer.write(&mut tiff, false).unwrap();
    encode(60, 40, |encoder| encoder.add_exif_metadata(tiff.get_ref()).unwrap())
}

/// An EXIF segment with an orientation and a position.
fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x02".to_vec();
    exif.extend_from_slice(&[0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0]);
    exif.extend_from_slice(&[0x88, 0x25, 0, 4, 0, 0, 0, 1, 0, 0, 0, 38]);
    exif.extend_from_slice(&[0, 0, 0, 0]);
    // A GPS directory: latitude reference N.
    exif.extend_from_slice(&[0, 1, 0, 1, 0, 2, 0, 0, 0, 2, b'N', 0, 0, 0, 0, 0, 0, 0]);
    let mut whole = jpeg[..2].to_vec();
    whole.extend_from_slice(&[0xff, 0xe1]);
    whole.extend_from_slice(&u16::try_from(exif.len() + 2).unwrap().to_be_bytes());
    whole.extend_from_slice(&exif);
    whole.extend_from_slice(&jpeg[2..]);
    whole
}

/// The colour in the middle of a part of the picture, by its share of width and height.
fn colour(jpeg: &[u8], x: f32, y: f32) -> &'static str {
    let picture = image::load_from_memory(jpeg).unwrap().into_rgb8();
    let at = |share: f32, side: u32| ((side as f32 * share) as u32).min(side - 1);
    let [r, g, b] = picture.get_pixel(at(x, picture.width()), at(y, picture.height())).0;
    match (r > 120, g > 120, b > 120) {
        (true, false, false) => "red",
        (false, true, false) => "green",
        (false, false, true) => "blue",
        _ => panic!("{r} {g} {b}"),
    }
}

#[test]
fn every_orientation_comes_out_upright_small_and_without_metadata() {
    let upright = picture(2000, 1000);
    for orientation in 0..=9_u8 {
        let taken = take_in(&with_exif(&upright, orientation)).unwrap();
        let lies = (5..=8).contains(&orientation);
        assert_eq!((taken.width, taken.height), if lies { (800, 1600) } else { (1600, 800) });
        // Where the green bar and the red half go, by the table of the standard.
        let (green, red) = match orientation {
            2 => ((0.5, 0.1), (0.75, 0.6)),
            3 => ((0.5, 0.9), (0.75, 0.4)),
            4 => ((0.5, 0.9), (0.25, 0.4)),
            5 => ((0.1, 0.5), (0.6, 0.25)),
            6 => ((0.9, 0.5), (0.4, 0.25)),
            7 => ((0.9, 0.5), (0.4, 0.75)),
            8 => ((0.1, 0.5), (0.6, 0.75)),
            _ => ((0.5, 0.1), (0.25, 0.6)),
        };
        for jpeg in [&taken.jpeg, &taken.thumbnail] {
            assert_eq!(colour(jpeg, green.0, green.1), "green", "orientation {orientation}");
            assert_eq!(colour(jpeg, red.0, red.1), "red", "orientation {orientation}");
            assert!(memchr::memmem::find(jpeg, b"Exif").is_none());
        }
        let thumbnail = image::load_from_memory(&taken.thumbnail).unwrap();
        assert_eq!(thumbnail.width().max(thumbnail.height()), 320);
        assert_eq!(super::hash(&taken.jpeg), taken.hash);
        assert_ne!(taken.hash, taken.thumbnail_hash);
    }
}

#[test]
fn a_small_picture_is_not_enlarged_and_the_same_gives_the_same() {
    let taken = take_in(&picture(60, 40)).unwrap();
    assert_eq!((taken.width, taken.height), (60, 40));
    assert_eq!(take_in(&picture(60, 40)).unwrap(), taken);
    assert_eq!(take_in(&picture(1, 1)).map(|taken| (taken.width, taken.height)), Ok((1, 1)));
    // Very long and thin keeps at least a pixel.
    assert_eq!(take_in(&picture(8000, 2)).map(|taken| (taken.width, taken.height)), Ok((1600, 1)));
}

#[test]
fn progressive_grey_and_cmyk_are_pictures_too() {
    let progressive = encode(800, 600, |encoder| encoder.set_progressive(true));
    let taken = take_in(&progressive).unwrap();
    assert_eq!(colour(&taken.jpeg, 0.25, 0.6), "red");

    let mut grey = Vec::new();
    jpeg_encoder::Encoder::new(&mut grey, 90)
        .encode(&vec![128; 640 * 480], 640, 480, jpeg_encoder::ColorType::Luma)
        .unwrap();
    assert_eq!(take_in(&grey).map(|taken| (taken.width, taken.height)), Ok((640, 480)));

    for kind in [jpeg_encoder::ColorType::Cmyk, jpeg_encoder::ColorType::CmykAsYcck] {
        // Cyan, magenta, yellow, black: red is magenta and yellow.
        let cmyk: Vec<u8> = [0, 255, 255, 0].repeat(320 * 240);
        let mut jpeg = Vec::new();
        jpeg_encoder::Encoder::new(&mut jpeg, 90).encode(&cmyk, 320, 240, kind).unwrap();
        let taken = take_in(&jpeg).unwrap();
        assert_eq!((taken.width, taken.height), (320, 240));
        assert_eq!(colour(&taken.jpeg, 0.5, 0.5), "red", "{kind:?}");
    }
}

#[test]
fn png_and_webp_are_taken() {
    let picture = image::RgbImage::from_raw(400, 300, pixels(400, 300)).unwrap();
    for format in [image::ImageFormat::Png, image::ImageFormat::WebP] {
        let mut bytes = Vec::new();
        picture.write_to(&mut Cursor::new(&mut bytes), format).unwrap();
        let taken = take_in(&bytes).unwrap();
        assert_eq!(colour(&taken.jpeg, 0.75, 0.6), "blue");
        assert!(matches!(take_in(&bytes[..bytes.len() / 2]), Err(BadPhoto::CutOff | BadPhoto::Damaged(_))));
    }
}

#[test]
fn what_is_no_picture_is_said_in_words() {
    assert_eq!(take_in(b""), Err(BadPhoto::Empty));
    assert_eq!(take_in("这是一段文字".as_bytes()), Err(BadPhoto::NotAPicture));
    assert_eq!(take_in(b"GIF89a\x01\0\x01\0\0\0\0;"), Err(BadPhoto::NotAPicture));
    let whole = with_exif(&picture(800, 600), 6);
    for length in [3, 4, 20, 60, 200, whole.len() / 2, whole.len() - 2] {
        let error = take_in(&whole[..length]).unwrap_err();
        assert!(matches!(error, BadPhoto::CutOff | BadPhoto::Damaged(_)), "{length}: {error}");
    }
    assert_eq!(take_in(&whole[..whole.len() - 2]), Err(BadPhoto::CutOff));
    for lang in [assets::messages::Lang::Zh, assets::messages::Lang::En] {
        let messages = assets::messages::Messages::of(lang);
        for error in [
            BadPhoto::Empty,
            BadPhoto::NotAPicture,
            BadPhoto::CutOff,
            BadPhoto::TooManyPixels(200),
            BadPhoto::TooManyBytes(1 << 30),
        ] {
            let message = error.message();
            assert_ne!(message.text(&messages), message.key);
        }
    }
}

#[test]
fn two_hundred_megapixels_are_refused_before_they_are_decoded() {
    let mut jpeg = picture(16, 16);
    let frame = jpeg.windows(2).position(|two| two == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0x2e, 0xe0, 0x41, 0x19]);
    assert_eq!(take_in(&jpeg), Err(BadPhoto::TooManyPixels(200)));

    // A PNG that says it has 60,000 by 60,000 pixels in a few hundred bytes.
    let mut png = Vec::new();
    image::RgbImage::new(8, 8).write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png).unwrap();
    png[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let error = take_in(&png).unwrap_err();
    assert!(matches!(error, BadPhoto::TooManyPixels(_) | BadPhoto::Damaged(_)), "{error}");
}

#[test]
fn bytes_turned_at_random_never_panic() {
    use shared::outside::Outside;
    let outside = crate::testing::Replay::new(11);
    let whole = with_exif(&picture(96, 64), 6);
    for _ in 0..300 {
        let mut bytes = whole.clone();
        let mut random = [0; 8];
        for _ in 0..4 {
            outside.fill(&mut random);
            let at = usize::from(u16::from_le_bytes([random[0], random[1]])) % bytes.len();
            bytes[at] = random[2];
        }
        // Either outcome is right; stopping is not.
        drop(take_in(&bytes));
    }
}

#[test]
fn what_the_town_writes_into_its_photos_is_there_to_be_read() {
    for (bytes, kind) in [(picture(2_000, 1_500), "camera"), (noise(1_700, 1_300), "noise")] {
        let stamped = super::take_in(&bytes, "2026-11-26 14:03 石井村第一网格").unwrap();
        let plain = take_in(&bytes).unwrap();
        let (stamped, plain) =
            (image::load_from_memory(&stamped.jpeg).unwrap(), image::load_from_memory(&plain.jpeg).unwrap());
        let (stamped, plain) = (stamped.into_rgb8(), plain.into_rgb8());
        let at =
            |picture: &image::RgbImage, x: u32, y: u32| picture.get_pixel(x, y).0.map(u32::from).iter().sum::<u32>();
        let bar = |picture: &image::RgbImage| {
            (1_150..1_190).map(|y| (24..800).filter(|x| at(picture, *x, y) > 690).count()).sum::<usize>()
        };
        assert!(bar(&stamped) > 2_000, "{kind}: the writing is white");
        let above = |picture: &image::RgbImage| (0..1_000).map(|y| at(picture, 100, y)).sum::<u32>();
        assert!(above(&stamped).abs_diff(above(&plain)) < 2_000, "{kind}: the picture itself stays");
        // The same again, byte for byte: what was lost can be made anew.
        assert_eq!(super::take_in(&bytes, "好").unwrap(), super::take_in(&bytes, "好").unwrap());
    }
    // Where it could not be read nothing is written.
    let small = picture(200, 150);
    assert_eq!(super::take_in(&small, "2026-11-26").unwrap(), take_in(&small).unwrap());
}

/// A picture of 12 megapixels with a code in its middle, each module `module` pixels wide, as grey as in a dim room; `spoil` says
/// of which modules the camera sees the opposite.
fn photographed(text: &str, module: usize, spoil: impl Fn(usize, usize) -> bool) -> Vec<u8> {
    let (width, height) = (4_000_usize, 3_000_usize);
    let code = qrcode::QrCode::with_error_correction_level(text, qrcode::EcLevel::L).unwrap();
    let side = code.width();
    let (left, top) = ((width - side * module) / 2, (height - side * module) / 2);
    let mut data = Vec::with_capacity(width * height * 3);
    for y in 0..height {
        for x in 0..width {
            let (column, row) = (x.wrapping_sub(left) / module, y.wrapping_sub(top) / module);
            let dark =
                column < side && row < side && (code[(column, row)] == qrcode::Color::Dark) != spoil(column, row);
            data.extend_from_slice(&[if dark { 60 } else { 150 }; 3]);
        }
    }
    let mut jpeg = Vec::new();
    jpeg_encoder::Encoder::new(&mut jpeg, 80)
        .encode(&data, width as u16, height as u16, jpeg_encoder::ColorType::Rgb)
        .unwrap();
    jpeg
}

#[test]
fn a_code_is_read_off_a_picture_of_the_camera_large_or_small_and_else_it_is_said_why_not() {
    use super::{Codes, read_codes};
    let line = "grid-enrol:?code=1234567890&pin=2jmj7l5rSw0yVb/vlWAYkK/YBwk=&server=https://wg.example.cn";
    for module in [8, 12, 40] {
        let read = read_codes(&photographed(line, module, |_, _| false));
        assert_eq!(read, Ok(Codes::Read(vec![line.to_owned()])), "{module} pixels a module");
    }
    // Its corners are seen, what is between them is glare.
    let glare = |column: usize, row: usize| column > 8 && row > 8 && (column * 7 + row * 3) % 5 < 2;
    assert_eq!(read_codes(&photographed(line, 12, glare)), Ok(Codes::Unclear));
    assert_eq!(read_codes(&picture(4_000, 3_000)), Ok(Codes::None));
    assert_eq!(read_codes(b"no picture"), Err(BadPhoto::NotAPicture));
    assert_eq!(read_codes(b""), Err(BadPhoto::Empty));
}
