//! Bringing a file in: rows in pieces of a thousand, all of them in one transaction.

use std::collections::BTreeMap;
use std::io::{BufReader, Cursor, Read as _};
use std::sync::Arc;

use shared::area::AreaId;
use shared::author::{Author, Role};
use shared::edit::Edit;
use shared::form::Form;
use shared::ids::{Dot, EditId, RecordId, Slot, UserId};
use shared::merge::PartState;
use shared::path::Path;
use shared::record::Part;
use shared::validate::{self, Severity};
use shared::value::Value;
use shared::vector::VectorTimestamp;
use shared::view::{self, Policy};
use shared::wire::Outcome;

use super::areas::{Areas, Named};
use super::header::{Column, Header};
use super::identity::{self, Index, Known, Match};
use super::report::{Note, Report, Taken};
use super::rows::{Row, Rows};
use super::{ImportError, Options, cells, decode};
use crate::AppState;
use crate::auth::Who;
use crate::store::{self, Audit, Origin, StoreError, Tx, User};
use crate::sync::accept::{self, Rules, Writer};

/// Rows accepted at once.
const PIECE: usize = 1_000;

/// Brings in a file. Takes seconds for 72,000 rows and holds the town's write lock meanwhile; memory is bounded by what
/// the town holds, not by the file. With [`Options::dry_run`] nothing is kept.
pub fn import(app: &AppState, options: &Options, mut input: impl std::io::Read) -> Result<Report, ImportError> {
    let mut sample = Vec::new();
    let bound = u64::try_from(decode::SAMPLE_BYTES).unwrap_or(u64::MAX);
    input.by_ref().take(bound).read_to_end(&mut sample).map_err(super::BadRows::Io)?;
    let whole = sample.len() < decode::SAMPLE_BYTES;
    let beginning = match options.encoding {
        Some(encoding) => {
            decode::Beginning { encoding, ..decode::beginning(&sample, whole).or_else(|bad| as_told(bad, encoding))? }
        }
        None => decode::beginning(&sample, whole)?,
    };
    let mut start = Cursor::new(sample);
    start.set_position(u64::try_from(beginning.mark).unwrap_or(0));
    let mut rows = Rows::new(BufReader::with_capacity(64 * 1024, start.chain(input)), beginning.separator);

    // A file that is none is told before a town that is missing.
    let town = town(&app.rules()?, options);
    let rules = if let Ok(town) = &town { app.rules_of(*town)? } else { app.rules()? };
    let form = rules.forms.newest(options.kind).ok_or(ImportError::Empty)?;
    let header = rows.next_row()?.ok_or(ImportError::Empty)?;
    let words = header.cells.iter().map(|cell| decode::text(beginning.encoding, cell).unwrap_or_default());
    let header = Header::read(form, &words.collect::<Vec<_>>(), options.area.is_some())?;
    let town = town?;
    let who = Who::of(options.user.clone().unwrap_or_else(|| nobody(town, &rules)), &rules.areas);
    let bound = options.area.map(|area| rules.areas.scope(&[area]));
    let areas = Areas::of(&rules.areas);
    let place = |area: AreaId| {
        who.scope.contains(area)
            && rules.areas.town_of(area) == Some(town)
            && bound.as_ref().is_none_or(|bound| bound.contains(area))
    };

    let mut report = None;
    app.store.with_tx(town, &mut |tx| {
        // The file is read while the transaction runs: a second run would find it at its end.
        if report.is_some() {
            return Err(StoreError::Busy);
        }
        let slot = accept::new_slot(app, tx, Origin::Import, &options.label)?;
        let author = Arc::new(Author { user: Some(who.user.id), name: who.user.name.clone(), role: who.user.role });
        let mut run = Run {
            app,
            rules: &rules,
            form,
            header: &header,
            encoding: beginning.encoding,
            options,
            areas: &areas,
            place: &place,
            index: Index::read(tx, form)?,
            seen: BTreeMap::new(),
            writer: Writer { who: who.clone(), slot, origin: Origin::Import },
            author,
            n: 0,
            report: Report::new(beginning.encoding, header.ignored()),
        };
        let done = run.all(tx, &mut rows);
        let keep = done.is_ok() && !options.dry_run;
        let counts = &run.report;
        if keep {
            let detail = serde_json::json!({
                "kind": options.kind, "rows": counts.rows, "new": counts.new, "changed": counts.changed,
                "refused": counts.refused,
            });
            tx.put_audit(&Audit {
                at: rules.now,
                user: options.user.as_ref().map(|user| user.id),
                action: "audit-import".to_owned(),
                subject: slot.to_string(),
                detail: detail.to_string(),
            })?;
        }
        report = Some(done.map(|()| run.report));
        Ok(if keep { store::End::Commit } else { store::End::Rollback })
    })?;
    report.unwrap_or(Err(ImportError::Store(StoreError::Missing("the import's result"))))
}

/// The options name the encoding: only what no encoding mends is refused.
fn as_told(bad: decode::BadEncoding, encoding: decode::Encoding) -> Result<decode::Beginning, ImportError> {
    match bad {
        decode::BadEncoding::Neither => Ok(decode::Beginning { encoding, mark: 0, separator: b',' }),
        other => Err(other.into()),
    }
}

fn town(rules: &Rules, options: &Options) -> Result<AreaId, ImportError> {
    if let Some(area) = options.area {
        return rules.areas.town_of(area).ok_or_else(|| ImportError::BadArea(area.to_string()));
    }
    if let Some(user) = &options.user {
        return Ok(user.town);
    }
    let mut towns = rules.areas.iter().filter(|area| area.level == shared::area::AreaLevel::Town);
    match (towns.next(), towns.next()) {
        (Some(town), None) => Ok(town.id),
        _ => Err(ImportError::WhichTown),
    }
}

/// A command on the server acts for the whole town, as nobody in particular.
fn nobody(town: AreaId, rules: &Rules) -> User {
    let name = rules.areas.get(town).map(|area| area.name.clone()).unwrap_or_default();
    User {
        id: UserId(uuid::Uuid::nil()),
        town,
        name,
        login: String::new(),
        role: Role::CenterStaff,
        scope: vec![town],
        cleared: true,
        may_unmask: false,
        password: None,
        active: true,
    }
}

/// What a row writes, before it is known to whom.
struct Draft {
    line: u64,
    area: AreaId,
    open: BTreeMap<Path, Value>,
    restricted: BTreeMap<Path, Value>,
    notes: Vec<Note>,
}

struct Run<'a> {
    app: &'a AppState,
    rules: &'a Rules,
    form: &'a Form,
    header: &'a Header<'a>,
    encoding: decode::Encoding,
    options: &'a Options,
    areas: &'a Areas,
    place: &'a dyn Fn(AreaId) -> bool,
    index: Index,
    /// The keys of the rows taken so far, with their lines.
    seen: BTreeMap<String, u64>,
    writer: Writer,
    author: Arc<Author>,
    n: u64,
    report: Report,
}

impl Run<'_> {
    fn all(&mut self, tx: &mut dyn Tx, rows: &mut Rows<impl std::io::BufRead>) -> Result<(), ImportError> {
        let mut piece = Vec::with_capacity(PIECE);
        while let Some(row) = rows.next_row()? {
            match self.draft(&row) {
                Ok(draft) => {
                    if let Some(matched) = self.matched(&draft) {
                        piece.push((draft, matched));
                    }
                }
                Err(notes) => self.report.add(Taken::Refused, notes),
            }
            if piece.len() >= PIECE {
                self.take(tx, std::mem::take(&mut piece))?;
            }
        }
        self.take(tx, piece)?;
        self.report.notes.sort_by_key(|note| note.line);
        Ok(())
    }

    /// The cells of a row as writes, or why it is refused.
    fn draft(&self, row: &Row) -> Result<Draft, Vec<Note>> {
        let mut notes = Vec::new();
        let mut draft = Draft {
            line: row.line,
            area: self.options.area.unwrap_or(self.writer.who.user.town),
            open: BTreeMap::new(),
            restricted: BTreeMap::new(),
            notes: Vec::new(),
        };
        let mut area_told = self.options.area.is_some();
        let refuse = |column: Option<&str>, key: &str| note(row.line, column, true, key);
        if row.cells.iter().skip(self.header.columns.len()).any(|cell| !cell.is_empty()) {
            notes.push(refuse(None, "import-more-cells"));
        }
        for ((word, column), cell) in self.header.columns.iter().zip(&row.cells) {
            let word = Some(word.as_str());
            if matches!(column, Column::Ignored) || cell.is_empty() {
                continue;
            }
            let Some(text) = decode::text(self.encoding, cell) else {
                notes.push(refuse(word, "import-not-in-encoding"));
                continue;
            };
            match column {
                Column::Ignored => {}
                Column::Area => match self.areas.find(&cells::tidy(&text)) {
                    _ if cells::tidy(&text).is_empty() => {}
                    Named::One(area) if (self.place)(area) => {
                        draft.area = area;
                        area_told = true;
                    }
                    wrong => {
                        area_told = true;
                        notes.push(refuse(word, area_problem(wrong)));
                    }
                },
                Column::Field(field) => match cells::writes(field, &text) {
                    Ok(writes) if field.restricted => draft.restricted.extend(writes),
                    Ok(writes) => draft.open.extend(writes),
                    Err(key) => notes.push(refuse(word, key)),
                },
            }
        }
        if !area_told {
            notes.push(refuse(None, "import-no-area-in-row"));
        } else if notes.is_empty() && !(self.place)(draft.area) {
            notes.push(refuse(None, "import-area-outside"));
        }
        if !draft.restricted.is_empty() && !self.writer.who.user.cleared {
            notes.push(refuse(None, "import-not-cleared"));
        }
        if notes.is_empty() { Ok(draft) } else { Err(notes) }
    }

    /// Who the row is about; refuses it where that is not clear.
    fn matched(&mut self, draft: &Draft) -> Option<Option<Known>> {
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
            self.report.add(Taken::Refused, vec![twice]);
            return None;
        }
        let refused = match self.index.find(&keys) {
            Match::Several => "import-several-match",
            Match::One(known) if known.deleted => "import-deleted",
            Match::One(known) if !(self.place)(known.area) => "import-lives-elsewhere",
            Match::One(known) if known.area != draft.area => "import-other-grid",
            found => {
                self.seen.extend(surest.iter().map(|key| (key.clone(), draft.line)));
                return Some(match found {
                    Match::One(known) => Some(known),
                    _ => None,
                });
            }
        };
        self.report.add(Taken::Refused, vec![note(draft.line, None, true, refused)]);
        None
    }

    fn take(&mut self, tx: &mut dyn Tx, piece: Vec<(Draft, Option<Known>)>) -> Result<(), StoreError> {
        let keys: Vec<(RecordId, Part)> = piece
            .iter()
            .filter_map(|(_, known)| *known)
            .flat_map(|known| Part::ALL.map(|part| (known.id, part)))
            .collect();
        let mut states: BTreeMap<(RecordId, Part), PartState> = BTreeMap::new();
        for part in tx.load_many(&keys)? {
            states.insert((part.record, part.part), crate::batch::state(&part)?);
        }
        let mut edits = Vec::new();
        let mut rows = Vec::with_capacity(piece.len());
        for (mut draft, known) in piece {
            let before = self.n;
            let row_edits = self.edits(&mut draft, known, &states);
            if draft.notes.iter().any(|note| note.refused) {
                self.n = before;
                self.report.add(Taken::Refused, draft.notes);
                continue;
            }
            let taken = match (known, row_edits.is_empty()) {
                (None, _) => Taken::New,
                (Some(_), true) => Taken::Same,
                (Some(_), false) => Taken::Changed,
            };
            rows.push((taken, draft.line, draft.notes, row_edits.len()));
            edits.extend(row_edits);
        }
        let mut receipts = accept::accept_in(tx, self.rules, &self.writer, edits)?.into_iter();
        for (taken, line, mut notes, count) in rows {
            let mut taken = taken;
            for receipt in receipts.by_ref().take(count) {
                if let Outcome::Rejected(why) = receipt.outcome {
                    let column = why.path.as_ref().map(|path| self.label(path));
                    let key = if why.detail.is_empty() { "import-not-accepted" } else { why.detail.as_str() };
                    notes.push(note(line, column.as_deref(), true, key));
                    taken = Taken::Refused;
                }
            }
            self.report.add(taken, notes);
        }
        Ok(())
    }

    /// The edits of a row: one of each part that it changes.
    fn edits(
        &mut self,
        draft: &mut Draft,
        known: Option<Known>,
        states: &BTreeMap<(RecordId, Part), PartState>,
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
            self.n += 1;
            let edit = Edit {
                id: EditId::fresh(&*self.app.outside),
                record,
                kind: self.options.kind,
                part,
                dot: Dot { slot: self.slot(), n: self.n },
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

    fn slot(&self) -> Slot {
        self.writer.slot
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

    fn judge(&self, draft: &mut Draft, problem: validate::Problem) {
        let refused = problem.severity == Severity::Refused;
        let mut found = note(draft.line, Some(&self.label(&problem.path)), refused, problem.code);
        found.args = problem.args.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        draft.notes.push(found);
    }

    /// The header's word for a field, or its label where it has no column.
    fn label(&self, path: &Path) -> String {
        let name = path.field_name();
        let column = self.header.columns.iter().find(|(_, c)| matches!(c, Column::Field(field) if field.name == name));
        match column {
            Some((word, _)) => word.clone(),
            None => self.form.field(name).map_or_else(|| name.to_owned(), |field| field.label.zh.clone()),
        }
    }
}

fn area_problem(named: Named) -> &'static str {
    match named {
        Named::One(_) => "import-area-outside",
        Named::Several => "import-area-ambiguous",
        Named::None => "import-area-unknown",
    }
}

fn note(line: u64, column: Option<&str>, refused: bool, key: &str) -> Note {
    Note { line, column: column.map(str::to_owned), refused, key: key.to_owned(), args: Vec::new() }
}
