//! What is shown instead of the handheld when its database may not be opened: a newer version of the app wrote it, or it
//! cannot be written. What was not delivered can still be taken out of it.

use std::path::PathBuf;
use std::sync::Arc;

use assets::messages::Lang;
use dioxus::prelude::*;
use shared::outside::Outside;

use crate::handheld::{Handheld, Message};
use crate::platform::Services;
use crate::ui::state::exported;
use crate::ui::words::{Words, message};

/// A handheld that does not open. Goes into the root context.
#[derive(Clone)]
pub struct Refusal {
    /// Where its files lie.
    pub folder: PathBuf,
    /// The platform.
    pub services: Services,
    /// Clock and randomness.
    pub outside: Arc<dyn Outside>,
    /// Why.
    pub why: Message,
}

impl Refusal {
    fn export(&self) -> Message {
        let path = Handheld::export_path_in(&self.folder, &*self.outside);
        match Handheld::export_unopened(&self.folder, &self.services, &*self.outside, &path) {
            Ok(done) => exported(&done),
            Err(error) => error.message(),
        }
    }
}

/// The only screen there is then. Wants a [`Refusal`] in the root context.
#[component]
pub fn Refused() -> Element {
    let refusal = use_context::<Refusal>();
    // Whose language it is stands where nothing can be read.
    let words = Words::of(Lang::Zh);
    let mut said = use_signal(|| None::<Message>);
    rsx! {
        style { dangerous_inner_html: assets::styles::TOKENS }
        style { dangerous_inner_html: assets::styles::BASE }
        style { dangerous_inner_html: assets::styles::HANDHELD }
        div { id: "screen", class: "screen", "data-page": "refused",
            main { id: "refused",
                h1 { {words.t("app-refused")} }
                p { role: "alert", "data-problem": refusal.why.key.clone(), {message(&words, &refusal.why)} }
                if let Some(said) = said() {
                    p { class: "sub", role: "status", "data-said": said.key.clone(), {message(&words, &said)} }
                }
                div { class: "acts",
                    button {
                        class: "btn btn--second",
                        r#type: "button",
                        "data-do": "export",
                        onclick: move |_| {
                            let refusal = refusal.clone();
                            async move {
                                let work = tokio::task::spawn_blocking(move || refusal.export());
                                said.set(Some(work.await.unwrap_or_else(|_| Message::of("export-failed"))));
                            }
                        },
                        {words.t("app-export")}
                    }
                }
            }
        }
    }
}
