//! Taking an import back: what it made is deleted, what it changed gets back what stood there before. What somebody has worked
//! on since stays as it is and is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use shared::area::AreaId;
use shared::author::Author;
use shared::edit::Edit;
use shared::form::Form;
use shared::ids::{Dot, EditId, RecordId, Slot, UserId};
use shared::merge::{DELETED, PartState};
use shared::path::Path;
use shared::record::Part;
use shared::value::Value;
use shared::view::{self, Policy};
use shared::wire::Outcome;

use super::ImportError;
use super::job::{Import, State};
use super::run::nobody;
use crate::AppState;
use crate::auth::Who;
use crate::store::{self, Audit, Origin, PartFilter, Read, StoreError, StoredEdit, Tx, User};
use crate::sync::accept::{self, Rules, Writer};

/// Edits looked at in one transaction.
const PIECE: usize = 400;
/// The most that is told one by one.
const LISTED: usize = 500;

/// How far an import was undone, and what stayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undo {
    /// Who; none: a command on the server.
    pub by: Option<UserId>,
    /// When.
    pub at: DateTime<Utc>,
    /// Up to which edit.
    pub upto: u64,
    /// Records deleted.
    pub removed: u64,
    /// Records that got back what stood there.
    pub restored: u64,
    /// What stayed.
    pub kept: u64,
    /// The first of it.
    pub list: Vec<Kept>,
}

/// Something that stayed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Of which record.
    pub record: RecordId,
    /// The field that somebody wrote later; none: the whole record stays.
    pub field: Option<String>,
    /// Why: a message key.
    pub why: String,
}

impl Undo {
    /// Nothing yet.
    pub fn begin(by: Option<UserId>, at: DateTime<Utc>) -> Self {
        Self { by, at, upto: 0, removed: 0, restored: 0, kept: 0, list: Vec::new() }
    }

    fn keep(&mut self, record: RecordId, field: Option<&str>, why: &str) {
        self.kept += 1;
        if self.list.len() < LISTED {
            self.list.push(Kept { record, field: field.map(str::to_owned), why: why.to_owned() });
        }
    }
}

/// Undoes an import, or goes on with that, some hundred edits in a transaction.
pub(super) fn undo(app: &AppState, town: AreaId, user: Option<User>, mut import: Import) -> Result<(), ImportError> {
    let rules = app.rules_of(town)?;
    let form = rules.forms.newest(import.body.kind).ok_or(ImportError::Empty)?;
    let slot = import.slot.ok_or(StoreError::Missing("the import's slot"))?;
    let who = Who::of(user.unwrap_or_else(|| nobody(town, &rules)), &rules.areas);
    let linked = store::read(&*app.store, town, linked)?;
    loop {
        let (now_at, more) = store::write(&*app.store, town, |tx| {
            let mut next = import.clone();
            let Some(mut done) = next.body.undo.take() else { return Err(StoreError::Missing("the undoing").into()) };
            let piece = tx.edits_by(slot, done.upto, PIECE)?;
            let console = accept::console_slot(app, tx)?;
            let mut undoing = Undoing {
                app,
                rules: &rules,
                form,
                slot,
                linked: &linked,
                who: &who,
                next: accept::next_dot(&*tx, console)?,
                done: &mut done,
                edits: Vec::new(),
                begun: Vec::new(),
            };
            for (n, record) in &piece {
                undoing.record(&*tx, *n, *record)?;
            }
            let Undoing { edits, begun, .. } = undoing;
            let writer = Writer { who: who.clone(), slot: console, origin: Origin::Console };
            let records: Vec<RecordId> = edits.iter().map(|edit| edit.record).collect();
            let receipts = accept::accept_in(tx, &rules, &writer, edits)?;
            let refused = receipts.iter().zip(records).filter(|(it, _)| matches!(it.outcome, Outcome::Rejected(_)));
            let refused: BTreeSet<RecordId> = refused.map(|(_, record)| record).collect();
            for (record, made) in begun {
                match (refused.contains(&record), made) {
                    (true, _) => done.keep(record, None, "import-kept-refused"),
                    (false, true) => done.removed += 1,
                    (false, false) => done.restored += 1,
                }
            }
            done.upto = piece.last().map_or(done.upto, |(n, _)| *n);
            if piece.is_empty() {
                next.body.state = State::Undone;
                audit(app, tx, &next, slot, &done)?;
            }
            next.body.undo = Some(done);
            next.body.touched = app.outside.now();
            next.put(tx)?;
            Ok::<_, ImportError>((next, !piece.is_empty()))
        })?;
        import = now_at;
        if !more {
            return Ok(());
        }
    }
}

fn audit(app: &AppState, tx: &mut dyn Tx, import: &Import, slot: Slot, done: &Undo) -> Result<(), StoreError> {
    let (kind, removed, restored, kept) = (import.body.kind, done.removed, done.restored, done.kept);
    tx.put_audit(&Audit {
        at: app.outside.now(),
        user: done.by,
        action: "audit-import-undone".to_owned(),
        subject: slot.to_string(),
        detail: serde_json::json!({ "kind": kind, "removed": removed, "restored": restored, "kept": kept }).to_string(),
    })
}

/// Every record that another one links to.
fn linked(read: &dyn Read) -> Result<BTreeSet<RecordId>, StoreError> {
    let mut linked = BTreeSet::new();
    for part in Part::ALL {
        read.each_part(&PartFilter { part, ..PartFilter::default() }, &mut |part| {
            if !part.deleted {
                crate::batch::links(&crate::batch::state(&part)?, &mut linked);
            }
            Ok(true)
        })?;
    }
    Ok(linked)
}

struct Undoing<'a> {
    app: &'a AppState,
    rules: &'a Rules,
    form: &'a Form,
    /// Of the import.
    slot: Slot,
    linked: &'a BTreeSet<RecordId>,
    who: &'a Who,
    next: Dot,
    done: &'a mut Undo,
    edits: Vec<Edit>,
    /// The records of the edits, and whether the import made them.
    begun: Vec<(RecordId, bool)>,
}

impl Undoing<'_> {
    /// All that the import did to a record, where its edit `n` is the first of it.
    fn record(&mut self, read: &dyn Read, n: u64, record: RecordId) -> Result<(), StoreError> {
        let history = read.edits_of(record)?;
        let is_mine = |stored: &&StoredEdit| stored.edit.dot.slot == self.slot;
        if history.iter().filter(is_mine).map(|stored| stored.edit.dot.n).min() != Some(n) {
            return Ok(());
        }
        let parts = read.load_many(&Part::ALL.map(|part| (record, part)))?;
        let Some(open) = parts.iter().find(|part| part.part == Part::Open) else { return Ok(()) };
        if open.deleted {
            return Ok(());
        }
        if !open.areas.iter().all(|area| self.who.scope.contains(*area)) {
            self.done.keep(record, None, "import-kept-outside");
            return Ok(());
        }
        let made = history.first().is_some_and(|first| is_mine(&first));
        let touched = history.iter().any(|stored| !is_mine(&stored)) || self.linked.contains(&record);
        if made && touched {
            self.done.keep(record, None, "import-kept-worked-on");
            return Ok(());
        }
        let before = self.edits.len();
        for part in &parts {
            let state = crate::batch::state(part)?;
            if state.is_empty() {
                continue;
            }
            let writes = if made {
                [(Path::field(DELETED), Value::of(&true))].into_iter().collect()
            } else {
                self.back(record, part.part, &state, &history)
            };
            if !writes.is_empty() {
                self.write(record, part.part, &state, writes);
            }
        }
        if self.edits.len() > before {
            self.begun.push((record, made));
        }
        Ok(())
    }

    /// What stood there before the import; what somebody wrote since is kept and told.
    fn back(
        &mut self,
        record: RecordId,
        part: Part,
        state: &PartState,
        history: &[StoredEdit],
    ) -> BTreeMap<Path, Value> {
        let of_part = history.iter().map(|stored| &stored.edit).filter(|edit| edit.part == part);
        let mine: Vec<&Edit> = of_part.clone().filter(|edit| edit.dot.slot == self.slot).collect();
        let mut writes = BTreeMap::new();
        let Some(first) = mine.first() else { return writes };
        let mut before = PartState::default();
        for edit in of_part.filter(|edit| edit.dot.slot != self.slot && first.context.covers(edit.dot)) {
            before.apply(edit);
        }
        let paths: BTreeSet<&Path> = mine.iter().flat_map(|edit| edit.writes.keys()).collect();
        for path in paths {
            let Some(field) = self.form.field(path.field_name()) else { continue };
            let old = match field.policy() {
                Policy::Many => before.live(path).find(|write| !write.value.is_null()).map(|write| write.value.clone()),
                policy => view::shown(&before, &field.name, policy).cloned(),
            };
            let old = old.unwrap_or_else(Value::null);
            let live: Vec<_> = state.live(path).collect();
            let untouched = !live.is_empty() && live.iter().all(|write| write.dot.slot == self.slot);
            if untouched {
                writes.insert(path.clone(), old);
            } else if live.iter().any(|write| *write.value != old) {
                self.done.keep(record, Some(&field.name), "import-kept-written-later");
            }
        }
        writes
    }

    fn write(&mut self, record: RecordId, part: Part, state: &PartState, writes: BTreeMap<Path, Value>) {
        let user = &self.who.user;
        self.edits.push(Edit {
            id: EditId::fresh(&*self.app.outside),
            record,
            kind: self.form.kind,
            part,
            dot: self.next,
            context: state.vector().clone(),
            epoch: self.rules.epoch,
            at: self.rules.now,
            zone: 480,
            author: Arc::new(Author { user: Some(user.id), name: user.name.clone(), role: user.role }),
            form: self.form.version,
            writes,
        });
        self.next.n += 1;
    }
}
