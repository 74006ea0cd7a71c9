//! What a handheld has not delivered, as a file that only the centre opens (`docs/outbox-export.md`): [`MAGIC`], then an
//! age stream (https://age-encryption.org/v1) of a zstd stream of frames. The last frame authenticates all before it.

use std::io::{self, Read, Write};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::ids::Slot;
use crate::limits::PHOTO_BYTES;

/// What the file begins with; its last byte is the version of the format.
pub const MAGIC: [u8; 8] = *b"outbox\0\x01";
/// Bytes of a photo's hash before its bytes: hexadecimal digits.
pub const HASH: usize = 64;
/// The most bytes of one frame.
const FRAME: u64 = PHOTO_BYTES + HASH as u64;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// JSON of a [`Header`]; the first frame.
    Header = 1,
    /// JSON of an edit or of a [`crate::wire::StandIn`], in order of n.
    Edit = 2,
    /// [`HASH`] digits of its SHA-256, then a JPEG.
    Photo = 3,
    /// HMAC-SHA256 over all frames before it, each as it was written; the last frame.
    End = 4,
}

impl Kind {
    fn of(code: u8) -> Option<Self> {
        [Self::Header, Self::Edit, Self::Photo, Self::End].into_iter().find(|kind| *kind as u8 == code)
    }
}

/// Whose file it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// SHA-256 of the handheld's credential in hexadecimal digits: the key of the HMAC, and how the centre finds the
    /// enrolment.
    pub key: String,
    /// The slot of the edits.
    pub slot: Slot,
    /// The device's clock when it was made.
    #[serde(with = "chrono::serde::ts_milliseconds")]
    pub made: DateTime<Utc>,
    /// The version of the app that made it.
    pub app: String,
    /// How many edits follow.
    pub edits: u64,
    /// How many photos follow.
    pub photos: u64,
}

/// The beginning of a frame: its kind and the length of what follows.
pub fn head(kind: Kind, length: usize) -> [u8; 5] {
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    [kind as u8, a, b, c, d]
}

/// Writes one frame.
pub fn put(out: &mut impl Write, kind: Kind, bytes: &[u8]) -> io::Result<()> {
    if bytes.len() as u64 > FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a frame is too large"));
    }
    out.write_all(&head(kind, bytes.len()))?;
    out.write_all(bytes)
}

/// Reads one frame. A file that ends before [`Kind::End`] was cut: that is an error.
pub fn next(input: &mut impl Read) -> io::Result<(Kind, Vec<u8>)> {
    let mut head = [0; 5];
    input.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let bad = |what| io::Error::new(io::ErrorKind::InvalidData, what);
    let kind = Kind::of(kind).ok_or_else(|| bad("a frame of an unknown kind"))?;
    let length = u64::from(u32::from_le_bytes(length));
    if length > FRAME {
        return Err(bad("a frame is too large"));
    }
    let mut bytes = Vec::new();
    input.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok((kind, bytes)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}
