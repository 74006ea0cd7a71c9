//! All that is kept about one person, in one file for that person (个人信息保护法 45: to see and copy what is kept).
//!
//! It takes two people, as a batch with numbers in full does: one of the staff asks, another releases, and who asked takes
//! it, once, within a day ([`approval`]). What is in it is gathered at one moment ([`gather`]), the duplicates of the
//! record included, and written as a ZIP ([`pack`]): a page to read, the values for programs, every change. What would tell
//! of others is left out, and it says so.

pub mod approval;
pub mod cli;
mod events;
mod gather;
mod pack;
mod page;
mod reported;
mod told;

use shared::ids::RecordId;
use shared::record::RecordKind;

pub use gather::Gathered;
pub use pack::pack;

use crate::AppState;
use crate::auth::Who;
use crate::auth::authorize::{Action, Reach, authorize};
use crate::erase;
use crate::retention::RetentionError;
use crate::store::{self, Audit, Read, StoreError};

/// On whose word it is taken out. A choice and no text: nothing of the person may stand in the audit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The person asked for it.
    Request,
    /// Who acts for them asked: a parent of a child under 14 (31), a guardian, of the dead a close relative (49).
    Proxy,
    /// A court or an authority that supervises asked for it under a law.
    Authority,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Request, Self::Proxy, Self::Authority];

    /// As in options, forms, the audit, and `person-reason-…`.
    pub fn code(self) -> &'static str {
        match self {
            Self::Request => "request",
            Self::Proxy => "proxy",
            Self::Authority => "authority",
        }
    }

    /// The reason of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.code() == code)
    }
}

/// Why nothing was taken out.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// The database failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no such record, or this person may not know that there is.
    #[error("there is no such record")]
    NoSuchRecord,
    /// The record is of another kind.
    #[error("the record is no person")]
    NoPerson,
    /// It is for staff of the whole town who are cleared and may see numbers in full.
    #[error("not allowed")]
    NotAllowed,
    /// Nobody else has released exactly this within a day; or it was used.
    #[error("not released: another person has to release it first")]
    NotReleased,
    /// There is a file of that name already.
    #[error("there is such a file already")]
    Exists,
    /// The file could not be written, or a photo not read.
    #[error("the file cannot be written")]
    Io(#[from] std::io::Error),
    /// How long it is kept cannot be told.
    #[error(transparent)]
    Retention(#[from] RetentionError),
    /// What was asked for cannot be read, or a value not be written.
    #[error("JSON: {0}")]
    Json(#[from] serde_json::Error),
}

impl PersonError {
    /// The message key of the sentence for people.
    pub fn key(&self) -> &'static str {
        match self {
            Self::NoSuchRecord => "person-error-no-such-record",
            Self::NoPerson => "person-error-no-person",
            Self::NotAllowed => "person-error-not-allowed",
            Self::NotReleased => "person-error-not-released",
            Self::Exists => "person-error-exists",
            Self::Store(_) | Self::Io(_) | Self::Retention(_) | Self::Json(_) => "person-error-failed",
        }
    }
}

/// The record a person is looked for under now, and those merged into it; or that they were erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// The record that stands for them first.
    Kept(Vec<RecordId>),
    /// Nothing is kept since then.
    Erased(chrono::DateTime<chrono::Utc>),
}

impl Found {
    /// By any of their records.
    pub(crate) fn of(read: &dyn Read, record: RecordId) -> Result<Self, PersonError> {
        let winner = read.alias_of(record)?;
        let (kinds, found) = match erase::group_in(read, winner) {
            Ok(group) => {
                let kinds = group.iter().map(|(_, kind)| *kind).collect::<Vec<_>>();
                (kinds, Self::Kept(group.into_iter().map(|(id, _)| id).collect()))
            }
            Err(erase::EraseError::NoSuchRecord) => {
                let erased = read.erased()?.into_iter().find(|erased| erased.record == record);
                let erased = erased.ok_or(PersonError::NoSuchRecord)?;
                (vec![erased.kind], Self::Erased(erased.at))
            }
            Err(erase::EraseError::Store(error)) => return Err(error.into()),
            Err(_) => return Err(PersonError::NoSuchRecord),
        };
        if kinds.iter().all(|kind| *kind == RecordKind::Person) { Ok(found) } else { Err(PersonError::NoPerson) }
    }
}

/// Whether somebody may take out all about a person of their town.
pub fn may(app: &AppState, who: &Who) -> Result<bool, StoreError> {
    let town = Reach { kind: RecordKind::Person, areas: vec![who.user.town], readers: Vec::new(), visit: false };
    Ok(authorize(who, Action::TakeOutPerson, Some(&town), &town, &*app.areas()?).is_ok())
}

/// Gathers it for whoever asked and got it released, once: the release is used up and it is written down, both before
/// anything is handed over.
pub fn take(app: &AppState, who: &Who, id: uuid::Uuid, lang: assets::messages::Lang) -> Result<Gathered, PersonError> {
    let asked = store::read(&*app.store, who.user.town, |read| approval::standing(read, id, app.outside.now()))?;
    let gathered = ready(app, who, &asked.wanted, lang)?;
    hand_over(app, who, id, &gathered)?;
    Ok(gathered)
}

/// Gathers it for whoever may take it; nothing is used up yet, and nothing of it may leave before [`take`].
pub fn ready(
    app: &AppState,
    who: &Who,
    wanted: &approval::Wanted,
    lang: assets::messages::Lang,
) -> Result<Gathered, PersonError> {
    if !may(app, who)? {
        return Err(PersonError::NotAllowed);
    }
    let rules = crate::retention::Rules::open(app)?;
    let gathered =
        store::read(&*app.store, who.user.town, |read| gather::gather(app, read, &rules, wanted.record, lang));
    gathered?.look(&*app.blobs)
}

/// Uses the release up and writes it down, for each of the person's records.
fn hand_over(app: &AppState, who: &Who, id: uuid::Uuid, gathered: &Gathered) -> Result<(), PersonError> {
    let now = app.outside.now();
    store::write(&*app.store, who.user.town, |tx| {
        let (asked, by) = approval::used(tx, &who.user, id, now)?;
        for record in gathered.records() {
            tx.put_audit(&Audit {
                at: now,
                user: Some(who.user.id),
                action: "audit-person-exported".to_owned(),
                subject: record.to_string(),
                detail: format!("{} released_by {by}", asked.wanted.reason.code()),
            })?;
        }
        Ok(())
    })
}
