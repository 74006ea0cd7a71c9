//! What is typed on a page that is no form: kept as a draft at every pause and when the page is left, and back when the page
//! opens again, also after the app was killed.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use dioxus::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::state::State;

/// After this pause in typing it is kept.
const PAUSE: Duration = Duration::from_millis(400);

/// What stands in the store and what is to stand there.
struct Kept {
    key: String,
    blank: String,
    stored: String,
    next: Option<String>,
}

impl Kept {
    fn write(&mut self, state: &State) {
        let Some(next) = self.next.take().filter(|next| *next != self.stored) else { return };
        let done = if next == self.blank { state.drop_draft(&self.key) } else { state.keep_draft(&self.key, &next) };
        if done {
            self.stored = next;
        }
    }
}

/// A value that is typed piece by piece, kept under `key` until it is `blank` again: so a page that has saved it says.
pub fn use_kept<T>(key: impl FnOnce() -> String, blank: impl FnOnce() -> T) -> Signal<T>
where
    T: Clone + PartialEq + Serialize + DeserializeOwned + 'static,
{
    let state = use_context::<State>();
    let (begun, kept) = use_hook(|| {
        let (key, blank) = (key(), blank());
        let text = |value: &T| serde_json::to_string(value).unwrap_or_default();
        let found = state.draft(&key).and_then(|json| serde_json::from_str::<T>(&json).ok());
        let stored = text(found.as_ref().unwrap_or(&blank));
        let kept = Rc::new(RefCell::new(Kept { key, blank: text(&blank), stored, next: None }));
        (found.unwrap_or(blank), kept)
    });
    let value = use_signal(|| begun);
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
    use_drop(move || kept.borrow_mut().write(&state));
    value
}
