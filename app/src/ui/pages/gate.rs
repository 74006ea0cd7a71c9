//! The frame of every page: where it scrolls, what went wrong below, and what an informant may open.

use dioxus::prelude::*;

use crate::ui::keep::left_at;
use crate::ui::pages::report::Report;
use crate::ui::route::Route;
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// The frame of every page.
#[component]
pub fn Gate() -> Element {
    let state = use_context::<State>();
    let words = words();
    let route = use_route::<Route>();
    let name = route.name();
    // A page begins at its top; coming back it is where it was left (`__y`, noted by the history; `__to`
    // for what is drawn a moment later).
    let address = route.to_string();
    use_effect(use_reactive!(|address| {
        let _: String = address;
        document::eval(
            "const to = window.__y || 0; window.__y = 0; window.__to = to;
             const screen = document.getElementById('screen');
             if (screen) { screen.scrollTop = to; requestAnimationFrame(() => { screen.scrollTop = to; }); }",
        );
    }));
    // Killed in the middle of typing: on with it.
    use_effect({
        let (state, at_start) = (state.clone(), use_hook(|| state.begins() && route == Route::Today {}));
        move || {
            if at_start && let Some(left) = left_at(&state) {
                navigator().push(left);
            }
        }
    });
    let trouble = state.trouble.read().clone();
    // 信息员: 随手报, their own reports, and nothing else.
    let open_to_informants = matches!(
        route,
        Route::Report {}
            | Route::ShowRecord { .. }
            | Route::Me {}
            | Route::SyncPage {}
            | Route::Tray {}
            | Route::ChangePin {}
    );
    rsx! {
        div { id: "screen", class: "screen", "data-page": name,
            if let Some(trouble) = trouble {
                div { class: "note note--doubt", role: "alert", "data-problem": trouble.key.clone(),
                    p { {message(&words, &trouble)} }
                    button {
                        class: "btn btn--quiet",
                        r#type: "button",
                        onclick: {
                            let mut trouble = state.trouble;
                            move |_| trouble.set(None)
                        },
                        {words.t("app-seen")}
                    }
                }
            }
            if state.is_informant() && !open_to_informants {
                Report {}
            } else {
                Outlet::<Route> {}
            }
        }
    }
}
