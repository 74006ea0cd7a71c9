//! What a handheld could not send any more, taken in from the file it exported: `outbox import` for staff who have a
//! browser and no shell. Who sends it, and that the form is ours, is known before a byte of the file is kept. It is
//! written piece by piece, never whole in memory, and is gone from the disk when the answer is made, whatever that is.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::StatusCode;
use axum::response::Response;
use maud::{Markup, html};
use uuid::Uuid;

use super::ctx::{Asked, is_foreign, look, must_carry, with};
use super::layout::{Place, csrf, icon};
use super::{Ctx, PageError};
use crate::outbox::{Imported, OutboxError, import};
use crate::store::StoreError;
use crate::{App, AppState};

/// The most bytes of a file with the form around it: a few thousand photos. Larger ones are for the command.
pub const BYTES: usize = 512 * 1024 * 1024;
/// Bytes that are gathered before they are written.
const PIECE: usize = 1024 * 1024;
/// The most bytes of a field that is no file.
const SHORT: usize = 256;
/// Seconds after which a file that came in belongs to nobody any more: the server died while it had it.
const LEFT: i64 = 86_400;

impl From<OutboxError> for PageError {
    fn from(error: OutboxError) -> Self {
        match error {
            OutboxError::Store(error) => Self::Store(error),
            OutboxError::File(path, why) => on_disk(&format!("cannot read {}", path.display()), &why),
            OutboxError::Photo(why) => on_disk("cannot keep a photo", &why),
            OutboxError::NotOurs(_)
            | OutboxError::Broken(_)
            | OutboxError::Stranger
            | OutboxError::OtherTown
            | OutboxError::Parted(_) => Self::BadFile(error.key()),
        }
    }
}

/// The disk failed.
fn on_disk(what: &str, why: &io::Error) -> PageError {
    if matches!(why.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        return PageError::Store(StoreError::Full);
    }
    PageError::Failed(format!("{what}: {why}"))
}

/// The form, a panel of the page of terminals. The token stands before the file: it is looked at first.
pub fn form(ctx: &Ctx) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        form.panel method="post" action="/console/terminals/outbox" enctype="multipart/form-data" aria-labelledby="ob" {
            div.panel__h { h2 #ob { (word("console-outbox")) } }
            div.panel__b {
                (csrf(ctx))
                div.field {
                    label.field__label for="file" { (word("console-outbox-file")) }
                    input.field__ctl id="file" name="file" type="file" accept=".age" required;
                }
                p.sub { (word("console-outbox-help")) }
            }
            div.tools { button.btn.btn--primary.btn--grow { (word("console-outbox-take")) } }
        }
    }
}

/// `POST /console/terminals/outbox`
pub async fn take(State(app): State<App>, asked: Asked, request: Request) -> Response {
    let lang = asked.lang;
    // Only what comes in is limited: cut off while it is taken in, the answer would say less than was done.
    let coming = receive(&app, &asked, request, Place::Terminals, "outbox", &[]);
    let coming = tokio::time::timeout(app.upload_time, coming);
    match coming.await.unwrap_or(Err(PageError::BadFile("console-outbox-too-slow"))) {
        Ok(Received { file, .. }) => {
            with(app, asked, move |ctx| {
                ctx.must_see(Place::Terminals)?;
                let done = import(&ctx.app, &file.0, Some(&ctx.who))?;
                drop(file);
                Ok(ctx.answer(Place::Terminals, &ctx.words.text("console-outbox-taken"), &said(ctx, &done)))
            })
            .await
        }
        Err(error) => error.page(lang),
    }
}

fn said(ctx: &Ctx, done: &Imported) -> Markup {
    let word = |key: &str| ctx.words.text(key);
    html! {
        header.head2 {
            a.crumb href="/console/terminals" { (icon("back")) (word("console-terminals")) }
            h1 { (word("console-outbox-taken")) }
        }
        section.panel {
            div.panel__b role="status" { p { (done.sentence(&ctx.words)) } }
        }
    }
}

/// A form with a file: the file on the disk, its name, and the other fields.
pub(super) struct Received {
    /// The file.
    pub file: Passing,
    /// As the browser calls it.
    pub name: String,
    /// The fields that were asked for.
    pub fields: BTreeMap<String, String>,
}

/// Takes in the form of a page: the token first, then `wanted` fields and one file, which goes to `folder` of the data.
pub(super) async fn receive(
    app: &App,
    asked: &Asked,
    request: Request,
    place: Place,
    folder: &'static str,
    wanted: &[&str],
) -> Result<Received, PageError> {
    if is_foreign(request.headers()) {
        return Err(PageError::Forged);
    }
    let entered = look(Arc::clone(app), asked.clone(), move |ctx| {
        ctx.must_see(place)?;
        Ok(ctx.session.clone())
    });
    let session = entered.await?;
    let bad = || PageError::Bad("console-error-form".to_owned());
    let mut form = Multipart::from_request(request, &()).await.map_err(|_| bad())?;
    let (mut ours, mut file, mut called, mut fields) = (false, None, String::new(), BTreeMap::new());
    while let Some(mut field) = form.next_field().await.map_err(|error| unread(&error))? {
        let name = field.name().unwrap_or_default().to_owned();
        match name.as_str() {
            "csrf" => {
                must_carry(&session, &short(&mut field).await?)?;
                ours = true;
            }
            _ if !ours => return Err(PageError::Forged),
            "file" if file.is_none() => {
                field.file_name().unwrap_or_default().clone_into(&mut called);
                file = Some(keep(app, field, folder).await?);
            }
            name if wanted.contains(&name) => {
                fields.insert(name.to_owned(), short(&mut field).await?);
            }
            _ => return Err(bad()),
        }
    }
    if !ours {
        return Err(PageError::Forged);
    }
    Ok(Received { file: file.ok_or_else(none)?, name: called, fields })
}

/// No file was chosen: a browser sends an empty one then.
fn none() -> PageError {
    PageError::BadFile("console-outbox-none")
}

/// The form ended too early, is larger than [`BYTES`], or none.
fn unread(error: &MultipartError) -> PageError {
    let large = error.status() == StatusCode::PAYLOAD_TOO_LARGE;
    let key = if large { "console-outbox-too-large" } else { "console-error-form" };
    PageError::BadFile(key)
}

/// A field that is no file.
async fn short(field: &mut Field<'_>) -> Result<String, PageError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = field.chunk().await.map_err(|error| unread(&error))? {
        if bytes.len() + chunk.len() > SHORT {
            return Err(PageError::Forged);
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| PageError::Forged)
}

/// Brings a file to the disk as it comes.
async fn keep(app: &App, mut field: Field<'_>, folder: &'static str) -> Result<Passing, PageError> {
    let app = Arc::clone(app);
    let mut arriving = blocking(move || Arriving::begin(&app, folder)).await?;
    while let Some(chunk) = field.chunk().await.map_err(|error| unread(&error))? {
        arriving.piece.extend_from_slice(&chunk);
        if arriving.piece.len() >= PIECE {
            arriving = blocking(move || arriving.put()).await?;
        }
    }
    let arriving = blocking(move || arriving.put()).await?;
    if arriving.bytes == 0 { Err(none()) } else { Ok(arriving.name) }
}

/// Runs `work` where it may wait for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> Result<T, PageError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|why| on_disk("cannot keep an outbox", &why)),
        Err(join) => Err(PageError::Failed(join.to_string())),
    }
}

/// The name of a file that goes when this goes.
pub(super) struct Passing(PathBuf);

impl Passing {
    /// The file stays, under another name.
    pub fn stay(self, to: &Path) -> io::Result<()> {
        disk::rename(&self.0, to)?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        if let Err(error) = disk::remove(&self.0) {
            tracing::warn!(error = &error as &dyn std::error::Error, "an outbox that came in is still on the disk");
        }
    }
}

/// A file on its way in. It is closed before it goes.
struct Arriving {
    file: disk::File,
    name: Passing,
    /// What is not written yet.
    piece: Vec<u8>,
    /// How many are written.
    bytes: usize,
}

impl Arriving {
    fn begin(app: &AppState, folder: &str) -> io::Result<Self> {
        let folder = app.data.join(folder);
        disk::create_private_dir_all(&folder)?;
        clear(app, &folder)?;
        let name = Passing(folder.join(app.outside.uuid().to_string()));
        let file = disk::File::create(&name.0, disk::Access::Owner)?;
        Ok(Self { file, name, piece: Vec::new(), bytes: 0 })
    }

    fn put(mut self) -> io::Result<Self> {
        self.file.write_all(&self.piece)?;
        self.bytes += self.piece.len();
        self.piece.clear();
        Ok(self)
    }
}

/// Takes away what came in before the server died. The names tell when that was.
fn clear(app: &AppState, folder: &Path) -> io::Result<()> {
    let now = app.outside.now().timestamp();
    for entry in disk::list(folder)? {
        let name = entry.path.file_name().and_then(|name| name.to_str());
        let begun = name.and_then(|name| name.parse::<Uuid>().ok()).and_then(|id| id.get_timestamp());
        if begun.is_some_and(|at| now.saturating_sub_unsigned(at.to_unix().0) > LEFT) {
            drop(Passing(entry.path));
        }
    }
    Ok(())
}
