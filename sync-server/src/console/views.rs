//! Saved views: a choice of the ledger under a name of one's own.

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};

use super::ctx::{Asked, with_form};
use super::layout::{Place, csrf};
use super::{Ctx, Fields, PageError};
use crate::App;
use crate::store::{self, Read};

/// The most views somebody keeps.
const MOST: usize = 30;
/// The most characters of a name.
const NAME: usize = 40;

/// A choice under a name.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct View {
    /// As its owner calls it.
    pub name: String,
    /// The address, path and query.
    pub href: String,
}

fn key(ctx: &Ctx) -> String {
    format!("views_{}", ctx.who.user.id)
}

/// The views of whoever asks, in the order they were saved.
pub fn of(ctx: &Ctx, read: &dyn Read) -> Result<Vec<View>, PageError> {
    let text = read.meta(&key(ctx))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// The saved ones as links, and the form that saves `href` or takes one away.
pub fn panel(ctx: &Ctx, saved: &[View], href: &str) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        div.saved {
            @for view in saved {
                a.saved__v href=(view.href) aria-current=[(view.href == href).then_some("page")] { (view.name) }
            }
            details.act.saved__new {
                summary { (word("desk-save-view")) }
                form.act__b method="post" action="/console/views" {
                    (csrf(ctx)) input type="hidden" name="href" value=(href);
                    div.field {
                        label.field__label for="view-name" { (word("desk-view-name")) }
                        input.field__ctl id="view-name" name="name" maxlength=(NAME) required;
                    }
                    button.btn.btn--second { (word("console-save")) }
                    @if saved.iter().any(|view| view.href == href) {
                        button.btn.btn--quiet name="drop" value="1" formnovalidate { (word("desk-drop-view")) }
                    }
                }
            }
        }
    }
}

/// `POST /console/views`: saves a choice under a name (one of that name is replaced), or takes away the views of a choice.
pub async fn save(State(app): State<App>, asked: Asked, fields: Fields) -> Response {
    with_form(app, asked, fields, |ctx, fields| {
        ctx.must_see(Place::Ledger)?;
        let bad = || PageError::Bad("console-error-form".to_owned());
        let href = fields.text("href").filter(|href| href.starts_with("/console/events") && href.len() < 2_000);
        let href = href.ok_or_else(bad)?;
        let name: String = fields.text("name").unwrap_or_default().chars().take(NAME).collect();
        let drops = fields.get("drop").is_some();
        if !drops && name.is_empty() {
            return Err(bad());
        }
        store::write::<_, PageError>(&*ctx.app.store, ctx.who.user.town, |tx| {
            let mut views = of(ctx, tx)?;
            views.retain(|view| if drops { view.href != href } else { view.name != name });
            if !drops {
                views.push(View { name: name.clone(), href: href.to_owned() });
                if views.len() > MOST {
                    views.remove(0);
                }
            }
            let text = serde_json::to_string(&views).map_err(|error| PageError::Failed(error.to_string()))?;
            Ok(tx.set_meta(&key(ctx), &text)?)
        })?;
        Ok(Redirect::to(href).into_response())
    })
    .await
}
