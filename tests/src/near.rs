//! A centre in this process: the server's own router with no network before it, small and the same each time.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result};
use app::handheld::{Door, Handheld};
use app::lock::Cost;
use app::platform::{Boxed, Services};
use app::store::StoreError;
use app::sync::{Connect, Method, Request, Response, Transport, TransportError, Trust};
use chrono::{DateTime, Utc};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use shared::area::AreaId;
use shared::author::Role;
use shared::outside::Outside;
use sync_server::auth::enrol::make_code;
use sync_server::auth::people::{NewUser, add_user, import_areas};
use sync_server::store::{self, User};
use sync_server::{App, AppState};
use tower::ServiceExt;

const AREAS: &str = "\
id,parent,level,name,code
1,,county,云岭县,
2,1,town,青禾镇,
10,2,community,石井村,
11,10,grid,第一网格,
12,10,grid,第二网格,
";

/// 青禾镇
pub const TOWN: AreaId = AreaId(2);
/// 第一网格
pub const GRID: AreaId = AreaId(11);

/// Members of the first grid by their log-ins, and a member of the staff.
pub const PEOPLE: [(&str, &str, Role, AreaId); 3] = [
    ("a", "马兰", Role::GridMember, GRID),
    ("b", "杨立本", Role::GridMember, GRID),
    ("staff", "陈静", Role::CenterStaff, TOWN),
];

/// A clock that moves a millisecond each time it is asked, and randomness that replays.
pub struct Replay(Mutex<(ChaCha8Rng, i64)>);

impl Replay {
    /// The same seed gives the same bytes.
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new((ChaCha8Rng::seed_from_u64(seed), 0))))
    }
}

impl Outside for Replay {
    fn now(&self) -> DateTime<Utc> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.1 += 1;
        DateTime::from_timestamp_millis(1_795_400_000_000 + state.1).unwrap_or_default()
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0.fill_bytes(bytes);
    }
}

/// A new centre in `data` with its areas and people.
pub fn centre(data: &Path, outside: Arc<dyn Outside>) -> Result<App> {
    let app = AppState::open(data, outside).context("opening the centre")?;
    import_areas(&app, AREAS.as_bytes()).context("adding the areas")?;
    for (login, name, role, area) in PEOPLE {
        let new = NewUser {
            login: login.to_owned(),
            name: name.to_owned(),
            role,
            scope: vec![area],
            cleared: true,
            may_unmask: role == Role::CenterStaff,
            password: None,
        };
        add_user(&app, new).with_context(|| format!("adding {login}"))?;
    }
    Ok(app)
}

/// Somebody by their log-in.
pub fn person(app: &App, login: &str) -> Result<User> {
    let users = store::read::<_, store::StoreError>(&*app.store, TOWN, |read| read.users())?;
    users.into_iter().find(|user| user.login == login).with_context(|| format!("nobody is called {login}"))
}

/// A one-time code for somebody's handheld, made in the folder of a centre that another process serves.
pub fn code(data: &Path, login: &str) -> Result<String> {
    let app = AppState::open(data, Arc::new(sync_server::system::System)).context("opening the centre")?;
    Ok(make_code(&app, &person(&app, login)?)?)
}

/// Everybody's PIN.
pub const PIN: &str = "402713";

/// The platform of a handheld whose PIN costs nothing to try.
pub fn quick(folder: &Path) -> Services {
    Services { pin_cost: Cost::LEAST, ..Services::files(folder) }
}

/// Gives the PIN, where one is asked for.
pub fn let_in(handheld: &Handheld) -> Result<(), StoreError> {
    match handheld.door() {
        Door::Locked(residents) => residents.first().map_or(Ok(()), |one| handheld.unlock(one.user, PIN)),
        _ => Ok(()),
    }
}

/// The handheld in `folder`, enrolled for somebody if it is new.
pub async fn handheld(app: &App, folder: &Path, login: &str, outside: Arc<dyn Outside>) -> Result<Handheld> {
    let services = Services { connect: Arc::new(Line(app.clone())), ..quick(folder) };
    let handheld = Handheld::open(folder, services, outside).context("opening a handheld")?;
    let_in(&handheld)?;
    if handheld.setup().is_none() {
        let code = make_code(app, &person(app, login)?)?;
        handheld.enrol("http://127.0.0.1", &code, PIN).await.with_context(|| format!("enrolling {login}"))?;
    }
    Ok(handheld)
}

/// Straight to the router.
#[derive(Clone)]
pub struct Line(pub App);

impl Connect for Line {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for Line {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        Box::pin(async move { deliver(&self.0, &request).await })
    }
}

/// To the router of whichever server there is at the moment.
#[derive(Clone, Default)]
pub struct Wire(Arc<Mutex<Option<App>>>);

impl Wire {
    /// From now on this server answers, or none.
    pub fn to(&self, app: Option<App>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = app;
    }
}

impl Connect for Wire {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for Wire {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        let app = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Box::pin(async move {
            let app = app.ok_or_else(|| TransportError::Broken("no server".to_owned()))?;
            deliver(&app, &request).await
        })
    }
}

/// One request to the router, whatever it answers.
pub async fn deliver(app: &App, request: &Request) -> Result<Response, TransportError> {
    let broken = |error: &dyn std::fmt::Display| TransportError::Broken(error.to_string());
    let method = match request.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
        Method::Patch => "PATCH",
    };
    let mut asked = axum::http::Request::builder().method(method).uri(&request.path);
    for (name, value) in &request.headers {
        asked = asked.header(*name, value);
    }
    let asked = asked.body(axum::body::Body::from(request.body.clone())).map_err(|error| broken(&error))?;
    let answer = sync_server::http::router(app.clone()).oneshot(asked).await.map_err(|error| broken(&error))?;
    let (head, body) = answer.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.map_err(|error| broken(&error))?.to_vec();
    let headers = head
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
        .collect();
    Ok(Response { status: head.status.as_u16(), headers, body })
}
