//! A town in which every cell of the table lies: people of every role, records of every kind everywhere, and the doors.

use std::collections::BTreeMap;

use reqwest::header::LOCATION;
use reqwest::{Method, StatusCode};
use shared::area::AreaId;
use shared::author::Role;
use shared::edit::Edit;
use shared::ids::RecordId;
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{Outcome, RejectReason, SyncRequest};
use sync_server::import::job::{Body, Import, State};
use sync_server::import::report::Counts;
use sync_server::store::{self, StoreError, User};
use uuid::Uuid;

use super::doc::Rights;
use super::records::{Records, care, has_photos, made, parts, title};
use crate::common::desk::{self, Desk};
use crate::common::outbox::{csrf, exported, upload};
use crate::common::tus::{hash, link};
use crate::common::{Centre, FAR_GRID, FOREIGN_GRID, GRID, Handheld, TOWN, answer};

/// The scope of everybody who is tried: 条山社区.
pub const SCOPE: AreaId = AreaId(10);
/// What stands in the restricted part of every resident.
pub const CARE: &str = "独居需要上门";

/// Where a record lies for who is tried, and what became of it or them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Where {
    Own,
    Other,
    Town,
    Named,
    Lapsed,
    Withdrawn,
    Ended,
}

impl Where {
    /// As in the doc.
    pub fn code(self) -> &'static str {
        match self {
            Self::Own => "own",
            Self::Other => "other",
            Self::Town => "town",
            Self::Named => "named",
            Self::Lapsed => "lapsed",
            Self::Withdrawn => "withdrawn",
            Self::Ended => "ended",
        }
    }

    pub fn area(self) -> AreaId {
        match self {
            Self::Own | Self::Lapsed | Self::Withdrawn | Self::Ended => GRID,
            Self::Other | Self::Named => FAR_GRID,
            Self::Town => FOREIGN_GRID,
        }
    }
}

/// A cell of the table, of somebody.
#[derive(Debug, Clone, Copy)]
pub struct Cell {
    pub action: &'static str,
    pub at: Where,
    pub kind: RecordKind,
}

/// A door that was tried for a cell.
pub struct Tried {
    pub door: &'static str,
    pub cell: Cell,
    pub open: bool,
}

/// Somebody of a role, at a desk and with a handheld.
pub struct Person<'a> {
    pub user: User,
    pub cleared: bool,
    pub desk: Desk<'a>,
    pub feed: Handheld<'a>,
}

impl Person<'_> {
    pub fn rights(&self) -> Rights {
        Rights { cleared: self.cleared, may_unmask: self.user.may_unmask }
    }
}

/// Everybody who is tried: each role in `scope`, cleared and with `may_unmask` as said.
pub async fn people<'a>(centre: &'a Centre, scope: AreaId, rights: &[(bool, bool)]) -> Vec<Person<'a>> {
    let mut all = Vec::new();
    for role in Role::ALL {
        for (cleared, may_unmask) in rights.iter().copied() {
            let mut login = role.code().to_owned();
            for (has, name) in [(cleared, "-cleared"), (may_unmask, "-unmask"), (scope == TOWN, "-whole")] {
                login.push_str(if has { name } else { "" });
            }
            let user = desk::person(centre, &login, role, scope, may_unmask, cleared);
            let desk = Desk::logged_in(centre, &login).await;
            all.push(Person { feed: centre.enrol(&user).await, user, cleared, desk });
        }
    }
    all
}

/// Who brings exported files to the console.
pub async fn importer(centre: &Centre) -> Desk<'_> {
    desk::person(centre, "importer", Role::Admin, TOWN, false, false);
    Desk::logged_in(centre, "importer").await
}

/// Other rights from now on.
pub fn change_user(centre: &Centre, person: &Person<'_>, cleared: bool, active: bool) {
    let user = User { cleared, active, ..person.user.clone() };
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| tx.put_user(&user)).unwrap();
}

/// Every way to read, everywhere.
pub async fn read(person: &mut Person<'_>, records: &Records<'_>) -> Vec<Tried> {
    let centre = person.feed.centre;
    let mut fill = centre.enrol(&person.user).await;
    fill.catch_up().await;
    person.feed.catch_up().await;
    let mut tried = Vec::new();
    let again = told_again(&fill, records).await;
    for (cell, kept, part) in records.readable() {
        tried.push(Tried { door: "feed", cell, open: person.feed.holds(kept.id, part) });
        tried.push(Tried { door: "first fill", cell, open: fill.holds(kept.id, part) });
        tried.push(Tried { door: "again", cell, open: again.contains(&(kept.id, part)) });
        tried.push(Tried { door: "history", cell, open: history(&fill, kept.id, part).await });
        tried.push(Tried { door: "record page", cell, open: page(&person.desk, kept.id, part).await });
        if let Some(photo) = &kept.photo {
            let status = fill.fetch(photo).await.status();
            assert!(matches!(status, StatusCode::OK | StatusCode::NOT_FOUND), "{status}");
            tried.push(Tried { door: "photo", cell, open: status == StatusCode::OK });
            let status = person.desk.get(&format!("/console/photos/{}/{photo}", kept.id)).await.status();
            assert!(matches!(status, StatusCode::OK | StatusCode::NOT_FOUND), "{status}");
            tried.push(Tried { door: "photo page", cell, open: status == StatusCode::OK });
        }
    }
    tried
}

/// The same of what lies in the scope, for somebody whose clearance or post is gone.
pub async fn read_own(person: &mut Person<'_>, records: &Records<'_>, at: Where) -> Vec<Tried> {
    let response = person.feed.try_sync(Vec::new()).await;
    let ended = response.status() == StatusCode::UNAUTHORIZED;
    if !ended {
        let told = answer(response).await;
        person.feed.take(&told, &[]);
        person.feed.catch_up().await;
    }
    let mut tried = Vec::new();
    for kind in RecordKind::ALL {
        let kept = &records.kept[&(Where::Own, kind)];
        for (action, part) in parts(kind, at) {
            if at == Where::Withdrawn && part == Part::Open {
                continue;
            }
            let cell = Cell { action, at, kind };
            tried.push(Tried { door: "feed", cell, open: !ended && person.feed.holds(kept.id, part) });
            tried.push(Tried { door: "history", cell, open: history(&person.feed, kept.id, part).await });
            tried.push(Tried { door: "record page", cell, open: page(&person.desk, kept.id, part).await });
        }
        if let (Some(photo), Where::Ended) = (&kept.photo, at) {
            let cell = Cell { action: "read", at, kind };
            let open = person.feed.fetch(photo).await.status() == StatusCode::OK;
            tried.push(Tried { door: "photo", cell, open });
        }
    }
    tried
}

/// What comes when all of it is asked for again.
async fn told_again(hand: &Handheld<'_>, records: &Records<'_>) -> Vec<(RecordId, Part)> {
    let again = records.readable().into_iter().map(|(_, kept, part)| (kept.id, part)).collect();
    let request = SyncRequest { again, ..hand.request(vec![]) };
    let told = answer(hand.raw(serde_json::to_vec(&request).unwrap(), &[]).await).await;
    told.items.iter().filter(|item| item.state.is_some()).map(|item| (item.id, item.part)).collect()
}

async fn history(hand: &Handheld<'_>, record: RecordId, part: Part) -> bool {
    let path = format!("/api/v1/records/{record}/history");
    let response = hand.centre.send(Method::GET, &path, Some(&hand.token), vec![], &[]).await;
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(matches!(status.as_u16(), 200 | 401 | 404), "{status}: {text}");
    status == StatusCode::OK && (part == Part::Open || text.contains(CARE))
}

async fn page(desk: &Desk<'_>, record: RecordId, part: Part) -> bool {
    let response = desk.get(&format!("/console/records/{record}")).await;
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(matches!(status.as_u16(), 200 | 303 | 403 | 404), "{status}: {text}");
    assert!(status == StatusCode::OK || !text.contains(CARE), "{text}");
    status == StatusCode::OK && (part == Part::Open || text.contains(CARE))
}

/// Batches of areas, and of restricted columns.
pub async fn take_out(person: &mut Person<'_>) -> Vec<Tried> {
    let token = csrf(&person.desk).await;
    let mut tried = Vec::new();
    let plain = [Where::Own, Where::Other, Where::Town].map(|at| (at, "take-out", None));
    let more = [("take-out-restricted", "restricted"), ("take-out-unmasked", "unmasked")];
    let more = more.map(|(action, field)| (Where::Own, action, Some(field)));
    for (at, action, field) in plain.into_iter().chain(more) {
        let area = at.area().to_string();
        let mut fields = vec![("csrf", token.as_str()), ("area", &area), ("format", "csv"), ("since", "all")];
        fields.extend(field.map(|field| (field, "true")));
        let response = person.desk.send("/console/batches", &fields).await;
        let to = response.headers().get(LOCATION).map(|to| to.to_str().unwrap()).unwrap_or_default();
        let open = response.status() == StatusCode::SEE_OTHER && to.starts_with("/console/batches?");
        assert!(open || matches!(response.status().as_u16(), 403 | 409), "{}", response.status());
        tried.push(Tried { door: "batch", cell: Cell { action, at, kind: RecordKind::Person }, open });
    }
    tried
}

/// Every way to write, everywhere; what merges comes last.
fn writes(hand: &mut Handheld<'_>, records: &Records<'_>, duplicate: RecordId) -> Vec<(Cell, Edit)> {
    let mut all = Vec::new();
    for kind in RecordKind::ALL {
        for at in [Where::Own, Where::Other, Where::Town] {
            let edit = made(hand, kind, at.area(), "新的");
            all.push((Cell { action: "create", at, kind }, edit));
        }
    }
    for (at, kind, kept) in records.all() {
        let edit = hand.edit(kept.id, kind, Part::Open, &[(title(kind), Value::text("改过的"))]);
        all.push((Cell { action: "change", at, kind }, edit));
        if matches!(at, Where::Own | Where::Other) {
            let edit = hand.edit(kept.id, kind, Part::Open, &[("area", Value::of(&at.area()))]);
            all.push((Cell { action: "redraw", at, kind }, edit));
        }
        if has_photos(kind) && matches!(at, Where::Own | Where::Other | Where::Named) {
            let mut edit = hand.edit(kept.id, kind, Part::Open, &[]);
            let photo = hash(edit.id.to_string().as_bytes());
            link(&mut edit, &photo);
            all.push((Cell { action: "add-photo", at, kind }, edit));
        }
        if kind == RecordKind::Person {
            let edit = hand.care(kept.id, &care());
            all.push((Cell { action: "change-restricted", at, kind }, edit));
        }
    }
    for at in [Where::Own, Where::Other] {
        let edit = hand.edit(
            records.visits[&at].id,
            RecordKind::Event,
            Part::Open,
            &[(title(RecordKind::Event), Value::text("改过的"))],
        );
        all.push((Cell { action: "change-visit", at, kind: RecordKind::Event }, edit));
    }
    for (at, from) in [(Where::Other, None), (Where::Own, Some(duplicate))] {
        let into = records.kept[&(at, RecordKind::Person)].id;
        let from = from.unwrap_or(into);
        let mut edit = hand.edit(from, RecordKind::Person, Part::Open, &[]);
        let into = records.kept[&(Where::Own, RecordKind::Person)].id;
        edit.writes.insert(Path::field("merged_into"), Value::of(&into));
        all.push((Cell { action: "merge", at, kind: RecordKind::Person }, edit));
    }
    all
}

/// Sends edits and says of each whether it was applied. What is refused for another reason tried nothing.
async fn outcomes(hand: &mut Handheld<'_>, door: &'static str, wanted: Vec<(Cell, Edit)>) -> Vec<Tried> {
    let told = hand.sync(wanted.iter().map(|(_, edit)| edit.clone()).collect()).await;
    let each = wanted.into_iter().zip(told.receipts);
    let tried = each.map(|((cell, edit), receipt)| {
        assert_eq!(receipt.edit, edit.id);
        let open = match receipt.outcome {
            Outcome::Applied { .. } => true,
            Outcome::Rejected(why) => {
                // Of another town it is answered as if there were no such record: unknown, and an orphan of whatever was
                // refused of it before.
                let nowhere = matches!(why.reason, RejectReason::Unknown | RejectReason::Orphan);
                let unknown = cell.at == Where::Town && nowhere;
                assert!(unknown || why.reason == RejectReason::NotAllowed, "{door} {cell:?}: {why:?}");
                false
            }
        };
        Tried { door, cell, open }
    });
    tried.collect()
}

/// By a round of the handheld.
pub async fn push(person: &mut Person<'_>, records: &Records<'_>) -> Vec<Tried> {
    let duplicate = records.duplicates[&(person.user.login.clone(), "push")];
    let wanted = writes(&mut person.feed, records, duplicate);
    outcomes(&mut person.feed, "push", wanted).await
}

/// By a file of the handheld that somebody else brings. What became of each edit it says when it is sent again.
pub async fn import(admin: &Desk<'_>, person: &mut Person<'_>, records: &Records<'_>) -> Vec<Tried> {
    let mut hand = person.feed.centre.enrol(&person.user).await;
    hand.catch_up().await;
    let wanted = writes(&mut hand, records, records.duplicates[&(person.user.login.clone(), "import")]);
    let edits: Vec<Edit> = wanted.iter().map(|(_, edit)| edit.clone()).collect();
    let (status, text) = upload(admin, &exported(&hand, &edits, &[])).await;
    assert_eq!(status, StatusCode::OK, "{text}");
    outcomes(&mut hand, "import", wanted).await
}

/// The records and terminals that acts are tried on, by what stands in the path and where.
pub struct Targets(BTreeMap<(&'static str, &'static str), String>);

impl Targets {
    pub fn of(centre: &Centre, records: &Records<'_>) -> Self {
        let mut all = BTreeMap::new();
        for (at, kind, kept) in records.all() {
            let name = match kind {
                RecordKind::Person => "{person}",
                RecordKind::Event => "{event}",
                _ => continue,
            };
            all.insert((name, at.code()), kept.id.to_string());
        }
        for (town, at) in [(TOWN, Where::Own), (AreaId(9), Where::Town)] {
            let devices = store::read::<_, StoreError>(&*centre.app.store, town, |read| read.devices()).unwrap();
            all.insert(("{terminal}", at.code()), devices[0].id.to_string());
        }
        for (area, at) in [(GRID, Where::Own), (FAR_GRID, Where::Other), (FOREIGN_GRID, Where::Town)] {
            let user = centre.person(&format!("works-{}", at.code()), Role::GridMember, area, false);
            all.insert(("{user}", at.code()), user.id.to_string());
        }
        all.insert(("{table}", Where::Own.code()), table(centre).to_string());
        Self(all)
    }

    pub fn path(&self, path: &str, at: &str) -> String {
        let Some((begin, end)) = path.find('{').zip(path.find('}')) else { return path.to_owned() };
        let name = &path[begin..=end];
        let target = self.0.iter().find(|((of, place), _)| *of == name && *place == at);
        path.replace(name, target.unwrap_or_else(|| panic!("there is no {name} {at}")).1)
    }
}

/// A table that a command on the server brought: nobody's own.
fn table(centre: &Centre) -> Uuid {
    let (id, now) = (centre.clock.uuid(), centre.clock.now());
    let body = Body {
        state: State::Mapping,
        name: "residents.csv".to_owned(),
        kind: RecordKind::Person,
        area: None,
        sheet: None,
        header_line: None,
        mapping: None,
        written: String::new(),
        counts: Counts::default(),
        error: None,
        undo: None,
        touched: now,
    };
    let import = Import { id, user: None, at: now, slot: None, body };
    store::write::<_, StoreError>(&*centre.app.store, TOWN, |tx| import.put(tx)).unwrap();
    id
}

/// Whether the form does anything for somebody, were it filled in.
pub async fn act(person: &Person<'_>, path: &str) -> bool {
    let token = csrf(&person.desk).await;
    let status = person.desk.send(path, &[("csrf", &token)]).await.status();
    assert!(status.is_success() || status.is_redirection() || status.is_client_error(), "{path}: {status}");
    !matches!(status, StatusCode::FORBIDDEN | StatusCode::NOT_FOUND)
}

/// Whether what waits for a word got it.
pub async fn done(person: &Person<'_>, path: &str, fields: &[(&str, String)]) -> bool {
    let token = csrf(&person.desk).await;
    let mut all = vec![("csrf", token.as_str())];
    all.extend(fields.iter().map(|(name, value)| (*name, value.as_str())));
    let response = person.desk.send(path, &all).await;
    let status = response.status();
    if status.is_success() || status.is_redirection() {
        return true;
    }
    let said = response.text().await.unwrap();
    assert!(matches!(status.as_u16(), 403 | 404 | 409), "{path} by {}: {status} {said}", person.user.login);
    // Refused for the right that is missing, not because the other half was.
    assert!(!said.contains("另一位权限相同的人"), "{path} by {}: {said}", person.user.login);
    false
}
