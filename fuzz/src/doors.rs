//! The doors of the server: its own router over a real store, with the bytes as body and, for some targets, as headers.
//!
//! What comes in must be answered in words with a status below 500, whatever it is. A 5xx is a finding.

use std::io::Write;
use std::sync::{Arc, LazyLock, Mutex};

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use chrono::{DateTime, TimeDelta, Utc};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, Slot};
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::{EnrolRequest, SyncRequest};
use sync_server::auth::enrol::{Enrolled, enrol, make_code};
use sync_server::auth::people::{NewUser, add_user, import_areas};
use sync_server::auth::session;
use sync_server::import::{Options, import};
use sync_server::store::{self, StoreError, User};
use sync_server::sync::cursor::Binding;
use sync_server::{App, AppState};
use tempfile::TempDir;
use tower::ServiceExt;

const AREAS: &str =
    "id,parent,level,name,code\n1,,county,某县,\n2,1,town,某镇,\n10,2,community,一社区,\n11,10,grid,第一网格,\n";

/// A resident and an event that are there.
const PERSON: &str = "0199d3f0-0000-7000-8000-0000000000a1";
const EVENT: &str = "0199d3f0-0000-7000-8000-0000000000a2";

/// A clock that moves a millisecond each time it is asked, and randomness that replays.
struct Still(Mutex<(ChaCha8Rng, i64)>);

impl Outside for Still {
    fn now(&self) -> DateTime<Utc> {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        DateTime::UNIX_EPOCH + TimeDelta::milliseconds(1_795_400_000_000 + state.1)
    }

    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap().0.fill_bytes(bytes);
    }
}

struct Centre {
    app: App,
    router: axum::Router,
    token: String,
    slot: Slot,
    /// Of somebody at the console who may do everything that staff may.
    staff: User,
    binding: Binding,
    runtime: tokio::runtime::Runtime,
    folder: TempDir,
}

static CENTRE: LazyLock<Centre> = LazyLock::new(Centre::open);

impl Centre {
    fn open() -> Self {
        // A fuzzer does nothing for its data's safety: memory where there is a folder in it.
        let memory = std::path::Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
        let outside = Arc::new(Still(Mutex::new((ChaCha8Rng::seed_from_u64(1), 0))));
        let app = AppState::open(folder.path(), outside).unwrap();
        import_areas(&app, AREAS.as_bytes()).unwrap();
        let somebody = |login: &str, role, area, may_unmask| {
            let (login, name) = (login.to_owned(), login.to_owned());
            let new = NewUser { login, name, role, scope: vec![area], cleared: true, may_unmask, password: None };
            add_user(&app, new).unwrap()
        };
        let user = somebody("a", Role::GridMember, AreaId(11), false);
        let staff = somebody("staff", Role::CenterStaff, AreaId(2), true);
        let code = make_code(&app, &user).unwrap();
        let request = EnrolRequest {
            keys: vec![],
            protocol: shared::limits::PROTOCOL,
            code,
            name: "fuzz".to_owned(),
            app: "0".to_owned(),
            before: None,
        };
        let Enrolled::Done(answer) = enrol(&app, &request).unwrap() else { panic!("a fresh code is taken") };
        let author = Author { user: Some(user.id), name: user.name.clone(), role: user.role };
        let who = sync_server::auth::Who::of(user, &app.areas().unwrap());
        let binding = Binding::of(answer.device, &who, answer.epoch);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let router = sync_server::http::router(app.clone());
        let centre = Self { router, app, token: answer.token, slot: answer.slot, staff, binding, runtime, folder };
        centre.begin(author, answer.epoch);
        centre
    }

    /// A resident and an event, so that forms have something to be about.
    fn begin(&self, author: Author, epoch: u32) {
        let author = Arc::new(author);
        let edit = |n: u64, record: &str, kind, writes: &[(&str, Value)]| Edit {
            id: EditId::fresh(&*self.app.outside),
            record: record.parse().unwrap(),
            kind,
            part: Part::Open,
            dot: Dot { slot: self.slot, n },
            context: VectorTimestamp::new(),
            epoch,
            at: self.app.outside.now(),
            zone: 480,
            author: Arc::clone(&author),
            form: 1,
            writes: writes.iter().map(|(path, value)| (path.parse().unwrap(), value.clone())).collect(),
        };
        let area = ("area", Value::of(&AreaId(11)));
        let person = edit(1, PERSON, RecordKind::Person, &[("name", Value::text("张伟")), area.clone()]);
        let title = ("title", Value::text("井盖缺失"));
        let mut event = edit(2, EVENT, RecordKind::Event, &[title, area, ("category", Value::text("hazard"))]);
        let report = serde_json::json!({ "step": "report", "text": "情况属实" });
        event.writes.insert(Path::entry("steps", event.id), Value::of(&report));
        let round = SyncRequest { edits: vec![person, event], ..SyncRequest::idle() };
        sync_as(self, &serde_json::to_vec(&round).unwrap());
    }

    fn ask(&self, request: Request<Body>) {
        let answer = self.runtime.block_on(self.router.clone().oneshot(request)).unwrap();
        let status = answer.status();
        assert!(!status.is_server_error(), "{status}");
    }
}

/// Whose cursors are looked at.
pub fn binding() -> Binding {
    CENTRE.binding
}

/// A round as JSON, from an enrolled handheld: everything behind the credential sees these bytes.
pub fn sync(bytes: &[u8]) {
    sync_as(&CENTRE, bytes);
}

fn sync_as(centre: &Centre, bytes: &[u8]) {
    let request = Request::post("/api/v1/sync")
        .header(header::AUTHORIZATION, format!("Bearer {}", centre.token))
        .body(Body::from(bytes.to_vec()))
        .unwrap();
    centre.ask(request);
}

/// Any request: the first byte chooses method, address and encoding, the rest is a header line's value and the body.
pub fn request(bytes: &[u8]) {
    let centre = &*CENTRE;
    let Some((choice, rest)) = bytes.split_first() else { return };
    let (line, body) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(end) => (rest.get(..end).unwrap_or_default(), rest.get(end + 1..).unwrap_or_default()),
        None => (&[][..], rest),
    };
    let address = match choice % 8 {
        0 => "/api/v1/sync",
        1 => "/api/v1/enrol",
        2 => "/api/v1/slot",
        3 => "/api/v1/photos",
        4 => "/api/v1/records/0199d3f0-0000-7000-8000-000000000000/history",
        5 => "/log-in",
        6 => "/api/v1/photos/uploads/0199d3f0-0000-7000-8000-000000000000",
        _ => "/",
    };
    let method = if choice & 8 == 0 { "POST" } else { "PATCH" };
    let mut request = Request::builder().method(method).uri(address);
    if let Ok(value) = HeaderValue::from_bytes(line) {
        let name = match (choice >> 4) & 3 {
            0 => header::CONTENT_ENCODING,
            1 => header::COOKIE,
            2 => header::ACCEPT_ENCODING,
            _ => header::CONTENT_TYPE,
        };
        request = request.header(name, value);
    }
    match choice >> 6 {
        0 => request = request.header(header::CONTENT_ENCODING, "zstd"),
        1 => request = request.header(header::CONTENT_ENCODING, "gzip"),
        _ => {}
    }
    if choice & 1 == 0 {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", centre.token));
    }
    let Ok(request) = request.body(Body::from(body.to_vec())) else { return };
    centre.ask(request);
}

/// The beginning of an upload, its headers as the bytes say: one a line, `name: value`.
pub fn upload(bytes: &[u8]) {
    let centre = &*CENTRE;
    let mut request = Request::post("/api/v1/photos").header(header::AUTHORIZATION, format!("Bearer {}", centre.token));
    request = request.header("tus-resumable", "1.0.0");
    for (line, name) in
        bytes.split(|byte| *byte == b'\n').zip(["upload-length", "upload-metadata", "upload-defer-length"])
    {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            request = request.header(name, value);
        }
    }
    let Ok(request) = request.body(Body::empty()) else { return };
    centre.ask(request);
}

/// A table of residents that somebody uploads.
pub fn table(bytes: &[u8]) {
    let options = Options {
        kind: RecordKind::Person,
        area: Some(AreaId(11)),
        encoding: None,
        user: None,
        label: "fuzz".to_owned(),
        dry_run: true,
    };
    drop(import(&CENTRE.app, &options, bytes));
}

/// A table of areas.
pub fn areas(bytes: &[u8]) {
    // Each on a centre of its own would take its time; the areas of this one only grow.
    drop(import_areas(&CENTRE.app, bytes));
}

/// A question about the slot, from an enrolled handheld.
pub fn question(bytes: &[u8]) {
    let centre = &*CENTRE;
    let request = Request::post("/api/v1/slot")
        .header(header::AUTHORIZATION, format!("Bearer {}", centre.token))
        .body(Body::from(bytes.to_vec()))
        .unwrap();
    centre.ask(request);
}

/// The frames of an outbox that was sealed for this centre, as somebody wrote them who has the file format and no
/// credential; and the same bytes as a file.
pub fn outbox(bytes: &[u8]) {
    let centre = &*CENTRE;
    let recipient: age::x25519::Recipient = centre.app.outbox_key.recipient().parse().unwrap();
    let mut file = shared::outbox::MAGIC.to_vec();
    let encryptor = age::Encryptor::with_recipients(std::iter::once(&recipient as &dyn age::Recipient)).unwrap();
    let mut sealed = encryptor.wrap_output(&mut file).unwrap();
    sealed.write_all(&zstd::encode_all(bytes, 1).unwrap()).unwrap();
    sealed.finish().unwrap();
    let path = centre.folder.path().join("outbox.age");
    for content in [file.as_slice(), bytes] {
        std::fs::write(&path, content).unwrap();
        let taken = sync_server::outbox::import(&centre.app, &path, None);
        assert!(taken.is_err(), "nobody signed it");
    }
}

/// A form of the console, from somebody logged in whose token it carries: the first byte chooses which, the rest is what it
/// says, as browsers write it. Log-in, passwords and erasing are left out: they take their time on purpose.
pub fn form(bytes: &[u8]) {
    let centre = &*CENTRE;
    let Some((choice, said)) = bytes.split_first() else { return };
    let person = |act: &str| format!("/console/records/{PERSON}/{act}");
    let address = match choice % 16 {
        0 => person("settle"),
        1 => person("unmask"),
        2 => person("merge"),
        3 => person("unmerge"),
        4 => person("person"),
        5 => format!("/console/records/{EVENT}/step"),
        6 => format!("/console/records/{EVENT}/settle"),
        7 => "/console/inbox/dispatch".to_owned(),
        8 => "/console/batches".to_owned(),
        9 => "/console/terminals/code".to_owned(),
        10 => format!("/console/terminals/{PERSON}/end"),
        11 => format!("/console/quarantine/{PERSON}/dismiss"),
        12 => format!("/console/remains/{PERSON}/done"),
        13 => format!("/console/batches/asked/{PERSON}/release"),
        14 => "/console/terminals/outbox".to_owned(),
        _ => "/console/language".to_owned(),
    };
    let app = &centre.app;
    let begun = store::write::<_, StoreError>(&*app.store, centre.staff.town, |tx| {
        session::begin(app, tx, &centre.staff, true)
    });
    let token = begun.unwrap();
    let session::Found::Inside(open, _) = session::find(app, &token).unwrap() else { panic!("it was just begun") };
    let mut body = format!("csrf={}&", open.csrf).into_bytes();
    body.extend_from_slice(said);
    let request = Request::post(address)
        .header(header::COOKIE, format!("centre={token}"))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(body))
        .unwrap();
    centre.ask(request);
    session::log_out(app, &open).unwrap();
}
