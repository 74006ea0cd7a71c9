//! Pictures of every sort, made here, through the handheld's intake: what happened to each stands in docs/photos.md, which
//! this test keeps (`UPDATE=1` writes it anew). What comes out is looked at with exiftool.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use app::photo::{BadPhoto, Taken, take_in};
use assets::messages::{Lang, Messages};
use image::{ImageBuffer, ImageFormat, Rgb, Rgba};
use jpeg_encoder::{ColorType, Encoder};
use tests::picture::{Camera, jpeg, quarters};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/photos.md");
const BEGIN: &str = "<!-- table: written by tests/tests/handheld/pictures.rs -->\n";

/// A name, and what a camera or somebody with ideas might give.
type Sample = (String, Vec<u8>);

fn with(change: impl FnOnce(&mut Encoder<&mut Vec<u8>>)) -> Result<Vec<u8>> {
    let pixels: Vec<u8> = (0..1_200 * 900_u32).flat_map(|n| [(n % 251) as u8, (n / 1_200 % 241) as u8, 90]).collect();
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, 90);
    change(&mut encoder);
    encoder.encode(&pixels, 1_200, 900, ColorType::Rgb)?;
    Ok(bytes)
}

/// A segment of metadata behind the first marker.
fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Result<Vec<u8>> {
    let (start, rest) = jpeg.split_at_checked(2).context("a JPEG")?;
    let length = u16::try_from(content.len() + 2)?.to_be_bytes();
    Ok([start, &[0xff, marker], &length, content, rest].concat())
}

fn encoded<P>(picture: &ImageBuffer<P, Vec<P::Subpixel>>, format: ImageFormat) -> Result<Vec<u8>>
where
    P: image::Pixel + image::PixelWithColorType,
    [P::Subpixel]: image::EncodableLayout,
{
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format)?;
    Ok(bytes.into_inner())
}

/// A PNG of one bit a pixel and nothing but zeros: 400 megapixels in some 50 kB.
fn bomb() -> Result<Vec<u8>> {
    let mut png = encoded(&ImageBuffer::<image::Luma<u8>, _>::new(8, 8), ImageFormat::Png)?;
    let header: Vec<u8> = [20_000_u32.to_be_bytes(), 20_000_u32.to_be_bytes()].concat();
    png.get_mut(16..24).context("a header")?.copy_from_slice(&header);
    *png.get_mut(24).context("a depth")? = 1;
    let sum = crc(png.get(12..29).context("the header's chunk")?);
    png.get_mut(29..33).context("its sum")?.copy_from_slice(&sum.to_be_bytes());
    let idat = png.windows(4).position(|four| four == b"IDAT").context("its data")? - 4;
    png.truncate(idat);
    let mut zeros = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut zeros, &vec![0; 20_000 * 2_501])?;
    let chunk = [b"IDAT".as_slice(), &zeros.finish()?].concat();
    png.extend_from_slice(&u32::try_from(chunk.len() - 4)?.to_be_bytes());
    png.extend_from_slice(&chunk);
    png.extend_from_slice(&crc(&chunk).to_be_bytes());
    png.extend_from_slice(b"\0\0\0\0IEND\xae\x42\x60\x82");
    Ok(png)
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

fn samples() -> Result<Vec<Sample>> {
    let mut all: Vec<Sample> = Vec::new();
    let mut add = |name: &str, bytes: Vec<u8>| all.push((name.to_owned(), bytes));
    for orientation in 1..=8 {
        let camera = Camera { orientation, gps: Some((37.62, 104.58)) };
        add(&format!("JPEG 2000 × 1500, EXIF orientation {orientation}, GPS"), jpeg(2_000, 1_500, Some(camera), 1)?);
    }
    add("JPEG with an ICC profile", with(|encoder| encoder.add_icc_profile(&[7; 3_000]).unwrap())?);
    let plain = with(|_| ())?;
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><photographer/></x:xmpmeta>";
    add("JPEG with XMP", with_segment(&plain, 0xe1, xmp)?);
    add("JPEG with a comment", with_segment(&plain, 0xfe, "李某家门口".as_bytes())?);
    add("JPEG, progressive", with(|encoder| encoder.set_progressive(true))?);
    add("JPEG, 4:4:4", with(|encoder| encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_1_1))?);
    for (name, kind, pixel) in [
        ("JPEG, grey", ColorType::Luma, [128_u8].as_slice()),
        ("JPEG, CMYK", ColorType::Cmyk, &[0, 255, 255, 0]),
        ("JPEG, YCCK", ColorType::CmykAsYcck, &[0, 255, 255, 0]),
    ] {
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, 90).encode(&pixel.repeat(640 * 480), 640, 480, kind)?;
        add(name, bytes);
    }
    let mut fifty = Vec::new();
    Encoder::new(&mut fifty, 80).encode(&vec![90; 8_160 * 6_120], 8_160, 6_120, ColorType::Luma)?;
    add("JPEG of 49.9 megapixels", fifty);
    add("JPEG with a film behind its end (motion photo)", [plain.clone(), vec![0xff, 0xd8, 0, 1, 2, 3]].concat());
    let deep = ImageBuffer::from_fn(800, 600, |x, y| Rgb([(x * 80) as u16, (y * 100) as u16, 20_000]));
    add("PNG, 16 bits", encoded(&deep, ImageFormat::Png)?);
    let clear = ImageBuffer::from_fn(800, 600, |x, _| Rgba([200_u8, 60, 60, (x % 256) as u8]));
    add("PNG with transparency", encoded(&clear, ImageFormat::Png)?);
    let small = ImageBuffer::from_fn(800, 600, |x, y| Rgb([(x % 256) as u8, (y % 256) as u8, 90]));
    add("WebP", encoded(&small, ImageFormat::WebP)?);
    add("1 × 1", encoded(&ImageBuffer::<Rgb<u8>, _>::new(1, 1), ImageFormat::Png)?);
    add("JPEG, the second half missing", plain.get(..plain.len() / 2).context("half")?.to_vec());
    add("JPEG without its last two bytes", plain.get(..plain.len() - 2).context("most")?.to_vec());
    add("PNG, the second half missing", {
        let png = encoded(&small, ImageFormat::Png)?;
        png.get(..png.len() / 2).context("half")?.to_vec()
    });
    add("PNG bomb: 400 megapixels in 50 kB", bomb()?);
    add("JPEG that says 200 megapixels", {
        let mut large = plain.clone();
        let frame = large.windows(2).position(|two| two == [0xff, 0xc0]).context("a frame")?;
        large.get_mut(frame + 5..frame + 9).context("its size")?.copy_from_slice(&[0x2e, 0xe0, 0x41, 0x19]);
        large
    });
    add("65 MiB of bytes", [plain, vec![0; 65 << 20]].concat());
    add("0 bytes", Vec::new());
    add("HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic".to_vec());
    add("GIF", b"GIF89a\x01\0\x01\0\0\0\0;".to_vec());
    add("a text called .jpg", "这是一段文字".as_bytes().to_vec());
    Ok(all)
}

/// Everything exiftool finds in a file that is not about the file itself.
fn metadata(file: &Path) -> Result<Vec<String>> {
    let output = Command::new("exiftool").args(["-G1", "-a", "-u", "-s"]).arg(file).output();
    let output = output.context("running exiftool, which tests/setup.sh installs")?;
    ensure!(output.status.success(), "exiftool: {}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    // ExifTool, System, File: of the tool, of the disk, of the coding. JFIF: that it is a JPEG, and its density. Composite: summed up of these.
    let plain = ["[ExifTool]", "[System]", "[File]", "[JFIF]", "[Composite]"];
    Ok(told.lines().filter(|line| !plain.iter().any(|group| line.starts_with(group))).map(str::to_owned).collect())
}

fn outcome(name: &str, taken: &Result<Taken, BadPhoto>, words: &Messages) -> Result<String> {
    match taken {
        Ok(taken) => {
            let small = image::load_from_memory(&taken.thumbnail)?;
            let mut upright = String::new();
            if name.contains("orientation") {
                let (seen, ..) = quarters(&taken.jpeg)?;
                write!(upright, ", quarters {seen:?}")?;
            }
            Ok(format!(
                "taken: {} × {}, thumbnail {} × {}{upright}; no metadata",
                taken.width,
                taken.height,
                small.width(),
                small.height()
            ))
        }
        Err(error) => Ok(format!("refused: {}", error.message().text(words))),
    }
}

#[test]
fn every_sort_of_picture_is_a_good_photo_or_a_clear_word() -> Result<()> {
    let words = Messages::of(Lang::Zh);
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("photo.jpg");
    let mut table = String::from("| what was given | what came of it |\n| --- | --- |\n");
    for (name, bytes) in samples()? {
        let taken = take_in(&bytes, "");
        if name.contains("GPS") {
            std::fs::write(&file, &bytes)?;
            ensure!(!metadata(&file)?.is_empty(), "exiftool sees nothing where something is");
        }
        for jpeg in taken.iter().flat_map(|taken| [&taken.jpeg, &taken.thumbnail]) {
            std::fs::write(&file, jpeg)?;
            let left = metadata(&file)?;
            ensure!(left.is_empty(), "{name}: {left:?}");
        }
        writeln!(table, "| {name} | {} |", outcome(&name, &taken, &words)?)?;
    }
    println!("{table}");
    let document = std::fs::read_to_string(DOCUMENT)?;
    let (before, stands) = document.split_once(BEGIN).context("the document has a place for the table")?;
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(DOCUMENT, [before, BEGIN, &table].concat())?;
    } else {
        ensure!(stands == table, "docs/photos.md says something else; UPDATE=1 writes it anew");
    }
    Ok(())
}
