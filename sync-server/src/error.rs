//! Answers that are no success: a code that is a message key, a status, what the log gets to know.

use axum::response::{IntoResponse, Response};
use http::StatusCode;

use crate::store::StoreError;
use crate::sync::round::RoundError;

/// Seconds after which room may have been made on a full disk.
const FULL: u32 = 60;
/// Seconds after which the storage of photos may be reached again.
const AWAY: u32 = 30;

/// What goes wrong in a request. The sentence for people is `error-<code>` of `errors.ftl` (with dashes); it is put in
/// by `http::frame`, which knows the language and the request's id.
#[derive(Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: StatusCode,
    /// Stable, for programs.
    pub code: &'static str,
    /// Arguments of the message. Numbers and names of keys, no personal data.
    pub args: Vec<(&'static str, String)>,
    /// For the log only.
    pub cause: Option<anyhow::Error>,
    /// Seconds after which another attempt makes sense; the answer says up to as many more, by chance.
    pub retry_after: Option<u32>,
    /// Further headers of the answer.
    pub headers: Vec<(&'static str, String)>,
}

impl Problem {
    /// A problem of this status and code.
    pub fn new(status: StatusCode, code: &'static str) -> Self {
        Self { status, code, args: Vec::new(), cause: None, retry_after: None, headers: Vec::new() }
    }

    /// 400
    pub fn bad(code: &'static str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code)
    }

    /// 404, also for what may not be seen.
    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found")
    }

    /// 413
    pub fn too_large(code: &'static str) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, code)
    }

    /// 500
    pub fn internal(cause: anyhow::Error) -> Self {
        Self { cause: Some(cause), ..Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal") }
    }

    /// With an argument of the message.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.args.push((name, value.to_string()));
        self
    }

    /// With a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let mut problem = match error {
            StoreError::Full => {
                Self { retry_after: Some(FULL), ..Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full") }
            }
            // A newer server has taken over the database: another one answers, or this one once it is as new.
            StoreError::Busy | StoreError::FromTheFuture { .. } => {
                Self { retry_after: Some(2), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "busy") }
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        problem.cause = Some(error.into());
        problem
    }
}

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind;
        let mut problem = match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Self { retry_after: Some(FULL), ..Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full") }
            }
            ErrorKind::NotConnected => {
                Self { retry_after: Some(AWAY), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "photos_away") }
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal"),
        };
        problem.cause = Some(error.into());
        problem
    }
}

impl From<RoundError> for Problem {
    fn from(error: RoundError) -> Self {
        match error {
            RoundError::Store(error) => error.into(),
            RoundError::NoEdit(place) => Self::bad("bad_shape").with("why", format!("edits[{place}]")),
            RoundError::OutOfStep => Self::new(StatusCode::CONFLICT, "out_of_step"),
            RoundError::CursorInvalid => Self::bad("cursor_invalid"),
            RoundError::TooMany { what, count, most } => {
                Self::too_large("too_many_of").with("what", what).with("count", count).with("most", most)
            }
            RoundError::NotInOrder => Self::bad("bad_shape").with("why", "kept"),
            RoundError::TooManyPartings => {
                Self { retry_after: Some(3_600), ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_partings") }
            }
            RoundError::TooManyEdits(count) => {
                Self::too_large("too_many_edits").with("count", count).with("most", shared::limits::EDITS_A_ROUND)
            }
            RoundError::Protocol(version) => {
                Self::new(StatusCode::UPGRADE_REQUIRED, "protocol_unsupported").with("version", version)
            }
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        // The frame around all handlers makes the body of it.
        response.extensions_mut().insert(std::sync::Arc::new(self));
        response
    }
}
