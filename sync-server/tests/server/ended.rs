//! Care that is over goes from everywhere, the person stays, and nothing brings it back but somebody who records it anew.

use std::path::Path;
use std::sync::Mutex;

use crate::common::audit::{entries, run};
use crate::common::desk::*;
use crate::common::*;
use assets::messages::Lang;
use chrono::TimeDelta;
use reqwest::StatusCode;
use shared::area::{Area, AreaId};
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::{RecordId, Slot};
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::view;
use shared::wire::Outcome;
use sync_server::batch::{self, BatchError, Format, Pull, Pulled, Since, approval};
use sync_server::erase::{self, ended::end};
use sync_server::store::{Device, End, EnrolCode, Read, Session, Standing, Store, StoreError, Tx, User};
use sync_server::{backup, retention};

/// Values that occur nowhere else.
const NAME: &str = "欧阳甲乙";
const REASON: &str = "独居无人做饭";
const NOTE: &str = "每周送餐甲";
const WAS: &str = "原先每天送餐";
const REFUSED: &str = "没有收下的关爱";
const LATE: &str = "还要送到六月";

/// The texts that stand in some file below a folder.
fn holding(folder: &Path, texts: &[&'static str]) -> Vec<&'static str> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            found.extend(holding(&entry, texts));
        } else {
            let mut bytes = std::fs::read(&entry).unwrap();
            if entry.ends_with("database") {
                bytes = postgres::dump(folder).unwrap();
            }
            let has = |text: &&&str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            found.extend(texts.iter().filter(has));
        }
    }
    found
}

fn care(hand: &mut Handheld<'_>, record: RecordId, until: &str, note: &str) -> Edit {
    let values = [("care_reason", REASON), ("care_until", until), ("care_note", note)];
    let mut edit = hand.care(record, &values.map(|(path, value)| (path, Value::text(value))));
    edit.writes.insert("care_services/meals".parse().unwrap(), Value::of(&true));
    edit
}

/// What stands in the restricted part on a handheld.
fn stands(hand: &Handheld<'_>, record: RecordId) -> Vec<(String, String)> {
    let live = hand.confirmed[&(record, Part::Restricted)].all_live();
    live.map(|(path, write)| (path.to_string(), write.value.plain())).filter(|(_, value)| !value.is_empty()).collect()
}

/// Somebody whose care ends on the first of December: 2026-11-23 by the clock.
async fn cared_for(alice: &mut Handheld<'_>) -> RecordId {
    let record = resident(alice, NAME, GRID, &[]).await;
    for note in [WAS, NOTE] {
        let edit = care(alice, record, "2026-12-01", note);
        applied(&alice.sync(vec![edit]).await, 0);
    }
    record
}

#[tokio::test(flavor = "multi_thread")]
async fn care_that_is_over_goes_from_everywhere_and_the_person_stays() {
    let centre = Centre::open().await;
    for login in ["staff", "second"] {
        person(&centre, login, Role::CenterStaff, TOWN, true, true);
    }
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let mut bob = centre.enrol(&centre.person("bob", Role::GridMember, GRID, false)).await;
    let record = cared_for(&mut alice).await;
    let renewed = resident(&mut alice, "王芳", GRID, &[]).await;
    let edit = care(&mut alice, renewed, "2027-12-01", "另一位的");
    applied(&alice.sync(vec![edit]).await, 0);
    let refused = care(&mut bob, record, "2027-01-01", REFUSED);
    let refused_id = refused.id;
    rejected(&bob.sync(vec![refused]).await, 0);
    let data = centre.folder.path();
    {
        let (desk, second) = (Desk::logged_in(&centre, "staff").await, Desk::logged_in(&centre, "second").await);
        desk.seal_with(&second, &[("format", "csv"), ("since", "all"), ("restricted", "true")]).await;
    }
    let all = [REASON, NOTE, WAS, REFUSED, "care_services/meals"];
    centre.clock.advance(TimeDelta::days(37));
    assert_eq!(retention::run(&centre.app).unwrap().parts, 0, "a renewal may still be on its way");
    for text in all {
        assert!(holding(data, &[text]).contains(&text), "{text}");
    }
    centre.clock.advance(TimeDelta::days(3));
    let done = retention::run(&centre.app).unwrap();
    assert_eq!((done.parts, done.records.len(), done.swept), (1, 0, true));
    assert_eq!(done.batches, ["2026-001"]);
    // The care of the other one was in the same words; it stays.
    assert_eq!(holding(data, &[NOTE, WAS, REFUSED]), [""; 0]);
    assert!(holding(data, &[NAME]).contains(&NAME) && holding(data, &["另一位的"]).contains(&"另一位的"));
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
    assert_eq!(retention::run(&centre.app).unwrap().parts, 0, "once");

    // Whoever held it holds nothing of it any more, and the person.
    alice.catch_up().await;
    assert_eq!((stands(&alice, record), alice.shown(record, "name")), (vec![], NAME.to_owned()));
    assert_eq!(stands(&alice, renewed).len(), 4);
    let answer = bob.sync(vec![]).await;
    let told = answer.released.iter().find(|receipt| receipt.edit == refused_id).unwrap();
    assert!(matches!(&told.outcome, Outcome::Rejected(why) if why.note.contains("已经到期")), "{told:?}");
    let desk = Desk::logged_in(&centre, "staff").await;
    let page = desk.page(&format!("/console/records/{record}")).await;
    assert!(page.contains(NAME) && page.contains("保存期限（自动）") && !page.contains(REASON), "{page}");
    assert_eq!(desk.get("/console/batches/2026-001/person.csv").await.status(), StatusCode::GONE);
    let noted: Vec<_> = entries(&centre.app, TOWN)
        .into_iter()
        .filter(|entry| entry.action == "audit-part-ended")
        .map(|entry| (entry.user(), entry.subject, entry.detail))
        .collect();
    assert_eq!(noted, [(None, record.to_string(), "restricted".to_owned())]);

    // Recorded anew by somebody who saw that it had ended, it stands as it was written.
    let edit = care(&mut alice, record, "2027-12-31", "新的约定");
    applied(&alice.sync(vec![edit]).await, 0);
    assert_eq!(retention::run(&centre.app).unwrap().parts, 0);
    let mut fresh = centre.enrol(&centre.person("li", Role::GridMember, GRID, true)).await;
    fresh.catch_up().await;
    let state = &fresh.confirmed[&(record, Part::Restricted)];
    assert!(!view::one(state, "care_until").is_open(), "the ending was seen");
    assert_eq!(stands(&fresh, record).len(), 4);
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_saved_without_a_network_before_the_end_is_for_somebody_to_decide() {
    let centre = Centre::open().await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let mut carol = centre.enrol(&centre.person("carol", Role::GridMember, GRID, true)).await;
    let (renewed, noted) = (cared_for(&mut alice).await, cared_for(&mut alice).await);
    carol.catch_up().await;
    // Carol goes where there is no network, renews the one and writes a note on the other.
    let renewal = carol.care(renewed, &[("care_until", Value::text("2027-06-30"))]);
    let note = carol.care(noted, &[("care_note", Value::text(LATE))]);
    centre.clock.advance(TimeDelta::days(40));
    assert_eq!(retention::run(&centre.app).unwrap().parts, 2);
    let answer = carol.sync(vec![renewal, note]).await;
    for place in [0, 1] {
        applied(&answer, place);
    }
    carol.catch_up().await;
    let until = view::one(&carol.confirmed[&(renewed, Part::Restricted)], "care_until");
    assert!(until.is_open(), "ended or renewed: that is not for a clock to decide");
    assert_eq!(stands(&carol, renewed), [("care_until".to_owned(), "2027-06-30".to_owned())]);
    assert_eq!(stands(&carol, noted), [("care_note".to_owned(), LATE.to_owned())]);
    assert_eq!(holding(centre.folder.path(), &[NOTE, WAS, REASON]), [""; 0], "nothing of the old came back");
    assert_eq!(retention::run(&centre.app).unwrap().parts, 0);
    // A note without a day does not stay for ever.
    centre.clock.advance(TimeDelta::days(32));
    assert_eq!(retention::run(&centre.app).unwrap().parts, 1);
    assert_eq!(holding(centre.folder.path(), &[LATE]), [""; 0]);
    carol.catch_up().await;
    assert_eq!((stands(&carol, noted), stands(&carol, renewed).len()), (vec![], 1));
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn neither_a_backup_nor_a_handheld_that_offers_it_again_brings_it_back() {
    let centre = Centre::open().await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let record = resident(&mut alice, NAME, GRID, &[]).await;
    let first = care(&mut alice, record, "2026-12-01", WAS);
    applied(&alice.sync(vec![first]).await, 0);
    let to = tempfile::tempdir().unwrap();
    let before = backup::make(&centre.app, to.path(), 9).unwrap();
    // After the backup: a change, the end, and care recorded anew.
    let lost = care(&mut alice, record, "2026-12-01", NOTE);
    applied(&alice.sync(vec![lost.clone()]).await, 0);
    centre.clock.advance(TimeDelta::days(40));
    assert_eq!(retention::run(&centre.app).unwrap().parts, 1);
    alice.catch_up().await;
    let anew = care(&mut alice, record, "2027-12-31", "新的约定");
    applied(&alice.sync(vec![anew.clone()]).await, 0);
    assert!(holding(&before.folder, &[WAS]).contains(&WAS), "an earlier backup still holds it");

    let data = tempfile::tempdir().unwrap();
    backup::restore(&before.folder, data.path(), Some(centre.folder.path()), centre.clock.clone()).unwrap();
    assert_eq!(holding(data.path(), &[WAS, NOTE, REASON]), [""; 0]);
    let restored = Centre::over(data, centre.clock.clone(), |_| {}).await;
    assert_eq!(backup::verify_data(&restored.app).unwrap(), []);
    let mut alice = Handheld { centre: &restored, ..alice };
    // It offers again what it keeps, in order.
    let answer = alice.sync(vec![lost, anew]).await;
    for place in [0, 1] {
        applied(&answer, place);
    }
    alice.catch_up().await;
    assert_eq!(holding(restored.folder.path(), &[WAS, NOTE]), [""; 0]);
    let state = &alice.confirmed[&(record, Part::Restricted)];
    assert!(!view::one(state, "care_until").is_open(), "it had seen the ending, under the dot that the list keeps");
    let mut shown = stands(&alice, record);
    shown.sort();
    let values: Vec<&str> = shown.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["新的约定", REASON, "true", "2027-12-31"], "as it was recorded anew");
    assert_eq!(retention::run(&restored.app).unwrap().parts, 0);
    // Started once more there is nothing to do again.
    let count = |app| entries(app, TOWN).iter().filter(|entry| entry.action == "audit-part-ended").count();
    let done = count(&restored.app);
    let app = sync_server::AppState::open(restored.folder.path(), restored.clock.clone()).unwrap();
    assert_eq!((count(&app), backup::verify_data(&app).unwrap()), (done, vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_says_before_whose_care_would_go() {
    let centre = Centre::open().await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let record = resident(&mut alice, NAME, GRID, &[]).await;
    // By the real clock it was over years ago.
    let edit = care(&mut alice, record, "2020-01-01", NOTE);
    applied(&alice.sync(vec![edit]).await, 0);
    let data = centre.folder.path().to_str().unwrap();
    let dry = ["retention", "--data", data, "--dry-run"];
    for _ in 0..2 {
        let (well, said) = run(&dry);
        assert!(well && said.contains("record stays: 1") && said.contains(&record.to_string()), "{said}");
    }
    let (well, said) = run(&dry[..3]);
    assert!(well && said.contains("erased, the record stays: 1") && said.contains("Earlier backups"), "{said}");
    assert!(run(&dry).1.contains("record stays: 0"));
    assert_eq!(holding(centre.folder.path(), &[NOTE]), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn care_that_was_refused_does_not_stay_for_ever() {
    let centre = Centre::open().await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let mut bob = centre.enrol(&centre.person("bob", Role::GridMember, GRID, false)).await;
    // Somebody without a restricted part, and a note on them by who may not write any.
    let record = resident(&mut alice, NAME, GRID, &[]).await;
    bob.catch_up().await;
    let note = care(&mut bob, record, "2026-12-01", REFUSED);
    assert!(matches!(bob.sync(vec![note]).await.receipts[0].outcome, Outcome::Rejected(_)));
    assert_eq!(holding(centre.folder.path(), &[REFUSED]), [REFUSED]);
    centre.clock.advance(TimeDelta::days(20));
    assert_eq!(retention::run(&centre.app).unwrap().parts, 0, "there is time to decide on it");
    centre.clock.advance(TimeDelta::days(20));
    assert_eq!(retention::run(&centre.app).unwrap().parts, 1);
    assert_eq!(holding(centre.folder.path(), &[REFUSED]), [""; 0]);
    assert_eq!(retention::run(&centre.app).unwrap().parts, 0, "once");
    assert_eq!(backup::verify_data(&centre.app).unwrap(), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_renewed_at_the_last_moment_stays() {
    let centre = Centre::open().await;
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let record = cared_for(&mut alice).await;
    let of_it = [(record, RecordKind::Person)];
    // It was found to be over, and is not any more when it is its turn.
    let done = end(&centre.app, TOWN, Part::Restricted, "care_until", &of_it, &|_, _| Ok(false)).unwrap();
    assert_eq!(done.parts, 0);
    assert_eq!(erase::expired(&centre.app, TOWN, &[record], &|_, _| Ok(false)).unwrap().records, []);
    alice.catch_up().await;
    assert_eq!(stands(&alice, record).len(), 4);
    assert!(!centre.folder.path().join("erased.list").exists(), "and it is on no list");
}

/// A store in which something happens just before the next write: between the cut of a batch and its seal.
struct Between<'a> {
    store: &'a dyn Store,
    then: Mutex<Option<Box<dyn FnOnce() + Send + 'a>>>,
}

impl Store for Between<'_> {
    fn with_tx(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&mut dyn Tx) -> Result<End, StoreError>,
    ) -> Result<(), StoreError> {
        let then = self.then.lock().unwrap().take();
        if let Some(then) = then {
            then();
        }
        self.store.with_tx(town, work)
    }

    fn with_read(
        &self,
        town: AreaId,
        work: &mut dyn FnMut(&dyn Read) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.store.with_read(town, work)
    }

    fn towns(&self) -> Result<Vec<AreaId>, StoreError> {
        self.store.towns()
    }

    fn audited_towns(&self) -> Result<Vec<AreaId>, StoreError> {
        self.store.audited_towns()
    }

    fn areas(&self) -> Result<Vec<Area>, StoreError> {
        self.store.areas()
    }

    fn standing(&self, town: AreaId) -> Result<Standing, StoreError> {
        self.store.standing(town)
    }

    fn directory_version(&self) -> Result<u64, StoreError> {
        self.store.directory_version()
    }

    fn epoch(&self) -> Result<u32, StoreError> {
        self.store.epoch()
    }

    fn device_by_token(&self, hash: &[u8; 32]) -> Result<Option<(Device, User)>, StoreError> {
        self.store.device_by_token(hash)
    }

    fn device_by_slot(&self, slot: Slot) -> Result<Option<(Device, User)>, StoreError> {
        self.store.device_by_slot(slot)
    }

    fn session_by_token(&self, hash: &[u8; 32]) -> Result<Option<(Session, User)>, StoreError> {
        self.store.session_by_token(hash)
    }

    fn user_by_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        self.store.user_by_login(login)
    }

    fn enrol_code(&self, hash: &[u8; 32]) -> Result<Option<EnrolCode>, StoreError> {
        self.store.enrol_code(hash)
    }

    fn put_areas(&self, areas: &[Area]) -> Result<(), StoreError> {
        self.store.put_areas(areas)
    }

    fn snapshot(&self, to: &Path) -> Result<(), StoreError> {
        self.store.snapshot(to)
    }

    fn scrub(&self) -> Result<(), StoreError> {
        self.store.scrub()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ends_or_is_erased_while_a_batch_is_written_does_not_get_into_it() {
    let centre = Centre::open().await;
    let staff = person(&centre, "staff", Role::CenterStaff, TOWN, true, true);
    let second = person(&centre, "second", Role::CenterStaff, TOWN, true, true);
    let mut alice = centre.enrol(&centre.person("wei", Role::GridMember, GRID, true)).await;
    let record = cared_for(&mut alice).await;
    let other = resident(&mut alice, "王芳", GRID, &[]).await;
    centre.clock.advance(TimeDelta::days(40));
    let app = &centre.app;
    let mut pull = Pull {
        user: &staff,
        areas: vec![TOWN],
        since: Since::All,
        formats: vec![Format::Csv],
        unmasked: true,
        restricted: true,
        profile: None,
        photos: false,
        released: None,
        lang: Lang::Zh,
    };
    let id = approval::ask(app, &pull).unwrap();
    approval::release(app, &second, id).unwrap();
    pull.released = Some(id);
    let sealed = |then: Box<dyn FnOnce() + Send + '_>| {
        let between = Between { store: &*app.store, then: Mutex::new(Some(then)) };
        batch::pull(&between, &*app.outside, &app.data, &*app.blobs, &app.forms, &pull)
    };
    let folders = || std::fs::read_dir(app.data.join("batches")).unwrap().count();

    let refused = sealed(Box::new(|| assert_eq!(retention::run(app).unwrap().parts, 1)));
    assert!(matches!(refused, Err(BatchError::Store(StoreError::Busy))), "care ended: {refused:?}");
    assert_eq!((folders(), holding(&app.data, &[NOTE, REASON])), (0, vec![]));
    let refused = sealed(Box::new(|| drop(erase::erase(app, None, other, erase::Reason::Request).unwrap())));
    assert!(matches!(refused, Err(BatchError::Store(StoreError::Busy))), "somebody was erased: {refused:?}");
    assert_eq!((folders(), holding(&app.data, &["王芳"])), (0, vec![]));

    // What was released is not used up, and the next attempt tells what is left.
    let Pulled::Sealed(done) = sealed(Box::new(|| {})).unwrap() else { panic!("nothing new") };
    let told = std::fs::read_to_string(done.folder.join("person.csv")).unwrap();
    assert!(told.contains(NAME) && told.contains(&record.to_string()) && !told.contains(NOTE), "{told}");
}
