//! What the tests of this crate share: a clock and randomness that replay, a handheld in a folder of its own, a server
//! made by the test.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::sync::Arc;
use std::sync::Mutex;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::value::RawValue;
use shared::area::{Area, AreaId, AreaLevel};
use shared::author::Role;
use shared::calendar::Calendar;
use shared::edit::Edit;
use shared::form::Forms;
use shared::ids::{DeviceId, Dot, EditId, PhotoHash, RecordId, Slot, UserId};
use shared::merge::PartState;
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::{
    EnrolAnswer, EnrolRequest, ErrorAnswer, Fork, Item, Me, Outcome, Receipt, RejectReason, Rejection, Setup,
    SlotAnswer, SlotRequest, StandIn, SyncAnswer, SyncRequest, SyncRequestOf,
};
use uuid::Uuid;

use crate::handheld::{Door, Draft, Handheld};
use crate::lock::Cost;
use crate::platform::{Boxed, FileKeyStore, Network, NoLocation, Paths, Services};
use crate::store::Rules;
use crate::sync::{Connect, Method, Request, Response, Transport, TransportError, Trust};

/// A clock that moves a second each time it is asked, and random bytes that replay.
pub struct Replay(Mutex<(u64, i64)>);

impl Replay {
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new((seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1, 0))))
    }

    pub fn pass(&self, seconds: i64) {
        self.0.lock().unwrap().1 += seconds;
    }
}

impl Outside for Replay {
    fn now(&self) -> DateTime<Utc> {
        let mut state = self.0.lock().unwrap();
        state.1 += 1;
        DateTime::from_timestamp(1_795_000_000, 0).unwrap() + TimeDelta::seconds(state.1)
    }

    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.0.lock().unwrap();
        for byte in bytes {
            // xorshift64*
            state.0 ^= state.0 >> 12;
            state.0 ^= state.0 << 25;
            state.0 ^= state.0 >> 27;
            *byte = (state.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8;
        }
    }
}

pub fn rules() -> Rules {
    Rules::new(Forms::parse(assets::FORMS.iter().copied()).unwrap(), Calendar::parse(assets::CALENDAR).unwrap())
}

pub const GRID: AreaId = AreaId(31);

pub fn setup(user: UserId) -> Setup {
    let area = |id, parent, level, name: &str| Area::new(AreaId(id), parent, level, name, "");
    Setup {
        edition: None,
        app: None,
        version: "1".to_owned(),
        town: AreaId(2),
        user: Me { id: user, name: "马兰".to_owned(), role: Role::GridMember, cleared: true },
        areas: vec![
            area(1, None, AreaLevel::County, "县"),
            area(2, Some(AreaId(1)), AreaLevel::Town, "镇"),
            area(3, Some(AreaId(2)), AreaLevel::Community, "村"),
            area(31, Some(AreaId(3)), AreaLevel::Grid, "第一网格"),
        ],
        scope: vec![GRID],
        led: Vec::new(),
        handlers: Vec::new(),
        recipient: None,
        lease_hours: 0,
        stamp: false,
        pins: Vec::new(),
    }
}

/// A server of a few lines: applies what it is sent, refuses what the test says, gives all of it to everybody.
#[derive(Default)]
pub struct Server(pub Mutex<Inside>);

/// Whether an edit is one that the server cannot take.
pub type Poison = fn(&Edit) -> bool;

pub struct Inside {
    pub parts: BTreeMap<(RecordId, Part), (RecordKind, PartState, u64)>,
    pub sequence: u64,
    pub high_water: BTreeMap<Slot, u64>,
    pub outcomes: BTreeMap<shared::ids::EditId, Outcome>,
    pub accepted: Vec<Edit>,
    /// Looks as they came, each time they came.
    pub looks: Vec<shared::wire::Look>,
    pub refuse: Option<fn(&Edit) -> bool>,
    pub users: Vec<UserId>,
    /// More areas, in the scope of everybody who enrols.
    pub areas: Vec<Area>,
    pub slots: u64,
    /// Slots given instead of one that two shared, by the key of the question.
    pub forks: BTreeMap<Uuid, u64>,
    pub requests: u32,
    pub page: usize,
    pub epoch: u32,
    /// Records the reader may not see (any more), with the sequence at which they left.
    pub gone: BTreeMap<RecordId, u64>,
    /// From now on so many requests are lost; then so many answers.
    pub lose_requests: u32,
    pub lose_answers: u32,
    /// After so many answers all others are lost.
    pub answers_left: Option<u32>,
    /// Requests with an edit of which this is said get this status; its stand-in is taken.
    pub poison: Option<(u16, Poison)>,
    /// Answers this status next, once, with a Retry-After.
    pub status: Option<u16>,
    pub refill: bool,
    pub backed_up: u64,
    pub elsewhere_safe: bool,
    pub photos: BTreeMap<String, Vec<u8>>,
    pub uploads: BTreeMap<String, (String, usize, Vec<u8>)>,
    /// Breaks the connection within the next so many pieces.
    pub lose_pieces: u32,
    /// Pieces that came, and what happens when one does.
    pub pieces: u32,
    pub at_piece: Option<Box<dyn FnMut(u32) + Send>>,
    /// No more photos are taken from anybody for now.
    pub quota: bool,
    /// What was asked for, in order: the verb of a photo's request, or `round`.
    pub log: Vec<String>,
}

impl Default for Inside {
    fn default() -> Self {
        Self {
            parts: BTreeMap::new(),
            sequence: 0,
            high_water: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            accepted: Vec::new(),
            looks: Vec::new(),
            refuse: None,
            users: Vec::new(),
            areas: Vec::new(),
            slots: 100,
            forks: BTreeMap::new(),
            requests: 0,
            page: 1000,
            epoch: 1,
            gone: BTreeMap::new(),
            lose_requests: 0,
            lose_answers: 0,
            answers_left: None,
            poison: None,
            status: None,
            refill: false,
            backed_up: 0,
            elsewhere_safe: false,
            photos: BTreeMap::new(),
            uploads: BTreeMap::new(),
            lose_pieces: 0,
            pieces: 0,
            at_piece: None,
            quota: false,
            log: Vec::new(),
        }
    }
}

impl Inside {
    fn accept(&mut self, slot: Slot, edit: Edit) -> Outcome {
        if let Some(outcome) = self.outcomes.get(&edit.id) {
            // Under a new dot (enrolled again) it consumes its n all the same.
            if edit.dot.n == self.high_water.get(&slot).copied().unwrap_or(0) + 1 {
                self.high_water.insert(slot, edit.dot.n);
            }
            return outcome.clone();
        }
        assert_eq!(edit.dot.slot, slot);
        assert_eq!(edit.dot.n, self.high_water.get(&slot).copied().unwrap_or(0) + 1, "dots come without gaps");
        self.high_water.insert(slot, edit.dot.n);
        let outcome = if self.refuse.is_some_and(|refuse| refuse(&edit)) {
            Outcome::Rejected(Rejection {
                reason: RejectReason::NotAllowed,
                path: None,
                detail: String::new(),
                note: String::new(),
            })
        } else {
            self.sequence += 1;
            let (_, state, seq) =
                self.parts.entry((edit.record, edit.part)).or_insert_with(|| (edit.kind, PartState::default(), 0));
            *seq = self.sequence;
            let mut applied = state.vector().clone();
            if edit.dot.n > 1 {
                applied.observe((slot, edit.dot.n - 1).into());
            }
            let mut edit = edit.clone();
            edit.context = edit.context.clipped_to(&applied);
            state.apply(&edit);
            self.accepted.push(edit);
            Outcome::Applied { vector: state.vector().clone() }
        };
        self.outcomes.insert(edit.id, outcome.clone());
        outcome
    }

    fn sync(&mut self, slot: Slot, request: SyncRequest) -> SyncAnswer {
        let from: u64 = request.cursor.as_deref().unwrap_or("0").parse().unwrap();
        let refill = request.cursor.is_none() || std::mem::take(&mut self.refill);
        let from = if refill { 0 } else { from };
        self.looks.extend(request.looks);
        let receipts: Vec<Receipt> =
            request.edits.into_iter().map(|edit| Receipt { edit: edit.id, outcome: self.accept(slot, edit) }).collect();
        let mut items: Vec<(u64, Item)> = self
            .parts
            .iter()
            .filter(|((id, _), (_, _, seq))| *seq > from && !self.gone.contains_key(id))
            .map(|((id, part), (kind, state, seq))| {
                let state = serde_json::value::to_raw_value(state).unwrap();
                (*seq, Item { id: *id, part: *part, kind: Some(*kind), state: Some(state), erased: false })
            })
            .collect();
        for (id, seq) in self.gone.iter().filter(|(_, seq)| **seq > from) {
            items.push((*seq, Item { id: *id, part: Part::Open, kind: None, state: None, erased: false }));
        }
        items.sort_by_key(|(seq, _)| *seq);
        let total = (refill).then_some(items.len() as u64);
        let more = items.len() > self.page;
        items.truncate(self.page);
        let cursor = items.last().map_or(from, |(seq, _)| *seq).to_string();
        SyncAnswer {
            receipts,
            high_water: self.high_water.get(&slot).copied().unwrap_or(0),
            items: items.into_iter().map(|(_, item)| item).collect(),
            more,
            refill,
            total,
            backed_up: self.backed_up,
            elsewhere_safe: self.elsewhere_safe,
            ..SyncAnswer::nothing(self.epoch, cursor, DateTime::from_timestamp(1_795_000_000, 0).unwrap())
        }
    }

    /// What the real server refuses before it applies anything: what it cannot read, and dots that do not follow.
    fn refuse_whole(&self, slot: Slot, request: &SyncRequest) -> Option<Response> {
        let said = |status, code: &str| {
            let said = ErrorAnswer { code: code.to_owned(), message: String::new(), request: String::new() };
            Response { status, headers: Vec::new(), body: serde_json::to_vec(&said).unwrap() }
        };
        if let Some((status, _)) = self.poison.filter(|(_, poison)| request.edits.iter().any(poison)) {
            return Some(said(status, if status == 500 { "internal" } else { "bad_shape" }));
        }
        let mut next = self.high_water.get(&slot).copied().unwrap_or(0) + 1;
        for edit in &request.edits {
            if edit.dot.n == next {
                next += 1;
            } else if !self.outcomes.contains_key(&edit.id) {
                return Some(said(409, "out_of_step"));
            }
        }
        None
    }

    /// Who this is: another one if the files or the server were restored, or stand under dots that others wrote.
    fn slot(&mut self, slot: Slot, asked: SlotRequest) -> SlotAnswer {
        let high_water = *self.high_water.entry(slot).or_insert(0);
        let known = |id: &EditId| self.outcomes.get(id).map(|outcome| Receipt { edit: *id, outcome: outcome.clone() });
        let receipts: Vec<Receipt> = asked.kept.iter().filter_map(|kept| known(&kept.id)).collect();
        let stands = |id: &EditId| self.accepted.iter().find(|edit| edit.id == *id).map(|edit| edit.dot);
        let dots: Vec<(EditId, Dot)> = asked
            .kept
            .iter()
            .filter_map(|kept| Some((kept.id, stands(&kept.id).filter(|dot| *dot != kept.dot)?)))
            .collect();
        let unknown = asked.kept.iter().filter(|kept| !self.outcomes.contains_key(&kept.id));
        let mut follow = (high_water + 1..).zip(unknown.clone());
        let agree = dots.is_empty()
            && asked.epoch == self.epoch
            && high_water + unknown.count() as u64 == asked.last
            && follow.all(|(n, kept)| kept.dot == Dot { slot, n });
        let fresh = asked.moving && high_water == 0;
        let fork = (asked.restored || !(agree || fresh)).then(|| {
            let new = *self.forks.entry(asked.key).or_insert_with(|| {
                self.slots += 1;
                self.slots
            });
            Fork {
                device: DeviceId(Uuid::from_u128(u128::from(new))),
                slot: Slot(new),
                token: new.to_string(),
                expires: DateTime::from_timestamp(2_000_000_000, 0).unwrap(),
            }
        });
        let time = DateTime::from_timestamp(1_795_000_000, 0).unwrap();
        SlotAnswer { epoch: self.epoch, time, receipts, dots, fork, lease: None }
    }

    fn photo(&mut self, request: &Request) -> Result<Response, TransportError> {
        self.log.push(format!("{:?}", request.method));
        let header = |name: &str| {
            request.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str()).unwrap()
        };
        let answer = |status, headers: &[(&str, &str)]| Response {
            status,
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
            body: Vec::new(),
        };
        match request.method {
            Method::Post if self.quota => {
                let said = shared::wire::ErrorAnswer {
                    code: "photo_quota".to_owned(),
                    message: String::new(),
                    request: String::new(),
                };
                let headers = vec![("retry-after".to_owned(), "3600".to_owned())];
                Ok(Response { status: 429, headers, body: serde_json::to_vec(&said).unwrap() })
            }
            Method::Post => {
                use base64::Engine;
                let encoded = header("upload-metadata").strip_prefix("hash ").unwrap();
                let hash = base64::engine::general_purpose::STANDARD.decode(encoded).unwrap();
                let hash = String::from_utf8(hash).unwrap();
                let path = format!("/api/v1/photos/uploads/{}", self.uploads.len());
                self.uploads.insert(path.clone(), (hash, header("upload-length").parse().unwrap(), Vec::new()));
                Ok(answer(201, &[("location", &format!("https://example.test{path}"))]))
            }
            Method::Head => match self.uploads.get(&request.path) {
                Some((_, _, bytes)) => Ok(answer(200, &[("upload-offset", &bytes.len().to_string())])),
                None => Ok(answer(404, &[])),
            },
            Method::Patch => {
                let Some((hash, length, bytes)) = self.uploads.get_mut(&request.path) else {
                    return Ok(answer(404, &[]));
                };
                if header("upload-offset") != bytes.len().to_string() {
                    return Ok(answer(409, &[]));
                }
                self.pieces += 1;
                if let Some(at_piece) = &mut self.at_piece {
                    at_piece(self.pieces);
                }
                if self.lose_pieces > 0 {
                    self.lose_pieces -= 1;
                    // Half of it arrived before the line broke.
                    bytes.extend_from_slice(&request.body[..request.body.len() / 2]);
                    return Err(TransportError::Broken("cut".to_owned()));
                }
                bytes.extend_from_slice(&request.body);
                if bytes.len() < *length {
                    return Ok(answer(204, &[("upload-offset", &bytes.len().to_string())]));
                }
                let said = crate::photo::hash(bytes);
                assert_eq!(said.as_str(), hash);
                self.photos.insert(hash.clone(), bytes.clone());
                Ok(answer(204, &[("photo-hash", said.as_str())]))
            }
            Method::Get => {
                let hash = request.path.rsplit('/').next().unwrap();
                match self.photos.get(hash) {
                    Some(bytes) => Ok(Response { status: 200, headers: Vec::new(), body: bytes.clone() }),
                    None => Ok(answer(404, &[])),
                }
            }
        }
    }

    fn answer(&mut self, request: &Request) -> Result<Response, TransportError> {
        self.requests += 1;
        if self.lose_requests > 0 {
            self.lose_requests -= 1;
            return Err(TransportError::Broken("lost on the way".to_owned()));
        }
        if let Some(status) = self.status.take() {
            let headers = vec![("retry-after".to_owned(), "60".to_owned())];
            return Ok(Response { status, headers, body: Vec::new() });
        }
        if request.path.starts_with("/api/v1/photos") {
            return self.photo(request);
        }
        if request.path == "/api/v1/sync" {
            self.log.push("round".to_owned());
        }
        let packed = request.headers.iter().any(|(name, value)| *name == "content-encoding" && value == "zstd");
        let body = if packed { zstd::decode_all(request.body.as_slice()).unwrap() } else { request.body.clone() };
        let json = if request.path == "/api/v1/slot" {
            let asked: SlotRequest = shared::json::from_slice(&body).unwrap();
            serde_json::to_vec(&self.slot(slot_of(request), asked))
        } else if request.path == "/api/v1/enrol" {
            let asked: EnrolRequest = shared::json::from_slice(&body).unwrap();
            let place: usize = asked.code.parse().unwrap();
            let mut setup = setup(self.users[place]);
            setup.scope.extend(self.areas.iter().map(|area| area.id));
            setup.areas.extend(self.areas.iter().cloned());
            self.slots += 1;
            serde_json::to_vec(&EnrolAnswer {
                device: DeviceId(Uuid::from_u128(u128::from(self.slots))),
                slot: Slot(self.slots),
                epoch: self.epoch,
                token: self.slots.to_string(),
                expires: DateTime::from_timestamp(2_000_000_000, 0).unwrap(),
                setup,
                key: None,
            })
        } else {
            let slot = slot_of(request);
            let mut request: SyncRequestOf<Box<RawValue>> = shared::json::from_slice(&body).unwrap();
            let stand_in = request.edits.first().and_then(|raw| serde_json::from_str::<StandIn>(raw.get()).ok());
            if let Some(stand_in) = &stand_in {
                assert_eq!(request.edits.len(), 1, "it goes alone");
                assert_eq!(stand_in.dot.n, self.high_water.get(&slot).copied().unwrap_or(0) + 1);
                self.high_water.insert(slot, stand_in.dot.n);
                request.edits.clear();
            }
            let json = serde_json::to_string(&request).unwrap();
            let request: SyncRequest = serde_json::from_str(&json).unwrap();
            if let Some(refused) = self.refuse_whole(slot, &request) {
                return Ok(refused);
            }
            let mut answer = self.sync(slot, request);
            if let Some(StandIn { id, .. }) = stand_in {
                let why = RejectReason::Unknown;
                let rejection = Rejection { reason: why, path: None, detail: String::new(), note: String::new() };
                answer.receipts.push(Receipt { edit: id, outcome: Outcome::Rejected(rejection) });
            }
            serde_json::to_vec(&answer)
        };
        if self.lose_answers > 0 {
            self.lose_answers -= 1;
            return Err(TransportError::TimedOut);
        }
        match &mut self.answers_left {
            Some(0) => return Err(TransportError::TimedOut),
            Some(left) => *left -= 1,
            None => {}
        }
        let body = zstd::encode_all(json.unwrap().as_slice(), 3).unwrap();
        Ok(Response { status: 200, headers: vec![("content-encoding".to_owned(), "zstd".to_owned())], body })
    }

    pub fn state(&self, id: RecordId) -> PartState {
        self.parts.get(&(id, Part::Open)).map(|(_, state, _)| state.clone()).unwrap_or_default()
    }
}

fn slot_of(request: &Request) -> Slot {
    let mut values = request.headers.iter().map(|(_, value)| value);
    values.find_map(|value| value.strip_prefix("Bearer ")?.parse().ok()).map(Slot).unwrap()
}

/// A connection to the test's server.
#[derive(Clone)]
pub struct To(pub Arc<Server>);

impl Connect for To {
    fn connect(&self, _: &str, _: &Trust) -> Result<Arc<dyn Transport>, TransportError> {
        Ok(Arc::new(self.clone()))
    }
}

impl Transport for To {
    fn send(&self, request: Request) -> Boxed<'_, Result<Response, TransportError>> {
        Box::pin(async move { self.0.0.lock().unwrap().answer(&request) })
    }
}

pub fn open(dir: &FilePath, server: &Arc<Server>, outside: &Arc<Replay>) -> Handheld {
    try_open(dir, server, outside).unwrap()
}

pub fn try_open(
    dir: &FilePath,
    server: &Arc<Server>,
    outside: &Arc<Replay>,
) -> Result<Handheld, crate::store::StoreError> {
    open_on(dir, server, outside, Arc::new(crate::platform::Line::Free))
}

pub fn open_on(
    dir: &FilePath,
    server: &Arc<Server>,
    outside: &Arc<Replay>,
    network: Arc<dyn Network>,
) -> Result<Handheld, crate::store::StoreError> {
    let services = Services {
        keys: Arc::new(FileKeyStore::new(&Paths::new(dir).keys())),
        pin_cost: Cost::LEAST,
        connect: Arc::new(To(Arc::clone(server))),
        location: Arc::new(NoLocation),
        network,
        device: Arc::new(crate::platform::Desk),
        no_backup: None,
    };
    let handheld = Handheld::open(dir, services, Arc::clone(outside) as Arc<dyn Outside>)?;
    if let Door::Locked(residents) = handheld.door() {
        handheld.unlock(residents[0].user, PIN)?;
    }
    Ok(handheld)
}

/// Everybody's.
pub const PIN: &str = "402713";

pub fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A handheld enrolled with the server, as a user of its own.
pub fn enrolled(dir: &FilePath, server: &Arc<Server>, outside: &Arc<Replay>) -> Handheld {
    let handheld = open(dir, server, outside);
    let place = {
        let mut inside = server.0.lock().unwrap();
        inside.users.push(UserId(outside.uuid()));
        inside.users.len() - 1
    };
    runtime().block_on(handheld.enrol("https://example.test", &place.to_string(), PIN)).unwrap();
    handheld
}

pub fn writes(fields: &[(&str, &str)]) -> BTreeMap<Path, Value> {
    fields.iter().map(|(path, json)| (path.parse().unwrap(), serde_json::from_str(json).unwrap())).collect()
}

/// A new resident, saved.
pub fn resident(handheld: &Handheld, fields: &[(&str, &str)]) -> RecordId {
    let record = handheld.new_record_id();
    let mut writes = writes(fields);
    writes.insert(Path::field("area"), Value::of(&GRID));
    handheld
        .save(
            Draft {
                edit: handheld.new_edit_id(),
                record,
                kind: RecordKind::Person,
                form: 1,
                context: BTreeMap::new(),
                seen: None,
                writes,
            },
            None,
        )
        .unwrap();
    record
}

/// A draft of changes to a record as it stands on the screen.
pub fn change(handheld: &Handheld, record: RecordId, fields: &[(&str, &str)]) -> Draft {
    let page = handheld.record(record).unwrap().unwrap();
    Draft {
        edit: handheld.new_edit_id(),
        record,
        kind: page.record.kind,
        form: 1,
        context: page.vectors,
        seen: Some(page.seen),
        writes: writes(fields),
    }
}

pub fn shown(handheld: &Handheld, record: RecordId, field: &str) -> Option<String> {
    let page = handheld.record(record).unwrap()?;
    shared::view::one(&page.record.open, field).leading().map(|write| write.value.plain())
}

pub fn hash_of(text: &str) -> PhotoHash {
    crate::photo::hash(text.as_bytes())
}
