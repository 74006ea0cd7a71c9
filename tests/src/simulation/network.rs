//! The network between handhelds and centre: requests wait in it until the simulation says what becomes of them.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use app::platform::Boxed;
use app::sync::{Connect, Request, Response, Transport, TransportError, Trust};

use super::dice::Dice;

/// A request on its way.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Counts the requests of the run.
    pub number: u64,
    /// Whose it is.
    pub hand: usize,
    /// What it says.
    pub request: Request,
}

#[derive(Default)]
struct Inside {
    next: u64,
    asked: Vec<Asked>,
    answers: BTreeMap<u64, Result<Response, TransportError>>,
    wakers: BTreeMap<u64, Waker>,
}

/// What is on its way.
#[derive(Clone, Default)]
pub struct Network(Arc<Mutex<Inside>>);

impl Network {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The line of one handheld.
    pub fn line(&self, hand: usize) -> Line {
        Line { network: self.clone(), hand }
    }

    /// The requests made since this was asked last.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.inside().asked)
    }

    /// Answers a request, if somebody still waits for that. Says whether.
    pub fn answer(&self, number: u64, answer: Result<Response, TransportError>) -> bool {
        let mut inside = self.inside();
        let Some(waker) = inside.wakers.remove(&number) else { return false };
        inside.answers.insert(number, answer);
        drop(inside);
        waker.wake();
        true
    }
}

/// What a handheld takes for its connection.
#[derive(Clone)]
pub struct Line {
    network: Network,
    hand: usize,
}

impl Connect for Line {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for Line {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        let mut inside = self.network.inside();
        let number = inside.next;
        inside.next += 1;
        inside.asked.push(Asked { number, hand: self.hand, request });
        drop(inside);
        Box::pin(Waiting { network: self.network.clone(), number })
    }
}

/// Waits for an answer; whoever gives up waiting is not answered any more.
struct Waiting {
    network: Network,
    number: u64,
}

impl Future for Waiting {
    type Output = Result<Response, TransportError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inside = self.network.inside();
        match inside.answers.remove(&self.number) {
            Some(answer) => Poll::Ready(answer),
            None => {
                inside.wakers.insert(self.number, context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut inside = self.network.inside();
        inside.wakers.remove(&self.number);
        inside.answers.remove(&self.number);
    }
}

/// What becomes of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    /// Milliseconds until it arrives; `None`: never.
    pub arrives: Option<i64>,
    /// Milliseconds until it arrives a second time.
    pub again: Option<i64>,
    /// Of its body only so many of a thousand bytes arrive.
    pub cut: Option<usize>,
    /// Milliseconds from the arrival until the answer is there.
    pub answers: i64,
    /// What becomes of the answer.
    pub answer: Answer,
}

/// What becomes of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It arrives.
    Whole,
    /// It never arrives; whoever waits gives up.
    Lost,
    /// Only so many of a thousand bytes arrive, and nobody notices.
    Cut(usize),
    /// A machine on the way answers instead, without passing the request on.
    Busy(u16),
}

/// Nothing goes wrong and nothing takes time.
pub const SOUND: Fate = Fate { arrives: Some(0), again: None, cut: None, answers: 0, answer: Answer::Whole };

impl Fate {
    /// The fate of the next request on a bad line.
    pub fn roll(dice: &mut Dice) -> Self {
        // Most travel at once; some take minutes, in which a good deal happens elsewhere.
        let slow = |dice: &mut Dice| if dice.percent(25) { dice.between(1_000, 240_000) } else { 0 };
        let mut fate = Self { arrives: Some(slow(dice)), answers: slow(dice), ..SOUND };
        match dice.below(100) {
            0..8 => fate.arrives = None,
            8..18 => fate.answer = Answer::Lost,
            18..26 => fate.again = Some(dice.between(0, 600_000)),
            26..30 => {
                // It is given up, and arrives when it is no longer expected.
                fate.answer = Answer::Lost;
                fate.arrives = Some(dice.between(120_000, 900_000));
            }
            30..34 => fate.cut = Some(dice.below(1_000)),
            34..38 => fate.answer = Answer::Cut(dice.below(1_000)),
            38..41 => fate.answer = Answer::Busy(if dice.percent(50) { 503 } else { 429 }),
            _ => {}
        }
        fate
    }
}
