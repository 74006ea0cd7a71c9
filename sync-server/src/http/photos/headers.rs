//! What tus says in headers.

use axum::body::Body;
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use shared::ids::PhotoHash;
use shared::limits::PHOTO_BYTES;

use crate::blobs::expiry;
use crate::error::Problem;
use crate::store::Upload;

/// Of the protocol.
pub const TUS: &str = "1.0.0";
/// "Checksum mismatch" in the tus checksum extension.
const CHECKSUM_MISMATCH: u16 = 460;
/// The type of what is uploaded.
const PIECE: &str = "application/offset+octet-stream";

/// What of tus is spoken.
pub async fn options() -> Response {
    answer(
        StatusCode::NO_CONTENT,
        &[
            ("tus-version", TUS.to_owned()),
            ("tus-extension", "creation,creation-with-upload,termination,checksum,expiration".to_owned()),
            ("tus-checksum-algorithm", "sha1,sha256".to_owned()),
            ("tus-max-size", PHOTO_BYTES.to_string()),
        ],
    )
}

/// An answer without a body.
pub fn answer(status: StatusCode, named: &[(&'static str, String)]) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert("tus-resumable", HeaderValue::from_static(TUS));
    for (name, value) in named {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(*name, value);
        }
    }
    response
}

/// Refuses who speaks another version.
pub fn speaks_tus(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.get("tus-resumable").is_some_and(|value| value == TUS) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::PRECONDITION_FAILED, "tus_version").header("tus-version", TUS))
}

/// Whether the body is a piece of a photo.
pub fn brings_piece(headers: &HeaderMap) -> bool {
    headers.get(header::CONTENT_TYPE).is_some_and(|value| value == PIECE)
}

/// A header that is a number.
pub fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.parse().ok()
}

/// `Upload-Metadata: hash <base64 of the hex hash>`, among other keys.
pub fn announced(headers: &HeaderMap) -> Option<PhotoHash> {
    let metadata = headers.get("upload-metadata")?.to_str().ok()?;
    let value = metadata.split(',').find_map(|pair| pair.trim().strip_prefix("hash "))?;
    let hex = String::from_utf8(STANDARD.decode(value.trim()).ok()?).ok()?;
    hex.parse().ok()
}

/// What a piece is said to hash to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Checksum {
    /// What every server of the protocol has to know.
    Sha1(Vec<u8>),
    /// What the app sends.
    Sha256(Vec<u8>),
}

impl Checksum {
    /// `Upload-Checksum: sha256 <base64>`; absent is allowed.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, Problem> {
        let Some(value) = headers.get("upload-checksum") else { return Ok(None) };
        let (name, sum) = value.to_str().ok().and_then(|text| text.split_once(' ')).unwrap_or_default();
        let sum = STANDARD.decode(sum.trim()).map_err(|_| Problem::bad("upload_checksum"))?;
        match name {
            "sha1" => Ok(Some(Self::Sha1(sum))),
            "sha256" => Ok(Some(Self::Sha256(sum))),
            _ => Err(Problem::bad("upload_checksum")),
        }
    }

    /// Refuses a piece that arrived as another one.
    pub fn check(&self, piece: &[u8]) -> Result<(), Problem> {
        let same = match self {
            Self::Sha1(sum) => *sum == Sha1::digest(piece).as_slice(),
            Self::Sha256(sum) => *sum == Sha256::digest(piece).as_slice(),
        };
        let mismatch = StatusCode::from_u16(CHECKSUM_MISMATCH).unwrap_or(StatusCode::BAD_REQUEST);
        if same { Ok(()) } else { Err(Problem::new(mismatch, "upload_checksum")) }
    }
}

/// How an upload stands: its offset, and the hash once it is delivered, else until when it can be gone on with.
pub fn standing(upload: &Upload, stands: u64) -> Vec<(&'static str, String)> {
    let stands = if upload.done { upload.length } else { stands };
    let mut named = vec![("upload-offset", stands.to_string())];
    if upload.done {
        named.push(("photo-hash", upload.hash.to_string()));
    }
    // `Upload-Expires`, a date as RFC 9110 5.6.7 has it.
    named.extend(expiry::ends(upload).map(|at| ("upload-expires", at.format("%a, %d %b %Y %H:%M:%S GMT").to_string())));
    named
}
