//! A client that speaks the protocol and lies. After each lie what others hold is what it was, what they send is taken,
//! and no answer held a value that the liar may not read.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::common::*;
use serde_json::{Value as Json, json};
use shared::author::{Author, Role};
use shared::digest::{Prefix, VERSION};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, UserId};
use shared::limits::{AGAIN_A_ROUND, IDS_A_QUESTION, REMAINS_A_ROUND};
use shared::merge::PartState;
use shared::outside::Outside;
use shared::record::Part;
use shared::value::Value;
use shared::wire::{DigestAsk, KeptEdit, RejectReason, Remain, SlotAnswer, SlotRequest, SyncAnswer, SyncRequest};
use sync_server::store::{self, StoreError};
use sync_server::sync::cursor::{self, Binding, Position};
use sync_server::sync::epoch::{self, Why};

/// What the liar may not read: a neighbour grid's resident, and what is restricted of one of its own.
const SECRETS: [&str; 4] = ["机密人", "13711112222", "每周送餐", "独居老人"];

type Held = BTreeMap<(RecordId, Part), PartState>;

/// The stage: a liar in one grid, an honest and cleared handheld beside it, another far away.
struct Stage<'a> {
    centre: &'a Centre,
    liar: Handheld<'a>,
    honest: Handheld<'a>,
    far: Handheld<'a>,
    /// A resident of the liar's grid.
    shared: RecordId,
    /// One of the far grid.
    secret: RecordId,
    held: (Held, Held),
}

impl<'a> Stage<'a> {
    async fn set(centre: &'a Centre) -> Self {
        let wei = centre.person("wei", Role::GridMember, GRID, false);
        let juan = centre.person("juan", Role::GridLeader, GRID, true);
        let yuan = centre.person("yuan", Role::GridMember, FAR_GRID, true);
        let (mut liar, mut honest, mut far) =
            (centre.enrol(&wei).await, centre.enrol(&juan).await, centre.enrol(&yuan).await);
        for hand in [&mut liar, &mut honest, &mut far] {
            hand.catch_up().await;
        }
        let create = honest.resident("张伟", GRID);
        let shared = create.record;
        applied(&honest.sync(vec![create]).await, 0);
        let care = [("care_reason", "独居老人"), ("care_until", "2027-12-31"), ("care_note", "每周送餐")];
        let care = honest.care(shared, &care.map(|(path, value)| (path, Value::text(value))));
        applied(&honest.sync(vec![care]).await, 0);
        let mut secret = far.resident("机密人", FAR_GRID);
        secret.writes.insert("phone".parse().unwrap(), Value::text("13711112222"));
        let record = secret.record;
        applied(&far.sync(vec![secret]).await, 0);
        liar.catch_up().await;
        let held = (honest.confirmed.clone(), far.confirmed.clone());
        Self { centre, liar, honest, far, shared, secret: record, held }
    }

    /// Sends JSON as the liar; whatever comes back holds none of the secrets.
    async fn says(&self, path: &str, body: &Json) -> (u16, String) {
        let response = self.centre.post(path, Some(&self.liar.token), body.to_string().into_bytes(), &[]).await;
        let (status, text) = (response.status().as_u16(), response.text().await.unwrap());
        for secret in SECRETS {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
        assert!(status < 500, "{text}");
        (status, text)
    }

    async fn lies(&self, request: &SyncRequest) -> (u16, String) {
        self.says("/api/v1/sync", &serde_json::to_value(request).unwrap()).await
    }

    async fn sends(&self, edits: Vec<Edit>) -> SyncAnswer {
        let (status, text) = self.lies(&self.liar.request(edits)).await;
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    /// What the others hold is what it was, and their next save is taken and is what everybody sees.
    async fn undisturbed(&mut self) {
        self.honest.catch_up().await;
        self.far.catch_up().await;
        assert_eq!(self.honest.confirmed, self.held.0);
        assert_eq!(self.far.confirmed, self.held.1);
        for (hand, record) in [(&mut self.honest, self.shared), (&mut self.far, self.secret)] {
            let address = format!("第{}次", hand.n);
            let edit = hand.change(record, &[("address", Value::text(&address))]);
            applied(&hand.sync(vec![edit]).await, 0);
            hand.catch_up().await;
            assert_eq!(hand.shown(record, "address"), address);
        }
        self.held = (self.honest.confirmed.clone(), self.far.confirmed.clone());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_about_dots_and_authors() {
    let centre = Centre::open().await;
    let mut stage = Stage::set(&centre).await;
    // Under another's slot, the very next dot of it.
    let mut foreign = stage.liar.resident("假", GRID);
    stage.liar.n -= 1;
    foreign.dot = (stage.honest.slot, stage.honest.n + 1).into();
    let answer = stage.sends(vec![foreign]).await;
    assert_eq!((rejected(&answer, 0).reason, answer.high_water), (RejectReason::Protocol, 0));
    stage.undisturbed().await;
    // A slot that nobody has.
    let mut nobody = stage.liar.resident("假", GRID);
    stage.liar.n -= 1;
    nobody.dot = (shared::ids::Slot(3), 1).into();
    assert_eq!(rejected(&stage.sends(vec![nobody]).await, 0).reason, RejectReason::Protocol);
    // Somebody else's name, another's edit id.
    let mut named = stage.liar.resident("假", GRID);
    named.author = Arc::new(Author { user: Some(UserId::fresh(&*centre.clock)), ..stage.liar.author.clone() });
    assert_eq!(rejected(&stage.sends(vec![named]).await, 0).reason, RejectReason::Protocol);
    let taken = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.edits_of(stage.secret)).unwrap();
    let mut stolen = stage.liar.resident("假", GRID);
    stolen.id = taken[0].edit.id;
    stage.liar.n -= 1;
    let (status, text) = stage.lies(&stage.liar.request(vec![stolen])).await;
    assert!(status == 409 && text.contains("out_of_step"), "{text}");
    stage.undisturbed().await;
    // The same dot twice, a gap, the end of all numbers.
    let good = stage.liar.resident("真", GRID);
    applied(&stage.sends(vec![good.clone()]).await, 0);
    stage.held.0.clear();
    stage.honest.catch_up().await;
    stage.held.0 = stage.honest.confirmed.clone();
    let mut twice = stage.liar.resident("假", GRID);
    for n in [good.dot.n, good.dot.n + 2, u64::MAX] {
        twice.dot.n = n;
        let (status, text) = stage.lies(&stage.liar.request(vec![twice.clone()])).await;
        assert!(status == 409 && text.contains("out_of_step"), "{text}");
        stage.undisturbed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_contexts_bury_nothing() {
    let centre = Centre::open().await;
    let mut stage = Stage::set(&centre).await;
    let number = |hand: &mut Handheld<'_>, record, text: &str| hand.change(record, &[("phone", Value::text(text))]);
    // "I have seen the next thousand million edits of yours", read in the present epoch, in no epoch, in one to come.
    for (epoch, taken) in [(1, true), (0, true), (2, false)] {
        let mut forged = number(&mut stage.liar, stage.shared, "13900000666");
        forged.epoch = epoch;
        forged.context.observe((stage.honest.slot, 1_000_000_000).into());
        let answer = stage.sends(vec![forged]).await;
        if taken {
            applied(&answer, 0);
        } else {
            assert_eq!(rejected(&answer, 0).reason, RejectReason::Protocol);
        }
        let honest = number(&mut stage.honest, stage.shared, "13912345678");
        applied(&stage.honest.sync(vec![honest]).await, 0);
        stage.honest.catch_up().await;
        assert_eq!(values(&stage.honest, stage.shared, "phone").last().unwrap(), "13912345678", "epoch {epoch}");
        // He saw both by now; his next one settles it.
        let settled = number(&mut stage.honest, stage.shared, "13912345678");
        applied(&stage.honest.sync(vec![settled]).await, 0);
        assert_eq!(values(&stage.honest, stage.shared, "phone"), ["13912345678"]);
    }
    // After a restore contexts of the epoch before are not clipped; they cover nothing that was read since.
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| {
        epoch::begin(tx, centre.clock.now(), 0, Why::Restored)
    })
    .unwrap();
    stage.honest.catch_up().await;
    let mut forged = number(&mut stage.liar, stage.shared, "13900000666");
    forged.epoch = 1;
    forged.context.observe((stage.honest.slot, 1_000_000_000).into());
    applied(&stage.sends(vec![forged]).await, 0);
    let honest = number(&mut stage.honest, stage.shared, "13988887777");
    applied(&stage.honest.sync(vec![honest]).await, 0);
    stage.honest.catch_up().await;
    assert!(values(&stage.honest, stage.shared, "phone").contains(&"13988887777".to_owned()));
    stage.far.catch_up().await;
    stage.held = (stage.honest.confirmed.clone(), stage.far.confirmed.clone());
    stage.undisturbed().await;
}

fn values(hand: &Handheld<'_>, record: RecordId, field: &str) -> Vec<String> {
    let state = &hand.confirmed[&(record, Part::Open)];
    let mut all: Vec<String> =
        state.live(&field.parse().unwrap()).map(|write| write.value.as_text().unwrap()).collect();
    all.sort();
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_about_cursors_and_scope() {
    let centre = Centre::open().await;
    let mut stage = Stage::set(&centre).await;
    // Another's cursor gives the liar's own view from the start, and never a page of the other's.
    let theirs = SyncRequest { cursor: stage.far.cursor.clone(), ..stage.liar.request(vec![]) };
    let (status, text) = stage.lies(&theirs).await;
    let told: SyncAnswer = serde_json::from_str(&text).unwrap();
    assert!(status == 200 && told.refill && told.items.len() == 1, "{text}");
    // One that speaks of the future, signed with a key of the liar's, and one cut short.
    let rules = centre.app.rules().unwrap();
    let user = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.users()).unwrap();
    let user = user.into_iter().find(|user| user.login == "wei").unwrap();
    let binding = Binding::of(stage.liar.enrolled.device, &sync_server::auth::Who::of(user, &rules.areas), 1);
    let future = Position { open: 1 << 40, restricted: 1 << 40, decided: 1 << 40, ..Position::default() };
    let mut cut = stage.liar.cursor.clone().unwrap();
    cut.truncate(20);
    for forged in [cursor::write(&[7; 32], &binding, &future), cut, "☃".to_owned(), "A".repeat(100_000)] {
        let (status, text) = stage.lies(&SyncRequest { cursor: Some(forged), ..stage.liar.request(vec![]) }).await;
        assert!(status == 400 && text.contains("cursor_invalid"), "{text}");
    }
    assert_eq!(stage.honest.sync(vec![]).await.epoch, 1, "no new epoch for a lie");
    stage.undisturbed().await;
    // Outside the scope: writing, moving there, restricted parts.
    let secret = stage.secret;
    let outside = stage.liar.change(secret, &[("name", Value::text("改名"))]);
    let created = stage.liar.resident("假", FAR_GRID);
    let care = [("care_reason", "无"), ("care_until", "2027-12-31"), ("care_note", "无")];
    let care = stage.liar.care(stage.shared, &care.map(|(path, value)| (path, Value::text(value))));
    let merged = stage.liar.change(stage.shared, &[("merged_into", Value::of(&secret))]);
    let answer = stage.sends(vec![outside, created, care, merged]).await;
    for place in 0..4 {
        assert_eq!(rejected(&answer, place).reason, RejectReason::NotAllowed, "{place}");
    }
    stage.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_about_the_slot() {
    let centre = Centre::open().await;
    let mut stage = Stage::set(&centre).await;
    let key = || centre.clock.uuid();
    let (slot, epoch, last) = (stage.liar.slot, stage.liar.enrolled.epoch, stage.liar.n);
    let ask = |restored, kept: Vec<KeptEdit>| SlotRequest {
        protocol: 2,
        key: key(),
        restored,
        moving: false,
        epoch,
        last,
        kept,
        over: vec![],
        lease: false,
    };
    let kept = |id, n| KeptEdit { id, dot: Dot { slot, n }, sure: true, unseen: false, once: vec![] };
    let edits_of =
        |record| store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.edits_of(record)).unwrap();
    let foreign: Vec<KeptEdit> = edits_of(stage.secret).iter().map(|it| kept(it.edit.id, it.edit.dot.n)).collect();
    // Others' edits as its own, too many, out of order, twice.
    let too_many: Vec<KeptEdit> =
        (1..=IDS_A_QUESTION as u64 + 1).map(|n| kept(EditId::fresh(&*centre.clock), n)).collect();
    let first = too_many[0].clone();
    let unordered = vec![too_many[1].clone(), first.clone()];
    let once = KeptEdit { once: vec![(first.dot, true); 4 * IDS_A_QUESTION], ..first.clone() };
    for (kept, expected) in
        [(foreign, 200), (too_many, 413), (unordered, 400), (vec![first.clone(), first], 400), (vec![once], 413)]
    {
        let (status, text) = stage.says("/api/v1/slot", &serde_json::to_value(ask(false, kept)).unwrap()).await;
        assert_eq!(status, expected, "{text}");
    }
    stage.undisturbed().await;
    // That others' edits once stood where everybody has seen something, so that all would count as seen: it may say so of
    // its own alone.
    let shared = edits_of(stage.shared);
    let seen: Vec<(Dot, bool)> = shared.iter().flat_map(|it| it.edit.context.iter()).map(|dot| (dot, true)).collect();
    let theirs = shared.iter().map(|it| KeptEdit { once: seen.clone(), ..kept(it.edit.id, it.edit.dot.n) });
    let (status, text) =
        stage.says("/api/v1/slot", &serde_json::to_value(ask(true, theirs.take(1).collect())).unwrap()).await;
    assert_eq!(status, 200, "{text}");
    stage.undisturbed().await;
    // A slot of its own it gets for saying so, with the rights it has, until the end it had.
    let (_, text) = stage.says("/api/v1/slot", &serde_json::to_value(ask(true, vec![])).unwrap()).await;
    let told: SlotAnswer = serde_json::from_str(&text).unwrap();
    let fork = told.fork.unwrap();
    assert_eq!(fork.expires, stage.liar.enrolled.expires);
    stage.liar.token = fork.token;
    stage.liar.slot = fork.slot;
    stage.liar.n = 0;
    stage.liar.cursor = None;
    let told = stage.sends(vec![]).await;
    assert!(told.refill && told.items.len() == 1);
    stage.undisturbed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lies_about_what_it_holds() {
    let centre = Centre::open().await;
    let mut stage = Stage::set(&centre).await;
    let (shared, secret) = (stage.shared, stage.secret);
    // Sums of what it may not read: of parts, of single records, of everything.
    let branches = vec![
        (Part::Restricted, Prefix::default()),
        (Part::Restricted, Prefix::of(shared, 16)),
        (Part::Open, Prefix::of(secret, 16)),
        (Part::Open, Prefix::default()),
    ];
    let digest = Some(DigestAsk { version: VERSION, branches: branches.clone() });
    let (_, text) = stage.lies(&SyncRequest { digest, ..stage.liar.request(vec![]) }).await;
    let told: SyncAnswer = serde_json::from_str(&text).unwrap();
    let counts: Vec<u64> = told.digest.unwrap().branches.iter().map(|branch| branch.count).collect();
    assert_eq!(counts, [0, 0, 0, 1]);
    let many = Some(DigestAsk { version: VERSION, branches: vec![branches[0].clone(); 33] });
    let (status, _) = stage.lies(&SyncRequest { digest: many, ..stage.liar.request(vec![]) }).await;
    assert_eq!(status, 413);
    // "Send me that again": what it may not read is gone, as what never was. A flood is refused.
    let again = vec![
        (secret, Part::Open),
        (secret, Part::Restricted),
        (shared, Part::Restricted),
        (RecordId::fresh(&*centre.clock), Part::Open),
    ];
    let (_, text) = stage.lies(&SyncRequest { again: again.clone(), ..stage.liar.request(vec![]) }).await;
    let told: SyncAnswer = serde_json::from_str(&text).unwrap();
    assert!(told.items.len() == 4 && told.items.iter().all(|item| item.is_gone() && !item.erased));
    let flood = vec![again[0]; AGAIN_A_ROUND + 1];
    assert_eq!(stage.lies(&SyncRequest { again: flood, ..stage.liar.request(vec![]) }).await.0, 413);
    stage.undisturbed().await;

    // Words put about records it may not read, or that lie in a part it may not; ever so many.
    let remain = |record, part: Part, path: &str| Remain {
        edit: EditId::fresh(&*centre.clock),
        record,
        kind: shared::record::RecordKind::Person,
        part,
        path: path.parse().unwrap(),
        value: Value::text("诽谤"),
        at: centre.clock.now(),
        author: stage.honest.author.clone(),
    };
    let remains = vec![
        remain(secret, Part::Open, "phone"),
        remain(shared, Part::Restricted, "care_note"),
        remain(RecordId::fresh(&*centre.clock), Part::Restricted, "care_note"),
    ];
    let many = vec![remains[0].clone(); REMAINS_A_ROUND + 1];
    assert_eq!(stage.lies(&SyncRequest { remains, ..stage.liar.request(vec![]) }).await.0, 200);
    assert_eq!(stage.lies(&SyncRequest { remains: many, ..stage.liar.request(vec![]) }).await.0, 413);
    let kept = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.remains(9)).unwrap();
    assert!(kept.is_empty(), "{kept:?}");

    // Others' edits in quarantine are not its to take back.
    let waits = stage.far.resident("邻格", GRID);
    assert_eq!(rejected(&stage.far.sync(vec![waits.clone()]).await, 0).reason, RejectReason::NotAllowed);
    let withdrawn = vec![waits.id];
    assert_eq!(stage.lies(&SyncRequest { withdrawn, ..stage.liar.request(vec![]) }).await.0, 200);
    let open = store::read::<_, StoreError>(&*centre.app.store, TOWN, |read| read.quarantine(true, 9)).unwrap();
    assert_eq!(open.iter().map(|held| held.edit.id).collect::<Vec<_>>(), [waits.id]);
    stage.undisturbed().await;
    // What it asks of nobody in particular is no request at all.
    for nonsense in [json!({"protocol": 2, "orders": []}), json!({"protocol": 2, "again": [["x", "open"]]}), json!([])]
    {
        assert_eq!(stage.says("/api/v1/sync", &nonsense).await.0, 400);
    }
    stage.undisturbed().await;
}
