//! What waits for somebody's word, made anew for each who tries: one attempt must not use up what the next one needs.

use shared::author::Role;
use shared::ids::{DeviceId, RecordId};
use shared::merge::PartState;
use shared::outside::Outside;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::wire::Remain;
use sync_server::batch::approval::Wanted;
use sync_server::person::Reason;
use sync_server::person::approval::Wanted as WantedPerson;
use sync_server::store::{self, Approval, KeptRemain, StoreError, User};
use uuid::Uuid;

use super::records::{Records, care};
use super::town::{Person, Where};
use crate::common::desk;
use crate::common::{Centre, FAR_GRID, GRID, Handheld, TOWN, rejected};

/// Of what each who tries is given one of their own.
const FRESH: [&str; 8] =
    ["{file}", "{unmasked}", "{restricted}", "{refused}", "{care}", "{lost}", "{wipe}", "{rights}"];

/// Whether an act is on something that waits for a word.
pub fn is_on_what_waits(path: &str) -> bool {
    FRESH.iter().any(|name| path.contains(name))
}

/// Makes what is waited for.
pub struct Waiting<'a> {
    centre: &'a Centre,
    /// Who asks, where another is to release; who releases, where who asked is to go on.
    other: User,
    /// Members whose edits are refused: of records of the scope, and of those outside it.
    outsiders: [Handheld<'a>; 2],
    wiped: DeviceId,
}

impl<'a> Waiting<'a> {
    pub async fn at(centre: &'a Centre) -> Self {
        let other = desk::person(centre, "other", Role::CenterStaff, TOWN, true, true);
        let far = centre.enrol(&centre.person("far", Role::GridMember, FAR_GRID, false)).await;
        let near = centre.enrol(&centre.person("near", Role::GridMember, GRID, false)).await;
        let wiped = centre.enrol(&centre.person("wiped", Role::GridMember, GRID, false)).await.enrolled.device;
        Self { centre, other, outsiders: [far, near], wiped }
    }

    /// The path of an act with one that waits for `person`, and what the form says beside the token.
    pub async fn path(
        &mut self,
        act: &str,
        at: &str,
        records: &Records<'_>,
        person: &Person<'_>,
    ) -> (String, Vec<(&'static str, String)>) {
        let place = if at == "other" { Where::Other } else { Where::Own };
        let record = records.id(place, RecordKind::Person);
        let mut fields = Vec::new();
        let mut path = act.replace("{person}", &record.to_string());
        for name in FRESH.into_iter().filter(|name| act.contains(name)) {
            let id = match name {
                "{file}" => {
                    let wanted = WantedPerson { record, reason: Reason::Request };
                    self.approval("person", &serde_json::to_string(&wanted).unwrap(), act, person).to_string()
                }
                "{unmasked}" | "{restricted}" => {
                    let wanted = Wanted {
                        profile: None,
                        areas: vec![place.area()],
                        since: "all".to_owned(),
                        formats: vec!["csv".to_owned()],
                        unmasked: name == "{unmasked}",
                        restricted: name == "{restricted}",
                        photos: false,
                    };
                    self.approval("batch", &serde_json::to_string(&wanted).unwrap(), act, person).to_string()
                }
                "{wipe}" => {
                    let subject = serde_json::json!({ "device": self.wiped, "fate": "wipe" }).to_string();
                    self.approval("wipe", &subject, act, person).to_string()
                }
                "{rights}" => {
                    let subject =
                        serde_json::json!({ "user": self.outsiders[1].author.user, "cleared": true }).to_string();
                    self.approval("rights", &subject, act, person).to_string()
                }
                "{lost}" => {
                    let edit = self.lost(record);
                    fields.push(("edit", edit));
                    record.to_string()
                }
                _ => {
                    fields.push(("why", "说清楚了".to_owned()));
                    self.refused(place, record, name == "{care}").await
                }
            };
            path = path.replace(name, &id);
        }
        (path, fields)
    }

    /// To be released: another asked for it. To be used: who tries asked for it, and another released it.
    fn approval(&self, kind: &str, subject: &str, act: &str, person: &Person<'_>) -> Uuid {
        let (id, now) = (self.centre.clock.uuid(), self.centre.clock.now());
        let asked_by = if act.ends_with("/release") { self.other.id } else { person.user.id };
        let approval = Approval {
            id,
            kind: kind.to_owned(),
            subject: subject.to_owned(),
            asked_by,
            asked_at: now,
            released: None,
            used_at: None,
        };
        store::write::<_, StoreError>(&*self.centre.app.store, TOWN, |tx| {
            tx.put_approval(&approval)?;
            if asked_by != self.other.id {
                assert!(tx.release_approval(id, self.other.id, now)?);
            }
            Ok(())
        })
        .unwrap();
        id
    }

    /// A value that only a handheld still shows after a restore.
    fn lost(&self, record: RecordId) -> String {
        let remain = Remain {
            edit: shared::ids::EditId(self.centre.clock.uuid()),
            record,
            kind: RecordKind::Person,
            part: Part::Open,
            path: Path::field("address"),
            value: Value::text("旧粮站院内"),
            at: self.centre.clock.now(),
            author: self.outsiders[1].author.clone(),
        };
        let edit = remain.edit.to_string();
        let kept = KeptRemain { remain, shown_by: self.other.id, shown: self.centre.clock.now() };
        store::write::<_, StoreError>(&*self.centre.app.store, TOWN, |tx| tx.put_remains(std::slice::from_ref(&kept)))
            .unwrap();
        edit
    }

    async fn refused(&mut self, place: Where, record: RecordId, restricted: bool) -> String {
        let hand = &mut self.outsiders[usize::from(place == Where::Other)];
        let mut edit = if restricted {
            hand.care(record, &care())
        } else {
            hand.edit(record, RecordKind::Person, Part::Open, &[("note", Value::text("没有收下的话"))])
        };
        if !restricted {
            // As one who had seen the record before it left their grid: a change, not another beginning.
            let open = [(record, Part::Open)];
            let parts =
                store::read::<_, StoreError>(&*self.centre.app.store, TOWN, |read| read.load_many(&open)).unwrap();
            edit.context = serde_json::from_str::<PartState>(&parts[0].state).unwrap().vector().clone();
        }
        let id = edit.id;
        rejected(&hand.sync(vec![edit]).await, 0);
        id.to_string()
    }
}
