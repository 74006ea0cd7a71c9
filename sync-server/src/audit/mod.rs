//! Whether the audit is what was written: every town's chain walked from its first entry to its head.
//!
//! What it shows and what it cannot show is told in `docs/audit.md`.

pub mod cli;

use chrono::{DateTime, Utc};
use shared::area::AreaId;

use crate::backup::Finding;
use crate::export::show::beijing;
use crate::store::audit::BEFORE_FIRST;
use crate::store::{self, AuditEntry, AuditHead, AuditMark, Read, Store, StoreError};

/// What is written down, as message keys, in the order in which the console lets one choose. `log_in` is the oldest of
/// them and keeps its name: what stands in the audit is never written anew.
pub const ACTIONS: &[&str] = &[
    "log_in",
    "audit-log-in-failed",
    "audit-log-in-code",
    "audit-log-in-unknown",
    "audit-unmask",
    "audit-look",
    "audit-to-decide",
    "audit-restricted",
    "audit-reporter",
    "audit-batch-asked",
    "audit-batch-released",
    "audit-batch-sealed",
    "audit-batch-again",
    "audit-batch-erased",
    "audit-person-asked",
    "audit-person-released",
    "audit-person-exported",
    "audit-erase",
    "audit-part-ended",
    "audit-handed-over",
    "audit-taken-over",
    "audit-merge",
    "audit-late",
    "audit-unmerge",
    "audit-release",
    "audit-dismiss",
    "audit-remains",
    "audit-import-read",
    "audit-import-begun",
    "audit-import",
    "audit-import-undone",
    "audit-outbox",
    "audit-spam-accepted",
    "audit-spam-deleted",
    "audit-enrol-code",
    "audit-enrolled",
    "audit-key-opened",
    "audit-parting",
    "audit-device-revoked",
    "audit-wipe-asked",
    "audit-device-wipe",
    "audit-device-stolen",
    "audit-device-doubled",
    "audit-device-wiped",
    "audit-device-handed-over",
    "audit-user-added",
    "audit-user-changed",
    "audit-rights-asked",
    "audit-rights-released",
    "audit-area-changed",
    "audit-area-redrawn",
    "audit-published",
    "audit-password",
    "audit-second-set-up",
    "audit-second-recovery",
    "audit-second-reset",
    "audit-epoch",
    "audit-mended",
];

/// An entry, as far as it takes to find it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    /// Its id.
    pub id: i64,
    /// When it says that it was written.
    pub at: DateTime<Utc>,
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// This entry is not what was written after the one before it: it was altered or put in, or the one before it was.
    DoesNotFit(At),
    /// So many entries are missing right before this one.
    Missing(i64, At),
    /// So many entries are missing at the end, up to the one of this id.
    CutOff(i64, i64),
    /// There are entries, and nothing says which is the last.
    NoHead,
}

impl Fault {
    /// In words; `town` is its name.
    pub fn finding(self, town: &str) -> Finding {
        let (key, args) = match self {
            Self::DoesNotFit(entry) => {
                ("chain-does-not-fit", vec![("id", entry.id.to_string()), ("at", time(entry.at))])
            }
            Self::Missing(n, entry) => {
                ("chain-missing", vec![("n", n.to_string()), ("id", entry.id.to_string()), ("at", time(entry.at))])
            }
            Self::CutOff(n, id) => ("chain-cut-off", vec![("n", n.to_string()), ("id", id.to_string())]),
            Self::NoHead => ("chain-no-head", Vec::new()),
        };
        Finding { key, args: std::iter::once(("town", town.to_owned())).chain(args).collect() }
    }
}

/// To the second: an entry is looked for by it.
fn time(at: DateTime<Utc>) -> String {
    beijing(at).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// What was seen of one town's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// Whose; 0 is above the towns.
    pub town: AreaId,
    /// Its name, else its number.
    pub name: String,
    /// How many entries there are.
    pub entries: u64,
    /// When the first was written.
    pub first: Option<DateTime<Utc>>,
    /// When the last was written.
    pub last: Option<DateTime<Utc>>,
    /// What is to be written down elsewhere.
    pub head: Option<AuditHead>,
    /// The first thing that is wrong.
    pub fault: Option<Fault>,
}

/// What was seen of all chains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// One a town.
    pub towns: Vec<Checked>,
    /// Entries that somebody had written down and that stand in no chain as they were.
    pub unknown: Vec<AuditMark>,
}

/// Walks every chain there is, and looks in them for the entries in `known`.
pub fn check(store: &dyn Store, known: &[AuditMark]) -> Result<Report, StoreError> {
    let mut report = Report { towns: Vec::new(), unknown: known.to_vec() };
    let areas = store.areas()?;
    for town in store.audited_towns()? {
        let name = areas.iter().find(|area| area.id == town).map(|area| area.name.clone());
        let name = name.unwrap_or_else(|| town.to_string());
        let checked = store::read(store, town, |read| check_town(read, name.clone(), &mut report.unknown))?;
        report.towns.push(checked);
    }
    Ok(report)
}

fn check_town(read: &dyn Read, name: String, unknown: &mut Vec<AuditMark>) -> Result<Checked, StoreError> {
    let head = read.audit_head()?;
    let mut checked = Checked { town: read.town(), name, entries: 0, first: None, last: None, head, fault: None };
    let (mut before, mut number, mut last) = (BEFORE_FIRST.to_vec(), 0, None);
    read.each_audit(&mut |entry| {
        let at = At { id: entry.id, at: entry.at() };
        let next = number + 1;
        let fault = if entry.number > next {
            Some(Fault::Missing(entry.number - next, at))
        } else if entry.number < next || !entry.fits(&before) || head.is_some_and(|head| entry.number > head.number) {
            Some(Fault::DoesNotFit(at))
        } else {
            None
        };
        // Only the first: after it nothing is sure.
        checked.fault = checked.fault.or(fault);
        checked.entries += 1;
        checked.first = checked.first.or(Some(at.at));
        checked.last = Some(at.at);
        unknown.retain(|mark| mark.id != entry.id || mark.hash.as_slice() != entry.hash);
        number = entry.number;
        before.clone_from(&entry.hash);
        last = Some((at, entry));
    })?;
    checked.fault = checked.fault.or(at_the_end(head, last));
    Ok(checked)
}

/// Whether the last entry is the one that the head names.
fn at_the_end(head: Option<AuditHead>, last: Option<(At, AuditEntry)>) -> Option<Fault> {
    match (head, last) {
        (None, None) => None,
        (None, Some(_)) => Some(Fault::NoHead),
        (Some(head), None) => Some(Fault::CutOff(head.number, head.mark.id)),
        (Some(head), Some((_, entry))) if entry.number < head.number => {
            Some(Fault::CutOff(head.number - entry.number, head.mark.id))
        }
        (Some(head), Some((at, entry))) => {
            let same = entry.id == head.mark.id && entry.hash == head.mark.hash;
            (!same).then_some(Fault::DoesNotFit(at))
        }
    }
}
