//! What is around the screens: the head of the page, and what is shown where there is no handheld to show.

use assets::messages::{FluentValue, Lang, Messages};
use dioxus::prelude::*;

use super::words::{Words, message};
use crate::handheld::Message;

/// The oldest Chromium that runs what Dioxus's script (0.7.10: `?.` and `??`) and ours are written in. Android is told the same
/// number in app/android/res/values/grid.xml.
pub const LEAST_CHROMIUM: u32 = 80;

/// The head of every page of the handheld, HTML: a web view that is too old says so and how to have a newer one.
pub fn head(lang: Lang) -> String {
    let text = Messages::of(lang).with("android-old-view", &[("found", FluentValue::from("{found}"))]);
    let text = text.replace(['\u{2068}', '\u{2069}'], "");
    // JSON text is JavaScript text; what could end the element is written so that it cannot.
    let text = serde_json::to_string(&text).unwrap_or_default().replace('<', "\\u003c");
    let script = assets::OLD_VIEW.replace("LEAST", &LEAST_CHROMIUM.to_string()).replace("TEXT", &text);
    format!("<script>{script}</script>")
}

/// The only screen where the handheld cannot be opened: says why, for nobody reads a log on a terminal.
#[derive(Clone, PartialEq)]
pub struct Unopened(pub Message);

/// The root of that screen. Wants an [`Unopened`] in the root context.
#[component]
pub fn Closed() -> Element {
    let Unopened(why) = consume_context::<Unopened>();
    // The settings are not there to say the language.
    let languages = [Lang::Zh, Lang::En].map(Words::of);
    rsx! {
        style { dangerous_inner_html: assets::styles::TOKENS }
        style { dangerous_inner_html: assets::styles::BASE }
        style { dangerous_inner_html: assets::styles::HANDHELD }
        div { id: "screen", class: "screen", "data-page": "closed",
            main {
                for words in languages {
                    h1 { {words.t("app-refused")} }
                    p { role: "alert", "data-problem": why.key.clone(), lang: words.tag(), {message(&words, &why)} }
                }
            }
        }
    }
}
