//! By what a handheld knows its server: the pin of the server's key, told at the enrolment in a line or by six digits more.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use hmac::{Hmac, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The digits of a one-time code.
pub const CODE: usize = 10;
/// The check digits behind it, where the server has a certificate of its own.
pub const CHECK: usize = 6;
/// What the line of an enrolment begins with.
const SCHEME: &str = "grid-enrol:";

/// SHA-256 over a key's `SubjectPublicKeyInfo` (RFC 7469 2.4); as text base64. It outlives certificates: one that is made
/// for the same key has the same pin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyPin([u8; 32]);

/// It is not the base64 of 32 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a pin is 32 bytes in base64")]
pub struct BadPin;

impl KeyPin {
    /// The pin of a key, from its `SubjectPublicKeyInfo` in DER.
    pub fn of_key(info: &[u8]) -> Self {
        Self(Sha256::digest(info).into())
    }

    /// The check digits that go with a one-time code: the first eight bytes of HMAC-SHA256(code, pin), big-endian, modulo a
    /// million. Who sits in between does not know the code, so that they cannot choose a key that fits.
    pub fn check_digits(&self, code: &str) -> String {
        // Takes keys of any length.
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(code.as_bytes()) else { return String::new() };
        mac.update(&self.0);
        let head = mac.finalize().into_bytes().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
        format!("{:06}", head % 1_000_000)
    }
}

impl fmt::Display for KeyPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl FromStr for KeyPin {
    type Err = BadPin;

    fn from_str(text: &str) -> Result<Self, BadPin> {
        STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok()).map(Self).ok_or(BadPin)
    }
}

impl TryFrom<String> for KeyPin {
    type Error = BadPin;

    fn try_from(text: String) -> Result<Self, BadPin> {
        text.parse()
    }
}

impl From<KeyPin> for String {
    fn from(pin: KeyPin) -> Self {
        pin.to_string()
    }
}

/// What of a certificate is looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Of its key.
    pub pin: KeyPin,
    /// Names and addresses it is made out to.
    pub names: Vec<String>,
    /// From when it is good.
    pub from: DateTime<Utc>,
    /// The last moment it is.
    pub until: DateTime<Utc>,
}

/// It is no X.509 certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this is no certificate: {0}")]
pub struct BadCertificate(String);

impl Certificate {
    /// Reads a certificate in DER (RFC 5280). Its signature is not looked at.
    pub fn read(der: &[u8]) -> Result<Self, BadCertificate> {
        let bad = |error: x509_cert::der::Error| BadCertificate(error.to_string());
        let read = x509_cert::Certificate::from_der(der).map_err(bad)?.tbs_certificate;
        let date = |time: x509_cert::time::Time| {
            let seconds = i64::try_from(time.to_unix_duration().as_secs()).ok();
            let date = seconds.and_then(|seconds| DateTime::from_timestamp(seconds, 0));
            date.ok_or_else(|| BadCertificate("a date out of range".to_owned()))
        };
        let names = read.get::<SubjectAltName>().map_err(bad)?.map(|(_, names)| names.0).unwrap_or_default();
        Ok(Self {
            pin: KeyPin::of_key(&read.subject_public_key_info.to_der().map_err(bad)?),
            names: names.iter().filter_map(name).collect(),
            from: date(read.validity.not_before)?,
            until: date(read.validity.not_after)?,
        })
    }
}

fn name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => Some(name.to_string()),
        GeneralName::IpAddress(address) => match *address.as_bytes() {
            [a, b, c, d] => Some(std::net::Ipv4Addr::new(a, b, c, d).to_string()),
            ref longer => <[u8; 16]>::try_from(longer).ok().map(|it| std::net::Ipv6Addr::from(it).to_string()),
        },
        _ => None,
    }
}

/// A code as a person typed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypedCode {
    /// The one-time code, without what stands between its digits.
    pub code: String,
    /// The check digits, where they were typed.
    pub check: Option<String>,
}

/// More than ten digits and not sixteen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a code has ten digits or sixteen")]
pub struct BadLength;

impl FromStr for TypedCode {
    type Err = BadLength;

    fn from_str(typed: &str) -> Result<Self, BadLength> {
        let code: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
        match code.split_at_checked(CODE) {
            Some((code, check)) if check.len() == CHECK => {
                Ok(Self { code: code.to_owned(), check: Some(check.to_owned()) })
            }
            Some((_, rest)) if !rest.is_empty() => Err(BadLength),
            // Too few: the server says that it is no code of its.
            _ => Ok(Self { code, check: None }),
        }
    }
}

/// All that an enrolment needs in one line: `grid-enrol:?code=…&pin=…&server=https://…`, shown as a QR code and to copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolLine {
    /// The server's address.
    pub server: String,
    /// The one-time code.
    pub code: String,
    /// The pins of its key and of the next; none where the certificate is one that everybody trusts.
    pub pins: Vec<KeyPin>,
}

/// It is not the whole line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not the whole line of an enrolment")]
pub struct BadLine;

impl EnrolLine {
    /// Whether somebody means this to be such a line.
    pub fn is_meant(text: &str) -> bool {
        text.trim_start().starts_with(SCHEME)
    }
}

impl fmt::Display for EnrolLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}?code={}", self.code)?;
        for pin in &self.pins {
            write!(f, "&pin={pin}")?;
        }
        write!(f, "&server={}", self.server)
    }
}

impl FromStr for EnrolLine {
    type Err = BadLine;

    fn from_str(text: &str) -> Result<Self, BadLine> {
        // A line that was wrapped on its way is still the line.
        let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
        let query = text.strip_prefix(SCHEME).and_then(|rest| rest.strip_prefix('?')).ok_or(BadLine)?;
        let (mut server, mut code, mut pins) = (None, None, Vec::new());
        for pair in query.split('&') {
            match pair.split_once('=') {
                Some(("server", value)) if !value.is_empty() => server = Some(value.to_owned()),
                Some(("code", value)) if value.len() == CODE => code = Some(value.to_owned()),
                // One that cannot be read is not left out: then any certificate of the public roots would do.
                Some(("pin", value)) => pins.push(value.parse().map_err(|_| BadLine)?),
                _ => return Err(BadLine),
            }
        }
        Ok(Self { server: server.ok_or(BadLine)?, code: code.ok_or(BadLine)?, pins })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pin(byte: u8) -> KeyPin {
        KeyPin([byte; 32])
    }

    #[test]
    fn a_line_says_again_what_it_was_made_of() {
        let line = EnrolLine {
            server: "https://192.0.2.7:7300".to_owned(),
            code: "0123456789".to_owned(),
            pins: vec![pin(7), pin(0xff)],
        };
        assert_eq!(line.to_string().parse(), Ok(line.clone()));
        let wrapped = line.to_string().replace("&pin", "\n &pin");
        assert_eq!(wrapped.parse(), Ok(line), "wrapped by what it was copied through");
    }

    #[test]
    fn a_line_that_lost_something_is_refused_whole() {
        let whole =
            EnrolLine { server: "https://c.example".to_owned(), code: "0123456789".to_owned(), pins: vec![pin(7)] };
        let whole = whole.to_string();
        assert!(EnrolLine::is_meant(&whole) && !EnrolLine::is_meant("https://c.example"));
        let cut = whole.find("&server").unwrap();
        for bad in
            [&whole[..cut], &whole[..cut - 4], &whole.replace("pin=", "pim="), &whole.replace("code=0", "code="), ""]
        {
            assert_eq!(bad.parse::<EnrolLine>(), Err(BadLine), "{bad}");
        }
    }

    #[test]
    fn check_digits_depend_on_the_key_and_on_the_code() {
        // Counted by another implementation of HMAC (Python).
        let digits = pin(0).check_digits("0123456789");
        assert_eq!(digits.len(), CHECK);
        assert_eq!(digits, "731924");
        assert_ne!(digits, pin(1).check_digits("0123456789"));
        assert_ne!(digits, pin(0).check_digits("0123456788"));
    }

    #[test]
    fn a_typed_code_may_have_blanks_and_dashes() {
        let typed = |text: &str| text.parse::<TypedCode>();
        let code = "0123456789".to_owned();
        assert_eq!(typed("01234-56789 "), Ok(TypedCode { code: code.clone(), check: None }));
        assert_eq!(typed("01234 56789 123 456"), Ok(TypedCode { code, check: Some("123456".to_owned()) }));
        for bad in ["01234567890", "01234 56789 123 45", "01234 56789 123 4567"] {
            assert_eq!(typed(bad), Err(BadLength), "{bad}");
        }
    }

    #[test]
    fn a_pin_is_32_bytes_in_base64() {
        assert_eq!(pin(3).to_string().parse(), Ok(pin(3)));
        for bad in ["", "AAAA", "not base64 at all", &pin(3).to_string()[1..]] {
            assert_eq!(bad.parse::<KeyPin>(), Err(BadPin), "{bad}");
        }
    }
}
