//! Makes the fixtures of the schema as it is now: a centre, and a handheld in the middle of a day's work.
//!
//! `cargo test … --test handheld -- --ignored make_fixtures` writes `handheld-N.db` and `town-M.db` of the versions N
//! and M that this code writes, and what lies beside them. Run it when a version is released, before the next step is
//! added, and never again for that version.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use app::handheld::{Draft, Handheld, TakenIn};
use app::platform::{Boxed, Services};
use app::store::Rules;
use app::sync::{Connect, Fetched, Request, Response, Transport, TransportError, Trust};
use rusqlite::Connection;
use shared::calendar::Calendar;
use shared::form::Forms;
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use shared::wire::{SyncAnswer, SyncRequest};
use shared::workflow::{STEPS, Step, StepEntry};
use tests::near::{self, GRID, Line, Replay};
use tests::story::Story;
use tests::{picture, released};

/// A line on which the server's next answer holds back its feed for a further page, and then breaks.
#[derive(Clone)]
struct Holding {
    line: Line,
    hold: Arc<AtomicBool>,
    broken: Arc<AtomicBool>,
}

impl Connect for Holding {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for Holding {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            if self.broken.load(Ordering::SeqCst) {
                return Err(TransportError::Broken("the line is gone".to_owned()));
            }
            let mut answer = self.line.send(request.clone()).await?;
            if request.path == "/api/v1/sync" && self.hold.swap(false, Ordering::SeqCst) {
                self.broken.store(true, Ordering::SeqCst);
                answer.body =
                    held_back(&request, &answer).map_err(|error| TransportError::Broken(error.to_string()))?;
                answer.headers.retain(|(name, _)| name != "content-encoding");
            }
            Ok(answer)
        })
    }
}

/// The answer as a server with smaller pages gives it: receipts now, the feed with the next request.
fn held_back(request: &Request, answer: &Response) -> Result<Vec<u8>> {
    let packed = |packed: bool, bytes: &[u8]| if packed { zstd::decode_all(bytes) } else { Ok(bytes.to_vec()) };
    let asked_packed = request.headers.iter().any(|(name, value)| *name == "content-encoding" && value == "zstd");
    let answer_packed = answer.headers.iter().any(|(name, value)| name == "content-encoding" && value == "zstd");
    let asked: SyncRequest = serde_json::from_slice(&packed(asked_packed, &request.body)?)?;
    let mut said: SyncAnswer = serde_json::from_slice(&packed(answer_packed, &answer.body)?)?;
    said.items.clear();
    said.cursor = asked.cursor.context("a handheld that was filled")?;
    said.more = true;
    Ok(serde_json::to_vec(&said)?)
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{}: {}", error.message.key, error.detail))
}

fn photo(handheld: &Handheld, seed: u64) -> Result<TakenIn> {
    Ok(handheld.take_in(&picture::jpeg(360, 270, None, seed)?, None, None)?)
}

fn with_photo(mut draft: Draft, photo: &TakenIn) -> Draft {
    if let Ok(path) = format!("photos/{}", photo.hash).parse::<Path>() {
        draft.writes.insert(path, Value::of(&photo.particulars));
    }
    draft
}

/// Whoever may not close it closes an event.
fn close(handheld: &Handheld, event: RecordId, title: &str) -> Result<EditId> {
    let mut draft = handheld.open_form(event)?;
    let entry = StepEntry {
        step: Step::Close,
        text: String::new(),
        host: None,
        helpers: Vec::new(),
        limit: None,
        done: None,
        satisfied: None,
        outcome: Some("settled".to_owned()),
        ledger: None,
    };
    draft.writes.insert(Path::entry(STEPS, draft.edit), Value::of(&entry));
    draft.writes.insert(Path::field("title"), Value::text(title));
    let id = draft.edit;
    handheld.save(draft, None)?;
    Ok(id)
}

/// A reported event.
fn event(handheld: &Handheld, title: &str) -> Result<RecordId> {
    let person = handheld.create(RecordKind::Person, GRID, &[("name", "报告人")])?.record;
    let mut draft = handheld.open_form(person)?;
    draft.record = handheld.new_record_id();
    draft.kind = RecordKind::Event;
    draft.context = BTreeMap::new();
    let entry = StepEntry::new(Step::Report, "已围住。");
    draft.writes = BTreeMap::from([
        (Path::field("area"), Value::of(&GRID)),
        (Path::field("category"), Value::text("hazard")),
        (Path::field("title"), Value::text(title)),
        (Path::entry(STEPS, draft.edit), Value::of(&entry)),
    ]);
    let record = draft.record;
    handheld.save(draft, None)?;
    Ok(record)
}

/// A day's work up to the moment at which the fixture is taken.
async fn work(dir: &FilePath) -> Result<()> {
    let centre = near::centre(&dir.join("server"), Replay::new(1))?;
    let folder = dir.join("handheld");
    let line = Holding { line: Line(centre.clone()), hold: Arc::default(), broken: Arc::default() };
    let services = Services { connect: Arc::new(line.clone()), ..Services::files(&folder) };
    let a = Handheld::open(&folder, services, Replay::new(2))?;
    let code = sync_server::auth::enrol::make_code(&centre, &near::person(&centre, "a")?)?;
    a.enrol("http://127.0.0.1", &code, near::PIN).await.context("enrolling")?;
    let b = near::handheld(&centre, &dir.join("other"), "b", Replay::new(3)).await?;

    // Delivered and confirmed.
    let mut residents = Vec::new();
    for n in 0..40 {
        let name = format!("居民{n:02}");
        let writes = [("name", name.as_str()), ("phone", "13800000000"), ("address", "石井村一组 3 号")];
        residents.push(a.create(RecordKind::Person, GRID, &writes)?.record);
    }
    let events = [event(&a, "路口井盖松动")?, event(&a, "楼道堆物")?, event(&a, "路灯不亮")?];
    let shown = event(&a, "围墙开裂")?;
    let delivered = photo(&a, 1)?;
    a.save(with_photo(a.open_form(shown)?, &delivered), None)?;
    sync(&a).await?;
    sync(&b).await?;
    let foreign = photo(&b, 2)?;
    b.save(with_photo(b.open_form(shown)?, &foreign), None)?;
    sync(&b).await?;

    // Refused: one stays in the tray, one is sent again, one is taken back.
    let refused =
        [close(&a, events[0], "没有这回事")?, close(&a, events[1], "重复上报")?, close(&a, events[2], "误报")?];
    sync(&a).await?;
    ensure!(matches!(a.fetch_picture(&foreign.hash).await?, Fetched::Here(_)), "the other's photo");
    a.correct(refused[1], BTreeMap::from([(Path::field("title"), Value::text("楼道堆物，已劝离"))]))?;
    a.withdraw(refused[2])?;
    sync(&a).await?;

    // Applied, but the handheld has not been told what came of it: another one wrote the record meanwhile.
    b.change(residents[2], &[("phone", "13900000000")])?;
    sync(&b).await?;
    a.change(residents[2], &[("address", "石井村二组 1 号")])?;
    line.hold.store(true, Ordering::SeqCst);
    ensure!(a.sync_now().await.is_err(), "the line was to break");

    // Not sent: new, changed, restricted, deleted, with photos; a form half filled in; a look.
    let new = a.create(RecordKind::Person, GRID, &[("name", "未上传的人"), ("phone", "13700000000")])?.record;
    a.change(new, &[("phone", "13700000001")])?;
    a.change(residents[3], &[("address", "迁往县城"), ("care_reason", "独居"), ("care_until", "2027-06-30")])?;
    a.save(with_photo(a.open_form(shown)?, &photo(&a, 3)?), None)?;
    a.delete(residents[5], true)?;
    event(&a, "未上传的事件")?;
    photo(&a, 4)?;
    a.save_draft("new-person", r#"{"name":"写了一半"}"#)?;
    a.note_look(residents[0], "phone")?;
    Ok(())
}

fn count(sql: &Connection, text: &str) -> Result<i64> {
    Ok(sql.query_row(text, [], |row| row.get(0))?)
}

fn version(sql: &Connection) -> Result<i64> {
    count(sql, "PRAGMA user_version")
}

/// Fails unless everything is there that an upgrade may not lose.
fn complete(sql: &Connection) -> Result<()> {
    for state in ["waiting", "applied", "done", "rejected", "corrected", "withdrawn"] {
        let edits = count(sql, &format!("SELECT count(*) FROM edit WHERE state = '{state}'"))?;
        ensure!(edits > 0, "no edit is {state}");
    }
    for state in ["taken", "waiting", "delivered", "fetched"] {
        let photos = count(sql, &format!("SELECT count(*) FROM photo WHERE state = '{state}'"))?;
        ensure!(photos > 0, "no photo is {state}");
    }
    ensure!(count(sql, "SELECT count(*) FROM draft")? > 0, "no draft");
    Ok(())
}

/// The statements that make version `version` of the server's schema.
const SERVER_STEPS: [&str; 3] = [
    include_str!("../../../../sync-server/src/store/migrations/001_begin.sql"),
    include_str!("../../../../sync-server/src/store/migrations/002_decisions_and_looks.sql"),
    include_str!("../../../../sync-server/src/store/migrations/003_unreadable.sql"),
];

/// Tables that came to the handheld after version 1, by version.
const HANDHELD_LATER: [(i64, &str); 1] = [(2, "look")];

/// Copies what is in `old`'s tables from `new`, which has them all.
fn carry_rows(old: &Connection, version: i64) -> Result<()> {
    let tables: Vec<String> = old
        .prepare("SELECT name FROM main.sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    old.pragma_update(None, "foreign_keys", false)?;
    for table in tables {
        let columns: Vec<String> = old
            .prepare("SELECT name FROM pragma_table_info(?1)")?
            .query_map([&table], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        let columns = columns.join(", ");
        old.execute_batch(&format!(
            "DELETE FROM main.{table}; INSERT INTO main.{table} ({columns}) SELECT {columns} FROM new.{table};"
        ))?;
    }
    old.pragma_update(None, "user_version", version)?;
    old.execute_batch("DETACH new; PRAGMA journal_mode = WAL; PRAGMA wal_checkpoint(TRUNCATE);")?;
    Ok(())
}

/// Versions that stood in no release of their own, made from the newest: the schema by its first steps, the rows as
/// they are as far as there were columns for them.
fn older(out: &FilePath, key: &[u8], app: i64, server: i64) -> Result<()> {
    for version in 1..app {
        let old = released::open_with(&out.join(format!("handheld-{version}.db")), key)?;
        let new = out.join(format!("handheld-{app}.db"));
        old.execute_batch(&format!("ATTACH '{}' AS new KEY \"x'{}'\"", new.display(), released::hex(key)))?;
        let statements: Vec<(String, String)> = old
            .prepare("SELECT tbl_name, sql FROM new.sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")?
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
            .collect::<Result<_, _>>()?;
        for (table, sql) in statements {
            if HANDHELD_LATER.iter().all(|(since, later)| *since <= version || *later != table) {
                old.execute_batch(&sql)?;
            }
        }
        carry_rows(&old, version)?;
    }
    for version in 1..server {
        let old = Connection::open(out.join(format!("town-{version}.db")))?;
        for step in SERVER_STEPS.iter().take(usize::try_from(version)?) {
            old.execute_batch(step)?;
        }
        old.execute("ATTACH ?1 AS new", [out.join(format!("town-{server}.db")).to_string_lossy()])?;
        carry_rows(&old, version)?;
    }
    Ok(())
}

/// Forms and calendar as they come with the app.
pub fn rules() -> Result<Rules> {
    let forms = Forms::parse(assets::FORMS.iter().copied())?;
    Ok(Rules::new(forms, Calendar::parse(assets::CALENDAR)?))
}

/// Writes the fixtures into a folder below `out` named after the versions.
pub async fn make(out: &FilePath) -> Result<()> {
    let dir = tempfile::tempdir()?;
    work(dir.path()).await?;
    let handheld = released::database(&dir.path().join("handheld"))?;
    let key = fs::read_dir(dir.path().join("handheld/keys"))?.next().context("a key")??;
    let key = fs::read(key.path())?;
    let town = dir.path().join("server/town.db");
    let (app, server);
    {
        let sql = released::open_with(&handheld, &key)?;
        complete(&sql)?;
        sql.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        app = version(&sql)?;
        let sql = Connection::open(&town)?;
        sql.execute_batch("VACUUM; PRAGMA wal_checkpoint(TRUNCATE);")?;
        server = version(&sql)?;
    }
    let out = out.join(format!("handheld-{app}-server-{server}"));
    fs::create_dir_all(&out)?;
    fs::rename(handheld, out.join(format!("handheld-{app}.db")))?;
    fs::rename(town, out.join(format!("town-{server}.db")))?;
    for part in ["handheld", "server"] {
        released::copy(&dir.path().join(part), &out.join(part))?;
    }
    fs::remove_dir_all(out.join("server/blobs/uploads"))?;
    if (app, server) == (2, 3) {
        older(&out, &key, app, server)?;
    }
    Ok(())
}
