//! Where the user is and how they come back: one history for the preview, the desktop and Android.
//!
//! The ready-made history of the live view keeps its own list of pages, loses it at a reload and mangles addresses with
//! a query. Here the browser's history is the only list: each entry carries its own route (`{index, p, y}`: place,
//! route, how far it was scrolled), and going back is the browser's own *back*. On Android the web view's back button asks the
//! same history (DioxusLabs/dioxus#5155).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use dioxus::prelude::*;

/// Where a new screen begins; the preview gives what the address bar says.
#[derive(Debug, Clone, Default)]
pub struct StartAt {
    /// A route, `/` if nothing is known.
    pub route: String,
    /// Its place in the browser's history.
    pub index: usize,
    /// Whether the address bar may show routes (only where the page is served over HTTP).
    pub addresses: bool,
}

#[derive(Clone)]
struct Place {
    route: String,
    index: usize,
}

/// The history that the router reads.
pub struct ScreenHistory {
    place: RefCell<Place>,
    addresses: bool,
    /// The routes this screen has been at, by their place; only names the way back, never decides it.
    seen: RefCell<BTreeMap<usize, String>>,
    updater: RefCell<Option<Arc<dyn Fn() + Send + Sync>>>,
}

impl ScreenHistory {
    /// A history that stands at `start`.
    pub fn new(start: &StartAt) -> Rc<Self> {
        let route = if start.route.starts_with('/') { start.route.clone() } else { "/".to_owned() };
        Rc::new(Self {
            place: RefCell::new(Place { route, index: start.index }),
            addresses: start.addresses,
            seen: RefCell::new(BTreeMap::new()),
            updater: RefCell::new(None),
        })
    }

    /// Listens to the browser's *back* and *forward*; runs as long as the screen.
    pub async fn listen(self: Rc<Self>) {
        let first = {
            let place = self.place.borrow();
            script("replaceState", &place, self.addresses)
        };
        let mut popped = document::eval(&format!(
            "{first}
             window.__ours = true;
             window.addEventListener('popstate', (event) => {{
                 if (!event.state || event.state.p === undefined) return;
                 window.__y = event.state.y || 0;
                 dioxus.send([event.state.index, event.state.p]);
             }});
             window.__ours = false;
             await new Promise(() => {{}});"
        ));
        while let Ok((index, route)) = popped.recv::<(usize, String)>().await {
            self.stand(Place { route, index });
        }
    }

    /// The route that *back* leads to, if this screen has been there.
    pub fn previous(&self) -> Option<String> {
        let before = self.place.borrow().index.checked_sub(1)?;
        self.seen.borrow().get(&before).cloned()
    }

    /// Stands at another route than the page that was left, before any page is drawn of it.
    pub fn begin_at(&self, route: &str) {
        let place = Place { route: route.to_owned(), index: self.place.borrow().index };
        document::eval(&script("replaceState", &place, self.addresses));
        self.place.replace(place);
    }

    fn stand(&self, place: Place) {
        let left = self.place.replace(place);
        self.seen.borrow_mut().insert(left.index, left.route);
        self.changed();
    }

    fn changed(&self) {
        let updater = self.updater.borrow().clone();
        if let Some(updater) = updater {
            updater();
        }
    }
}

fn script(call: &str, place: &Place, addresses: bool) -> String {
    // JSON text is JavaScript text; a route has no line separators left in it (they are percent-encoded).
    let route = serde_json::to_string(&place.route).unwrap_or_else(|_| "\"/\"".to_owned());
    let address = if addresses { format!(", {route}") } else { String::new() };
    format!("history.{call}({{index: {}, p: {route}, y: 0}}, ''{address});", place.index)
}

impl History for ScreenHistory {
    fn current_route(&self) -> String {
        self.place.borrow().route.clone()
    }

    fn can_go_back(&self) -> bool {
        self.place.borrow().index > 0
    }

    fn go_back(&self) {
        document::eval("history.back();");
    }

    fn go_forward(&self) {
        document::eval("history.forward();");
    }

    fn push(&self, route: String) {
        let place = Place { route, index: self.place.borrow().index + 1 };
        let pushed = script("pushState", &place, self.addresses);
        // `__top` was noted at the press itself, before the page changed under it.
        document::eval(&format!(
            "if (history.state) history.replaceState(Object.assign({{}}, history.state, {{y: window.__top || 0}}), '');
             window.__y = 0;
             {pushed}"
        ));
        self.stand(place);
    }

    fn replace(&self, route: String) {
        let place = Place { route, index: self.place.borrow().index };
        document::eval(&script("replaceState", &place, self.addresses));
        self.stand(place);
    }

    fn updater(&self, callback: Arc<dyn Fn() + Send + Sync>) {
        *self.updater.borrow_mut() = Some(callback);
    }
}
