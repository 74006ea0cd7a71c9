//! What comes of an upload, kept as it arrives: when the line breaks, the handheld goes on from there.

use std::time::Duration;

use axum::body::{Body, BodyDataStream, Bytes};
use futures_util::{FutureExt as _, StreamExt as _};
use http::StatusCode;
use tokio::time::{Instant, timeout_at};

use super::headers::Checksum;
use crate::App;
use crate::blobs::AppendError;
use crate::error::Problem;
use crate::http::{blocking, body};
use crate::store::Upload;

/// What came is kept in steps of so many bytes. A server that dies, or a line that falls silent without an end, has lost no
/// more of what came: six seconds of a line of 20 kbit/s.
const STEP: usize = 16 * 1024;
/// Of what a fast line brings meanwhile so many go with one step: each costs a round to the disk or the storage.
const STEPS: usize = 16;

/// Takes a piece that begins at `from`, and gives how far the upload goes then. With a checksum the whole piece is verified
/// before any of it is kept; without, what came is kept whatever becomes of the rest.
///
/// Nothing is held while bytes trickle in but they themselves: no lock, so that who comes back on another connection is not
/// locked out by the dead one, which finds another offset at its next step; and no place among the requests of the handheld
/// under way, so that a few dead ones do not keep its rounds out. Each step may take as long as a request may.
pub async fn piece(
    app: &App,
    upload: &Upload,
    from: u64,
    checksum: Option<Checksum>,
    body: Body,
) -> Result<u64, Problem> {
    let Some(checksum) = checksum else { return as_it_comes(app, upload, from, body).await };
    let most = usize::try_from(shared::limits::PHOTO_BYTES).unwrap_or(usize::MAX);
    let whole = tokio::time::timeout(app.request_time, body::bytes(body, most)).await;
    let piece = whole.map_err(|_| too_slow())??;
    checksum.check(&piece)?;
    append(app, upload, from, piece).await
}

async fn as_it_comes(app: &App, upload: &Upload, from: u64, body: Body) -> Result<u64, Problem> {
    let mut coming = Coming { body: body.into_data_stream(), over: Bytes::new() };
    let mut stands = from;
    loop {
        let (step, end) = coming.step(app.request_time).await;
        if !step.is_empty() {
            match append(app, upload, stands, step.into()).await {
                Ok(to) => stands = to,
                Err(problem) => {
                    body::let_pass(Body::from_stream(coming.body), REST, app.request_time);
                    return Err(problem);
                }
            }
        }
        match end {
            None => {}
            Some(Ok(())) => return Ok(stands),
            Some(Err(problem)) => return Err(problem.header("upload-offset", stands)),
        }
    }
}

/// Of what still comes after a refusal so much is let pass.
const REST: usize = 8 * 1024 * 1024;

/// A body on its way.
struct Coming {
    body: BodyDataStream,
    /// What came beyond the last step.
    over: Bytes,
}

impl Coming {
    /// What came until a step is full, with the full ones that are here already, or until the body is at its end, for good
    /// or ill.
    async fn step(&mut self, time: Duration) -> (Vec<u8>, Option<Result<(), Problem>>) {
        let (until, mut step) = (Instant::now() + time, Vec::new());
        loop {
            let more = self.over.split_to(self.over.len().min(STEP * STEPS - step.len()));
            step.extend_from_slice(&more);
            let full = step.len() / STEP * STEP;
            // A full one does not wait for more.
            let came = match full {
                0 => timeout_at(until, self.body.next()).await,
                most if most == STEP * STEPS => return (step, None),
                _ => match self.body.next().now_or_never() {
                    Some(came) => Ok(came),
                    None => {
                        self.over = step.split_off(full).into();
                        return (step, None);
                    }
                },
            };
            match came {
                Ok(Some(Ok(bytes))) => self.over = bytes,
                Ok(Some(Err(_))) => return (step, Some(Err(Problem::bad("body_broken")))),
                Ok(None) => return (step, Some(Ok(()))),
                Err(_) => return (step, Some(Err(too_slow()))),
            }
        }
    }
}

fn too_slow() -> Problem {
    Problem::new(StatusCode::REQUEST_TIMEOUT, "timeout")
}

async fn append(app: &App, upload: &Upload, from: u64, piece: Bytes) -> Result<u64, Problem> {
    let (app, id, length) = (App::clone(app), upload.id, upload.length);
    blocking(move || {
        let to = from.saturating_add(u64::try_from(piece.len()).unwrap_or(u64::MAX));
        if to > length {
            return Err(too_long(length));
        }
        app.blobs.append(id, from, &piece).map_err(|error| match error {
            AppendError::Offset(stands) => elsewhere(stands),
            AppendError::Locked => {
                Problem { retry_after: Some(2), ..Problem::new(StatusCode::LOCKED, "upload_locked") }
            }
            AppendError::Io(error) => super::gone_or(error),
        })?;
        app.metrics.photo(piece.len() as u64);
        Ok(to)
    })
    .await
}

/// The upload stands somewhere else.
pub fn elsewhere(stands: u64) -> Problem {
    Problem::new(StatusCode::CONFLICT, "upload_offset").header("upload-offset", stands)
}

/// More than was announced.
pub fn too_long(length: u64) -> Problem {
    Problem::too_large("upload_too_long").with("most", length)
}
