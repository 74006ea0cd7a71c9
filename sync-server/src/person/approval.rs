//! All about one person takes two people: one of the staff asks, another releases, who asked takes it, once, within a day.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::ids::{RecordId, UserId};
use uuid::Uuid;

use super::{Found, PersonError, Reason, may};
use crate::AppState;
use crate::auth::Who;
use crate::batch::approval::LAPSES;
use crate::store::{self, Approval, Audit, Read, StoreError, Tx, User};

/// The kind of these approvals.
const KIND: &str = "person";

/// What somebody asked for, exactly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// One of the person's records.
    pub record: RecordId,
    /// On whose word.
    pub reason: Reason,
}

/// A request as a page lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asked when, and who released.
    pub approval: Approval,
    /// What for.
    pub wanted: Wanted,
}

/// Asks for it.
pub fn ask(app: &AppState, who: &Who, wanted: Wanted) -> Result<Uuid, PersonError> {
    if !may(app, who)? {
        return Err(PersonError::NotAllowed);
    }
    let subject = serde_json::to_string(&wanted)?;
    let (id, now, user) = (app.outside.uuid(), app.outside.now(), who.user.id);
    store::write(&*app.store, who.user.town, |tx| {
        Found::of(tx, wanted.record)?;
        let kind = KIND.to_owned();
        let approval = Approval {
            id,
            kind,
            subject: subject.clone(),
            asked_by: user,
            asked_at: now,
            released: None,
            used_at: None,
        };
        tx.put_approval(&approval)?;
        tx.put_audit(&entry(user, now, "audit-person-asked", wanted.record, wanted.reason.code()))?;
        Ok(id)
    })
}

/// Releases what another asked for.
pub fn release(app: &AppState, who: &Who, id: Uuid) -> Result<RecordId, PersonError> {
    if !may(app, who)? {
        return Err(PersonError::NotAllowed);
    }
    let (now, user) = (app.outside.now(), who.user.id);
    store::write(&*app.store, who.user.town, |tx| {
        let asked = standing(tx, id, now)?;
        if !tx.release_approval(id, user, now)? {
            return Err(PersonError::NotReleased);
        }
        let detail = format!("asked_by {}", asked.approval.asked_by);
        tx.put_audit(&entry(user, now, "audit-person-released", asked.wanted.record, &detail))?;
        Ok(asked.wanted.record)
    })
}

/// What can be released or used now, newest first; nothing for those who may do neither.
pub fn waiting(app: &AppState, who: &Who) -> Result<Vec<Asked>, PersonError> {
    if !may(app, who)? {
        return Ok(Vec::new());
    }
    let after = app.outside.now() - LAPSES;
    let all = store::read::<_, StoreError>(&*app.store, who.user.town, |read| read.approvals(KIND, after))?;
    all.into_iter().filter(|approval| approval.used_at.is_none()).map(read_wanted).collect()
}

/// The released request of a person for exactly this.
pub fn released(app: &AppState, who: &Who, wanted: Wanted) -> Result<Uuid, PersonError> {
    let fits = |asked: &Asked| {
        asked.approval.asked_by == who.user.id && asked.approval.released.is_some() && asked.wanted == wanted
    };
    let found = waiting(app, who)?.into_iter().find(fits);
    found.map(|asked| asked.approval.id).ok_or(PersonError::NotReleased)
}

/// A request that has not lapsed.
pub fn standing(read: &dyn Read, id: Uuid, now: DateTime<Utc>) -> Result<Asked, PersonError> {
    let found = read.approval(id)?.filter(|approval| approval.kind == KIND && now - approval.asked_at < LAPSES);
    read_wanted(found.ok_or(PersonError::NotReleased)?)
}

/// Uses a request of `user` up. Who released it.
pub(super) fn used(tx: &mut dyn Tx, user: &User, id: Uuid, now: DateTime<Utc>) -> Result<(Asked, UserId), PersonError> {
    let asked = standing(tx, id, now)?;
    let by = asked.approval.released.map(|(by, _)| by).filter(|by| *by != user.id);
    match by.filter(|_| asked.approval.asked_by == user.id) {
        Some(by) if tx.use_approval(id, now)? => Ok((asked, by)),
        _ => Err(PersonError::NotReleased),
    }
}

fn read_wanted(approval: Approval) -> Result<Asked, PersonError> {
    let wanted = serde_json::from_str(&approval.subject)?;
    Ok(Asked { approval, wanted })
}

fn entry(user: UserId, at: DateTime<Utc>, action: &str, record: RecordId, detail: &str) -> Audit {
    Audit { at, user: Some(user), action: action.to_owned(), subject: record.to_string(), detail: detail.to_owned() }
}
