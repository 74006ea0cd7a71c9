//! Reading behind the screen: what may take longer than one picture of the display lasts is read on a thread of its own,
//! and a page shows it when it is there. What is short is read while the page is drawn, as everything else is.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use dioxus::prelude::*;
use shared::ids::UserId;

use super::State;
use crate::handheld::{Door, Handheld};
use crate::store::StoreError;

/// To where the page was left, unless it was scrolled meanwhile; see [`crate::ui::pages::gate`].
const SCROLL: &str = "const screen = document.getElementById('screen');
     if (screen && window.__to && screen.scrollTop === 0) screen.scrollTop = window.__to;
     window.__to = 0;";

/// What was read last, by what was read; gone when somebody locks.
pub(super) type Answers = Rc<RefCell<BTreeMap<&'static str, Box<dyn Any>>>>;

/// One reading behind the screen at a time.
pub(super) type Turn = Arc<Mutex<()>>;

/// What is asked for: by whom, of which state of the records, and the question of the page.
#[derive(Clone, PartialEq)]
struct Asked<Q> {
    me: Option<UserId>,
    changed: (u64, u64),
    question: Q,
}

impl State {
    /// What `read` gives for `question`, read behind the screen, anew when records change or the question does; with the
    /// question it answers, for the last answer stays until the next one is there. `None` until something was read: that says
    /// nothing of whether there is anything. Who comes back to a page is shown what was read last, if nothing changed since.
    /// `name` is of the page alone. A hook.
    pub fn use_behind<Q, T>(
        &self,
        name: &'static str,
        question: Q,
        read: fn(&Handheld, &Q) -> Result<T, StoreError>,
    ) -> Option<(Q, Rc<T>)>
    where
        Q: Clone + PartialEq + Send + 'static,
        T: Default + Send + 'static,
    {
        self.follow();
        let changed = (self.handheld.progress().borrow().changed, *self.own.peek());
        let asked = Asked { me: self.me(), changed, question };
        let answer = use_signal(|| {
            let known = self.answers.borrow();
            let known = known.get(name).and_then(|known| known.downcast_ref::<(Asked<Q>, Rc<T>)>());
            known.filter(|(of, _)| *of == asked).cloned()
        });
        let wanted = use_hook(|| Rc::new(RefCell::new(None)));
        let busy = use_hook(|| Rc::new(Cell::new(false)));
        let news = wanted.replace(Some(asked.clone())).as_ref() != Some(&asked);
        if news && !busy.replace(true) {
            spawn(self.clone().answer(name, wanted, busy, read, answer));
        }
        // A page one comes back to is as long again as it was only now.
        use_effect(move || {
            if answer.read().is_some() {
                document::eval(SCROLL);
            }
        });
        // Of nobody but who is in.
        answer
            .read()
            .as_ref()
            .filter(|(of, _)| of.me == asked.me)
            .map(|(of, value)| (of.question.clone(), Rc::clone(value)))
    }

    /// Reads until nothing else is wanted: one reading at a time, however fast the questions come.
    async fn answer<Q, T>(
        self,
        name: &'static str,
        wanted: Rc<RefCell<Option<Asked<Q>>>>,
        busy: Rc<Cell<bool>>,
        read: fn(&Handheld, &Q) -> Result<T, StoreError>,
        mut answer: Signal<Option<(Asked<Q>, Rc<T>)>>,
    ) where
        Q: Clone + PartialEq + Send + 'static,
        T: Default + Send + 'static,
    {
        loop {
            let Some(asked) = wanted.borrow().clone() else { break };
            let (handheld, turn) = (self.handheld.clone(), Arc::clone(&self.turn));
            let question = asked.question.clone();
            let work = tokio::task::spawn_blocking(move || {
                // The second reader of the store stays free for what is short.
                let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
                let me = |handheld: &Handheld| handheld.setup().map(|setup| setup.user.id);
                let before = me(&handheld);
                let value = read(&handheld, &question);
                (value, before.filter(|before| me(&handheld) == Some(*before)))
            });
            // Who is not in any more is shown nothing; whoever came in instead asks by themselves.
            if let Ok((value, me)) = work.await
                && me.is_some()
                && me == asked.me
                && *self.door.peek() == Door::Open
            {
                let read = (asked.clone(), Rc::new(self.read(value)));
                self.answers.borrow_mut().insert(name, Box::new(read.clone()));
                answer.set(Some(read));
            }
            if wanted.borrow().as_ref() == Some(&asked) {
                break;
            }
        }
        busy.set(false);
    }
}
