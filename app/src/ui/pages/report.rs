//! 随手报: photo, what, where; three taps, sent or queued. What one reported before and where each stands.

use std::collections::BTreeMap;

use dioxus::prelude::*;
use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use shared::form::Position;
use shared::ids::{PhotoHash, RecordId};
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use shared::work::Work;
use shared::workflow::{STEPS, Step, StepEntry};

use crate::handheld::{Draft, EventFilter, Message, SaveError, TakenIn};
use crate::ui::components::field::Chip;
use crate::ui::components::frame::{Dock, Foot, Head, Nav, NavEnd};
use crate::ui::components::photo::TakePhotos;
use crate::ui::components::row::EventLine;
use crate::ui::components::{Go, Group, Icon, Mark, Quiet};
use crate::ui::keep::use_kept;
use crate::ui::route::{Route, Tab};
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{message, words};

/// How many of one's own reports stand below.
const OWN: usize = 20;

/// What most reports are about; the other categories unfold.
const USUAL: [&str; 6] = ["hazard", "sanitation", "dispute", "work_safety", "public_order", "opinion"];

/// Said when nothing was chosen.
const WHAT_MISSING: &str = "app-report-what-missing";

/// What was chosen and typed so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Typed {
    photos: Vec<TakenIn>,
    category: Option<String>,
    title: String,
    place: String,
    position: Option<Position>,
    elsewhere: bool,
    on_site: bool,
    area: Option<AreaId>,
}

impl Typed {
    fn blank(state: &State) -> Self {
        Self {
            photos: Vec::new(),
            category: None,
            title: String::new(),
            place: String::new(),
            position: None,
            elsewhere: false,
            on_site: false,
            area: state.grids().first().map(|area| area.id),
        }
    }
}

/// 随手报
#[component]
pub fn Report() -> Element {
    let state = use_context::<State>();
    let words = words();
    state.follow();
    let informant = state.is_informant();
    let mut typed = use_kept(|| "report".to_owned(), || Typed::blank(&state));
    let mut waiting = use_signal(|| false);
    let mut nowhere = use_signal(|| false);
    let mut all = use_signal(|| false);
    let mut trouble = use_signal(|| None::<Message>);
    let mut sent = use_signal(|| 0_u32);
    let mut last = use_signal(|| None::<RecordId>);
    let Some(form) = state.form(RecordKind::Event) else { return rsx! {} };
    let Some(mut field) = form.field("category").cloned() else { return rsx! {} };
    field.choices.retain(|choice| !choice.retired && Work::from_code(&choice.code).is_none());
    let grids = state.grids();
    let (mut reports, _) = state.events(EventFilter::ReportedByMe, OWN, 0);
    // What was sent a moment ago stands first: here one looks for it, not for what is due.
    reports.sort_by_key(|row| std::cmp::Reverse(row.hit.id));
    let what_missing = trouble().is_some_and(|said| said.key == WHAT_MISSING);

    let so_far = typed();
    let has_what = so_far.category.is_some();
    let has_where = so_far.position.is_some() || !so_far.place.trim().is_empty();
    // Sent is what the centre has, not what was pressed.
    let waits = last().is_none_or(|id| reports.iter().any(|row| row.hit.id == id && row.hit.waiting));
    let send = {
        let (state, words, field, form) = (state.clone(), words.clone(), field.clone(), form.clone());
        move |_: MouseEvent| {
            let now_typed = typed.peek().clone();
            let Some(what) = now_typed.category.clone() else {
                trouble.set(Some(Message::of(WHAT_MISSING)));
                crate::ui::bring_into_sight("say-what");
                return;
            };
            let edit = state.new_edit();
            let now = state.now();
            let written = now_typed.title.trim().to_owned();
            let at = now_typed.place.trim().to_owned();
            // Three taps must do: without a word typed the title says what and where.
            let name = if written.is_empty() {
                let grid = now_typed.area;
                let at =
                    if at.is_empty() { grid.map(|id| state.area_name(id)).unwrap_or_default() } else { at.clone() };
                words.many("app-report-title", &[("what", &words.choice(&field, &what)), ("where", &at)])
            } else {
                written.clone()
            };
            let step = if now_typed.on_site { Step::SettleOnSite } else { Step::Report };
            let source = if informant { "informant" } else { "terminal" };
            let mut writes: BTreeMap<Path, Value> = [
                (Path::field("title"), Value::text(&name)),
                (Path::field("category"), Value::text(&what)),
                (Path::field("source"), Value::text(source)),
                (Path::field("urgency"), Value::text("ordinary")),
                (Path::field("happened_at"), Value::of(&now.timestamp_millis())),
                (
                    Path::entry(STEPS, edit),
                    Value::of(&StepEntry::new(step, if written.is_empty() { name.clone() } else { written })),
                ),
            ]
            .into();
            if let Some(area) = now_typed.area {
                writes.insert(Path::field("area"), Value::of(&area));
            }
            if let Some(position) = now_typed.position {
                writes.insert(Path::field("position"), Value::of(&position));
            }
            if !at.is_empty() {
                writes.insert(Path::field("place"), Value::of(&serde_json::json!({ "text": at })));
            }
            for photo in &now_typed.photos {
                writes.insert(Path::element("photos", photo.hash.as_str()), Value::of(&photo.particulars));
            }
            let draft = Draft {
                edit,
                record: state.new_record(),
                kind: RecordKind::Event,
                form: form.version,
                context: BTreeMap::new(),
                seen: None,
                writes,
            };
            match state.save(draft, Some("report")) {
                Ok(saved) => {
                    typed.set(Typed::blank(&state));
                    last.set(Some(saved.record));
                    trouble.set(None);
                    *sent.write() += 1;
                    crate::ui::bring_into_sight("reported");
                }
                Err(SaveError::Problems(found)) => trouble.set(found.first().map(Message::from)),
                Err(error) => {
                    trouble.set(Some(error.message()));
                    crate::ui::bring_into_sight("trouble");
                }
            }
        }
    };
    let rest = field.choices.iter().any(|choice| !USUAL.contains(&choice.code.as_str()));
    let here = match (waiting(), so_far.position) {
        (true, _) => words.t("app-position-waiting"),
        (_, Some(here)) => words.n("app-report-here-fixed", say::metres(here.accuracy)),
        _ if nowhere() => words.t("app-report-nowhere"),
        _ => words.t("app-report-here"),
    };
    let locate = {
        let state = state.clone();
        move |_: MouseEvent| {
            let state = state.clone();
            async move {
                waiting.set(true);
                let found = state.locate().await;
                nowhere.set(found.is_none());
                typed.write().position = found;
                waiting.set(false);
            }
        }
    };
    let where_icon = if so_far.position.is_some() { "check" } else { "locate" };
    let net_icon = if state.is_offline() { "offline" } else { "cloudup" };
    rsx! {
        if informant {
            Head { title: words.t("app-report"), line: words.t("app-report-line") }
        } else {
            Nav { title: words.t("app-report"), back: Tab::Today, NavEnd {} }
        }
        main { id: "report",
            // Made anew for each report: a field keeps what was typed into it.
            for turn in [sent()] {
                section { key: "{turn}", class: "tap", "aria-labelledby": "t1",
                    h2 { class: "tap__h", id: "t1",
                        Number { n: 1, done: !so_far.photos.is_empty() }
                        {words.t("app-photos")}
                        if !so_far.photos.is_empty() {
                            small { {words.n("app-photos-count", so_far.photos.len())} }
                        }
                    }
                    TakePhotos {
                        name: "photos",
                        photos: so_far.photos.clone(),
                        position: so_far.position,
                        onadd: move |taken: TakenIn| typed.write().photos.push(taken),
                        onremove: move |hash: PhotoHash| typed.write().photos.retain(|one| one.hash != hash),
                    }
                }
                section { class: "tap", "aria-labelledby": "t2",
                    h2 { class: "tap__h", id: "t2", Number { n: 2, done: has_what } {words.t("app-report-what")} }
                    div { class: "grid3", role: "radiogroup", "aria-labelledby": "t2",
                        for choice in field.choices.iter().filter(|choice| {
                            all() || USUAL.contains(&choice.code.as_str()) || so_far.category.as_ref() == Some(&choice.code)
                        }) {
                            Chip {
                                key: "{choice.code}",
                                name: "category",
                                code: choice.code.clone(),
                                label: words.choice(&field, &choice.code),
                                many: false,
                                chosen: so_far.category.as_ref() == Some(&choice.code),
                                onpress: {
                                    let code = choice.code.clone();
                                    move |_| {
                                        typed.write().category = Some(code.clone());
                                        trouble.set(None);
                                    }
                                },
                            }
                        }
                    }
                    if what_missing {
                        p { class: "field__say field__say--problem", id: "say-what", role: "alert", "data-problem": WHAT_MISSING,
                            Icon { name: Mark::Red.icon() }
                            span { {words.t(WHAT_MISSING)} }
                        }
                    }
                    if rest && !all() {
                        button {
                            class: "btn btn--quiet",
                            r#type: "button",
                            "data-do": "more-categories",
                            onclick: move |_| all.set(true),
                            {words.t("app-report-more")}
                        }
                    }
                }
                section { class: "tap", "aria-labelledby": "t3",
                    h2 { class: "tap__h", id: "t3", Number { n: 3, done: has_where } {words.t("app-report-where")} }
                    div { class: "acts acts--near",
                        button {
                            class: "btn btn--second btn--main",
                            r#type: "button",
                            "data-do": "locate",
                            disabled: waiting(),
                            onclick: locate.clone(),
                            Icon { name: where_icon }
                            span { role: "status", {here.clone()} }
                        }
                        button {
                            class: "btn btn--second btn--main",
                            r#type: "button",
                            "data-do": "elsewhere",
                            "aria-expanded": so_far.elsewhere,
                            onclick: move |_| typed.write().elsewhere ^= true,
                            {words.t("app-report-elsewhere")}
                        }
                    }
                    if so_far.elsewhere {
                        div { class: "field field--under",
                            label { class: "field__label", r#for: "f-place", {words.t("app-report-place")} }
                            input {
                                class: "field__ctl",
                                id: "f-place",
                                name: "place",
                                r#type: "text",
                                autocomplete: "off",
                                initial_value: so_far.place.clone(),
                                oninput: move |event| typed.write().place = event.value(),
                            }
                        }
                    }
                    if grids.len() > 1 {
                        div { class: "field field--under",
                            label { class: "field__label", r#for: "f-area", {words.t("app-area")} }
                            select {
                                class: "field__ctl field__ctl--select",
                                id: "f-area",
                                name: "area",
                                onchange: move |event: FormEvent| typed.write().area = event.value().parse().ok().map(AreaId),
                                for grid in &grids {
                                    option { key: "{grid.id}", value: "{grid.id}", selected: Some(grid.id) == so_far.area,
                                        {state.area_name(grid.id)}
                                    }
                                }
                            }
                        }
                    }
                }
                section { class: "tap",
                    div { class: "field field--under",
                        label { class: "field__label", r#for: "f-title",
                            {words.t("app-report-words")}
                            small { {words.t("app-optional")} }
                        }
                        input {
                            class: "field__ctl",
                            id: "f-title",
                            name: "title",
                            r#type: "text",
                            maxlength: "100",
                            autocomplete: "off",
                            initial_value: so_far.title.clone(),
                            oninput: move |event| typed.write().title = event.value(),
                        }
                    }
                    if !informant {
                        div { class: "choices choices--under",
                            Chip {
                                name: "settle_on_site",
                                code: "settle_on_site",
                                label: words.t("app-report-on-site"),
                                many: true,
                                chosen: so_far.on_site,
                                onpress: move |chosen: bool| typed.write().on_site = !chosen,
                            }
                        }
                    }
                }
            }
            if let Some(said) = trouble().filter(|_| !what_missing) {
                p {
                    class: "field__say field__say--problem pad",
                    id: "trouble",
                    role: "alert",
                    "data-problem": said.key.clone(),
                    Icon { name: Mark::Red.icon() }
                    span { {message(&words, &said)} }
                }
            }
            div { id: "reported", "data-sent": "{sent}",
                if sent() > 0 && so_far == Typed::blank(&state) {
                    Quiet {
                        icon: "check",
                        text: words.t(if waits { "app-report-kept" } else { "app-report-sent" }),
                    }
                }
            }
            if !reports.is_empty() {
                Group { title: words.t("app-report-mine"), end: reports.len().to_string(),
                    ul { class: "list", id: "mine",
                        for row in reports {
                            li { key: "{row.hit.id}", EventLine { row } }
                        }
                    }
                }
            }
        }
        Foot { tab: Tab::Today,
            p { class: "quiet quiet--thin quiet--foot",
                Icon { name: net_icon }
                span { {words.t("app-report-offline-too")} }
            }
            Dock {
                button {
                    class: "btn btn--primary big",
                    r#type: "button",
                    "data-do": "report-send",
                    onclick: send,
                    {words.t("app-report-send")}
                }
                if informant {
                    Go { class: "btn btn--second btn--main", to: Route::Me {}, hook: "me", {words.t("app-tab-me")} }
                }
            }
        }
    }
}

#[component]
fn Number(n: u32, done: bool) -> Element {
    rsx! {
        span { class: if done { "tap__n tap__n--done" } else { "tap__n" },
            if done {
                Icon { name: "check" }
            } else {
                "{n}"
            }
        }
    }
}
