//! Gathering what is kept about a person, at one moment of the store. Photos are read while the file is written, the rest
//! is held: a person's records are small, and of the others only what names them is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use assets::messages::{Lang, Messages};
use chrono::{DateTime, Utc};
use shared::area::AreaTree;
use shared::author::Author;
use shared::form::{FieldType, Form, PhotoParticulars};
use shared::ids::{PhotoHash, RecordId, UserId};
use shared::merge::PartState;
use shared::record::{Part, RecordKind};
use shared::view::{self, Policy};

use super::told::{self, Batch, By, Field, Line, Looked, NotTaken, Photo, Readers, Record, Told, Written, time};
use super::{Found, PersonError, events};
use crate::AppState;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::batch::{Manifest, link_of, links, state};
use crate::blobs::Blobs;
use crate::export::{Telling, show};
use crate::in_force::InForce;
use crate::retention::Rules;
use crate::store::{Decision, KeptRemain, PartFilter, Read, StoredEdit, StoredPart, User};

/// Actions whose detail is the names of fields.
const NAMES_FIELDS: [&str; 3] = ["audit-unmask", "audit-to-decide", "audit-look"];

/// What is kept about a person.
pub struct Gathered {
    /// In which words.
    pub(super) lang: Lang,
    /// All but the changes.
    pub(super) told: Told,
    /// Every change, oldest first, record by record.
    pub(super) history: Vec<Line>,
    /// What the photos here are named by.
    pub(super) photos: Vec<PhotoHash>,
    asked: RecordId,
}

impl Gathered {
    /// The person's records: what is written down names each of them.
    pub fn records(&self) -> Vec<RecordId> {
        let kept: Vec<RecordId> = self.told.records.iter().map(|record| record.id).collect();
        if kept.is_empty() { vec![self.asked] } else { kept }
    }

    /// What the file is called: the id that was asked for, no name.
    pub fn file_name(&self) -> String {
        format!("{}.zip", self.asked)
    }
}

/// What everything is told with.
pub(super) struct Around<'a> {
    pub in_force: Arc<InForce>,
    pub read: &'a dyn Read,
    pub areas: &'a AreaTree,
    pub users: BTreeMap<UserId, User>,
    pub ids: BTreeSet<RecordId>,
    pub lang: Lang,
    pub words: Messages,
    newest: Option<DateTime<Utc>>,
}

impl Around<'_> {
    /// Somebody as the person may know them.
    pub fn by(&self, author: &Author) -> By {
        if author.role.is_anonymous_to_others() {
            return By { role: Some(author.role.code()), ..By::default() };
        }
        let unit = author.user.and_then(|id| self.users.get(&id)).map(|user| self.unit(user));
        By { role: Some(author.role.code()), name: Some(author.name.clone()).filter(|name| !name.is_empty()), unit }
    }

    /// Somebody by role and place only.
    fn by_role(&self, user: Option<UserId>) -> By {
        let Some(user) = user.and_then(|id| self.users.get(&id)) else { return By::default() };
        By { role: Some(user.role.code()), name: None, unit: Some(self.unit(user)) }
    }

    fn unit(&self, user: &User) -> String {
        let names: Vec<String> = user.scope.iter().map(|id| crate::export::area_name(self.areas, *id)).collect();
        names.join("、")
    }

    /// How values are told: numbers in full, they are the person's own.
    pub fn telling<'b>(
        &'b self,
        titles: &'b dyn Fn(RecordId) -> Option<String>,
        users: &'b dyn Fn(UserId) -> Option<String>,
    ) -> Telling<'b> {
        Telling {
            forms: &self.in_force.forms,
            areas: self.areas,
            lang: self.lang,
            unmasked: true,
            cleared: true,
            today: shared::mask::today(self.newest.unwrap_or_default()),
            titles,
            users,
        }
    }

    /// What a record is called here: of another person it is not said.
    fn title(&self, part: &StoredPart) -> String {
        match part.kind {
            RecordKind::Person if !self.ids.contains(&part.record) => self.words.text("person-somebody-else"),
            _ => part.title.clone(),
        }
    }

    fn saw(&mut self, at: DateTime<Utc>) -> String {
        self.newest = self.newest.max(Some(at));
        time(at)
    }
}

impl Gathered {
    /// Looks which of the photos are kept where photos are. One that is lost must not keep the rest from the person; `verify`
    /// tells the town.
    pub(super) fn look(mut self, blobs: &dyn Blobs) -> Result<Self, PersonError> {
        let lacking = blobs.lacking(&self.photos.iter().cloned().collect())?;
        self.photos.retain(|hash| !lacking.contains(hash));
        let lacking: BTreeSet<&str> = lacking.iter().map(PhotoHash::as_str).collect();
        for photo in &mut self.told.photos {
            photo.here &= !lacking.contains(photo.sha256.as_str());
        }
        Ok(self)
    }
}

/// Gathers it by any of the person's records.
pub(super) fn gather(
    app: &AppState,
    read: &dyn Read,
    rules: &Rules,
    asked: RecordId,
    lang: Lang,
) -> Result<Gathered, PersonError> {
    let found = Found::of(read, asked)?;
    let group = match &found {
        Found::Kept(group) => group.clone(),
        Found::Erased(_) => vec![asked],
    };
    let areas = app.areas()?;
    let users = read.users()?.into_iter().map(|user| (user.id, user)).collect();
    let ids: BTreeSet<RecordId> = group.iter().copied().collect();
    let words = Messages::of(lang);
    let in_force = app.in_force(read.town())?;
    let mut around = Around { in_force, read, areas: &areas, users, ids, lang, words, newest: None };
    let mut told = Told { version: 1, town: town(&areas, read), ..Told::default() };
    told.years_after_deletion = rules.years_after_deletion(RecordKind::Person);
    let (mut history, mut photos) = (Vec::new(), Vec::new());
    match found {
        Found::Erased(at) => told.erased_at = Some(around.saw(at)),
        Found::Kept(group) => {
            for id in group {
                one(&mut around, id, &mut told, &mut history, &mut photos)?;
            }
            told.readers = readers(&around)?;
            events::naming(&around, &mut told)?;
            super::reported::reported(&around, &mut told)?;
            told.batches = batches(&mut around)?;
        }
    }
    told.looked = looked(&mut around)?;
    told.as_of = around.newest.map(time);
    Ok(Gathered { lang, told, history, photos, asked })
}

fn town(areas: &AreaTree, read: &dyn Read) -> String {
    areas.get(read.town()).map(|area| area.name.clone()).unwrap_or_default()
}

/// One of the person's records.
fn one(
    around: &mut Around<'_>,
    id: RecordId,
    told: &mut Told,
    history: &mut Vec<Line>,
    photos: &mut Vec<PhotoHash>,
) -> Result<(), PersonError> {
    let read = around.read;
    let parts = read.load_many(&[(id, Part::Open), (id, Part::Restricted)])?;
    let edits = read.edits_of(id)?;
    let since = edits.first().map(|first| time(first.received));
    history.extend(edits.iter().map(|stored| line(around, stored)).collect::<Vec<_>>());
    for stored in &edits {
        around.saw(stored.received);
    }
    let mut record = Record { id, areas: Vec::new(), merged_into: None, deleted: false, since, fields: Vec::new() };
    let form = around.in_force.forms.newest(RecordKind::Person);
    for part in &parts {
        let state = state(part)?;
        if let Some(form) = form {
            record.fields.extend(fields(around, form, part.part, &state)?);
        }
        if part.part == Part::Open {
            record.areas = part.areas.iter().map(|area| crate::export::area_name(around.areas, *area)).collect();
            record.merged_into = part.merged_into;
            record.deleted = part.deleted;
        }
        told.photos.extend(photos_of(around, &state, photos)?);
    }
    told.records.push(record);
    for held in read.quarantined_of(id)? {
        let decision = match &held.decision {
            None => "waiting",
            Some(Decision::Released(_)) => "taken_later",
            Some(Decision::Dismissed(_)) => "left_out",
            Some(Decision::Withdrawn) => "taken_back",
        };
        told.not_taken.push(NotTaken {
            id: held.edit.id,
            received: around.saw(held.received),
            why: shared::value::Value::of(&held.rejection.reason),
            decision,
            by: around.by(&held.edit.author),
            writes: writes(&held.edit.writes),
        });
    }
    for KeptRemain { remain, shown, .. } in read.remains_of(id)? {
        told.not_taken.push(NotTaken {
            id: remain.edit,
            received: around.saw(shown),
            why: shared::value::Value::text("restored"),
            decision: "shown_after_restore",
            by: around.by(&remain.author),
            writes: BTreeMap::from([(remain.path.to_string(), remain.value)]),
        });
    }
    let name = id.to_string();
    let raw = read.unreadable()?;
    told.unreadable += raw.iter().filter(|it| it.record == Some(id) || it.raw.contains(&name)).count();
    Ok(())
}

fn writes(writes: &BTreeMap<shared::path::Path, shared::value::Value>) -> BTreeMap<String, shared::value::Value> {
    writes.iter().map(|(path, value)| (path.to_string(), value.clone())).collect()
}

fn line(around: &Around<'_>, stored: &StoredEdit) -> Line {
    let edit = &stored.edit;
    Line {
        record: edit.record,
        part: edit.part.code(),
        id: edit.id,
        at: time(edit.at),
        received: time(stored.received),
        by: around.by(&edit.author),
        writes: writes(&edit.writes),
    }
}

/// Every live value, in the order of the form; what the form does not know after it.
fn fields(around: &Around<'_>, form: &Form, part: Part, state: &PartState) -> Result<Vec<Field>, PersonError> {
    let mut linked = BTreeSet::new();
    links(state, &mut linked);
    let keys: Vec<_> = linked.into_iter().map(|id| (id, Part::Open)).collect();
    let titles: BTreeMap<RecordId, String> =
        around.read.load_many(&keys)?.iter().map(|part| (part.record, around.title(part))).collect();
    let title = |id| titles.get(&id).cloned();
    let users = |_| None;
    let telling = around.telling(&title, &users);
    let mut fields: Vec<(usize, Field)> = Vec::new();
    for path in state.paths() {
        let known = form.fields().position(|field| field.name == path.field_name());
        let field = known.and_then(|place| form.fields().nth(place));
        let mut live: Vec<_> = state.live(path).collect();
        live.sort_by_key(|write| (write.head.at, write.dot));
        if live.iter().all(|write| write.value.is_null()) {
            continue;
        }
        let values = live.into_iter().map(|write| Written {
            value: write.value.clone(),
            text: match field {
                Some(field) if field.policy() == Policy::Many && !write.value.is_null() => {
                    element(field, path.element_name().unwrap_or_default(), &telling)
                }
                Some(field) => show::value(field, write.value, &telling, true),
                None => write.value.plain(),
            },
            at: time(write.head.at),
            by: around.by(&write.head.author),
        });
        fields.push((
            known.unwrap_or(usize::MAX),
            Field {
                part: part.code(),
                path: path.to_string(),
                label: field
                    .map_or_else(|| path.field_name().to_owned(), |it| it.label.in_lang(around.lang.tag()).to_owned()),
                values: values.collect(),
            },
        ));
    }
    // Stable: paths of one field stay in their order.
    fields.sort_by_key(|(place, _)| *place);
    Ok(fields.into_iter().map(|(_, field)| field).collect())
}

fn element(field: &shared::form::Field, element: &str, telling: &Telling<'_>) -> String {
    match field.kind {
        FieldType::Choices => field.choice_label(element, telling.lang.tag()).to_owned(),
        FieldType::Links => element.parse().map_or_else(|_| element.to_owned(), |id| show::title(id, telling)),
        _ => element.to_owned(),
    }
}

fn photos_of(around: &Around<'_>, state: &PartState, photos: &mut Vec<PhotoHash>) -> Result<Vec<Photo>, PersonError> {
    let mut told = Vec::new();
    for (hash, write) in view::many(state, "photos") {
        let Ok(hash) = hash.parse::<PhotoHash>() else { continue };
        let taken = write.value.get::<PhotoParticulars>().and_then(|it| DateTime::from_timestamp_millis(it.at));
        let here = around.read.photo(&hash)?.is_some();
        told.push(Photo { sha256: hash.as_str().to_owned(), at: taken.map(time), here });
        if here && !photos.contains(&hash) {
            photos.push(hash);
        }
    }
    Ok(told)
}

/// Who may read any of the person's records now, each once.
fn readers(around: &Around<'_>) -> Result<BTreeMap<&'static str, Readers>, PersonError> {
    let keys: Vec<(RecordId, Part)> = around.ids.iter().map(|id| (*id, Part::Open)).collect();
    let reaches: Vec<Reach> = around.read.load_many(&keys)?.iter().map(Reach::of).collect();
    let mut readers: BTreeMap<&'static str, Readers> = BTreeMap::new();
    for user in around.users.values() {
        let who = Who::of(user.clone(), around.areas);
        let may = |part| {
            reaches.iter().any(|reach| authorize(&who, Action::Read(part), Some(reach), reach, around.areas).is_ok())
        };
        if may(Part::Open) {
            let role = readers.entry(user.role.code()).or_default();
            role.open += 1;
            role.restricted += usize::from(may(Part::Restricted));
        }
    }
    Ok(readers)
}

/// What the audit has of the person's records.
fn looked(around: &mut Around<'_>) -> Result<Vec<Looked>, PersonError> {
    let subjects: BTreeSet<String> = around.ids.iter().map(RecordId::to_string).collect();
    let mut entries = Vec::new();
    around.read.each_audit(&mut |entry| {
        if subjects.contains(&entry.subject) {
            entries.push(entry);
        }
    })?;
    let told = entries.into_iter().map(|entry| Looked {
        at: around.saw(entry.at()),
        fields: if NAMES_FIELDS.contains(&entry.action.as_str()) { entry.detail.clone() } else { String::new() },
        by: around.by_role(entry.user()),
        action: entry.action,
    });
    Ok(told.collect())
}

/// The batches that told of the person's records, oldest first.
fn batches(around: &mut Around<'_>) -> Result<Vec<Batch>, PersonError> {
    let mut told = Vec::new();
    for id in around.read.batches_telling(&around.ids)? {
        let Some(batch) = around.read.batch(id)? else { continue };
        let manifest: Manifest = serde_json::from_str(&batch.manifest)?;
        told.push(Batch {
            number: manifest.number,
            at: around.saw(batch.at),
            in_full: !batch.masked,
            restricted: manifest.restricted,
            by: around.by_role(batch.user),
        });
    }
    Ok(told)
}

/// In which fields a record links to one of the person's.
pub(super) fn naming_fields(ids: &BTreeSet<RecordId>, state: &PartState) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    for (path, write) in state.all_live().filter(|(_, write)| !write.value.is_null()) {
        let element = path.element_name().and_then(|element| element.parse::<RecordId>().ok());
        if element.into_iter().chain(link_of(write.value)).any(|id| ids.contains(&id)) {
            named.insert(path.field_name().to_owned());
        }
    }
    named
}

/// Every open part of the town whose text has one of the ids in it, the person's own aside.
pub(super) fn each_naming(
    around: &Around<'_>,
    each: &mut dyn FnMut(&StoredPart, &PartState) -> Result<(), PersonError>,
) -> Result<(), PersonError> {
    let names: Vec<String> = around.ids.iter().map(RecordId::to_string).collect();
    let mut found = Vec::new();
    let all = PartFilter { part: Part::Open, with_merged: true, ..PartFilter::default() };
    around.read.each_part(&all, &mut |part| {
        if !around.ids.contains(&part.record) && names.iter().any(|name| part.state.contains(name)) {
            found.push(part);
        }
        Ok(true)
    })?;
    found.sort_by_key(|part| part.record);
    found.iter().try_for_each(|part| each(part, &state(part)?))
}

/// The label of a field in the words of the file.
pub(super) fn label(form: &Form, name: &str, lang: Lang) -> String {
    form.field(name).map_or_else(|| name.to_owned(), |field| field.label.in_lang(lang.tag()).to_owned())
}

/// When, by the device's clock.
pub(super) fn at(at: DateTime<Utc>) -> String {
    told::time(at)
}
