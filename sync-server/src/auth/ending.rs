//! Ending terminals. A stolen one cannot wait for a colleague; but nobody empties a town's handhelds alone: after a few in a
//! day, what erases takes two people.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::ids::{DeviceId, UserId};
use uuid::Uuid;

use super::Who;
use crate::AppState;
use crate::batch::approval::LAPSES;
use crate::erase::doom::{doom, standing};
use crate::store::{self, Approval, Audit, AuditFilter, Device, Fate, Read, StoreError, Tx};

/// So many terminals one person has erased in a day.
pub const ALONE: usize = 3;
/// The kind of these approvals.
const KIND: &str = "wipe";

/// What somebody asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Wanted {
    device: DeviceId,
    fate: String,
}

/// A request as the page lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asked when.
    pub approval: Approval,
    /// For which terminal.
    pub device: DeviceId,
    /// What is to become of it.
    pub fate: Fate,
}

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Done {
    /// It was said to the terminal.
    Ended,
    /// It waits for another person.
    Asked,
    /// Nothing: this was said of it, or became of it, before, and is not softened.
    Stands(Fate),
}

/// Says what becomes of a terminal, or asks for it where it takes two.
pub fn end(app: &AppState, who: &Who, device: &Device, fate: Fate) -> Result<Done, StoreError> {
    let (id, now, user) = (app.outside.uuid(), app.outside.now(), who.user.id);
    store::write(&*app.store, device.town, |tx| {
        if let Some(stands) = standing(&*tx, device.id, fate)? {
            return Ok(Done::Stands(stands));
        }
        let two = matches!(fate, Fate::Wipe | Fate::Stolen) && alone(&*tx, user, device.id, now)? >= ALONE;
        if !two {
            doom(app, tx, device.id, fate, now)?;
            tx.put_audit(&entry(user, now, fate.action(), device.id, ""))?;
            return Ok(Done::Ended);
        }
        let subject = Wanted { device: device.id, fate: fate.code().to_owned() };
        let subject = serde_json::to_string(&subject).map_err(|error| corrupt(&error))?;
        let kind = KIND.to_owned();
        tx.put_approval(&Approval { id, kind, subject, asked_by: user, asked_at: now, released: None, used_at: None })?;
        tx.put_audit(&entry(user, now, "audit-wipe-asked", device.id, fate.code()))?;
        Ok(Done::Asked)
    })
}

/// How many other terminals somebody erased without a second person within a day.
fn alone(read: &dyn Read, user: UserId, device: DeviceId, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let mut erased = std::collections::BTreeSet::new();
    for fate in [Fate::Wipe, Fate::Stolen] {
        let action = Some(fate.action().to_owned());
        let filter = AuditFilter { action, user: Some(Some(user)), limit: 100, ..AuditFilter::default() };
        for (entry, _) in read.audit_entries(&filter)? {
            if now - entry.at() < LAPSES && entry.detail.is_empty() {
                erased.insert(entry.subject);
            }
        }
    }
    erased.remove(&device.to_string());
    Ok(erased.len())
}

/// Says it to the terminal, as another asked for; `None` if there is no such request any more, or it is one's own.
pub fn release(app: &AppState, who: &Who, id: Uuid) -> Result<Option<Done>, StoreError> {
    let (now, user) = (app.outside.now(), who.user.id);
    store::write(&*app.store, who.user.town, |tx: &mut dyn Tx| {
        let found = tx.approval(id)?.filter(|it| it.kind == KIND && now - it.asked_at < LAPSES && it.used_at.is_none());
        let Some(asked) = found.map(read_wanted).transpose()? else { return Ok(None) };
        if !tx.release_approval(id, user, now)? || !tx.use_approval(id, now)? {
            return Ok(None);
        }
        let stands = doom(app, tx, asked.device, asked.fate, now)?;
        // The release is used up either way. Where it came too late the detail says what stands in its place.
        let what = stands.map(|stands| format!("stands {} ", stands.code())).unwrap_or_default();
        let detail = format!("{what}asked_by {}", asked.approval.asked_by);
        tx.put_audit(&entry(user, now, asked.fate.action(), asked.device, &detail))?;
        Ok(Some(stands.map_or(Done::Ended, Done::Stands)))
    })
}

/// What waits for another person, newest first.
pub fn waiting(read: &dyn Read, now: DateTime<Utc>) -> Result<Vec<Asked>, StoreError> {
    let all = read.approvals(KIND, now - LAPSES)?.into_iter();
    all.filter(|approval| approval.used_at.is_none()).map(read_wanted).collect()
}

fn read_wanted(approval: Approval) -> Result<Asked, StoreError> {
    let wanted: Wanted = serde_json::from_str(&approval.subject).map_err(|error| corrupt(&error))?;
    let fate = Fate::from_code(&wanted.fate).ok_or_else(|| corrupt(&"no such fate"))?;
    Ok(Asked { approval, device: wanted.device, fate })
}

fn corrupt(why: &dyn std::fmt::Display) -> StoreError {
    StoreError::Corrupt { what: "approval".to_owned(), why: why.to_string() }
}

fn entry(user: UserId, at: DateTime<Utc>, action: &str, device: DeviceId, detail: &str) -> Audit {
    Audit { at, user: Some(user), action: action.to_owned(), subject: device.to_string(), detail: detail.to_owned() }
}
