//! Batches that take two people: with numbers in full, or with restricted columns. One member of staff asks, another with
//! the same rights releases, and only then who asked seals it, within a day of asking.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use shared::ids::UserId;
use uuid::Uuid;

use super::seal::check;
use super::{BatchError, Format, Pull, Since, cut};
use crate::AppState;
use crate::store::{self, Approval, Audit, Read, StoreError, Tx, User};

/// How long something asked for can be released and used.
pub const LAPSES: TimeDelta = TimeDelta::hours(24);
/// The kind of these approvals.
const KIND: &str = "batch";

/// What somebody asked for, exactly: only that is sealed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The roots, in order.
    pub areas: Vec<AreaId>,
    /// `last`, `all`, or the number of a batch.
    pub since: String,
    /// `csv`, `ndjson`, `xlsx`, `geojson`.
    pub formats: Vec<String>,
    /// Numbers in full.
    pub unmasked: bool,
    /// With restricted columns.
    pub restricted: bool,
    /// By which profile; what was asked for before there were any is by none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// With photos; what was asked for before there were any is without.
    #[serde(default)]
    pub photos: bool,
}

impl Wanted {
    fn of(pull: &Pull<'_>) -> Self {
        let mut areas = pull.areas.clone();
        areas.sort_unstable();
        let since = match &pull.since {
            Since::Last => "last".to_owned(),
            Since::All => "all".to_owned(),
            Since::Batch(number) => number.clone(),
        };
        let formats = pull.formats.iter().map(|format| format.code().to_owned()).collect();
        let (unmasked, restricted, photos) = (pull.unmasked, pull.restricted, pull.photos);
        let profile = pull.profile.clone();
        Self { areas, since, formats, unmasked, restricted, profile, photos }
    }

    /// What it asks for, for whoever asked.
    pub fn pull<'a>(&self, user: &'a User, released: Uuid, lang: assets::messages::Lang) -> Pull<'a> {
        let since = match self.since.as_str() {
            "last" => Since::Last,
            "all" => Since::All,
            number => Since::Batch(number.to_owned()),
        };
        Pull {
            user,
            areas: self.areas.clone(),
            since,
            formats: self.formats.iter().filter_map(|code| Format::from_code(code)).collect(),
            unmasked: self.unmasked,
            restricted: self.restricted,
            profile: self.profile.clone(),
            photos: self.photos,
            released: Some(released),
            lang,
        }
    }
}

/// A request as the page lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Who asked when, and who released.
    pub approval: Approval,
    /// What for.
    pub wanted: Wanted,
}

/// Whether a batch takes two.
pub fn is_needed(pull: &Pull<'_>) -> bool {
    pull.unmasked || pull.restricted
}

/// Asks for a batch that takes two.
pub fn ask(app: &AppState, pull: &Pull<'_>) -> Result<Uuid, BatchError> {
    let wanted = Wanted::of(pull);
    may(app, pull.user, &wanted)?;
    let subject = serde_json::to_string(&wanted)?;
    let (id, asked_at, asked_by) = (app.outside.uuid(), app.outside.now(), pull.user.id);
    store::write::<_, StoreError>(&*app.store, pull.user.town, |tx| {
        tx.put_approval(&Approval {
            id,
            kind: KIND.to_owned(),
            subject: subject.clone(),
            asked_by,
            asked_at,
            released: None,
            used_at: None,
        })?;
        tx.put_audit(&entry(asked_by, asked_at, "audit-batch-asked", id, &subject))
    })?;
    Ok(id)
}

/// Releases what another asked for.
pub fn release(app: &AppState, user: &User, id: Uuid) -> Result<(), BatchError> {
    let now = app.outside.now();
    let asked = store::read(&*app.store, user.town, |read| standing(read, id, now))?;
    may(app, user, &asked.wanted)?;
    store::write(&*app.store, user.town, |tx| {
        if !tx.release_approval(id, user.id, now)? {
            return Err(BatchError::NotReleased);
        }
        // Both names: who released, and whom for.
        tx.put_audit(&entry(
            user.id,
            now,
            "audit-batch-released",
            id,
            &format!("asked_by {}", asked.approval.asked_by),
        ))?;
        Ok(())
    })
}

/// What can be released or used now and this person could release, newest first; their own too.
pub fn waiting(app: &AppState, user: &User) -> Result<Vec<Asked>, BatchError> {
    let after = app.outside.now() - LAPSES;
    let all = store::read::<_, StoreError>(&*app.store, user.town, |read| read.approvals(KIND, after))?;
    let open = all.into_iter().filter(|approval| approval.used_at.is_none());
    let asked = open.map(read_wanted).collect::<Result<Vec<_>, _>>()?;
    Ok(asked.into_iter().filter(|asked| may(app, user, &asked.wanted).is_ok()).collect())
}

/// The released request of a person that asks for exactly this.
pub fn released(app: &AppState, pull: &Pull<'_>) -> Result<Option<Uuid>, BatchError> {
    let wanted = Wanted::of(pull);
    let fits = |asked: &Asked| {
        asked.approval.asked_by == pull.user.id && asked.approval.released.is_some() && asked.wanted == wanted
    };
    Ok(waiting(app, pull.user)?.into_iter().find(fits).map(|asked| asked.approval.id))
}

/// A request that has not lapsed.
pub fn standing(read: &dyn Read, id: Uuid, now: DateTime<Utc>) -> Result<Asked, BatchError> {
    let found = read.approval(id)?.filter(|approval| approval.kind == KIND && now - approval.asked_at < LAPSES);
    read_wanted(found.ok_or(BatchError::NotReleased)?)
}

/// Who released a pull that takes two; an error where nobody did, or something else, or for somebody else. None where it
/// takes one only.
pub(super) fn released_by(read: &dyn Read, pull: &Pull<'_>, now: DateTime<Utc>) -> Result<Option<UserId>, BatchError> {
    if !is_needed(pull) {
        return Ok(None);
    }
    let asked = standing(read, pull.released.ok_or(BatchError::NotReleased)?, now)?;
    let theirs = asked.approval.asked_by == pull.user.id && asked.wanted == Wanted::of(pull);
    let by = asked.approval.released.map(|(by, _)| by).filter(|by| theirs && *by != pull.user.id);
    match asked.approval.used_at {
        None => by.map(Some).ok_or(BatchError::NotReleased),
        Some(_) => Err(BatchError::NotReleased),
    }
}

/// The same in the transaction that seals it: it is used up.
pub(super) fn used(tx: &mut dyn Tx, pull: &Pull<'_>, now: DateTime<Utc>) -> Result<Option<UserId>, BatchError> {
    let by = released_by(tx, pull, now)?;
    if let Some(id) = pull.released.filter(|_| by.is_some())
        && !tx.use_approval(id, now)?
    {
        return Err(BatchError::NotReleased);
    }
    Ok(by)
}

/// Whether somebody may take such a batch out, and so release it for another.
fn may(app: &AppState, user: &User, wanted: &Wanted) -> Result<(), BatchError> {
    let tree = cut::tree(&*app.store)?;
    check(user, &wanted.areas, &tree)?;
    if wanted.unmasked && !user.may_unmask {
        return Err(BatchError::MayNotUnmask);
    }
    if wanted.restricted && !user.cleared {
        return Err(BatchError::NotCleared);
    }
    Ok(())
}

fn read_wanted(approval: Approval) -> Result<Asked, BatchError> {
    let wanted = serde_json::from_str(&approval.subject)?;
    Ok(Asked { approval, wanted })
}

fn entry(user: UserId, at: DateTime<Utc>, action: &str, id: Uuid, detail: &str) -> Audit {
    Audit { at, user: Some(user), action: action.to_owned(), subject: id.to_string(), detail: detail.to_owned() }
}
