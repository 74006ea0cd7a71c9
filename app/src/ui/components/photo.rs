//! Photos: taking them in, showing them.
//!
//! The file input is driven by plain JavaScript: Dioxus swallows it on Android (DioxusLabs/dioxus#3720, #3849) and
//! gives no files in the live view. The untouched bytes come over in pieces; everything else happens in Rust.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dioxus::prelude::*;
use shared::form::{Field, PhotoParticulars, Position};
use shared::ids::PhotoHash;
use shared::path::Path;
use shared::value::Value;

use super::{Icon, Mark};
use crate::handheld::{Message, TakenIn};
use crate::sync::{Fetched, OnItsWay};
use crate::ui::entry::Entry;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::words;

/// Hands over what the inputs `p-INPUT` and `g-INPUT` are given.
pub(super) const READ: &str = include_str!("photo.js");

/// The most bytes taken from the camera: above it the picture is refused anyway, so they are not even collected.
pub(super) const MOST: usize = 64 * 1024 * 1024;

/// Pictures on their way in: which of how many, and how much of it has come, percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Coming {
    n: u64,
    of: u64,
    bytes: u64,
    percent: u64,
}

impl Coming {
    /// Of `n of bytes`, as the page's script says it.
    fn of(said: &str) -> Self {
        let mut numbers = said.split(' ').map(|number| number.parse().unwrap_or(1));
        let mut next = || numbers.next().unwrap_or(1);
        Self { n: next(), of: next(), bytes: next(), percent: 0 }
    }

    fn words(self, words: &crate::ui::words::Words) -> String {
        let args = [("n", (self.n as f64).into()), ("of", (self.of as f64).into())];
        let which = if self.of > 1 { words.with("app-photo-busy-of", &args) } else { words.t("app-photo-busy") };
        if self.percent > 0 && self.percent < 100 { format!("{which} {} %", self.percent) } else { which }
    }
}

/// The photos of what is being written, each with a button that takes it away again; two places to press, for the camera and
/// for pictures taken before; and what not to photograph. `onadd` gets what was taken in, one by one; the same picture twice
/// is one photo.
#[component]
pub fn TakePhotos(
    name: String,
    photos: Vec<TakenIn>,
    position: Option<Position>,
    onadd: EventHandler<TakenIn>,
    onremove: EventHandler<PhotoHash>,
) -> Element {
    let words = words();
    let label = words.t(if photos.is_empty() { "app-photo-take" } else { "app-photo-more" });
    let hashes: Vec<PhotoHash> = photos.iter().map(|photo| photo.hash.clone()).collect();
    // Looked at when a picture has come in: of several at once, after the one before it was added.
    let mut there = use_signal(Vec::new);
    if *there.peek() != hashes {
        there.set(hashes);
    }
    rsx! {
        div { class: "photos",
            for TakenIn { hash, particulars } in photos {
                div { class: "photo", key: "{hash}", "data-photo": "{hash}",
                    Picture { hash: particulars.thumbnail, label: words.t("app-photo") }
                    button {
                        class: "photo__x",
                        r#type: "button",
                        "data-do": "remove",
                        "aria-label": words.t("app-photo-remove"),
                        onclick: move |_| onremove.call(hash.clone()),
                        Icon { name: "x" }
                    }
                }
            }
            TakePhoto {
                name,
                label,
                position,
                onphoto: move |taken: TakenIn| {
                    if !there.peek().contains(&taken.hash) {
                        onadd.call(taken);
                    }
                },
            }
        }
    }
}

/// The two places to press. `onphoto` gets what was taken in, one by one.
#[component]
fn TakePhoto(name: String, label: String, position: Option<Position>, onphoto: EventHandler<TakenIn>) -> Element {
    let words = words();
    let state = use_context::<State>();
    let mut coming = use_signal(|| None::<Coming>);
    let mut trouble = use_signal(|| None::<Message>);
    let mut at = use_signal(|| position);
    // Where the handheld was when the camera was opened: there by the time the picture is.
    let mut fix = use_signal(|| None::<Position>);
    if *at.peek() != position {
        at.set(position);
    }
    use_future({
        let name = name.clone();
        move || {
            let (state, name) = (state.clone(), name.clone());
            async move {
                let mut pieces = document::eval(&READ.replace("INPUT", &name));
                let mut bytes: Vec<u8> = Vec::new();
                while let Ok((what, piece)) = pieces.recv::<(String, String)>().await {
                    match what.as_str() {
                        "press" => {
                            let state = state.clone();
                            fix.set(None);
                            spawn(async move { fix.set(state.locate().await) });
                        }
                        "begin" => {
                            let first = Coming::of(&piece);
                            bytes.clear();
                            if first.n == 1 {
                                trouble.set(None);
                            }
                            coming.set(Some(first));
                        }
                        "piece" if bytes.len() < MOST => {
                            bytes.extend(STANDARD.decode(piece).unwrap_or_default());
                            let so_far = *coming.peek();
                            if let Some(now) = so_far {
                                let percent = (bytes.len() as u64).saturating_mul(100) / now.bytes.max(1);
                                // A line redrawn for every tenth is enough to see that it moves.
                                if percent / 10 != now.percent / 10 {
                                    coming.set(Some(Coming { percent, ..now }));
                                }
                            }
                        }
                        "end" => {
                            let position = fix.peek().or(*at.peek());
                            match state.take_in(std::mem::take(&mut bytes), position).await {
                                Ok(taken) => onphoto.call(taken),
                                Err(message) => trouble.set(Some(message)),
                            }
                            let last = *coming.peek();
                            if last.is_none_or(|last| last.n >= last.of) {
                                coming.set(None);
                            }
                        }
                        _ => {}
                    }
                }
            }
        }
    });
    let busy = coming().map(|coming| coming.words(&words));
    let said = busy.clone().unwrap_or(label);
    let gallery = words.t("app-photo-gallery");
    rsx! {
        label { class: "photo photo--add", r#for: "p-{name}",
            input {
                class: "photo__input",
                id: "p-{name}",
                r#type: "file",
                accept: "image/*",
                capture: "environment",
                "aria-label": "{said}",
            }
            span { role: "status",
                Icon { name: "camera" }
                {said.clone()}
            }
        }
        label { class: "photo photo--add", r#for: "g-{name}",
            input {
                class: "photo__input",
                id: "g-{name}",
                r#type: "file",
                accept: "image/*",
                multiple: true,
                "aria-label": "{gallery}",
            }
            span {
                Icon { name: "pictures" }
                {gallery.clone()}
            }
        }
        if let Some(message) = trouble() {
            p { class: "field__say field__say--problem photos__say", "data-problem": message.key.clone(),
                Icon { name: Mark::Red.icon() }
                span { {crate::ui::words::message(&words, &message)} }
            }
        }
        p { class: "field__help photos__say", {words.t("app-photo-care")} }
    }
}

/// A picture held on the handheld or fetched from the server. `says`: why it is not to be seen, in words, and another try.
#[component]
pub fn Picture(hash: PhotoHash, label: String, #[props(default)] says: bool) -> Element {
    let words = words();
    let state = use_context::<State>();
    let mut source = use_signal(|| None::<String>);
    let mut missing = use_signal(|| None::<Message>);
    let mut tries = use_signal(|| 0_u32);
    let again = {
        let (state, words) = (state.clone(), words.clone());
        use_resource(move || {
            let (state, words, hash) = (state.clone(), words.clone(), hash.clone());
            let _asked = tries();
            async move {
                missing.set(None);
                match state.picture(&hash).await {
                    Ok(Fetched::Here(bytes)) => {
                        source.set(Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes))));
                    }
                    Ok(Fetched::OnItsWay(way)) => missing.set(Some(on_its_way(&words, way, state.now()))),
                    Ok(Fetched::NotThere) => missing.set(Some(Message::of("photo-not-there"))),
                    Err(message) => missing.set(Some(message)),
                }
            }
        })
    };
    let busy = again.read().is_none();
    rsx! {
        if let Some(source) = source() {
            img { src: source, alt: label }
        } else if let Some(message) = missing().filter(|_| says) {
            div { class: "photo__missing", "data-said": message.key.clone(),
                p { role: "status", {crate::ui::words::message(&words, &message)} }
                button {
                    class: "btn btn--second",
                    r#type: "button",
                    "data-do": "again",
                    onclick: move |_| tries += 1,
                    {words.t("app-photo-again")}
                }
            }
        } else if says && busy {
            p { class: "photo__missing", role: "status", {words.t("app-photo-coming")} }
        } else {
            span { class: "photo__none", Icon { name: "camera" } }
        }
    }
}

/// When a photo will be there, as far as the centre knows.
fn on_its_way(words: &crate::ui::words::Words, way: OnItsWay, now: chrono::DateTime<chrono::Utc>) -> Message {
    match way {
        OnItsWay { percent: Some(percent), .. } => Message::of("photo-partly-here").with("percent", percent),
        OnItsWay { seen: Some(seen), .. } => Message::of("photo-on-its-way").with("when", say::when(words, seen, now)),
        _ => Message::of("photo-not-yet"),
    }
}

/// Photos of a record: thumbnails, the one pressed is shown large below.
#[component]
pub fn Photos(photos: Vec<(String, PhotoParticulars)>, waiting: Vec<PhotoHash>, children: Element) -> Element {
    let words = words();
    let state = use_context::<State>();
    let now = state.now();
    let mut large = use_signal(|| None::<PhotoHash>);
    rsx! {
        div { class: "photos",
            for (hash, particulars) in photos {
                button {
                    key: "{hash}",
                    class: "photo",
                    r#type: "button",
                    "data-photo": "{hash}",
                    "aria-label": words.t("app-photo-large"),
                    onclick: {
                        let hash: Option<PhotoHash> = hash.parse().ok();
                        move |_| {
                            let next = if *large.peek() == hash { None } else { hash.clone() };
                            large.set(next);
                        }
                    },
                    Picture { hash: particulars.thumbnail.clone(), label: taken_at(&words, &particulars, now) }
                    if waiting.iter().any(|one| one.as_str() == hash) {
                        span { class: "photo__say", {words.t("app-waiting")} }
                    }
                }
            }
            {children}
        }
        if let Some(hash) = large() {
            div { class: "photo--large", key: "{hash}",
                Picture { hash: hash.clone(), label: words.t("app-photo-large"), says: true }
            }
        }
    }
}

fn taken_at(
    words: &crate::ui::words::Words,
    particulars: &PhotoParticulars,
    now: chrono::DateTime<chrono::Utc>,
) -> String {
    let at = chrono::DateTime::from_timestamp_millis(particulars.at);
    let at = at.map(|at| say::when(words, at, now)).unwrap_or_default();
    words.s("app-photo-of", "when", &at)
}

/// The field of photos in a form.
#[component]
pub fn PhotoField(mut entry: Entry, field: Field) -> Element {
    let there = entry.elements(&field.name).into_iter();
    let photos =
        there.filter_map(|(hash, value)| Some(TakenIn { hash: hash.parse().ok()?, particulars: value.get()? }));
    let position = entry.get(&Path::field("position")).and_then(|value| value.get::<Position>());
    let (name, of) = (field.name.clone(), field.name.clone());
    rsx! {
        TakePhotos {
            name: name.clone(),
            photos: photos.collect::<Vec<_>>(),
            position,
            onadd: move |taken: TakenIn| {
                entry.set(Path::element(&name, taken.hash.as_str()), Value::of(&taken.particulars));
            },
            onremove: move |hash: PhotoHash| entry.set(Path::element(&of, hash.as_str()), Value::null()),
        }
    }
}
