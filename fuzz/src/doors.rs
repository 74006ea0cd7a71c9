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
use shared::author::Role;
use shared::outside::Outside;
use shared::record::RecordKind;
use shared::wire::EnrolRequest;
use sync_server::auth::enrol::{Enrolled, enrol, make_code};
use sync_server::auth::people::{NewUser, add_user, import_areas};
use sync_server::import::{Options, import};
use sync_server::sync::cursor::Binding;
use sync_server::{App, AppState};
use tempfile::TempDir;
use tower::ServiceExt;

const AREAS: &str =
    "id,parent,level,name,code\n1,,county,某县,\n2,1,town,某镇,\n10,2,community,一社区,\n11,10,grid,第一网格,\n";

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
        let user = add_user(
            &app,
            NewUser {
                login: "a".to_owned(),
                name: "a".to_owned(),
                role: Role::GridMember,
                scope: vec![AreaId(11)],
                cleared: true,
                may_unmask: false,
                password: None,
            },
        )
        .unwrap();
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
        let who = sync_server::auth::Who::of(user, &app.areas().unwrap());
        let binding = Binding::of(answer.device, &who, answer.epoch);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { router: sync_server::http::router(app.clone()), app, token: answer.token, binding, runtime, folder }
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
    let centre = &*CENTRE;
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
