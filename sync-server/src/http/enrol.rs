//! `POST /api/v1/enrol`

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use shared::wire::EnrolRequest;

use super::way::Way;
use super::{blocking, body};
use crate::App;
use crate::auth::enrol::{self, Enrolled};
use crate::error::Problem;
use crate::sync::round::{RoundError, speaks};

/// A body of an enrolment is small.
const BYTES: usize = 16 * 1024;

/// Exchanges a one-time code for a token.
pub async fn enrol(State(app): State<App>, way: Way, headers: HeaderMap, request: Body) -> Result<Response, Problem> {
    let bytes = body::bytes(request, BYTES).await?;
    blocking(move || {
        let request: EnrolRequest = body::read(&headers, &bytes)?;
        if !speaks(request.protocol) {
            return Err(RoundError::Protocol(request.protocol).into());
        }
        if let Err(seconds) = app.throttle.begin_code(way.address, app.outside.now()) {
            let wait = Some(u32::try_from(seconds).unwrap_or(u32::MAX));
            let problem = Problem::new(http::StatusCode::TOO_MANY_REQUESTS, "too_many_codes");
            return Err(Problem { retry_after: wait, ..problem.with("seconds", seconds) });
        }
        let done = enrol::enrol(&app, &request)?;
        if let Enrolled::Done(_) = done {
            app.throttle.enrolled(way.address);
        }
        match done {
            Enrolled::Done(answer) => body::write(body::packing(&headers), &*answer),
            Enrolled::BadCode => Err(Problem::new(http::StatusCode::FORBIDDEN, "code_invalid")),
        }
    })
    .await
}
