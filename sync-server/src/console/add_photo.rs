//! A photo added to a record at the console: what a department answers with, what a visitor brings along.

use std::collections::BTreeMap;

use axum::extract::multipart::Field;
use axum::extract::{FromRequest, Multipart, Path as UrlPath, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use shared::ids::RecordId;
use shared::path::Path;
use shared::record::Part;
use shared::value::Value;

use super::ctx::{Asked, is_foreign, look, must_carry, with};
use super::layout::csrf;
use super::write::{self, Save};
use super::{Ctx, PageError};
use crate::App;
use crate::batch::state;
use crate::blobs::FinishError;
use crate::blobs::picture::{self, BYTES, NoPicture};
use crate::store::StoredPart;

/// The field photos lie in.
const PHOTOS: &str = "photos";
/// The most bytes of the form with the picture in it.
pub const FORM: usize = BYTES + 64 * 1024;
/// The most bytes of a field that is no file.
const SHORT: usize = 256;

impl From<NoPicture> for PageError {
    fn from(error: NoPicture) -> Self {
        match error {
            NoPicture::Unreadable(_) => Self::Bad("photo-unreadable".to_owned()),
            NoPicture::TooLarge => Self::Bad("photo-too-large".to_owned()),
            NoPicture::Store(error) => Self::Store(error),
            NoPicture::Io(why) | NoPicture::Made(FinishError::Io(why))
                if why.kind() == std::io::ErrorKind::StorageFull =>
            {
                Self::Store(crate::store::StoreError::Full)
            }
            NoPicture::Io(why) | NoPicture::Made(FinishError::Io(why)) => Self::Photos(why),
            NoPicture::Made(other) => Self::Failed(other.to_string()),
        }
    }
}

/// The form, for who may add one.
pub fn form(ctx: &Ctx, part: &StoredPart) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    let has = ctx.forms.newest(part.kind).is_some_and(|form| form.field(PHOTOS).is_some());
    html! {
        @if has && !part.deleted && ctx.may_write(Part::Open, PHOTOS, part) {
            form.panel method="post" action={ "/console/records/" (part.record) "/photo" } enctype="multipart/form-data" aria-labelledby="ap" {
                div.panel__h { h2 #ap { (word("photo-add")) } }
                div.panel__b {
                    (csrf(ctx))
                    div.field {
                        label.field__label for="photo" { (word("photo-choose")) }
                        input.field__ctl id="photo" name="photo" type="file" accept="image/jpeg,image/png,image/webp" required;
                    }
                    p.sub { (word("photo-reminder")) }
                }
                div.tools { button.btn.btn--second.btn--grow { (word("photo-add")) } }
            }
        }
    }
}

fn writable(ctx: &Ctx, record: RecordId) -> Result<StoredPart, PageError> {
    let part = ctx.read(|read| ctx.open_part(read, record))?;
    if ctx.may_write(Part::Open, PHOTOS, &part) { Ok(part) } else { Err(PageError::NotAllowed) }
}

/// `POST /console/records/{id}/photo`
pub async fn take(State(app): State<App>, UrlPath(id): UrlPath<RecordId>, asked: Asked, request: Request) -> Response {
    let lang = asked.lang;
    let coming = tokio::time::timeout(app.upload_time, receive(&app, &asked, id, request));
    let bytes = match coming.await.unwrap_or_else(|_| Err(PageError::Bad("photo-too-slow".to_owned()))) {
        Ok(bytes) => bytes,
        Err(error) => return error.page(lang),
    };
    with(app, asked, move |ctx| {
        let part = writable(ctx, id)?;
        let user = &ctx.who.user;
        let (hash, particulars) = picture::keep(&ctx.app, user.town, user.id, &bytes)?;
        let writes = BTreeMap::from([(Path::element(PHOTOS, hash.as_str()), Value::of(&particulars))]);
        // One more of many: it is at odds with nothing.
        let context = state(&part)?.vector().clone();
        write::save(ctx, Save { record: id, kind: part.kind, part: Part::Open, context, writes, id: None })?;
        Ok(Redirect::to(&format!("/console/records/{id}")).into_response())
    })
    .await
}

/// The picture of the form. Who sends it, and that the form is ours, is known before it is taken in.
async fn receive(app: &App, asked: &Asked, id: RecordId, request: Request) -> Result<Vec<u8>, PageError> {
    if is_foreign(request.headers()) {
        return Err(PageError::Forged);
    }
    let entered = look(App::clone(app), asked.clone(), move |ctx| {
        writable(ctx, id)?;
        Ok(ctx.session.clone())
    });
    let session = entered.await?;
    let bad = |_| PageError::Bad("console-error-form".to_owned());
    let mut form =
        Multipart::from_request(request, &()).await.map_err(|_| PageError::Bad("console-error-form".to_owned()))?;
    let mut ours = false;
    while let Some(field) = form.next_field().await.map_err(bad)? {
        match field.name().unwrap_or_default() {
            "csrf" => {
                let given = whole(field, SHORT).await?;
                must_carry(&session, std::str::from_utf8(&given).unwrap_or_default())?;
                ours = true;
            }
            "photo" if ours => {
                let bytes = whole(field, BYTES).await?;
                return if bytes.is_empty() { Err(PageError::Bad("photo-none".to_owned())) } else { Ok(bytes) };
            }
            _ => return Err(PageError::Forged),
        }
    }
    Err(if ours { PageError::Bad("photo-none".to_owned()) } else { PageError::Forged })
}

async fn whole(mut field: Field<'_>, most: usize) -> Result<Vec<u8>, PageError> {
    let mut bytes = Vec::new();
    loop {
        let chunk = field.chunk().await.map_err(|error| {
            let large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
            PageError::Bad(if large { "photo-too-large" } else { "console-error-form" }.to_owned())
        })?;
        let Some(chunk) = chunk else { return Ok(bytes) };
        if bytes.len() + chunk.len() > most {
            return Err(PageError::Bad("photo-too-large".to_owned()));
        }
        bytes.extend_from_slice(&chunk);
    }
}
