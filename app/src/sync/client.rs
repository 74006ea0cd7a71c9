//! The server's answers as values: JSON both ways, zstd, and what each status means to the handheld.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;
use shared::ids::RecordId;
use shared::json;
use shared::record::Part;
use shared::wire::{ErrorAnswer, Item, SyncAnswer, SyncAnswerOf};

use super::{Method, Request, Response, Transport, TransportError};
use crate::handheld::Message;

/// The most bytes of an answer after decompression.
const ANSWER_BYTES: u64 = 256 * 1024 * 1024;
/// Below this compressing does not pay.
const WORTH_COMPRESSING: usize = 200;

/// The server's code for: two have used this credential.
const DOUBLED: &str = "token_doubled";

/// Why the server's answer is no success.
#[derive(Debug, thiserror::Error)]
#[error("{detail}")]
pub struct Refused {
    /// In words for the user.
    pub message: Message,
    /// For the log: no personal data.
    pub detail: String,
    /// The HTTP status; 0 if there was no answer.
    pub status: u16,
    /// The server's code for it, or empty.
    pub code: String,
    /// Whether the same may come through later.
    pub again: bool,
    /// How long the server asks to wait.
    pub retry_after: Option<Duration>,
}

impl Refused {
    /// A refusal of our own.
    pub fn of(key: &str, detail: impl ToString, again: bool) -> Self {
        Self {
            message: Message::of(key),
            detail: detail.to_string(),
            status: 0,
            code: String::new(),
            again,
            retry_after: None,
        }
    }

    /// The server takes what is brought, keeps it aside and gives nothing: two have used this credential.
    pub fn doubled() -> Self {
        Self { code: DOUBLED.to_owned(), ..Self::of("sync-doubled", "two have used this credential", false) }
    }

    /// Whether it is [`Self::doubled`]: what is brought is taken.
    pub fn is_doubled(&self) -> bool {
        self.status == 0 && self.code == DOUBLED
    }

    /// What a status that is no success means.
    pub fn from_response(response: &Response) -> Self {
        let body = unpack(response).unwrap_or_default();
        let said: Option<ErrorAnswer> = json::from_slice(&body).ok();
        let code = said.as_ref().map(|said| said.code.clone()).unwrap_or_default();
        let request = said.map(|said| said.request).unwrap_or_default();
        let (key, again) = match response.status {
            401 if code == "token_revoked" => ("sync-revoked", false),
            401 if code == DOUBLED => ("sync-doubled", false),
            401 => ("sync-credential-ended", false),
            403 => ("sync-not-allowed", false),
            404 => ("sync-not-found", false),
            408 => ("sync-slow", true),
            413 => ("sync-too-large", false),
            426 => ("sync-app-too-old", false),
            423 | 429 | 503 => ("sync-busy", true),
            507 => ("sync-server-full", true),
            500..=599 => ("sync-server-trouble", true),
            _ => ("sync-refused", false),
        };
        let retry_after = response.header("retry-after").and_then(|text| text.trim().parse().ok());
        Self {
            message: Message::of(key)
                .with("code", if code.is_empty() { response.status.to_string() } else { code.clone() }),
            detail: format!("status {} {code} (request {request})", response.status),
            status: response.status,
            code,
            again,
            // A day at most: a wrong header must not silence a handheld for good.
            retry_after: retry_after.map(|seconds: u64| Duration::from_secs(seconds.min(86_400))),
        }
    }
}

impl From<TransportError> for Refused {
    fn from(error: TransportError) -> Self {
        let key = match &error {
            TransportError::Address(_) => "sync-address",
            TransportError::Cleartext(_) => "sync-cleartext",
            TransportError::NoTls => "sync-no-tls",
            TransportError::OldTls => "sync-old-tls",
            TransportError::WrongKey => "sync-wrong-key",
            TransportError::Ended { .. } => "sync-certificate-ended",
            TransportError::NotYet { .. } => "sync-certificate-not-yet",
            TransportError::Untrusted(_) => "sync-untrusted",
            TransportError::Offline => "sync-offline",
            TransportError::Broken(_) => "sync-unreachable",
            TransportError::TimedOut => "sync-slow",
            TransportError::TooLarge(_) => "sync-bad-answer",
        };
        let again = matches!(
            error,
            TransportError::Offline
                | TransportError::Broken(_)
                | TransportError::TimedOut
                | TransportError::TooLarge(_)
        );
        let mut message = Message::of(key);
        if let TransportError::Ended { until: date, today } | TransportError::NotYet { from: date, today } = &error {
            message = message.with("date", date).with("today", today);
        }
        Self { message, ..Self::of(key, error, again) }
    }
}

/// A transport with the credential, counting bytes.
#[derive(Clone)]
pub struct Client {
    transport: Arc<dyn Transport>,
    token: String,
}

impl Client {
    /// `token` is empty before enrolment.
    pub fn new(transport: Arc<dyn Transport>, token: &str) -> Self {
        Self { transport, token: token.to_owned() }
    }

    /// The credential from now on.
    pub fn go_on_with(&mut self, token: &str) {
        token.clone_into(&mut self.token);
    }

    /// Sends JSON, gives the bytes of the JSON answer, with the bytes that went over the line (bodies only).
    pub async fn post<T: Serialize>(&self, path: &str, body: &T, timeout: Duration) -> Result<Answered, Refused> {
        let json = serde_json::to_vec(body).map_err(|error| Refused::of("sync-bad-request", error, false))?;
        let mut headers = vec![("content-type", "application/json".to_owned())];
        let body = match zstd::bulk::compress(&json, 3) {
            Ok(packed) if json.len() > WORTH_COMPRESSING && packed.len() < json.len() => {
                headers.push(("content-encoding", "zstd".to_owned()));
                packed
            }
            _ => json,
        };
        self.send(Method::Post, path.to_owned(), headers, body, timeout).await
    }

    /// Asks for JSON or bytes.
    pub async fn get(&self, path: &str, timeout: Duration) -> Result<Answered, Refused> {
        self.send(Method::Get, path.to_owned(), Vec::new(), Vec::new(), timeout).await
    }

    async fn send(
        &self,
        method: Method,
        path: String,
        mut headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Answered, Refused> {
        headers.push(("accept-encoding", "zstd".to_owned()));
        let sent = body.len() as u64;
        let response = self.raw(method, path, headers, body, timeout).await?;
        if response.status / 100 != 2 {
            return Err(Refused::from_response(&response));
        }
        Ok(Answered { sent, received: response.body.len() as u64, response })
    }

    /// Sends as it is, with the credential; any status is an answer.
    pub async fn raw(
        &self,
        method: Method,
        path: String,
        mut headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
        timeout: Duration,
    ) -> Result<Response, Refused> {
        if !self.token.is_empty() {
            headers.push(("authorization", format!("Bearer {}", self.token)));
        }
        Ok(self.transport.send(Request { method, path, headers, body, timeout }).await?)
    }
}

/// A successful answer.
#[derive(Debug)]
pub struct Answered {
    response: Response,
    /// Bytes of the request's body as sent.
    pub sent: u64,
    /// Bytes of the answer's body as received.
    pub received: u64,
}

impl Answered {
    /// The body, decompressed.
    pub fn bytes(&self) -> Result<Vec<u8>, Refused> {
        unpack(&self.response).map_err(|error| Refused::of("sync-bad-answer", error, true))
    }
}

impl Answered {
    /// The answer of a sync, read in one pass: its types refuse a key that stands twice, and [`crate::store::Page::read`]
    /// looks through the values of fields. A first fill is 50 MB of JSON; looking through all of it beforehand took as
    /// long as reading it.
    pub fn sync(&self) -> Result<SyncAnswer, Refused> {
        let bytes = self.bytes()?;
        serde_json::from_slice(&bytes).or_else(|error| {
            // The place alone: the message may quote a value.
            let why = format!("line {}, column {}", error.line(), error.column());
            one_by_one(&bytes).ok_or_else(|| Refused::of("sync-bad-answer", why, true))
        })
    }
}

/// The answer with its items read one by one. Of one that cannot be read (a kind of a newer version) what it says stays
/// as it is; one that does not even say of which record it is could not be kept, and the answer is refused.
fn one_by_one(bytes: &[u8]) -> Option<SyncAnswer> {
    #[derive(serde::Deserialize)]
    struct Bare {
        id: RecordId,
        #[serde(default)]
        part: Part,
    }
    let answer: SyncAnswerOf<Box<RawValue>> = serde_json::from_slice(bytes).ok()?;
    let read = |raw: Box<RawValue>| -> Option<Item> {
        serde_json::from_str(raw.get()).ok().or_else(|| {
            let Bare { id, part } = serde_json::from_str(raw.get()).ok()?;
            Some(Item { id, part, kind: None, state: Some(raw), erased: false })
        })
    };
    answer.read_items(read)
}

/// The body without its compression; bounded, so that a small answer cannot fill the memory.
fn unpack(response: &Response) -> Result<Vec<u8>, std::io::Error> {
    match response.header("content-encoding") {
        None | Some("identity" | "") => Ok(response.body.clone()),
        Some("zstd") => {
            let mut body = Vec::with_capacity(response.body.len() * 6);
            zstd::Decoder::new(response.body.as_slice())?.take(ANSWER_BYTES + 1).read_to_end(&mut body)?;
            if body.len() as u64 > ANSWER_BYTES {
                return Err(std::io::Error::other("the answer is too large"));
            }
            Ok(body)
        }
        Some(other) => Err(std::io::Error::other(format!("unknown encoding {other}"))),
    }
}
