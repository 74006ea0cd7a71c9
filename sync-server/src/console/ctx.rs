//! Who asks, in which language, and what every page may look at. One log-in is checked here for all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use assets::messages::{Lang, Messages};
use axum::extract::{FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use chrono::{DateTime, Utc};
use maud::{Markup, html};
use shared::area::{AreaId, AreaTree};
use shared::author::{Author, Role};
use shared::calendar::Calendar;
use shared::form::Forms;
use shared::ids::{RecordId, UserId};
use shared::record::{Part, RecordKind};

use super::layout::{self, Place};
use crate::App;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize, reads_by_scope, reads_visits};
use crate::auth::rights;
use crate::auth::session::{self, Found};
use crate::export::Telling;
use crate::import::ImportError;
use crate::store::{self, Audit, EventFilter, PartFilter, Read, Session, StoreError, StoredPart};
use crate::sync::changes::knows_names;

/// The cookie of a session. `__Host-` would need the whole site as its path, and HTTPS in the demo.
pub const COOKIE: &str = "centre";
/// The cookie of the language.
pub const LANGUAGE: &str = "language";

/// Figures of the side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Events that wait here.
    pub inbox: u64,
    /// Records with fields that are 待核对.
    pub to_decide: u64,
    /// Edits nobody has decided on.
    pub quarantine: u64,
    /// Records of which handhelds still show what was lost.
    pub remains: u64,
    /// Rights that wait for a second person, and may be this one's to release.
    pub rights: u64,
    /// Suspicious reports.
    pub spam: u64,
}

/// One request of somebody logged in.
pub struct Ctx {
    /// The server.
    pub app: App,
    /// Who asks.
    pub who: Who,
    /// Their log-in.
    pub session: Session,
    /// In their language.
    pub words: Messages,
    /// By the server's clock.
    pub now: DateTime<Utc>,
    /// Every area.
    pub areas: Arc<AreaTree>,
    /// The town's working days.
    pub calendar: Arc<Calendar>,
    /// Every version of every form in force.
    pub forms: Arc<Forms>,
    /// Figures of the side.
    pub counts: Counts,
    /// The names of users.
    pub users: BTreeMap<UserId, String>,
    /// The users whose names stay with the centre, each with what they are.
    anonymous: BTreeMap<UserId, Role>,
}

/// Why a page is not shown.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Nobody is logged in.
    #[error("not logged in")]
    LoggedOut,
    /// The password was right, the second factor is still to come.
    #[error("half logged in")]
    Halfway,
    /// It does not exist, or this person may not know that it does.
    #[error("not found")]
    NotFound,
    /// This person may not do it.
    #[error("not allowed")]
    NotAllowed,
    /// The form came from elsewhere, or is too old.
    #[error("the form's token is missing or wrong")]
    Forged,
    /// The form is not what the page sends; a message key that says what is wrong with it.
    #[error("bad form: {0}")]
    Bad(String),
    /// The file that was brought cannot be taken; a message key that says why.
    #[error("bad file: {0}")]
    BadFile(&'static str),
    /// A table cannot be brought in, or a step of that cannot be done now.
    #[error(transparent)]
    Import(Box<ImportError>),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A batch failed.
    #[error(transparent)]
    Batch(#[from] crate::batch::BatchError),
    /// The photos.
    #[error("cannot read or keep a photo")]
    Photos(#[source] std::io::Error),
    /// The program failed.
    #[error("{0}")]
    Failed(String),
}

impl PageError {
    /// The page that says so.
    pub fn page(&self, lang: Lang) -> Response {
        let words = Messages::of(lang);
        let (status, key) = match self {
            Self::LoggedOut => return Redirect::to("/console/login").into_response(),
            Self::Halfway => return Redirect::to("/console/login/second").into_response(),
            Self::NotFound => (StatusCode::NOT_FOUND, "console-error-not-found"),
            Self::NotAllowed => (StatusCode::FORBIDDEN, "console-error-not-allowed"),
            Self::Forged => (StatusCode::FORBIDDEN, "console-error-forged"),
            Self::Bad(key) => (StatusCode::UNPROCESSABLE_ENTITY, key.as_str()),
            Self::BadFile(key) => (StatusCode::UNPROCESSABLE_ENTITY, *key),
            Self::Import(error) if matches!(**error, ImportError::Running | ImportError::Undone) => {
                (StatusCode::CONFLICT, "")
            }
            Self::Import(_) => (StatusCode::UNPROCESSABLE_ENTITY, ""),
            Self::Batch(error @ (crate::batch::BatchError::Erased(_) | crate::batch::BatchError::FilesGone(_))) => {
                (StatusCode::GONE, error.key())
            }
            Self::Batch(error) => (StatusCode::CONFLICT, error.key()),
            Self::Store(StoreError::Full) => (StatusCode::INSUFFICIENT_STORAGE, "console-error-full"),
            Self::Store(StoreError::Busy | StoreError::FromTheFuture { .. }) => {
                (StatusCode::SERVICE_UNAVAILABLE, "console-error-busy")
            }
            Self::Photos(error) if error.kind() == std::io::ErrorKind::NotConnected => {
                (StatusCode::SERVICE_UNAVAILABLE, "console-error-photos-away")
            }
            Self::Store(_) | Self::Photos(_) | Self::Failed(_) => {
                (StatusCode::INTERNAL_SERVER_ERROR, "console-error-failed")
            }
        };
        if status.is_server_error() {
            tracing::error!(error = self as &dyn std::error::Error, "a page of the console failed");
        }
        // Who chose a wrong file goes back to choose another.
        let (back, where_to) = match self {
            Self::BadFile(_) => ("/console/terminals", "console-terminals"),
            Self::Import(_) => ("/console/imports", "console-imports"),
            _ => ("/console", "console-back"),
        };
        let body = html! {
            main.alone {
                h1 { (words.text("console-error")) }
                p { (match self { Self::Import(error) => crate::import::sentence(error, &words), _ => words.text(key) }) }
                p { a.btn.btn--second href=(back) { (words.text(where_to)) } }
            }
        };
        (status, layout::shell(lang, &words.text("console-error"), &body)).into_response()
    }
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

/// The language chosen; Chinese where none was.
pub fn language(headers: &HeaderMap) -> Lang {
    cookie(headers, LANGUAGE).map(Lang::from_tag).unwrap_or_default()
}

/// The cookie and language of a request, before anything is looked up.
#[derive(Clone)]
pub struct Asked {
    /// The token of the cookie.
    pub token: Option<String>,
    /// The language chosen.
    pub lang: Lang,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self { token: cookie(&parts.headers, COOKIE).map(str::to_owned), lang: language(&parts.headers) })
    }
}

/// Runs `work` for whoever is logged in, on a thread that may wait for the disk.
pub async fn with(
    app: App,
    asked: Asked,
    work: impl FnOnce(&Ctx) -> Result<Response, PageError> + Send + 'static,
) -> Response {
    let lang = asked.lang;
    look(app, asked, work).await.unwrap_or_else(|error| error.page(lang))
}

/// The same, where what comes of it is not the answer yet.
pub async fn look<T: Send + 'static>(
    app: App,
    asked: Asked,
    work: impl FnOnce(&Ctx) -> Result<T, PageError> + Send + 'static,
) -> Result<T, PageError> {
    let done = tokio::task::spawn_blocking(move || work(&Ctx::open(app, &asked)?)).await;
    done.unwrap_or_else(|join| Err(PageError::Failed(join.to_string())))
}

/// Runs `work` with the fields of a form, once its token fits the session.
pub async fn with_form(
    app: App,
    asked: Asked,
    fields: Fields,
    work: impl FnOnce(&Ctx, &Fields) -> Result<Response, PageError> + Send + 'static,
) -> Response {
    with(app, asked, move |ctx| {
        must_carry(&ctx.session, fields.get("csrf").unwrap_or_default())?;
        work(ctx, &fields)
    })
    .await
}

/// Refuses a form that does not carry the token of the session.
pub fn must_carry(session: &Session, given: &str) -> Result<(), PageError> {
    // Both are random texts of one length: comparing their hashes tells nothing by its time.
    let fits = crate::auth::token::hash(given) == crate::auth::token::hash(&session.csrf);
    if fits { Ok(()) } else { Err(PageError::Forged) }
}

/// The fields of a form, in order, some of them several times.
#[derive(Debug, Clone, Default)]
pub struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first of a name.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Every one of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The first of a name without blanks around it, if anything is left.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).map(str::trim).filter(|text| !text.is_empty())
    }
}

impl<S: Send + Sync> axum::extract::FromRequest<S> for Fields {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let lang = language(request.headers());
        if is_foreign(request.headers()) {
            return Err(PageError::Forged.page(lang));
        }
        match axum::Form::<Vec<(String, String)>>::from_request(request, state).await {
            Ok(axum::Form(fields)) => Ok(Self(fields)),
            Err(_) => Err(PageError::Bad("console-error-form".to_owned()).page(lang)),
        }
    }
}

/// Whether the browser says that the form was on somebody else's page.
pub fn is_foreign(headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|origin| origin.to_str().ok()) else { return false };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    origin.split_once("://").map(|(_, at)| at) != host
}

impl Ctx {
    fn open(app: App, asked: &Asked) -> Result<Self, PageError> {
        let token = asked.token.as_deref().ok_or(PageError::LoggedOut)?;
        let (session, who) = match session::find(&app, token)? {
            Found::Inside(session, who) => (session, who),
            Found::Halfway(..) => return Err(PageError::Halfway),
            Found::Nobody => return Err(PageError::LoggedOut),
        };
        let areas = app.areas()?;
        let in_force = app.in_force(who.user.town)?;
        let (calendar, forms) = (Arc::clone(&in_force.calendar), Arc::clone(&in_force.forms));
        let now = app.outside.now();
        let mut ctx = Self {
            who,
            session,
            words: Messages::of(asked.lang),
            now,
            areas,
            calendar,
            forms,
            counts: Counts::default(),
            users: BTreeMap::new(),
            anonymous: BTreeMap::new(),
            app,
        };
        let users;
        (users, ctx.counts) = ctx.read(|read| {
            let filter = PartFilter { open_only: true, ..ctx.by_scope() };
            let to_decide = if ctx.sees(Place::ToDecide) { read.count_parts(&filter)? } else { 0 };
            let inbox = if ctx.sees(Place::Inbox) { super::events::waiting(&ctx, read)?.len() } else { 0 };
            let quarantine = if ctx.sees(Place::Quarantine) { super::quarantine::count(&ctx, read, 100)? } else { 0 };
            let remains = if ctx.sees(Place::Remains) { super::remains::count(&ctx, read)? } else { 0 };
            let rights =
                if ctx.sees(Place::Manage) { rights::waiting(read, &ctx.who, &ctx.areas, now)?.len() } else { 0 };
            let spam = if ctx.sees(Place::Spam) { super::spam::count(&ctx, read)? } else { 0 };
            let n = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
            let counts = Counts { inbox: n(inbox), to_decide, quarantine, remains, rights: n(rights), spam };
            Ok::<_, PageError>((read.users()?, counts))
        })?;
        let hidden = users.iter().filter(|user| user.role.is_anonymous_to_others());
        ctx.anonymous = hidden.map(|user| (user.id, user.role)).collect();
        ctx.users = users.into_iter().map(|user| (user.id, user.name)).collect();
        Ok(ctx)
    }

    /// Reads one moment of the town.
    pub fn read<T, E: From<StoreError>>(&self, work: impl FnMut(&dyn Read) -> Result<T, E>) -> Result<T, E> {
        store::read(&*self.app.store, self.who.user.town, work)
    }

    /// Every area of the person's scope.
    pub fn scope(&self) -> Vec<AreaId> {
        self.who.scope.iter().collect()
    }

    /// The open parts this person reads by their scope, for lists and figures: what they may not read is not counted.
    pub fn by_scope(&self) -> PartFilter {
        let role = self.who.user.role;
        let kinds = RecordKind::ALL.into_iter().filter(|kind| reads_by_scope(role, *kind)).collect();
        let (areas, without_visits) = (Some(self.scope()), !reads_visits(role));
        PartFilter { kinds: Some(kinds), without_visits, areas, ..PartFilter::default() }
    }

    /// Whether a place of the side is for this person.
    pub fn sees(&self, place: Place) -> bool {
        let role = self.who.user.role;
        let staff = role == Role::CenterStaff;
        let leads = staff || role == Role::GridLeader;
        match place {
            Place::Overview | Place::Inbox | Place::Me => true,
            Place::Ledger => leads || matches!(role, Role::Admin | Role::GridMember | Role::PatrolMember),
            Place::Report => leads,
            Place::ToDecide => leads || role == Role::GridMember,
            Place::Imports => staff,
            Place::Batches => crate::batch::may_pull(&self.who.user, &self.areas),
            Place::Terminals => staff || role == Role::Admin,
            Place::Quarantine | Place::Remains | Place::Campaigns => leads,
            Place::Audit | Place::Manage => role == Role::Admin || staff,
            Place::Spam => staff,
        }
    }

    /// Refuses a page that is not for this person.
    pub fn must_see(&self, place: Place) -> Result<(), PageError> {
        if self.sees(place) { Ok(()) } else { Err(PageError::NotAllowed) }
    }

    /// Whether this person may read a part, given where the record's open part lies.
    pub fn may_read(&self, part: Part, open: &StoredPart) -> bool {
        self.may_read_reach(part, &Reach::of(open))
    }

    /// The same for what lies at `reach`.
    pub fn may_read_reach(&self, part: Part, reach: &Reach) -> bool {
        authorize(&self.who, Action::Read(part), Some(reach), reach, &self.areas).is_ok()
    }

    /// The events this person reads by their scope, for lists and figures.
    pub fn events_by_scope(&self) -> EventFilter {
        let role = self.who.user.role;
        let areas = if reads_by_scope(role, RecordKind::Event) { self.scope() } else { Vec::new() };
        EventFilter { areas: Some(areas), without_visits: !reads_visits(role), ..EventFilter::default() }
    }

    /// Whether this person may write a field of a part.
    pub fn may_write(&self, part: Part, field: &str, open: &StoredPart) -> bool {
        let reach = Reach::of(open);
        authorize(&self.who, Action::Write { part, fields: &[field] }, Some(&reach), &reach, &self.areas).is_ok()
    }

    /// The open part of a record this person may read.
    pub fn open_part(&self, read: &dyn Read, id: RecordId) -> Result<StoredPart, PageError> {
        let parts = read.load_many(&[(id, Part::Open)])?;
        let part = parts.into_iter().find(|part| part.part == Part::Open).ok_or(PageError::NotFound)?;
        if self.may_read(Part::Open, &part) { Ok(part) } else { Err(PageError::NotFound) }
    }

    /// The town's name.
    pub fn town_name(&self) -> String {
        self.areas.get(self.who.user.town).map(|area| area.name.clone()).unwrap_or_default()
    }

    /// An area's name, from the community down.
    pub fn area(&self, id: AreaId) -> String {
        crate::export::area_name(&self.areas, id)
    }

    /// An author as this reader may know them.
    pub fn author(&self, author: &Author) -> String {
        let own = author.user == Some(self.who.user.id);
        let author = if own || knows_names(&self.who) { author.clone() } else { author.masked() };
        if author.name.is_empty() { self.role(author.role) } else { author.name }
    }

    /// A user as this reader may know them; nothing of one who is not of the town.
    pub fn user(&self, id: UserId) -> String {
        match self.anonymous.get(&id).filter(|_| id != self.who.user.id && !knows_names(&self.who)) {
            Some(role) => self.role(*role),
            None => self.users.get(&id).cloned().unwrap_or_default(),
        }
    }

    /// A role in place of a name.
    fn role(&self, role: Role) -> String {
        let word = self.words.text(&format!("role-{}", role.code()));
        if role.is_anonymous_to_others() { self.words.with("role-only", &[("role", word.into())]) } else { word }
    }

    /// How values are told here: masked, in the person's language.
    pub fn telling<'a>(
        &'a self,
        titles: &'a dyn Fn(RecordId) -> Option<String>,
        users: &'a dyn Fn(UserId) -> Option<String>,
    ) -> Telling<'a> {
        Telling {
            forms: &self.forms,
            areas: &self.areas,
            lang: self.words.lang(),
            unmasked: false,
            cleared: self.who.user.cleared,
            today: shared::mask::today(self.now),
            titles,
            users,
        }
    }

    /// Writes down who looked at or did what. `subject` is an id, `detail` names fields, never values.
    pub fn note(&self, action: &str, subject: &str, detail: &str) -> Result<(), PageError> {
        self.note_all(action, vec![(subject.to_owned(), detail.to_owned())])
    }

    /// The same for several subjects, each with its detail, in one transaction.
    pub fn note_all(&self, action: &str, looks: Vec<(String, String)>) -> Result<(), PageError> {
        if looks.is_empty() {
            return Ok(());
        }
        let entry = |(subject, detail): &(String, String)| Audit {
            at: self.now,
            user: Some(self.who.user.id),
            action: action.to_owned(),
            subject: subject.clone(),
            detail: detail.clone(),
        };
        store::write(&*self.app.store, self.who.user.town, |tx| {
            looks.iter().try_for_each(|look| tx.put_audit(&entry(look)))
        })?;
        Ok(())
    }

    /// A page as the answer.
    pub fn answer(&self, here: Place, title: &str, body: &Markup) -> Response {
        layout::page(self, here, title, body).into_response()
    }
}
