//! Runs the product's futures one at a time, so that nothing depends on which thread was faster.
//!
//! Product code hands work that blocks to tokio's blocking threads. Here there is one such thread. While a future is
//! polled it stands at a gate, so that nothing handed to it can be done before the poll is over; then the gate opens,
//! the work is done in order, and the thread stops at the next gate. A future that nobody has woken by then waits for
//! the network, and the network is the simulation's own.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::task::{Context, Poll, Wake, Waker};

use anyhow::{Result, bail};

/// How far a future came.
#[derive(Debug)]
pub enum Came<T> {
    /// To its end.
    Done(T),
    /// To where it waits for the network.
    Waits,
    /// To where its machine stops: the polls it had are used up.
    Stopped,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The one thread of a run and the one beside it for work that blocks.
pub struct Driver {
    /// Opens the gate at which the other thread stands; dropping it does, and comes before the runtime's end.
    gate: RefCell<Option<SyncSender<()>>>,
    runtime: tokio::runtime::Runtime,
}

impl Driver {
    /// A driver of its own for each run, or each thread of runs.
    pub fn new() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().max_blocking_threads(1).build()?;
        Ok(Self { gate: RefCell::new(None), runtime })
    }

    /// Lets the other thread do what was handed to it, up to a new gate.
    fn let_work(&self) {
        let (reached, gate) = sync_channel(1);
        let (open, opened) = sync_channel::<()>(1);
        self.runtime.spawn_blocking(move || {
            reached.send(()).ok();
            opened.recv().ok();
        });
        drop(self.gate.replace(Some(open)));
        gate.recv().ok();
    }

    /// Polls until the future ends or waits for the network, at most `polls` times.
    pub fn advance<F: Future + ?Sized>(&self, mut future: Pin<&mut F>, polls: &mut u32) -> Came<F::Output> {
        let _inside = self.runtime.enter();
        if self.gate.borrow().is_none() {
            self.let_work();
        }
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        loop {
            let Some(left) = polls.checked_sub(1) else { return Came::Stopped };
            *polls = left;
            woken.0.store(false, Ordering::SeqCst);
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return Came::Done(value);
            }
            self.let_work();
            if !woken.0.load(Ordering::SeqCst) {
                return Came::Waits;
            }
        }
    }

    /// Runs what never waits for the network to its end.
    pub fn finish<F: Future>(&self, future: F) -> Result<F::Output> {
        let mut future = std::pin::pin!(future);
        match self.advance(future.as_mut(), &mut u32::MAX.clone()) {
            Came::Done(value) => Ok(value),
            Came::Waits | Came::Stopped => bail!("it waits for something that is not of this simulation"),
        }
    }
}
