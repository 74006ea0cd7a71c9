//! Photos as the app sends them: tus 1.0.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use sha2::{Digest, Sha256};
use shared::edit::Edit;
use shared::form::PhotoParticulars;
use shared::ids::PhotoHash;
use shared::path::Path;
use shared::value::Value;

use super::Handheld;

pub fn hash(bytes: &[u8]) -> PhotoHash {
    PhotoHash::from_bytes(&Sha256::digest(bytes).into())
}

impl Handheld<'_> {
    pub async fn begin(&self, hash: &str, length: u64) -> Response {
        let metadata = format!("kind cGhvdG8=,hash {}", STANDARD.encode(hash));
        let headers =
            [("tus-resumable", "1.0.0"), ("upload-length", &length.to_string()), ("upload-metadata", &metadata)];
        self.centre.post("/api/v1/photos", Some(&self.token), vec![], &headers).await
    }

    pub async fn piece(&self, upload: &str, offset: u64, piece: &[u8], checksum: Option<&[u8]>) -> Response {
        let offset = offset.to_string();
        let checksum = format!("sha256 {}", STANDARD.encode(Sha256::digest(checksum.unwrap_or(piece))));
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("content-type", "application/offset+octet-stream"),
            ("upload-offset", &offset),
            ("upload-checksum", &checksum),
        ];
        self.centre.send(Method::PATCH, upload, Some(&self.token), piece.to_vec(), &headers).await
    }

    pub async fn stands_at(&self, upload: &str) -> Response {
        self.centre.send(Method::HEAD, upload, Some(&self.token), vec![], &[("tus-resumable", "1.0.0")]).await
    }

    /// All of a photo in one piece.
    pub async fn deliver(&self, bytes: &[u8]) -> Response {
        let begun = self.begin(hash(bytes).as_str(), bytes.len().try_into().unwrap()).await;
        assert_eq!(begun.status(), 201);
        let upload = named(&begun, "location").to_owned();
        self.piece(&upload, 0, bytes, None).await
    }

    pub async fn fetch(&self, hash: &PhotoHash) -> Response {
        self.centre.send(Method::GET, &format!("/api/v1/photos/{hash}"), Some(&self.token), vec![], &[]).await
    }
}

pub fn named<'a>(response: &'a Response, name: &str) -> &'a str {
    response.headers().get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
}

/// Links a photo (itself as its thumbnail) in an edit.
pub fn link(edit: &mut Edit, photo: &PhotoHash) {
    let particulars = PhotoParticulars {
        thumbnail: photo.clone(),
        bytes: 1,
        width: 1,
        height: 1,
        at: 1_795_400_000_000,
        position: None,
    };
    edit.writes.insert(Path::element("photos", photo.as_str()), Value::of(&particulars));
}
