//! loro: of concurrent values of a key one is shown, all stay in the history.

use anyhow::{Context, Result};
use loro::{Container, ExportMode, LoroDoc, LoroMap, LoroValue, ValueOrContainer, VersionVector};

use crate::data::{FieldEdit, Person};
use crate::replica::{Message, Replica, Syncs};

/// A document with a map of maps.
pub struct Loro(LoroDoc);

impl Loro {
    fn new(writer: u64) -> Result<Self> {
        let doc = LoroDoc::new();
        doc.set_peer_id(writer)?;
        Ok(Self(doc))
    }

    fn record(&self, id: &str) -> Result<LoroMap> {
        match self.0.get_map("records").get(id) {
            Some(ValueOrContainer::Container(Container::Map(record))) => Ok(record),
            _ => anyhow::bail!("no such record"),
        }
    }
}

impl Replica for Loro {
    fn fill(people: &[Person]) -> Result<Vec<u8>> {
        let mut all = Self::new(1)?;
        let records = all.0.get_map("records");
        for page in people.chunks(1_000) {
            for person in page {
                let record = records.insert_container(&person.id, LoroMap::new())?;
                for (field, value) in person.fields() {
                    record.insert(field, value)?;
                }
            }
            all.0.commit();
        }
        all.state()
    }

    fn load(state: &[u8], writer: u64) -> Result<Self> {
        let all = Self::new(writer)?;
        all.0.import(state).context("a snapshot")?;
        Ok(all)
    }

    fn state(&mut self) -> Result<Vec<u8>> {
        Ok(self.0.export(ExportMode::Snapshot)?)
    }

    fn count(&self, field: &str, text: &str) -> Result<usize> {
        let mut count = 0;
        self.0.get_map("records").for_each(|_, record| {
            let ValueOrContainer::Container(Container::Map(record)) = record else { return };
            if let Some(ValueOrContainer::Value(LoroValue::String(value))) = record.get(field) {
                count += usize::from(value.contains(text));
            }
        });
        Ok(count)
    }

    fn edit(&mut self, edit: &FieldEdit) -> Result<Vec<u8>> {
        let before = self.0.oplog_vv();
        self.record(&edit.record)?.insert(edit.field, edit.value.as_str())?;
        self.0.commit();
        Ok(self.0.export(ExportMode::updates(&before))?)
    }

    fn apply(&mut self, updates: &[Vec<u8>]) -> Result<()> {
        match updates {
            [one] => self.0.import(one)?,
            many => self.0.import_batch(many)?,
        };
        Ok(())
    }
}

impl Syncs for Loro {
    /// It leaves to others what is said; this is the exchange its documentation shows, by version vectors.
    type Link = ();

    fn link(_: &mut Self, _: &mut Self) -> Result<()> {
        Ok(())
    }

    fn round(near: &mut Self, far: &mut Self, (): &mut ()) -> Result<Vec<Message>> {
        let asked = near.0.oplog_vv().encode();
        let answer = far.0.export(ExportMode::updates(&VersionVector::decode(&asked)?))?;
        let asked_back = far.0.oplog_vv().encode();
        near.0.import(&answer)?;
        let back = near.0.export(ExportMode::updates(&VersionVector::decode(&asked_back)?))?;
        far.0.import(&back)?;
        Ok(vec![Message::up(&asked), Message::down(&answer), Message::down(&asked_back), Message::up(&back)])
    }
}
