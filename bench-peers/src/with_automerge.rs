//! automerge: every change of a document, all concurrent values kept.

use anyhow::{Context, Result};
use automerge::sync::{State, SyncDoc};
use automerge::transaction::Transactable;
use automerge::{ActorId, AutoCommit, Change, ObjId, ObjType, ROOT, ReadDoc};

use crate::data::{FieldEdit, Person};
use crate::replica::{Message, Replica, Syncs};

/// A document `{ id: { field: value } }`.
pub struct Automerge(AutoCommit);

fn actor(writer: u64) -> ActorId {
    ActorId::from(writer.to_be_bytes())
}

impl Automerge {
    fn record(&self, id: &str) -> Result<ObjId> {
        Ok(self.0.get(ROOT, id)?.context("a record")?.1)
    }
}

impl Replica for Automerge {
    fn fill(people: &[Person]) -> Result<Vec<u8>> {
        let mut doc = AutoCommit::new().with_actor(actor(1));
        for page in people.chunks(1_000) {
            for person in page {
                let record = doc.put_object(ROOT, &*person.id, ObjType::Map)?;
                for (field, value) in person.fields() {
                    doc.put(&record, field, value)?;
                }
            }
            doc.commit();
        }
        Ok(doc.save())
    }

    fn load(state: &[u8], writer: u64) -> Result<Self> {
        Ok(Self(AutoCommit::load(state)?.with_actor(actor(writer))))
    }

    fn state(&mut self) -> Result<Vec<u8>> {
        Ok(self.0.save())
    }

    fn count(&self, field: &str, text: &str) -> Result<usize> {
        let mut count = 0;
        for entry in self.0.map_range(ROOT, ..) {
            let value = self.0.get(entry.id(), field)?;
            count += usize::from(value.is_some_and(|(value, _)| value.as_str().is_some_and(|has| has.contains(text))));
        }
        Ok(count)
    }

    fn edit(&mut self, edit: &FieldEdit) -> Result<Vec<u8>> {
        let record = self.record(&edit.record)?;
        self.0.put(record, edit.field, &*edit.value)?;
        self.0.commit();
        let mut change = self.0.get_last_local_change().context("the change")?;
        Ok(change.bytes().into_owned())
    }

    fn apply(&mut self, updates: &[Vec<u8>]) -> Result<()> {
        let changes = updates.iter().map(|bytes| Change::from_bytes(bytes.clone())).collect::<Result<Vec<_>, _>>()?;
        match changes.len() {
            1 => self.0.apply_changes(changes)?,
            _ => self.0.apply_changes_batch(changes)?,
        }
        Ok(())
    }
}

impl Syncs for Automerge {
    /// The states of both, as they are kept while there is no connection.
    type Link = (Vec<u8>, Vec<u8>);

    fn link(near: &mut Self, far: &mut Self) -> Result<Self::Link> {
        let mut link = (State::new().encode(), State::new().encode());
        Self::round(near, far, &mut link)?;
        Ok(link)
    }

    fn round(near: &mut Self, far: &mut Self, link: &mut Self::Link) -> Result<Vec<Message>> {
        let (mut at_near, mut at_far) = (State::decode(&link.0)?, State::decode(&link.1)?);
        let mut messages = Vec::new();
        loop {
            let up = near.0.sync().generate_sync_message(&mut at_near);
            let silent = up.is_none();
            if let Some(up) = up {
                let bytes = up.encode();
                messages.push(Message::up(&bytes));
                far.0.sync().receive_sync_message(&mut at_far, automerge::sync::Message::decode(&bytes)?)?;
            }
            let down = far.0.sync().generate_sync_message(&mut at_far);
            if silent && down.is_none() {
                *link = (at_near.encode(), at_far.encode());
                return Ok(messages);
            }
            if let Some(down) = down {
                let bytes = down.encode();
                messages.push(Message::down(&bytes));
                near.0.sync().receive_sync_message(&mut at_near, automerge::sync::Message::decode(&bytes)?)?;
            }
        }
    }
}
