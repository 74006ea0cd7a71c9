//! Photos as the app sends them: tus 1.0.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use sha2::{Digest, Sha256};
use shared::edit::Edit;
use shared::form::PhotoParticulars;
use shared::ids::PhotoHash;
use shared::path::Path;
use shared::value::Value;
use sync_server::AppState;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{Centre, Handheld};

pub fn hash(bytes: &[u8]) -> PhotoHash {
    PhotoHash::from_bytes(&Sha256::digest(bytes).into())
}

/// Where a photo lies that is kept in the data folder.
pub fn photo_file(app: &AppState, photo: &PhotoHash) -> PathBuf {
    sync_server::blobs::place(&app.data.join("blobs"), photo)
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

/// A line of its own to the server, on which not all of a request may come.
pub struct Line(TcpStream);

impl Line {
    pub async fn to(centre: &Centre) -> Self {
        Self(TcpStream::connect(centre.url.strip_prefix("http://").unwrap()).await.unwrap())
    }

    /// Says that a piece comes, and sends nothing of it yet.
    pub async fn patch(hand: &Handheld<'_>, upload: &str, offset: usize, length: usize, more: &str) -> Self {
        let mut line = Self::to(hand.centre).await;
        let head = format!(
            "PATCH {upload} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {}\r\ntus-resumable: 1.0.0\r\n\
             content-type: application/offset+octet-stream\r\nupload-offset: {offset}\r\n{more}content-length: {length}\r\n\r\n",
            hand.token
        );
        line.send(head.as_bytes()).await;
        line
    }

    pub async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    /// The head of the answer, and whatever of its body comes along.
    pub async fn answer(&mut self) -> String {
        let mut all = Vec::new();
        let said = async {
            while !String::from_utf8_lossy(&all).contains("\r\n\r\n") {
                assert!(self.0.read_buf(&mut all).await.unwrap() > 0, "{}", String::from_utf8_lossy(&all));
            }
        };
        tokio::time::timeout(HUNG, said).await.expect("the server says nothing");
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// Much longer than anything takes: a story that gets here has failed.
const HUNG: Duration = Duration::from_secs(60);

impl Handheld<'_> {
    /// A new upload of a photo.
    pub async fn begun(&self, photo: &[u8]) -> String {
        let begun = self.begin(hash(photo).as_str(), photo.len().try_into().unwrap()).await;
        assert_eq!(begun.status(), 201);
        named(&begun, "location").to_owned()
    }

    /// A piece as it arrives, without a checksum.
    pub async fn plain(&self, upload: &str, offset: usize, piece: &[u8]) -> Response {
        let offset = offset.to_string();
        let headers = [
            ("tus-resumable", "1.0.0"),
            ("content-type", "application/offset+octet-stream"),
            ("upload-offset", &offset),
        ];
        self.centre.send(Method::PATCH, upload, Some(&self.token), piece.to_vec(), &headers).await
    }

    /// Waits until the server says that so many bytes are on its disk.
    pub async fn until_stands_at(&self, upload: &str, offset: usize) {
        let waiting = async {
            while named(&self.stands_at(upload).await, "upload-offset") != offset.to_string() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(HUNG, waiting).await.expect("it never gets there");
    }
}
