//! What is typed on a page that is no form: kept as a draft at every pause and when the page is left, and back when the page
//! opens again, also after the app was killed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use dioxus::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::route::Route;
use super::state::State;

/// After this pause in typing it is kept.
const PAUSE: Duration = Duration::from_millis(400);

/// The draft that says on which page something is being typed: there only while it is, so that an app that was killed
/// begins where it was.
const WHERE: &str = "where";

/// The page on which typing goes on, noted with the first draft and forgotten when the page is left.
#[derive(Clone)]
pub struct Typing {
    /// Its route, as it is noted.
    route: String,
    noted: Rc<Cell<bool>>,
}

impl Typing {
    /// Something was kept here.
    pub fn note(&self, state: &State) {
        if !self.noted.get() && state.keep_draft(WHERE, &self.route) {
            self.noted.set(true);
            *state.typings.borrow_mut().entry(self.route.clone()).or_default() += 1;
        }
    }

    fn forget(&self, state: &State) {
        if !self.noted.take() {
            return;
        }
        let left = {
            let mut typings = state.typings.borrow_mut();
            let left = typings.get(&self.route).copied().unwrap_or_default().saturating_sub(1);
            typings.insert(self.route.clone(), left);
            left
        };
        // Another text of this page may be unfinished; and the page that is opened comes before this one goes.
        if left == 0 && state.draft(WHERE).as_ref() == Some(&self.route) {
            state.drop_draft(WHERE);
        }
    }
}

/// Notes where typing goes on as long as the page is open; a hook.
pub fn use_typing() -> Typing {
    let state = use_context::<State>();
    let route = use_route::<Route>().to_string();
    let typing = use_hook(|| Typing { route: serde_json::to_string(&route).unwrap_or_default(), noted: Rc::default() });
    use_drop({
        let typing = typing.clone();
        move || typing.forget(&state)
    });
    typing
}

/// The page on which the app was killed in the middle of typing.
pub fn left_at(state: &State) -> Option<Route> {
    let route: String = serde_json::from_str(&state.draft(WHERE)?).ok()?;
    route.parse().ok()
}

/// What stands in the store and what is to stand there.
struct Kept {
    key: String,
    blank: String,
    stored: String,
    next: Option<String>,
    typing: Typing,
}

impl Kept {
    fn write(&mut self, state: &State) {
        let Some(next) = self.next.take().filter(|next| *next != self.stored) else { return };
        let blank = next == self.blank;
        let done = if blank { state.drop_draft(&self.key) } else { state.keep_draft(&self.key, &next) };
        if done {
            self.stored = next;
            if blank { self.typing.forget(state) } else { self.typing.note(state) }
        }
    }
}

/// Says that what was typed is saved, and its draft gone with it: for a part of a page that closes at once.
#[derive(Clone)]
pub struct Done(Rc<RefCell<Kept>>);

impl Done {
    /// Nothing is left to be kept.
    pub fn saved(&self) {
        let mut kept = self.0.borrow_mut();
        kept.next = None;
        kept.stored = kept.blank.clone();
    }
}

/// A value that is typed piece by piece, kept under `key` until it is `blank` again: so a page that has saved it says.
pub fn use_kept<T>(key: impl FnOnce() -> String, blank: impl FnOnce() -> T) -> Signal<T>
where
    T: Clone + PartialEq + Serialize + DeserializeOwned + 'static,
{
    use_kept_until(key, blank).0
}

/// The same for what closes when it is saved.
pub fn use_kept_until<T>(key: impl FnOnce() -> String, blank: impl FnOnce() -> T) -> (Signal<T>, Done)
where
    T: Clone + PartialEq + Serialize + DeserializeOwned + 'static,
{
    let state = use_context::<State>();
    let typing = use_typing();
    let (begun, kept) = use_hook(|| {
        let (key, blank) = (key(), blank());
        let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
        let found = state.draft(&key).and_then(|json| serde_json::from_str::<T>(&json).ok());
        let stored = text(found.as_ref().unwrap_or(&blank));
        let kept = Rc::new(RefCell::new(Kept { key, blank: text(&blank), stored, next: None, typing: typing.clone() }));
        (found.unwrap_or(blank), kept)
    });
    let value = use_signal(|| begun);
    // A page that opens with something unfinished is one where typing goes on.
    use_hook(|| {
        let unfinished = kept.borrow().stored != kept.borrow().blank;
        if unfinished {
            typing.note(&state);
        }
    });
    use_effect({
        let (state, kept) = (state.clone(), Rc::clone(&kept));
        move || {
            let Ok(json) = serde_json::to_string(&*value.read()) else { return };
            kept.borrow_mut().next = Some(json.clone());
            let (state, kept) = (state.clone(), Rc::clone(&kept));
            spawn(async move {
                tokio::time::sleep(PAUSE).await;
                // Whoever types on has begun another pause.
                let mut kept = kept.borrow_mut();
                if kept.next.as_ref() == Some(&json) {
                    kept.write(&state);
                }
            });
        }
    });
    use_drop({
        let kept = Rc::clone(&kept);
        move || {
            let mut kept = kept.borrow_mut();
            kept.write(&state);
            kept.typing.forget(&state);
        }
    });
    (value, Done(kept))
}
