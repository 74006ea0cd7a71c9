//! One row: what it writes, whom it is about, and the edits that do it.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::area::AreaId;
use shared::edit::Edit;
use shared::ids::{Dot, EditId, RecordId};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::Part;
use shared::validate;
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::{self, Policy};

use super::areas::Named;
use super::cells;
use super::header::Column;
use super::identity::{self, Known, Match};
use super::report::Note;
use super::run::{Run, area_problem, note};
use super::table::{Cell, Row};

/// What a row writes, before it is known to whom.
#[derive(Clone)]
pub(super) struct Draft {
    pub line: u64,
    pub title: String,
    pub area: AreaId,
    pub open: BTreeMap<Path, Value>,
    pub restricted: BTreeMap<Path, Value>,
    pub notes: Vec<Note>,
    pub unknown: Vec<(String, String)>,
}

impl Run<'_> {
    /// The cells of a row as writes, or why it is refused.
    pub(super) fn draft(&self, row: &Row) -> Draft {
        let mut draft = Draft {
            line: row.line,
            title: String::new(),
            area: self.options.area.unwrap_or(self.writer.who.user.town),
            open: BTreeMap::new(),
            restricted: BTreeMap::new(),
            notes: Vec::new(),
            unknown: Vec::new(),
        };
        let mut area_told = self.options.area.is_some();
        let refuse = |column: Option<&str>, key: &str| note(row.line, column, true, key);
        if row.cells.iter().skip(self.header.columns.len()).any(|cell| !cell.is_empty()) {
            draft.notes.push(refuse(None, "import-more-cells"));
        }
        for ((word, column), cell) in self.header.columns.iter().zip(&row.cells) {
            let word = Some(word.as_str());
            if cell.is_empty() {
                continue;
            }
            match column {
                Column::Ignored => {}
                Column::Area if *cell == Cell::NotText => draft.notes.push(refuse(word, "import-not-in-encoding")),
                Column::Area => {
                    let text = cells::tidy(&cell.plain());
                    match self.areas.find(&text) {
                        _ if text.is_empty() => {}
                        Named::One(area) if (self.place)(area) => {
                            draft.area = area;
                            area_told = true;
                        }
                        wrong => {
                            area_told = true;
                            draft.notes.push(refuse(word, area_problem(wrong)));
                        }
                    }
                }
                Column::Field(field) => {
                    let unknown = &mut draft.unknown;
                    let mut ask = |word: &str| unknown.push((field.name.clone(), word.to_owned()));
                    match cells::of_cell(field, cell, self.words.get(&field.name), &mut ask) {
                        Ok(writes) if field.restricted => draft.restricted.extend(writes),
                        Ok(writes) => draft.open.extend(writes),
                        Err(key) => draft.notes.push(refuse(word, key)),
                    }
                }
            }
        }
        if !area_told {
            draft.notes.push(refuse(None, "import-no-area-in-row"));
        } else if draft.notes.is_empty() && !(self.place)(draft.area) {
            draft.notes.push(refuse(None, "import-area-outside"));
        }
        if !draft.restricted.is_empty() && !self.writer.who.user.cleared {
            draft.notes.push(refuse(None, "import-not-cleared"));
        }
        draft.title = identity::written_text(&draft.open, &self.form.title).unwrap_or_default();
        draft
    }

    /// Who the row is about; refuses it where that is not clear.
    pub(super) fn matched(&mut self, draft: &Draft) -> Result<Option<Known>, Note> {
        let keys = identity::keys(self.form, &[draft.area], &|name| identity::written_text(&draft.open, name));
        // With a number, the number alone tells two rows of one file apart.
        let surest = match keys.first() {
            Some(key) if identity::is_number(key) => keys.get(..1),
            _ => keys.get(..),
        };
        let surest = surest.unwrap_or_default();
        if let Some(line) = surest.iter().find_map(|key| self.seen.get(key)) {
            let mut twice = note(draft.line, None, true, "import-twice-in-file");
            twice.args.push(("line".to_owned(), line.to_string()));
            return Err(twice);
        }
        let found = match self.index.find(&keys) {
            Match::Several => return Err(note(draft.line, None, true, "import-several-match")),
            Match::One(known) if known.deleted => return Err(note(draft.line, None, true, "import-deleted")),
            Match::One(known) if !(self.place)(known.area) => {
                return Err(note(draft.line, None, true, "import-lives-elsewhere"));
            }
            Match::One(known) if known.area != draft.area => {
                return Err(note(draft.line, None, true, "import-other-grid"));
            }
            Match::One(known) => Some(known),
            Match::Nobody => None,
        };
        self.seen.extend(surest.iter().map(|key| (key.clone(), draft.line)));
        Ok(found)
    }

    /// The edits of a row: one of each part that it changes.
    pub(super) fn edits(
        &self,
        draft: &mut Draft,
        known: Option<Known>,
        states: &BTreeMap<(RecordId, Part), PartState>,
        n: &mut u64,
    ) -> Vec<Edit> {
        let record = known.map_or_else(|| RecordId::fresh(&*self.app.outside), |known| known.id);
        let mut edits = Vec::new();
        for part in Part::ALL {
            let mut writes = std::mem::take(if part == Part::Open { &mut draft.open } else { &mut draft.restricted });
            if part == Part::Restricted && writes.is_empty() {
                continue;
            }
            let state = states.get(&(record, part)).filter(|state| !state.is_empty());
            match state {
                Some(state) => self.only_changes(draft, state, &mut writes),
                None => {
                    if part == Part::Open {
                        writes.insert(Path::field("area"), Value::of(&draft.area));
                    }
                    for problem in validate::draft(self.form, part, &writes) {
                        self.judge(draft, problem);
                    }
                }
            }
            if writes.is_empty() {
                continue;
            }
            *n += 1;
            let edit = Edit {
                id: EditId::fresh(&*self.app.outside),
                record,
                kind: self.options.kind,
                part,
                dot: Dot { slot: self.writer.slot, n: *n },
                context: state.map_or_else(VectorTimestamp::new, |state| state.vector().clone()),
                epoch: self.rules.epoch,
                at: self.rules.now,
                zone: 480,
                author: Arc::clone(&self.author),
                form: self.form.version,
                writes,
            };
            if state.is_some() {
                for problem in validate::edit(self.form, &edit) {
                    self.judge(draft, problem);
                }
            }
            edits.push(edit);
        }
        edits
    }

    /// Leaves out what the record says already, and what people have to decide first.
    fn only_changes(&self, draft: &mut Draft, state: &PartState, writes: &mut BTreeMap<Path, Value>) {
        let mut open = Vec::new();
        writes.retain(|path, value| {
            let policy = self.form.field(path.field_name()).map(shared::form::Field::policy);
            match policy {
                Some(Policy::Many) => !state.live(path).any(|write| !write.value.is_null()),
                Some(Policy::One) if view::one(state, path.field_name()).is_open() => {
                    let said = state.live(path).any(|write| write.value == value);
                    if !said {
                        open.push(path.clone());
                    }
                    false
                }
                Some(policy) => view::shown(state, path.field_name(), policy) != Some(value),
                None => false,
            }
        });
        for path in open {
            draft.notes.push(note(draft.line, Some(&self.label(&path)), false, "import-to-decide"));
        }
    }
}
