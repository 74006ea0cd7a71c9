//! Bodies: read up to a limit, decompressed up to a limit, JSON without duplicate keys; answers compressed.

use std::borrow::Cow;
use std::io::Read;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::StreamExt as _;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde::de::DeserializeOwned;
use shared::json::{self, BadJson};
use shared::limits::{EDIT_BYTES_A_ROUND, REQUEST_BYTES};

use super::pressure::Pressure;
use crate::error::Problem;

/// Below this many bytes an answer is sent as it is: the headers would cost what compressing saves.
const SMALL: usize = 400;
/// The compression level of answers: 1 gives pages a fifth larger, 5 and up cost more time than a slow line saves.
const LEVEL: i32 = 3;
/// The same while others wait for their turn: it takes half the time.
const HURRIED: i32 = 1;
/// A body may open to so many times its size: ids and times, of which a round is full, do not pack so well.
const RATIO: usize = 100;
/// Whatever it was packed to, what opens to no more than this is read: twice a full round of a handheld, whose notes may be
/// all alike.
const HARMLESS: usize = 2 * EDIT_BYTES_A_ROUND;
/// The largest window a sender may ask us to keep (2^23 = 8 MiB), as RFC 8878 section 3.1.1.1.2 recommends.
const WINDOW_LOG: u32 = 23;

/// Reads a body as sent.
pub async fn bytes(body: Body, most: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, most).await.map_err(|error| {
        let large = std::error::Error::source(&error).is_some_and(|it| it.is::<http_body_util::LengthLimitError>());
        if large { Problem::too_large("body_too_large").with("most", most) } else { Problem::bad("body_broken") }
    })
}

/// Lets what is still to come of a body pass, and keeps none of it. Were it left unread the connection would break off, and
/// who sends it would not hear why they are refused.
pub fn let_pass(body: Body, most: usize, time: Duration) {
    let passing = async move {
        let (mut rest, mut passed) = (body.into_data_stream(), 0);
        while let Some(Ok(piece)) = rest.next().await {
            passed += piece.len();
            if passed > most {
                return;
            }
        }
    };
    tokio::spawn(tokio::time::timeout(time, passing));
}

/// Decompresses and reads a `T`. Call where it may block.
pub fn read<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<T, Problem> {
    Ok(read_sized(headers, body)?.0)
}

/// The same, and how many bytes it was when unpacked.
pub fn read_sized<T: DeserializeOwned>(headers: &HeaderMap, body: &[u8]) -> Result<(T, usize), Problem> {
    let encoding = headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"));
    let open = match encoding.map(str::trim) {
        None | Some("identity") => Cow::Borrowed(body),
        Some("zstd") => {
            let mut decoder = zstd::Decoder::new(body)?;
            decoder.window_log_max(WINDOW_LOG)?;
            Cow::Owned(unpacked(decoder, body.len(), "body_not_zstd")?)
        }
        Some("gzip") => Cow::Owned(unpacked(flate2::read::MultiGzDecoder::new(body), body.len(), "body_not_gzip")?),
        Some(_) => {
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "encoding_unknown")
                .header("accept-encoding", "zstd, gzip"));
        }
    };
    Ok((parse(&open)?, open.len()))
}

fn unpacked(reader: impl Read, packed: usize, code: &'static str) -> Result<Vec<u8>, Problem> {
    let most = packed.saturating_mul(RATIO).clamp(HARMLESS, REQUEST_BYTES);
    let mut unpacked = Vec::new();
    // One byte more than allowed is read, so that a bomb is known by its size and never unpacked.
    let limit = u64::try_from(most).unwrap_or(u64::MAX).saturating_add(1);
    reader.take(limit).read_to_end(&mut unpacked).map_err(|_| Problem::bad(code))?;
    if unpacked.len() > most {
        return Err(Problem::too_large("body_too_large").with("most", most));
    }
    Ok(unpacked)
}

fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    json::from_slice(bytes).map_err(|error| {
        let text = error.to_string();
        match error {
            BadJson::Syntax { line, column } => Problem::bad("not_json").with("line", line).with("column", column),
            BadJson::DuplicateKey(key) => {
                Problem::bad("duplicate_key").with("key", key.chars().take(60).collect::<String>())
            }
            BadJson::TooDeep => Problem::bad("too_deep").with("most", shared::limits::JSON_DEPTH),
            BadJson::Shape(why) => Problem {
                cause: Some(anyhow::anyhow!(text)),
                ..Problem::bad("bad_shape").with("why", why.chars().take(200).collect::<String>())
            },
        }
    })
}

/// How an answer may be compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// As it is.
    None,
    /// RFC 8878
    Zstd,
    /// RFC 1952
    Gzip,
}

/// What `Accept-Encoding` allows, zstd first.
pub fn packing(headers: &HeaderMap) -> Packing {
    let accepted = headers.get(header::ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let takes = |name: &str| {
        accepted.split(',').any(|item| {
            let (coding, weight) = item.split_once(';').unwrap_or((item, ""));
            coding.trim() == name && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
        })
    };
    match () {
        () if takes("zstd") => Packing::Zstd,
        () if takes("gzip") => Packing::Gzip,
        () => Packing::None,
    }
}

/// An answer as JSON. Call where it may block.
pub fn write<T: Serialize>(packing: Packing, answer: &T) -> Result<Response, Problem> {
    write_at(LEVEL, packing, answer)
}

/// The same where others wait, perhaps.
pub fn write_under<T: Serialize>(pressure: &Pressure, packing: Packing, answer: &T) -> Result<Response, Problem> {
    write_at(if pressure.is_high() { HURRIED } else { LEVEL }, packing, answer)
}

fn write_at<T: Serialize>(level: i32, packing: Packing, answer: &T) -> Result<Response, Problem> {
    let json = serde_json::to_vec(answer).map_err(|error| Problem::internal(error.into()))?;
    let (body, encoding) = match packing {
        _ if json.len() < SMALL => (json, None),
        Packing::None => (json, None),
        Packing::Zstd => (zstd::bulk::compress(&json, level)?, Some("zstd")),
        Packing::Gzip => {
            use std::io::Write;
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(&json)?;
            (encoder.finish()?, Some("gzip"))
        }
    };
    let mut response = Response::new(body.into());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Ok(response)
}
