//! A code read from a picture of the camera: by the same input as photos, so the same on a desk and on Android. Nothing of the
//! picture is kept.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use dioxus::prelude::*;

use super::photo::{MOST, READ};
use super::{Icon, Mark};
use crate::handheld::Message;
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// The place to press. `is_wanted` says which code is meant, for a notice board may have several; `onread` gets its text.
#[component]
pub fn Scan(label: String, is_wanted: Callback<String, bool>, onread: EventHandler<String>) -> Element {
    let words = words();
    let state = use_context::<State>();
    let mut busy = use_signal(|| false);
    let mut trouble = use_signal(|| None::<Message>);
    use_future(move || {
        let state = state.clone();
        async move {
            let mut pieces = document::eval(&READ.replace("INPUT", "scan"));
            let mut bytes: Vec<u8> = Vec::new();
            while let Ok((what, piece)) = pieces.recv::<(String, String)>().await {
                match what.as_str() {
                    "begin" => {
                        bytes.clear();
                        trouble.set(None);
                        busy.set(true);
                    }
                    "piece" if bytes.len() <= MOST => bytes.extend(STANDARD.decode(&piece).unwrap_or_default()),
                    "end" => {
                        match state.read_codes(std::mem::take(&mut bytes)).await {
                            Ok(texts) => match texts.into_iter().find(|text| is_wanted.call(text.clone())) {
                                Some(text) => onread.call(text),
                                None => trouble.set(Some(Message::of("scan-another"))),
                            },
                            Err(said) => trouble.set(Some(said)),
                        }
                        busy.set(false);
                    }
                    _ => {}
                }
            }
        }
    });
    let said = if busy() { words.t("app-scan-busy") } else { label };
    rsx! {
        label { class: "btn btn--second scan", r#for: "p-scan",
            input {
                class: "photo__input",
                id: "p-scan",
                r#type: "file",
                accept: "image/*",
                capture: "environment",
                disabled: busy(),
                "aria-label": "{said}",
            }
            span { role: "status",
                Icon { name: "camera" }
                {said.clone()}
            }
        }
        if let Some(said) = trouble() {
            p { class: "field__say field__say--problem", role: "alert", "data-problem": said.key.clone(),
                Icon { name: Mark::Red.icon() }
                span { {message(&words, &said)} }
            }
        }
    }
}
