//! Old and new beside each other: handhelds of protocol version 1, and edits made with older, newer and unknown versions of
//! a form.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::*;
use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::value::RawValue;
use shared::area::AreaTree;
use shared::author::Role;
use shared::edit::Edit;
use shared::form::Forms;
use shared::ids::{DeviceId, Dot, RecordId, Slot, UserId};
use shared::limits::PROTOCOL;
use shared::outside::Outside;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::{Receipt, RejectReason, Setup, SyncRequest};
use sync_server::auth::enrol::make_code;
use sync_server::auth::people::import_areas;
use sync_server::auth::{Who, token};
use sync_server::store::{self, Credential, Device, Origin, SlotRow, StoreError, User};
use sync_server::sync::epoch::{self, Why};
use sync_server::sync::quarantine::{self, Decided};

const ENROL: &str = include_str!("../fixtures/protocol-1/enrol.json");
const FIRST: &str = include_str!("../fixtures/protocol-1/first.json");
const PUSH: &str = include_str!("../fixtures/protocol-1/push.json");
/// Whose the fixtures are.
const USER: u128 = 0x0190_0000_0000_7000_8000_0000_0000_0001;
const RECORD: u128 = 0x0190_0000_0000_7000_8000_0000_0000_00a1;
const SLOT: Slot = Slot(4_503_599_627_370_497);
const TOKEN: &str = "a-token-of-the-first-version";

/// An answer as version 1 read it, with all of its readers' strictness.
#[derive(Deserialize)]
struct OldAnswer {
    #[serde(default)]
    receipts: Vec<Receipt>,
    high_water: u64,
    #[serde(default)]
    items: Vec<OldItem>,
    #[serde(default)]
    more: bool,
    #[serde(default)]
    refill: bool,
    cursor: String,
    #[serde(default)]
    setup: Option<Setup>,
}

#[derive(Deserialize)]
struct OldItem {
    id: RecordId,
    #[serde(default)]
    part: Part,
    #[serde(default)]
    kind: Option<RecordKind>,
    #[serde(default)]
    state: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
struct OldState {
    vector: VectorTimestamp,
    heads: Vec<(Dot, OldHead)>,
    live: BTreeMap<String, Vec<(u64, Value)>>,
    #[serde(default)]
    beyond: BTreeMap<String, VectorTimestamp>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "what has to be readable")]
struct OldHead {
    id: shared::ids::EditId,
    at: i64,
    zone: i16,
    form: u32,
    #[serde(default)]
    context: VectorTimestamp,
}

impl OldItem {
    fn read(&self) -> OldState {
        serde_json::from_str(self.state.as_ref().expect("a state").get()).unwrap()
    }
}

/// The handheld of the fixtures, as its enrolment left it years ago.
fn stage(centre: &Centre) -> User {
    let user = User {
        id: UserId(uuid::Uuid::from_u128(USER)),
        town: TOWN,
        name: "魏".to_owned(),
        login: "wei".to_owned(),
        role: Role::GridMember,
        scope: vec![GRID],
        cleared: false,
        may_unmask: false,
        password: None,
        active: true,
    };
    let now = centre.clock.now();
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| {
        tx.put_user(&user)?;
        let label = "旧手机".to_owned();
        tx.put_slot(&SlotRow { slot: SLOT, town: TOWN, origin: Origin::Device, label: label.clone(), high_water: 0 })?;
        let device = Device {
            id: DeviceId::fresh(&*centre.clock),
            town: TOWN,
            user: user.id,
            slot: SLOT,
            name: label,
            enrolled: now,
            expires: now + TimeDelta::days(365),
            parted_from: None,
            seen: None,
            fate: None,
            credential: Credential::first(now),
        };
        tx.put_device(&device, &token::hash(TOKEN))
    })
    .unwrap();
    user
}

async fn old_round(centre: &Centre, body: String) -> OldAnswer {
    let response = centre.post("/api/v1/sync", Some(TOKEN), body.into_bytes(), &[]).await;
    let (status, text) = (response.status(), response.text().await.unwrap());
    assert_eq!(status, 200, "{text}");
    serde_json::from_str(&text).unwrap()
}

fn with_cursor(cursor: &str) -> String {
    format!(r#"{{"protocol":1,"cursor":"{cursor}"}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handheld_of_the_first_protocol_is_served_as_it_was() {
    let centre = Centre::open().await;
    let user = stage(&centre);
    let first = old_round(&centre, FIRST.trim().to_owned()).await;
    assert!(first.refill && !first.more && first.items.is_empty() && first.setup.unwrap().user.id == user.id);
    let pushed = old_round(&centre, PUSH.trim().to_owned()).await;
    let outcomes: Vec<bool> =
        pushed.receipts.iter().map(|it| matches!(it.outcome, shared::wire::Outcome::Applied { .. })).collect();
    assert_eq!((outcomes.as_slice(), pushed.high_water), ([true, true, false].as_slice(), 3));
    // Its answer was lost; it sends the very same again.
    assert_eq!(old_round(&centre, PUSH.trim().to_owned()).await.receipts, pushed.receipts);
    let record = RecordId(uuid::Uuid::from_u128(RECORD));
    let item = pushed.items.iter().find(|item| item.id == record).expect("told anew, for it had no cursor");
    assert_eq!((item.kind, item.part), (Some(RecordKind::Person), Part::Open));
    assert_eq!(item.read().live["phone"][0].1, Value::text("13900000001"));
    assert!(item.read().vector.get(SLOT) == 2 && item.read().heads.len() == 2);

    // After a restore a state keeps by epoch what contexts cover beyond: the old reader gets it as it knows it.
    let lost = Slot(77);
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| {
        epoch::begin(tx, centre.clock.now(), 0, Why::Restored)
    })
    .unwrap();
    let mut bob = centre.enrol(&user).await;
    bob.catch_up().await;
    let mut change = bob.change(record, &[("phone", Value::text("13900000009"))]);
    change.epoch = 1;
    change.context.observe((lost, 5).into());
    applied(&bob.sync(vec![change]).await, 0);
    let told = old_round(&centre, with_cursor(&pushed.cursor)).await;
    let state = told.items.iter().find(|item| item.id == record).unwrap().read();
    assert!(told.refill && state.beyond["phone"].get(lost) == 5, "{:?}", state.beyond);
    assert_eq!(state.live["phone"][0].1, Value::text("13900000009"));
    let idle = old_round(&centre, with_cursor(&told.cursor)).await;
    assert!(idle.items.is_empty() && !idle.refill);

    // Enrolling is the same; versions out of the window are told so in words.
    let code = make_code(&centre.app, &user).unwrap();
    let body = ENROL.trim().replace("CODE", &code);
    assert_eq!(centre.post("/api/v1/enrol", None, body.into_bytes(), &[]).await.status(), 200);
    for version in [0, PROTOCOL + 1] {
        let body = FIRST.trim().replace('1', &version.to_string());
        let response = centre.post("/api/v1/sync", Some(TOKEN), body.into_bytes(), &[]).await;
        let answer = refusal(response, 426).await;
        assert!(answer.code == "protocol_unsupported" && answer.message.contains("更新"), "{}", answer.message);
    }
}

/// The forms of this program and newer versions of the person's: the second asks for a phone and knows another name, the
/// third knows one more field.
fn forms(newest: u32) -> Forms {
    let first = assets::FORMS.iter().find(|text| text.contains("kind = \"person\"")).unwrap();
    let field = |name: &str| {
        format!(
            "\n[[section.field]]\nname = \"{name}\"\nlabel = {{ zh = \"别名\", en = \"Also called\" }}\ntype = \"text\"\nmax = 20\n"
        )
    };
    let second = first.replacen("version = 1", "version = 2", 1).replacen(
        "name = \"phone\"\n",
        "name = \"phone\"\nrequired = true\n",
        1,
    ) + &field("nickname");
    let third = second.replacen("version = 2", "version = 3", 1) + &field("pen_name");
    let newer: Vec<&str> = [second.as_str(), third.as_str()].into_iter().take(newest as usize - 1).collect();
    Forms::parse(assets::FORMS.iter().copied().chain(newer)).unwrap()
}

async fn knowing(folder: tempfile::TempDir, clock: Arc<Clock>, newest: u32) -> Centre {
    Centre::over(folder, clock, |state| state.forms = Arc::new(forms(newest))).await
}

fn by_form(mut edit: Edit, form: u32) -> Edit {
    edit.form = form;
    edit
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_forms_are_taken_together_and_an_unknown_one_waits() {
    let centre = knowing(tempfile::tempdir().unwrap(), Arc::new(Clock::default()), 2).await;
    import_areas(&centre.app, AREAS.as_bytes()).unwrap();
    let wei = centre.person("wei", Role::GridMember, GRID, false);
    let leader = centre.person("leader", Role::GridLeader, GRID, false);
    let (mut old, mut new) = (centre.enrol(&wei).await, centre.enrol(&wei).await);
    old.catch_up().await;
    new.catch_up().await;
    let plain = old.resident("张伟", GRID);
    let record = plain.record;
    applied(&old.sync(vec![plain]).await, 0);
    // The newer form asks for a phone: of its own edits, not of old ones.
    let without = by_form(new.resident("李强", GRID), 2);
    let mut with = by_form(new.resident("王芳", GRID), 2);
    with.writes.insert("phone".parse().unwrap(), Value::text("13912345678"));
    with.writes.insert("nickname".parse().unwrap(), Value::text("阿芳"));
    let (named, answer) = (with.record, new.sync(vec![without, with]).await);
    let why = rejected(&answer, 0);
    assert_eq!((why.reason, why.path.as_ref().unwrap().as_str()), (RejectReason::Form, "phone"));
    applied(&answer, 1);
    new.catch_up().await;
    let nickname = by_form(new.change(record, &[("nickname", Value::text("老张"))]), 2);
    applied(&new.sync(vec![nickname]).await, 0);
    // An old handheld gets, shows its own, changes and keeps what it does not know; it may even write it.
    old.catch_up().await;
    assert_eq!(old.shown(named, "nickname"), "阿芳");
    let change = old.change(named, &[("address", Value::text("条山路1号"))]);
    let carried = old.change(record, &[("nickname", Value::text("大张"))]);
    let answer = old.sync(vec![change, carried]).await;
    applied(&answer, 1);
    new.catch_up().await;
    assert_eq!((new.shown(named, "nickname"), new.shown(named, "address")), ("阿芳".into(), "条山路1号".into()));
    assert_eq!(new.shown(record, "nickname"), "大张");

    // A handheld that is ahead of the server: its edit waits, and is taken once the server has learnt the form.
    let mut ahead = by_form(new.change(record, &[("pen_name", Value::text("山人"))]), 3);
    ahead.writes.insert("phone".parse().unwrap(), Value::text("13900000003"));
    let id = ahead.id;
    assert_eq!(rejected(&new.sync(vec![ahead]).await, 0).reason, RejectReason::Unknown);
    let decide = |centre: &Centre| {
        let rules = centre.app.rules().unwrap();
        let areas: &AreaTree = &rules.areas;
        let who = Who::of(leader.clone(), areas);
        store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| {
            quarantine::release(&centre.app, tx, &rules, &who, id)
        })
        .unwrap()
    };
    assert!(matches!(decide(&centre), Decided::StillRejected(why) if why.reason == RejectReason::Unknown));
    let updated = knowing(centre.copy(), centre.clock.clone(), 3).await;
    assert_eq!(decide(&updated), Decided::Done);
    let mut new = new.at(&updated);
    let answer = new.sync(vec![]).await;
    assert_eq!(answer.released.iter().map(|it| it.edit).collect::<Vec<_>>(), [id]);
    assert_eq!((new.shown(record, "pen_name"), new.shown(record, "phone")), ("山人".into(), "13900000003".into()));
    let third = by_form(new.change(record, &[("pen_name", Value::text("山人二"))]), 3);
    applied(&new.sync(vec![third]).await, 0);
    let idle: SyncRequest = new.request(vec![]);
    assert_eq!(idle.protocol, PROTOCOL);
}
