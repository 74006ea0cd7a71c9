//! Back-pressure: rounds wait for their turn in a queue that has an end, and one handheld does not take all of the server.
//! Whoever is sent away is told when to come again; nothing of theirs was applied, so nothing is lost.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::StatusCode;
use shared::ids::DeviceId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::App;
use crate::error::Problem;

/// Rounds that write and wait for their turn or are worked on: all handhelds of a town at once, and more. One that waits is a
/// request of some kilobytes and no thread.
const QUEUE: usize = 2_048;
/// Kilobytes of unpacked requests that wait, at most.
const WAITING_KB: usize = 64 * 1024;
/// So long a round waits for its turn. No line is held open longer for nothing.
const PATIENCE: Duration = Duration::from_secs(10);
/// Rounds of each kind that are worked on at once, a core: more would only hold their pages in memory while they wait for the
/// same cores and the same lock.
const TURNS: usize = 4;
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
    waiting_kb: Arc<Semaphore>,
    writing: Arc<Semaphore>,
    reading: Arc<Semaphore>,
    places: usize,
    turns: usize,
    sums: Arc<Semaphore>,
    in_flight: Mutex<BTreeMap<DeviceId, u32>>,
}

impl Default for Pressure {
    fn default() -> Self {
        Self::with_queue(QUEUE)
    }
}

/// A place in the queue.
#[derive(Debug)]
pub struct Place {
    _place: OwnedSemaphorePermit,
    _room: OwnedSemaphorePermit,
}

fn busy() -> Problem {
    Problem { retry_after: Some(AGAIN), ..Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy") }
}

/// A request of a handheld under way.
pub struct Flight {
    app: App,
    device: DeviceId,
}

impl Pressure {
    /// With room for so many rounds that write.
    pub fn with_queue(places: usize) -> Self {
        let turns = TURNS * std::thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            queue: Arc::new(Semaphore::new(places)),
            waiting_kb: Arc::new(Semaphore::new(WAITING_KB)),
            writing: Arc::new(Semaphore::new(turns)),
            reading: Arc::new(Semaphore::new(turns)),
            places,
            turns,
            sums: Arc::new(Semaphore::new(SUMS)),
            in_flight: Mutex::default(),
        }
    }

    /// A place in the queue of those that write, for a request of so many bytes; or 503.
    pub fn place(&self, bytes: usize) -> Result<Place, Problem> {
        let kilobytes = u32::try_from(bytes / 1_024 + 1).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.waiting_kb).try_acquire_many_owned(kilobytes).map_err(|_| busy())?;
        let place = Arc::clone(&self.queue).try_acquire_owned().map_err(|_| busy())?;
        Ok(Place { _place: place, _room: room })
    }

    /// Waits until a round is worked on, those that came first before it; 503 if that takes too long.
    pub async fn turn(&self, writes: bool) -> Result<OwnedSemaphorePermit, Problem> {
        let turns = Arc::clone(if writes { &self.writing } else { &self.reading });
        match tokio::time::timeout(PATIENCE, turns.acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(busy()),
        }
    }

    /// Whether as many rounds wait as are worked on.
    pub fn is_high(&self) -> bool {
        self.places.saturating_sub(self.queue.available_permits()) > 2 * self.turns
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
