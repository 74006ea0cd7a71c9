//! Back-pressure: rounds that write wait in a queue that has an end, and one handheld does not take all of the server.
//! Whoever is sent away is told when to come again; nothing of theirs was applied, so nothing is lost.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::StatusCode;
use shared::ids::DeviceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::App;
use crate::error::Problem;

/// Rounds that write and are under way or wait for the lock. One takes some 10 ms: the last of them waits under a second.
const QUEUE: usize = 64;
/// Requests of one handheld under way at once. The app sends one round and a few photos.
const IN_FLIGHT: u32 = 8;
/// Digests summed up at once: each may read all that its reader holds.
const SUMS: usize = 2;
/// Seconds after which another attempt makes sense; `http::frame` adds up to as many by chance.
const AGAIN: u32 = 2;

/// How much is under way.
#[derive(Debug)]
pub struct Pressure {
    queue: Arc<Semaphore>,
    sums: Arc<Semaphore>,
    in_flight: Mutex<BTreeMap<DeviceId, u32>>,
}

impl Default for Pressure {
    fn default() -> Self {
        Self::with_queue(QUEUE)
    }
}

/// A request of a handheld under way.
pub struct Flight {
    app: App,
    device: DeviceId,
}

impl Pressure {
    /// With room for so many rounds that write.
    pub fn with_queue(places: usize) -> Self {
        Self {
            queue: Arc::new(Semaphore::new(places)),
            sums: Arc::new(Semaphore::new(SUMS)),
            in_flight: Mutex::default(),
        }
    }

    /// A place in the queue of those that write, or 503.
    pub fn place(&self) -> Result<OwnedSemaphorePermit, Problem> {
        Arc::clone(&self.queue)
            .try_acquire_owned()
            .map_err(|_| Problem { retry_after: Some(AGAIN), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy") })
    }

    /// Waits for its turn to sum up.
    pub async fn turn_to_sum(&self) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        Arc::clone(&self.sums).acquire_owned().await.ok()
    }

    fn flights(&self) -> MutexGuard<'_, BTreeMap<DeviceId, u32>> {
        self.in_flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a request of a handheld in, or 429 if too many of its are under way.
pub fn admit(app: &App, device: DeviceId) -> Result<Flight, Problem> {
    let mut flights = app.pressure.flights();
    let under_way = flights.entry(device).or_default();
    if *under_way >= IN_FLIGHT {
        return Err(Problem {
            retry_after: Some(AGAIN),
            ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests")
        });
    }
    *under_way += 1;
    Ok(Flight { app: Arc::clone(app), device })
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut flights = self.app.pressure.flights();
        if let Some(under_way) = flights.get_mut(&self.device) {
            *under_way = under_way.saturating_sub(1);
            if *under_way == 0 {
                flights.remove(&self.device);
            }
        }
    }
}
