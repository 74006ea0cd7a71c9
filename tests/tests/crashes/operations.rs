//! What is done while files fail: the same 50 records and 2 photos each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use app::handheld::{Draft, Handheld};
use shared::ids::{EditId, RecordId};
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use shared::workflow::{STEPS, Step, StepEntry};
use sync_server::backup;
use sync_server::batch::{self, Pull, Pulled, Since};
use tests::near::{self, GRID, Replay};
use tests::picture;
use tests::released::Released;
use tests::story::Story;

use super::world::{BACKUPS, Side, Words, World, pull, said};

/// Something that is done, with its files failing on one side.
pub struct Operation {
    pub name: &'static str,
    /// Whose files fail.
    pub side: Side,
    /// Whether doing it is opening that side.
    pub opens: bool,
    /// Whether the other side is there.
    pub both: bool,
    /// Brings the common beginning to where it is done.
    pub prepare: fn(&mut World) -> Result<()>,
    /// Does it, or what is left of it.
    pub act: fn(&mut World) -> Result<(), Words>,
}

/// All of them.
pub const OPERATIONS: [Operation; 15] = [
    Operation { name: "enrol", side: Side::Handheld, opens: true, both: true, prepare: no_handheld, act: enrol },
    Operation { name: "open", side: Side::Handheld, opens: true, both: true, prepare: nothing, act: open_handheld },
    Operation {
        name: "migrate",
        side: Side::Handheld,
        opens: true,
        both: false,
        prepare: released_handheld,
        act: open_handheld,
    },
    Operation { name: "save", side: Side::Handheld, opens: false, both: true, prepare: nothing, act: save },
    Operation { name: "photos in", side: Side::Handheld, opens: false, both: true, prepare: nothing, act: take_photos },
    Operation { name: "sync", side: Side::Handheld, opens: false, both: true, prepare: loaded, act: sync },
    Operation { name: "photos out", side: Side::Handheld, opens: false, both: true, prepare: photos_only, act: sync },
    Operation { name: "make", side: Side::Server, opens: true, both: false, prepare: no_server, act: make_server },
    Operation {
        name: "migrate",
        side: Side::Server,
        opens: true,
        both: false,
        prepare: released_server,
        act: open_server,
    },
    Operation { name: "accept", side: Side::Server, opens: false, both: true, prepare: loaded, act: sync },
    Operation { name: "take photos", side: Side::Server, opens: false, both: true, prepare: photos_only, act: sync },
    Operation { name: "batch", side: Side::Server, opens: false, both: true, prepare: nothing, act: seal },
    Operation {
        name: "batch by profile",
        side: Side::Server,
        opens: false,
        both: true,
        prepare: nothing,
        act: by_profile,
    },
    Operation { name: "backup", side: Side::Server, opens: false, both: false, prepare: with_photos, act: back_up },
    Operation { name: "restore", side: Side::Server, opens: true, both: false, prepare: lost, act: restore },
];

/// The common beginning: 50 records on the server and on the handheld, an event among them.
pub fn begin(world: &mut World) -> Result<()> {
    let outside = world.outside();
    drop(near::centre(&world.folder(Side::Server), outside)?);
    words(world.open_server())?;
    words(world.open_handheld())?;
    words(enrol(world))?;
    let handheld = world.handheld()?.clone();
    for n in 0..39 {
        let name = format!("居民{n:02}");
        let writes = [("name", name.as_str()), ("phone", "13800000000"), ("address", "石井村一组 3 号")];
        world.note(&handheld.create(RecordKind::Person, GRID, &writes)?);
    }
    let report = report(&handheld)?;
    world.note(&handheld.save(report, None)?);
    words(sync(world))?;
    let outside = Replay::new(1_000);
    let folder = world.root.join("other");
    let other = world.wait(near::handheld(world.app()?, &folder, "b", outside))?;
    for n in 0..10 {
        other.create(RecordKind::Person, GRID, &[("name", &format!("邻居{n:02}"))])?;
    }
    world.wait(other.sync_now())?;
    words(sync(world))?;
    Ok(())
}

fn words<T>(result: Result<T, Words>) -> Result<T> {
    result.map_err(|words| anyhow::anyhow!(words.0))
}

fn inside(error: &anyhow::Error) -> Words {
    Words(format!("the test itself failed: {error:#}"))
}

/// Ids that are the same in every run.
fn fixed(n: u64) -> (RecordId, EditId) {
    let outside = Replay::new(1_000_000 + n);
    (RecordId::fresh(&*outside), EditId::fresh(&*outside))
}

fn entry(step: Step) -> StepEntry {
    StepEntry::new(step, "已围住。")
}

fn new(handheld: &Handheld, n: u64, kind: RecordKind) -> Result<Draft> {
    let (record, edit) = fixed(n);
    let form = handheld.form(kind).context("a form")?.version;
    Ok(Draft { edit, record, kind, form, context: BTreeMap::new(), seen: None, writes: BTreeMap::new() })
}

fn report(handheld: &Handheld) -> Result<Draft> {
    let mut draft = new(handheld, 0, RecordKind::Event)?;
    draft.writes = BTreeMap::from([
        (Path::field("area"), Value::of(&GRID)),
        (Path::field("category"), Value::text("hazard")),
        (Path::field("title"), Value::text("围墙开裂")),
        (Path::entry(STEPS, draft.edit), Value::of(&entry(Step::Report))),
    ]);
    Ok(draft)
}

fn change(handheld: &Handheld, name: &str, n: u64, writes: &[(&str, &str)]) -> Result<Draft> {
    let mut draft = handheld.open_form(handheld.find(name)?)?;
    draft.edit = fixed(n).1;
    draft.writes = writes.iter().map(|(field, text)| (Path::field(field), Value::text(text))).collect();
    Ok(draft)
}

/// Saves unless it is there: whoever comes back after a crash sees that it is.
fn keep(world: &mut World, draft: Draft, forget: Option<&str>) -> Result<(), Words> {
    let handheld = world.handheld().map_err(|error| inside(&error))?.clone();
    let there =
        handheld.store().and_then(|store| store.own_edit(draft.edit)).map_err(|error| said(&error.message()))?;
    if there.is_none() {
        let saved = handheld.save(draft, forget).map_err(|error| said(&error.message()))?;
        world.note(&saved);
    }
    Ok(())
}

pub fn nothing(_: &mut World) -> Result<()> {
    Ok(())
}

pub fn no_handheld(world: &mut World) -> Result<()> {
    world.close(Side::Handheld);
    world.saved.clear();
    std::fs::remove_dir_all(world.folder(Side::Handheld))?;
    std::fs::create_dir_all(world.folder(Side::Handheld))?;
    Ok(())
}

fn no_server(world: &mut World) -> Result<()> {
    world.close(Side::Handheld);
    world.close(Side::Server);
    world.saved.clear();
    std::fs::remove_dir_all(world.folder(Side::Server))?;
    std::fs::create_dir_all(world.folder(Side::Server))?;
    Ok(())
}

fn released_handheld(world: &mut World) -> Result<()> {
    no_handheld(world)?;
    world.close(Side::Server);
    Released::first()?.handheld(1, &world.folder(Side::Handheld))
}

fn released_server(world: &mut World) -> Result<()> {
    no_server(world)?;
    Released::first()?.server(1, &world.folder(Side::Server))
}

/// Edits of both kinds to send, and ten records that another one changed.
fn loaded(world: &mut World) -> Result<()> {
    let handheld = world.handheld()?.clone();
    for n in 0..6 {
        let mut draft = new(&handheld, 100 + n, RecordKind::Person)?;
        draft.writes.insert(Path::field("area"), Value::of(&GRID));
        draft.writes.insert(Path::field("name"), Value::text(&format!("新来的{n}")));
        words(keep(world, draft, None))?;
    }
    let care = [("phone", "13900000000"), ("care_reason", "独居"), ("care_until", "2027-06-30")];
    let changed = change(&handheld, "居民03", 110, &care)?;
    words(keep(world, changed, None))?;
    let folder = world.root.join("other");
    let other = world.wait(near::handheld(world.app()?, &folder, "b", Replay::new(1_001)))?;
    for n in 0..10 {
        other.change(other.find(&format!("邻居{n:02}"))?, &[("phone", "13700000000")])?;
    }
    other.change(other.find("居民03")?, &[("address", "石井村二组 1 号")])?;
    world.wait(other.sync_now())?;
    Ok(())
}

/// Two photos to deliver and nothing else.
fn photos_only(world: &mut World) -> Result<()> {
    let handheld = world.handheld()?.clone();
    handheld.set_settings(|settings| settings.text_only = true)?;
    words(take_photos(world))?;
    words(sync(world))?;
    handheld.set_settings(|settings| settings.text_only = false)?;
    Ok(())
}

/// Two photos delivered and a batch sealed.
fn with_photos(world: &mut World) -> Result<()> {
    words(take_photos(world))?;
    words(sync(world))?;
    words(seal(world))?;
    world.saved.clear();
    Ok(())
}

/// Only the backups are left.
fn lost(world: &mut World) -> Result<()> {
    with_photos(world)?;
    words(back_up(world))?;
    world.close(Side::Handheld);
    world.close(Side::Server);
    let folder = world.folder(Side::Server);
    std::fs::rename(folder.join(BACKUPS), world.root.join(BACKUPS))?;
    std::fs::remove_dir_all(&folder)?;
    std::fs::create_dir_all(&folder)?;
    std::fs::rename(world.root.join(BACKUPS), folder.join(BACKUPS))?;
    Ok(())
}

fn back_up(world: &mut World) -> Result<(), Words> {
    let app = world.app().map_err(|error| inside(&error))?.clone();
    let to = world.folder(Side::Server).join(BACKUPS);
    backup::make(&app, &to, 1).map_err(|error| Words::of(error.key(), &[]))?;
    world.backed_up = true;
    Ok(())
}

fn restore(world: &mut World) -> Result<(), Words> {
    world.close(Side::Server);
    let data = world.data();
    // Whoever comes back after a crash sees whether it is done.
    if !data.exists() {
        let newest = world.backups().map_err(|error| inside(&error))?.pop();
        let newest = newest.ok_or_else(|| Words("the test itself lost the backup".to_owned()))?;
        backup::restore(&newest, &data, None, Arc::new(sync_server::system::System))
            .map_err(|error| Words::of(error.key(), &[]))?;
    }
    world.open_server()
}

fn open_handheld(world: &mut World) -> Result<(), Words> {
    world.close(Side::Handheld);
    world.open_handheld()
}

fn open_server(world: &mut World) -> Result<(), Words> {
    world.close(Side::Server);
    world.open_server()
}

fn make_server(world: &mut World) -> Result<(), Words> {
    open_server(world)?;
    let app = world.app().map_err(|error| inside(&error))?;
    let areas = "id,parent,level,name,code\n1,,county,云岭县,\n2,1,town,青禾镇,\n";
    sync_server::auth::people::import_areas(app, areas.as_bytes())
        .map_err(|error| Words(super::world::chain(&error)))?;
    Ok(())
}

pub fn enrol(world: &mut World) -> Result<(), Words> {
    if world.handheld.is_none() {
        world.open_handheld()?;
    }
    let handheld = world.handheld().map_err(|error| inside(&error))?.clone();
    if handheld.setup().is_none() {
        let code = world.app().and_then(|app| Ok(sync_server::auth::enrol::make_code(app, &near::person(app, "a")?)?));
        let code = code.map_err(|error| inside(&error))?;
        world.wait(handheld.enrol("http://127.0.0.1", &code, near::PIN)).map_err(|error| said(&error.message))?;
    }
    Ok(())
}

fn save(world: &mut World) -> Result<(), Words> {
    let handheld = world.handheld().map_err(|error| inside(&error))?.clone();
    let store = |error: app::store::StoreError| said(&error.message());
    let drafts = || -> Result<[Draft; 2]> {
        let mut draft = new(&handheld, 1, RecordKind::Person)?;
        draft.writes.insert(Path::field("area"), Value::of(&GRID));
        draft.writes.insert(Path::field("name"), Value::text("刚登记的人"));
        let care = [("phone", "13900000000"), ("care_reason", "独居"), ("care_until", "2027-06-30")];
        Ok([draft, change(&handheld, "居民03", 2, &care)?])
    };
    let [person, care] = drafts().map_err(|error| match error.downcast::<app::store::StoreError>() {
        Ok(error) => store(error),
        Err(error) => inside(&error),
    })?;
    let there = handheld.store().and_then(|store| store.own_edit(person.edit)).map_err(store)?;
    if there.is_none() {
        handheld.save_draft("new-person", r#"{"name":"刚登记的人"}"#).map_err(store)?;
    }
    handheld.save_draft("half", r#"{"name":"写了一半"}"#).map_err(store)?;
    keep(world, person, Some("new-person"))?;
    keep(world, care, None)
}

fn take_photos(world: &mut World) -> Result<(), Words> {
    let handheld = world.handheld().map_err(|error| inside(&error))?.clone();
    for n in 0..2 {
        let bytes = picture::jpeg(360, 270, None, n).map_err(|error| inside(&error))?;
        let taken = handheld.take_in(&bytes, None, None).map_err(|error| said(&error.0))?;
        let mut draft = handheld.open_form(fixed(0).0).map_err(|error| match error.downcast() {
            Ok(error) => said(&app::store::StoreError::message(&error)),
            Err(error) => inside(&error),
        })?;
        draft.edit = fixed(10 + n).1;
        let path = format!("photos/{}", taken.hash).parse().map_err(|_| Words(String::new()))?;
        draft.writes = BTreeMap::from([(path, Value::of(&taken.particulars))]);
        keep(world, draft, None)?;
    }
    Ok(())
}

fn sync(world: &mut World) -> Result<(), Words> {
    let handheld = world.handheld().map_err(|error| inside(&error))?;
    world.wait(handheld.sync_now()).map_err(|error| said(&error.message))
}

fn seal(world: &mut World) -> Result<(), Words> {
    take_out(world, |pull| pull)
}

/// As an upper platform takes it, everything once more.
fn by_profile(world: &mut World) -> Result<(), Words> {
    let app = world.app().map_err(|error| inside(&error))?.clone();
    // Whoever comes back after a failure looks at the list first: asked for everything once more they get it once more.
    let listed = near::person(&app, "staff").ok().and_then(|user| batch::list(&*app.store, &user).ok());
    if let Some((_, manifest)) = listed.unwrap_or_default().into_iter().next() {
        world.sealed.push(manifest.number);
        return Ok(());
    }
    take_out(world, |pull| Pull { profile: Some("residents".to_owned()), since: Since::All, ..pull })
}

fn take_out(world: &mut World, what: impl FnOnce(Pull<'_>) -> Pull<'_>) -> Result<(), Words> {
    let app = world.app().map_err(|error| inside(&error))?.clone();
    let user =
        near::person(&app, "staff").map_err(|error| match error.downcast::<sync_server::store::StoreError>() {
            Ok(_) => Words::of("batch-error-failed", &[]),
            Err(error) => inside(&error),
        })?;
    let pulled = batch::pull(&*app.store, &*app.outside, &app.data, &*app.blobs, &app.forms, &what(pull(&user)));
    match pulled.map_err(|error| Words::of(error.key(), &[]))? {
        Pulled::Sealed(sealed) => world.sealed.push(sealed.manifest.number),
        Pulled::NothingNew => {}
    }
    Ok(())
}
