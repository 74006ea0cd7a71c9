//! The file that a handheld writes when it cannot send, and the form of the console that takes it.

use std::io::Write;

use hmac::{Hmac, Mac};
use reqwest::header::COOKIE;
use reqwest::{Response, StatusCode};
use sha2::{Digest, Sha256};
use shared::edit::Edit;
use shared::ids::PhotoHash;
use shared::outbox::{Header, Kind, MAGIC, put};
use shared::outside::Outside;

use super::Handheld;
use super::desk::{Desk, hidden};

/// Where the form leads.
pub const ACTION: &str = "/console/terminals/outbox";
/// Between the parts of the form.
pub const BOUNDARY: &str = "----WebKitFormBoundary7300";

/// The file this handheld writes when it cannot send.
pub fn exported(hand: &Handheld<'_>, edits: &[Edit], photos: &[Vec<u8>]) -> Vec<u8> {
    let secret: [u8; 32] = Sha256::digest(hand.token.as_bytes()).into();
    let header = Header {
        key: secret.iter().map(|byte| format!("{byte:02x}")).collect(),
        slot: hand.slot,
        made: hand.centre.clock.now(),
        app: "0.1.0".to_owned(),
        edits: edits.len() as u64,
        photos: photos.len() as u64,
    };
    let mut frames = Vec::new();
    put(&mut frames, Kind::Header, &serde_json::to_vec(&header).unwrap()).unwrap();
    for edit in edits {
        put(&mut frames, Kind::Edit, &serde_json::to_vec(edit).unwrap()).unwrap();
    }
    for photo in photos {
        let hash = PhotoHash::from_bytes(&Sha256::digest(photo).into());
        put(&mut frames, Kind::Photo, &[hash.as_str().as_bytes(), photo.as_slice()].concat()).unwrap();
    }
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&secret).unwrap();
    mac.update(&frames);
    let mac = mac.finalize().into_bytes();
    put(&mut frames, Kind::End, &mac).unwrap();

    let recipient: age::x25519::Recipient = hand.centre.app.outbox_key.recipient().parse().unwrap();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)).unwrap();
    let mut file = MAGIC.to_vec();
    let mut sealed = encryptor.wrap_output(&mut file).unwrap();
    sealed.write_all(&zstd::encode_all(frames.as_slice(), 3).unwrap()).unwrap();
    sealed.finish().unwrap();
    file
}

/// Sends the form as a browser does, its parts in this order.
pub async fn send(desk: &Desk<'_>, parts: &[(&str, &[u8])], headers: &[(&str, &str)]) -> Response {
    let mut body: Vec<u8> = Vec::new();
    for (name, bytes) in parts {
        let file = "; filename=\"outbox-20261123T080000.age\"\r\nContent-Type: application/octet-stream";
        let file = if *name == "file" { file } else { "" };
        let head = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    let mut request = desk.http.post(format!("{}{ACTION}", desk.centre.url)).header(COOKIE, &desk.cookie);
    request = request.header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).send().await.unwrap()
}

/// The token in the forms of whoever is logged in.
pub async fn csrf(desk: &Desk<'_>) -> String {
    hidden(&desk.page("/console").await, "/console/logout")["csrf"].clone()
}

/// Chooses the file in the form and sends it: the status and the words of the answer.
pub async fn upload(desk: &Desk<'_>, file: &[u8]) -> (StatusCode, String) {
    let token = csrf(desk).await;
    let response = send(desk, &[("csrf", token.as_bytes()), ("file", file)], &[]).await;
    (response.status(), response.text().await.unwrap())
}
