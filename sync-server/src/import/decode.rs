//! What a file is written in: UTF-8 (with or without byte order mark) or GB 18030, which old Excel and WPS write.
//!
//! UTF-8 is strict enough that Chinese text in GB 18030 does not pass for it over the length of a sample; so UTF-8 is
//! tried first. Anything else is said, never guessed.

use encoding_rs::{GB18030, UTF_8};

/// How many bytes of the beginning are looked at.
pub const SAMPLE_BYTES: usize = 256 * 1024;

/// The encodings taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8 (RFC 3629).
    Utf8,
    /// GB 18030, which holds GBK and GB 2312.
    Gb18030,
}

impl Encoding {
    /// As people write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Gb18030 => "GB 18030",
        }
    }

    /// From an option: `utf-8`, `gb18030`, `gbk`, `gb2312`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().replace(['-', '_', ' '], "").as_str() {
            "utf8" => Some(Self::Utf8),
            "gb18030" | "gbk" | "gb2312" => Some(Self::Gb18030),
            _ => None,
        }
    }
}

/// A file whose encoding is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadEncoding {
    /// "Unicode text" of Excel.
    #[error("the file is written in UTF-16")]
    Utf16,
    /// Holds bytes that text never has.
    #[error("the file is not text")]
    NotText,
    /// Neither of the two.
    #[error("the file is written neither in UTF-8 nor in GB 18030")]
    Neither,
}

/// What the beginning of a file tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// The encoding.
    pub encoding: Encoding,
    /// Bytes of the byte order mark, to be skipped.
    pub mark: usize,
    /// What parts the cells: comma, tab or semicolon, whichever the first line has most of.
    pub separator: u8,
}

/// Judges a file by its first bytes. `whole` says that `sample` is the whole file.
pub fn beginning(sample: &[u8], whole: bool) -> Result<Beginning, BadEncoding> {
    if sample.starts_with(&[0xFF, 0xFE]) || sample.starts_with(&[0xFE, 0xFF]) {
        return Err(BadEncoding::Utf16);
    }
    if sample.contains(&0) {
        return Err(BadEncoding::NotText);
    }
    let (encoding, mark) = if sample.starts_with(&[0xEF, 0xBB, 0xBF]) {
        (Encoding::Utf8, 3)
    } else if sample.starts_with(&[0x84, 0x31, 0x95, 0x33]) {
        (Encoding::Gb18030, 4)
    } else if is_utf8(sample, whole) {
        (Encoding::Utf8, 0)
    } else if is_gb18030(sample, whole) {
        (Encoding::Gb18030, 0)
    } else {
        return Err(BadEncoding::Neither);
    };
    let line = sample.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    // The first of equal ones wins, so comma where there is none.
    let separator = [b';', b'\t', b','].into_iter().max_by_key(|byte| count(*byte)).unwrap_or(b',');
    Ok(Beginning { encoding, mark, separator })
}

fn is_utf8(sample: &[u8], whole: bool) -> bool {
    match std::str::from_utf8(sample) {
        Ok(_) => true,
        // Cut in the middle of a character.
        Err(error) => !whole && error.error_len().is_none(),
    }
}

fn is_gb18030(sample: &[u8], whole: bool) -> bool {
    let mut decoder = GB18030.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(decoder.max_utf8_buffer_length_without_replacement(sample.len()).unwrap_or(0));
    let (result, _) = decoder.decode_to_string_without_replacement(sample, &mut text, whole);
    // Private characters: what the decoder makes of bytes that no Chinese text holds.
    matches!(result, encoding_rs::DecoderResult::InputEmpty)
        && !text.chars().any(|c| ('\u{E000}'..'\u{F900}').contains(&c))
}

/// The text of one cell, or `None` where the bytes are none in this encoding.
pub fn text(encoding: Encoding, bytes: &[u8]) -> Option<String> {
    let encoding = match encoding {
        Encoding::Utf8 => UTF_8,
        Encoding::Gb18030 => GB18030,
    };
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(std::borrow::Cow::into_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_encoding_is_told_by_its_bytes() {
        let line = "姓名,联系电话\n张伟,13912345678\n";
        let gb = GB18030.encode(line).0.into_owned();
        let utf16: Vec<u8> = [0xFF, 0xFE].into_iter().chain(line.encode_utf16().flat_map(u16::to_le_bytes)).collect();
        let told = |bytes: &[u8]| beginning(bytes, true).map(|b| (b.encoding, b.mark));
        assert_eq!(told(line.as_bytes()), Ok((Encoding::Utf8, 0)));
        assert_eq!(told(format!("\u{FEFF}{line}").as_bytes()), Ok((Encoding::Utf8, 3)));
        assert_eq!(told(&gb), Ok((Encoding::Gb18030, 0)));
        assert_eq!(told(&utf16), Err(BadEncoding::Utf16));
        assert_eq!(told(b"a,b\n1,\xFF\xFF\n"), Err(BadEncoding::Neither));
        assert_eq!(text(Encoding::Gb18030, GB18030.encode("张伟").0.as_ref()).as_deref(), Some("张伟"));
        // A sample cut in the middle of a character is still UTF-8.
        assert_eq!(beginning(&line.as_bytes()[..line.len() - 15], false).map(|b| b.encoding), Ok(Encoding::Utf8));
    }

    #[test]
    fn the_separator_is_the_one_the_header_uses() {
        let told = |text: &str| beginning(text.as_bytes(), true).unwrap().separator;
        assert_eq!(told("a,b;c,d\n"), b',');
        assert_eq!(told("a\tb\tc\n1,2,3,4"), b'\t');
        assert_eq!(told("a;b\n"), b';');
        assert_eq!(told("a\n"), b',');
    }
}
