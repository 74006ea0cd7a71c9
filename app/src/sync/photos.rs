//! Photos go up by tus 1.0 (https://tus.io/protocols/resumable-upload): create, append in pieces, ask how far it came
//! after a break. Delivered is only what the server verified and said back by its hash.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use shared::ids::PhotoHash;

use super::round::blocking;
use super::{Client, Method, Phase, Refused, Response, SyncProgress};
use crate::store::{PhotoRow, Store};

/// Bytes of one piece: what a bad line loses at most.
const PIECE: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(120);
/// How often one photo may begin anew within one sync.
const RESTARTS: u32 = 3;

/// Delivers every photo that waits, thumbnails first. Gives the bytes sent.
pub async fn deliver_photos(
    store: &Arc<Store>,
    client: &Client,
    mut tell: impl FnMut(&dyn Fn(&mut SyncProgress)) + Send,
) -> Result<u64, Refused> {
    let mut sent = 0;
    let mut count = 0;
    let mut passed = BTreeSet::new();
    let mut trouble = None;
    loop {
        let reader = Arc::clone(store);
        let waiting = blocking(move || reader.photos_waiting()).await??;
        let Some(photo) = waiting.iter().find(|photo| !passed.contains(&photo.hash)) else {
            return trouble.map_or(Ok(sent), Err);
        };
        let (total, done) = (count + waiting.len() as u64, count);
        tell(&|progress| {
            progress.phase = Phase::Photos;
            progress.done = done;
            progress.total = total;
        });
        match deliver(store, client, photo).await {
            Ok(bytes) => {
                sent += bytes;
                count += 1;
                tell(&|progress| progress.sent += bytes);
            }
            // One photo the server will not take must not keep the others here.
            Err(refused) if !refused.again && refused.status != 401 => {
                passed.insert(photo.hash.clone());
                trouble = Some(refused);
            }
            Err(refused) => return Err(refused),
        }
    }
}

async fn deliver(store: &Arc<Store>, client: &Client, photo: &PhotoRow) -> Result<u64, Refused> {
    let reader = Arc::clone(store);
    let hash = photo.hash.clone();
    let bytes = blocking(move || reader.photo(&hash)).await??;
    let Some(bytes) = bytes else {
        // The row promises what is not there; without its bytes it can never be delivered.
        return Err(Refused::of("photo-file-lost", format!("the file of photo {} is not there", photo.hash), false));
    };
    let mut sent = 0;
    let mut upload = photo.upload.clone();
    for _ in 0..RESTARTS {
        let mut offset = match upload.as_str() {
            "" => match create(client, &photo.hash, bytes.len()).await? {
                Created::Known => return delivered(store, &photo.hash, sent).await,
                Created::At(path) => {
                    note(store, &photo.hash, &path, 0).await?;
                    upload = path;
                    0
                }
            },
            path => match how_far(client, path, &photo.hash).await? {
                HowFar::Verified => return delivered(store, &photo.hash, sent).await,
                HowFar::At(offset) if offset < bytes.len() => offset,
                _ => {
                    upload.clear();
                    continue;
                }
            },
        };
        loop {
            let piece = bytes.get(offset..bytes.len().min(offset + PIECE)).unwrap_or_default();
            let response = append(client, &upload, offset, piece).await?;
            if response.status / 100 != 2 {
                if matches!(response.status, 404 | 409 | 410 | 460) {
                    // Another idea of how far it came, or a piece that arrived damaged: ask, or begin anew.
                    if matches!(response.status, 404 | 410) {
                        upload.clear();
                    }
                    break;
                }
                return Err(Refused::from_response(&response));
            }
            sent += piece.len() as u64;
            offset += piece.len();
            if offset >= bytes.len() {
                if response.header("photo-hash") == Some(photo.hash.as_str()) {
                    return delivered(store, &photo.hash, sent).await;
                }
                upload.clear();
                break;
            }
            note(store, &photo.hash, &upload, offset).await?;
        }
    }
    note(store, &photo.hash, "", 0).await?;
    Err(Refused::of("photo-not-verified", format!("photo {} did not arrive whole", photo.hash), true))
}

enum Created {
    /// The server has it already and said its hash.
    Known,
    /// Where to append.
    At(String),
}

fn tus(mut headers: Vec<(&'static str, String)>) -> Vec<(&'static str, String)> {
    headers.push(("tus-resumable", "1.0.0".to_owned()));
    headers
}

async fn create(client: &Client, hash: &PhotoHash, length: usize) -> Result<Created, Refused> {
    let headers = tus(vec![
        ("upload-length", length.to_string()),
        ("upload-metadata", format!("hash {}", STANDARD.encode(hash.as_str()))),
    ]);
    let response = client.raw(Method::Post, "/api/v1/photos".to_owned(), headers, Vec::new(), TIMEOUT).await?;
    if response.status / 100 != 2 {
        return Err(Refused::from_response(&response));
    }
    if response.header("photo-hash") == Some(hash.as_str()) {
        return Ok(Created::Known);
    }
    let location = response.header("location").and_then(path_of);
    location.map(Created::At).ok_or_else(|| Refused::of("sync-bad-answer", "an upload without a location", true))
}

/// Path and query of a location, which may be whole or relative to the server.
fn path_of(location: &str) -> Option<String> {
    match location.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).map(str::to_owned),
        None => location.starts_with('/').then(|| location.to_owned()),
    }
}

enum HowFar {
    /// The server knows nothing of the upload any more.
    Gone,
    /// It has so many bytes.
    At(usize),
    /// All of it, and the hash was said back: only that answer was lost.
    Verified,
}

async fn how_far(client: &Client, upload: &str, hash: &PhotoHash) -> Result<HowFar, Refused> {
    let response = client.raw(Method::Head, upload.to_owned(), tus(Vec::new()), Vec::new(), TIMEOUT).await?;
    match response.status {
        404 | 410 => Ok(HowFar::Gone),
        status if status / 100 == 2 => {
            if response.header("photo-hash") == Some(hash.as_str()) {
                return Ok(HowFar::Verified);
            }
            let offset = response.header("upload-offset").and_then(|offset| offset.trim().parse().ok());
            Ok(offset.map_or(HowFar::Gone, HowFar::At))
        }
        _ => Err(Refused::from_response(&response)),
    }
}

async fn append(client: &Client, upload: &str, offset: usize, piece: &[u8]) -> Result<Response, Refused> {
    let headers = tus(vec![
        ("content-type", "application/offset+octet-stream".to_owned()),
        ("upload-offset", offset.to_string()),
        ("upload-checksum", format!("sha256 {}", STANDARD.encode(Sha256::digest(piece)))),
    ]);
    client.raw(Method::Patch, upload.to_owned(), headers, piece.to_vec(), TIMEOUT).await
}

async fn note(store: &Arc<Store>, hash: &PhotoHash, upload: &str, sent: usize) -> Result<(), Refused> {
    let (store, hash, upload) = (Arc::clone(store), hash.clone(), upload.to_owned());
    Ok(blocking(move || store.photo_sent(&hash, &upload, sent as u64)).await??)
}

async fn delivered(store: &Arc<Store>, hash: &PhotoHash, sent: u64) -> Result<u64, Refused> {
    let (store, hash) = (Arc::clone(store), hash.clone());
    blocking(move || store.photo_delivered(&hash)).await??;
    Ok(sent)
}
