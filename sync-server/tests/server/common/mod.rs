//! A centre with its server on a free port, and handhelds that speak the protocol by hand: no app code, so that what is
//! tested is the wire.

pub mod audit;
pub mod batches;
#[path = "../../../../tests/src/dbline.rs"]
#[allow(dead_code, reason = "shared with other tests")]
pub mod dbline;
pub mod desk;
pub mod doubts;
pub mod editions;
pub mod intake;
pub mod moto;
pub mod outbox;
#[path = "../../../../tests/src/postgres.rs"]
#[allow(dead_code, reason = "shared with other tests")]
pub mod postgres;
pub mod program;
pub mod tus;
pub mod visits;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::{Method, Response, StatusCode};
use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::limits::PROTOCOL;
use shared::merge::PartState;
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::{EnrolAnswer, EnrolRequest, ErrorAnswer, Outcome, SyncAnswer, SyncRequest};
use shared::workflow::{Step, StepEntry};
use sync_server::auth::enrol::make_code;
use sync_server::auth::people::{NewUser, add_user, import_areas};
use sync_server::store::User;
use sync_server::{App, AppState};
use tempfile::TempDir;

/// 景泰县 → 一条山镇 → two communities with two and one grids; 寺滩乡 is another town.
pub const AREAS: &str = "\
id,parent,level,name,code
1,,county,景泰县,620423
2,1,town,一条山镇,620423100
10,2,community,条山社区,620423100001
11,10,grid,条山社区第一网格,
12,10,grid,条山社区第二网格,
20,2,community,城北社区,620423100002
21,20,grid,城北社区第一网格,
9,1,town,寺滩乡,620423201
91,9,grid,寺滩一网格,
";
/// 条山社区第一网格
pub const GRID: AreaId = AreaId(11);
/// Its neighbour in the same community.
pub const NEXT_GRID: AreaId = AreaId(12);
/// A grid of the other community.
pub const FAR_GRID: AreaId = AreaId(21);
/// A grid of another town.
pub const FOREIGN_GRID: AreaId = AreaId(91);
/// 一条山镇
pub const TOWN: AreaId = AreaId(2);

/// A clock that tests move; real randomness.
#[derive(Debug, Default)]
pub struct Clock(AtomicI64);

impl Clock {
    pub fn advance(&self, by: TimeDelta) {
        self.0.fetch_add(by.num_milliseconds(), Ordering::SeqCst);
    }
}

impl Outside for Clock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(1_795_400_000_000 + self.0.fetch_add(1, Ordering::SeqCst)).unwrap()
    }

    fn fill(&self, bytes: &mut [u8]) {
        sync_server::system::System.fill(bytes);
    }
}

/// The centre: a server in this process, on a port of its own, with a folder of its own.
pub struct Centre {
    pub app: App,
    pub url: String,
    pub clock: Arc<Clock>,
    pub folder: TempDir,
    pub http: reqwest::Client,
}

impl Centre {
    pub async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let centre = Self::over(folder, Arc::new(Clock::default()), |_| {}).await;
        import_areas(&centre.app, AREAS.as_bytes()).unwrap();
        centre
    }

    /// Over a folder, with a state that is changed before it serves.
    pub async fn over(folder: TempDir, clock: Arc<Clock>, change: impl FnOnce(&mut AppState)) -> Self {
        // Another test of the process may have been faster.
        rustls::crypto::ring::default_provider().install_default().ok();
        postgres::stand_in(folder.path()).unwrap();
        let mut app = AppState::open(folder.path(), clock.clone()).unwrap();
        change(Arc::get_mut(&mut app).expect("nobody else holds it yet"));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(sync_server::http::serve(app.clone(), listener, std::future::pending()));
        Self { app, url, clock, folder, http: reqwest::Client::new() }
    }

    /// A second server over the same folder, whose store can be given a quota.
    pub async fn with_quota(&mut self) -> (Arc<sync_server::store::sqlite::SqliteStore>, String) {
        let (app, store) = AppState::open_with_store(self.folder.path(), self.clock.clone()).unwrap();
        self.app = app.clone();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(sync_server::http::serve(app, listener, std::future::pending()));
        (store, url)
    }

    pub fn person(&self, login: &str, role: Role, area: AreaId, cleared: bool) -> User {
        let new = NewUser {
            login: login.to_owned(),
            name: format!("{login}的姓名"),
            role,
            scope: vec![area],
            cleared,
            may_unmask: false,
            password: None,
        };
        add_user(&self.app, new).unwrap()
    }

    pub async fn post(&self, path: &str, token: Option<&str>, body: Vec<u8>, headers: &[(&str, &str)]) -> Response {
        self.send(Method::POST, path, token, body, headers).await
    }

    pub async fn send(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).body(body);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.send().await.unwrap()
    }

    /// A handheld of `user`, enrolled with a fresh code.
    pub async fn enrol(&self, user: &User) -> Handheld<'_> {
        let code = make_code(&self.app, user).unwrap();
        let request = EnrolRequest {
            keys: vec![],
            protocol: PROTOCOL,
            code,
            name: "测试机".to_owned(),
            app: "0.1.0".to_owned(),
            before: None,
        };
        let response = self.post("/api/v1/enrol", None, serde_json::to_vec(&request).unwrap(), &[]).await;
        assert_eq!(response.status(), StatusCode::OK, "{}", response.text().await.unwrap());
        let answer: EnrolAnswer = response.json().await.unwrap();
        Handheld {
            centre: self,
            author: Author { user: Some(user.id), name: user.name.clone(), role: user.role },
            token: answer.token.clone(),
            slot: answer.slot,
            n: 0,
            cursor: None,
            setup: Some(answer.setup.version.clone()),
            confirmed: BTreeMap::new(),
            enrolled: answer,
        }
    }
}

/// A handheld that keeps what it was told and nothing else.
pub struct Handheld<'a> {
    pub centre: &'a Centre,
    pub author: Author,
    pub token: String,
    pub slot: Slot,
    pub n: u64,
    pub cursor: Option<String>,
    pub setup: Option<String>,
    pub confirmed: BTreeMap<(RecordId, Part), PartState>,
    pub enrolled: EnrolAnswer,
}

impl Handheld<'_> {
    pub fn edit(&mut self, record: RecordId, kind: RecordKind, part: Part, writes: &[(&str, Value)]) -> Edit {
        self.n += 1;
        let context = self.confirmed.get(&(record, part)).map(|state| state.vector().clone()).unwrap_or_default();
        Edit {
            id: EditId::fresh(&*self.centre.clock),
            record,
            kind,
            part,
            dot: Dot { slot: self.slot, n: self.n },
            context,
            epoch: self.enrolled.epoch,
            at: self.centre.clock.now(),
            zone: 480,
            author: Arc::new(self.author.clone()),
            form: 1,
            writes: writes.iter().map(|(path, value)| (path.parse().unwrap(), value.clone())).collect(),
        }
    }

    /// A new resident of an area.
    pub fn resident(&mut self, name: &str, area: AreaId) -> Edit {
        let record = RecordId::fresh(&*self.centre.clock);
        let writes = [("name", Value::text(name)), ("area", Value::of(&area))];
        self.edit(record, RecordKind::Person, Part::Open, &writes)
    }

    /// A change of a resident as this handheld last saw them.
    pub fn change(&mut self, record: RecordId, writes: &[(&str, Value)]) -> Edit {
        self.edit(record, RecordKind::Person, Part::Open, writes)
    }

    /// A change of a resident's restricted part.
    pub fn care(&mut self, record: RecordId, writes: &[(&str, Value)]) -> Edit {
        self.edit(record, RecordKind::Person, Part::Restricted, writes)
    }

    /// An event with its first step.
    pub fn event(&mut self, title: &str, area: AreaId) -> Edit {
        let record = RecordId::fresh(&*self.centre.clock);
        let writes = [("title", Value::text(title)), ("category", Value::text("hazard")), ("area", Value::of(&area))];
        let mut edit = self.edit(record, RecordKind::Event, Part::Open, &writes);
        edit.writes.insert(Path::entry("steps", edit.id), Value::of(&step(Step::Report)));
        edit
    }

    /// A further step of an event.
    pub fn step(&mut self, event: RecordId, entry: &StepEntry) -> Edit {
        let mut edit = self.edit(event, RecordKind::Event, Part::Open, &[]);
        edit.writes.insert(Path::entry("steps", edit.id), Value::of(entry));
        edit
    }

    pub fn request(&self, edits: Vec<Edit>) -> SyncRequest {
        let (cursor, setup) = (self.cursor.clone(), self.setup.clone());
        SyncRequest { cursor, setup, edits, ..SyncRequest::idle() }
    }

    /// Sends a body as it is.
    pub async fn raw(&self, body: Vec<u8>, headers: &[(&str, &str)]) -> Response {
        self.centre.post("/api/v1/sync", Some(&self.token), body, headers).await
    }

    /// One request, whatever the answer.
    pub async fn try_sync(&self, edits: Vec<Edit>) -> Response {
        let body = serde_json::to_vec(&self.request(edits)).unwrap();
        let body = zstd::encode_all(body.as_slice(), 3).unwrap();
        self.raw(body, &[("content-encoding", "zstd"), ("accept-encoding", "zstd")]).await
    }

    /// One round; what came is confirmed.
    pub async fn sync(&mut self, edits: Vec<Edit>) -> SyncAnswer {
        let answer = answer(self.try_sync(edits.clone()).await).await;
        self.take(&answer, &edits);
        answer
    }

    /// Keeps an answer as the app does: the feed replaces, a receipt whose vector is the one shown is folded in.
    pub fn take(&mut self, answer: &SyncAnswer, edits: &[Edit]) {
        if answer.refill {
            self.confirmed.clear();
        }
        for (edit, receipt) in edits.iter().zip(&answer.receipts) {
            if let Outcome::Applied { vector } = &receipt.outcome {
                let key = (edit.record, edit.part);
                let mut shown = self.confirmed.get(&key).cloned().unwrap_or_default();
                shown.apply(edit);
                if shown.vector() == vector {
                    self.confirmed.insert(key, shown);
                }
            }
        }
        for item in &answer.items {
            match &item.state {
                Some(state) => {
                    self.confirmed.insert((item.id, item.part), serde_json::from_str(state.get()).unwrap());
                }
                None => {
                    self.confirmed.remove(&(item.id, item.part));
                }
            }
        }
        self.cursor = Some(answer.cursor.clone());
        self.enrolled.epoch = answer.epoch;
        if let Some(setup) = &answer.setup {
            self.setup = Some(setup.version.clone());
        }
    }

    /// Rounds until nothing more waits.
    pub async fn catch_up(&mut self) {
        while self.sync(Vec::new()).await.more {}
    }

    /// The one value shown of a field.
    pub fn shown(&self, record: RecordId, field: &str) -> String {
        let state = self.confirmed.get(&(record, Part::Open)).expect("the record is on this handheld");
        shared::view::one(state, field).leading().map(|write| write.value.plain()).unwrap_or_default()
    }

    pub fn holds(&self, record: RecordId, part: Part) -> bool {
        self.confirmed.contains_key(&(record, part))
    }
}

/// An entry of a step that says nothing more.
pub fn step(step: Step) -> StepEntry {
    StepEntry::new(step, "情况属实")
}

/// The answer of a round that went well, unpacked.
pub async fn answer(response: Response) -> SyncAnswer {
    let status = response.status();
    let zstd = response.headers().get("content-encoding").is_some_and(|it| it == "zstd");
    let bytes = response.bytes().await.unwrap();
    let bytes = if zstd { zstd::decode_all(&*bytes).unwrap() } else { bytes.to_vec() };
    assert_eq!(status, StatusCode::OK, "{}", String::from_utf8_lossy(&bytes));
    serde_json::from_slice(&bytes).unwrap()
}

/// The words of a refusal.
pub async fn refusal(response: Response, status: u16) -> ErrorAnswer {
    let got = response.status().as_u16();
    let bytes = response.bytes().await.unwrap();
    assert_eq!(got, status, "{}", String::from_utf8_lossy(&bytes));
    let answer: ErrorAnswer = serde_json::from_slice(&bytes).unwrap();
    assert!(!answer.message.starts_with("error-"), "{} has no words", answer.code);
    assert_eq!(answer.request.len(), 32);
    answer
}

pub fn applied(answer: &SyncAnswer, place: usize) -> &VectorTimestamp {
    match &answer.receipts[place].outcome {
        Outcome::Applied { vector } => vector,
        Outcome::Rejected(rejection) => panic!("edit {place} was rejected: {rejection:?}"),
    }
}

pub fn rejected(answer: &SyncAnswer, place: usize) -> &shared::wire::Rejection {
    match &answer.receipts[place].outcome {
        Outcome::Rejected(rejection) => rejection,
        Outcome::Applied { .. } => panic!("edit {place} was applied"),
    }
}

/// A small JPEG that is only markers: whole, of this many pixels, different for each `salt`.
pub fn jpeg(width: u16, height: u16, salt: &str) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xfe];
    bytes.extend(u16::try_from(salt.len() + 2).unwrap().to_be_bytes());
    bytes.extend(salt.as_bytes());
    bytes.extend([0xff, 0xc0, 0, 11, 8]);
    bytes.extend(height.to_be_bytes());
    bytes.extend(width.to_be_bytes());
    bytes.extend([1, 1, 0x11, 0, 0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0, 0xaa, 0xbb, 0xff, 0xd9]);
    bytes
}
