//! The line between a handheld and the centre, which may break where it hurts.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use app::platform::Boxed;
use app::sync::{Connect, HttpConnect, Request, Response, Transport, TransportError, Trust};

/// What happens to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It goes through.
    Fine,
    /// It never arrives.
    Lost,
    /// It arrives; the answer never comes back.
    AnswerLost,
    /// It arrives twice; the second answer comes back.
    Twice,
}

/// A line whose next requests have their fates; all later ones go through.
#[derive(Clone, Default)]
pub struct Link {
    fates: Arc<Mutex<Vec<Fate>>>,
    requests: Arc<AtomicUsize>,
    sent: Arc<AtomicUsize>,
    received: Arc<AtomicUsize>,
}

impl Link {
    /// A good line.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what happens to the next requests, in order.
    pub fn next(&self, fates: &[Fate]) {
        if let Ok(mut list) = self.fates.lock() {
            *list = fates.iter().rev().copied().collect();
        }
    }

    /// How many requests were tried since the last call.
    pub fn requests(&self) -> usize {
        self.requests.swap(0, Ordering::Relaxed)
    }

    /// Bytes of bodies sent and received since the last call.
    pub fn bytes(&self) -> (usize, usize) {
        (self.sent.swap(0, Ordering::Relaxed), self.received.swap(0, Ordering::Relaxed))
    }
}

struct Line {
    link: Link,
    inner: Arc<dyn Transport>,
}

impl Connect for Link {
    fn connect(&self, address: &str, trust: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(Line { link: self.clone(), inner: HttpConnect.connect(address, trust)? }))
    }
}

impl Transport for Line {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        let fate = self.link.fates.lock().ok().and_then(|mut fates| fates.pop()).unwrap_or(Fate::Fine);
        self.link.requests.fetch_add(1, Ordering::Relaxed);
        self.link.sent.fetch_add(request.body.len(), Ordering::Relaxed);
        Box::pin(async move {
            let broken = |what: &str| Err(TransportError::Broken(what.to_owned()));
            let answer = match fate {
                Fate::Lost => return broken("the line broke before the request"),
                Fate::Fine => self.inner.send(request).await?,
                Fate::AnswerLost => {
                    self.inner.send(request).await?;
                    return broken("the line broke before the answer");
                }
                Fate::Twice => {
                    self.inner.send(request.clone()).await?;
                    self.inner.send(request).await?
                }
            };
            self.link.received.fetch_add(answer.body.len(), Ordering::Relaxed);
            Ok(answer)
        })
    }
}
