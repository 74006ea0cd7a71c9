//! The next actions of an event: only the allowed ones as buttons, each with its own small form in the flow.

use std::collections::{BTreeMap, BTreeSet};

use dioxus::prelude::*;
use serde::{Deserialize, Serialize};
use shared::author::Role;
use shared::form::PhotoParticulars;
use shared::ids::{PhotoHash, UserId};
use shared::path::Path;
use shared::value::Value;
use shared::view;
use shared::wire::Handler;
use shared::workflow::{Limit, STEPS, Stage, Step, StepEntry};

use super::record::PageOf;
use crate::handheld::{Draft, EventRow, Message, SaveError, TakenIn};
use crate::ui::bring_into_sight;
use crate::ui::components::field::Chip;
use crate::ui::components::frame::Dock;
use crate::ui::components::photo::TakePhotos;
use crate::ui::components::{Icon, Mark};
use crate::ui::keep::use_kept_until;
use crate::ui::say;
use crate::ui::state::State;
use crate::ui::words::{Words, message, words};

/// Buttons in the dock; what does not fit stands behind 更多.
const DOCKED: usize = 2;

/// Whether a step wants words.
fn wants_text(step: Step) -> bool {
    matches!(
        step,
        Step::Handle
            | Step::SendBack
            | Step::Extend
            | Step::SettleOnSite
            | Step::Feedback
            | Step::Raise
            | Step::Urge
            | Step::Supervise
    )
}

/// Whether it takes the event further: a reminder is not what one is here for.
fn moves_on(step: Step) -> bool {
    !matches!(step, Step::Urge | Step::Supervise | Step::Extend | Step::SendBack)
}

/// What a step still lacks, as a message key: said here, beside the form, rather than by the server a day later.
fn missing(entry: &StepEntry) -> Option<&'static str> {
    let silent = entry.text.is_empty();
    let unsaid = |text: &Option<String>| text.as_ref().is_none_or(|text| text.trim().is_empty());
    match entry.step {
        Step::Dispatch if entry.host.is_none() => Some("workflow-host-missing"),
        Step::Handle | Step::SettleOnSite if silent => Some("workflow-text-missing"),
        Step::Extend | Step::SendBack if silent => Some("workflow-reason-missing"),
        Step::Extend if entry.limit.is_none() => Some("workflow-limit-missing"),
        Step::Close if unsaid(&entry.outcome) => Some("workflow-outcome-missing"),
        Step::Archive if unsaid(&entry.ledger) => Some("workflow-ledger-missing"),
        _ => None,
    }
}

/// The allowed next actions and the form of the one pressed.
#[component]
pub fn Actions(event: EventRow, page: PageOf) -> Element {
    let words = words();
    let mut doing = use_signal(|| None::<Step>);
    let mut all = use_signal(|| false);
    let allowed = in_order(&event);
    // Given to somebody already, dispatching gives it to somebody else.
    let again = event.stage == Some(Stage::Handling);
    if allowed.is_empty() {
        return rsx! {};
    }
    // What was pressed may have become impossible by a sync meanwhile.
    let now = doing().filter(|step| allowed.contains(step));
    // A button behind 更多 that is the only one there might as well stand itself.
    let few = allowed.len() <= DOCKED + 1;
    let shown = if all() || few { allowed.len() } else { DOCKED };
    rsx! {
        if let Some(step) = now {
            StepForm {
                key: "{say::code(&step)}",
                step,
                again,
                page,
                onclose: move |()| doing.set(None),
            }
        } else {
            Dock {
                for (place, step) in allowed.iter().copied().take(shown).enumerate() {
                    button {
                        key: "{say::code(&step)}",
                        class: if place == 0 && moves_on(step) { "btn btn--primary btn--main" } else { "btn btn--second btn--main" },
                        r#type: "button",
                        "data-do": "step-{say::code(&step)}",
                        onclick: move |_| {
                            doing.set(Some(step));
                            bring_into_sight("step-form");
                        },
                        {name(&words, step, again)}
                    }
                }
                if shown < allowed.len() {
                    button {
                        class: "btn btn--second btn--main",
                        r#type: "button",
                        "data-do": "step-more",
                        onclick: move |_| all.set(true),
                        {words.t("app-act-more")}
                    }
                }
            }
        }
    }
}

/// What was chosen and typed so far of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Typed {
    text: String,
    host: Option<UserId>,
    helpers: BTreeSet<UserId>,
    limit: Option<Limit>,
    done: bool,
    satisfied: Option<bool>,
    outcome: Option<String>,
    ledger: String,
    photos: Vec<TakenIn>,
}

impl Typed {
    fn blank(step: Step, limits: &[Limit]) -> Self {
        Self {
            text: String::new(),
            host: None,
            helpers: BTreeSet::new(),
            limit: if step == Step::Dispatch { limits.get(1).copied() } else { None },
            done: step == Step::Handle,
            satisfied: None,
            outcome: None,
            ledger: String::new(),
            photos: Vec::new(),
        }
    }
}

/// The small form of one step.
#[component]
fn StepForm(step: Step, again: bool, page: PageOf, onclose: EventHandler<()>) -> Element {
    let state = use_context::<State>();
    let words = words();
    let page = page.0;
    let key = format!("step-{}-{}", page.record.id, say::code(&step));
    let (mut typed, done) = use_kept_until(|| key.clone(), || Typed::blank(step, &state.limits()));
    let limits = state.limits();
    let so_far = typed();
    let mut trouble = use_signal(|| None::<Message>);

    let category = view::shown(&page.record.open, "category", shared::view::Policy::One).map(Value::plain);
    let outcomes: [&'static str; 2] = match category.as_deref() {
        Some("dispute") => ["reconciled", "not_reconciled"],
        _ => ["settled", "not_settled"],
    };
    let handlers: Vec<Handler> = state.setup().map(|setup| setup.handlers.clone()).unwrap_or_default();
    let send = {
        let (state, page) = (state.clone(), page.clone());
        move |_: MouseEvent| {
            let edit = state.new_edit();
            let now_typed = typed.peek().clone();
            let made = StepEntry {
                host: now_typed.host,
                helpers: now_typed.helpers.iter().copied().filter(|id| Some(*id) != now_typed.host).collect(),
                limit: now_typed.limit,
                done: (step == Step::Handle && now_typed.done).then_some(true),
                satisfied: now_typed.satisfied,
                outcome: now_typed.outcome.clone(),
                ledger: Some(now_typed.ledger.trim().to_owned()).filter(|number| !number.is_empty()),
                ..StepEntry::new(step, now_typed.text.trim().to_owned())
            };
            if let Some(missing) = missing(&made) {
                trouble.set(Some(Message::of(missing)));
                bring_into_sight("step-say");
                return;
            }
            let mut writes: BTreeMap<Path, Value> = [(Path::entry(STEPS, edit), Value::of(&made))].into();
            for photo in &now_typed.photos {
                let particulars: &PhotoParticulars = &photo.particulars;
                writes.insert(Path::element("photos", photo.hash.as_str()), Value::of(particulars));
            }
            let draft = Draft {
                edit,
                record: page.record.id,
                kind: page.record.kind,
                form: page.form.version,
                context: page.vectors.clone(),
                seen: Some(page.seen),
                writes,
            };
            match state.save(draft, Some(&key)) {
                Ok(_) => {
                    done.saved();
                    onclose.call(());
                }
                Err(SaveError::Problems(found)) => {
                    trouble.set(found.first().map(Message::from));
                }
                Err(error) => trouble.set(Some(error.message())),
            }
        }
    };
    let ask_text = wants_text(step) || matches!(step, Step::Take | Step::Dispatch | Step::Close | Step::GrantExtension);
    rsx! {
        section { class: "sheet sheet--step", id: "step-form", "data-step-form": say::code(&step),
            "aria-label": say::step(&words, step),
            h2 { {name(&words, step, again)} }
            p { class: "sub under", {words.t(&format!("app-act-{}-help", say::code(&step)))} }
            if step == Step::Dispatch {
                People { label: words.t("host"), name: "host", handlers: handlers.clone(), chosen: so_far.host.into_iter().collect::<BTreeSet<UserId>>(), onpress: move |id: UserId| {
                    let mut typed = typed.write();
                    typed.host = if typed.host == Some(id) { None } else { Some(id) };
                } }
                People { label: words.t("helpers"), name: "helpers", handlers: handlers.iter().filter(|handler| Some(handler.id) != so_far.host).cloned().collect::<Vec<_>>(), chosen: so_far.helpers.clone(), onpress: move |id: UserId| {
                    let mut typed = typed.write();
                    if !typed.helpers.remove(&id) {
                        typed.helpers.insert(id);
                    }
                } }
            }
            if matches!(step, Step::Dispatch | Step::Extend | Step::GrantExtension | Step::Take) {
                div { class: "field", role: "group", "aria-labelledby": "l-limit",
                    span { class: "field__label", id: "l-limit", {words.t(if step == Step::Extend { "app-limit-more" } else { "app-limit" })} }
                    div { class: "choices",
                        for one in limits {
                            Chip {
                                key: "{say::limit(&words, one)}",
                                name: "limit",
                                code: limit_code(one),
                                label: say::limit(&words, one),
                                many: false,
                                chosen: so_far.limit == Some(one),
                                onpress: move |chosen: bool| typed.write().limit = (!chosen).then_some(one),
                            }
                        }
                    }
                }
            }
            if step == Step::Handle {
                div { class: "choices",
                    Chip {
                        name: "done",
                        code: "done",
                        label: words.t("app-act-done"),
                        many: true,
                        chosen: so_far.done,
                        onpress: move |chosen: bool| typed.write().done = !chosen,
                    }
                }
            }
            if step == Step::Feedback {
                div { class: "field", role: "group", "aria-labelledby": "l-satisfied",
                    span { class: "field__label", id: "l-satisfied", {words.t("app-satisfied")} }
                    div { class: "choices",
                        for yes in [true, false] {
                            Chip {
                                key: "{yes}",
                                name: "satisfied",
                                code: yes.to_string(),
                                label: words.t(if yes { "satisfied-yes" } else { "satisfied-no" }),
                                many: false,
                                chosen: so_far.satisfied == Some(yes),
                                onpress: move |chosen: bool| typed.write().satisfied = (!chosen).then_some(yes),
                            }
                        }
                    }
                }
            }
            if step == Step::Close {
                div { class: "field", role: "group", "aria-labelledby": "l-outcome",
                    span { class: "field__label", id: "l-outcome", {words.t("app-outcome")} }
                    div { class: "choices",
                        for code in outcomes {
                            Chip {
                                key: "{code}",
                                name: "outcome",
                                code,
                                label: words.t(&format!("outcome-{code}")),
                                many: false,
                                chosen: so_far.outcome.as_deref() == Some(code),
                                onpress: move |chosen: bool| {
                                    typed.write().outcome = (!chosen).then(|| code.to_owned());
                                },
                            }
                        }
                    }
                }
            }
            if step == Step::Archive {
                div { class: "field",
                    label { class: "field__label", r#for: "step-ledger", {words.t("app-ledger")} }
                    input {
                        class: "field__ctl",
                        id: "step-ledger",
                        name: "ledger",
                        r#type: "text",
                        autocomplete: "off",
                        initial_value: so_far.ledger.clone(),
                        oninput: move |event| typed.write().ledger = event.value(),
                    }
                }
            }
            if ask_text {
                div { class: "field",
                    label { class: "field__label", r#for: "step-text",
                        {words.t(if wants_text(step) { "app-act-text" } else { "app-act-text-optional" })}
                    }
                    textarea {
                        class: "field__ctl",
                        id: "step-text",
                        name: "text",
                        initial_value: so_far.text.clone(),
                        oninput: move |event| typed.write().text = event.value(),
                    }
                    p { class: "field__help", {words.t("app-act-text-help")} }
                }
            }
            if matches!(step, Step::Handle | Step::SettleOnSite) {
                TakePhotos {
                    name: "step",
                    photos: so_far.photos.clone(),
                    position: None,
                    onadd: move |taken: TakenIn| typed.write().photos.push(taken),
                    onremove: move |hash: PhotoHash| typed.write().photos.retain(|one| one.hash != hash),
                }
            }
            if let Some(said) = trouble() {
                p { class: "field__say field__say--problem", id: "step-say", role: "alert", "data-problem": said.key.clone(),
                    Icon { name: Mark::Red.icon() }
                    span { {message(&words, &said)} }
                }
            }
            div { class: "acts acts--step",
                button { class: "btn btn--primary btn--main", r#type: "button", "data-do": "step-send", onclick: send,
                    {name(&words, step, again)}
                }
                button { class: "btn btn--quiet btn--main", r#type: "button", "data-do": "step-close", onclick: move |_| onclose.call(()),
                    {words.t("app-not-now")}
                }
            }
        }
    }
}

/// What a step's button says.
fn name(words: &Words, step: Step, again: bool) -> String {
    if again && step == Step::Dispatch {
        return words.t("app-act-dispatch-again");
    }
    words.t(&format!("app-act-{}", say::code(&step)))
}

/// The allowed steps, the one that is usually next first. To whoever may dispatch a report, that is dispatching it; what
/// moves on what others do comes before giving it to somebody else.
fn in_order(event: &EventRow) -> Vec<Step> {
    let mut steps = event.allowed.clone();
    let dispatches = steps.contains(&Step::Dispatch);
    steps.sort_by_key(|step| match (event.stage, step) {
        (Some(Stage::Reported), Step::Dispatch) => 0,
        (Some(Stage::Reported), Step::Take) => 1,
        (Some(Stage::Handling), Step::GrantExtension) => 0,
        (Some(Stage::Handling), Step::Handle) => 1,
        (Some(Stage::Handling), Step::Urge) if dispatches => 2,
        _ => 3,
    });
    steps
}

/// A department by its name, a person with what they are: the same name is there twice soon enough.
fn called(words: &Words, handler: &Handler) -> String {
    if handler.role == Role::Department {
        return handler.name.clone();
    }
    let role = words.t(&format!("role-{}", handler.role.code()));
    words.many("app-handler", &[("name", &handler.name), ("role", &role)])
}

fn limit_code(limit: Limit) -> String {
    match limit {
        Limit::Hours(n) => format!("hours-{n}"),
        Limit::Days(n) => format!("days-{n}"),
    }
}

/// People and departments to choose from; a box narrows a long list.
#[component]
fn People(
    label: String,
    name: &'static str,
    handlers: Vec<Handler>,
    chosen: BTreeSet<UserId>,
    onpress: EventHandler<UserId>,
) -> Element {
    let words = words();
    let mut query = use_signal(String::new);
    let long = handlers.len() > 12;
    let wanted = query.read().trim().to_owned();
    let shown: Vec<Handler> = handlers
        .into_iter()
        .filter(|handler| chosen.contains(&handler.id) || wanted.is_empty() || handler.name.contains(&wanted))
        .take(if long { 12 } else { usize::MAX })
        .collect();
    rsx! {
        div { class: "field", role: "group", "aria-labelledby": "l-{name}",
            span { class: "field__label", id: "l-{name}", {label} }
            if long {
                input {
                    class: "field__ctl",
                    name: "{name}-find",
                    r#type: "text",
                    autocomplete: "off",
                    placeholder: words.t("app-pick"),
                    "aria-labelledby": "l-{name}",
                    oninput: move |event| query.set(event.value()),
                }
            }
            div { class: "choices choices--under",
                for handler in shown {
                    Chip {
                        key: "{handler.id}",
                        name,
                        code: handler.id.to_string(),
                        label: called(&words, &handler),
                        many: true,
                        chosen: chosen.contains(&handler.id),
                        onpress: move |_| onpress.call(handler.id),
                    }
                }
            }
        }
    }
}
