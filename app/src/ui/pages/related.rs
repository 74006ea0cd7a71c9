//! Links of a record both ways.

use dioxus::prelude::*;
use shared::form::FieldType;
use shared::record::RecordKind;

use crate::handheld::{RecordLink, RecordPage};
use crate::ui::components::row::kind_icon;
use crate::ui::components::{Go, Group, Icon};
use crate::ui::route::Route;
use crate::ui::state::State;
use crate::ui::words::{Words, words};

/// Links of sets, and records that name this one. Links to one record stand among the fields.
pub fn related(page: &RecordPage) -> Vec<(RecordLink, bool)> {
    let many = |name: &str| page.form.field(name).is_some_and(|field| field.kind == FieldType::Links);
    let out = page.links.iter().filter(|link| many(&link.field)).map(|link| (link.clone(), true));
    // Those stand in groups of their own.
    let shown: &[&str] = match page.record.kind {
        RecordKind::Person => &["lives_at", "householder"],
        RecordKind::Place => &["lives_at", "parent"],
        _ => &[],
    };
    let back = page.linked_from.iter().filter(|link| !shown.contains(&link.field.as_str()));
    let back = back.map(|link| (link.clone(), false));
    out.chain(back).collect()
}

/// How many links are drawn at first.
pub const LINKS: usize = 30;

#[component]
pub fn Links(links: Vec<(RecordLink, bool)>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let count = links.len();
    let mut all = use_signal(|| false);
    if links.is_empty() {
        return rsx! {};
    }
    let shown = if all() { count } else { LINKS };
    rsx! {
        Group { title: words.t("app-related"), end: count.to_string(),
            ul { class: "list", id: "related",
                for (link, out) in links.into_iter().take(shown) {
                    li { key: "{link.field}-{link.id}-{out}",
                        if let (Some(title), Some(kind)) = (link.title.clone(), link.kind) {
                            Go { class: "row", to: Route::ShowRecord { id: link.id }, record: link.id.to_string(),
                                Icon { name: kind_icon(kind) }
                                span { class: "row__main",
                                    span { class: "row__t", {title} }
                                    span { class: "row__m", span { {relation(&words, &state, &link, out)} } }
                                }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        } else {
                            span { class: "row",
                                span { class: "row__main",
                                    {words.s("outside-grid", "kind", &link.kind.map(|kind| words.kind(kind)).unwrap_or_default())}
                                }
                            }
                        }
                    }
                }
            }
            if count > shown {
                div { class: "pad",
                    button { class: "btn btn--second btn--wide", r#type: "button", onclick: move |_| all.set(true), {words.t("app-more")} }
                }
            }
        }
    }
}

/// By which field the two are linked, in words.
fn relation(words: &Words, state: &State, link: &RecordLink, out: bool) -> String {
    let label = RecordKind::ALL
        .into_iter()
        .filter(|kind| out || Some(*kind) == link.kind)
        .filter_map(|kind| state.form(kind))
        .find_map(|form| form.field(&link.field).map(|field| words.label(&field.label)));
    label.unwrap_or_default()
}
