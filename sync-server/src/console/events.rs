//! Events of the console: which wait for whom, and the forms of the six steps.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path as UrlPath, State};
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::area::{AreaId, AreaLevel};
use shared::author::Role;
use shared::ids::{EditId, RecordId, UserId};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::{self, Policy};
use shared::workflow::{self, Actor, EventState, Limit, STEPS, Stage, Step, StepEntry};

use super::ctx::{Asked, with_form};
use super::layout::{csrf, icon};
use super::write;
use super::{Ctx, Fields, PageError};
use crate::batch::state;
use crate::export::show::step_key;
use crate::store::{EventFacts, EventFilter, EventRow, Read, StoredPart, User};
use crate::{App, archive};

/// An event with where it stands.
pub struct Event {
    /// Its open part as stored.
    pub part: StoredPart,
    /// Its open part.
    pub open: PartState,
    /// What its log folds to.
    pub state: EventState,
}

impl Event {
    /// Of a stored part.
    pub fn of(ctx: &Ctx, part: StoredPart) -> Result<Self, PageError> {
        let open = state(&part)?;
        let state = workflow::fold(&open, &ctx.calendar);
        Ok(Self { part, open, state })
    }

    /// The shown text of a field.
    pub fn text(&self, field: &str) -> Option<String> {
        view::shown(&self.open, field, Policy::One).and_then(Value::as_text)
    }

    /// Whether it was reported and is neither closed nor deleted. Work that is recorded waits for nobody.
    pub fn is_open(&self) -> bool {
        let reported = self.state.reported_at.is_some();
        reported && !self.part.deleted && !matches!(self.state.stage, Stage::Closed | Stage::Archived)
    }
}

/// The events under way that this person may read, the latest first.
pub fn under_way(ctx: &Ctx, read: &dyn Read) -> Result<Vec<EventRow>, PageError> {
    let mut events = Vec::new();
    read.each_event(&EventFilter { open_only: true, ..EventFilter::default() }, &mut |event| {
        if ctx.may_read_reach(Part::Open, &event.reach()) {
            events.push(event);
        }
        Ok(true)
    })?;
    Ok(events)
}

/// This person as the workflow sees them.
pub fn actor(ctx: &Ctx) -> Actor {
    let user = &ctx.who.user;
    let levels = user.scope.iter().filter_map(|id| ctx.areas.get(*id)).map(|area| area.level);
    let highest = levels.min_by_key(|level| match level {
        AreaLevel::County => 0,
        AreaLevel::Town => 1,
        AreaLevel::Community => 2,
        AreaLevel::Grid => 3,
    });
    Actor::new(user.id, user.role, highest.unwrap_or(AreaLevel::Grid))
}

/// Why an event waits for somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Two entries are at odds.
    Contested,
    /// More time is asked for.
    Asked,
    /// Raised from below.
    Raised,
    /// Untouched for 24 hours below.
    Untouched,
    /// Reported here.
    Reported,
    /// Given to this person.
    Given,
    /// Done by this person, to be told to who reported it.
    ToTell,
    /// Answered, to be closed.
    Answered,
}

impl Why {
    /// The message key.
    pub fn key(self) -> &'static str {
        match self {
            Self::Contested => "why-contested",
            Self::Asked => "why-asked",
            Self::Raised => "why-raised",
            Self::Untouched => "why-untouched",
            Self::Reported => "why-reported",
            Self::Given => "why-given",
            Self::ToTell => "why-to-tell",
            Self::Answered => "why-answered",
        }
    }
}

/// The events whose next move is this person's, and why; the soonest limit first.
pub fn waiting(ctx: &Ctx, read: &dyn Read) -> Result<Vec<(EventRow, Why)>, PageError> {
    let actor = actor(ctx);
    let users = read.users()?;
    let leads = |user: &&User| user.active && user.role == Role::GridLeader;
    let led: BTreeSet<AreaId> = users.iter().filter(leads).flat_map(|user| user.scope.iter().copied()).collect();
    let waits = |event: EventRow| {
        let led = event.areas.iter().any(|area| led.contains(area));
        why(ctx, &actor, &event.facts, led).map(|why| (event, why))
    };
    let mut waiting: Vec<(EventRow, Why)> = under_way(ctx, read)?.into_iter().filter_map(waits).collect();
    waiting.sort_by_key(|(event, _)| (event.facts.due.is_none(), event.facts.due, event.facts.moved));
    Ok(waiting)
}

/// `led`: its grid has a leader of its own.
fn why(ctx: &Ctx, actor: &Actor, event: &EventFacts, led: bool) -> Option<Why> {
    let leads = matches!(actor.role, Role::CenterStaff | Role::GridLeader);
    if event.contested {
        return (actor.role == Role::CenterStaff).then_some(Why::Contested);
    }
    let dispatched = event.dispatcher == Some(actor.user);
    match event.stage? {
        Stage::Reported if leads => {
            let state = event.state();
            if !workflow::decides_now(&state, actor.level, led, ctx.now) {
                return None;
            }
            let untouched = workflow::held_by(&state, ctx.now) != event.level;
            Some(match (event.level == actor.level, event.level == workflow::Level::Grid) {
                (false, true) if !untouched => Why::Reported,
                (false, _) => Why::Untouched,
                (true, false) => Why::Raised,
                (true, true) => Why::Reported,
            })
        }
        Stage::Handling | Stage::Handled if event.asked && dispatched => Some(Why::Asked),
        Stage::Handling if event.host == Some(actor.user) || event.helpers.contains(&actor.user) => Some(Why::Given),
        // Settled on site: closed by the lowest leader there is, who was not there.
        Stage::Handled | Stage::Answered if event.on_site && closes_on_site(actor, event.level, led) => {
            Some(Why::Answered)
        }
        Stage::Handled if event.host == Some(actor.user) => Some(Why::ToTell),
        Stage::Answered if dispatched => Some(Why::Answered),
        _ => None,
    }
}

/// Whether what was settled on site is this person's to close: a leader's at or above the level that holds it, the centre's
/// where there is none below.
fn closes_on_site(actor: &Actor, level: workflow::Level, led: bool) -> bool {
    match actor.role {
        Role::GridLeader if led => actor.level == workflow::Level::Grid,
        Role::GridLeader => actor.level >= level,
        _ => false,
    }
}

/// The forms of the steps this person may do now, each folded up, the likeliest first and open.
/// `from_list`: it leads back to the list and what is next there.
pub fn step_forms(ctx: &Ctx, event: &Event, handlers: &[User], from_list: bool) -> Markup {
    let steps: Vec<Step> =
        workflow::allowed(&event.state, &actor(ctx)).into_iter().filter(|step| *step != Step::Report).collect();
    // What moves the event on comes before what only comments on it.
    let onward = [Step::GrantExtension, Step::Dispatch, Step::Handle, Step::Feedback, Step::Close, Step::Archive];
    let open = onward.iter().find_map(|step| steps.iter().position(|it| it == step)).or(Some(0));
    html! {
        @if steps.is_empty() {
            p.panel__b.sub { (ctx.words.text("console-no-steps")) }
        }
        @for (place, step) in steps.iter().enumerate() {
            details.act open[Some(place) == open] {
                summary { (ctx.words.text(&step_key(*step))) }
                form.act__b method="post" action={ "/console/records/" (event.part.record) "/step" } {
                    (csrf(ctx)) (write::seen(&event.open))
                    input type="hidden" name="step" value=(step_key(*step));
                    @if from_list { input type="hidden" name="back" value="inbox"; }
                    (step_fields(ctx, event, *step, handlers))
                    @let first = (Some(place) == open).then_some("Enter");
                    button.btn.btn--second data-key=[first] { (ctx.words.text(&step_key(*step))) }
                }
            }
        }
    }
}

/// The fields a step asks for.
pub fn step_fields(ctx: &Ctx, event: &Event, step: Step, handlers: &[User]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let said = |label: &str| {
        html! {
            div.field {
                label.field__label for={ "text-" (step_key(step)) } { (word(label)) }
                textarea.field__ctl id={ "text-" (step_key(step)) } name="text" maxlength="2000" {}
            }
        }
    };
    match step {
        Step::Dispatch => html! {
            (host_field(ctx, handlers)) (helper_field(ctx, handlers)) (limit_field(ctx, event)) (said("console-note"))
        },
        Step::Take => html! { (limit_field(ctx, event)) },
        Step::Extend => html! { (limit_field(ctx, event)) (said("console-reason")) },
        Step::Handle => html! {
            (said("console-done-what"))
            label.opt { input.box type="checkbox" name="done" value="true" checked; (word("console-done")) }
        },
        Step::Feedback => html! {
            (said("console-told-what"))
            (choices("satisfied", &[("true", word("satisfied-yes")), ("false", word("satisfied-no"))], "true"))
        },
        Step::Close => {
            let outcomes: &[&str] = if event.text("category").as_deref() == Some("dispute") {
                &["reconciled", "not_reconciled"]
            } else {
                &["settled", "not_settled"]
            };
            let options: Vec<_> = outcomes.iter().map(|code| (*code, word(&format!("outcome-{code}")))).collect();
            html! { (choices("outcome", &options, outcomes.first().copied().unwrap_or_default())) (said("console-note")) }
        }
        // The number follows from category and year; nobody types it.
        Step::Archive => {
            html! { p.sub { (ctx.words.with("desk-number-next", &[("ledger", ledger(ctx, event).into())])) } }
        }
        Step::Raise | Step::SendBack => said("console-reason"),
        Step::Report | Step::SettleOnSite | Step::GrantExtension | Step::Urge | Step::Supervise => said("console-note"),
    }
}

fn choices(name: &str, options: &[(&str, String)], chosen: &str) -> Markup {
    html! {
        div.field { div.choices {
            @for (value, label) in options {
                label.choice {
                    input type="radio" name=(name) value=(value) checked[*value == chosen];
                    span { (icon("check")) (label) }
                }
            }
        } }
    }
}

fn host_field(ctx: &Ctx, handlers: &[User]) -> Markup {
    html! {
        div.field {
            label.field__label for="host" { (ctx.words.text("host")) small { (ctx.words.text("console-one")) } }
            select.field__ctl id="host" name="host" required {
                option value="" { (ctx.words.text("console-choose")) }
                @for (role, label) in [(Role::Department, "role-department"), (Role::GridLeader, "role-grid_leader"),
                    (Role::GridMember, "role-grid_member"), (Role::CenterStaff, "role-center_staff")] {
                    optgroup label=(ctx.words.text(label)) {
                        @for (place, user) in handlers.iter().filter(|user| user.role == role).enumerate() {
                            // The first nine departments are one key away.
                            @let digit = Some(place + 1).filter(|digit| role == Role::Department && *digit < 10);
                            option value=(user.id) data-digit=[digit] {
                                @if let Some(digit) = digit { (digit) " " } (user.name)
                            }
                        }
                    }
                }
            }
        }
    }
}

fn helper_field(ctx: &Ctx, handlers: &[User]) -> Markup {
    html! {
        div.field {
            span.field__label { (ctx.words.text("helpers")) small { (ctx.words.text("console-several")) } }
            div.choices {
                @for user in handlers.iter().filter(|user| user.role == Role::Department) {
                    label.choice {
                        input type="checkbox" name="helper" value=(user.id);
                        span { (icon("check")) (user.name) }
                    }
                }
            }
        }
    }
}

fn limit_field(ctx: &Ctx, event: &Event) -> Markup {
    let limits = ctx.calendar.limits();
    let usual = limits.of(event.text("urgency").as_deref());
    // What the town offers, and the longest there is.
    let mut options = vec![limits.of(Some("urgent")), limits.of(None), limits.of(Some("difficult"))];
    options.push(Limit::Days(workflow::MAX_DAYS));
    options.dedup();
    html! {
        div.field {
            span.field__label { (ctx.words.text("console-limit")) }
            div.choices {
                @for limit in options {
                    label.choice {
                        input type="radio" name="limit" value=(limit_code(limit)) checked[limit == usual];
                        span { (icon("check")) (crate::export::show::limit(&ctx.words, limit)) }
                    }
                }
            }
        }
    }
}

fn limit_code(limit: Limit) -> String {
    match limit {
        Limit::Hours(n) => format!("hours-{n}"),
        Limit::Days(n) => format!("days-{n}"),
    }
}

fn limit_of(text: &str) -> Option<Limit> {
    let (unit, n) = text.split_once('-')?;
    let n = n.parse().ok()?;
    match unit {
        "hours" => Some(Limit::Hours(n)),
        "days" => Some(Limit::Days(n)),
        _ => None,
    }
}

/// The entry a form says, without judging it: that is the workflow's.
pub fn entry(step: Step, fields: &Fields) -> Result<StepEntry, PageError> {
    let bad = || PageError::Bad("console-error-form".to_owned());
    let user = |text: &str| text.parse::<UserId>().map_err(|_| bad());
    let flag = |name: &str| fields.text(name).map(|text| text == "true");
    let with_limit = matches!(step, Step::Dispatch | Step::Take | Step::Extend);
    Ok(StepEntry {
        step,
        text: fields.text("text").unwrap_or_default().to_owned(),
        host: fields.text("host").filter(|_| step == Step::Dispatch).map(user).transpose()?,
        helpers: if step == Step::Dispatch {
            fields.all("helper").map(user).collect::<Result<_, _>>()?
        } else {
            vec![]
        },
        limit: fields.text("limit").filter(|_| with_limit).map(|text| limit_of(text).ok_or_else(bad)).transpose()?,
        done: if step == Step::Handle { Some(flag("done").unwrap_or(false)) } else { None },
        satisfied: flag("satisfied").filter(|_| step == Step::Feedback),
        outcome: fields.text("outcome").filter(|_| step == Step::Close).map(str::to_owned),
        ledger: fields.text("ledger").filter(|_| step == Step::Archive).map(str::to_owned),
    })
}

/// The step of a form's key (`step-dispatch`).
pub fn step_of(key: &str) -> Option<Step> {
    serde_json::from_value(serde_json::Value::String(key.strip_prefix("step-")?.to_owned())).ok()
}

fn ledger(ctx: &Ctx, event: &Event) -> String {
    archive::ledger(&ctx.forms, &event.open, &event.state, ctx.now)
}

/// Saves one step of one event, seen as the form says.
pub fn save_step(ctx: &Ctx, record: RecordId, step: Step, fields: &Fields) -> Result<(), PageError> {
    let part = ctx.read(|read| ctx.open_part(read, record))?;
    if part.kind != RecordKind::Event {
        return Err(PageError::NotFound);
    }
    save_entry(ctx, part, entry(step, fields)?, Some(write::context(fields)?))
}

/// Saves one entry of an event's log, seen as it is stored where no other `context` is given. An archiving without a
/// number takes the next of its ledger.
pub fn save_entry(
    ctx: &Ctx,
    part: StoredPart,
    entry: StepEntry,
    context: Option<VectorTimestamp>,
) -> Result<(), PageError> {
    let event = Event::of(ctx, part)?;
    let id = EditId::fresh(&*ctx.app.outside);
    let ledger = ledger(ctx, &event);
    let path = Path::entry(STEPS, id);
    let context = context.unwrap_or_else(|| event.open.vector().clone());
    let writes = BTreeMap::from([(path.clone(), Value::of(&entry))]);
    let (record, kind) = (event.part.record, event.part.kind);
    let save = write::Save { record, kind, part: Part::Open, context, writes, id: Some(id) };
    write::save_filled(ctx, vec![save], &mut |tx, edit| {
        if entry.step == Step::Archive && entry.ledger.is_none() {
            edit.writes.insert(path.clone(), Value::of(&archive::entry(tx, &ledger, &entry.text)?));
        }
        Ok(())
    })
}

/// `POST /console/records/{id}/step`
pub async fn step(
    State(app): State<App>,
    UrlPath(record): UrlPath<RecordId>,
    asked: Asked,
    fields: Fields,
) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        let bad = || PageError::Bad("console-error-form".to_owned());
        let part = ctx.read(|read| ctx.open_part(read, record))?;
        if !ctx.may_write(Part::Open, STEPS, &part) {
            return Err(PageError::NotAllowed);
        }
        let step = fields.get("step").and_then(step_of).ok_or_else(bad)?;
        save_step(ctx, record, step, fields)?;
        // Sent back, it is not theirs to see any more.
        let listed = fields.get("back") == Some("inbox");
        let still = !listed && ctx.read(|read| ctx.open_part(read, record)).is_ok();
        let to = if still { format!("/console/records/{record}") } else { "/console/inbox".to_owned() };
        Ok(Redirect::to(&to).into_response())
    })
    .await
}

/// Who an event can be given to.
pub fn handlers(read: &dyn Read) -> Result<Vec<User>, PageError> {
    let gives =
        |user: &User| matches!(user.role, Role::Department | Role::GridLeader | Role::GridMember | Role::CenterStaff);
    Ok(read.users()?.into_iter().filter(|user| user.active && gives(user)).collect())
}
