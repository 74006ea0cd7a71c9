//! yrs: of concurrent values of a key one stays, the others are gone.

use anyhow::{Context, Result};
use yrs::updates::decoder::Decode;
use yrs::updates::encoder::Encode;
use yrs::{Any, Doc, Map, MapPrelim, MapRef, Out, ReadTxn, StateVector, Transact, Update};

use crate::data::{FieldEdit, Person};
use crate::replica::{Message, Replica, Syncs};

/// A document with a map of maps.
pub struct Yrs {
    doc: Doc,
    records: MapRef,
}

impl Yrs {
    fn new(writer: u64) -> Self {
        let doc = Doc::with_client_id(writer);
        let records = doc.get_or_insert_map("records");
        Self { doc, records }
    }

    fn take(&self, bytes: &[u8]) -> Result<()> {
        self.doc.transact_mut().apply_update(Update::decode_v1(bytes)?)?;
        Ok(())
    }
}

fn text(value: &Out) -> &str {
    match value {
        Out::Any(Any::String(text)) => text,
        _ => "",
    }
}

impl Replica for Yrs {
    fn fill(people: &[Person]) -> Result<Vec<u8>> {
        let mut all = Self::new(1);
        for page in people.chunks(1_000) {
            let mut txn = all.doc.transact_mut();
            for person in page {
                let record: MapPrelim = person.fields().collect();
                all.records.insert(&mut txn, person.id.as_str(), record);
            }
        }
        all.state()
    }

    fn load(state: &[u8], writer: u64) -> Result<Self> {
        let all = Self::new(writer);
        all.take(state)?;
        Ok(all)
    }

    fn state(&mut self) -> Result<Vec<u8>> {
        Ok(self.doc.transact().encode_state_as_update_v1(&StateVector::default()))
    }

    fn count(&self, field: &str, wanted: &str) -> Result<usize> {
        let txn = self.doc.transact();
        let has = |record: &Out| match record {
            Out::YMap(record) => record.get(&txn, field).is_some_and(|value| text(&value).contains(wanted)),
            _ => false,
        };
        Ok(self.records.iter(&txn).filter(|(_, record)| has(record)).count())
    }

    fn edit(&mut self, edit: &FieldEdit) -> Result<Vec<u8>> {
        let mut txn = self.doc.transact_mut();
        let Some(Out::YMap(record)) = self.records.get(&txn, &edit.record) else { anyhow::bail!("no such record") };
        record.insert(&mut txn, edit.field, edit.value.as_str());
        Ok(txn.encode_update_v1())
    }

    fn apply(&mut self, updates: &[Vec<u8>]) -> Result<()> {
        let mut txn = self.doc.transact_mut();
        for bytes in updates {
            txn.apply_update(Update::decode_v1(bytes)?).context("an update")?;
        }
        Ok(())
    }
}

impl Syncs for Yrs {
    /// The protocol of y-sync remembers nothing.
    type Link = ();

    fn link(_: &mut Self, _: &mut Self) -> Result<()> {
        Ok(())
    }

    /// Step 1 of one, step 2 and step 1 of the other, step 2 of the first.
    fn round(near: &mut Self, far: &mut Self, (): &mut ()) -> Result<Vec<Message>> {
        let asked = near.doc.transact().state_vector().encode_v1();
        let (answer, asked_back) = {
            let txn = far.doc.transact();
            (txn.encode_diff_v1(&StateVector::decode_v1(&asked)?), txn.state_vector().encode_v1())
        };
        near.take(&answer)?;
        let back = near.doc.transact().encode_diff_v1(&StateVector::decode_v1(&asked_back)?);
        far.take(&back)?;
        Ok(vec![Message::up(&asked), Message::down(&answer), Message::down(&asked_back), Message::up(&back)])
    }
}
