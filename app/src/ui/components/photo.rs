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
use crate::ui::entry::Entry;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::words;

const READ: &str = include_str!("photo.js");

/// The most bytes taken from the camera: above it the picture is refused anyway, so they are not even collected.
const MOST: usize = 64 * 1024 * 1024;

/// A place to press for taking a photo. `onphoto` gets what was taken in.
#[component]
pub fn TakePhoto(name: String, label: String, position: Option<Position>, onphoto: EventHandler<TakenIn>) -> Element {
    let words = words();
    let state = use_context::<State>();
    let mut busy = use_signal(|| false);
    let mut trouble = use_signal(|| None::<Message>);
    let mut at = use_signal(|| position);
    if *at.peek() != position {
        at.set(position);
    }
    let id = format!("p-{name}");
    use_future({
        let id = id.clone();
        move || {
            let (state, id) = (state.clone(), id.clone());
            async move {
                let mut pieces = document::eval(&READ.replace("INPUT_ID", &id));
                let mut bytes: Vec<u8> = Vec::new();
                while let Ok((what, piece)) = pieces.recv::<(String, String)>().await {
                    match what.as_str() {
                        "begin" => {
                            bytes.clear();
                            trouble.set(None);
                            busy.set(true);
                        }
                        "piece" if bytes.len() < MOST => bytes.extend(STANDARD.decode(piece).unwrap_or_default()),
                        "end" => {
                            let position = *at.peek();
                            match state.take_in(std::mem::take(&mut bytes), position).await {
                                Ok(taken) => onphoto.call(taken),
                                Err(message) => trouble.set(Some(message)),
                            }
                            busy.set(false);
                        }
                        _ => {}
                    }
                }
            }
        }
    });
    let said = if busy() { words.t("app-photo-busy") } else { label };
    rsx! {
        label { class: "photo photo--add", r#for: "{id}",
            input {
                class: "photo__input",
                id: "{id}",
                r#type: "file",
                accept: "image/*",
                capture: "environment",
                multiple: true,
                "aria-label": "{said}",
            }
            span { role: "status",
                Icon { name: "camera" }
                {said.clone()}
            }
        }
        if let Some(message) = trouble() {
            p { class: "field__say field__say--problem photos__say", "data-problem": message.key.clone(),
                Icon { name: Mark::Red.icon() }
                span { {crate::ui::words::message(&words, &message)} }
            }
        }
    }
}

/// A picture held on the handheld or fetched from the server.
#[component]
pub fn Picture(hash: PhotoHash, label: String) -> Element {
    let state = use_context::<State>();
    let mut source = use_signal(|| None::<String>);
    use_future(move || {
        let (state, hash) = (state.clone(), hash.clone());
        async move {
            if let Some(bytes) = state.picture(&hash).await {
                source.set(Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes))));
            }
        }
    });
    rsx! {
        if let Some(source) = source() {
            img { src: source, alt: label }
        } else {
            span { class: "photo__none", Icon { name: "camera" } }
        }
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
                Picture { hash: hash.clone(), label: words.t("app-photo-large") }
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
    let words = words();
    let there = entry.elements(&field.name);
    let position = entry.get(&Path::field("position")).and_then(|value| value.get::<Position>());
    let add = words.t(if there.is_empty() { "app-photo-take" } else { "app-photo-more" });
    let name = field.name.clone();
    rsx! {
        div { class: "photos",
            for (hash, value) in there {
                div { class: "photo", key: "{hash}", "data-photo": "{hash}",
                    if let Some(particulars) = value.get::<PhotoParticulars>() {
                        Picture { hash: particulars.thumbnail, label: words.t("app-photo") }
                    }
                    button {
                        class: "photo__x",
                        r#type: "button",
                        "data-do": "remove",
                        "aria-label": words.t("app-photo-remove"),
                        onclick: {
                            let path = Path::element(&field.name, &hash);
                            move |_| entry.set(path.clone(), Value::null())
                        },
                        Icon { name: "x" }
                    }
                }
            }
            TakePhoto {
                name: name.clone(),
                label: add,
                position,
                onphoto: move |taken: TakenIn| {
                    entry.set(Path::element(&name, taken.hash.as_str()), Value::of(&taken.particulars));
                },
            }
        }
    }
}
