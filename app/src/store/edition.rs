//! What the town has published beside what comes with the app: forms and a calendar of its own, see `docs/editions.md`.
//! Kept whole, as it came, so that a later app can read what this one could not.

use std::collections::BTreeSet;

use rusqlite::params;
use shared::calendar::Calendar;
use shared::form::Form;
use shared::ids::RecordId;
use shared::record::RecordKind;
use shared::wire::Edition;

use super::meta::{self, key};
use super::rows::id_at;
use super::{Rules, Store, StoreError};

impl Rules {
    /// These with what was published. A text that cannot be read is passed over: a newer program may know it.
    pub(super) fn with(&self, edition: &Edition) -> Self {
        let mut forms = (*self.forms).clone();
        let mut left_out = 0;
        for text in &edition.forms {
            match Form::parse(text).and_then(|form| forms.with(form)) {
                Ok(with) => forms = with,
                Err(_) => left_out += 1,
            }
        }
        let calendar = edition.calendar.as_deref().map(Calendar::parse);
        left_out += u32::from(matches!(calendar, Some(Err(_))));
        if left_out > 0 {
            tracing::warn!(left_out, "what the town published is not all known to this version");
        }
        let calendar = calendar.and_then(Result::ok).unwrap_or_else(|| (*self.calendar).clone());
        Self { edition: Some(edition.version.as_str().into()), ..Self::new(forms, calendar) }
    }

    /// The kinds whose records have to be derived anew where these come in the place of `others`.
    fn otherwise_than(&self, others: &Self) -> BTreeSet<RecordKind> {
        let kinds = RecordKind::ALL.into_iter().filter(|kind| !self.derives_like(others, *kind));
        let events = (self.calendar != others.calendar).then_some(RecordKind::Event);
        kinds.chain(events).collect()
    }
}

impl Store {
    /// The version of what is held.
    pub fn edition(&self) -> Option<String> {
        self.rules().edition.map(|version| version.to_string())
    }

    /// From now on this counts, or none: kept, and all that follows from it derived anew, in one step.
    pub fn take_edition(&self, edition: Option<&Edition>) -> Result<(), StoreError> {
        let rules = edition.map_or_else(|| self.program.clone(), |edition| self.program.with(edition));
        self.with_writer(|connection| {
            let kinds = rules.otherwise_than(&self.rules());
            self.write_on(connection, |tx| {
                match edition {
                    Some(edition) => meta::put(&tx.sql, key::EDITION, edition)?,
                    None => drop(tx.sql.execute("DELETE FROM meta WHERE key = ?1", [key::EDITION])?),
                }
                tx.rules = rules.clone();
                for kind in kinds {
                    let ids = {
                        let mut records = tx.sql.prepare("SELECT id FROM record WHERE kind = ?1")?;
                        let rows = records.query_map(params![kind.code()], |row| id_at(row, 0).map(RecordId))?;
                        rows.collect::<Result<Vec<_>, _>>()?
                    };
                    for id in ids {
                        tx.refresh(id)?;
                    }
                }
                Ok::<_, StoreError>(())
            })?;
            // Still under the writer's lock: no save comes between what is kept and what counts.
            *self.rules.write().unwrap_or_else(std::sync::PoisonError::into_inner) = rules;
            Ok(())
        })
    }

    /// What counts after the store was opened.
    pub(super) fn recall_edition(&self) -> Result<(), StoreError> {
        let held: Option<Edition> = self.read(|sql| meta::get(sql, key::EDITION))?;
        if let Some(edition) = held {
            *self.rules.write().unwrap_or_else(std::sync::PoisonError::into_inner) = self.program.with(&edition);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn an_app_that_begins_to_know_editions_asks_for_its_set_up_once_more() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("handheld.db");
        let open = || Store::open(&path, &[7; 32], testing::rules()).unwrap();
        let holds = |store: &Store| store.meta().unwrap().setup.unwrap();
        let store = open();
        let setup = testing::setup(shared::ids::UserId(uuid::Uuid::from_u128(7)));
        // As the version before left it: it had read the set-up without the edition that it names.
        let left = |connection: &mut rusqlite::Connection| -> Result<(), StoreError> {
            connection.pragma_update(None, "user_version", 10)?;
            meta::put(connection, key::SETUP, &setup)
        };
        store.with_writer(left).unwrap();
        drop(store);
        let store = open();
        assert_ne!(holds(&store).version, setup.version);
        assert_eq!(holds(&store).areas, setup.areas, "it goes on with what it has");
        // Once: what came since is kept.
        store.with_writer(|connection| meta::put(connection, key::SETUP, &setup)).unwrap();
        drop(store);
        assert_eq!(holds(&open()).version, setup.version);
    }

    #[test]
    fn what_cannot_be_read_is_passed_over_and_what_is_taken_back_is_gone() {
        let program = testing::rules();
        let newest = program.form(RecordKind::Person).unwrap().version;
        let mut own = (*program.form(RecordKind::Person).unwrap()).clone();
        own.version = 1001;
        let broken = "version = 1002\nkind = \"person\"\nshape = \"of a later program\"".to_owned();
        let forms = vec![own.to_toml().unwrap(), broken];
        let edition = Edition { version: "e1".to_owned(), forms, calendar: Some("no calendar".to_owned()) };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("handheld.db");
        let store = Store::open(&path, &[7; 32], program.clone()).unwrap();
        store.take_edition(Some(&edition)).unwrap();
        let holds = |store: &Store, held: Option<&str>, version: u32| {
            assert_eq!(store.edition().as_deref(), held);
            assert_eq!(store.rules().form(RecordKind::Person).unwrap().version, version);
            assert_eq!(store.rules().calendar, program.calendar);
        };
        holds(&store, Some("e1"), 1001);
        drop(store);
        let store = Store::open(&path, &[7; 32], program.clone()).unwrap();
        holds(&store, Some("e1"), 1001);
        store.take_edition(None).unwrap();
        holds(&store, None, newest);
        drop(store);
        holds(&Store::open(&path, &[7; 32], program.clone()).unwrap(), None, newest);
    }
}
