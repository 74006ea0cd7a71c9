//! How long the thread of a screen was busy without a pause: events, drawing and everything that runs between them. On a
//! handheld it is the thread of the window, and a stretch above 16 ms is a picture that came late.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};
use serde::Serialize;

/// Shorter ones are not noted.
const SHORT: Duration = Duration::from_millis(2);

/// One stretch, in milliseconds.
#[derive(Debug, Clone, Serialize)]
struct Stretch {
    /// On the clock on the wall.
    wall: f64,
    /// Of the processor; the rest was waited for: the disk, or others.
    processor: f64,
}

/// What was noted since it was last taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Stretches(Arc<Mutex<Vec<Stretch>>>);

impl Stretches {
    /// As JSON, and forgets them.
    pub(super) fn take(&self) -> serde_json::Value {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        serde_json::json!(std::mem::take(&mut *noted))
    }

    /// The same future; what it does between two pauses is noted.
    pub(super) fn watch<F: Future>(&self, future: F) -> impl Future<Output = F::Output> {
        Watched { future: Box::pin(future), stretches: self.clone() }
    }
}

struct Watched<F> {
    future: Pin<Box<F>>,
    stretches: Stretches,
}

impl<F: Future> Future for Watched<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let (start, before) = (Instant::now(), processor());
        let polled = self.future.as_mut().poll(context);
        let wall = start.elapsed();
        if wall >= SHORT {
            let millis = |time: Duration| time.as_secs_f64() * 1e3;
            let stretch = Stretch { wall: millis(wall), processor: millis(processor().saturating_sub(before)) };
            self.stretches.0.lock().unwrap_or_else(PoisonError::into_inner).push(stretch);
        }
        polled
    }
}

/// What this thread had of the processor so far.
fn processor() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap_or_default()
}
