//! A form being filled: sections, fields, what is wrong, likely duplicates, and a draft kept at each pause.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use dioxus::prelude::*;
use shared::area::AreaId;
use shared::work::Work;

use super::form::{Kept, Repeat, repeated_words, sections};
use super::marks::marks;
use super::missing::Missing;
use super::same::Same;
use super::track::Track;
use crate::handheld::{Candidate, Message, SaveError};
use crate::ui::components::field::FieldBox;
use crate::ui::components::frame::{Dock, Foot, Nav, NavEnd};
use crate::ui::components::{Icon, Mark, Quiet};
use crate::ui::entry::Entry;
use crate::ui::keep::use_typing;
use crate::ui::route::{Route, Tab};
use crate::ui::state::State;
use crate::ui::words::{message, words};
use crate::ui::{bring_into_sight, focus, say};

/// After this pause in typing the draft is kept.
const PAUSE: Duration = Duration::from_millis(400);

/// A form as it stands, with its draft under `draft`; `open` names the fields that are 待核对.
#[component]
pub fn FormPage(draft: String, kept: Kept, open: Vec<String>) -> Element {
    let state = use_context::<State>();
    let words = words();
    // What is typed is finished by the version it was begun with, also when the town publishes another one meanwhile.
    let form = use_hook(|| state.form(kept.kind));
    let Some(form) = form else {
        return rsx! {
            Missing { rest: Vec::new() }
        };
    };
    let kept = Rc::new(Kept { form: form.version, ..kept });
    let entry = Entry::use_entry(|| (Rc::new((*form).clone()), kept.values.clone()));
    // A grid that was given up since is nowhere to go.
    let mut area = use_signal(|| kept.area.filter(|area| !kept.fresh || state.grids().iter().any(|it| it.id == *area)));
    let track = use_signal(|| kept.track);
    let mut saved_at = use_signal(|| None::<String>);
    let mut trouble = use_signal(|| None::<Message>);
    let mut same = use_signal(Vec::<Candidate>::new);
    let mut not_same = use_signal(|| false);
    let mut dropping = use_signal(|| false);
    let mut dropped = use_signal(|| false);
    let was_kept = use_hook(|| state.draft(&draft).is_some());
    // Households are recorded one after another: what the last one said of house and householder is offered.
    let last_key = format!("last-{}", kept.kind.code());
    let mut last = use_signal({
        let (state, fresh, last_key) = (state.clone(), kept.fresh && !was_kept, last_key.clone());
        move || fresh.then(|| serde_json::from_str::<Repeat>(&state.draft(&last_key)?).ok()).flatten()
    });
    let mut repeated = use_signal(|| 0_u32);

    let now_kept = {
        let kept = Rc::clone(&kept);
        move || Kept {
            values: entry.snapshot(),
            last: entry.last(),
            area: *area.peek(),
            track: *track.peek(),
            ..(*kept).clone()
        }
    };
    // Back in a draft: to the field where one stopped.
    use_hook(|| {
        if let Some(last) = &kept.last {
            bring_into_sight(&format!("box-{last}"));
            focus(&format!("f-{last}"));
        }
    });
    let typing = use_typing();
    use_hook(|| {
        if was_kept {
            typing.note(&state);
        }
    });
    // What is not kept yet: signals may be gone by the time the page is.
    let pending = use_hook(|| Rc::new(RefCell::new(None::<String>)));
    use_drop({
        let (state, draft, pending) = (state.clone(), draft.clone(), Rc::clone(&pending));
        move || {
            if let Some(json) = pending.take() {
                state.keep_draft(&draft, &json);
            }
        }
    });
    // The draft is kept at every pause, so that a killed app loses at most half a second of typing.
    use_effect({
        let (state, draft, now_kept, pending) = (state.clone(), draft.clone(), now_kept.clone(), Rc::clone(&pending));
        let typing = typing.clone();
        move || {
            let typed = entry.typed();
            if typed == 0 {
                return;
            }
            pending.replace(serde_json::to_string(&now_kept()).ok());
            let pending = Rc::clone(&pending);
            let (state, draft, now_kept) = (state.clone(), draft.clone(), now_kept.clone());
            let typing = typing.clone();
            spawn(async move {
                tokio::time::sleep(PAUSE).await;
                if entry.typed_now() != typed || *dropped.peek() {
                    return;
                }
                let kept = now_kept();
                let Some(json) = pending.borrow().clone() else { return };
                if state.keep_draft(&draft, &json) {
                    pending.take();
                    typing.note(&state);
                    saved_at.set(Some(say::clock(state.now())));
                }
                let form = if kept.fresh && !*not_same.peek() { state.form(kept.kind) } else { None };
                if let Some(form) = form {
                    let found = state.candidates(&kept.draft(&form, state.new_edit(), &[], state.now()));
                    if *same.peek() != found {
                        same.set(found);
                    }
                }
            });
        }
    });
    let save = {
        let (state, draft, now_kept, form) = (state.clone(), draft.clone(), now_kept.clone(), form.clone());
        let pending = Rc::clone(&pending);
        move |_: MouseEvent| {
            let mut entry = entry;
            trouble.set(None);
            if !entry.finish() {
                if let Some(first) = entry.first_refused() {
                    bring_into_sight(&format!("box-{first}"));
                }
                return;
            }
            let mut kept = now_kept();
            kept.area = kept.lies_at(&state).or(kept.area);
            let areas: Vec<AreaId> = state.grids().iter().map(|area| area.id).collect();
            let made = kept.draft(&form, state.new_edit(), &areas, state.now());
            if kept.fresh && !*not_same.peek() {
                let found = state.candidates(&made);
                let any = !found.is_empty();
                same.set(found);
                if any {
                    bring_into_sight("same");
                    return;
                }
            }
            match state.save(made, Some(&draft)) {
                Ok(saved) => {
                    pending.take();
                    let next = kept.to_repeat(&form);
                    if kept.fresh
                        && !next.values.is_empty()
                        && let Ok(json) = serde_json::to_string(&next)
                    {
                        state.keep_draft(&last_key, &json);
                    }
                    navigator().replace(Route::ShowRecord { id: saved.record });
                }
                Err(SaveError::Nothing) => {
                    pending.take();
                    state.forget_draft(&draft);
                    navigator().replace(Route::ShowRecord { id: kept.record });
                }
                Err(SaveError::Problems(found)) => {
                    let first = found.first().map(|problem| problem.path.field_name().to_owned());
                    trouble.set(found.first().map(Message::from));
                    if let Some(first) = first {
                        bring_into_sight(&format!("box-{first}"));
                    }
                }
                Err(error) => {
                    trouble.set(Some(error.message()));
                    // Below all fields of a long form: whoever pressed the button at the foot would not see it.
                    bring_into_sight("trouble");
                }
            }
        }
    };
    let values = entry.values();
    let refused = entry.refused();
    // Of a record whose restricted part lies closed only what was typed before is asked for further.
    let touched = |field: &str| values.keys().any(|path| path.field_name() == field);
    let closed = !kept.fresh && state.is_closed(kept.record) && !touched("care_reason");
    let cleared = state.is_cleared() && !closed;
    let shown = sections(&form, &values, cleared);
    let marks = marks(&form, &values, &shown, entry);
    let total = shown.len();
    let title = match kept.is_work() {
        Some(work) => words.t(&format!("work-{}", work.code())),
        None => words.t(&format!("app-form-{}-{}", if kept.fresh { "new" } else { "edit" }, kept.kind.code())),
    };
    // Work belongs to where its subject lies.
    let now = Kept { values: values.clone(), ..(*kept).clone() };
    let grids = if kept.fresh && now.lies_at(&state).is_none() { state.grids() } else { Vec::new() };
    let status = saved_at().map_or_else(|| words.t("app-draft-begin"), |at| words.s("app-draft-kept", "clock", &at));
    let is_kept = was_kept || saved_at.read().is_some();
    let saying = entry.is_finished() && refused > 0;
    rsx! {
        Nav { title, back: Tab::Collect, NavEnd {} }
        nav { class: "secs", "aria-label": words.t("app-form-sections"),
            for (place, _) in shown.iter() {
                button {
                    key: "{place}",
                    class: "sec",
                    r#type: "button",
                    onclick: {
                        let place = *place;
                        move |_| bring_into_sight(&format!("s-{place}"))
                    },
                    Icon { name: marks.get(place).copied().unwrap_or(Mark::Off).icon() }
                    {form.sections.get(*place).map(|section| words.label(&section.label)).unwrap_or_default()}
                }
            }
        }
        Quiet { icon: "save", text: status }
        if kept.fresh && kept.is_work() == Some(Work::Patrol) {
            Track { patrol: kept.record, on: track, entry }
        }
        if let Some(Repeat { values, area: lay_at }) = last().filter(|last| !last.values.is_empty()) {
            div { class: "pad",
                button {
                    class: "btn btn--second btn--wide",
                    r#type: "button",
                    "data-do": "repeat",
                    onclick: {
                        let values = values.clone();
                        move |_| {
                            let mut entry = entry;
                            for (path, value) in values.clone() {
                                entry.set(path, value);
                            }
                            if lay_at.is_some() {
                                area.set(lay_at);
                            }
                            last.set(None);
                            *repeated.write() += 1;
                        }
                    },
                    {words.s("app-repeat", "values", &repeated_words(&words, &state, &form, &values))}
                }
            }
        }
        main { id: "form", "data-record": kept.record.to_string(),
            for (nth, (place, fields)) in shown.iter().enumerate() {
                section { key: "{place}", class: "group",
                    div { class: "group__h",
                        h2 { id: "s-{place}",
                            {form.sections.get(*place).map(|section| words.label(&section.label)).unwrap_or_default()}
                        }
                        span { {format!("{} / {total}", nth + 1)} }
                    }
                    div { class: "sheet",
                        for field in fields.iter() {
                            FieldBox {
                                // Inputs keep their own text: what is repeated is shown by new ones.
                                key: "{field.name}-{repeated}",
                                entry,
                                field: field.clone(),
                                open: open.contains(&field.name),
                            }
                        }
                        if nth == 0 && !same.read().is_empty() && !not_same() {
                            Same {
                                candidates: same(),
                                onother: move |()| not_same.set(true),
                                onuse: {
                                    let (state, draft, pending) = (state.clone(), draft.clone(), Rc::clone(&pending));
                                    move |id| {
                                        pending.take();
                                        state.forget_draft(&draft);
                                        navigator().replace(Route::ShowRecord { id });
                                    }
                                },
                            }
                        }
                    }
                }
            }
            if grids.len() > 1 {
                section { class: "group",
                    div { class: "sheet",
                        div { class: "field",
                            label { class: "field__label", r#for: "f-area", {words.t("app-area")} }
                            select {
                                class: "field__ctl field__ctl--select",
                                id: "f-area",
                                name: "area",
                                onchange: move |event: FormEvent| {
                                    let mut entry = entry;
                                    area.set(event.value().parse().ok().map(AreaId));
                                    entry.touch();
                                },
                                for grid in grids {
                                    option {
                                        key: "{grid.id}",
                                        value: "{grid.id}",
                                        selected: Some(grid.id) == area(),
                                        {state.area_name(grid.id)}
                                    }
                                }
                            }
                        }
                    }
                }
            }
            if is_kept {
                div { class: "pad",
                    if dropping() {
                        button {
                            class: "btn btn--second btn--wide",
                            r#type: "button",
                            "data-do": "drop-draft-sure",
                            onclick: {
                                let (state, draft) = (state.clone(), draft.clone());
                                let (fresh, record) = (kept.fresh, kept.record);
                                let pending = Rc::clone(&pending);
                                move |_| {
                                    // What was typed last may be waiting for its pause: it must not come back.
                                    dropped.set(true);
                                    pending.take();
                                    state.forget_draft(&draft);
                                    if track() {
                                        state.drop_track(record);
                                    }
                                    navigator().replace(if fresh { Route::Collect {} } else { Route::ShowRecord { id: record } });
                                }
                            },
                            {words.t("app-draft-drop-sure")}
                        }
                    } else {
                        button {
                            class: "btn btn--quiet btn--wide",
                            r#type: "button",
                            "data-do": "drop-draft",
                            onclick: move |_| dropping.set(true),
                            {words.t("app-draft-drop")}
                        }
                    }
                }
            }
            if let Some(said) = trouble() {
                p {
                    class: "field__say field__say--problem pad",
                    id: "trouble",
                    role: "alert",
                    "data-problem": said.key.clone(),
                    Icon { name: Mark::Red.icon() }
                    span { {message(&words, &said)} }
                }
            }
        }
        Foot { tab: Tab::Collect,
            Dock {
                if saying {
                    button {
                        class: "btn btn--second btn--main",
                        r#type: "button",
                        "data-do": "fix",
                        onclick: move |_| {
                            if let Some(first) = entry.first_refused() {
                                bring_into_sight(&format!("box-{first}"));
                            }
                        },
                        Icon { name: Mark::Red.icon(), class: "i--fill" }
                        {words.n("app-form-fix", refused)}
                    }
                }
                button { class: "btn btn--primary btn--main", r#type: "button", "data-do": "save", onclick: save,
                    {words.t("app-save")}
                }
            }
        }
    }
}
