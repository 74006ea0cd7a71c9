//! 未收下: edits the server would not apply, with their reasons. Nothing of them is lost.

use axum::extract::State;
use axum::response::Response;
use maud::html;
use shared::record::Part;

use super::ctx::{Asked, with};
use super::layout::{self, Place, moment};
use super::{Ctx, PageError};
use crate::App;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::export::show;
use crate::store::{Quarantined, Read};

/// The most edits a page lists.
const LISTED: usize = 200;

/// `GET /console/quarantine`
pub async fn show(State(app): State<App>, asked: Asked) -> Response {
    with(app, asked, |ctx| {
        ctx.must_see(Place::Quarantine)?;
        let rows = ctx.read(|read| {
            let mut rows = Vec::new();
            for held in read.quarantine(true, LISTED)? {
                if let Some(title) = title(ctx, read, &held)? {
                    rows.push((held, title));
                }
            }
            Ok::<_, PageError>(rows)
        })?;
        let word = |key: &str| ctx.words.text(key);
        let body = html! {
            (layout::top(ctx, &word("console-quarantine"), &word("console-quarantine-sub"), ""))
            section.panel {
                @if rows.is_empty() { p.panel__b.sub { (word("console-quarantine-empty")) } } @else {
                    table.table {
                        thead { tr {
                            th { (word("console-record")) } th { (word("console-who")) } th { (word("console-when")) }
                            th { (word("console-fields")) } th { (word("console-reason")) }
                        } }
                        tbody {
                            @for (held, title) in &rows {
                                tr {
                                    td { @if title.is_empty() { (word(&format!("kind-{}", held.edit.kind.code()))) } @else { (title) } }
                                    td.n { (ctx.author(&held.edit.author)) @if !held.origin.is_empty() { br; span.sub { (held.origin) } } }
                                    td.n { time { (moment(ctx, held.received)) } }
                                    td { (fields(ctx, held)) }
                                    td { (reason(ctx, held)) }
                                }
                            }
                        }
                    }
                }
            }
        };
        Ok(ctx.answer(Place::Quarantine, &word("console-quarantine"), &body))
    })
    .await
}

/// The record's title, if this person decides on it; empty where the record itself was not applied.
fn title(ctx: &Ctx, read: &dyn Read, held: &Quarantined) -> Result<Option<String>, PageError> {
    if held.edit.part == Part::Restricted && !ctx.who.user.cleared {
        return Ok(None);
    }
    if let Some(part) = read.load_many(&[(held.edit.record, Part::Open)])?.into_iter().next() {
        let reach = Reach::of(&part);
        let may = authorize(&ctx.who, Action::Decide, Some(&reach), &reach, &ctx.areas).is_ok();
        return Ok(may.then_some(part.title));
    }
    // A record that was never made lies nowhere but in what the edit says.
    let area = held.edit.writes.iter().find(|(path, _)| path.as_str() == "area").and_then(|(_, value)| value.get());
    let may = match area {
        Some(area) => ctx.who.scope.contains(area),
        None => ctx.who.scope.contains(ctx.who.user.town),
    };
    Ok(may.then(String::new))
}

/// What was written, under the masks.
fn fields(ctx: &Ctx, held: &Quarantined) -> String {
    let titles = |_| None;
    let users = |id| ctx.users.get(&id).cloned();
    let told = ctx.telling(&titles, &users);
    let form = ctx.app.forms.newest(held.edit.kind);
    let said = held.edit.writes.iter().map(|(path, value)| match form.and_then(|form| form.field(path.field_name())) {
        Some(field) => {
            format!("{}：{}", field.label.in_lang(told.lang.tag()), show::value(field, value, &told, false))
        }
        None => path.to_string(),
    });
    said.collect::<Vec<_>>().join("；")
}

fn reason(ctx: &Ctx, held: &Quarantined) -> String {
    let code = shared::value::Value::of(&held.rejection.reason).as_text().unwrap_or_default();
    let mut said = ctx.words.text(&format!("console-reject-{code}"));
    if !held.rejection.detail.is_empty() && ctx.words.has(&held.rejection.detail) {
        said.push_str(&ctx.words.text(&held.rejection.detail));
    }
    said
}
