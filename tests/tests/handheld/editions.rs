//! What the town publishes reaches the handhelds: own forms and a calendar, offered, counted by and delivered under their
//! version, while who has not heard of them yet goes on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, ensure};
use app::handheld::{Draft, Filter, Handheld};
use app::platform::{Boxed, Services};
use app::sync::{Connect, Request, Response, Transport, TransportError, Trust};
use chrono::{Datelike, NaiveDate, TimeDelta};
use shared::calendar::Calendar;
use shared::form::{Choice, Field, Form};
use shared::ids::{RecordId, UserId};
use shared::path::Path;
use shared::record::RecordKind;
use shared::value::Value;
use shared::workflow::{Limit, Step, StepEntry};
use sync_server::App;
use sync_server::store::{self, Edition, EventFilter, StoreError};
use tests::near::{self, GRID, Line, PIN, Replay, TOWN};
use tests::story::Story as _;

/// A line over which editions do not come while it is switched off.
#[derive(Clone)]
struct Patchy(App, Arc<AtomicBool>);

impl Connect for Patchy {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for Patchy {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        Box::pin(async move {
            if request.path.ends_with("/edition") && self.1.load(Ordering::SeqCst) {
                return Err(TransportError::Broken("the line broke".to_owned()));
            }
            near::deliver(&self.0, &request).await
        })
    }
}

struct Scene {
    dir: tempfile::TempDir,
    app: App,
    broken: Arc<AtomicBool>,
}

impl Scene {
    fn set() -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let app = near::centre(&dir.path().join("server"), Replay::new(1))?;
        Ok(Self { dir, app, broken: Arc::default() })
    }

    async fn handheld(&self, login: &str, seed: u64) -> Result<Handheld> {
        let folder = self.dir.path().join(login);
        let line = Patchy(self.app.clone(), Arc::clone(&self.broken));
        let services = Services { connect: Arc::new(line), ..near::quick(&folder) };
        let handheld = Handheld::open(&folder, services, Replay::new(seed))?;
        near::let_in(&handheld)?;
        if handheld.setup().is_none() {
            let code = sync_server::auth::enrol::make_code(&self.app, &near::person(&self.app, login)?)?;
            handheld.enrol("http://127.0.0.1", &code, PIN).await?;
        }
        sync(&handheld).await?;
        Ok(handheld)
    }

    fn publish(&self, name: &str, version: u32, text: String) -> Result<()> {
        let user = near::person(&self.app, "staff")?.id;
        let edition = Edition { name: name.to_owned(), version, text, at: self.app.outside.now(), user };
        Ok(self.app.publish(TOWN, &edition)?)
    }

    /// By which versions of forms a record was written, in order.
    fn versions(&self, record: RecordId) -> Result<Vec<u32>> {
        let edits = store::read::<_, StoreError>(&*self.app.store, TOWN, |read| read.edits_of(record))?;
        Ok(edits.into_iter().map(|stored| stored.edit.form).collect())
    }
}

async fn sync(handheld: &Handheld) -> Result<()> {
    handheld.sync_now().await.map_err(|error| anyhow::anyhow!("{error}: {}", error.detail))
}

/// The person form with a choice more, one that is offered no more, and a field of the town's own.
fn own_form() -> Result<String> {
    let mut form = Form::parse(assets::FORMS.first().context("the person form")?)?;
    form.version = 1001;
    let section =
        form.sections.iter_mut().find(|section| section.fields.iter().any(|it| it.name == "residence_status"));
    let section = section.context("the section")?;
    let field = section.fields.iter_mut().find(|field| field.name == "residence_status").context("the field")?;
    let choice =
        |code: &str, zh: &str| Choice { code: code.to_owned(), zh: zh.to_owned(), en: zh.to_owned(), retired: false };
    field.choices.iter_mut().filter(|choice| choice.code == "away").for_each(|choice| choice.retired = true);
    field.choices.push(choice("own_herding", "转场放牧"));
    let stove: Field = toml::from_str(
        "name = \"own_stove\"\nlabel = { zh = \"取暖\", en = \"Heating\" }\ntype = \"text\"\nsearch = true",
    )?;
    section.fields.push(stove);
    Ok(form.to_toml()?)
}

fn person_form(handheld: &Handheld) -> Result<Arc<Form>> {
    handheld.form(RecordKind::Person).context("the person form")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_form_of_the_towns_own_is_offered_saved_searched_and_delivered_under_its_version() -> Result<()> {
    let scene = Scene::set()?;
    let (alice, bob) = (scene.handheld("a", 2).await?, scene.handheld("b", 3).await?);
    let program = person_form(&alice)?.version;
    bob.set_offline(true);
    let before = bob.create(RecordKind::Person, GRID, &[("name", "马存义"), ("residence_status", "away")])?.record;
    scene.publish("form/person", 1001, own_form()?)?;

    let begun = Draft {
        edit: alice.new_edit_id(),
        record: alice.new_record_id(),
        kind: RecordKind::Person,
        form: program,
        context: BTreeMap::new(),
        seen: None,
        writes: [(Path::field("name"), Value::text("周文博")), (Path::field("area"), Value::of(&GRID))].into(),
    };
    sync(&alice).await?;
    let form = person_form(&alice)?;
    ensure!(form.version == 1001);
    let open = alice.save(begun, None)?.record;
    let offered = |form: &Form, chosen: &str| -> Vec<String> {
        let field = form.field("residence_status").expect("the field");
        field.offered(|code| code == chosen).map(|choice| choice.code.clone()).collect()
    };
    ensure!(offered(&form, "").contains(&"own_herding".to_owned()) && !offered(&form, "").contains(&"away".to_owned()));
    ensure!(offered(&form, "away").contains(&"away".to_owned()), "what was chosen can stay");
    let writes = [("name", "祁连山"), ("residence_status", "own_herding"), ("own_stove", "烧牛粪炉")];
    let record = alice.create(RecordKind::Person, GRID, &writes)?.record;
    let found = alice.search("牛粪", &Filter::default(), 9, 0)?;
    ensure!(found.hits.iter().map(|hit| hit.id).eq([record]), "the town's own field is searched");
    sync(&alice).await?;
    ensure!(scene.versions(record)? == [1001]);
    ensure!(scene.versions(open)? == [program], "a form that was open is finished by its version");

    // Bob did not know: what waited is taken by the version it was checked by, and then he reads as Alice does.
    bob.set_offline(false);
    sync(&bob).await?;
    ensure!(scene.versions(before)? == [program]);
    ensure!(person_form(&bob)?.version == 1001);
    ensure!(bob.values(record, "residence_status")? == ["own_herding"]);
    let found = bob.search("牛粪", &Filter::default(), 9, 0)?;
    ensure!(found.hits.len() == 1, "what came before the form was known is found by it too");
    let label = form.field("residence_status").map(|field| field.choice_label("away", "zh-CN").to_owned());
    ensure!(label.as_deref() == Some("外出"), "what is offered no more keeps its label");

    // It outlives the app.
    drop(alice);
    let alice = scene.handheld("a", 4).await?;
    ensure!(person_form(&alice)?.version == 1001);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_that_breaks_while_the_form_is_fetched_holds_nothing_up() -> Result<()> {
    let scene = Scene::set()?;
    let alice = scene.handheld("a", 2).await?;
    let program = person_form(&alice)?.version;
    scene.publish("form/person", 1001, own_form()?)?;
    scene.broken.store(true, Ordering::SeqCst);
    let record = alice.create(RecordKind::Person, GRID, &[("name", "马存义")])?.record;
    sync(&alice).await?;
    ensure!(scene.versions(record)? == [program], "delivered all the same");
    ensure!(person_form(&alice)?.version == program);
    scene.broken.store(false, Ordering::SeqCst);
    sync(&alice).await?;
    ensure!(person_form(&alice)?.version == 1001);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_holiday_that_is_published_moves_the_last_day_on_the_handheld_as_at_the_centre() -> Result<()> {
    let scene = Scene::set()?;
    let alice = scene.handheld("a", 2).await?;
    let me = alice.setup().context("the set-up")?.user.id;
    let event = alice.report(GRID, "路灯不亮", "hazard", &StepEntry::new(Step::Report, ""))?;
    sync(&alice).await?;
    let dispatch = StepEntry { host: Some(me), limit: Some(Limit::Days(3)), ..StepEntry::new(Step::Dispatch, "") };
    let staff = scene.handheld("staff", 3).await?;
    staff.go_on(event, &dispatch)?;
    sync(&staff).await?;
    sync(&alice).await?;
    let due = |handheld: &Handheld| -> Result<_> {
        handheld.event(event)?.context("the event")?.due.context("when it is due")
    };
    let before = due(&alice)?;
    let last: NaiveDate = (before + TimeDelta::hours(8)).date_naive();
    let program = Calendar::parse(assets::CALENDAR)?;
    ensure!(program.is_working_day(last), "{last} {}", last.weekday());
    let text = assets::CALENDAR.replacen("holidays = [", &format!("holidays = [\"{last}\","), 1);
    scene.publish("calendar", 1, text)?;
    sync(&alice).await?;
    let moved = due(&alice)?;
    ensure!(moved > before, "{before} {moved}");
    let mut at_centre = None;
    store::read::<_, StoreError>(&*scene.app.store, TOWN, |read| {
        read.each_event(&EventFilter::default(), &mut |row| {
            at_centre = row.facts.due.or(at_centre);
            Ok(true)
        })
    })?;
    ensure!(at_centre == Some(moved), "{at_centre:?} at the centre, {moved} here");
    // The list is by it too, after the app was closed as before.
    drop(alice);
    ensure!(due(&scene.handheld("a", 4).await?)? == moved);
    Ok(())
}

/// Two centres, told apart by their addresses.
struct Centres(App, App);

impl Connect for Centres {
    fn connect(&self, server: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        let app = if server.ends_with(".2") { &self.1 } else { &self.0 };
        Ok(Arc::new(Line(app.clone())))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_town_publishes_stays_with_its_people_on_a_handheld_that_is_shared() -> Result<()> {
    let scene = Scene::set()?;
    let elsewhere = near::centre(&scene.dir.path().join("elsewhere"), Replay::new(77))?;
    scene.publish("form/person", 1001, own_form()?)?;
    let folder = scene.dir.path().join("shared");
    let centres = Centres(scene.app.clone(), elsewhere.clone());
    let services = Services { connect: Arc::new(centres), ..near::quick(&folder) };
    let handheld = Handheld::open(&folder, services, Replay::new(5))?;
    let program = person_form(&handheld)?.version;
    let enrol = async |app: &App, address: &str, login: &str| -> Result<UserId> {
        let code = sync_server::auth::enrol::make_code(app, &near::person(app, login)?)?;
        let setup = handheld.enrol(address, &code, PIN).await?;
        sync(&handheld).await?;
        Ok(setup.user.id)
    };
    let alice = enrol(&scene.app, "http://127.0.0.1", "a").await?;
    ensure!(person_form(&handheld)?.version == 1001);

    handheld.lock();
    ensure!(person_form(&handheld)?.version == program, "nobody is in");
    let other = enrol(&elsewhere, "http://127.0.0.2", "b").await?;
    ensure!(person_form(&handheld)?.version == program, "the other town published nothing");
    handheld.create(RecordKind::Person, GRID, &[("name", "马存义")])?;
    sync(&handheld).await?;
    ensure!(handheld.tray()?.is_empty() && handheld.outbox_counts()?.edits == 0);

    handheld.set_offline(true);
    for (user, version) in [(alice, 1001), (other, program), (alice, 1001)] {
        handheld.lock();
        handheld.unlock(user, PIN)?;
        ensure!(person_form(&handheld)?.version == version, "{user}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_that_are_published_are_offered_to_who_dispatches() -> Result<()> {
    let scene = Scene::set()?;
    let staff = scene.handheld("staff", 2).await?;
    ensure!(staff.limits() == [Limit::Hours(24), Limit::Days(3), Limit::Days(7), Limit::Days(15)]);
    let limits = "\n[limits]\nurgent_hours = 12\nordinary_days = 5\ndifficult_days = 10\n";
    scene.publish("calendar", 1, format!("{}{limits}", assets::CALENDAR))?;
    sync(&staff).await?;
    ensure!(staff.limits() == [Limit::Hours(12), Limit::Days(5), Limit::Days(10), Limit::Days(15)]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_centre_is_told_by_which_web_view_the_pages_are_shown() -> Result<()> {
    let scene = Scene::set()?;
    let alice = scene.handheld("a", 2).await?;
    let told = || -> Result<String> {
        let devices = store::read::<_, StoreError>(&*scene.app.store, TOWN, |read| read.devices())?;
        let seen = devices.into_iter().next().and_then(|device| device.seen).context("it was seen")?;
        Ok(seen.web_view)
    };
    ensure!(told()?.is_empty(), "no page was shown yet");
    alice.shown_by(
        "Mozilla/5.0 (Linux; Android 10; T1; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 \
         Chrome/80.0.3987.99 Mobile Safari/537.36",
    );
    sync(&alice).await?;
    ensure!(told()? == "80.0.3987.99", "{}", told()?);
    Ok(())
}
