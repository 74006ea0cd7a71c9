//! The forms and the calendar in force: what comes with the program, and what the town has published since.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};

use sha2::{Digest, Sha256};
use shared::area::AreaId;
use shared::calendar::Calendar;
use shared::form::compare::{OWN_VERSIONS, What, compare};
use shared::form::{Form, Forms};
use shared::record::RecordKind;
use shared::wire;

use crate::AppState;
use crate::store::{self, Audit, Edition, Read, StoreError};
use crate::sync::projection;

/// The name of the calendar's editions.
pub const CALENDAR: &str = "calendar";

/// The name of the editions of a kind's form.
pub fn form_name(kind: RecordKind) -> String {
    format!("form/{}", kind.code())
}

/// What counts now.
#[derive(Debug)]
pub struct InForce {
    /// Every version of every form, published ones too.
    pub forms: Arc<Forms>,
    /// Working days and limits.
    pub calendar: Arc<Calendar>,
    /// What handhelds are given; none while nothing was published.
    pub edition: Option<wire::Edition>,
}

/// What counts in each town, with how many editions it was made of: none is ever taken away.
pub type Held = BTreeMap<AreaId, (usize, Arc<InForce>)>;

impl AppState {
    /// Publishes something in a town: it counts at once on the server, and on handhelds after their next sync. What stands
    /// beside events is written anew where the calendar is another one.
    pub fn publish(&self, town: AreaId, edition: &Edition) -> Result<(), StoreError> {
        let entry = Audit {
            at: edition.at,
            user: Some(edition.user),
            action: "audit-published".to_owned(),
            subject: edition.name.clone(),
            detail: edition.version.to_string(),
        };
        let kept = store::write::<_, StoreError>(&*self.store, town, |tx| {
            tx.put_edition(edition)?;
            tx.put_audit(&entry)
        });
        if kept.is_err() {
            // Whoever shared the transaction may have read it.
            self.in_force.lock().unwrap_or_else(PoisonError::into_inner).remove(&town);
        }
        kept?;
        if edition.name == CALENDAR { projection::fill_beside(self) } else { Ok(()) }
    }

    /// What counts in a town now; read again when it has published something.
    pub fn in_force(&self, town: AreaId) -> Result<Arc<InForce>, StoreError> {
        store::read(&*self.store, town, |read| self.in_force_in(read))
    }

    /// The same where it is known of so many editions.
    pub fn in_force_of(&self, town: AreaId, editions: usize) -> Option<Arc<InForce>> {
        let held = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(&town).filter(|(had, _)| *had == editions).map(|(_, in_force)| Arc::clone(in_force))
    }

    /// The same of the moment that is read.
    pub fn in_force_in(&self, read: &dyn Read) -> Result<Arc<InForce>, StoreError> {
        let town = read.town();
        if let Some(in_force) = self.in_force_of(town, read.edition_count()?) {
            return Ok(in_force);
        }
        let editions = read.editions()?;
        let in_force = Arc::new(assembled(&self.forms, &self.calendar, &editions));
        let row = (editions.len(), Arc::clone(&in_force));
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner).insert(town, row);
        Ok(in_force)
    }
}

/// The program's forms and calendar with what was published. What does not go with a later program is left out, and said in
/// the log: one form that cannot be read must not keep the town from its work.
fn assembled(forms: &Arc<Forms>, calendar: &Arc<Calendar>, editions: &[Edition]) -> InForce {
    let mut in_force = InForce { forms: Arc::clone(forms), calendar: Arc::clone(calendar), edition: None };
    let mut given = wire::Edition { version: String::new(), forms: Vec::new(), calendar: None };
    for edition in editions {
        let why = if edition.name == CALENDAR {
            Calendar::parse(&edition.text)
                .map(|calendar| in_force.calendar = Arc::new(calendar))
                .err()
                .map(|e| e.to_string())
        } else {
            let with = Form::parse(&edition.text).and_then(|form| in_force.forms.with(form));
            with.map(|forms| in_force.forms = Arc::new(forms)).err().map(|error| error.to_string())
        };
        match why {
            Some(why) => tracing::error!(name = edition.name, version = edition.version, why, "an edition is left out"),
            None if edition.name == CALENDAR => given.calendar = Some(edition.text.clone()),
            None => given.forms.push(edition.text.clone()),
        }
    }
    if !given.forms.is_empty() || given.calendar.is_some() {
        // By what it says: after a restore the same number may stand for something else.
        let mut hash = Sha256::new();
        for text in given.forms.iter().chain(&given.calendar) {
            hash.update(u64::try_from(text.len()).unwrap_or_default().to_be_bytes());
            hash.update(text);
        }
        given.version = hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        in_force.edition = Some(given);
    }
    in_force
}

impl InForce {
    /// The number of the next version of a kind's form.
    pub fn next_version(&self, kind: RecordKind) -> u32 {
        self.forms.newest(kind).map_or(OWN_VERSIONS, |form| form.version.max(OWN_VERSIONS)) + 1
    }

    /// Whether the program brings fields that the published form of a kind does not have: it was made for an earlier one.
    pub fn lacks(&self, program: &Forms, kind: RecordKind) -> bool {
        let (Some(own), Some(program)) = (self.forms.newest(kind), program.newest(kind)) else { return false };
        let changes = if own.version > OWN_VERSIONS { compare(own, program) } else { Vec::new() };
        changes.iter().any(|change| change.what == What::FieldAdded)
    }
}
