//! What search looks through, and what a query asks for.
//!
//! The words of a record are one text: the title, its pinyin and its initials, each behind [`START`], then the other
//! searched fields behind line ends. Blanks are left out, letters small, digits and letters of full width made narrow.
//! Numbers of papers stand there only as a hash of the whole, so that they are found by the full number and by
//! nothing less, and cannot be read out of the index.

use pinyin::ToPinyin;
use sha2::{Digest, Sha256};

/// Stands before what may be matched from its beginning first: title, pinyin, initials.
pub(super) const START: char = '\u{1}';
/// Stands before the hash of a number.
pub(super) const NUMBER: char = '\u{2}';
/// The shortest text that is tried as a full number.
const NUMBER_LENGTH: usize = 5;

/// Family names read otherwise than the character usually is.
const FAMILY_NAMES: &[(char, &str)] = &[
    ('单', "shan"),
    ('曾', "zeng"),
    ('解', "xie"),
    ('仇', "qiu"),
    ('查', "zha"),
    ('任', "ren"),
    ('区', "ou"),
    ('盖', "ge"),
    ('朴', "piao"),
    ('覃', "qin"),
    ('乐', "yue"),
    ('翟', "zhai"),
    ('华', "hua"),
    ('尉', "yu"),
    ('长', "zhang"),
    ('召', "shao"),
    ('缪', "miao"),
    ('种', "chong"),
    ('秘', "bi"),
    ('员', "yun"),
];

/// One character as search compares it; `None` for what it leaves out.
fn plain(c: char) -> Option<char> {
    match c {
        c if c.is_whitespace() || c.is_control() => None,
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).map(|narrow| narrow.to_ascii_lowercase()),
        c => Some(c.to_ascii_lowercase()),
    }
}

/// A text as search compares it.
pub fn normal(text: &str) -> String {
    text.chars().filter_map(plain).collect()
}

/// Appends the title with its pinyin and initials.
pub(super) fn push_title(words: &mut String, title: &str) {
    let start = words.len();
    words.push(START);
    words.extend(title.chars().filter_map(plain));
    let name: Vec<char> = words.get(start..).unwrap_or_default().chars().skip(1).collect();
    let mut full = String::with_capacity(name.len() * 4);
    let mut initials = String::with_capacity(name.len());
    let mut other: Option<&str> = None;
    for (at, c) in name.iter().enumerate() {
        match c.to_pinyin() {
            Some(sound) => {
                full.push_str(sound.plain());
                initials.push_str(sound.first_letter());
                if at == 0 {
                    other = FAMILY_NAMES
                        .iter()
                        .find(|(family, reading)| family == c && *reading != sound.plain())
                        .map(|(_, reading)| *reading);
                }
            }
            None => {
                full.push(*c);
                initials.push(*c);
            }
        }
    }
    if full.is_ascii() || initials.chars().count() == name.len() {
        words.push(START);
        words.push_str(&full);
        words.push(START);
        words.push_str(&initials);
    }
    if let (Some(reading), Some(first)) = (other, name.first().and_then(|c| c.to_pinyin())) {
        words.push(START);
        words.push_str(reading);
        words.push_str(full.strip_prefix(first.plain()).unwrap_or_default());
        words.push(START);
        words.push_str(reading.get(..1).unwrap_or_default());
        words.push_str(initials.get(1..).unwrap_or_default());
    }
}

/// Appends a text that any part of may be searched.
pub(super) fn push_text(words: &mut String, text: &str) {
    words.push('\n');
    words.extend(text.chars().filter_map(plain));
}

/// Appends a telephone number: its digits, however they were grouped.
pub(super) fn push_phone(words: &mut String, number: &str) {
    words.push('\n');
    words.extend(number.chars().filter_map(plain).filter(|c| c.is_ascii_alphanumeric() || !c.is_ascii()));
}

/// Appends the number of a paper, as a hash.
pub(super) fn push_number(words: &mut String, number: &str) {
    words.push_str(&number_word(number));
}

/// A number as it stands in the words: 64 bits of SHA-256 in letters that nobody types.
pub(super) fn number_word(number: &str) -> String {
    let digest = Sha256::digest(normal(number).as_bytes());
    let mut word = String::with_capacity(17);
    word.push(NUMBER);
    for byte in digest.iter().take(8) {
        word.push(char::from(0x0e + (byte >> 4)));
        word.push(char::from(0x0e + (byte & 0x0f)));
    }
    word
}

/// One word of a query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Word {
    /// Has to occur …
    pub text: String,
    /// … or this, if the word may be a full number.
    pub number: Option<String>,
}

/// What a query asks for; all words have to be there.
pub(super) fn query(text: &str) -> Vec<Word> {
    text.split_whitespace()
        .map(|word| {
            let text = normal(word);
            let digits: String = text.chars().filter(|c| *c != '-').collect();
            let text = if digits.bytes().all(|b| b.is_ascii_digit()) && !digits.is_empty() { digits } else { text };
            let may_be_number = text.len() >= NUMBER_LENGTH && text.bytes().all(|b| b.is_ascii_alphanumeric());
            let number = may_be_number.then(|| number_word(&text));
            Word { text, number }
        })
        .filter(|word| !word.text.is_empty())
        .collect()
}
