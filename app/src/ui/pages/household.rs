//! 小区→楼→单元→室 and who lives there: what a place is part of, what lies in it, and the people of one household.

use dioxus::prelude::*;
use shared::ids::RecordId;
use shared::merge::Deletion;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view::{self, Policy};

use super::form::{Kept, begin_draft, begun};
use super::record::PageOf;
use super::related::LINKS;
use crate::handheld::{Hit, RecordPage};
use crate::ui::components::row::HitRow;
use crate::ui::components::{Go, Group, Icon};
use crate::ui::route::Route;
use crate::ui::state::State;
use crate::ui::value;
use crate::ui::words::{Words, words};

/// 这一户: who lives in the same house, or has the same householder, with this person.
pub fn household(state: &State, page: &RecordPage) -> Vec<Hit> {
    if page.record.kind != RecordKind::Person {
        return Vec::new();
    }
    let linked = |field: &str| view::shown(page.record.part(Part::Open), field, Policy::One).and_then(value::link_of);
    let mut ids: Vec<RecordId> = Vec::new();
    if let Some(house) = linked("lives_at").and_then(|house| state.record(house)) {
        ids.extend(house.linked_from.iter().filter(|link| link.field == "lives_at").map(|link| link.id));
    }
    let head = linked("householder").unwrap_or(page.record.id);
    let of_head = if head == page.record.id { Some(page.clone()) } else { state.record(head) };
    if let Some(head) = of_head {
        ids.push(head.record.id);
        ids.extend(head.linked_from.iter().filter(|link| link.field == "householder").map(|link| link.id));
    }
    ids.push(page.record.id);
    ids.sort_unstable();
    ids.dedup();
    if ids.len() < 2 {
        return Vec::new();
    }
    state.rows(&ids)
}

/// What somebody is to the householder, in words; empty if nobody said.
pub fn relation(words: &Words, state: &State, person: RecordId) -> String {
    let said = state.record(person).and_then(|page| {
        let code = view::shown(&page.record.open, "relation", Policy::One)?.as_text()?;
        page.form.field("relation").map(|field| words.choice(field, &code))
    });
    said.unwrap_or_default()
}

/// How many places may lie above one: compound, building, stairwell, dwelling, and some more.
const ABOVE: usize = 6;

/// What a place is part of, from the outermost in.
#[component]
pub fn Above(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let PageOf(page) = page;
    let parent_of = |open: &shared::merge::PartState| view::shown(open, "parent", Policy::One).and_then(value::link_of);
    let mut above: Vec<(RecordId, String)> = Vec::new();
    let mut next = parent_of(&page.record.open);
    while let Some(id) = next.filter(|id| *id != page.record.id && above.iter().all(|(known, _)| known != id)) {
        let Some(place) = state.record(id).filter(|_| above.len() < ABOVE) else { break };
        above.push((id, place.title.clone()));
        next = parent_of(&place.record.open);
    }
    above.reverse();
    rsx! {
        if !above.is_empty() {
            nav { class: "sub", id: "above", "aria-label": words.t("app-place-above"),
                for (id, title) in above {
                    span { key: "{id}",
                        Go { class: "go", to: Route::ShowRecord { id }, record: id.to_string(), {title} Icon { name: "next" } }
                    }
                }
            }
        }
    }
}

/// What lies in a place, and who lives there.
#[component]
pub fn Inside(page: PageOf) -> Element {
    let state = use_context::<State>();
    let words = words();
    let PageOf(page) = page;
    let linked = |field: &str| -> Vec<(String, RecordId)> {
        let links = page.linked_from.iter().filter(|link| link.field == field);
        let mut links: Vec<(String, RecordId)> =
            links.map(|link| (link.title.clone().unwrap_or_default(), link.id)).collect();
        // 2 before 10: what has fewer characters comes first.
        links.sort_by(|(a, _), (b, _)| (a.chars().count(), a).cmp(&(b.chars().count(), b)));
        links
    };
    let mut shown = use_signal(|| LINKS);
    let (people, places) = (linked("lives_at"), linked("parent"));
    let id = page.record.id;
    let home = matches!(
        view::shown(&page.record.open, "type", Policy::One).and_then(Value::as_text).as_deref(),
        Some("dwelling" | "courtyard")
    );
    let adds = state.creates(RecordKind::Person) && page.deletion != Deletion::Deleted && (home || !people.is_empty());
    rsx! {
        if !people.is_empty() || adds {
            Group { title: words.t("app-lives-here"), end: words.n("app-household-count", people.len()),
                ul { class: "list", id: "lives-here",
                    for hit in state.rows(&people.iter().take(shown()).map(|(_, id)| *id).collect::<Vec<_>>()) {
                        li { key: "{hit.id}", HitRow { end: relation(&words, &state, hit.id), hit } }
                    }
                    if people.len() > shown() {
                        li {
                            button { class: "row row--one", r#type: "button", "data-do": "more-people", onclick: move |_| *shown.write() += LINKS,
                                span { class: "row__main", {words.t("app-more")} }
                            }
                        }
                    }
                    if adds {
                        li {
                            button {
                                class: "row row--one",
                                r#type: "button",
                                "data-do": "add-resident",
                                onclick: {
                                    let (state, page) = (state.clone(), page.clone());
                                    move |_| add_resident(&state, &page)
                                },
                                Icon { name: "plus" }
                                span { class: "row__main", {words.t("app-add-resident")} }
                                span { class: "row__end", Icon { name: "next" } }
                            }
                        }
                    }
                }
            }
        }
        if !places.is_empty() {
            Places { key: "{id}", places: places.into_iter().map(|(_, id)| id).collect::<Vec<_>>() }
        }
    }
}

#[component]
fn Places(places: Vec<RecordId>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let mut shown = use_signal(|| LINKS);
    let count = places.len();
    rsx! {
        Group { title: words.t("app-places-inside"), end: count.to_string(),
            ul { class: "list", id: "inside",
                for hit in state.rows(&places.into_iter().take(shown()).collect::<Vec<_>>()) {
                    li { key: "{hit.id}", HitRow { hit } }
                }
            }
            if count > shown() {
                div { class: "pad",
                    button { class: "btn btn--second btn--wide", r#type: "button", onclick: move |_| *shown.write() += LINKS, {words.t("app-more")} }
                }
            }
        }
    }
}

/// How many of those who live somewhere are asked who the householder is.
const NEIGHBOURS: usize = 12;

/// Begins the record of one more who lives here, or goes on with the one that was begun: house, address, householder and grid are filled in.
fn add_resident(state: &State, page: &RecordPage) {
    let Some(form) = state.form(RecordKind::Person) else { return };
    let house = Value::of(&page.record.id);
    let same =
        |kept: &Kept| kept.kind == RecordKind::Person && kept.values.get(&Path::field("lives_at")) == Some(&house);
    if let Some(id) = begun(state, same) {
        navigator().push(Route::FillDraft { id });
        return;
    }
    let record = state.new_record();
    let mut kept = Kept::fresh(RecordKind::Person, record, &form, state);
    let address = view::shown(&page.record.open, "address", Policy::One).map(Value::plain);
    let address = address.filter(|address| !address.is_empty()).unwrap_or_else(|| page.title.clone());
    kept.values.insert(Path::field("lives_at"), Value::of(&page.record.id));
    kept.values.insert(Path::field("address"), Value::text(&address));
    // Somebody who lives there says who the householder is, or is it; a neighbour who is neither makes nobody one.
    let neighbours = page.linked_from.iter().filter(|link| link.field == "lives_at").take(NEIGHBOURS);
    let head = neighbours.filter_map(|link| state.record(link.id)).find_map(|neighbour| {
        let said = |field: &str| view::shown(&neighbour.record.open, field, Policy::One);
        let is_head = said("relation").is_some_and(|relation| relation.plain() == "self");
        said("householder").and_then(value::link_of).or(is_head.then_some(neighbour.record.id))
    });
    if let Some(head) = head {
        kept.values.insert(Path::field("householder"), Value::of(&head));
    }
    kept.area = page.areas.first().copied().or(kept.area);
    begin_draft(state, &kept);
}
