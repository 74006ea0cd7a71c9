//! A server put back to yesterday, an erasure, a value altered behind somebody's back: with a real server process and
//! handhelds over HTTP. What is lost is what `sync.md` states and nothing else.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use app::handheld::Handheld;
use app::platform::{FileKeyStore, Paths};
use app::store::Checked;
use rusqlite::Connection;
use shared::author::Role;
use shared::ids::{EditId, RecordId};
use shared::outside::Outside;
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use sync_server::auth::Who;
use sync_server::store;
use sync_server::sync::alias;
use tempfile::TempDir;
use tests::centre::Centre;
use tests::link::Link;
use tests::story::{Kept, Story, copy, same_as_server, values};
use tests::township::Township;

struct Scene {
    dir: TempDir,
    centre: Centre,
    township: Township,
    saved: BTreeMap<RecordId, Vec<EditId>>,
}

impl Scene {
    async fn set() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let (centre, township) = Centre::with_township(&dir.path().join("server")).await?;
        Ok(Self { dir, centre, township, saved: BTreeMap::new() })
    }

    async fn handheld(&self, login: &str) -> Result<Handheld> {
        let handheld = self.centre.handheld(&self.dir.path().join(login), login).await?;
        sync(&handheld).await?;
        Ok(handheld)
    }

    fn kept(&self) -> Result<Kept> {
        Kept::open(&self.centre.data, self.township.town)
    }

    fn newcomer(&mut self, handheld: &Handheld, name: &str) -> Result<RecordId> {
        let new = handheld.create(RecordKind::Person, self.township.grids[0], &[("name", name)])?;
        self.saved.entry(new.record).or_default().extend(new.edits);
        Ok(new.record)
    }

    fn change(&mut self, handheld: &Handheld, record: RecordId, writes: &[(&str, &str)]) -> Result<EditId> {
        let changed = handheld.change(record, writes)?;
        self.saved.entry(record).or_default().extend(&changed.edits);
        changed.edits.first().copied().context("an edit")
    }

    fn yesterday(&self) -> PathBuf {
        self.dir.path().join("yesterday")
    }

    /// Keeps the data folder as it is now.
    async fn keep_today(&mut self) -> Result<()> {
        self.centre.kill().await?;
        copy(&self.centre.data, &self.yesterday())?;
        self.centre.restart().await
    }

    /// Puts it back.
    async fn put_back(&mut self) -> Result<()> {
        self.centre.kill().await?;
        copy(&self.yesterday(), &self.centre.data)?;
        self.centre.restart().await
    }

    fn settled(&self, handheld: &Handheld) -> Result<()> {
        ensure!(handheld.outbox_counts()? == Default::default(), "{:?}", handheld.outbox_counts()?);
        same_as_server(handheld, &self.kept()?, &self.township.grids[..1])?;
        Ok(())
    }
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_put_back_to_yesterday_gets_again_what_handhelds_keep() -> Result<()> {
    let mut scene = Scene::set().await?;
    let (alice, bob) = (scene.handheld("member1a").await?, scene.handheld("member1b").await?);
    let who = scene.newcomer(&alice, "周文博")?;
    sync(&alice).await?;
    sync(&bob).await?;
    scene.keep_today().await?;

    // The day that is lost: Alice's phone, superseded by Bob, who had seen it; a new record; a form is open.
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    let new = scene.newcomer(&alice, "何静")?;
    sync(&alice).await?;
    sync(&bob).await?;
    scene.change(&bob, who, &[("phone", "13800000002")])?;
    sync(&bob).await?;
    sync(&alice).await?;
    let mut opened = alice.open_form(who)?;
    scene.put_back().await?;
    scene.change(&alice, new, &[("phone", "13800000003")])?;

    // Bob's edit comes first. Alice's, which it superseded, arrives late and stays superseded.
    sync(&bob).await?;
    sync(&alice).await?;
    sync(&bob).await?;
    for hand in [&alice, &bob] {
        scene.settled(hand)?;
        ensure!(hand.values(who, "phone")? == ["13800000002"]);
        ensure!(hand.values(new, "phone")? == ["13800000003"]);
        ensure!(hand.tray()?.is_empty());
    }
    // What was on the screen before the restore was Bob's phone: saved now it replaces that one.
    opened.writes = BTreeMap::from([(Path::field("phone"), Value::text("13800000004"))]);
    let saved = alice.save(opened, None)?;
    scene.saved.entry(who).or_default().extend(saved.edits);
    sync(&alice).await?;
    scene.settled(&alice)?;
    ensure!(alice.values(who, "phone")? == ["13800000004"]);
    scene.kept()?.holds_exactly(&scene.saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_another_handheld_still_showed_is_told_to_staff() -> Result<()> {
    let mut scene = Scene::set().await?;
    let (alice, bob) = (scene.handheld("member1a").await?, scene.handheld("member1b").await?);
    let who = scene.newcomer(&alice, "周文博")?;
    sync(&alice).await?;
    scene.keep_today().await?;
    let lost = scene.change(&alice, who, &[("phone", "13800000001")])?;
    let new = scene.newcomer(&alice, "何静")?;
    sync(&alice).await?;
    sync(&bob).await?;
    ensure!(bob.values(who, "phone")? == ["13800000001"]);
    // Alice's handheld is gone for good, and the server is put back.
    drop(alice);
    disk::remove_dir_all(&scene.dir.path().join("member1a"))?;
    scene.put_back().await?;
    sync(&bob).await?;
    // The confirmed state is the server's, and nothing of the lost edits is taken for the truth.
    scene.settled(&bob)?;
    ensure!(bob.values(who, "phone")?.is_empty());
    ensure!(bob.record(new)?.is_none());
    // It is told with the next request, once.
    sync(&bob).await?;
    sync(&bob).await?;
    let kept = scene.kept()?;
    let remains =
        store::read::<_, store::StoreError>(&*kept.app().store, scene.township.town, |read| read.remains(100))?;
    let phone = remains.iter().find(|kept| kept.remain.edit == lost).context("the phone is told")?;
    ensure!(phone.remain.value.plain() == "13800000001");
    ensure!(remains.iter().any(|kept| kept.remain.record == new && kept.remain.value.plain() == "何静"));
    ensure!(bob.store()?.remains()?.is_empty());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_taken_back_stays_taken_back_and_the_tray_is_as_it_was() -> Result<()> {
    let mut scene = Scene::set().await?;
    let alice = scene.handheld("member1a").await?;
    let who = scene.newcomer(&alice, "周文博")?;
    sync(&alice).await?;
    scene.keep_today().await?;
    // Rejected: another grid, which is not hers.
    let elsewhere = scene.township.grids[3];
    let mut rejected = Vec::new();
    for name in ["甲", "乙"] {
        let new = alice.create(RecordKind::Person, elsewhere, &[("name", name)])?;
        rejected.extend(new.edits);
    }
    sync(&alice).await?;
    ensure!(alice.tray()?.len() == 2);
    alice.withdraw(rejected[0])?;
    sync(&alice).await?;
    ensure!(scene.kept()?.quarantine()? == rejected[1..]);
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    sync(&alice).await?;

    scene.put_back().await?;
    sync(&alice).await?;
    sync(&alice).await?;
    ensure!(alice.outbox_counts()?.edits == 0);
    let tray: Vec<EditId> = alice.tray()?.iter().map(|item| item.edit.id).collect();
    ensure!(tray == rejected[1..], "{tray:?}");
    ensure!(scene.kept()?.quarantine()? == rejected[1..], "the server heard again that one was taken back");
    ensure!(alice.values(who, "phone")? == ["13800000001"]);
    same_as_server(&alice, &scene.kept()?, &scene.township.grids[..1])?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_record_leaves_nothing_on_the_handheld_but_the_places_of_its_edits() -> Result<()> {
    let mut scene = Scene::set().await?;
    let (alice, bob) = (scene.handheld("member1a").await?, scene.handheld("member1b").await?);
    let who = scene.newcomer(&alice, "司徒不留名")?;
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    sync(&alice).await?;
    sync(&bob).await?;
    // Bob has not heard of it when he saves; Alice has a draft open.
    scene.change(&bob, who, &[("phone", "13800000002")])?;
    scene.change(&alice, who, &[("note", "司徒不留名的备注")])?;
    alice.save_draft("form", &format!("{{\"record\":\"{who}\",\"note\":\"司徒不留名\"}}"))?;
    let other = scene.newcomer(&alice, "何静")?;
    scene
        .centre
        .command(&["erase"], &["--record", &who.to_string(), "--reason", "request"])
        .await
        .context("erasing")?;
    sync(&alice).await?;
    sync(&bob).await?;
    sync(&alice).await?;
    for hand in [&alice, &bob] {
        ensure!(hand.record(who)?.is_none());
        ensure!(hand.outbox_counts()?.edits == 0, "what waited got its outcome");
        ensure!(hand.search("司徒", &Default::default(), 10, 0)?.hits.is_empty());
        for item in hand.tray()? {
            ensure!(item.edit.writes.is_empty() && item.title.is_empty(), "{item:?}");
        }
    }
    ensure!(alice.load_draft("form")?.is_none());
    ensure!(alice.values(other, "name")? == ["何静"], "what was behind it in the outbox arrived");
    for login in ["member1a", "member1b"] {
        let everything = dump(&scene, login)?;
        ensure!(!everything.contains("司徒") && !everything.contains("1380000000"), "{login} still has it");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_value_altered_behind_the_handhelds_back_is_found_replaced_and_counted() -> Result<()> {
    let mut scene = Scene::set().await?;
    let link = Link::new();
    let folder = scene.dir.path().join("leader1");
    let leader = scene.centre.handheld_over(Arc::new(link.clone()), &folder, "leader1").await?;
    sync(&leader).await?;
    let who = scene.newcomer(&leader, "周文博")?;
    scene.change(&leader, who, &[("phone", "13800000001")])?;
    sync(&leader).await?;
    // The first idle round compares, without a request of its own, and finds nothing.
    link.requests();
    sync(&leader).await?;
    ensure!(link.requests() == 1);
    let Checked { at: Some(first), mended: 0 } = leader.checked()?.0 else { anyhow::bail!("{:?}", leader.checked()?) };
    sync(&leader).await?;
    ensure!(leader.checked()?.0.at == Some(first), "once a day");

    // One digit, not the vector.
    drop(leader);
    let altered = database(&scene, "leader1")?.execute(
        "UPDATE confirmed SET state = replace(state, '13800000001', '13800000009') WHERE state LIKE '%13800000001%'",
        [],
    )?;
    ensure!(altered == 1);
    let leader = scene.centre.handheld_over(Arc::new(link.clone()), &folder, "leader1").await?;
    ensure!(leader.values(who, "phone")? == ["13800000009"]);
    sync(&leader).await?;
    ensure!(leader.values(who, "phone")? == ["13800000009"], "nobody noticed");
    link.requests();
    leader.check_data().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))?;
    let exchanges = link.requests();
    ensure!(exchanges <= 6, "{exchanges} exchanges");
    ensure!(leader.checked()?.0.mended == 1);
    ensure!(leader.values(who, "phone")? == ["13800000001"]);
    ensure!(leader.search("13800000001", &Default::default(), 10, 0)?.hits.len() == 1, "search follows");
    leader.check_data().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))?;
    ensure!(leader.checked()?.0.mended == 1);

    // And at the server.
    scene.centre.kill().await?;
    Connection::open(scene.centre.data.join("town.db"))?
        .execute("UPDATE part SET state = replace(state, '13800000001', '13800000008')", [])
        .context("altering the server's value")?;
    scene.centre.restart().await?;
    leader.check_data().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))?;
    ensure!(leader.values(who, "phone")? == ["13800000001"]);
    ensure!(values(&scene.kept()?.record(who, RecordKind::Person)?, "phone") == ["13800000001"]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_leaves_as_a_file_and_the_centre_takes_it_once() -> Result<()> {
    let mut scene = Scene::set().await?;
    let alice = scene.handheld("member1a").await?;
    let who = scene.newcomer(&alice, "周文博")?;
    sync(&alice).await?;
    scene.change(&alice, who, &[("phone", "13800000001")])?;
    let new = scene.newcomer(&alice, "何静")?;
    let picture = tests::picture::jpeg(640, 480, None, 7)?;
    let taken = alice.take_in(&picture, None, None)?;
    let event = app::handheld::Draft {
        edit: alice.new_edit_id(),
        record: alice.new_record_id(),
        kind: RecordKind::Event,
        form: alice.form(RecordKind::Event).context("the form of events")?.version,
        context: BTreeMap::new(),
        seen: None,
        writes: BTreeMap::from([
            (Path::field("area"), Value::of(&scene.township.grids[0])),
            (Path::field("category"), Value::text("hazard")),
            (Path::field("title"), Value::text("路口井盖松动")),
            (Path::element("photos", taken.hash.as_str()), Value::of(&taken.particulars)),
        ]),
    };
    let saved = alice.save(event, None)?;
    scene.saved.entry(saved.record).or_default().extend(saved.edits);
    let file = scene.dir.path().join("out/outbox.age");
    let done = alice.export_outbox(&file)?;
    ensure!((done.edits, done.photos, done.lost) == (4, 2, 0), "{done:?}");
    let bytes = disk::read(&file)?;
    for clear in ["13800000001", "周文博"] {
        ensure!(!bytes.windows(clear.len()).any(|window| window == clear.as_bytes()));
    }

    // A newer app was here, then the old one came back: the database is refused in words, the outbox leaves all the same.
    drop(alice);
    let version = {
        let sql = database(&scene, "member1a")?;
        let version: i64 = sql.query_row("PRAGMA user_version", [], |row| row.get(0))?;
        sql.pragma_update(None, "user_version", 99)?;
        version
    };
    let folder = scene.dir.path().join("member1a");
    let services = app::platform::Services::files(&folder);
    let system = Arc::new(app::system::System);
    let newer = Handheld::open(&folder, services, system)?;
    ensure!(tests::near::let_in(&newer).is_err());
    ensure!(matches!(newer.door(), app::handheld::Door::Refused(why) if why.key == "store-from-the-future"));
    let again = scene.dir.path().join("out/again.age");
    ensure!(newer.export_outbox(&again)?.edits == 4);

    // Cut, changed, or not ours: refused in words, and nothing is taken.
    let import = |path: std::path::PathBuf| {
        let (centre, path) = (&scene.centre, path.to_string_lossy().into_owned());
        async move { centre.try_command(&["outbox", "import"], &[&path, "--lang", "en"]).await }
    };
    let bad = scene.dir.path().join("out/bad.age");
    let cut = bytes.get(..bytes.len() - 40).context("long enough")?;
    let mut changed = bytes.clone();
    *changed.iter_mut().rev().nth(60).context("long enough")? ^= 1;
    for broken in [cut, &changed, b"something else"] {
        disk::replace(&bad, broken)?;
        let output = import(bad.clone()).await?;
        ensure!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(said.contains("not whole or was changed") || said.contains("no export for this centre"), "{said}");
    }
    ensure!(scene.kept()?.edits(new)?.is_empty());

    for (path, applied) in [(&again, "3 edits merged"), (&file, "0 edits merged")] {
        let output = import(path.clone()).await?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(output.status.success() && said.contains(applied), "{said}{}", String::from_utf8_lossy(&output.stderr));
    }
    scene.kept()?.holds_exactly(&scene.saved)?;

    // The handheld comes back alive: receipts, nothing twice, no photo sent again in vain.
    database(&scene, "member1a")?.pragma_update(None, "user_version", version)?;
    let alice = scene.handheld("member1a").await?;
    scene.settled(&alice)?;
    ensure!(alice.lights()?.delivered);
    scene.kept()?.holds_exactly(&scene.saved)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_merged_at_the_centre_leads_to_the_other_and_offers_what_came_later() -> Result<()> {
    let mut scene = Scene::set().await?;
    let (alice, bob) = (scene.handheld("member1a").await?, scene.handheld("member1b").await?);
    let (winner, loser) = (scene.newcomer(&alice, "欧阳归并")?, scene.newcomer(&alice, "欧阳归并重")?);
    sync(&alice).await?;
    sync(&bob).await?;
    let count = |hand: &Handheld| Ok::<u64, anyhow::Error>(hand.today()?.counts.values().sum());
    let before = [count(&alice)?, count(&bob)?];
    // Bob is away while the two are merged.
    scene.change(&bob, loser, &[("phone", "13800000001")])?;
    let kept = scene.kept()?;
    let users = store::read::<_, store::StoreError>(&*kept.app().store, scene.township.town, |read| read.users())?;
    let staff = users.into_iter().find(|user| user.role == Role::CenterStaff).context("staff")?;
    let seen =
        |id| Ok::<_, anyhow::Error>(alias::Seen { open: alice.whole(id)?.open.vector().clone(), ..Default::default() });
    let merging =
        alias::Merging { winner, loser, winner_seen: seen(winner)?, loser_seen: seen(loser)?, chosen: BTreeMap::new() };
    alias::merge(kept.app(), &Who::of(staff, &*kept.app().areas()?), &merging)?;
    sync(&alice).await?;
    sync(&bob).await?;
    sync(&alice).await?;
    for (hand, before) in [&alice, &bob].into_iter().zip(before) {
        let page = hand.record(loser)?.context("its page is still there")?;
        let into = page.merged_into.context("it says where it went")?;
        ensure!((into.id, into.title.as_deref()) == (winner, Some("欧阳归并")));
        let found = hand.search("欧阳归并", &Default::default(), 10, 0)?;
        ensure!(found.hits.iter().map(|hit| hit.id).collect::<Vec<_>>() == [winner]);
        ensure!(count(hand)? + 1 == before);
        let offered = hand.record(winner)?.context("the winner")?.offered;
        ensure!(offered.len() == 1 && offered[0].value.plain() == "13800000001", "{offered:?}");
    }
    // Taken over by an ordinary save it is offered no more.
    bob.change(winner, &[("phone", "13800000001")])?;
    ensure!(bob.record(winner)?.context("the winner")?.offered.is_empty());
    Ok(())
}

/// The database of a handheld that is not running.
fn database(scene: &Scene, folder: &str) -> Result<Connection> {
    let paths = Paths::new(&scene.dir.path().join(folder));
    let users = disk::list(&paths.users())?;
    let name = users.first().and_then(|entry| entry.path.file_name()?.to_str()).context("nobody uses it")?;
    let (user, keys) = (name.parse()?, FileKeyStore::new(&paths.keys()));
    let key = app::handheld::key_behind(&paths, user, &keys, tests::near::PIN, app::system::System.now())?;
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let connection = Connection::open(paths.user(user).join("handheld.db"))?;
    connection.execute_batch(&format!("PRAGMA key = \"x'{hex}'\""))?;
    Ok(connection)
}

/// Every text in the database of a handheld.
fn dump(scene: &Scene, folder: &str) -> Result<String> {
    let connection = database(scene, folder)?;
    let mut all = String::new();
    let mut tables = connection.prepare("SELECT name FROM sqlite_master WHERE type = 'table'")?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    for name in names {
        let mut statement = connection.prepare(&format!("SELECT * FROM {name}"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                if let Ok(text) = row.get_ref(column)?.as_str() {
                    all.push_str(text);
                    all.push('\n');
                }
            }
        }
    }
    Ok(all)
}
