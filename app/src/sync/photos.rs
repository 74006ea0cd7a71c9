//! Photos go up by tus 1.0 (https://tus.io/protocols/resumable-upload): create, append in pieces, ask how far it came
//! after a break. Delivered is only what the server verified and said back by its hash. They come down in ranges of the same
//! size (RFC 9110, 14).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use shared::ids::PhotoHash;
use shared::limits::PHOTO_BYTES;
use shared::outside::Outside;

use super::round::blocking;
use super::{Client, Method, Pace, Phase, Refused, Response, SyncProgress};
use crate::handheld::Message;
use crate::store::{PhotoRow, Store};

/// For a piece, either way.
const PIECE: Duration = Duration::from_secs(120);
/// For what carries nothing.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The server's code for: this handheld has sent as many photos as it may for now.
const QUOTA: &str = "photo_quota";
/// How often one photo may begin anew within one sync.
const RESTARTS: u32 = 3;

/// What stands against sending the next piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// Nothing.
    Go,
    /// Text was saved meanwhile: it goes first.
    Text,
    /// Photos are to wait.
    Wait,
}

/// Whether and how photos go at the moment.
pub struct Way<'a> {
    /// How large the pieces are.
    pub pace: &'a mut Pace,
    /// Asked before each piece.
    pub hold: &'a (dyn Fn() -> Hold + Send + Sync),
    /// The clocks.
    pub outside: Arc<dyn Outside>,
}

impl Way<'_> {
    fn took(&self, since: i64) -> Duration {
        let millis = self.outside.since_boot().saturating_sub(since);
        Duration::from_millis(u64::try_from(millis).unwrap_or_default())
    }
}

/// Why no more photos go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// None waits.
    All,
    /// Something is held against it.
    Held(Hold),
}

/// Delivers every photo that waits, in the order of [`Store::photos_waiting`].
pub async fn deliver_photos(
    store: &Arc<Store>,
    client: &Client,
    way: &mut Way<'_>,
    mut tell: impl FnMut(&dyn Fn(&mut SyncProgress)) + Send,
) -> Result<Ended, Refused> {
    let mut passed = BTreeSet::new();
    let mut trouble = None;
    let mut through = 0;
    loop {
        let reader = Arc::clone(store);
        let waiting = blocking(move || reader.photos_waiting()).await??;
        let Some(photo) = waiting.iter().find(|photo| !passed.contains(&photo.hash)) else {
            return trouble.map_or(Ok(Ended::All), Err);
        };
        let held = (way.hold)();
        if held != Hold::Go {
            return Ok(Ended::Held(held));
        }
        let left: u64 = waiting.iter().map(|photo| photo.bytes.saturating_sub(photo.sent)).sum();
        let here = photo.sent;
        let mut at = |sent: u64| {
            let done = through + sent.saturating_sub(here);
            tell(&|progress| {
                progress.phase = Phase::Photos;
                (progress.done, progress.total) = (done, through + left);
            });
        };
        at(here);
        match deliver(store, client, way, photo, &mut at).await {
            Ok(Ended::All) => {
                through += photo.bytes.saturating_sub(here);
                tell(&|progress| progress.sent += photo.bytes.saturating_sub(here));
            }
            Ok(held) => return Ok(held),
            // One photo the server will not take must not keep the others here.
            Err(refused) if !refused.again && refused.status != 401 => {
                passed.insert(photo.hash.clone());
                trouble = Some(refused);
            }
            Err(refused) => return Err(refused),
        }
    }
}

async fn deliver(
    store: &Arc<Store>,
    client: &Client,
    way: &mut Way<'_>,
    photo: &PhotoRow,
    at: &mut (dyn FnMut(u64) + Send),
) -> Result<Ended, Refused> {
    let (reader, outside, hash) = (Arc::clone(store), Arc::clone(&way.outside), photo.hash.clone());
    let bytes = blocking(move || reader.photo_to_deliver(&hash, outside.as_ref())).await??;
    let Some(bytes) = bytes else {
        // The row promises what is not there; without its bytes it can never be delivered.
        return Err(Refused::of("photo-file-lost", format!("the file of photo {} is not there", photo.hash), false));
    };
    let mut known = usize::try_from(photo.sent).unwrap_or_default();
    let mut upload = photo.upload.clone();
    for _ in 0..RESTARTS {
        let mut offset = match upload.as_str() {
            "" => match create(client, &photo.hash, bytes.len()).await? {
                Created::Known => return delivered(store, &photo.hash).await,
                Created::At(path) => {
                    note(store, &photo.hash, &path, 0).await?;
                    upload = path;
                    known = 0;
                    0
                }
            },
            path => match how_far(client, path, &photo.hash).await? {
                HowFar::Verified => return delivered(store, &photo.hash).await,
                HowFar::At(offset) if offset < bytes.len() => {
                    way.pace.found(offset.saturating_sub(known));
                    note(store, &photo.hash, path, offset).await?;
                    offset
                }
                _ => {
                    upload.clear();
                    continue;
                }
            },
        };
        loop {
            at(offset as u64);
            let held = (way.hold)();
            if held != Hold::Go {
                return Ok(Ended::Held(held));
            }
            let piece = bytes.get(offset..bytes.len().min(offset + way.pace.piece())).unwrap_or_default();
            let began = way.outside.since_boot();
            let response = match append(client, &upload, offset, piece).await {
                Err(refused) => {
                    way.pace.broke();
                    return Err(refused);
                }
                Ok(response) => response,
            };
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
            way.pace.came_through(piece.len(), way.took(began));
            offset += piece.len();
            known = offset;
            if offset >= bytes.len() {
                if response.header("photo-hash") == Some(photo.hash.as_str()) {
                    return delivered(store, &photo.hash).await;
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
        let refused = Refused::from_response(&response);
        // As many as one handheld may send for now. Text is not meant, and must not wait an hour for it.
        if refused.code == QUOTA {
            return Err(Refused { message: Message::of("photo-quota"), retry_after: None, ..refused });
        }
        return Err(refused);
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

/// Without a checksum of its own: of a piece that carries one, a server may keep nothing unless all of it came, and on a bad
/// line what came of it is what counts. The whole is verified by its hash, and TLS lets no turned bit through.
async fn append(client: &Client, upload: &str, offset: usize, piece: &[u8]) -> Result<Response, Refused> {
    let headers = tus(vec![
        ("content-type", "application/offset+octet-stream".to_owned()),
        ("upload-offset", offset.to_string()),
    ]);
    client.raw(Method::Patch, upload.to_owned(), headers, piece.to_vec(), PIECE).await
}

async fn note(store: &Arc<Store>, hash: &PhotoHash, upload: &str, sent: usize) -> Result<(), Refused> {
    let (store, hash, upload) = (Arc::clone(store), hash.clone(), upload.to_owned());
    Ok(blocking(move || store.photo_sent(&hash, &upload, sent as u64)).await??)
}

async fn delivered(store: &Arc<Store>, hash: &PhotoHash) -> Result<Ended, Refused> {
    let (store, hash) = (Arc::clone(store), hash.clone());
    blocking(move || store.photo_delivered(&hash)).await??;
    Ok(Ended::All)
}

/// What the server says of a photo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Its bytes, verified.
    Here(Vec<u8>),
    /// It was taken, and is still on the handheld of who took it.
    OnItsWay(OnItsWay),
    /// There is none, or it is not for this user.
    NotThere,
}

/// A photo that has not arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OnItsWay {
    /// When a handheld of who took it was last heard of.
    pub seen: Option<DateTime<Utc>>,
    /// How much of it has arrived, percent.
    pub percent: Option<u8>,
}

/// Fetches a photo in pieces; `so_far` are the bytes that came before, and are added to: after a break the next call goes on.
pub async fn fetch_photo(
    client: &Client,
    hash: &PhotoHash,
    so_far: &mut Vec<u8>,
    pace: &mut Pace,
    outside: &dyn Outside,
) -> Result<Fetched, Refused> {
    loop {
        let until = so_far.len() + pace.piece() - 1;
        let headers = vec![("range", format!("bytes={}-{until}", so_far.len()))];
        let began = outside.since_boot();
        let path = format!("/api/v1/photos/{hash}");
        let response = match client.raw(Method::Get, path, headers, Vec::new(), PIECE).await {
            Err(refused) => {
                pace.broke();
                return Err(refused);
            }
            Ok(response) => response,
        };
        let took = Duration::from_millis(outside.since_boot().saturating_sub(began).try_into().unwrap_or_default());
        let total = match response.status {
            206 => {
                let range = response.header("content-range").and_then(range).filter(|(from, _)| *from == so_far.len());
                let Some((_, total)) = range else {
                    so_far.clear();
                    return Err(Refused::of("sync-bad-answer", "another range than was asked for", true));
                };
                so_far.extend_from_slice(&response.body);
                total
            }
            status if status / 100 == 2 => {
                so_far.clone_from(&response.body);
                so_far.len()
            }
            403 | 404 | 410 => {
                return Ok(match Refused::from_response(&response) {
                    refused if refused.code == "photo_on_its_way" => Fetched::OnItsWay(on_its_way(&response)),
                    _ => Fetched::NotThere,
                });
            }
            // What was held of it is longer than it is.
            416 if !so_far.is_empty() => {
                so_far.clear();
                continue;
            }
            _ => return Err(Refused::from_response(&response)),
        };
        pace.came_through(response.body.len(), took);
        if total as u64 > PHOTO_BYTES || response.body.is_empty() {
            so_far.clear();
            return Err(Refused::of("sync-bad-answer", "no photo has so many bytes", true));
        }
        if so_far.len() >= total {
            let bytes = std::mem::take(so_far);
            if crate::photo::hash(&bytes) != *hash {
                return Err(Refused::of("photo-not-verified", format!("photo {hash} came as something else"), true));
            }
            return Ok(Fetched::Here(bytes));
        }
    }
}

/// Start and whole length of a `Content-Range: bytes 0-99/1234`.
fn range(value: &str) -> Option<(usize, usize)> {
    let (from, rest) = value.trim().strip_prefix("bytes ")?.split_once('-')?;
    let (_, total) = rest.split_once('/')?;
    Some((from.parse().ok()?, total.parse().ok()?))
}

fn on_its_way(response: &Response) -> OnItsWay {
    let number = |name: &str| -> Option<i64> { response.header(name)?.trim().parse().ok() };
    let percent = number("photo-received").zip(number("photo-length")).filter(|(_, length)| *length > 0);
    let percent = percent.and_then(|(received, length)| u8::try_from(received.saturating_mul(100) / length).ok());
    OnItsWay { seen: number("photo-seen").and_then(DateTime::from_timestamp_millis), percent }
}
