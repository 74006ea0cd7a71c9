//! Ours without its store, its rights and its network: what `shared` alone makes of the same work.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Context, Result};
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId, Slot};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::{Part, RecordKind};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::wire::Item;
use uuid::Uuid;

use crate::data::{FieldEdit, Person, today};
use crate::replica::Replica;

/// The open parts of the records.
pub struct Ours {
    parts: BTreeMap<RecordId, PartState>,
    author: Arc<Author>,
}

fn author() -> Arc<Author> {
    Arc::new(Author { user: None, name: "测量".to_owned(), role: Role::GridMember })
}

fn edit(record: RecordId, dot: Dot, context: VectorTimestamp, author: &Arc<Author>) -> Edit {
    // Unlike any other, and the same in every run.
    let id = EditId(Uuid::from_u64_pair(dot.slot.0 << 32 | dot.n, 0));
    Edit {
        id,
        record,
        kind: RecordKind::Person,
        part: Part::Open,
        dot,
        context,
        epoch: 1,
        at: today(),
        zone: 480,
        author: Arc::clone(author),
        form: 1,
        writes: BTreeMap::new(),
    }
}

fn id(text: &str) -> Result<RecordId> {
    Ok(RecordId(text.parse().context("an id")?))
}

impl Ours {
    /// Takes in an edit that was read.
    pub fn take(&mut self, edit: &Edit) {
        self.parts.entry(edit.record).or_default().apply(edit);
    }
}

impl Replica for Ours {
    fn fill(people: &[Person]) -> Result<Vec<u8>> {
        let author = author();
        let mut parts = BTreeMap::new();
        for (n, person) in people.iter().enumerate() {
            let record = id(&person.id)?;
            let mut edit = edit(record, Dot { slot: Slot(1), n: n as u64 + 1 }, VectorTimestamp::new(), &author);
            edit.writes = person.fields().map(|(field, value)| (Path::field(field), Value::text(value))).collect();
            parts.entry(record).or_insert_with(PartState::default).apply(&edit);
        }
        Self { parts, author }.state()
    }

    fn load(state: &[u8], _: u64) -> Result<Self> {
        let items: Vec<Item> = serde_json::from_slice(state)?;
        let read = |item: Item| Some(serde_json::from_str(item.state?.get()).map(|part| (item.id, part)));
        Ok(Self { parts: items.into_iter().filter_map(read).collect::<Result<_, _>>()?, author: author() })
    }

    /// As the items of the feed.
    fn state(&mut self) -> Result<Vec<u8>> {
        let item = |(id, part): (&RecordId, &PartState)| -> Result<Item> {
            let state = Some(serde_json::value::to_raw_value(part)?);
            Ok(Item { id: *id, part: Part::Open, kind: Some(RecordKind::Person), state, erased: false })
        };
        Ok(serde_json::to_vec(&self.parts.iter().map(item).collect::<Result<Vec<_>>>()?)?)
    }

    fn count(&self, field: &str, text: &str) -> Result<usize> {
        let path = Path::field(field);
        let has = |part: &&PartState| part.live(&path).any(|write| write.value.json().contains(text));
        Ok(self.parts.values().filter(has).count())
    }

    fn edit(&mut self, field: &FieldEdit) -> Result<Vec<u8>> {
        let record = id(&field.record)?;
        let part = self.parts.get_mut(&record).context("a record")?;
        let dot = Dot { slot: Slot(field.writer as u64 + 2), n: field.n };
        let mut edit = edit(record, dot, part.vector().clone(), &self.author);
        edit.writes.insert(Path::field(field.field), Value::text(&field.value));
        part.apply(&edit);
        Ok(serde_json::to_vec(&edit)?)
    }

    /// Read as strictly as by the server.
    fn apply(&mut self, updates: &[Vec<u8>]) -> Result<()> {
        for bytes in updates {
            self.take(&shared::json::from_slice(bytes)?);
        }
        Ok(())
    }
}
