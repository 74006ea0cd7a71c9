//! 专项排查: staff and leaders choose what is to be looked at, for what, and until when. Each grid gets its own event with
//! its own targets, so that a handheld holds what concerns it; what remains follows from the inspections made for it.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::area::AreaId;
use shared::ids::RecordId;
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::{self, Policy};
use shared::work::{self, Work};

use super::ctx::{Asked, with, with_form};
use super::layout::{self, Place, csrf};
use super::write::{self, Save};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::batch::state;
use crate::store::{EventFilter, PartFilter, Read};

/// The most targets of one grid: what one edit carries beside its other fields.
const TARGETS: usize = 450;

/// A 专项排查 of one grid.
struct OfGrid {
    area: Option<AreaId>,
    targets: BTreeSet<RecordId>,
    /// Looked at for it.
    done: usize,
    /// Of these, with something wrong.
    faults: usize,
}

/// The grids of one 专项排查, by what it is called and its last day.
type Campaigns = BTreeMap<(String, String), Vec<OfGrid>>;

/// `GET /console/campaigns`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        ctx.must_see(Place::Campaigns)?;
        let campaigns = ctx.read(|read| campaigns(ctx, read))?;
        Ok(ctx.answer(Place::Campaigns, &ctx.words.text("work-campaign"), &body(ctx, &campaigns)))
    })
    .await
}

fn text(open: &PartState, field: &str) -> String {
    view::shown(open, field, Policy::One).map(Value::plain).unwrap_or_default()
}

fn campaigns(ctx: &Ctx, read: &dyn Read) -> Result<Campaigns, PageError> {
    let mut found: BTreeMap<RecordId, ((String, String), OfGrid)> = BTreeMap::new();
    let mut made: Vec<(RecordId, RecordId, bool)> = Vec::new();
    // Only of the campaigns and of what was made for one is the state read.
    let mine = ctx.events_by_scope();
    let campaigns = EventFilter { categories: vec![Work::Campaign.code().to_owned()], ..mine.clone() };
    let mut wanted = Vec::new();
    for filter in [campaigns, EventFilter { for_campaigns: true, ..mine }] {
        read.each_event(&filter, &mut |event| {
            if !event.deleted && ctx.may_read_reach(Part::Open, &event.reach()) {
                wanted.push((event.record, Part::Open));
            }
            Ok(true)
        })?;
    }
    for part in read.load_many(&wanted)? {
        let open = state(&part)?;
        match Work::of(&open) {
            Some(Work::Campaign) => {
                let ids = view::many(&open, work::TARGETS).into_iter().filter_map(|(id, _)| id.parse().ok());
                // One that was moved by two lies in both places: it is told where this person looks.
                let area = part.areas.iter().copied().find(|area| ctx.who.scope.contains(*area));
                let of_grid = OfGrid { area, targets: ids.collect(), done: 0, faults: 0 };
                found.insert(part.record, ((part.title.clone(), text(&open, "until")), of_grid));
            }
            Some(_) => {
                let campaign = view::shown(&open, work::CAMPAIGN, Policy::One).and_then(Value::as_text);
                let campaign = campaign.and_then(|id| id.parse().ok());
                if let (Some(campaign), Some(subject)) = (campaign, work::subject(&open)) {
                    made.push((campaign, subject, !view::many(&open, work::FAULTS).is_empty()));
                }
            }
            None => {}
        }
    }
    let mut looked_at: BTreeMap<(RecordId, RecordId), bool> = BTreeMap::new();
    for (campaign, subject, faulty) in made {
        *looked_at.entry((campaign, subject)).or_default() |= faulty;
    }
    for ((campaign, subject), faulty) in looked_at {
        if let Some((_, of_grid)) = found.get_mut(&campaign).filter(|(_, it)| it.targets.contains(&subject)) {
            of_grid.done += 1;
            of_grid.faults += usize::from(faulty);
        }
    }
    let mut all = Campaigns::new();
    for (name, of_grid) in found.into_values() {
        all.entry(name).or_default().push(of_grid);
    }
    for grids in all.values_mut() {
        grids.sort_by_key(|grid| grid.area);
    }
    Ok(all)
}

fn body(ctx: &Ctx, campaigns: &Campaigns) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let counted = |key: &str, n: usize| ctx.words.with(key, &[("n", n.to_string().into())]);
    html! {
        (layout::top(ctx, &word("work-campaign"), &word("console-campaigns-sub"), ""))
        div.cols.c-2 {
            div.stack {
                @if campaigns.is_empty() {
                    section.panel { p.panel__b.sub { (word("console-campaigns-none")) } }
                }
                // The one that ends last stands first.
                @for ((title, until), grids) in campaigns.iter().rev() {
                    section.panel {
                        div.panel__h {
                            h2 { (title) }
                            @if !until.is_empty() {
                                span.sub.end { (ctx.words.with("console-campaign-until", &[("date", until.clone().into())])) }
                            }
                        }
                        table.table {
                            thead { tr {
                                th { (word("batch-area")) } th { (word("console-campaign-progress")) }
                                th.r { (word("console-campaign-done")) } th.r { (word("console-campaign-faults")) }
                            } }
                            tbody { @for grid in grids {
                                tr {
                                    td { (grid.area.map(|area| ctx.area(area)).unwrap_or_default()) }
                                    td { progress value=(grid.done) max=(grid.targets.len().max(1)) {} }
                                    td.r.n { (grid.done) " / " (grid.targets.len()) }
                                    td.r.n { (grid.faults) }
                                }
                            } }
                        }
                        @let (done, of) = grids.iter().fold((0, 0), |(d, o), grid| (d + grid.done, o + grid.targets.len()));
                        p.panel__b.sub { (counted("console-campaign-remaining", of.saturating_sub(done))) }
                    }
                }
            }
            section.panel aria-labelledby="new" {
                div.panel__h { h2 #new { (word("console-campaign-new")) } }
                form.panel__b method="post" action="/console/campaigns" {
                    (csrf(ctx))
                    div.field {
                        label.field__label for="title" { (word("console-campaign-title")) }
                        input.field__ctl id="title" name="title" required maxlength="60" autocomplete="off";
                    }
                    div.field {
                        label.field__label for="targets" { (word("console-campaign-targets")) }
                        select.field__ctl id="targets" name="targets" required {
                            option value="" { (word("console-choose")) }
                            @for (value, label) in choices(ctx) { option value=(value) { (label) } }
                        }
                    }
                    div.field {
                        label.field__label for="area" { (word("batch-area")) }
                        select.field__ctl id="area" name="area" {
                            option value="" { (word("console-whole-scope")) }
                            @for area in ctx.areas.iter().filter(|area| !area.closed && ctx.who.scope.contains(area.id)) {
                                option value=(area.id) { (ctx.area(area.id)) }
                            }
                        }
                    }
                    div.field {
                        label.field__label for="look_for" { (word("console-campaign-look-for")) }
                        textarea.field__ctl id="look_for" name="look_for" maxlength="1000" rows="3" {}
                    }
                    div.field {
                        label.field__label for="until" { (word("console-campaign-last-day")) }
                        input.field__ctl id="until" name="until" type="date" required;
                    }
                    button.btn.btn--primary { (word("console-campaign-start")) }
                }
            }
        }
    }
}

/// What can be chosen as targets: a kind, or a kind of one type.
fn choices(ctx: &Ctx) -> Vec<(String, String)> {
    let lang = ctx.words.lang().tag();
    let mut choices = Vec::new();
    for kind in [RecordKind::Organization, RecordKind::Place, RecordKind::Object] {
        let name = ctx.words.text(&format!("kind-{}", kind.code()));
        choices
            .push((kind.code().to_owned(), ctx.words.with("console-campaign-all", &[("kind", name.clone().into())])));
        let types = ctx.forms.newest(kind).and_then(|form| form.field("type"));
        for choice in types.iter().flat_map(|field| &field.choices).filter(|choice| !choice.retired) {
            let label = if lang.starts_with("en") { &choice.en } else { &choice.zh };
            choices.push((format!("{}:{}", kind.code(), choice.code), format!("{name}·{label}")));
        }
    }
    choices
}

/// `POST /console/campaigns`: one event a grid, all of them or none.
pub async fn start(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, move |ctx, fields| {
        ctx.must_see(Place::Campaigns)?;
        let bad = |key: &str| PageError::Bad(key.to_owned());
        let title = fields.text("title").map(str::trim).filter(|title| !title.is_empty());
        let title = title.ok_or_else(|| bad("console-error-form"))?;
        let chosen = fields.text("targets").ok_or_else(|| bad("console-error-form"))?;
        let (kind, of_type) = chosen.split_once(':').map_or((chosen, None), |(kind, code)| (kind, Some(code)));
        let kind = RecordKind::from_code(kind).filter(|kind| !matches!(kind, RecordKind::Person | RecordKind::Event));
        let kind = kind.ok_or_else(|| bad("console-error-form"))?;
        let until = fields.text("until").and_then(shared::mask::parse_date).ok_or_else(|| bad("problem-date"))?;
        if until < shared::mask::today(ctx.now) {
            return Err(bad("console-campaign-past"));
        }
        let areas = match fields.text("area").filter(|area| !area.is_empty()) {
            None => ctx.scope(),
            Some(area) => {
                let area = area.parse().ok().map(AreaId).filter(|area| ctx.who.scope.contains(*area));
                let area = area.ok_or_else(|| bad("console-error-form"))?;
                ctx.areas.scope(&[area]).iter().filter(|id| ctx.who.scope.contains(*id)).collect()
            }
        };
        let targets = ctx.read(|read| targets(ctx, read, kind, of_type, areas.clone()))?;
        if targets.is_empty() {
            return Err(bad("console-campaign-empty"));
        }
        if targets.values().any(|of_grid| of_grid.len() > TARGETS) {
            return Err(bad("console-campaign-too-many"));
        }
        let look_for = fields.text("look_for").unwrap_or_default().trim().to_owned();
        let now = ctx.now.timestamp_millis();
        let saves = targets.into_iter().map(|(area, ids)| {
            let mut writes: BTreeMap<Path, Value> = [
                (Path::field("category"), Value::text(Work::Campaign.code())),
                (Path::field("title"), Value::text(title)),
                (Path::field("until"), Value::of(&until)),
                (Path::field("happened_at"), Value::of(&now)),
                (Path::field("area"), Value::of(&area)),
            ]
            .into();
            if !look_for.is_empty() {
                writes.insert(Path::field("look_for"), Value::text(&look_for));
            }
            writes.extend(ids.iter().map(|id| (Path::element(work::TARGETS, &id.to_string()), Value::of(&true))));
            let record = RecordId::fresh(&*ctx.app.outside);
            let context = VectorTimestamp::new();
            Save { record, kind: RecordKind::Event, part: Part::Open, context, writes, id: None }
        });
        write::save_all(ctx, saves.collect())?;
        Ok(Redirect::to("/console/campaigns").into_response())
    })
    .await
}

/// What is to be looked at, by the one of the areas where it lies.
fn targets(
    ctx: &Ctx,
    read: &dyn Read,
    kind: RecordKind,
    of_type: Option<&str>,
    areas: Vec<AreaId>,
) -> Result<BTreeMap<AreaId, Vec<RecordId>>, PageError> {
    let mut found: BTreeMap<AreaId, Vec<RecordId>> = BTreeMap::new();
    let wanted: BTreeSet<AreaId> = areas.iter().copied().collect();
    let filter = PartFilter { kind: Some(kind), areas: Some(areas), ..PartFilter::default() };
    let mut failed = None;
    read.each_part(&filter, &mut |part| {
        let area = part.areas.iter().copied().find(|area| wanted.contains(area));
        let Some(area) = area.filter(|_| !part.deleted) else { return Ok(true) };
        if !ctx.may_read(Part::Open, &part) {
            return Ok(true);
        }
        let fits = match of_type {
            None => true,
            Some(code) => match state(&part) {
                Ok(open) => text(&open, "type") == code,
                Err(error) => {
                    failed = Some(error);
                    return Ok(false);
                }
            },
        };
        if fits {
            found.entry(area).or_default().push(part.record);
        }
        Ok(true)
    })?;
    match failed {
        Some(error) => Err(error.into()),
        None => Ok(found),
    }
}
