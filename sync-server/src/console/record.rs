//! The page of one record: its fields under their masks, what is 待核对, the steps of an event, photos, history.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Path as UrlPath, State};
use axum::response::Response;
use maud::{Markup, html};
use shared::form::{Field, FieldType, Form};
use shared::ids::{PhotoHash, RecordId};
use shared::merge::{Deletion, PartState};
use shared::record::{Part, RecordKind};
use shared::view::{self, Policy};
use shared::wire::HistoryEntry;
use shared::workflow;

use super::ctx::{Asked, with, with_form};
use super::events::{self, Event};
use super::layout::{Place, csrf, event_light, icon, light, moment};
use super::{Ctx, Fields, PageError, add_photo, history, merged, to_decide};
use crate::App;
use crate::batch::{link_of, links, state};
use crate::export::{Telling, columns, show};
use crate::store::{Read, StoredPart, User};
use crate::sync;
use crate::sync::photos::{OnItsWay, may_see, on_its_way};

/// The most bytes of a field's name in the audit.
const FIELD: usize = 60;

/// A record as this reader may see it.
pub struct Seen {
    /// The open part as stored.
    pub part: StoredPart,
    /// The open part.
    pub open: PartState,
    /// The restricted part, for those cleared, if there is one.
    pub restricted: Option<PartState>,
    /// The titles of what it links to, as far as this reader may read that.
    pub titles: BTreeMap<RecordId, String>,
}

/// What the page shows beside the record.
struct Around {
    history: Vec<HistoryEntry>,
    /// Photos and thumbnails that this reader can be shown, and those that are on their way: a link may come first.
    delivered: BTreeSet<PhotoHash>,
    coming: BTreeMap<PhotoHash, OnItsWay>,
    handlers: Vec<User>,
    /// Duplicates.
    alias: merged::Around,
    /// The way to who reported, for whom it is.
    reporter: Markup,
}

impl Seen {
    /// Reads it.
    pub fn load(ctx: &Ctx, read: &dyn Read, id: RecordId) -> Result<Self, PageError> {
        let part = ctx.open_part(read, id)?;
        let open = state(&part)?;
        let mut restricted = None;
        if ctx.may_read(Part::Restricted, &part) {
            let parts = read.load_many(&[(id, Part::Restricted)])?;
            restricted = parts.first().map(state).transpose()?.filter(|state| !state.is_empty());
        }
        let mut linked = BTreeSet::new();
        links(&open, &mut linked);
        let keys: Vec<_> = linked.into_iter().map(|id| (id, Part::Open)).collect();
        let titles = read.load_many(&keys)?.into_iter().filter(|part| ctx.may_read(Part::Open, part));
        let titles = titles.map(|part| (part.record, part.title)).collect();
        Ok(Self { part, open, restricted, titles })
    }

    /// The part a field lies in, if this reader may see it.
    pub fn state(&self, part: Part) -> Option<&PartState> {
        match part {
            Part::Open => Some(&self.open),
            Part::Restricted => self.restricted.as_ref(),
        }
    }
}

/// `GET /console/records/{id}`
pub async fn show(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked) -> Response {
    with(app, asked, move |ctx| answer(ctx, id, None)).await
}

/// `POST /console/records/{id}/unmask`: one field in full, once, for those who may; written down.
pub async fn unmask(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        if !ctx.who.user.may_unmask {
            return Err(PageError::NotAllowed);
        }
        answer(ctx, id, Some(fields.get("field").unwrap_or_default().to_owned()))
    })
    .await
}

fn answer(ctx: &Ctx, id: RecordId, unmasked: Option<String>) -> Result<Response, PageError> {
    let (seen, around) = ctx.read(|read| {
        let seen = Seen::load(ctx, read, id)?;
        let history = sync::history::history(read, &ctx.who, &ctx.areas, id)?.unwrap_or_default();
        let handlers = if seen.part.kind == RecordKind::Event { events::handlers(read)? } else { Vec::new() };
        let (mut delivered, mut coming) = (BTreeSet::new(), BTreeMap::new());
        for hash in linked_photos(&seen.open) {
            if read.photo(&hash)?.is_some() && may_see(read, &ctx.who, &ctx.areas, &hash)? {
                delivered.insert(hash);
            } else if let Some(on_its_way) = on_its_way(read, &ctx.who, &ctx.areas, &hash)? {
                coming.insert(hash, on_its_way);
            }
        }
        let alias = merged::Around::load(ctx, read, &seen)?;
        let reporter = super::reporter::panel(ctx, read, id)?;
        Ok::<_, PageError>((seen, Around { history, delivered, coming, handlers, alias, reporter }))
    })?;
    let form = ctx.forms.newest(seen.part.kind).ok_or(PageError::NotFound)?;
    if let Some(field) = unmasked.as_deref().and_then(|name| form.field(name)).filter(|field| field.mask.is_some()) {
        if seen.state(field.part()).is_none() {
            return Err(PageError::NotAllowed);
        }
        ctx.note("audit-unmask", &id.to_string(), &field.name)?;
    }
    let of_unknown = columns::unknown(form, &seen.open).find(|(path, _)| unmasked.as_ref() == Some(path));
    if let Some((path, _)) = of_unknown {
        ctx.note("audit-unmask", &id.to_string(), name_to_note(&path))?;
    }
    if seen.restricted.is_some() {
        ctx.note("audit-restricted", &id.to_string(), "")?;
    }
    let looks = around.alias.restricted().map(|loser| (loser.to_string(), String::new())).collect();
    ctx.note_all("audit-restricted", looks)?;
    let in_full = to_decide::fields_in_full(ctx, &seen, form);
    if !in_full.is_empty() {
        ctx.note("audit-to-decide", &id.to_string(), &in_full.join(","))?;
    }
    let titles = |id: RecordId| seen.titles.get(&id).cloned();
    let users = |id| ctx.users.get(&id).cloned();
    let told = ctx.telling(&titles, &users);
    let body = body(ctx, &seen, &around, form, &told, unmasked.as_deref())?;
    let place = if seen.part.kind == RecordKind::Event { Place::Inbox } else { Place::Ledger };
    Ok(ctx.answer(place, &seen.part.title, &body))
}

/// The name of a field as the audit takes it. Nobody here knows what an unknown one says: not even its name, unless it looks
/// like one.
fn name_to_note(path: &str) -> &str {
    let name = path.split('/').next().unwrap_or_default();
    let is_name = name.len() <= FIELD && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    if is_name { name } else { "?" }
}

fn body(
    ctx: &Ctx,
    seen: &Seen,
    around: &Around,
    form: &Form,
    told: &Telling<'_>,
    unmasked: Option<&str>,
) -> Result<Markup, PageError> {
    let word = |key: &str| ctx.words.text(key);
    let event = match seen.part.kind {
        RecordKind::Event => Some(Event::of(ctx, seen.part.clone())?),
        _ => None,
    };
    let areas: Vec<String> = seen.part.areas.iter().map(|id| ctx.area(*id)).collect();
    Ok(html! {
        header.head2 {
            @if ctx.sees(Place::Ledger) {
                a.crumb href={ "/console/records?kind=" (seen.part.kind.code()) } { (icon("back")) (word("console-ledger")) }
            } @else { a.crumb href="/console/inbox" { (icon("back")) (word("console-inbox")) } }
            h1 { (seen.part.title) }
            span.sub { (facts(form, &seen.open, told)) (areas.join(&ctx.words.text("list-separator"))) }
            @match seen.open.deletion() {
                Deletion::Present => {},
                Deletion::Deleted => { (light("off", &word("console-deleted"))) },
                Deletion::Revived => { (light("yellow", &word("console-revived"))) },
            }
            @if let Some(event) = &event { (event_light(ctx, &event.state)) }
        }
        div.cols.cols--top.c-record {
            div.stack {
                (merged::panel(ctx, seen, &around.alias, told))
                (around.reporter)
                (fields(ctx, seen, form, told, unmasked))
                (photos(ctx, seen, around))
                (add_photo::form(ctx, &seen.part))
                (merged::tools(ctx, seen))
            }
            div.stack {
                @if let Some(event) = &event { (steps(ctx, event, told, &around.handlers)) }
                (to_decide::cards(ctx, seen, form, told))
                @if event.is_none() && seen.part.open_fields == 0 { (nothing_open(ctx)) }
            }
            div.stack { (history::panel(ctx, seen.part.kind, &around.history, told)) }
        }
    })
}

fn nothing_open(ctx: &Ctx) -> Markup {
    html! {
        section.panel {
            div.panel__h { h2 { (ctx.words.text("to-decide")) } }
            p.panel__b.sub { (ctx.words.text("console-nothing-to-decide")) }
        }
    }
}

/// Sex, age and status of a person, in one line.
fn facts(form: &Form, open: &PartState, told: &Telling<'_>) -> String {
    let mut facts = Vec::new();
    let number = view::shown(open, "id_number", Policy::One).and_then(shared::value::Value::as_text);
    let known = number.and_then(|number| shared::check::id_facts(&number));
    let words = assets::messages::Messages::of(told.lang);
    if let Some(age) = known.as_ref().and_then(|known| shared::check::age(known.birth_date, told.today)) {
        facts.push(words.with("age-years", &[("n", age.to_string().into())]));
    }
    for field in ["sex", "residence_status", "type", "category"].into_iter().filter_map(|name| form.field(name)) {
        facts.push(show::field(field, open, told));
    }
    facts.retain(|fact| !fact.is_empty());
    facts.push(String::new());
    facts.join(&words.text("facts-separator"))
}

fn fields(ctx: &Ctx, seen: &Seen, form: &Form, told: &Telling<'_>, unmasked: Option<&str>) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let lang = told.lang.tag();
    let shown = form.fields().filter(|field| !matches!(field.kind, FieldType::Photos | FieldType::Steps));
    html! {
        section.panel aria-labelledby="fl" {
            div.panel__h {
                h2 #fl { (word("console-recorded")) }
                span.sub.end { (ctx.words.with("console-form-version", &[("n", form.version.to_string().into())])) }
            }
            dl.dl {
                @for field in shown {
                    @if let Some(part) = seen.state(field.part()) {
                        @let full = unmasked == Some(field.name.as_str()) && ctx.who.user.may_unmask;
                        @let text = field_text(field, part, told, full);
                        @if !text.is_empty() {
                            div {
                                dt { (field.label.in_lang(lang)) }
                                dd {
                                    (value(ctx, seen, field, part, &text))
                                    @if field.restricted { (icon("lock")) }
                                    @if field.mask.is_some() && !full { (show_button(ctx, seen, &field.name)) }
                                }
                            }
                        }
                    }
                }
                // What a newer version wrote: nobody here knows what it is, so it is hidden like a number.
                @for (path, json) in columns::unknown(form, &seen.open) {
                    div {
                        dt { (path) }
                        dd {
                            @if unmasked == Some(path.as_str()) && ctx.who.user.may_unmask { (json) }
                            @else { "***" (show_button(ctx, seen, &path)) }
                        }
                    }
                }
            }
        }
    }
}

/// Asks for a value in full, for those who may.
fn show_button(ctx: &Ctx, seen: &Seen, field: &str) -> Markup {
    html! {
        @if ctx.who.user.may_unmask {
            form method="post" action={ "/console/records/" (seen.part.record) "/unmask" } {
                (csrf(ctx)) input type="hidden" name="field" value=(field);
                button.btn.btn--quiet { (ctx.words.text("console-show")) }
            }
        }
    }
}

fn field_text(field: &Field, part: &PartState, told: &Telling<'_>, full: bool) -> String {
    match view::shown(part, &field.name, field.policy()) {
        Some(value) => show::value(field, value, told, full),
        None => show::field(field, part, told),
    }
}

fn value(ctx: &Ctx, seen: &Seen, field: &Field, part: &PartState, text: &str) -> Markup {
    let linked = view::shown(part, &field.name, field.policy()).and_then(link_of);
    let open = field.policy() == Policy::One && view::one(part, &field.name).is_open();
    html! {
        @if let Some(id) = linked.filter(|id| seen.titles.contains_key(id)) {
            a.go href={ "/console/records/" (id) } { (text) }
        } @else if field.kind == FieldType::Links {
            span {
                @for (element, _) in view::many(part, &field.name) {
                    @if let Ok(id) = element.parse::<RecordId>() {
                        @match seen.titles.get(&id) {
                            Some(title) => { a.go href={ "/console/records/" (id) } { (title) } " " },
                            None => { (ctx.words.text("console-outside")) " " },
                        }
                    }
                }
            }
        } @else if field.mask.is_some() {
            span.num { (text) }
        } @else {
            span { (text) }
        }
        @if open { (light("yellow", &ctx.words.text("to-decide"))) }
    }
}

fn photos(ctx: &Ctx, seen: &Seen, around: &Around) -> Markup {
    let photos = view::many(&seen.open, "photos");
    html! {
        @if !photos.is_empty() {
            section.panel aria-labelledby="ph" {
                div.panel__h { h2 #ph { (ctx.words.text("console-photos")) } span.sub.end { (photos.len()) } }
                ul.shots {
                    @for (hash, write) in photos {
                        @if let Some(known) = write.value.get::<shared::form::PhotoParticulars>() {
                            @let taken = shared::mask::time(known.at).unwrap_or_default();
                            li {
                                @let whole = hash.parse().is_ok_and(|hash: PhotoHash| around.delivered.contains(&hash));
                                @let thumbnail = around.delivered.contains(&known.thumbnail);
                                @let href = format!("/console/photos/{}", seen.part.record);
                                @let alt = ctx.words.with("console-photo-of", &[("when", taken.clone().into())]);
                                @let picture = html! { img src={ (href) "/" (known.thumbnail) } alt=(alt); };
                                @match (thumbnail, whole) {
                                    (true, true) => { a href={ (href) "/" (hash) } { (picture) } }
                                    (true, false) => { (picture) }
                                    (false, true) => { p.shots__none { a href={ (href) "/" (hash) } { (alt) } } }
                                    (false, false) => {}
                                }
                                @if !whole { (on_the_way(ctx, hash, around, thumbnail)) }
                                p.sub { (taken) }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The photos a record links, and their thumbnails.
fn linked_photos(open: &PartState) -> BTreeSet<PhotoHash> {
    let photos = view::many(open, "photos").into_iter();
    let both = photos.map(|(hash, write)| {
        let particulars = write.value.get::<shared::form::PhotoParticulars>();
        (hash.parse().ok(), particulars.map(|particulars| particulars.thumbnail))
    });
    both.flat_map(|(photo, thumbnail): (Option<PhotoHash>, _)| photo.into_iter().chain(thumbnail)).collect()
}

/// In place of a photo that has not arrived: since when its handheld has not been heard of.
fn on_the_way(ctx: &Ctx, hash: &str, around: &Around, beside: bool) -> Markup {
    let coming = hash.parse().ok().and_then(|hash: PhotoHash| around.coming.get(&hash));
    let seen = coming.and_then(|coming| coming.seen);
    html! {
        p class=(if beside { "sub" } else { "shots__none" }) {
            (ctx.words.text("console-photo-on-its-way"))
            @if let Some(at) = seen {
                " " (ctx.words.with("console-photo-last-seen", &[("when", moment(ctx, at).into())]))
            }
        }
    }
}

fn steps(ctx: &Ctx, event: &Event, told: &Telling<'_>, handlers: &[User]) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let state = &event.state;
    html! {
        section.panel aria-labelledby="st" {
            div.panel__h {
                h2 #st { (word("console-six-steps")) }
                span.sub.end { (word(&format!("stage-{}", show::stage_code(state.stage)))) }
            }
            div.panel__b {
                @if !state.contested.is_empty() { p.note { (word("contested")) } }
                ol.steps {
                    @for (_, write) in view::log(&event.open, workflow::STEPS) {
                        @if let Some(entry) = write.value.get::<workflow::StepEntry>() {
                            li.step.step--done {
                                span.step__dot {}
                                div {
                                    p.step__t { (word(&show::step_key(entry.step))) }
                                    @let says = show::step_says(&entry, told);
                                    @if !says.is_empty() { p.step__b { (says) } }
                                    p.step__b { (ctx.author(&write.head.author)) " " time { (moment(ctx, write.head.at)) } }
                                }
                            }
                        }
                    }
                    @if event.is_open() {
                        li.step.step--now {
                            span.step__dot {}
                            div {
                                p.step__t { (word(&format!("stage-{}", show::stage_code(state.stage)))) }
                                @if let Some(host) = state.host.and_then(|id| ctx.users.get(&id)) {
                                    p.step__b { (word("host")) " " (host) }
                                }
                            }
                        }
                    }
                }
            }
            (events::step_forms(ctx, event, handlers, false))
        }
    }
}
