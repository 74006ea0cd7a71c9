//! Codes that change every thirty seconds: TOTP (RFC 6238) with SHA-1 and six digits, which every authenticator knows.

use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac};
use sha1::Sha1;

/// The length of a secret in bytes: as long as the hash (RFC 4226, section 4).
pub const SECRET: usize = 20;
/// Seconds for which a code stands.
const STEP: i64 = 30;
/// How many steps a clock may be off, to either side.
const OFF: i64 = 1;
/// The alphabet of base32 (RFC 4648): no 0, 1, 8 or 9 to be mistaken.
const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The number of the thirty seconds a moment lies in.
pub fn step(at: DateTime<Utc>) -> i64 {
    at.timestamp().div_euclid(STEP)
}

/// How many seconds the code of this moment still stands.
pub fn left(at: DateTime<Utc>) -> i64 {
    STEP - at.timestamp().rem_euclid(STEP)
}

/// The six digits of a step.
pub fn code(secret: &[u8], step: i64) -> String {
    format!("{:06}", truncated(secret, step) % 1_000_000)
}

/// Thirty-one bits of the HMAC, taken from where its last four bits say (RFC 4226, section 5.3).
fn truncated(secret: &[u8], step: i64) -> u32 {
    // A key of any length fits HMAC.
    let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(secret) else { return 0 };
    mac.update(&step.to_be_bytes());
    let digest = mac.finalize().into_bytes();
    let at = usize::from(digest.last().copied().unwrap_or_default() & 0xf);
    let four = digest.get(at..at + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).unwrap_or_default();
    u32::from_be_bytes(four) & 0x7fff_ffff
}

/// The step whose code `given` is, of those near `at` and after `last`: no code counts twice.
pub fn matching(secret: &[u8], given: &str, at: DateTime<Utc>, last: i64) -> Option<i64> {
    let now = step(at);
    (now - OFF..=now + OFF).find(|step| *step > last && code(secret, *step) == given)
}

/// The secret as people type it and authenticators read it.
pub fn base32(secret: &[u8]) -> String {
    let mut text = String::new();
    for chunk in secret.chunks(5) {
        let mut bits = [0; 8];
        bits.iter_mut().skip(3).zip(chunk).for_each(|(to, from)| *to = *from);
        let bits = u64::from_be_bytes(bits);
        let digits = (chunk.len() * 8).div_ceil(5);
        for digit in 0..digits {
            let place = usize::try_from(bits >> (35 - 5 * digit) & 31).unwrap_or_default();
            text.extend(ALPHABET.get(place).map(|letter| char::from(*letter)));
        }
    }
    text
}

/// The secret of such a text; blanks and small letters do not matter.
pub fn from_base32(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.chars().filter(|letter| !letter.is_whitespace()) {
        let place = ALPHABET.iter().position(|known| char::from(*known) == letter.to_ascii_uppercase())?;
        bits = bits << 5 | u32::try_from(place).ok()?;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push(u8::try_from(bits >> held & 0xff).ok()?);
        }
    }
    Some(bytes)
}

/// What the QR code of a secret says. `issuer` and `login` are shown by the authenticator. The issuer stands in it once,
/// not before the login too: in Chinese it takes nine characters a letter, and the code must be read by cheap cameras.
pub fn uri(issuer: &str, login: &str, secret: &[u8]) -> String {
    let plain = |text: &str| -> String {
        text.bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => char::from(byte).to_string(),
                _ => format!("%{byte:02X}"),
            })
            .collect()
    };
    format!("otpauth://totp/{}?secret={}&issuer={}", plain(login), base32(secret), plain(issuer))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B; RFC 4226, appendix D.
    const RFC: &[u8] = b"12345678901234567890";

    #[test]
    fn the_codes_are_those_of_the_standards() {
        for (at, eight) in [
            (59, "94287082"),
            (1_111_111_109, "07081804"),
            (1_111_111_111, "14050471"),
            (1_234_567_890, "89005924"),
            (2_000_000_000, "69279037"),
            (20_000_000_000, "65353130"),
        ] {
            let at = DateTime::from_timestamp(at, 0).unwrap();
            assert_eq!(code(RFC, step(at)), eight[2..], "{at}");
        }
        let hotp = ["755224", "287082", "359152", "969429", "338314", "254676", "287922", "162583", "399871", "520489"];
        for (step, expected) in (0..).zip(hotp) {
            assert_eq!(code(RFC, step), expected);
        }
    }

    #[test]
    fn a_code_stands_a_little_longer_and_counts_once() {
        let at = |seconds: i64| DateTime::from_timestamp(1_795_400_010 + seconds, 0).unwrap();
        let (now, code) = (step(at(0)), code(RFC, step(at(0))));
        assert_eq!((left(at(0)), left(at(29)), left(at(30))), (30, 1, 30));
        for (seconds, taken) in [(-31, false), (-30, true), (0, true), (59, true), (60, false)] {
            assert_eq!(matching(RFC, &code, at(seconds), 0), taken.then_some(now), "{seconds}");
        }
        assert_eq!(matching(RFC, &code, at(0), now), None, "used");
        assert_eq!(matching(RFC, "", at(0), 0), None);
    }

    #[test]
    fn secrets_are_written_and_read_in_base32() {
        // RFC 4648, section 10, without the padding.
        for (bytes, text) in [
            ("", ""),
            ("f", "MY"),
            ("fo", "MZXQ"),
            ("foo", "MZXW6"),
            ("foob", "MZXW6YQ"),
            ("fooba", "MZXW6YTB"),
            ("foobar", "MZXW6YTBOI"),
        ] {
            assert_eq!(base32(bytes.as_bytes()), text);
            assert_eq!(from_base32(&text.to_lowercase()).unwrap(), bytes.as_bytes());
        }
        assert_eq!(base32(RFC), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(from_base32("A1"), None);
        assert_eq!(
            uri("青禾镇", "staff:1", RFC),
            "otpauth://totp/staff%3A1?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=%E9%9D%92%E7%A6%BE%E9%95%87"
        );
    }
}
